"""`manage.py cleanup`, and the task of every night."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now as utc_now

from ingest import tasks
from ingest.alone import alone
from ingest.models import JobRun, Site
from ingest.rollups import rebuild
from tests.conftest import rows
from tests.ingest.examples import event
from tests.ingest.retention.examples import MONDAY, at, change, count_of, one, write


def cleanup(**options: Any) -> str:
    told = StringIO()
    call_command("cleanup", stdout=told, **options)
    return told.getvalue()


@pytest.fixture
def aged(old: Site) -> Site:
    """Two events of 2001, which nobody has counted yet, and one of today."""
    write(old, at(MONDAY), at(MONDAY, visitor=8), event())
    return old


def test_it_works(aged: Site) -> None:
    told = cleanup()
    assert told.startswith("Deleted 2 events (1 whole days), 2 sessions, 1 visitors and 0 rows of aggregates;")
    assert count_of("event") == 1
    run = JobRun.objects.get()
    assert (run.task, run.error, run.detail) == ("cleanup", "", told.strip())


def test_a_dry_run_changes_nothing_and_leaves_no_run(aged: Site) -> None:
    assert cleanup(dry_run=True).startswith("Would have deleted 2 events (1 whole days)")
    assert count_of("event") == 3
    assert JobRun.objects.count() == 0


def test_it_prints_json(aged: Site) -> None:
    found = json.loads(cleanup(json=True))
    assert (found["events"], found["closed"], found["is_dry"], found["failed"]) == (2, 1, False, [])


def test_one_site_alone(aged: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(other, at(MONDAY))
    cleanup(site=other.key)
    assert rows("SELECT DISTINCT site_id FROM ingest_event WHERE ts < '2002-01-01'") == [(aged.pk,)]
    assert JobRun.objects.get().site_id == other.pk


def test_a_site_that_nobody_has_is_told(db: None) -> None:
    with pytest.raises(CommandError, match="--site ff_none: no site has this key"):
        cleanup(site="ff_none")


def test_what_fails_is_told_in_the_end(aged: Site, another: psycopg.Connection) -> None:
    with another.transaction():
        another.execute(f"SELECT pg_advisory_xact_lock({aged.pk << rebuild.DAY_BITS | MONDAY.toordinal()})")
        with pytest.raises(CommandError, match="2001-01-01: is being built"):
            cleanup()
    assert "2001-01-01: is being built" in JobRun.objects.get().error
    assert count_of("event") == 3


def test_a_second_one_at_once_is_turned_away(aged: Site) -> None:
    with alone("cleanup"), pytest.raises(CommandError, match="cleanup: is running already"):
        cleanup()
    assert count_of("event") == 3


def test_the_task_does_the_same(aged: Site) -> None:
    tasks.cleanup()
    assert count_of("event") == 1
    assert JobRun.objects.get().detail.startswith("Deleted 2 events")


def test_days_of_today_stay_where_sites_keep_least(aged: Site) -> None:
    change(aged, events_days=2, sessions_days=2, aggregates_days=2)
    cleanup()
    assert one("SELECT ts::date FROM ingest_event") == utc_now().date()
    assert count_of("session") == 1


def test_an_import_hears_of_days_that_are_counted_for_good(old: Site, tmp_path: Path) -> None:
    path, told = tmp_path / "events.jsonl", StringIO()
    line = '{"name": "pageview", "timestamp": "2015-05-%dT12:00:00Z", "visitor_id": "a"}\n'
    path.write_text(line % 17)
    call_command("import_events", str(path), format="jsonl", site=old.key, stdout=told, stderr=StringIO())
    cleanup()
    path.write_text(line % 17 + line % 18)
    call_command("import_events", str(path), format="jsonl", site=old.key, stdout=told, stderr=StringIO())
    assert "1  too_old        of a day that is counted for good" in told.getvalue()
    assert rows("SELECT ts::date::text FROM ingest_event") == [("2015-05-18",)]
