"""Periodic work: each task may run twice, or two at once."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from ingest import partitions, tasks, writer
from ingest.enrich import visitor
from ingest.models import DirtyHour, Site
from tests.conftest import rows

HOUR = datetime(2026, 11, 20, 10, tzinfo=UTC)


def marks() -> list[tuple[int, datetime]]:
    return [(site, hour) for site, hour in rows("SELECT site_id, hour FROM ingest_dirty_hour ORDER BY 1, 2")]


def mark(*offsets: int, site_id: int = 1) -> None:
    DirtyHour.objects.bulk_create([DirtyHour(site_id=site_id, hour=HOUR + timedelta(hours=n)) for n in offsets])


def test_it_works(db: None) -> None:
    for task in (tasks.make_partitions, tasks.rotate_salts, tasks.compact_dirty_hours, tasks.trim_samples):
        task()
        task()


def test_the_coming_days_are_made(db: None) -> None:
    tasks.make_partitions()
    today = datetime.now(UTC).date()
    wanted = {today + timedelta(days=step) for step in range(-1, 8)}
    assert wanted <= partitions.existing(writer.connected())


def test_salts_are_made_a_day_ahead_and_old_ones_deleted(db: None) -> None:
    today = datetime.now(UTC).date()
    visitor.ensure_salts([today - timedelta(days=back) for back in (1, 2, 30)])
    tasks.rotate_salts()
    assert rows("SELECT day FROM ingest_salt ORDER BY 1") == [(today + timedelta(days=step),) for step in (-1, 0, 1)]


def test_repeated_marks_of_an_hour_become_one(db: None) -> None:
    mark(0, 0, 1, 0, 1)
    mark(0, site_id=2)
    youngest = DirtyHour.objects.filter(site_id=1, hour=HOUR).latest("id").pk
    tasks.compact_dirty_hours()
    assert marks() == [(1, HOUR), (1, HOUR + timedelta(hours=1)), (2, HOUR)]
    assert DirtyHour.objects.filter(pk=youngest).exists()


def test_a_mark_that_is_not_committed_yet_stays(committed: Site, another: psycopg.Connection) -> None:
    """A writer's open transaction has marked the hour: whoever counts now does not see its events."""
    mark(0, 0)
    with another.transaction():
        another.execute("INSERT INTO ingest_dirty_hour (site_id, hour) VALUES (1, %s)", [HOUR])
        tasks.compact_dirty_hours()
        assert len(marks()) == 1
    assert len(marks()) == 2


def test_compacting_takes_no_mark_from_a_reader_unnoticed(committed: Site, another: psycopg.Connection) -> None:
    """Whoever rebuilds deletes the marks it read; if one is gone by then it must hear of it and read again."""
    mark(0, 0)
    with pytest.raises(psycopg.errors.SerializationFailure):
        rebuild_while_compacting(another)
    assert len(marks()) == 1


def rebuild_while_compacting(conn: psycopg.Connection) -> None:
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        read = [id_ for (id_,) in conn.execute("SELECT id FROM ingest_dirty_hour").fetchall()]
        tasks.compact_dirty_hours()
        conn.execute("DELETE FROM ingest_dirty_hour WHERE id = ANY(%s)", [read])


def test_no_task_leaves_a_transaction_open(committed: Site) -> None:
    for task in (tasks.make_partitions, tasks.rotate_salts, tasks.compact_dirty_hours, tasks.trim_samples):
        task()
        assert connection.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
