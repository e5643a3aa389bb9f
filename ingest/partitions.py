"""The daily partitions of `ingest_event`: made ahead, found by name, taken away, never by locking out the writers.

A day is created as a table of its own (LIKE), indexed while empty, then attached: `CREATE … PARTITION OF`
would hold off every insert meanwhile. There is no DEFAULT partition: with one, a day could not be detached
concurrently, so the writer makes a missing day and repeats its batch.

A day that goes is detached concurrently, which takes two transactions: between them, and until its table is dropped,
it is `detached`. Whoever needs such a day again takes it back with its rows.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

PARENT = "ingest_event"
LOCK_TIMEOUT = "2s"
PATIENCE = "30s"  # of detaching and indexing, which wait for others' transactions: nobody waits behind them
# One number for every change to the set of partitions, so that two processes never make the same day at once.
LOCK_ID = 0x666F6F74


ATTACHED = """
SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE inhparent = to_regclass(%s) AND NOT inhdetachpending
"""
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(%s)) AND relkind = 'r' AND relname ~ %s
"""
IS_PENDING = "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)"
# What DETACH CONCURRENTLY leaves on the table in place of the bounds.
CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'c'"
INDEXES = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


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
    return _days(conn.execute(ATTACHED, (PARENT,)).fetchall())


def detached(conn: psycopg.Connection) -> set[date]:
    """The days whose table is there and takes no part any more: somebody was interrupted while removing them."""
    return _days(conn.execute(TABLES, (PARENT, f"^{PARENT}_[0-9]{{8}}$")).fetchall()) - existing(conn)


def _days(names: list[tuple[str]]) -> set[date]:
    return {datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for (name,) in names}


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
    """Also from the table that the day had, when it was being removed."""
    names = _names(day)
    conn.execute(SOON)
    if _first(conn, "SELECT to_regclass(%s)", day) is None:
        _run(conn, MAKE, names)
    else:
        _let_go(conn, day, names)
        for (check,) in conn.execute(CHECKS, (name_of(day),)).fetchall():
            _run(conn, ("ALTER TABLE {table} DROP CONSTRAINT {check}",), {**names, "check": sql.Identifier(check)})
    _run(conn, ATTACH, names)


def _names(day: date) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(name_of(day)),
        "unique": sql.Identifier(f"{name_of(day)}_id"),
        "properties": sql.Identifier(f"{name_of(day)}_properties"),
        "parent": sql.Identifier(PARENT),
        "start": sql.Literal(datetime.combine(day, datetime.min.time(), UTC)),
        "end": sql.Literal(datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)),
    }


def _run(conn: psycopg.Connection, statements: tuple[LiteralString, ...], names: dict[str, sql.Composable]) -> None:
    for statement in statements:
        conn.execute(sql.SQL(statement).format(**names))


def _first(conn: psycopg.Connection, query: LiteralString, day: date) -> object:
    row = conn.execute(query, (name_of(day),)).fetchone()
    return row and row[0]


SOON = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
MAKE = (
    "CREATE TABLE {table} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "CREATE UNIQUE INDEX {unique} ON {table} (site_id, id)",
    "CREATE INDEX ON {table} (site_id, ts)",
)
ATTACH = (
    "ALTER TABLE {table} ADD CONSTRAINT bounds CHECK (ts >= {start} AND ts < {end})",
    "ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ({start}) TO ({end})",
    "ALTER TABLE {table} DROP CONSTRAINT bounds",
)


# --- A day that is over -----------------------------------------------------------------------------------


def index(conn: psycopg.Connection, day: date) -> bool:
    """Builds the index on the properties of a day into which few events come now; writers go on meanwhile.

    Returns whether it was missing. What an interrupted run left is built anew. CONN must be in autocommit mode. Raises
    psycopg.errors.LockNotAvailable after `PATIENCE`.
    """
    name = f"{name_of(day)}_properties"
    found = conn.execute(INDEXES, (name,)).fetchone()
    if found and found[0]:
        return False
    names = _names(day)
    with _patient(conn):
        if found:
            _run(conn, ("DROP INDEX CONCURRENTLY {properties}",), names)
        _run(conn, ("CREATE INDEX CONCURRENTLY {properties} ON {table} USING gin (properties jsonb_path_ops)",), names)
    return True


@contextmanager
def _patient(conn: psycopg.Connection) -> Iterator[None]:
    conn.execute(f"SET lock_timeout = '{PATIENCE}'")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("RESET lock_timeout")


def detach(conn: psycopg.Connection, day: date) -> None:
    """Takes the day out of the table; its rows stay in its own. It waits for who reads it, and nobody for this.

    CONN must be in autocommit mode. Raises psycopg.errors.LockNotAvailable after `PATIENCE`: the next attempt goes on
    from there.
    """
    names = _names(day)
    with _patient(conn):
        if day in existing(conn):
            _run(conn, ("ALTER TABLE {parent} DETACH PARTITION {table} CONCURRENTLY",), names)
        _let_go(conn, day, names)


def _let_go(conn: psycopg.Connection, day: date, names: dict[str, sql.Composable]) -> None:
    """The second half of a detachment that was interrupted."""
    if _first(conn, IS_PENDING, day):
        _run(conn, ("ALTER TABLE {parent} DETACH PARTITION {table} FINALIZE",), names)


def drop(conn: psycopg.Connection, day: date) -> bool:
    """Drops the table of a detached day, unless somebody has taken it back. Returns whether it is gone."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_ID,))
        conn.execute(SOON)
        if day in existing(conn):
            return False
        _run(conn, ("DROP TABLE IF EXISTS {table}",), _names(day))
        return True
