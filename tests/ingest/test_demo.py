import io
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from ingest.demo import tables
from ingest.demo.traffic import Scale, draw
from ingest.enrich import channel, source, useragent
from ingest.enrich.bots import is_bot
from ingest.event import Event
from ingest.models import Site
from tests.conftest import rows

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SCALE = Scale("shop.example.com", date(2026, 10, 22), NOON, 100)


def drawn(scale: Scale = SCALE, seed: int = 1) -> list[Event]:
    return [event for day in draw(scale, seed) for event in day]


def named(name: str) -> list[Event]:
    return [event for event in drawn() if event.name == name]


def demo(**options: object) -> str:
    told = io.StringIO()
    call_command("demo", stdout=told, **{"days": 2, "visitors_per_day": 20, **options})
    return told.getvalue()


def test_it_works(db: None) -> None:
    assert "has" in demo()
    site = Site.objects.get()
    assert (site.name, site.domain) == ("Demo shop", "shop.example.com")
    ((sessions, pages, hosts, latest),) = rows(
        "SELECT count(*), sum(page_views), array_agg(DISTINCT hostname), max(seen_until) FROM ingest_session"
    )
    assert sessions >= 15
    assert pages >= sessions
    assert hosts == ["shop.example.com"]
    assert latest <= datetime.now(UTC)


def test_a_site_with_events_is_left_as_it_is(db: None) -> None:
    demo()
    before = rows("SELECT count(*) FROM ingest_event")
    assert "has events already; none were added" in demo(seed=2)
    assert rows("SELECT count(*) FROM ingest_event") == before


def test_a_named_site_is_filled_by_its_own_clock(db: None) -> None:
    site = Site.objects.create(name="Far", domain="far.example", timezone="Pacific/Kiritimati")
    demo(site=site.key)
    ((site_id, first),) = rows("SELECT site_id, min(ts) FROM ingest_event GROUP BY 1")
    zone = ZoneInfo("Pacific/Kiritimati")
    assert site_id == site.pk
    assert first.astimezone(zone).date() == datetime.now(zone).date() - timedelta(days=1)


def test_an_unknown_site_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match=r"--site ff_nobody: no site has this key"):
        demo(site="ff_nobody")


@pytest.mark.parametrize(("name", "told"), [("days", "--days 0"), ("visitors_per_day", "--visitors-per-day 0")])
def test_nothing_is_no_amount(db: None, name: str, told: str) -> None:
    with pytest.raises(CommandError, match=f"{told}: must be at least 1"):
        demo(**{name: 0})


def test_a_seed_draws_the_same_events_again() -> None:
    assert drawn() == drawn()
    assert drawn(seed=2) != drawn()


def test_a_later_look_has_the_same_past() -> None:
    later = drawn(SCALE._replace(until=NOON + timedelta(hours=2)))
    assert [event for event in later if event.ts <= NOON.timestamp()] == drawn()
    assert len(later) > len(drawn())


def test_no_event_lies_in_the_future() -> None:
    assert max(event.ts for event in drawn()) <= NOON.timestamp()


def test_days_come_in_order_and_so_do_their_events() -> None:
    days = list(draw(SCALE, 1))
    assert len(days) == 30
    assert all(event.ts <= after.ts for day in days for event, after in pairwise(day))


def sessions_by_day() -> dict[date, int]:
    starts: dict[int | None, float] = {}
    for event in drawn():
        starts.setdefault(event.session_id, event.ts)
    return Counter(datetime.fromtimestamp(at, UTC).date() for at in starts.values())


def test_traffic_grows_and_rests_on_saturdays() -> None:
    days = sessions_by_day()
    by_weekday = defaultdict(list)
    for day, sessions in days.items():
        by_weekday[day.weekday()].append(sessions)
    assert sum(by_weekday[5]) / len(by_weekday[5]) < sum(by_weekday[2]) / len(by_weekday[2])
    assert sum(days[date(2026, 11, 13) + timedelta(n)] for n in range(7)) > sum(
        days[date(2026, 10, 23) + timedelta(n)] for n in range(7)
    )


def test_about_as_many_visitors_come_as_were_asked_for() -> None:
    visitors = defaultdict(set)
    for event in drawn():
        visitors[int(event.ts // 86_400)].add(event.visitor_id)
    whole = [len(found) for found in visitors.values()][:-1]
    assert 80 < sum(whole) / len(whole) < 120


def test_some_visitors_return() -> None:
    sessions = defaultdict(set)
    for event in drawn():
        sessions[event.visitor_id].add(event.session_id)
    returning = sum(len(found) > 1 for found in sessions.values())
    assert 0.08 < returning / len(sessions) < 0.4


def test_nearly_half_of_the_sessions_see_one_page() -> None:
    pages = Counter(event.session_id for event in named("pageview"))
    assert 0.38 < sum(count == 1 for count in pages.values()) / len(pages) < 0.52


def test_a_purchase_has_its_value_and_currency() -> None:
    purchases = named("purchase")
    assert purchases
    assert all(event.currency == "EUR" and event.value and event.value > 0 for event in purchases)
    assert len({event.properties["order"] for event in purchases if event.properties}) == len(purchases)


def test_only_orders_are_revenue() -> None:
    assert {event.name for event in drawn() if event.currency} == {"purchase"}


@pytest.mark.parametrize("name", ["add_to_cart", "signup", "outbound", "engagement"])
def test_visitors_do_more_than_look(name: str) -> None:
    assert named(name)


def test_the_agents_are_those_of_people() -> None:
    found = [useragent.parse(device.agent) for device in tables.DEVICES]
    assert not any(is_bot(device.agent) for device in tables.DEVICES)
    assert all(agent.browser and agent.os for agent in found)
    assert {agent.device for agent in found} == {"desktop", "phone", "tablet"}


def test_sessions_come_by_many_channels() -> None:
    acquired = [source.acquisition_of(row.referrer, row.query, "shop.example.com") for row in tables.ARRIVALS]
    assert len({channel.channel_of(one) for one in acquired}) >= 9
    assert not any(source.is_spam(row.referrer) for row in tables.ARRIVALS)


def test_the_shop_has_forty_pages_of_different_names() -> None:
    assert len({page.path for page in tables.PAGES}) == len({page.title for page in tables.PAGES}) == 40
