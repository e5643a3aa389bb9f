"""Days that cannot be counted again: a person's number goes out of their sets, and the sums stay."""

import threading
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection

from ingest.clock import DAY
from ingest.models import DailyTotal, Site
from ingest.people.find import Who, by_user
from ingest.rollups import rebuild, sets
from ingest.rollups.buckets import day_of
from ingest.sites import KnownSite
from ingest.writer import write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.ingest.people.stored import erased
from tests.ingest.writers import wait_for, with_own_connection

pytestmark = pytest.mark.django_db


def end(site: Site, *dates: datetime) -> None:
    """Counts the days for the last time and takes their events away."""
    known = KnownSite.of(site)
    for date in dates or (NOON,):
        day = day_of(known.zone, date.astimezone(known.zone).date())
        rebuild.day(known, day, datetime.now(UTC), is_last=True)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ingest_event WHERE ts >= %s AND ts < %s", [day.start, day.end])


def total(*columns: str, table: str = "daily_total") -> tuple[Any, ...]:
    [row] = rows(f"SELECT {', '.join(columns)} FROM ingest_{table}")
    return row


def members(table: str = "daily_total") -> list[list[int]]:
    return [sorted(sets.loaded(bytes(found))) for (found,) in rows(f"SELECT members FROM ingest_{table}")]


def values(dimension: str) -> list[tuple[Any, ...]]:
    """In the order of places, which begin at 0 and have no hole."""
    query = "SELECT place, value, visitors, page_views, members FROM ingest_daily_breakdown WHERE dimension = %s"
    found = sorted(rows(query, dimension))
    assert [place for place, *_ in found] == list(range(len(found)))
    assert all(visitors == len(sets.loaded(bytes(kept))) for _, _, visitors, _, kept in found)
    return [(value, visitors, views) for _, value, visitors, views, _ in found]


def test_it_works(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, visitor_id=1, user_id="jo"), at(0, visitor_id=2))])
    end(site)
    assert (total("visitors"), members()) == ((2,), [[1, 2]])
    assert erased(known, by_user("jo")) == (1, 1, 0, 0)
    assert (total("visitors", "page_views", "sessions", "is_final"), members()) == ((1, 2, 2, True), [[2]])


def test_breakdowns_lose_the_number_and_are_in_order_again(site: Site, known: KnownSite) -> None:
    mine = [at(minute, "/tea", visitor_id=1, user_id="jo") for minute in range(3)]
    write([batch(site, *mine, at(0, "/tea", visitor_id=2), at(0, "/a", visitor_id=2), at(0, "/a", visitor_id=3))])
    end(site)
    assert values("page") == [("/tea", 2, 4), ("/a", 2, 2)]
    erased(known, by_user("jo"))
    assert values("page") == [("/a", 2, 2), ("/tea", 1, 4)]


def test_a_value_of_theirs_alone_goes_whole(site: Site, known: KnownSite) -> None:
    """Its name may be the person's own, and nobody else is in its sums."""
    mine = at(0, "/account/jo", visitor_id=1, user_id="jo")
    write([batch(site, mine, *(at(0, "/a", visitor_id=number) for number in (1, 2)))])
    end(site)
    erased(known, by_user("jo"))
    assert values("page") == [("/a", 1, 2)]
    assert rows("SELECT value FROM ingest_hourly_breakdown WHERE value = '/account/jo'") == []
    assert total("page_views") == (3,)


def test_hours_of_the_day_lose_the_number_too(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, visitor_id=1, user_id="jo"), at(1, visitor_id=2), at(61, visitor_id=2))])
    end(site)
    erased(known, by_user("jo"))
    assert members("hourly_total") == [[2], [2]]
    assert rows("SELECT visitors, page_views FROM ingest_hourly_total ORDER BY hour") == [(1, 2), (1, 1)]


def test_each_day_that_a_session_lies_in_is_looked_through(site: Site, known: KnownSite) -> None:
    night = [at(minute, visitor_id=1, session_id=1, user_id="jo") for minute in (-725, -715)]
    write([batch(site, *night, *(at(minute, visitor_id=2, session_id=minute) for minute in (-900, 0)))])
    end(site, NOON - DAY, NOON)
    assert members() == [[1, 2], [1, 2]]
    erased(known, by_user("jo"))
    assert members() == [[2], [2]]


def test_days_of_another_zone_are_known_by_their_span(site: Site, known: KnownSite) -> None:
    Site.objects.update(timezone="Pacific/Auckland")
    site.refresh_from_db()
    write([batch(site, at(0, visitor_id=1, user_id="jo"), at(0, visitor_id=2))])
    end(site)
    Site.objects.update(timezone="America/Los_Angeles")
    erased(KnownSite.of(Site.objects.get()), by_user("jo"))
    assert members() == [[2]]


def test_a_shared_device_stays_where_its_other_user_was(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, session_id=1, user_id="jo"), at(100, session_id=2, user_id="kim"))])
    end(site)
    erased(known, by_user("jo"))
    assert members() == [[1]]


def test_a_shared_device_goes_where_it_was_theirs_alone(site: Site, known: KnownSite) -> None:
    write([batch(site, at(-1440, session_id=1, user_id="jo"), at(0, session_id=2, user_id="kim"))])
    end(site, NOON - DAY, NOON)
    erased(known, by_user("jo"))
    assert sorted(members()) == [[], [1]]


def test_another_sites_days_are_left_alone(site: Site, known: KnownSite) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    write([batch(other, at(0, user_id="jo"))])
    end(other)
    write([batch(site, at(0, user_id="jo"))])
    end(site)
    erased(known, by_user("jo"))
    found = dict(rows("SELECT site_id, visitors FROM ingest_daily_total"))
    assert found == {site.pk: 0, other.pk: 1}


def test_a_sealed_day_has_no_set_and_stays_as_it_is(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"))])
    end(site)
    DailyTotal.objects.update(members=None, is_sealed=True)
    erased(known, by_user("jo"))
    assert total("visitors", "members") == (1, None)


def test_a_second_run_takes_nothing_more(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, visitor_id=1, user_id="jo"), at(0, visitor_id=2))])
    end(site)
    for _ in range(2):
        erased(known, Who(visitors=(1,)))
    assert (total("visitors"), members()) == ((1,), [[2]])


def test_nobody_makes_a_day_final_meanwhile(committed: Site, another: psycopg.Connection) -> None:
    """It waits for whoever builds the day, and finds it final then."""
    known = KnownSite.of(committed)
    write([batch(committed, at(0, visitor_id=1, user_id="jo"), at(0, visitor_id=2))])
    going = threading.Thread(target=with_own_connection, args=(lambda: erased(known, by_user("jo")),))
    with another.transaction():
        another.execute("SELECT pg_advisory_xact_lock(%s)", (rebuild.lock_of(committed.pk, NOON.date()),))
        going.start()
        wait_for(lambda: bool(rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")))
        assert rows("SELECT count(*) FROM ingest_session") == [(2,)]
    going.join()
    assert rows("SELECT count(*) FROM ingest_session") == [(1,)]
