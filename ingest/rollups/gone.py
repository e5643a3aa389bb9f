"""Days that stay as they were counted, since they cannot be counted again."""

from datetime import date

import psycopg

from ingest.sites import KnownSite

# What a rule or an erasure takes away leaves a mark and, once that is drained, no total. A total without events and
# without a mark has lost them by hand, and is all that is left of them.
GONE = """
SELECT day FROM ingest_daily_total t
WHERE site_id = %(site)s AND day >= %(first)s AND day <= %(last)s AND (is_final OR (
  NOT EXISTS (
    SELECT FROM ingest_event e WHERE e.site_id = t.site_id AND e.ts >= t.starts_at AND e.ts < t.ends_at
  ) AND NOT EXISTS (
    SELECT FROM ingest_dirty_hour d
    WHERE d.site_id = t.site_id AND d.hour > t.starts_at - interval '1 hour' AND d.hour < t.ends_at
  )
))
ORDER BY 1
"""


def days(conn: psycopg.Connection, known: KnownSite, first: date, last: date) -> list[date]:
    """Those from FIRST to LAST whose raw rows are gone, in order."""
    rows = conn.execute(GONE, {"site": known.id, "first": first, "last": last}).fetchall()
    return [day for (day,) in rows]


def told(days: list[date] | tuple[date, ...]) -> str:
    """A sentence, or nothing."""
    if not days:
        return ""
    first, last = min(days), max(days)
    span = f"{first}" if first == last else f"{len(days):,} days from {first} to {last}"
    return f"Left as they are, since their events are gone: {span}."
