"""The environment that Django gets of a request to granian."""

from types import SimpleNamespace
from typing import Any

import pytest

from analytics_site.rsgi import environ_of


def scope(**fields: Any) -> Any:
    """A request as granian hands it over."""
    headers = fields.pop("headers", [])
    plain = {
        "method": "GET", "path": "/", "query_string": "", "http_version": "1.1", "scheme": "http",
        "server": "127.0.0.1:8000", "client": "203.0.113.9:5000",
    }  # fmt: skip
    return SimpleNamespace(**{**plain, **fields}, headers=SimpleNamespace(items=lambda: headers))


@pytest.mark.parametrize(
    ("path", "info"),
    [("/a%20b", "/a b"), ("/caf%C3%A9", "/café"), ("/café", "/café"), ("/%25", "/%"), ("/a%2Fb", "/a/b"), ("/+", "/+")],
)
def test_a_path_is_decoded_once(path: str, info: str) -> None:
    assert environ_of(scope(path=path), b"")["PATH_INFO"].encode("latin-1").decode() == info


def test_headers_become_variables() -> None:
    environ = environ_of(
        scope(
            headers=[("content-type", "text/plain"), ("content-length", "999"), ("x-a-b", "1"), ("x_a_b", "2"),
                     ("transfer-encoding", "chunked"), ("host", "example.com")]
        ),
        b"body",
    )  # fmt: skip
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"], environ["HTTP_X_A_B"]) == ("text/plain", "4", "1")
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ
    assert environ["wsgi.input"].read() == b"body"


def test_repeated_headers_become_one() -> None:
    """RFC 9110 5.3; cookies have a separator of their own, and come in pieces over HTTP/2."""
    headers = [("accept", "a"), ("accept", "b"), ("cookie", "a=1"), ("cookie", "b=2")]
    environ = environ_of(scope(headers=headers), b"")
    assert (environ["HTTP_ACCEPT"], environ["HTTP_COOKIE"]) == ("a,b", "a=1; b=2")


@pytest.mark.parametrize(
    ("client", "address"), [("203.0.113.9:5000", "203.0.113.9"), ("[::1]:5000", "::1"), ("::1:5000", "::1")]
)
def test_the_peer_is_an_address_without_a_port(client: str, address: str) -> None:
    assert environ_of(scope(client=client), b"")["REMOTE_ADDR"] == address
