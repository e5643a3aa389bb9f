"""The tracker's own rules, in a real browser, against a server that keeps what it is sent."""

from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.collector import SCRIPT, Collector, hide

pytestmark = pytest.mark.browser


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
