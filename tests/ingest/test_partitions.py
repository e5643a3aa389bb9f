"""The days of the event table: made ahead, made once, made by the writer when one is missing."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from ingest import partitions, writer
from ingest.models import Site
from ingest.writer import connected
from tests.conftest import database_url, rows
from tests.ingest.examples import batch, event
from tests.ingest.writers import wait_for, with_own_connection

LONG_AGO = date(2001, 2, 3)
BOUNDS = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s"


@pytest.fixture
def conn(db: None) -> psycopg.Connection:
    return writer.connected()


@pytest.fixture
def free_day(committed: Site) -> Iterator[date]:
    """A day without a partition, also after a test that commits: rows are emptied, tables are not dropped."""
    yield LONG_AGO
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {partitions.name_of(LONG_AGO)}")


def test_it_works(conn: psycopg.Connection) -> None:
    assert partitions.ensure(conn, [LONG_AGO]) == [LONG_AGO]
    assert LONG_AGO in partitions.existing(conn)
    found = rows(BOUNDS, "ingest_event_20010203")
    assert found == [("FOR VALUES FROM ('2001-02-03 00:00:00+00') TO ('2001-02-04 00:00:00+00')",)]


def test_a_day_is_made_once(conn: psycopg.Connection) -> None:
    partitions.ensure(conn, [LONG_AGO])
    assert partitions.ensure(conn, [LONG_AGO]) == []


def test_days_are_made_oldest_first(conn: psycopg.Connection) -> None:
    days = [LONG_AGO + timedelta(days=step) for step in range(3)]
    assert partitions.ensure(conn, reversed(days)) == days


def test_a_day_refuses_the_same_id_twice_at_one_site_alone(conn: psycopg.Connection) -> None:
    partitions.ensure(conn, [LONG_AGO])
    found = rows("SELECT indexdef FROM pg_indexes WHERE tablename = 'ingest_event_20010203' ORDER BY indexdef")
    assert [definition.split(" USING ")[1] for (definition,) in found] == ["btree (site_id, ts)", "btree (site_id, id)"]
    assert "UNIQUE" in found[1][0]


def test_there_is_no_default_partition(conn: psycopg.Connection) -> None:
    """With one, a day could not be detached while events come in (55000)."""
    assert rows("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'ingest_event'::regclass") == [(0,)]


def test_no_day_is_made_beside_the_table_of_days(conn: psycopg.Connection) -> None:
    partitions.ensure(conn, [LONG_AGO])
    checks = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'ingest_event_20010203'::regclass AND contype = 'c'"
    assert rows(checks) == [(0,)]  # the bounds were checked while it was attached, and are known since


@pytest.mark.parametrize("day", [date(1, 1, 1), date(999, 12, 31), date(9999, 12, 30)])
def test_a_day_of_any_year_is_found_again(conn: psycopg.Connection, day: date) -> None:
    """Imports are of any age; one day with a name that cannot be read would break all that look."""
    assert partitions.ensure(conn, [day]) == [day]
    assert day in partitions.existing(conn)


def test_days_are_those_of_utc() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    there = datetime.fromisoformat("2026-11-21T00:30:00+14:00")
    assert partitions.days_of([late, there]) == {date(2026, 11, 20)}


def test_ahead_is_yesterday_today_and_more() -> None:
    found = partitions.ahead(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 2)
    assert found == [date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1), date(2027, 1, 2)]


def test_two_at_once_make_one_day(free_day: date) -> None:
    made: list[list[date]] = []
    start = threading.Barrier(4)

    def make() -> None:
        with psycopg.connect(database_url(), autocommit=True) as conn:
            start.wait()
            made.append(partitions.ensure(conn, [free_day]))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert free_day in partitions.existing(writer.connected())


def test_events_come_in_while_a_day_is_made(free_day: date, committed: Site, another: psycopg.Connection) -> None:
    """A writer's transaction that is open must neither hold off the new day nor be held off by it."""
    with another.transaction():
        another.execute("LOCK TABLE ingest_event IN ROW EXCLUSIVE MODE")  # as an insert takes it
        assert partitions.ensure(writer.connected(), [free_day]) == [free_day]


def test_a_day_is_given_up_rather_than_waited_for(free_day: date, another: psycopg.Connection) -> None:
    with another.transaction():
        another.execute("LOCK TABLE ingest_event IN SHARE UPDATE EXCLUSIVE MODE")  # as a VACUUM takes it
        with pytest.raises(psycopg.errors.LockNotAvailable):
            partitions.ensure(writer.connected(), [free_day])
    assert partitions.ensure(writer.connected(), [free_day]) == [free_day]


def test_the_writer_makes_a_day_that_is_missing(free_day: date, committed: Site) -> None:
    noon = datetime(2001, 2, 3, 12, tzinfo=UTC)
    written = writer.write([batch(committed, event(ts=noon.timestamp()), event(), is_import=True)])
    assert written.stored == 2
    assert rows("SELECT ts FROM ingest_event_20010203") == [(noon,)]


# --- Days that go -----------------------------------------------------------------------------------------

NOON = datetime(2001, 2, 3, 12, tzinfo=UTC)
PENDING = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
PARTIAL = """
CREATE UNIQUE INDEX CONCURRENTLY ingest_event_20010203_properties ON ingest_event_20010203 (site_id)
"""


def write_old(site: Site, **fields: Any) -> None:
    writer.write([batch(site, event(ts=NOON.timestamp(), **fields), is_import=True)])


def interrupt_detaching(another: psycopg.Connection) -> None:
    """As a process that ends between the two transactions of DETACH CONCURRENTLY."""
    with another.transaction():
        another.execute("SELECT count(*) FROM ingest_event")  # is waited for
        writer.connected().execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            writer.connected().execute("ALTER TABLE ingest_event DETACH PARTITION ingest_event_20010203 CONCURRENTLY")
    writer.connected().execute("RESET lock_timeout")
    assert rows(PENDING) == [(1,)]


def test_a_day_is_detached_and_dropped(free_day: date, committed: Site) -> None:
    write_old(committed)
    partitions.detach(writer.connected(), free_day)
    assert partitions.detached(writer.connected()) == {free_day}
    assert rows("SELECT count(*) FROM ingest_event") == [(0,)]
    assert partitions.drop(writer.connected(), free_day)
    assert partitions.detached(writer.connected()) == set()


def test_a_day_is_not_dropped_while_it_takes_part(free_day: date, committed: Site) -> None:
    write_old(committed)
    assert not partitions.drop(writer.connected(), free_day)
    assert rows("SELECT count(*) FROM ingest_event") == [(1,)]


def test_events_come_in_while_a_day_is_detached(free_day: date, committed: Site, another: psycopg.Connection) -> None:
    """Detaching waits for who reads; a writer that comes later does not wait for the detaching."""
    partitions.ensure(writer.connected(), [free_day])
    detaching = threading.Thread(target=with_own_connection, args=[lambda: partitions.detach(connected(), free_day)])
    with another.transaction():
        another.execute("SELECT count(*) FROM ingest_event")
        detaching.start()
        wait_for(lambda: rows(PENDING) == [(1,)])
        writer.connected().execute("SET lock_timeout = '100ms'")
        assert writer.write([batch(committed, event())]).stored == 1
    detaching.join()
    assert partitions.detached(writer.connected()) == {free_day}


def test_a_detaching_that_was_interrupted_goes_on(free_day: date, committed: Site, another: psycopg.Connection) -> None:
    write_old(committed)
    interrupt_detaching(another)
    assert partitions.detached(writer.connected()) == {free_day}
    partitions.detach(writer.connected(), free_day)
    assert rows(PENDING) == [(0,)]
    assert partitions.drop(writer.connected(), free_day)


@pytest.mark.parametrize("is_pending", [True, False])
def test_a_day_that_is_needed_again_comes_back_with_its_rows(
    free_day: date, committed: Site, another: psycopg.Connection, is_pending: bool
) -> None:
    write_old(committed)
    if is_pending:
        interrupt_detaching(another)
    else:
        partitions.detach(writer.connected(), free_day)
    write_old(committed)
    assert rows("SELECT count(*) FROM ingest_event") == [(2,)]
    assert not partitions.drop(writer.connected(), free_day)
    checks = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'ingest_event_20010203'::regclass AND contype = 'c'"
    assert rows(checks) == [(0,)]


def test_properties_are_found_by_an_index_of_the_day(free_day: date, committed: Site) -> None:
    write_old(committed, properties={"plan": "pro"})
    assert partitions.index(writer.connected(), free_day)
    assert not partitions.index(writer.connected(), free_day)
    connection.ensure_connection()
    writer.connected().execute("SET enable_seqscan = off; SET enable_indexscan = off")
    plan = rows("""EXPLAIN SELECT * FROM ingest_event_20010203 WHERE properties @> '{"plan": "pro"}'""")
    writer.connected().execute("RESET enable_seqscan; RESET enable_indexscan")
    assert "ingest_event_20010203_properties" in str(plan)


def test_an_index_that_was_interrupted_is_built_anew(free_day: date, committed: Site) -> None:
    write_old(committed)
    write_old(committed)
    with pytest.raises(psycopg.errors.UniqueViolation):  # leaves an index that is not valid behind, as a kill does
        writer.connected().execute(PARTIAL)
    assert partitions.index(writer.connected(), free_day)
    assert rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ingest_event_20010203_properties'::regclass") == [
        (True,)
    ]
