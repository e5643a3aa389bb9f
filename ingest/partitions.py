"""The daily partitions of `ingest_event`: made ahead, found by name, never by locking out the writers.

A day is created as a table of its own (LIKE), indexed while empty, then attached: `CREATE … PARTITION OF`
would hold off every insert meanwhile. There is no DEFAULT partition: with one, a day could not be detached
concurrently, so the writer makes a missing day and repeats its batch.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

PARENT = "ingest_event"
LOCK_TIMEOUT = "2s"
# One number for every change to the set of partitions, so that two processes never make the same day at once.
LOCK_ID = 0x666F6F74


def name_of(day: date) -> str:
    return f"{PARENT}_{day.year:04}{day:%m%d}"  # %Y writes the year 999 with three digits


def days_of(moments: Iterable[datetime]) -> set[date]:
    return {moment.astimezone(UTC).date() for moment in moments}


def ahead(now: datetime, count: int) -> list[date]:
    """Yesterday, today and the next COUNT days (UTC)."""
    today = now.astimezone(UTC).date()
    return [today + timedelta(days=step) for step in range(-1, count + 1)]


def existing(conn: psycopg.Connection) -> set[date]:
    """The days that have an attached partition. One look at the catalogue."""
    rows = conn.execute(
        "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid WHERE inhparent = to_regclass(%s)",
        (PARENT,),
    ).fetchall()
    return {datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for (name,) in rows}


def ensure(conn: psycopg.Connection, days: Iterable[date]) -> list[date]:
    """Creates the days that are missing, oldest first, and returns them.

    Each day is a transaction of its own on CONN, which must be in autocommit mode. Attaching needs a short
    lock on the parent; it is given up after 2 s (`psycopg.errors.LockNotAvailable`) rather than queueing
    the writers behind it.
    """
    missing = sorted(set(days) - existing(conn))
    for day in missing:
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
            if day not in existing(conn):
                _create(conn, day)
    return missing


def _create(conn: psycopg.Connection, day: date) -> None:
    names = {
        "table": sql.Identifier(name_of(day)),
        "unique": sql.Identifier(f"{name_of(day)}_id"),
        "parent": sql.Identifier(PARENT),
        "start": sql.Literal(datetime.combine(day, datetime.min.time(), UTC)),
        "end": sql.Literal(datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)),
    }
    for statement in STATEMENTS:
        conn.execute(sql.SQL(statement).format(**names))


STATEMENTS = (
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
    "CREATE TABLE {table} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "CREATE UNIQUE INDEX {unique} ON {table} (site_id, id)",
    "CREATE INDEX ON {table} (site_id, ts)",
    "ALTER TABLE {table} ADD CONSTRAINT bounds CHECK (ts >= {start} AND ts < {end})",
    "ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ({start}) TO ({end})",
    "ALTER TABLE {table} DROP CONSTRAINT bounds",
)
