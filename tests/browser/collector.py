"""A server that serves one page with the tracker and keeps what it is sent."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page

SCRIPT = Path(__file__).resolve().parents[2] / "static" / "tracker" / "analytics.js"
PAGE = """<!doctype html><title>A page</title>
<script defer src="/analytics.js" data-site="ff_test" {attributes}></script>
<body style="height: 400vh"><a id="in" href="/other#x">In</a> <a id="here" href="#below">Here</a>
<a id="out" href="http://localhost:{port}/out"><b>Out</b></a> <a id="mail" href="mailto:a@b.example">Mail</a>
"""
Sent = dict[str, Any]


class Collector(ThreadingHTTPServer):
    """Serves one page at every address, and keeps the bodies that are posted to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[Sent] = []
        self.types: list[str] = []
        self.statuses: list[int] = []  # answers to come; 202 when there are no more
        self.attributes = ""
        self.answering = threading.Event()  # cleared, requests stay under way
        self.answering.set()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def events(self, name: str | None = None) -> list[Sent]:
        """Each event once, as it was first sent."""
        once = {event["id"]: event for body in reversed(self.bodies) for event in reversed(body["events"])}
        return [event for event in reversed(once.values()) if name in (None, event["name"])]

    def wait(self, name: str, count: int = 1, seconds: float = 8) -> list[Sent]:
        wait_for(lambda: len(self.events(name)) >= count, seconds)
        return self.events(name)


def wait_for(happened: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_GET(self) -> None:
        is_script = self.path == "/analytics.js"
        page = PAGE.format(attributes=self.server.attributes, port=self.server.server_port)
        self._answer(200, "text/javascript" if is_script else "text/html", SCRIPT.read_text() if is_script else page)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.types.append(self.headers["Content-Type"])
        self.server.answering.wait(10)
        self._answer(self.server.statuses.pop(0) if self.server.statuses else 202, "application/json", "{}")

    def _answer(self, status: int, content_type: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the library's
        pass


def words(message: ConsoleMessage) -> str:
    # The browser itself reports answers of 400 and more, and addresses that it cannot reach.
    return "" if message.text.startswith("Failed to load resource") else message.text


def hide(page: Page) -> None:
    """As when another tab is chosen."""
    page.evaluate(
        """() => {
            Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
