"""Days that were counted for the last time: nothing is written into them any more.

A live event is far younger when a day is closed; it meets a closed day only where its site kept events for less before.
An import may be of any age, as may what a rule takes away. Both take turns with the closing of days by the site's row
of `ingest_rollup_state`, which they change in their own transaction.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta

import psycopg

Span = tuple[datetime, datetime]
TAKE_TURNS = "UPDATE ingest_rollup_state SET zone = zone WHERE site_id = %s"
SPANS = """
SELECT starts_at, ends_at FROM ingest_daily_total WHERE site_id = %s AND is_final AND day >= %s AND day <= %s
"""
# A site's day begins up to 14 hours off the day of UTC, and what was one zone's may be another's.
NEXT = timedelta(days=2)


def take_turns(conn: psycopg.Connection, site_id: int) -> None:
    """From here to the end of the transaction no day of the site is closed."""
    conn.execute(TAKE_TURNS, (site_id,))


def spans(conn: psycopg.Connection, site_id: int, days: Collection[date]) -> list[Span]:
    """The closed days, [start, end) each, around DAYS of UTC."""
    first, last = min(days), max(days)
    return conn.execute(SPANS, (site_id, _later(first, -NEXT), _later(last, NEXT))).fetchall()


def _later(day: date, by: timedelta) -> date:
    try:
        return day + by
    except OverflowError:
        return day
