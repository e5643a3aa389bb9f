"""One bucket counted again and replaced, in one transaction on one snapshot.

The marks that are seen in that snapshot are deleted with it: what a writer has not committed yet is neither counted nor
unmarked. Two rebuilds of a day at once: the second goes away, or finds that what it wants to replace was replaced, and
its transaction is refused. Run again, killed half-way or repeated, the rows come out the same.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from ingest.clock import HOUR
from ingest.rollups import recount, rows
from ingest.rollups.buckets import Day, Hour, today
from ingest.rollups.raw import Raw, load
from ingest.sites import KnownSite
from ingest.writer import connected

log = logging.getLogger(__name__)
ATTEMPTS = 5
KEPT_DAYS = 2  # of breakdowns by hour: today and yesterday
DAY_BITS = 24  # of the lock's number; the site has the others

SNAPSHOT = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0
"""
LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
IS_FINAL = "SELECT is_final FROM ingest_daily_total WHERE site_id = %s AND day = %s"
TOOK = "UPDATE ingest_daily_total SET took_ms = %s WHERE site_id = %s AND day = %s"
# Held until the end: days become those of another zone only when nobody builds one.
CLOCK = "SELECT zone FROM ingest_rollup_state WHERE site_id = %s FOR KEY SHARE"
UNMARK = "DELETE FROM ingest_dirty_hour WHERE site_id = %s AND hour >= %s AND hour <= %s"
CAPPED_NAMES = "named events"
REPLACED = (psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)


class Busy(Exception):  # noqa: N818
    """Somebody else is building this day, or all days are those of another zone since the run began."""


class Final(Exception):  # noqa: N818
    """The day's raw rows are gone, so it cannot be counted again."""


class Built(NamedTuple):
    events: int  # read
    rows: int  # written
    seconds: float


def hour(site: KnownSite, one: Hour) -> Built:
    """An hour of a day that is not over, with its breakdown. Raises Busy, Final, psycopg.Error."""
    return settled(lambda: _hour(site, one))


def day(site: KnownSite, one: Day, now: datetime, *, is_last: bool = False) -> Built:
    """A day that is over, with its hours. IS_LAST: never again, for its raw rows are about to go.

    Raises Busy, Final, psycopg.Error.
    """
    return settled(lambda: _day(site, one, now, is_last=is_last))


def settled(build: Callable[[], Built]) -> Built:
    """Again when somebody else was quicker: what they built is replaced by what is known now.

    Inside another transaction once: its snapshot stays what it was, and so would the refusal.
    """
    is_outermost = connected().info.transaction_status == TransactionStatus.IDLE
    attempts = ATTEMPTS if is_outermost else 1
    for attempt in range(1, attempts + 1):
        try:
            return build()
        except REPLACED as error:
            if attempt == attempts:
                raise
            log.info("Building again after %s.", type(error).__name__)
    raise AssertionError("unreachable")


def _hour(site: KnownSite, one: Hour) -> Built:
    started = time.perf_counter()
    with building(site.id, one.day) as conn:
        check_clock(conn, site)
        raw = load(conn, site, (one.start, one.end))
        rows.clear_hours(conn, site.id, one.start, one.end)
        written = _put_hours(conn, site.id, [one], raw, with_breakdown=True)
        conn.execute(UNMARK, (site.id, one.start, one.end - HOUR))
        return Built(raw.happened, written, time.perf_counter() - started)


def _day(site: KnownSite, one: Day, now: datetime, *, is_last: bool) -> Built:
    started = time.perf_counter()
    with building(site.id, one.date) as conn:
        check_clock(conn, site)
        raw = load(conn, site, one.edges)
        rows.clear_hours(conn, site.id, one.start, one.end)
        rows.clear_day(conn, site.id, one.date)
        is_recent = (today(site.zone, now) - one.date).days < KEPT_DAYS
        written = _put_hours(conn, site.id, one.hours_in(one.start, one.end), raw, with_breakdown=is_recent)
        written += _put_day(conn, site.id, one, raw.whole(), {"built_at": now, "is_final": is_last})
        conn.execute(UNMARK, (site.id, one.start, one.end - HOUR))
        seconds = time.perf_counter() - started
        conn.execute(TOOK, (int(seconds * 1000), site.id, one.date))
        return Built(raw.happened, written, seconds)


@contextmanager
def building(site_id: int, day: date) -> Iterator[psycopg.Connection]:
    """A transaction that alone may replace this day's rows. Raises Busy and Final."""
    conn = connected()
    is_outermost = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction():
        if is_outermost:  # inside another one, as in a test, the snapshot is that one's
            conn.execute(SNAPSHOT)
        if not _asked(conn, LOCK, (lock_of(site_id, day),)):
            raise Busy(f"Site {site_id}, {day}: is being built.")
        if _asked(conn, IS_FINAL, (site_id, day)):
            raise Final(f"Site {site_id}, {day}: its raw rows are gone, so it stays as it is.")
        yield conn


def check_clock(conn: psycopg.Connection, site: KnownSite) -> None:
    """Raises Busy when the site's days are those of another zone than SITE, read some time ago, has."""
    row = conn.execute(CLOCK, (site.id,)).fetchone()
    if row and row[0] != site.zone.key:
        raise Busy(f"Site {site.id}: its days are those of {row[0]} now, not of {site.zone.key}. Run this again.")


def lock_of(site_id: int, day: date) -> int:
    """The number of the lock under which alone a day's rows are replaced."""
    return site_id << DAY_BITS | day.toordinal()


def _asked(conn: psycopg.Connection, query: str, values: tuple[object, ...]) -> bool:
    row = conn.execute(query, values).fetchone()
    return bool(row and row[0])


def _put_hours(conn: psycopg.Connection, site_id: int, hours: list[Hour], raw: Raw, *, with_breakdown: bool) -> int:
    named, breakdowns = rows.NamedEvents("ingest_hourly_events", "hour"), _hourly()
    written = 0
    for one, total, names in zip(hours, recount.totals(raw), recount.named(raw).rows, strict=True):
        if total is not None:
            about = {"site_id": site_id, "hour": one.start, "ends_at": one.end}
            rows.put_total(conn, "ingest_hourly_total", about, total)
            written += 1
        named.add(site_id, one.start, names)
    if with_breakdown:
        for dimension, found in recount.breakdowns(raw):
            for one, values in zip(hours, found.rows, strict=True):
                breakdowns.add(site_id, one.start, dimension, values)
                written += breakdowns.write(conn, least=rows.MOST_LINES)
    return written + named.write(conn) + breakdowns.write(conn)


def _hourly() -> rows.Breakdowns:
    return rows.Breakdowns("ingest_hourly_breakdown", "hour")


def _put_day(conn: psycopg.Connection, site_id: int, one: Day, raw: Raw, about: dict[str, Any]) -> int:
    [total], named, capped, written = recount.totals(raw), recount.named(raw), list[str](), 0
    names = rows.NamedEvents("ingest_daily_events", "day")
    names.add(site_id, one.date, named.rows[0])
    if total is None and not about["is_final"]:
        return names.write(conn)  # signs of life, at most
    breakdowns = rows.Breakdowns("ingest_daily_breakdown", "day")
    for dimension, found in recount.breakdowns(raw):
        [values] = found.rows
        breakdowns.add(site_id, one.date, dimension, values)
        written += breakdowns.write(conn, least=rows.MOST_LINES)
        capped += [dimension] if found.capped[0] else []
    capped += [CAPPED_NAMES] if named.capped[0] else []
    about = {
        "site_id": site_id,
        "day": one.date,
        "starts_at": one.start,
        "ends_at": one.end,
        "capped": capped,
        "took_ms": 0,  # known at the end
        **about,
    }
    rows.put_total(conn, "ingest_daily_total", about, total or recount.NOTHING)
    return 1 + names.write(conn) + written + breakdowns.write(conn)
