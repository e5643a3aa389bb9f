"""The tracker's own rules, in a real browser, against a server that keeps what it is sent."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

pytestmark = pytest.mark.browser

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


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, args=(0.02,), daemon=True).start()
        yield collector
        collector.shutdown()


@pytest.fixture
def page(server: Collector, context: BrowserContext) -> Iterator[Page]:
    """A fresh page of which nothing may be printed and no error may escape."""
    made = context.new_page()
    said: list[str] = []
    made.on("console", lambda message: said.append(words(message)))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    assert [text for text in said if text] == []


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


def test_it_works(server: Collector, page: Page) -> None:
    page.goto(f"{server.base}/shop?utm_source=x#top", referer="https://search.example/")
    (view,) = server.wait("pageview")
    assert view["url"] == f"{server.base}/shop?utm_source=x#top"
    assert (view["title"], view["referrer"]) == ("A page", "https://search.example/")
    assert {"screen", "viewport", "language", "timezone", "timestamp"} <= view.keys()
    assert (server.bodies[0]["site"], server.types[0]) == ("ff_test", "text/plain")
    assert "sent_at" in server.bodies[0]


def test_ids_are_ordered_by_time(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("setTimeout(() => { footfall.track('later'); footfall.flush(); }, 5)")
    first, second = (UUID(event["id"]) for event in [*server.wait("pageview"), *server.wait("later")])
    assert (first.version, second.version) == (7, 7)
    assert first < second


def test_the_next_page_is_of_the_same_visitor_and_session(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.click("#in")
    one, two = server.wait("pageview", 2)
    assert (one["visitor_id"], one["session_id"]) == (two["visitor_id"], two["session_id"])
    assert two["url"].endswith("/other#x")


def test_half_an_hour_without_an_event_ends_the_session(server: Collector, page: Page) -> None:
    page.clock.install()
    page.goto(server.base)
    page.clock.run_for(1000)
    (first,) = server.wait("pageview")
    page.clock.fast_forward("29:00")
    page.evaluate("footfall.track('still')")
    page.clock.fast_forward("31:00")
    page.evaluate("footfall.track('anew')")
    page.clock.run_for(6000)
    assert server.wait("still")[0]["session_id"] == first["session_id"]
    assert server.wait("anew")[0]["session_id"] != first["session_id"]
    assert server.wait("anew")[0]["visitor_id"] == first["visitor_id"]


def test_engagement_belongs_to_the_page_views_session(server: Collector, page: Page) -> None:
    page.clock.install()
    page.goto(server.base)
    page.clock.run_for(1000)
    (view,) = server.wait("pageview")
    page.clock.fast_forward("45:00")
    hide(page)
    (look,) = server.wait("engagement")
    assert look["session_id"] == view["session_id"]
    assert look["engaged_ms"] >= 45 * 60_000


def test_engagement_tells_how_far_the_page_was_read(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_timeout(1100)
    hide(page)
    (look,) = server.wait("engagement")
    assert 50 <= look["scroll"] < 100
    assert 1000 <= look["engaged_ms"] < 8000


def test_a_short_look_is_no_engagement(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    hide(page)
    page.evaluate("footfall.track('end'); footfall.flush()")
    server.wait("end")
    assert server.events("engagement") == []


def test_history_changes_are_page_views_without_a_referrer(server: Collector, page: Page) -> None:
    page.goto(server.base, referer="https://search.example/")
    page.evaluate("history.pushState({}, '', '/a'); history.replaceState({}, '', '/b?c=1')")
    views = server.wait("pageview", 3)
    assert [view["url"].removeprefix(server.base) for view in views] == ["/", "/a", "/b?c=1"]
    assert ["referrer" in view for view in views] == [True, False, False]


def test_the_hash_and_the_same_address_are_no_page_view(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.click("#here")
    page.evaluate("history.replaceState({n: 1}, '', location.href); history.pushState({}, '', '#again')")
    page.evaluate("footfall.track('end'); footfall.flush()")
    server.wait("end")
    assert len(server.events("pageview")) == 1


def test_a_link_to_another_host_is_outbound(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.click("#out b")
    (out,) = server.wait("outbound")
    assert out["label"] == f"http://localhost:{server.server_port}/out"
    assert out["url"] == f"{server.base}/"


def test_a_middle_click_is_outbound_too(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.click("#out", button="middle")
    page.evaluate("footfall.flush()")
    assert len(server.wait("outbound")) == 1


@pytest.mark.parametrize("link", ["#in", "#here", "#mail"])
def test_other_links_are_not(server: Collector, page: Page, link: str) -> None:
    page.goto(server.base)
    page.evaluate("addEventListener('click', (click) => click.preventDefault())")
    page.click(link)
    page.evaluate("footfall.track('end'); footfall.flush()")
    server.wait("end")
    assert server.events("outbound") == []


def test_a_right_click_is_not_outbound(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.click("#out", button="right")
    page.evaluate("footfall.track('end'); footfall.flush()")
    server.wait("end")
    assert server.events("outbound") == []


def test_calls_carry_what_they_were_given(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("footfall.identify('u1', {plan: 'pro'}); footfall.track('signup', {n: 1}, {team: 2})")
    page.evaluate("footfall.trackOutbound('https://x.example/'); footfall.trackPageView(); footfall.flush()")
    (identify,), (signup,) = server.wait("identify"), server.wait("signup")
    assert (identify["user_id"], identify["user_properties"]) == ("u1", {"plan": "pro"})
    assert (signup["user_id"], signup["properties"], signup["user_properties"]) == ("u1", {"n": 1}, {"team": 2})
    assert server.wait("outbound")[0]["label"] == "https://x.example/"
    assert len(server.wait("pageview", 2)) == 2


def test_events_leave_ten_at_a_time(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("for (let n = 0; n < 25; n++) footfall.track('tick', {n})")
    ticks = server.wait("tick", 25)
    assert [tick["properties"]["n"] for tick in ticks] == list(range(25))
    assert [len(body["events"]) for body in server.bodies] == [1, 10, 10, 5]


def test_a_single_event_leaves_after_five_seconds(server: Collector, page: Page) -> None:
    page.clock.install()
    page.goto(server.base)
    page.clock.run_for(100)
    server.wait("pageview")
    page.evaluate("footfall.track('alone')")
    page.clock.run_for(4800)
    assert server.events("alone") == []
    page.clock.run_for(300)
    server.wait("alone")


def test_what_waits_leaves_when_the_page_is_hidden(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("footfall.track('waiting', {text: 'x'.repeat(2000)})")
    hide(page)
    server.wait("waiting", seconds=2)
    assert server.types[-1].startswith("text/plain")


def test_a_lot_that_waits_leaves_in_pieces_that_a_beacon_carries(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    server.statuses = [503]
    page.evaluate("for (let n = 0; n < 9; n++) footfall.track('big', {text: 'x'.repeat(8000)})")
    hide(page)
    assert len(server.wait("big", 9)) == 9


@pytest.mark.parametrize("status", [503, 429, 408, 500])
def test_what_was_not_taken_is_sent_again_with_the_same_ids(server: Collector, page: Page, status: int) -> None:
    server.statuses = [status]
    page.goto(server.base)
    wait_for(lambda: len(server.bodies) >= 2, 8)
    first, second = server.bodies[0]["events"], server.bodies[1]["events"]
    assert [event["id"] for event in first] == [event["id"] for event in second]
    assert first[0]["timestamp"] == second[0]["timestamp"]


@pytest.mark.parametrize("status", [400, 404, 413])
def test_what_was_refused_for_good_is_not_sent_again(server: Collector, page: Page, status: int) -> None:
    server.statuses = [status]
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("footfall.track('next'); footfall.flush()")
    server.wait("next")
    page.wait_for_timeout(1500)
    assert [len(body["events"]) for body in server.bodies] == [1, 1]


def test_without_storage_nothing_is_kept_and_no_id_is_sent(server: Collector, page: Page) -> None:
    server.attributes = 'data-identity="none"'
    page.goto(server.base)
    (view,) = server.wait("pageview")
    assert not {"visitor_id", "session_id"} & view.keys()
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_forbidden_storage_costs_nothing_but_the_memory(server: Collector, page: Page) -> None:
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden'); }})")
    page.goto(server.base)
    page.evaluate("footfall.track('two'); footfall.flush()")
    (one,), (two,) = server.wait("pageview"), server.wait("two")
    assert one["visitor_id"] == two["visitor_id"]
    assert one["session_id"] == two["session_id"]


def test_there_is_no_cookie(server: Collector, page: Page, context: BrowserContext) -> None:
    page.goto(server.base)
    server.wait("pageview")
    assert context.cookies() == []


def test_calls_made_before_it_has_loaded_are_kept(server: Collector, page: Page) -> None:
    page.add_init_script("window.footfall = {q: [['track', ['early', {n: 1}]], ['nonsense', []], ['track']]}")
    page.goto(server.base)
    assert server.wait("early")[0]["properties"] == {"n": 1}


def test_events_go_where_the_page_says(server: Collector, page: Page) -> None:
    server.attributes = f'data-api="{server.base}/elsewhere"'
    with page.expect_request("**/elsewhere"):
        page.goto(server.base)


def test_odd_calls_harm_nobody(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("""() => {
        const circle = {}; circle.self = circle;
        footfall.track("circle", circle); footfall.track("large", {n: 1n});
        footfall.track(); footfall.identify(); footfall.trackOutbound(); footfall.track("end"); footfall.flush();
    }""")
    server.wait("end")
    assert server.events("circle") == []


def test_what_the_page_changes_later_is_sent_as_it_was(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("const cart = {items: 1}; footfall.track('cart', cart); cart.items = 2; footfall.flush()")
    assert server.wait("cart")[0]["properties"] == {"items": 1}


def test_a_script_without_a_site_or_an_address_does_nothing(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("""(source) => {
        delete window.footfall;
        const script = document.createElement("script");
        script.dataset.site = "ff_inline";
        script.textContent = source;
        document.head.append(script);
    }""", SCRIPT.read_text())  # fmt: skip
    assert page.evaluate("window.footfall") is None
