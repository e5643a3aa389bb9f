"""What expires goes, in order, and a run that ends anywhere is made up for by the next."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from ingest import jobs, partitions, writer
from ingest.models import JobRun, RollupState, Site
from ingest.retention import archive, cuts
from ingest.retention.cleanup import Cleaned
from ingest.rollups import rebuild
from tests.conftest import rows
from tests.ingest.examples import batch, event
from tests.ingest.retention.examples import (
    LATER,
    MONDAY,
    MUCH_LATER,
    at,
    change,
    clean,
    count,
    count_of,
    forget_days,
    one,
    some_days,
    state,
    write,
)
from tests.ingest.writers import with_own_connection

DAY = timedelta(days=1)


def test_it_works(old: Site) -> None:
    some_days(old)
    done = clean()
    assert (done.closed, done.events, done.partitions, done.sessions, done.failed) == (14, 84, 14, 0, ())
    assert count_of("event") == 0
    assert count_of("session") == 42
    assert one("SELECT sum(events)::int FROM ingest_daily_total WHERE is_final") == 84


def test_figures_are_the_same_afterwards(old: Site) -> None:
    some_days(old)
    figures = "SELECT day, dimension, value, visitors, sessions, page_views, bounces FROM ingest_daily_breakdown"
    before = sorted(rows(figures))
    clean()
    clean(MUCH_LATER)
    assert sorted(rows(figures)) == before
    assert len(before) > 100


def test_it_tells_what_it_did() -> None:
    told = str(Cleaned(closed=2, sealed=1, events=1234, partitions=2, sessions=5, visitors=3, aggregates=7))
    assert told == (
        "Deleted 1,234 events (2 whole days), 5 sessions, 3 visitors and 7 rows of aggregates; "
        "closed 2 days and sealed 1."
    )
    assert str(Cleaned(is_dry=True, failed=("a", "b"))).startswith("Would have deleted 0 events")
    assert str(Cleaned(failed=("a", "b"))).endswith("Left for the next run: 2.")


def test_nothing_is_left_for_a_second_run(old: Site) -> None:
    some_days(old)
    clean(MUCH_LATER)
    before = state()
    assert clean(MUCH_LATER) == Cleaned()
    assert state() == before


def test_a_half_removed_day_comes_back_when_its_site_keeps_events_for_longer(old: Site) -> None:
    some_days(old, 2)
    partitions.detach(writer.connected(), MONDAY)
    change(old, events_days=36_500, sessions_days=36_500)
    assert clean().partitions == 0
    assert MONDAY in partitions.existing(writer.connected())
    assert count_of("event") == 12


def test_a_site_that_keeps_more_since_the_run_began_loses_nothing(old: Site) -> None:
    some_days(old, 2)

    class Changing(jobs.Job):
        def step(self, done: int, rows: int = 0) -> None:
            change(old, events_days=36_500, sessions_days=36_500)

    with jobs.run("cleanup") as job:
        done = clean(MUCH_LATER, job=Changing(job.row))
    assert (done.events, done.sealed, done.sessions, count_of("session")) == (0, 0, 0, 6)


def test_a_half_removed_day_goes_where_no_site_is_left(old: Site) -> None:
    some_days(old, 1)
    partitions.detach(writer.connected(), MONDAY)
    old.delete()
    assert clean().partitions == 1


def test_without_sites_there_is_nothing_to_do(transactional_db: None) -> None:
    assert clean() == Cleaned()


# --- Dry runs ---------------------------------------------------------------------------------------------


def mixed(site: Site) -> Site:
    """Two sites that keep rows for different times, in different zones; one day beyond the cut was not counted yet."""
    change(site, timezone="Asia/Kathmandu")
    brief = Site.objects.create(
        name="Brief", domain="brief.example.com", events_days=30, sessions_days=60, aggregates_days=100
    )
    some_days(site, 5)
    some_days(brief, 6, visitors=2)
    write(site, at(MONDAY + 120 * DAY))
    return brief


@pytest.mark.parametrize("now", [cuts.midnight(date(2001, 2, 20)), cuts.midnight(date(2001, 3, 20)), LATER, MUCH_LATER])
def test_a_dry_run_tells_the_same_numbers_and_changes_nothing(old: Site, now: Any) -> None:
    mixed(old)
    before = state()
    foreseen = clean(now, dry_run=True)
    assert state() == before
    assert foreseen._replace(is_dry=False, indexed=0) == clean(now)._replace(indexed=0)
    assert foreseen.events > 0


def test_one_site_alone(old: Site) -> None:
    brief = mixed(old)
    foreseen = clean(LATER, dry_run=True, site_ids=[brief.pk])
    done = clean(LATER, site_ids=[brief.pk])
    assert foreseen._replace(is_dry=False) == done
    assert (done.events, done.partitions) == (24, 0)
    assert rows("SELECT DISTINCT site_id FROM ingest_event WHERE ts < '2001-02-01'") == [(old.pk,)]


# --- Runs of the task -------------------------------------------------------------------------------------


def test_its_progress_is_kept(old: Site) -> None:
    some_days(old, 2)
    with jobs.run("cleanup") as job:
        clean(job=job)
    row = JobRun.objects.get()
    assert (row.done, row.total, row.rows) == (4, 4, 12 + 4)  # one site twice, two days; four rows by hour


@contextmanager
def builds(another: psycopg.Connection, site: Site, day: date) -> Iterator[None]:
    """Somebody else is building the day."""
    with another.transaction():
        another.execute(f"SELECT pg_advisory_xact_lock({site.pk << rebuild.DAY_BITS | day.toordinal()})")
        yield


def test_what_fails_is_named_and_keeps_nothing_else(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 3)
    with builds(another, old, MONDAY):
        done = clean()
    assert done.failed[0] == f"Site {old.pk}, 2001-01-01: is being built."
    assert (done.closed, done.partitions) == (2, 2)
    assert one("SELECT max(ts)::date::text FROM ingest_event") == "2001-01-01"
    assert clean().partitions == 1


def test_sessions_of_a_day_that_could_not_be_counted_stay(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 3)
    with builds(another, old, MONDAY + DAY):
        clean(MUCH_LATER)
    assert one("SELECT min(started_at)::date::text FROM ingest_session") == "2001-01-02"
    clean(MUCH_LATER)
    assert one("SELECT min(events) FROM ingest_daily_total") == 6
    assert count_of("session") == 0


def test_days_that_are_over_are_indexed(old: Site) -> None:
    partitions.ensure(writer.connected(), [date(2001, 5, 30), date(2001, 5, 31)])
    assert clean().indexed == 1
    indexed = (
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid::regclass::text LIKE '%%_2001%%properties'"
    )
    assert rows(indexed) == [("ingest_event_20010530_properties",)]


# --- Ended anywhere, twice, at once -----------------------------------------------------------------------


class Killed(BaseException):
    """As a signal ends a process: nothing of ours catches it."""


class Countdown:
    """Ends whoever runs the Nth statement from now on; counts them when N is out of reach."""

    def __init__(self, statements: int) -> None:
        self.left = statements

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            connection.close()  # with its transaction
            raise Killed


@contextmanager
def killed_at(statements: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Countdown]:
    count_down = Countdown(statements)
    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection, *args: Any, **options: Any) -> Any:
        count_down()
        return execute(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counted)
        yield count_down


def history(site: Site) -> None:
    """Little of everything that a cleanup takes away."""
    some_days(site, 4, visitors=2)
    write(site, at(date(2001, 12, 30), visitor=9))


def again(site: Site) -> None:
    """The world as it was at first, but for numbers that a sequence gives."""
    forget_days()
    with connection.cursor() as cursor:
        tables = (
            "event", "session", "visitor", "visitor_number", "daily_total", "daily_breakdown", "daily_events",
            "hourly_total", "hourly_breakdown", "hourly_events", "span_count", "dirty_hour", "rollup_state",
        )  # fmt: skip
        cursor.execute(f"TRUNCATE {', '.join(f'ingest_{table}' for table in tables)}")
    history(site)


def test_a_run_that_is_killed_anywhere_is_made_up_for_by_the_next(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    history(old)
    with killed_at(10**9, monkeypatch) as count_down:
        clean(MUCH_LATER)
    statements, wanted = 10**9 - count_down.left, state()
    for place in range(1, statements, statements // 7):
        again(old)
        with pytest.raises(Killed), killed_at(place, monkeypatch):
            clean(MUCH_LATER)
        assert clean(MUCH_LATER).failed == ()
        assert state() == wanted, place


def test_two_at_once_end_as_one(old: Site) -> None:
    history(old)
    clean(MUCH_LATER)
    wanted = state()
    again(old)
    start, found = threading.Barrier(2), list[Cleaned]()

    def run() -> None:
        start.wait()
        found.append(clean(MUCH_LATER))

    threads = [threading.Thread(target=with_own_connection, args=[run]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    clean(MUCH_LATER)  # one that met the other may have left something
    assert state() == wanted


def test_events_that_come_meanwhile_are_stored_and_counted(old: Site) -> None:
    """Live ones beside it, and imported ones into the very days that go: each is counted, or refused and said so."""
    history(old)
    stop, stored, refused = threading.Event(), list[int](), list[int]()

    def import_on() -> None:
        while not stop.is_set():
            imported = [at(MONDAY + number * DAY, 13, 50 + len(stored)) for number in range(8)]
            done = writer.write([batch(old, *imported, is_import=True), batch(old, event())])
            stored.append(done.stored - 1)
            refused.append(done.too_old)

    importer = threading.Thread(target=with_own_connection, args=[import_on])
    importer.start()
    clean(MUCH_LATER)
    stop.set()
    importer.join()
    RollupState.objects.all().delete()  # or every day since then would be looked at
    count(old, MUCH_LATER + DAY)
    assert sum(stored) + sum(refused) == 8 * len(stored)
    assert count_of("event") - len(stored) == one("SELECT count(*) FROM ingest_event WHERE ts < '2002-01-01'")
    assert one("SELECT sum(events)::int FROM ingest_daily_total WHERE day < '2001-02-01'") == 16 + sum(stored)


def test_rows_that_cannot_be_archived_stay_where_they_can_be_asked_for(
    old: Site, settings: Settings, tmp_path: Path
) -> None:
    some_days(old, 2)
    (tmp_path / "file").touch()
    settings.INGEST_ARCHIVE_DIR = str(tmp_path / "file" / "archive")
    before = count_of("event")
    assert clean().failed
    assert count_of("event") == before > 0


def test_archives_are_off_unless_they_are_asked_for(old: Site) -> None:
    some_days(old, 1)
    assert archive.files() == []
    clean()
    assert archive.files() == []
