"""The endpoint through Django, as servers other than ours call it."""

import io
import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from ingest.models import Site
from ingest.views import EventsView
from tests.ingest.examples import CHROME, document, waiting

PATH = "/api/v1/events"


def post(content: Any, path: str = PATH, content_type: str = "application/json", **extra: Any) -> tuple[int, Any]:
    body = json.dumps(content).encode()
    answer = Client().generic("POST", path, body, content_type, HTTP_USER_AGENT=CHROME, **extra)
    assert answer["Content-Type"] == "application/json"
    assert answer["Access-Control-Allow-Origin"] == "*"
    return answer.status_code, json.loads(answer.content)


def test_it_works(site: Site) -> None:
    assert post(document(site, {"name": "pageview"})) == (202, {"accepted": 1, "rejected": [], "dropped": []})
    assert [event.name for event in waiting()[0].events] == ["pageview"]


def test_a_beacon_is_taken_as_text(site: Site) -> None:
    status, _ = post(document(site, {"name": "pageview"}), content_type="text/plain;charset=UTF-8")
    assert status == 202


def test_a_foreign_page_and_a_garbage_cookie_make_no_difference(site: Site) -> None:
    extra = {"HTTP_ORIGIN": "https://any.example", "HTTP_COOKIE": "footfall_session=x; " * 200}
    assert post(document(site, {"name": "pageview"}), **extra)[0] == 202


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "image/png", "", "garbage"])
def test_the_answer_is_json_whatever_is_asked_for(site: Site, accept: str) -> None:
    assert post(document(site, {"name": "pageview"}), HTTP_ACCEPT=accept)[0] == 202


@pytest.mark.parametrize("query", ["?format=api", "?format=xml", "?a=%ff", "?" + "a=b&" * 2000])
def test_the_query_is_not_read(site: Site, query: str) -> None:
    assert post(document(site, {"name": "pageview"}), PATH + query)[0] == 202


@pytest.mark.parametrize("charset", ["bz2", "rot13", "uu", "punycode", "undefined", "utf-7", "nonsense"])
def test_an_odd_charset_is_refused(site: Site, charset: str) -> None:
    status, told = post(document(site, {"name": "a"}), content_type=f"application/json; charset={charset}")
    assert (status, told["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(method: str, db: None) -> None:
    answer = Client().generic(method, PATH)
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")


def test_a_method_in_a_header_is_ignored(site: Site) -> None:
    assert post(document(site, {"name": "a"}), HTTP_X_HTTP_METHOD_OVERRIDE="DELETE")[0] == 202


def test_a_preflight_is_answered_without_a_body() -> None:
    answer = Client().options(PATH, HTTP_ORIGIN="https://any.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Methods"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("environ", "status", "error"),
    [
        ({"CONTENT_LENGTH": ""}, 411, "bad_request"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "bad_request"),
        ({"CONTENT_LENGTH": "-5"}, 400, "bad_request"),
        ({"CONTENT_LENGTH": "9" * 5000}, 400, "bad_request"),
        ({"CONTENT_LENGTH": str(1 << 21)}, 413, "body_too_large"),
        ({"CONTENT_LENGTH": "999"}, 400, "incomplete"),
    ],
)
def test_a_body_that_cannot_be_measured_is_refused(environ: dict[str, str], status: int, error: str) -> None:
    told = answered(io.BytesIO(b"{}"), **environ)
    assert (told.status_code, json.loads(told.content)["error"]) == (status, error)


class Gone(io.BytesIO):
    """What a server gives to read when the sender has left."""

    def read(self, *_: int | None) -> bytes:
        raise OSError("connection reset by peer")


def test_a_sender_that_leaves_is_no_error_of_ours() -> None:
    told = answered(Gone(), CONTENT_LENGTH="999")
    assert (told.status_code, json.loads(told.content)["error"]) == (400, "incomplete")


def answered(stream: io.BytesIO, **environ: Any) -> HttpResponse:
    """The view's answer to a request with an environment that the test client does not allow."""
    request = RequestFactory().post(PATH, "{}", "application/json", **{"wsgi.input": stream, **environ})
    return EventsView.as_view()(request)
