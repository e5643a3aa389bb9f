"""The snippet on a plain page of another origin, in a real browser, against the running product."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.product import OWNER, PASSWORD, Product, wait_for

pytestmark = [pytest.mark.whole, pytest.mark.browser, pytest.mark.xdist_group("whole")]

PAGE = """<!doctype html>
<title>{title}</title>
<script>window.footfall = {{q: [["track", ["before_load", {{"early": true}}]]]}}</script>
<script defer src="{base}/analytics.js" data-site="{key}"></script>
<p><a id="next" href="second.html">Next</a> <a id="out" href="https://elsewhere.example/x">Elsewhere</a></p>
"""


NAMES = ["flush", "identify", "track", "trackOutbound", "trackPageView"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the library's
        pass


@pytest.fixture
def shop(product: Product) -> str:
    """The key of a site that only this test writes to."""
    return str(product.manage("create_site", "--domain", "127.0.0.1", "--json")["key"])


@pytest.fixture
def pages(product: Product, shop: str, tmp_path: Path) -> Iterator[str]:
    """The address of two pages with the snippet."""
    for name in ("index", "second"):
        (tmp_path / f"{name}.html").write_text(PAGE.format(title=name, base=product.base, key=shop))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def events(product: Product, key: str, name: str = "pageview") -> list[tuple[Any, ...]]:
    return product.rows(
        "SELECT e.path, e.session_id, e.visitor_id, e.label FROM ingest_event e JOIN ingest_site s ON s.id = e.site_id"
        f" WHERE s.key = '{key}' AND e.name = '{name}' ORDER BY e.ts"
    )


def test_two_page_views_are_one_session_on_the_dashboard(
    product: Product, shop: str, pages: str, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    page.click("#next")
    page.wait_for_load_state()
    wait_for(lambda: len(events(product, shop)) == 2, 5)
    assert [path for path, *_ in events(product, shop)] == ["/index.html", "/second.html"]
    assert len({session for _, session, *_ in events(product, shop)}) == 1
    dashboard = log_in(context, product)
    dashboard.goto(f"{product.base}/sites/{shop}?period=today")
    assert figure(dashboard, "Page views") == "2"
    assert figure(dashboard, "Sessions") == "1"


def test_an_address_that_changes_without_a_load_is_a_page_view(
    product: Product, shop: str, pages: str, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    page.evaluate("history.pushState({}, '', '/cart')")
    page.evaluate("history.replaceState({}, '', '/cart')")
    page.evaluate("history.back()")
    wait_for(lambda: len(events(product, shop)) == 3, 5)
    assert [path for path, *_ in events(product, shop)] == ["/index.html", "/cart", "/index.html"]


def test_calls_made_before_the_script_has_loaded_are_kept(
    product: Product, shop: str, pages: str, context: BrowserContext
) -> None:
    context.new_page().goto(f"{pages}/index.html")
    wait_for(lambda: len(events(product, shop, "before_load")) == 1, 8)


def test_a_link_to_another_host_and_the_page_behind_leave_by_beacon(
    product: Product, shop: str, pages: str, context: BrowserContext
) -> None:
    context.route("https://elsewhere.example/**", lambda route: route.fulfill(body="elsewhere"))
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    page.wait_for_timeout(1200)
    page.click("#out")
    wait_for(lambda: len(events(product, shop, "outbound")) == 1, 5)
    assert events(product, shop, "outbound")[0][3] == "https://elsewhere.example/x"
    wait_for(lambda: len(events(product, shop, "engagement")) == 1, 5)


def test_identify_names_the_visitor(product: Product, shop: str, pages: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    page.evaluate("footfall.identify('u-17', {plan: 'pro'})")
    page.evaluate("footfall.flush()")
    wait_for(lambda: named(product, shop) == [("u-17", {"plan": "pro"})], 5)


def named(product: Product, key: str) -> list[tuple[Any, ...]]:
    return product.rows(
        "SELECT v.user_id, v.properties FROM ingest_visitor v JOIN ingest_site s ON s.id = v.site_id"
        f" WHERE s.key = '{key}' AND v.user_id IS NOT NULL"
    )


def test_nothing_is_stored_in_the_browser_when_the_page_says_so(
    product: Product, shop: str, pages: str, tmp_path: Path, context: BrowserContext
) -> None:
    index = tmp_path / "index.html"
    index.write_text(index.read_text().replace("data-site", 'data-identity="none" data-site'))
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    wait_for(lambda: len(events(product, shop)) == 1, 5)
    assert page.evaluate("localStorage.length") == 0
    assert context.cookies() == []


def test_a_server_that_is_away_loses_no_event(product: Product, shop: str, pages: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    wait_for(lambda: len(events(product, shop)) == 1, 5)
    context.route(f"{product.base}/api/**", lambda route: route.abort())
    page.evaluate("footfall.track('while_away'); footfall.flush()")
    page.wait_for_timeout(500)
    context.unroute(f"{product.base}/api/**")
    wait_for(lambda: len(events(product, shop, "while_away")) == 1, 8)


def test_only_one_name_is_added_to_window(pages: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{pages}/index.html")
    ours = page.evaluate(
        """() => {
            const frame = document.body.appendChild(document.createElement("iframe"));
            const plain = new Set(Object.getOwnPropertyNames(frame.contentWindow));
            return Object.getOwnPropertyNames(window).filter((name) => !plain.has(name) && !/^[0-9]+$/.test(name));
        }"""
    )
    assert [name for name in ours if "playwright" not in name.lower()] == ["footfall"]
    assert sorted(page.evaluate("Object.keys(footfall)")) == NAMES


def log_in(context: BrowserContext, product: Product) -> Page:
    page = context.new_page()
    page.goto(f"{product.base}/login")
    page.fill("input[type=email]", OWNER)
    page.fill("input[type=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{product.base}/sites")
    return page


def figure(page: Page, label: str) -> str:
    """The figure of a KPI, as a screen reader says it."""
    name = page.locator(f'[aria-label^="{label} "]').first.get_attribute("aria-label") or ""
    return name.removeprefix(f"{label} ").split(",")[0].split(" ")[0]
