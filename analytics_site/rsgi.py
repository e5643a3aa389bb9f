"""The web process: one RSGI callable for granian.

It reads every body itself, under a deadline and a size limit, so that a sender that dawdles holds a coroutine
and never a thread. The busiest ingestion routes (the lane) it answers over `collect`; every other request
goes to Django with its whole body, in a thread of a pool of its own, so that neither can starve the other.
"""

import asyncio
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

import django
from django.conf import settings
from granian.rsgi import ProtocolClosed

from analytics_site.child import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")
django.setup()

from analytics_site.wsgi import Handler  # noqa: E402  the settings come first
from ingest import arrivals, garbage, keeping, script  # noqa: E402
from ingest.body import too_large  # noqa: E402
from ingest.formats import native  # noqa: E402
from ingest.lane import Lane  # noqa: E402
from ingest.pipeline import Answer, refused  # noqa: E402
from ingest.refusal import Refused  # noqa: E402

log = logging.getLogger(__name__)
LANE = {"/api/v1/events": native.parse}
LANE_THREADS, DJANGO_THREADS = 4, 8
FORM_BYTES = 256 << 10  # of any other request: forms are small, and anyone may send one anywhere
HEADER_BYTES = 8 << 10
Headers = list[tuple[str, str]]


class Application:
    def __init__(self) -> None:
        self.django = Handler()
        self.lane = Lane(ThreadPoolExecutor(LANE_THREADS, "lane"))
        self.django_pool = ThreadPoolExecutor(DJANGO_THREADS, "django")

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        garbage.search_seldom()
        die_with_parent()  # a worker must not outlive a server that was killed
        try:
            keeping.check()
        except keeping.Unfit as error:
            sys.exit(str(error))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self.lane.close())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(1002)
            return
        in_lane = settings.INGEST_LANE and scope.path in LANE
        if scope.path == "/healthz":
            _send(protocol, Answer(200, b"ok", {"Content-Type": "text/plain", "Cache-Control": "no-store"}))
        elif scope.path == "/analytics.js" and scope.method == "GET":  # sites must not wait for a slow dashboard
            _send(protocol, script.answer(scope.headers.get("if-none-match") or ""))
        elif in_lane and scope.method != "POST":
            is_preflight = scope.method == "OPTIONS"
            _send(protocol, arrivals.preflight() if is_preflight else arrivals.not_allowed(scope.method))
        else:
            await self._with_body(scope, protocol, in_lane)

    async def _with_body(self, scope: Any, protocol: Any, in_lane: bool) -> None:
        limit = settings.INGEST_MAX_BODY if scope.path in LANE else FORM_BYTES
        try:
            headers = _headers(scope)
            body = await read_body(headers.get("content-length"), protocol, limit)
        except Refused as refusal:
            _send(protocol, refused(refusal))
            return
        if in_lane:
            _send(protocol, await self._collected(scope, headers, body))
            return
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self.django_pool, through_wsgi, self.django, scope, body)
        protocol.response_bytes(*answer)

    async def _collected(self, scope: Any, headers: dict[str, str], body: bytes) -> Answer:
        arrival = arrivals.of(body, headers, _peer(scope), time.time())
        try:
            return await self.lane.collect(arrival, LANE[scope.path])
        except Exception:  # a fault of ours: said as such, in JSON, and the sender keeps its events
            log.exception("A request to %s could not be answered.", scope.path)
            return refused(Refused(500, "internal", "This is our fault. Send the events again."))


async def read_body(content_length: str | None, protocol: Any, limit: int) -> bytes:
    """The whole body, chunked or not. Raises Refused past the size limit (413) or the deadline (408)."""
    length = int(content_length) if content_length and content_length.isdigit() else None
    if length is not None and length > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(settings.INGEST_BODY_SECONDS):
            # The server reads no more than the length; without one, nobody knows how much would come.
            body: bytes = await _up_to(limit, protocol) if length is None else await protocol()
    except TimeoutError:
        seconds = settings.INGEST_BODY_SECONDS
        raise Refused(408, "timeout", f"The body took longer than {seconds} s.", {"Connection": "close"}) from None
    except ProtocolClosed:  # nobody is left to be told
        raise incomplete() from None
    if length is not None and len(body) < length:
        raise incomplete()
    return body


def incomplete() -> Refused:
    return Refused(400, "incomplete", "The body ends before its Content-Length.")


async def _up_to(limit: int, protocol: Any) -> bytes:
    chunks, size = [], 0
    async for chunk in protocol:
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _headers(scope: Any) -> dict[str, str]:
    """By lower-case name; repeated ones as one list (RFC 9110, 5.3), cookies with their own separator.

    Raises Refused (431) for a longer header than most proxies let through. granian itself refuses so, without a
    body, 100 headers or 400 kB of them.
    """
    found: dict[str, str] = {}
    for name, value in scope.headers.items():
        if len(value) > HEADER_BYTES:
            raise Refused(431, "header_too_large", f"{name[:40]}: {len(value):,} bytes, at most {HEADER_BYTES:,}.")
        found[name] = f"{found[name]}{'; ' if name == 'cookie' else ','}{value}" if name in found else value
    return found


def _peer(scope: Any) -> str:
    return scope.client.rpartition(":")[0].strip("[]")


def _send(protocol: Any, answer: Answer) -> None:
    protocol.response_bytes(answer.status, list(answer.headers.items()), answer.body)


def through_wsgi(application: Callable[..., Iterable[bytes]], scope: Any, body: bytes) -> tuple[int, Headers, bytes]:
    """Calls a WSGI application with a request whose body is here already; HEAD is answered without a body."""
    answer: dict[str, Any] = {}

    def start_response(status: str, headers: Headers, exc_info: object = None) -> None:
        answer["status"], answer["headers"] = int(status.split(" ", 1)[0]), headers

    result = application(environ_of(scope, body), start_response)
    try:
        content = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    headers = [(name.lower(), value) for name, value in answer["headers"]]
    return answer["status"], headers, b"" if scope.method == "HEAD" else content


def environ_of(scope: Any, body: bytes) -> dict[str, Any]:
    """PEP 3333's environment."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": _peer(scope),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": _Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in _headers(scope).items():
        if "_" in name:  # could pass for another header
            continue
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ


class _Errors(io.TextIOBase):
    """wsgi.errors: standard error."""

    def write(self, text: str) -> int:
        return os.write(2, text.encode(errors="replace"))


app = Application()
