"""Sessions with their visitors, hourly rows and aggregates."""

import threading
from datetime import date, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from ingest import partitions, writer
from ingest.models import Session, Site, Visitor
from ingest.retention import cuts, expiry
from ingest.retention.expiry import Gone
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.retention.examples import (
    LATER,
    MONDAY,
    MUCH_LATER,
    at,
    change,
    clean,
    count,
    count_of,
    one,
    some_days,
    write,
)
from tests.ingest.writers import wait_for, with_own_connection

CUT = cuts.midnight(date(2001, 1, 10))
DAY = timedelta(days=1)


def take(site: Site, cut: datetime = CUT) -> list[Gone]:
    return list(expiry.sessions(writer.connected(), site.pk, cut))


def drop_events() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ingest_event")


def test_it_works(old: Site) -> None:
    some_days(old, 14)
    done = clean(MUCH_LATER)
    assert (done.sessions, done.visitors, done.sealed) == (42, 3, 14)
    assert (count_of("session"), count_of("visitor")) == (0, 0)
    assert one("SELECT sum(sessions)::int FROM ingest_daily_total") == 42


def test_a_visitor_stays_with_the_last_session(old: Site) -> None:
    write(old, at(MONDAY, visitor=1), at(MONDAY + 20 * DAY, visitor=1), at(MONDAY, visitor=2))
    drop_events()
    assert take(old) == [Gone(sessions=2, visitors=1)]
    assert list(Visitor.objects.values_list("id", flat=True)) == [1]


def test_sessions_go_in_batches(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 2)
    write(old, *(at(MONDAY, hour, 1) for hour in (1, 3, 5, 7, 9)))
    drop_events()
    assert take(old) == [Gone(2, 0), Gone(2, 0), Gone(1, 1)]


def test_a_session_that_goes_on_after_the_cut_stays(old: Site) -> None:
    write(old, at(MONDAY + 8 * DAY, 23.9), at(MONDAY + 9 * DAY, 0.1))
    drop_events()
    assert take(old) == []
    assert count_of("session") == 1


def test_a_session_stays_while_one_of_its_events_does(old: Site) -> None:
    """An import may have brought it since its day was closed: without its session it would count for nothing."""
    write(old, at(MONDAY, 1, 1), at(MONDAY, 1, 2))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event WHERE visitor_id = 2")
    assert take(old) == [Gone(1, 1)]
    assert list(Session.objects.values_list("visitor_id", flat=True)) == [1]


def test_other_sites_keep_theirs(old: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(old, at(MONDAY))
    write(other, at(MONDAY))
    drop_events()
    take(old)
    assert list(Session.objects.values_list("site_id", flat=True)) == [other.pk]
    assert list(Visitor.objects.values_list("site_id", flat=True)) == [other.pk]


def test_what_somebody_holds_is_left_for_the_next_night(old: Site, another: psycopg.Connection) -> None:
    write(old, at(MONDAY, 1, 1), at(MONDAY, 1, 2))
    drop_events()
    with another.transaction():
        another.execute("SELECT FROM ingest_session WHERE visitor_id = 1 FOR UPDATE")
        assert take(old) == [Gone(1, 1)]
    assert take(old) == [Gone(1, 1)]


def test_a_visitor_whom_somebody_holds_goes_the_next_night(old: Site, another: psycopg.Connection) -> None:
    """With its sessions: once they were gone nothing would lead to it any more."""
    write(old, at(MONDAY, 1, 1), at(MONDAY, 1, 2))
    drop_events()
    with another.transaction():
        another.execute("SELECT FROM ingest_visitor WHERE id = 1 FOR UPDATE")
        assert take(old) == [Gone(1, 1)]
    assert take(old) == [Gone(1, 1)]
    assert count_of("visitor") == 0


def test_a_visitor_that_comes_back_meanwhile_is_there_afterwards(old: Site, another: psycopg.Connection) -> None:
    """The writer waits for the batch that takes the visitor away, and makes the visitor again."""
    write(old, at(MONDAY, visitor=1))
    drop_events()
    partitions.ensure(writer.connected(), [MONDAY + 20 * DAY])
    again = batch(old, at(MONDAY + 20 * DAY, visitor=1), is_import=True)
    comer = threading.Thread(target=with_own_connection, args=[lambda: writer.write([again])])
    conn = writer.connected()
    with conn.transaction():
        assert next(expiry.sessions(conn, old.pk, CUT)) == Gone(1, 1)
        comer.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ingest_visitor%'"
        wait_for(lambda: another.execute(waits).fetchone() == (1,))
    comer.join()
    assert rows("SELECT visitor_id, started_at::date FROM ingest_session") == [(1, MONDAY + 20 * DAY)]
    assert count_of("visitor") == 1


def test_a_dry_run_counts_the_same(old: Site) -> None:
    write(old, at(MONDAY, visitor=1), at(MONDAY + 20 * DAY, visitor=1), at(MONDAY, visitor=2))
    found = expiry.count_sessions(writer.connected(), old.pk, CUT)
    drop_events()
    assert [found] == take(old)


# --- Aggregates -------------------------------------------------------------------------------------------


def test_hours_go_and_their_days_stay(old: Site) -> None:
    some_days(old, 3)
    assert clean(cuts.midnight(MONDAY + 91 * DAY)).aggregates == 2  # of one hour: its total, its events
    assert one("SELECT count(DISTINCT hour) FROM ingest_hourly_total") == 2
    assert clean().aggregates == 4
    assert (count_of("hourly_total"), count_of("hourly_events"), count_of("daily_total")) == (0, 0, 3)


def test_breakdowns_by_hour_are_of_yesterday_and_today(old: Site) -> None:
    write(old, at(MONDAY))
    count(old, cuts.midnight(MONDAY + DAY))
    before = count_of("hourly_breakdown")
    assert clean(cuts.midnight(MONDAY + DAY)).aggregates == 0
    assert clean(cuts.midnight(MONDAY + 2 * DAY)).aggregates == before > 0
    assert count_of("daily_breakdown") == before


def test_aggregates_go_where_a_site_limits_them(old: Site) -> None:
    change(old, events_days=30, sessions_days=30, aggregates_days=60)
    some_days(old, 14)
    clean(cuts.midnight(MONDAY + 40 * DAY))
    assert count_of("daily_total") == 14
    assert clean(cuts.midnight(MONDAY + 69 * DAY)).failed == ()
    tables = ("daily_total", "daily_breakdown", "daily_events")
    firsts = {one(f"SELECT min(day)::text FROM ingest_{table}") for table in tables}
    assert firsts == {"2001-01-08"}
    assert rows("SELECT DISTINCT span, first_day::text FROM ingest_span_count WHERE first_day < '2001-01-08'") == [
        ("month", "2001-01-01")
    ]


def test_spans_go_when_all_of_them_is_past(old: Site) -> None:
    some_days(old, 14)
    clean(MUCH_LATER)
    spans = [expiry.Old("ingest_span_count", expiry.BY_SPAN, day) for day in (date(2001, 1, 7), date(2001, 1, 8))]
    conn = writer.connected()
    assert list(expiry.delete(conn, old.pk, spans[0])) == []
    assert expiry.count(conn, old.pk, spans[1]) > 0
    list(expiry.delete(conn, old.pk, spans[1]))
    left = rows("SELECT DISTINCT span, first_day::text FROM ingest_span_count ORDER BY 1, 2")
    assert left == [("month", "2001-01-01"), ("week", "2001-01-08"), ("year", "2001-01-01")]


def test_aggregates_go_in_batches(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "ROWS", 4)
    some_days(old, 10)
    hours = expiry.Old("ingest_hourly_total", expiry.BY_HOUR, LATER)
    assert list(expiry.delete(writer.connected(), old.pk, hours)) == [4, 4, 2]
