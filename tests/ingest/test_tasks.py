"""Periodic work: each task may run twice, or two at once."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from ingest import partitions, tasks, writer
from ingest.alone import alone
from ingest.clock import hour_start
from ingest.enrich import visitor
from ingest.models import DailyTotal, DirtyHour, HourlyTotal, JobRun, RollupState, Sample, Site
from tests.conftest import rows
from tests.ingest.examples import batch, event
from tests.ingest.writers import with_own_connection

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EACH = (
    tasks.make_partitions,
    tasks.rotate_salts,
    tasks.drain_closed_days,
    tasks.drain_hours,
    tasks.check_freshness,
    tasks.trim_samples,
    tasks.trim_runs,
)


def happened(site: Site, *moments: datetime) -> None:
    writer.write(
        [batch(site, *(event(ts=moment.timestamp(), session_id=index) for index, moment in enumerate(moments, 1)))]
    )


def runs(task: str) -> list[JobRun]:
    return list(JobRun.objects.filter(task=task).order_by("pk"))


def test_it_works(site: Site) -> None:
    happened(site, NOW - 2 * DAY, NOW)
    for task in EACH:
        task()
        task()
    assert not JobRun.objects.exclude(error="").exists()


def test_no_task_leaves_a_transaction_open(committed: Site) -> None:
    for task in EACH:
        task()
        assert connection.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_the_coming_days_are_made(db: None) -> None:
    tasks.make_partitions()
    today = NOW.date()
    wanted = {today + timedelta(days=step) for step in range(-1, 8)}
    assert wanted <= partitions.existing(writer.connected())
    assert runs("make_partitions")[0].detail.startswith("Made ")


def test_salts_are_made_a_day_ahead_and_old_ones_deleted(db: None) -> None:
    today = datetime.now(UTC).date()
    visitor.ensure_salts([today - timedelta(days=back) for back in (1, 2, 30)])
    tasks.rotate_salts()
    assert rows("SELECT day FROM ingest_salt ORDER BY 1") == [(today + timedelta(days=step),) for step in (-1, 0, 1)]
    assert runs("rotate_salts")[0].detail == "Deleted 2 salts."


# --- Aggregates -------------------------------------------------------------------------------------------


def test_a_closed_day_with_a_late_event_is_counted_within_the_minute(site: Site) -> None:
    happened(site, TODAY - DAY)
    tasks.drain_closed_days()
    assert DailyTotal.objects.get().page_views == 1
    assert not DirtyHour.objects.exists()


def test_the_hours_of_an_open_day_wait_for_their_hour(site: Site) -> None:
    hour = hour_start(site.zone, NOW) - HOUR
    happened(site, hour)
    tasks.drain_closed_days()
    is_of_today = hour >= TODAY
    assert HourlyTotal.objects.exists() != is_of_today
    tasks.drain_hours()
    assert HourlyTotal.objects.get().hour == hour


def test_a_beat_that_was_away_for_two_days_is_made_up_for(site: Site) -> None:
    """By how far the figures go, not by marks: those of hours without a change are none."""
    happened(site, TODAY - 2 * DAY, TODAY - DAY, NOW - HOUR)
    DirtyHour.objects.all().delete()
    before = TODAY - 2 * DAY
    RollupState.objects.create(site_id=site.pk, zone="UTC", hours_until=before, days_until=before.date())
    tasks.drain_closed_days()
    tasks.drain_hours()
    assert {TODAY.date() - 2 * DAY, TODAY.date() - DAY} <= set(DailyTotal.objects.values_list("day", flat=True))
    assert HourlyTotal.objects.filter(hour=hour_start(site.zone, NOW - HOUR)).exists()
    state = RollupState.objects.get()
    assert state.days_until >= TODAY.date()
    assert state.hours_until >= hour_start(site.zone, NOW)


def test_two_workers_at_once_leave_the_rows_of_one(committed: Site) -> None:
    happened(committed, TODAY - DAY, TODAY - DAY + HOUR)
    both = [threading.Thread(target=with_own_connection, args=(tasks.drain_closed_days,)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [row.page_views for row in DailyTotal.objects.all()] == [2]
    assert [run.error for run in runs("drain_closed_days")] == [""]
    assert not DirtyHour.objects.exists()


def test_a_minute_without_work_leaves_no_row(site: Site) -> None:
    tasks.drain_closed_days()
    tasks.drain_closed_days()
    assert runs("drain_closed_days") == []
    happened(site, TODAY - DAY)
    tasks.drain_closed_days()
    [row] = runs("drain_closed_days")
    assert row.detail.startswith("Built 1 days")


def test_an_hours_run_leaves_a_row_in_any_case(site: Site) -> None:
    tasks.drain_hours()
    assert [run.error for run in runs("drain_hours")] == [""]


def test_a_day_that_cannot_be_built_is_the_runs_error(site: Site) -> None:
    happened(site, TODAY - DAY)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ingest_daily_total ADD CONSTRAINT refused CHECK (page_views = 0)")
    tasks.drain_closed_days()
    [row] = runs("drain_closed_days")
    assert row.error.startswith(f"Not built: site {site.pk}, {TODAY - DAY:%Y-%m-%d}")


@pytest.mark.parametrize("task", [tasks.drain_closed_days, tasks.drain_hours])
def test_a_task_that_runs_already_is_left_alone(site: Site, task: object) -> None:
    happened(site, TODAY - DAY)
    with alone(task.__name__):  # type: ignore[attr-defined]
        task()  # type: ignore[operator]
    assert not JobRun.objects.exists()
    assert not DailyTotal.objects.exists()


# --- Keeping ----------------------------------------------------------------------------------------------

LONG_AGO = datetime(2001, 1, 3, 12, tzinfo=UTC)  # a day of which no other test has events


@pytest.fixture
def long_ago(committed: Site) -> Iterator[Site]:
    """A site with an event that is not kept any more."""
    partitions.ensure(writer.connected(), [LONG_AGO.date()])
    imported(committed)
    yield committed
    writer.connected().execute(f"DROP TABLE IF EXISTS {partitions.name_of(LONG_AGO.date())}")


def imported(site: Site) -> None:
    writer.write([batch(site, event(ts=LONG_AGO.timestamp(), session_id=1), is_import=True)])


def test_the_cleanup_deletes_what_no_site_keeps(long_ago: Site) -> None:
    tasks.cleanup()
    [row] = runs("cleanup")
    assert rows("SELECT count(*) FROM ingest_event") == [(0,)]
    assert (row.error, row.done == row.total) == ("", True)
    assert row.detail.startswith("Deleted 1 events")


def test_a_dry_run_deletes_nothing_and_is_no_cleanup(long_ago: Site) -> None:
    tasks.cleanup(dry_run=True)
    assert rows("SELECT count(*) FROM ingest_event") == [(1,)]
    assert runs("cleanup_dry_run")[0].detail.startswith("Would have deleted 1 events")
    assert runs("cleanup") == []


def test_of_other_sites_than_those_asked_for_nothing_is_deleted(long_ago: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    imported(other)
    tasks.cleanup([other.pk])
    assert rows("SELECT site_id FROM ingest_event") == [(long_ago.pk,)]


def test_one_cleanup_at_a_time(long_ago: Site) -> None:
    with alone("cleanup"):
        tasks.cleanup()
    assert (runs("cleanup"), rows("SELECT count(*) FROM ingest_event")) == ([], [(1,)])


# --- Looking after the rest -------------------------------------------------------------------------------


def test_what_is_behind_is_the_error_of_the_check(site: Site) -> None:
    Site.objects.update(created_at=NOW - DAY)
    tasks.check_freshness()
    [row] = runs("check_freshness")
    assert row.error.startswith("Figures stop too early: 1 site (number ")


def test_a_check_that_finds_nothing_leaves_no_row(site: Site) -> None:
    tasks.check_freshness()
    assert runs("check_freshness") == []


def test_a_task_whose_process_died_is_told_by_the_check(db: None, caplog: pytest.LogCaptureFixture) -> None:
    gone = NOW - HOUR
    JobRun.objects.create(task="cleanup", started_at=gone, seen_at=gone)
    tasks.check_freshness()
    assert "cleanup fails: Its process is gone" in caplog.text


def test_a_run_is_kept_of_what_was_deleted_alone(site: Site) -> None:
    tasks.trim_samples()
    assert runs("trim_samples") == []
    words = dict.fromkeys(("outcome", "reason", "detail", "name", "page", "user_agent", "event"), "")
    Sample.objects.create(site_id=site.pk, received_at=NOW - 40 * DAY, **words)
    tasks.trim_samples()
    assert [(row.rows, row.detail) for row in runs("trim_samples")] == [(1, "Deleted 1 samples.")]
