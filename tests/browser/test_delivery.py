"""How the tracker's events leave the browser: in requests, by beacon, again after a failure, in their order."""

import pytest
from playwright.sync_api import Page

from ingest.fields import BYTES_MAX
from tests.browser.collector import Collector, Sent, hide, wait_for

pytestmark = pytest.mark.browser

# 15 kB each, since such a character takes three bytes.
NINE = "for (let n = 0; n < 9; n++) footfall.track('cjk', {n, text: '漢'.repeat(5000)})"
# The server stores it, no beacon carries it.
LARGE = "footfall.track('large', {text: 'x'.repeat(32000)}, {text: 'x'.repeat(32000)})"


def numbers(events: list[Sent]) -> list[int]:
    return [event["properties"]["n"] for event in events]


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


def test_what_the_page_changes_later_is_sent_as_it_was(server: Collector, page: Page) -> None:
    page.goto(server.base)
    page.evaluate("const cart = {items: 1}; footfall.track('cart', cart); cart.items = 2; footfall.flush()")
    assert server.wait("cart")[0]["properties"] == {"items": 1}


def test_requests_are_cut_by_bytes_and_keep_the_order(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate(NINE)
    page.evaluate("footfall.flush()")
    assert numbers(server.wait("cjk", 9)) == list(range(9))
    assert [len(body["events"]) for body in server.bodies] == [1, 3, 3, 3]


def test_an_event_larger_than_a_beacon_goes_in_its_turn(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate(f"footfall.track('first'); {LARGE}; footfall.track('last'); footfall.flush()")
    server.wait("last")
    assert [event["name"] for event in server.events()] == ["pageview", "first", "large", "last"]
    assert [len(body["events"]) for body in server.bodies] == [1, 1, 1, 1]


@pytest.mark.parametrize("given", ["{text}, {}", "{}, {text}"])
@pytest.mark.parametrize(("over", "count"), [(0, 1), (1, 0)])
def test_what_the_server_would_never_store_is_not_sent(
    server: Collector, page: Page, given: str, over: int, count: int
) -> None:
    page.goto(server.base)
    characters, rest = divmod(BYTES_MAX - len('{"text":""}') + over, len("漢".encode()))
    page.evaluate(f"const text = '漢'.repeat({characters}) + 'x'.repeat({rest}); footfall.track('full', {given})")
    page.evaluate("footfall.track('later'); footfall.flush()")
    server.wait("later")
    assert len(server.events("full")) == count


def test_what_the_server_would_never_store_holds_up_no_beacon(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("footfall.track('big', {text: 'x'.repeat(70000)}); footfall.track('later')")
    hide(page)
    server.wait("later", seconds=0.8)
    assert server.events("big") == []


def test_a_beacon_passes_over_what_it_cannot_carry(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate(f"{LARGE}; footfall.track('later')")
    hide(page)
    server.wait("later", seconds=0.8)
    assert server.events("large") == []
    server.wait("large", seconds=3)


def test_what_a_busy_server_did_not_take_leaves_when_the_page_is_hidden(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    server.statuses = [503]
    page.evaluate(NINE)
    page.evaluate("footfall.flush()")
    wait_for(lambda: len(server.bodies) == 2, 3)
    server.bodies.clear()
    hide(page)
    assert numbers(server.wait("cjk", 9)) == list(range(9))


def test_a_page_that_goes_away_sends_what_the_browser_carries(server: Collector, page: Page) -> None:
    page.goto(server.base)
    server.wait("pageview")
    server.answering.clear()
    page.evaluate(NINE)
    page.evaluate("footfall.track('small')")  # the tenth: the first three leave, and stay under way
    page.goto("about:blank")
    server.wait("small", seconds=4)
    assert numbers(server.wait("cjk", 3)) in ([0, 1, 2], [0, 1, 2, 3])


def test_without_beacons_a_hidden_page_sends_as_ever(server: Collector, page: Page) -> None:
    page.add_init_script("delete Navigator.prototype.sendBeacon")
    page.goto(server.base)
    server.wait("pageview")
    page.evaluate("footfall.track('waiting')")
    hide(page)
    server.wait("waiting", seconds=3)
