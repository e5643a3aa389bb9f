"""Who is here, when there was something first and last, and whether there is anything new."""

from datetime import timedelta

import psycopg
import pytest
from pytest_django import Settings

from ingest.models import IngestCount
from reports import realtime
from reports.queries.query import QueryTimeout
from tests.reports.rows import Hit, Sitting, at, sitting, store

pytestmark = pytest.mark.django_db
NOW = at("2026-11-21 08:41")


def test_it_works() -> None:
    store(sitting("2026-11-21 08:20", "2026-11-21 08:40"), sitting("2026-11-21 08:39", visitor=2))
    assert realtime.visitors_now(1, NOW) == 2


def test_a_visitor_with_two_sessions_is_one() -> None:
    store(sitting("2026-11-21 08:38"), sitting("2026-11-21 08:39"))
    assert realtime.visitors_now(1, NOW) == 1


@pytest.mark.parametrize(
    ("clock", "visitors"),
    [("08:36:00", 0), ("08:36:01", 1), ("08:41:00", 1), ("08:42:00", 1), ("08:42:01", 0)],
)
def test_five_minutes_count_and_a_clock_may_be_a_minute_ahead(clock: str, visitors: int) -> None:
    store(sitting(f"2026-11-21 {clock}"))
    assert realtime.visitors_now(1, NOW) == visitors


def test_a_sign_of_life_alone_is_nobody() -> None:
    store(Sitting((Hit(at("2026-11-21 08:40"), "engagement"),)))
    assert realtime.visitors_now(1, NOW) == 0
    assert (realtime.first_event_at(1), realtime.last_event_at(1)) == (None, None)


def test_sites_are_counted_apart_and_empty_ones_are_0() -> None:
    store(sitting("2026-11-21 08:40"), sitting("2026-11-21 08:40", site_id=2), sitting("2026-11-21 08:40", site_id=9))
    assert realtime.visitors_now_of([1, 2, 3], NOW) == {1: 1, 2: 1, 3: 0}


def test_no_site_has_nobody() -> None:
    assert realtime.visitors_now_of([], NOW) == {}


def test_the_first_and_last_event_of_a_site() -> None:
    store(sitting("2026-11-18 10:00", "2026-11-18 10:05"), sitting("2026-11-20 09:00", "2026-11-20 09:30"))
    store(sitting("2026-11-01 10:00", "2026-11-21 08:00", site_id=2))
    assert realtime.first_event_at(1) == at("2026-11-18 10:00")
    assert realtime.last_event_at(1) == at("2026-11-20 09:30")


def stored(events: int, hour: str = "2026-11-21 08:00", **more: object) -> None:
    IngestCount.objects.update_or_create(
        site_id=more.get("site_id", 1), hour=at(hour), outcome=more.get("outcome", "stored"), reason="",
        defaults={"events": events},
    )  # fmt: skip


def test_the_version_changes_with_what_is_stored() -> None:
    seen = [realtime.version(1, NOW)]
    for events in (1, 2):
        stored(events)
        seen.append(realtime.version(1, NOW))
    stored(1, "2026-11-21 09:00")
    seen.append(realtime.version(1, NOW + timedelta(hours=1)))
    assert len(set(seen)) == 4


def test_the_version_stays_while_nothing_is_stored() -> None:
    stored(5)
    before = realtime.version(1, NOW)
    stored(7, site_id=2)
    stored(7, outcome="dropped")
    assert realtime.version(1, NOW) == before


def test_page_views_by_minute_end_with_the_running_one() -> None:
    store(sitting("2026-11-21 08:12", "2026-11-21 08:12:59", "2026-11-21 08:41:00", "2026-11-21 08:11:59"))
    minutes = realtime.views_by_minute(1, NOW)
    assert (len(minutes), minutes[0], minutes[-1]) == (30, (at("2026-11-21 08:12"), 2), (at("2026-11-21 08:41"), 1))
    assert sum(minute.pageviews for minute in minutes) == 3


def test_only_page_views_are_counted_by_minute() -> None:
    store(Sitting((Hit(at("2026-11-21 08:40")), Hit(at("2026-11-21 08:40"), "signup"))))
    store(sitting("2026-11-21 08:40", site_id=2))
    assert realtime.views_by_minute(1, NOW)[-2].pageviews == 1


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_given_up(another: psycopg.Connection, settings: Settings) -> None:
    settings.REPORTS_QUERY_SECONDS = 0.2
    with another.transaction():
        another.execute("LOCK TABLE ingest_session")
        with pytest.raises(QueryTimeout):
            realtime.visitors_now(1, NOW)
