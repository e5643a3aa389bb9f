"""Draining: what is dirty and over is built, what runs is left to the raw rows, and nothing is forgotten."""

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from ingest import sites
from ingest.clock import DAY, HOUR
from ingest.models import RollupState, Site
from ingest.rollups import drain, rebuild, state
from ingest.rollups import rows as stored_rows
from ingest.rollups.buckets import day_of
from ingest.sites import KnownSite
from ingest.store import marks as dirty_marks
from tests.conftest import database_url, rows
from tests.ingest.rollups.days import MIDNIGHT, TODAY, YESTERDAY, at, daily, hours, marks, values, write
from tests.ingest.writers import with_own_connection

NOON = MIDNIGHT + 12 * HOUR  # today; drains are told the time


def drained(site: Site, now: datetime = NOON) -> drain.Drained:
    sites.forget()
    return drain.of_hours(KnownSite.of(site), now)


def minute(site: Site, now: datetime = NOON) -> drain.Drained:
    sites.forget()
    return drain.of_closed_days(KnownSite.of(site), now)


def today_at(hour: float, **fields: Any) -> Any:
    return at(24 + hour, **fields)


def test_it_works(site: Site) -> None:
    write(site, at(9, visitor_id=1), today_at(8, visitor_id=2))
    assert drained(site).days == 1
    assert daily(site, "day", "events") == (YESTERDAY, 1)
    assert hours(site, "events")[MIDNIGHT + 8 * HOUR] == (1,)
    assert marks(site) == []


def test_the_running_hour_keeps_its_marks(site: Site) -> None:
    write(site, today_at(12.1, visitor_id=1))
    drained(site, NOON + HOUR / 2)
    assert (marks(site), hours(site, "events")) == ([NOON], {})


def test_an_open_day_has_no_daily_row(site: Site) -> None:
    write(site, today_at(8, visitor_id=1))
    drained(site)
    assert rows("SELECT day FROM ingest_daily_total") == []


def test_each_minute_builds_closed_days_and_leaves_open_hours(site: Site) -> None:
    write(site, at(9, visitor_id=1), today_at(8, visitor_id=2))
    assert minute(site)[:2] == (1, 0)
    assert marks(site) == [MIDNIGHT + 8 * HOUR]


def test_a_day_is_built_when_it_closes_though_nothing_is_dirty(site: Site) -> None:
    write(site, today_at(8, visitor_id=1))
    drained(site, MIDNIGHT + 20 * HOUR)
    assert minute(site, MIDNIGHT + DAY).days == 1
    assert daily(site, "day", "events") == (TODAY, 1)


def test_days_that_nobody_was_there_to_build_are_made_up_for(site: Site) -> None:
    """For two days nothing ran."""
    drained(site, NOON - 3 * DAY)
    state = RollupState.objects.get(site_id=site.pk)
    assert (state.days_until, state.hours_until) == (TODAY - 3 * DAY, NOON - 3 * DAY)
    write(site, at(9, visitor_id=1))
    rows("DELETE FROM ingest_dirty_hour RETURNING 1")
    drained(site)
    state.refresh_from_db()
    assert (state.days_until, state.hours_until) == (TODAY, NOON)
    assert daily(site, "events") == (1,)


def test_the_last_two_hours_are_built_again_though_nothing_is_dirty(site: Site) -> None:
    drained(site)
    write(site, today_at(11, visitor_id=1))
    rows("DELETE FROM ingest_dirty_hour RETURNING 1")
    assert drained(site, NOON + HOUR).hours == 3
    assert hours(site, "events") == {MIDNIGHT + 11 * HOUR: (1,)}


def test_a_day_that_is_built_is_not_looked_back_at(site: Site) -> None:
    """Its hours of last night are: a mark says when they changed."""
    minute(site, MIDNIGHT)
    assert drained(site, MIDNIGHT + HOUR)[:2] == (0, 1)


def test_a_late_event_builds_its_day_again(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    drained(site)
    write(site, at(10, visitor_id=2))
    rows("UPDATE ingest_daily_total SET took_ms = 0 RETURNING 1")
    minute(site, NOON + HOUR)
    assert daily(site, "events", "visitors") == (2, 2)


def test_a_late_event_that_gives_a_session_another_source_changes_all_its_hours(site: Site) -> None:
    write(site, at(9.5, visitor_id=1), at(9.9, visitor_id=1), at(10.3, visitor_id=1), at(10.7, visitor_id=1))
    drained(site)
    write(site, at(9.2, visitor_id=1, referrer="https://www.google.com/"))
    rows("UPDATE ingest_daily_total SET took_ms = 0 RETURNING 1")
    drained(site, NOON + HOUR)
    query = "SELECT hour, value FROM ingest_hourly_breakdown WHERE dimension = 'source' ORDER BY 1"
    assert {value for _, value in rows(query)} == {"Google"}
    assert values(site, "source", "page_views") == {"Google": (5,)}


def test_an_exit_page_changes_hours_between(site: Site) -> None:
    """The middle hour has no event of this batch, and its rows by exit page change all the same."""
    write(site, today_at(6.9, visitor_id=1, path="/a"), today_at(7.3, visitor_id=1), today_at(7.7, visitor_id=1))
    drained(site)
    write(site, today_at(8.1, visitor_id=1, path="/z"))
    drained(site, NOON + 3 * HOUR)
    query = "SELECT hour, value FROM ingest_hourly_breakdown WHERE dimension = 'exit_page' ORDER BY 1"
    assert [value for _, value in rows(query)] == ["/z", "/z", "/z"]


def test_a_second_drain_finds_nothing_to_do(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    minute(site)
    assert minute(site) == drain.Drained()


def test_what_is_dear_is_built_again_less_often(site: Site) -> None:
    """Ten times what it cost must have passed: a day of a minute is built every ten minutes at most."""
    write(site, at(9, visitor_id=1))
    drained(site)
    write(site, at(10, visitor_id=2))
    rows("UPDATE ingest_daily_total SET built_at = %s, took_ms = 60000 RETURNING 1", NOON)
    assert (minute(site, NOON + timedelta(minutes=9)).late, daily(site, "events")) == (1, (1,))
    assert len(marks(site)) == 1
    assert (minute(site, NOON + timedelta(minutes=11)).late, daily(site, "events")) == (0, (2,))


def test_days_that_are_dear_together_wait_together(site: Site) -> None:
    write(site, at(9, visitor_id=1), at(-15, visitor_id=1))
    drained(site)
    write(site, at(10, visitor_id=2), at(-14, visitor_id=2))
    rows("UPDATE ingest_daily_total SET built_at = %s, took_ms = 60000 RETURNING 1", NOON)
    assert minute(site, NOON + timedelta(minutes=19)).late == 2
    assert minute(site, NOON + timedelta(minutes=21)).days == 2


def test_a_day_that_was_built_in_the_future_is_not_waited_for(site: Site) -> None:
    """By a clock that was ahead."""
    write(site, at(9, visitor_id=1))
    drained(site)
    write(site, at(10, visitor_id=2))
    rows("UPDATE ingest_daily_total SET built_at = %s, took_ms = 1 RETURNING 1", NOON + 365 * DAY)
    assert (minute(site).late, daily(site, "events")) == (0, (2,))


def test_a_day_that_a_clock_ahead_closed_too_early_is_built_when_it_closes(site: Site) -> None:
    write(site, today_at(8, visitor_id=1))
    drained(site, NOON + 3 * DAY)
    write(site, today_at(9, visitor_id=2))
    drained(site)
    minute(site, NOON + DAY)
    assert daily(site, "day", "events") == (TODAY, 2)


def test_an_hour_that_a_clock_ahead_skipped_is_looked_at_again(site: Site) -> None:
    drained(site, NOON + 10 * HOUR)
    drained(site)
    assert RollupState.objects.get(site_id=site.pk).hours_until == NOON


def test_marks_of_a_final_day_are_taken_away(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    drained(site)
    rows("UPDATE ingest_daily_total SET is_final = true, took_ms = 0 RETURNING 1")
    write(site, at(10, visitor_id=2))
    minute(site)
    assert (marks(site), daily(site, "events")) == ([], (1,))


def test_marks_of_a_deleted_site_are_taken_away(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    site.delete()
    sites.forget()
    drain.hours(NOON)
    assert rows("SELECT count(*) FROM ingest_dirty_hour") == [(0,)]


def test_a_mark_across_two_hours_builds_both(site: Site) -> None:
    """Such marks are left by the clock of another zone."""
    write(site, today_at(7.9, visitor_id=1), today_at(8.1, visitor_id=1))
    rows("UPDATE ingest_dirty_hour SET hour = %s RETURNING 1", MIDNIGHT + 7.5 * HOUR)
    drained(site)
    assert (list(hours(site, "events").values()), marks(site)) == ([(1,), (1,)], [])


def test_breakdowns_by_hour_go_after_yesterday(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    drained(site)
    query = "SELECT count(*) > 0 FROM ingest_hourly_breakdown"
    assert rows(query) == [(True,)]
    drained(site, NOON + DAY)
    assert rows(query) == [(False,)]


def test_one_day_that_cannot_be_built_stops_no_other(site: Site) -> None:
    write(site, at(9, visitor_id=1), today_at(8, visitor_id=1))
    rows("UPDATE ingest_visitor SET number = %s RETURNING 1", 1 << 40)
    rows("UPDATE ingest_event SET session_id = 0 WHERE ts >= %s RETURNING 1", MIDNIGHT)
    done = drained(site)
    assert (len(done.failed), done.hours) == (1, 3)
    assert "visitor number 1099511627776" in done.failed[0]
    assert marks(site) == [MIDNIGHT - DAY + 9 * HOUR]


def test_a_day_that_cannot_be_built_has_no_later_one_built_each_minute(site: Site) -> None:
    minute(site)
    write(site, today_at(8, visitor_id=1))
    rows("UPDATE ingest_visitor SET number = %s RETURNING 1", 1 << 40)
    found = [minute(site, NOON + days * DAY) for days in (1, 3, 3)]
    assert [(len(one.failed), one.days) for one in found] == [(1, 0), (1, 2), (1, 0)]
    rows("UPDATE ingest_visitor SET number = 1 RETURNING 1")
    assert (minute(site, NOON + 3 * DAY).days, marks(site)) == (1, [])


def test_a_day_that_failed_when_it_closed_is_dirty(site: Site) -> None:
    write(site, today_at(8, visitor_id=1))
    drained(site)
    rows("UPDATE ingest_visitor SET number = %s RETURNING 1", 1 << 40)
    minute(site, NOON + DAY)
    assert marks(site) == [MIDNIGHT + hour * HOUR for hour in range(24)]


def test_a_site_whose_zone_nobody_knows_keeps_no_other_from_being_built(site: Site) -> None:
    """As after a move to a machine with older data of zones."""
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    write(other, at(9, visitor_id=1))
    Site.objects.filter(pk=site.pk).update(timezone="Mars/Olympus_Mons")
    assert drain.closed_days(NOON).failed == (f"site {site.pk}: 'No time zone found with key Mars/Olympus_Mons'",)
    assert daily(other, "events") == (1,)


def test_a_site_that_fails_keeps_no_other_from_being_built(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    write(site, at(9, visitor_id=1))
    write(other, at(9, visitor_id=1))
    rows("UPDATE ingest_visitor SET number = %s WHERE site_id = %s RETURNING 1", 1 << 40, site.pk)
    sites.forget()
    assert len(drain.hours(NOON).failed) == 1
    assert daily(other, "events") == (1,)


# --- Zones ------------------------------------------------------------------------------------------------


def rezoned(site: Site, zone: str) -> None:
    site.timezone = zone
    site.save()
    sites.forget()


def test_days_follow_the_zone_of_the_site(site: Site) -> None:
    rezoned(site, "Asia/Kathmandu")
    write(site, at(18, visitor_id=1), at(18.5, visitor_id=2))
    drained(site, MIDNIGHT + DAY)
    query = "SELECT day, events FROM ingest_daily_total ORDER BY 1"
    assert rows(query) == [(YESTERDAY, 1), (TODAY, 1)]
    assert {hour.minute for hour in hours(site, "events")} == {15}


def test_another_zone_moves_what_was_built(site: Site) -> None:
    write(site, at(3, visitor_id=1), at(9, visitor_id=2))
    drained(site)
    rezoned(site, "America/New_York")
    drained(site)
    query = "SELECT day, events FROM ingest_daily_total ORDER BY 1"
    assert rows(query) == [(YESTERDAY - DAY, 1), (YESTERDAY, 1)]
    assert RollupState.objects.get(site_id=site.pk).zone == "America/New_York"


def test_who_still_knows_the_former_zone_brings_no_day_back_to_it(site: Site) -> None:
    """A cleanup and a backfill of all sites read them when they begin."""
    write(site, at(9, visitor_id=1))
    before = KnownSite.of(site)
    drained(site)
    rezoned(site, "Asia/Tokyo")
    drained(site)
    built = rows("SELECT * FROM ingest_daily_total")
    assert drain.of_closed_days(before, NOON + DAY).days == 0
    assert RollupState.objects.get(site_id=site.pk).zone == "Asia/Tokyo"
    assert rows("SELECT * FROM ingest_daily_total") == built


def test_no_hour_of_the_old_zone_is_left(site: Site) -> None:
    write(site, at(9.1, visitor_id=1), at(9.9, visitor_id=2), today_at(8.1, visitor_id=3), today_at(8.9, visitor_id=4))
    drained(site)
    rezoned(site, "Asia/Kathmandu")
    drained(site)
    assert {hour.minute for hour in hours(site, "events")} == {15}
    assert sum(events for (events,) in hours(site, "events").values()) == 4


def test_another_zone_marks_no_hour_without_events(site: Site) -> None:
    """Of a site with a few old days the years between are not counted."""
    write(site, at(-40, visitor_id=1), at(9, visitor_id=2))
    drained(site)
    rezoned(site, "Asia/Tokyo")
    state.of(KnownSite.of(site), NOON)
    assert marks(site) == [MIDNIGHT - DAY - 40 * HOUR, MIDNIGHT - DAY + 9 * HOUR]


def test_a_day_that_is_open_in_the_new_zone_loses_its_row(site: Site) -> None:
    rezoned(site, "Asia/Tokyo")
    write(site, at(12, visitor_id=1))
    drained(site)
    assert daily(site, "day") == (YESTERDAY,)
    rezoned(site, "Pacific/Niue")
    drained(site, MIDNIGHT + HOUR)
    assert rows("SELECT day FROM ingest_daily_total") == []


def test_final_days_keep_the_zone_that_they_were_counted_in(site: Site) -> None:
    write(site, at(-20, visitor_id=1), at(9, visitor_id=2))
    drained(site)
    rows("UPDATE ingest_daily_total SET is_final = true WHERE day < %s RETURNING 1", YESTERDAY)
    before = rows("SELECT * FROM ingest_daily_total WHERE is_final")
    rezoned(site, "Asia/Kathmandu")
    drained(site)
    assert rows("SELECT * FROM ingest_daily_total WHERE is_final") == before
    assert daily_of(site, YESTERDAY) == [(1,)]


def daily_of(site: Site, day: Any) -> list[tuple[Any, ...]]:
    return rows("SELECT events FROM ingest_daily_total WHERE site_id = %s AND day = %s", site.pk, day)


# --- Several at once --------------------------------------------------------------------------------------


def test_a_writer_that_has_not_committed_is_counted_by_the_next_drain(
    committed: Site, another: psycopg.Connection
) -> None:
    """And waits for nobody: its transaction goes on while the hour is built."""
    write(committed, at(9, visitor_id=1))
    known = KnownSite.of(committed)
    with another.transaction():
        another.execute(COPY_OF_ONE, (MIDNIGHT - DAY + 9.2 * HOUR,))
        dirty_marks.dirty(another, {(known, MIDNIGHT - DAY + 9.2 * HOUR)})
        minute(committed)
        assert daily(committed, "events") == (1,)
        started = time.monotonic()
        another.execute("UPDATE ingest_visitor SET last_seen = now()")
        waited = time.monotonic() - started
    assert len(marks(committed)) == 1
    rows("UPDATE ingest_daily_total SET took_ms = 0 RETURNING 1")
    minute(committed)
    assert daily(committed, "events") == (2,)
    assert waited < 0.1


COPY_OF_ONE = """
INSERT INTO ingest_event (site_id, id, ts, session_id, visitor_id, name, received_at, processed_at)
SELECT site_id, gen_random_uuid(), %s, session_id, visitor_id, 'pageview', now(), now() FROM ingest_event
"""


def test_the_writer_itself_is_not_held_up_by_a_rebuild(committed: Site, another: psycopg.Connection) -> None:
    """A rebuild that stands still in the middle, and a batch into the same hour."""
    write(committed, at(9, visitor_id=1))
    known, day = KnownSite.of(committed), day_of(committed.zone, YESTERDAY)
    inside, go_on = threading.Event(), threading.Event()
    standing = threading.Thread(target=with_own_connection, args=(lambda: stand(known, day, inside, go_on),))
    standing.start()
    assert inside.wait(10)
    another.execute("SET lock_timeout = '100ms'")
    connection.cursor().execute("SET lock_timeout = '100ms'")  # the writer's: refused if it waited longer
    write(committed, at(9.1, visitor_id=1), at(9.2, visitor_id=2))
    connection.cursor().execute("RESET lock_timeout")
    go_on.set()
    standing.join()
    minute(committed, NOON + HOUR)
    assert daily(committed, "events", "visitors") == (3, 2)


def stand(known: KnownSite, day: Any, inside: threading.Event, go_on: threading.Event) -> None:
    with rebuild.building(known.id, day.date) as conn:
        stored_rows.clear_day(conn, known.id, day.date)
        inside.set()
        go_on.wait(10)


def test_a_day_that_somebody_builds_is_left_to_them(committed: Site, another: psycopg.Connection) -> None:
    write(committed, at(9, visitor_id=1))
    with another.transaction():
        lock = committed.pk << rebuild.DAY_BITS | YESTERDAY.toordinal()
        another.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        assert minute(committed).late == 1
    assert len(marks(committed)) == 1
    assert minute(committed).days == 1


def test_a_drain_that_is_killed_half_way_leaves_all_as_it_was(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(committed, at(9, visitor_id=1))
    minute(committed)
    write(committed, at(10, visitor_id=2))
    rows("UPDATE ingest_daily_total SET took_ms = 0 RETURNING 1")
    before = rows("SELECT * FROM ingest_daily_total")
    monkeypatch.setattr(stored_rows.Breakdowns, "write", killed)
    assert "terminating connection" in minute(committed, NOON + HOUR).failed[0]
    monkeypatch.undo()
    assert rows("SELECT * FROM ingest_daily_total") == before
    assert len(marks(committed)) == 1
    minute(committed, NOON + HOUR)
    assert daily(committed, "events") == (2,)


def killed(_: object, conn: psycopg.Connection, **__: int) -> int:
    with psycopg.connect(database_url(), autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
    conn.execute("SELECT 1")
    raise AssertionError("a connection that was ended answers")


def test_two_drains_at_once_give_what_one_gives(committed: Site) -> None:
    write(committed, *(at(hour, visitor_id=visitor) for hour in (1, 9, 20) for visitor in (1, 2)))
    write(committed, *(at(hour - 24, visitor_id=visitor) for hour in (1, 9, 20) for visitor in (1, 2)))
    threads = [threading.Thread(target=with_own_connection, args=(lambda: minute(committed),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    minute(committed)
    assert rows("SELECT events, visitors FROM ingest_daily_total ORDER BY day") == [(6, 2), (6, 2)]
    assert marks(committed) == []


def test_batches_written_meanwhile_are_never_missed(committed: Site) -> None:
    """A writer and a drain go on side by side; when both have ended the figures are whole."""
    done = threading.Event()

    def drain_on() -> None:
        while not done.is_set():
            minute(committed, NOON + DAY)
            rows("UPDATE ingest_daily_total SET took_ms = 0 RETURNING 1")

    draining = threading.Thread(target=with_own_connection, args=(drain_on,))
    draining.start()
    try:
        for number in range(40):
            write(committed, at(9 + number / 100, visitor_id=number))
    finally:
        done.set()
        draining.join()
    minute(committed, NOON + DAY)
    assert daily(committed, "events", "visitors", "sessions") == (40, 40, 40)
