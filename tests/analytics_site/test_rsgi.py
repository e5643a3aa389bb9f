"""The web process: a real granian on a free port, and requests written byte by byte."""

import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from analytics_site import programs
from ingest.models import Site
from tests.conftest import database_url
from tests.ingest.examples import CHROME, document, waiting
from tests.product import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PATH = "/api/v1/events"
DEADLINE = 2  # seconds that a body may take


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.fixture(scope="module")
def port_of_django(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where Django answers everything."""
    with served(tmp_path_factory.mktemp("web"), INGEST_LANE="off") as port:
        yield port


@contextmanager
def served(folder: Path, **more: str) -> Iterator[int]:
    """granian as `manage.py up` starts it, over the test's database and Redis."""
    port, path = free_port(), folder / "web.log"
    urls = {"DATABASE_URL": database_url(), "REDIS_URL": django_settings.REDIS_URL}
    environment = {**os.environ, **urls, "INGEST_BODY_SECONDS": str(DEADLINE), "INGEST_TRUSTED_PROXIES": "1", **more}
    command = [sys.executable, "-m", "granian", *programs.web("127.0.0.1", port)]
    with path.open("w") as log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
        try:
            _wait_until_it_answers(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(30)
    assert "Traceback" not in (said := path.read_text()), said


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("granian did not start within 30 s")


class Told:
    """An answer: `status`, `headers` under lower-case names, `body`."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, body, {"User-Agent": CHROME, **(headers or {})})
        return Told(connection.getresponse())
    finally:
        connection.close()


def post(port: int, content: Any, **headers: str) -> Told:
    return ask(port, "POST", PATH, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


def raw(port: int, *parts: bytes, pause: float = 0) -> Told:
    """What is answered to bytes as they are, with a PAUSE (seconds) between the parts."""
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return Told(answer)


def head(length: object = None, method: str = "POST", path: str = PATH, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"User-Agent: {CHROME}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def one(site: Site) -> bytes:
    return json.dumps(document(site, {"name": "pageview"})).encode()


def test_it_works(port: int, committed: Site) -> None:
    told = post(port, document(committed, {"name": "pageview"}))
    assert (told.status, json.loads(told.body)) == (202, {"accepted": 1, "rejected": [], "dropped": []})
    assert told.headers["content-type"] == "application/json"
    assert [event.name for event in waiting()[0].events] == ["pageview"]


def test_it_is_alive(port: int) -> None:
    told = ask(port, "GET", "/healthz")
    assert (told.status, told.body, told.headers["cache-control"]) == (200, b"ok", "no-store")


# --- Bodies -----------------------------------------------------------------------------------------------


def test_a_packed_body_is_stored(port: int, committed: Site) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    assert ask(port, "POST", PATH, gzip.compress(one(committed)), headers).status == 202


def test_a_long_header_is_refused_and_told(port: int, committed: Site) -> None:
    told = raw(port, head(2, **{"X-A": "a" * 8_193}) + b"{}")
    assert (told.status, told.error) == (431, "header_too_large")
    assert raw(port, head(len(one(committed)), **{"X-A": "a" * 8_192}) + one(committed)).status == 202


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_chunked_body_is_stored(port: int, committed: Site, size: int) -> None:
    content = one(committed)
    chunks = (content[start : start + size] for start in range(0, len(content), size))
    assert ask(port, "POST", PATH, chunks, {"Content-Type": "application/json"}).status == 202
    assert len(waiting()) == 1


def test_a_body_in_two_packets_is_one(port: int, committed: Site) -> None:
    content = one(committed)
    assert raw(port, head(len(content)), content[:9], content[9:], pause=0.1).status == 202


def test_a_slow_body_is_given_up(port: int, committed: Site) -> None:
    started = time.monotonic()
    told = raw(port, head(100) + b"{")
    assert (told.status, told.error) == (408, "timeout")
    assert DEADLINE - 0.5 < time.monotonic() - started < DEADLINE + 2


def test_a_slow_chunked_body_is_given_up(port: int, committed: Site) -> None:
    told = raw(port, head(None, **{"Transfer-Encoding": "chunked"}) + b"1\r\n{\r\n")
    assert (told.status, told.error) == (408, "timeout")


def test_a_body_over_the_limit_is_refused_before_it_comes(port: int) -> None:
    started = time.monotonic()
    told = raw(port, head(30 << 20))
    assert (told.status, told.error) == (413, "body_too_large")
    assert time.monotonic() - started < 1


def test_a_chunked_body_over_the_limit_is_refused(port: int) -> None:
    chunks = (b" " * 65_536 for _ in range(20))
    try:
        told = ask(port, "POST", PATH, chunks, {"Content-Type": "application/json"})
    except (BrokenPipeError, ConnectionResetError):
        return  # refused while it was still sending
    assert (told.status, told.error) == (413, "body_too_large")


def test_a_sender_that_leaves_half_way_stores_nothing(port: int, committed: Site) -> None:
    content = one(committed)
    for sent in (content[:-1], b""):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head(len(content)) + sent)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(None, **{"Transfer-Encoding": "chunked"}) + b"%x\r\n" % len(content) + content[:-1])
    time.sleep(0.3)
    assert waiting() == []
    assert post(port, document(committed, {"name": "a"})).status == 202


@pytest.mark.parametrize(
    "lines",
    [
        {"Content-Length": "-5"},
        {"Content-Length": "5, 7"},
        {"Content-Length": "x"},
        {"Content-Length": "9" * 5000},
        {"Transfer-Encoding": "x"},
    ],
)
def test_a_length_that_is_none_is_never_accepted(port: int, committed: Site, lines: dict[str, str]) -> None:
    assert raw(port, head(None, **lines) + one(committed)).status in (400, 411, 413, 431, 501)
    assert waiting() == []


def test_60_slow_bodies_keep_nobody_waiting(port: int, committed: Site) -> None:
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for number, connection in enumerate(slow):
        connection.sendall(head(500, path=PATH if number % 2 else "/login") + b"{")
    try:
        for method, path in (("GET", "/healthz"), ("GET", "/static/none"), ("OPTIONS", PATH), ("GET", "/none")):
            assert timed(lambda method=method, path=path: ask(port, method, path)) < 1
        assert timed(lambda: post(port, document(committed, {"name": "a"}))) < 1
        assert all(still_waits(connection) for connection in slow)
    finally:
        for connection in slow:
            connection.close()


def timed(call: Any) -> float:
    started = time.monotonic()
    assert call().status < 500
    return time.monotonic() - started


def still_waits(connection: socket.socket) -> bool:
    """Nothing was answered yet: the others did not merely come after it."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK) and False
    except BlockingIOError:
        return True


def test_many_at_once_are_all_answered(port: int, committed: Site) -> None:
    statuses: list[int] = []

    def send() -> None:
        statuses.extend(post(port, document(committed, {"name": "a"})).status for _ in range(10))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [202] * 80
    assert len(waiting()) == 80


# --- Headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["https://a.b\xe9", "\xff\xfe", "é".encode().decode("latin-1"), "a\tb", "x" * 5000])
@pytest.mark.parametrize("name", ["Origin", "User-Agent", "Accept-Language", "X-Forwarded-For", "Referer"])
def test_a_header_of_odd_bytes_costs_no_event(port: int, committed: Site, name: str, value: str) -> None:
    content = one(committed)
    assert raw(port, head(len(content), **{name: value}) + content).status == 202
    assert len(waiting()) == 1


def test_a_header_with_an_underscore_is_not_the_other(port: int, committed: Site) -> None:
    content = one(committed)
    raw(port, head(len(content), X_Forwarded_For="84.128.0.1") + content)
    assert waiting()[0].context.country is None


def test_repeated_headers_are_read_together(port: int, committed: Site) -> None:
    """Whatever a sender writes first: what the nearest proxy adds comes last."""
    content = one(committed)
    lines = b"X-Forwarded-For: 84.128.0.1\r\nX-Forwarded-For: 5.148.160.1\r\n"
    raw(port, head(len(content)).replace(b"Host:", lines + b"Host:") + content)
    assert waiting()[0].context.country == "CH"


def test_a_large_header_is_refused(port: int, committed: Site) -> None:
    content = one(committed)
    told = raw(port, head(len(content), **{"X-Big": "a" * 1_000_000}) + content)
    assert told.status in (400, 431)


# --- Methods and paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "post"])
def test_other_methods_are_refused(port: int, method: str) -> None:
    told = ask(port, method, PATH)
    assert (told.status, told.headers["allow"], told.error) == (405, "POST, OPTIONS", "method_not_allowed")


def test_a_preflight_is_answered(port: int) -> None:
    told = ask(port, "OPTIONS", PATH, headers={"Origin": "https://any.example"})
    assert (told.status, told.body, told.headers["access-control-allow-origin"]) == (204, b"", "*")


def test_a_head_request_has_no_body(port: int, db: None) -> None:
    for path in ("/healthz", "/none", PATH):
        assert ask(port, "HEAD", path).body == b""


def test_a_query_changes_nothing(port: int, committed: Site) -> None:
    assert ask(port, "POST", PATH + "?a=b", one(committed), {"Content-Type": "text/plain"}).status == 202


@pytest.mark.parametrize("charset", ["bz2", "rot13", "undefined", "punycode", "utf-7", "nonsense"])
@pytest.mark.parametrize("path", [PATH, "/login"])
def test_an_odd_charset_is_no_error_of_ours(port: int, committed: Site, path: str, charset: str) -> None:
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    assert 400 <= ask(port, "POST", path + "?a=b", b"a=b", headers).status < 500


def test_paths_beside_the_lane_are_not_it(port: int, committed: Site) -> None:
    for path in ("//api/v1/events", "/api/v1/./events", "/api/v1/events/x", "/API/v1/events"):
        assert ask(port, "POST", path, one(committed), {"Content-Type": "application/json"}).status in (403, 404)
    assert waiting() == []


def test_a_long_path_is_no_error_of_ours(port: int) -> None:
    assert ask(port, "GET", "/" + "a" * 9_000).status in (400, 404, 414, 431)


def test_a_path_of_odd_bytes_is_a_path(port: int) -> None:
    for path in (b"/%FF%FE", b"/%00", b"/%", b"/%zz"):
        assert raw(port, b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status in (400, 404)


# --- With the lane switched off -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 300_000])
def test_django_takes_the_same_events(port_of_django: int, committed: Site, size: int) -> None:
    """Also bodies that are larger than a form may be."""
    content = one(committed) + b" " * size
    chunks = (content[start : start + 50_000] for start in range(0, len(content), 50_000))
    for body in (content, chunks):
        told = ask(port_of_django, "POST", PATH, body, {"Content-Type": "application/json"})
        assert (told.status, json.loads(told.body)) == (202, {"accepted": 1, "rejected": [], "dropped": []})
    assert len(waiting()) == 2


def test_django_refuses_by_the_same_words(port_of_django: int, committed: Site) -> None:
    assert ask(port_of_django, "GET", PATH).error == "method_not_allowed"
    assert ask(port_of_django, "POST", PATH, b"{", {"Content-Type": "application/json"}).error == "bad_json"
    assert raw(port_of_django, head(30 << 20)).error == "body_too_large"
    assert raw(port_of_django, head(100) + b"{").error == "timeout"
    assert ask(port_of_django, "OPTIONS", PATH).status == 204
    foreign = raw(port_of_django, head(2).replace(b"Host: 127.0.0.1", b"Host: evil.example") + b"{}")
    assert (foreign.status, foreign.error) == (400, "bad_host")
