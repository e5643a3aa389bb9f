"""Days counted for the last time: their raw rows are about to go."""

import logging
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from ingest.clock import DAY, HOUR
from ingest.retention.cuts import midnight
from ingest.rollups import rebuild, rows, state
from ingest.rollups.buckets import Day, day_of, days_in
from ingest.sites import KnownSite
from ingest.writer import connected

log = logging.getLogger(__name__)

COUNTED = "SELECT day FROM ingest_daily_total WHERE site_id = %s AND NOT is_final AND starts_at < %s"
FINAL = "SELECT day FROM ingest_daily_total WHERE site_id = %s AND is_final AND day = ANY(%s::date[])"
IS_LOST = """
SELECT NOT EXISTS (SELECT FROM ingest_event WHERE site_id = %(site)s AND ts >= %(start)s AND ts < %(end)s)
   AND NOT EXISTS (SELECT FROM ingest_dirty_hour WHERE site_id = %(site)s AND hour >= %(before)s AND hour < %(end)s)
   AND EXISTS (SELECT FROM ingest_daily_total WHERE site_id = %(site)s AND day = %(day)s)
"""
KEEP_AS_IT_IS = "UPDATE ingest_daily_total SET is_final = true WHERE site_id = %s AND day = %s AND NOT is_final"
# No import of the site commits between this and the end of the transaction, and none has since its snapshot: each
# changes the row (`ingest.store.closed`), so that waiting for one ends in a refusal and another attempt.
HOLD_IMPORTS = "SELECT FROM ingest_rollup_state WHERE site_id = %s FOR UPDATE"
MARKED = "SELECT EXISTS (SELECT FROM ingest_dirty_hour WHERE site_id = %s AND hour > %s AND hour < %s)"


class Closed(NamedTuple):
    days: int
    failed: list[str]  # sentences; these days keep their raw rows until the next run


def due(known: KnownSite, cut: datetime, held: Iterable[date]) -> list[Day]:
    """The site's days that begin before the cut and are not final, in order.

    HELD are the days of UTC before the cut of which it has raw rows: each day of its own that shares a moment with
    one of them is closed, also one that is empty, so that no import can write into it while the rows go.
    """
    conn = connected()
    days = {day for (day,) in conn.execute(COUNTED, (known.id, cut)).fetchall()}
    days |= {day.date for one in held for day in of_utc_day(known, one)}
    final = {day for (day,) in conn.execute(FINAL, (known.id, sorted(days))).fetchall()}
    return [day_of(known.zone, day) for day in sorted(days - final)]


def of_utc_day(known: KnownSite, day: date) -> list[Day]:
    return days_in(known.zone, midnight(day), midnight(day + DAY))


def close(known: KnownSite, days: list[Day], now: datetime, hours: datetime) -> Closed:
    """Counts each and makes it final, in one transaction a day. One that fails keeps no other from it.

    Rows by hour are kept from HOURS on.

    Raises what ends the connection.
    """
    state.of(known, now)  # its row is what imports and this take turns by
    done, failed = 0, []
    for day in days:
        try:
            _close(known, day, now, hours)
            done += 1
        except rebuild.Final:
            log.info("Site %d, %s: another run has closed it.", known.id, day.date)
        except rebuild.Busy as busy:
            failed.append(str(busy))
        except Exception as error:
            if connected().closed:
                raise
            log.exception("Site %d, %s could not be counted for the last time.", known.id, day.date)
            failed.append(f"Site {known.id}, {day.date}: {str(error).strip()}")
    return Closed(done, failed)


def _close(known: KnownSite, day: Day, now: datetime, hours: datetime) -> None:
    if _keeps_figures(known, day):
        log.warning("Site %d, %s: has no raw rows any more; its figures stay as they are.", known.id, day.date)
    else:
        rebuild.settled(lambda: _count(known, day, now, hours))


def _keeps_figures(known: KnownSite, day: Day) -> bool:
    """Whether the day was made final as it is; not while an import writes into it."""
    conn = connected()
    with conn.transaction():
        conn.execute(HOLD_IMPORTS, (known.id,))
        if not is_lost(conn, known, day):
            return False
        conn.execute(KEEP_AS_IT_IS, (known.id, day.date))
        return True


def _count(known: KnownSite, day: Day, now: datetime, hours: datetime) -> rebuild.Built:
    conn = connected()
    is_outermost = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction():
        if is_outermost:
            conn.execute(rebuild.SNAPSHOT)
        conn.execute(HOLD_IMPORTS, (known.id,))
        built = rebuild.day(known, day, now, is_last=True)
        if day.end <= hours:
            rows.clear_hours(conn, known.id, day.start, day.end)
        return built


def is_lost(conn: psycopg.Connection, known: KnownSite, day: Day) -> bool:
    """Whether somebody took the raw rows away by hand: what was counted of them is all that is left.

    What a rule or an erasure takes away leaves marks, and after they are drained no row of the day.
    """
    span = {"start": day.start, "end": day.end, "before": day.start - HOUR}
    [lost] = conn.execute(IS_LOST, {"site": known.id, "day": day.date, **span}).fetchone() or [False]
    return bool(lost)


def is_closed(conn: psycopg.Connection, known: KnownSite, day: date) -> bool:
    """Whether raw rows of this day of UTC may go: the site's days that share it are final, and no mark waits."""
    days = of_utc_day(known, day)
    final = conn.execute(FINAL, (known.id, [one.date for one in days])).fetchall()
    if len(final) < len(days):
        return False
    marked = conn.execute(MARKED, (known.id, days[0].start - HOUR, days[-1].end)).fetchone()
    return not (marked and marked[0])
