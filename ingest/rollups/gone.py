"""Days that stay as they were counted, since they cannot be counted again; and days of which there is anything."""

from datetime import date

import psycopg

from ingest import partitions
from ingest.clock import DAY
from ingest.rollups.buckets import Day
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
# Between a history that was imported and today may lie years without anything.
FILLED = """
SELECT day FROM unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(parts)s::bool[])
  AS sought(day, a, b, has_part)
WHERE (has_part AND EXISTS (SELECT FROM ingest_event t WHERE t.site_id = %(site)s AND t.ts >= a AND t.ts < b))
   OR EXISTS (SELECT FROM ingest_session t WHERE t.site_id = %(site)s AND t.started_at >= a AND t.started_at < b)
   OR EXISTS (SELECT FROM ingest_daily_total t WHERE t.site_id = %(site)s AND t.day = sought.day)
   OR EXISTS (SELECT FROM ingest_daily_events t WHERE t.site_id = %(site)s AND t.day = sought.day)
   OR EXISTS (SELECT FROM ingest_daily_breakdown t WHERE t.site_id = %(site)s AND t.day = sought.day)
   OR EXISTS (SELECT FROM ingest_hourly_total t WHERE t.site_id = %(site)s AND t.hour >= a AND t.hour < b)
   OR EXISTS (SELECT FROM ingest_hourly_events t WHERE t.site_id = %(site)s AND t.hour >= a AND t.hour < b)
   OR EXISTS (SELECT FROM ingest_hourly_breakdown t WHERE t.site_id = %(site)s AND t.hour >= a AND t.hour < b)
   OR EXISTS (SELECT FROM ingest_dirty_hour t WHERE t.site_id = %(site)s AND t.hour >= a AND t.hour < b)
"""


def filled(conn: psycopg.Connection, known: KnownSite, sought: list[Day]) -> list[Day]:
    """Those of which anything is stored. Of the others there is nothing to build and nothing to check."""
    # The table of events is asked only where it has a part: each question passes through all of them.
    parts = {day + shift * DAY for day in partitions.existing(conn) for shift in (-1, 0, 1)}
    spans = {"starts": [day.start for day in sought], "ends": [day.end for day in sought]}
    dates = [day.date for day in sought]
    given = {"site": known.id, "days": dates, "parts": [day in parts for day in dates], **spans}
    found = {day for (day,) in conn.execute(FILLED, given).fetchall()}
    return [day for day in sought if day.date in found]


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
