"""Stored sessions against the stored events that they were folded from, by plain SQL.

Only of days whose events are all there: a session that has outlived some of its events cannot be counted again.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ingest.rollups.buckets import Day
from ingest.rollups.by_sql import MEANINGS
from ingest.rollups.drift import Drift
from ingest.sites import KnownSite

CHUNK = 5_000
SESSION, EVENT = "ingest_session", "ingest_event"
ALMOST = 0.0001  # of each event's revenue, which a session keeps rounded in binary

FIGURES = (
    "seen_from", "seen_until", "started_at", "last_activity", "page_views", "events", "interactive", "impressions",
    "interactions", "errors", "engaged_ms", "scroll", "is_bounce", "entry_page", "exit_page", "revenue",
)  # fmt: skip
LAST = "SELECT max(seen_until) FROM ingest_session WHERE site_id = %s AND seen_from >= %s AND seen_from < %s"
# Ties of time are broken by the text, byte by byte, as the fold does.
PAGES = '(array_agg(e.path ORDER BY e.ts {way}, e.path COLLATE "C" {way}) FILTER (WHERE {is_page}))[1]'
IS_PAGE = "e.name = 'pageview' AND e.path <> ''"
TOLD = sql.SQL("""
SELECT e.session_id AS id, count(*) AS all_events, min(e.ts) AS seen_from, max(e.ts) AS seen_until,
       coalesce(min(e.ts) FILTER (WHERE {counts}), min(e.ts)) AS started_at,
       coalesce(max(e.ts) FILTER (WHERE {counts}), max(e.ts)) AS last_activity,
       count(*) FILTER (WHERE e.name = 'pageview') AS page_views,
       count(*) FILTER (WHERE {counts}) AS events,
       count(*) FILTER (WHERE e.name <> ALL(%(passive)s)) AS interactive,
       count(*) FILTER (WHERE e.name = ANY(%(impressions)s)) AS impressions,
       count(*) FILTER (WHERE e.name = ANY(%(interactions)s)
                           OR (e.category = 'interaction' AND e.name <> ALL(%(known)s))) AS interactions,
       count(*) FILTER (WHERE e.name = ANY(%(errors)s)) AS errors,
       coalesce(sum(e.engaged_ms), 0) AS engaged_ms, greatest(max(e.scroll), 0) AS scroll,
       count(*) FILTER (WHERE e.name = 'pageview') = 1
         AND count(*) FILTER (WHERE e.name <> ALL(%(passive)s)) = 0 AS is_bounce,
       {entry} AS entry_page, {exit} AS exit_page,
       coalesce(sum(e.value) FILTER (WHERE e.currency IS NOT NULL), 0) AS revenue
FROM ingest_event e
WHERE e.site_id = %(site)s AND e.ts >= %(start)s AND e.ts <= %(last)s AND e.session_id IN (SELECT id FROM held)
GROUP BY 1
""").format(
    counts=sql.SQL("e.name <> ALL(%(silent)s)"),
    entry=sql.SQL(PAGES.format(way="ASC", is_page=IS_PAGE)),
    exit=sql.SQL(PAGES.format(way="DESC", is_page=IS_PAGE)),
)
DIFFERENT = sql.SQL("""
WITH held AS (
  SELECT * FROM ingest_session WHERE site_id = %(site)s AND seen_from >= %(start)s AND seen_from < %(end)s
), told AS ({told})
SELECT h.id, coalesce(t.all_events, 0) AS all_events, {pairs}
FROM held h LEFT JOIN told t USING (id)
WHERE t.id IS NULL OR {differ} OR abs(h.revenue - t.revenue) > {almost} * t.all_events + abs(t.revenue) * 1e-12
""").format(
    told=TOLD,
    almost=sql.Literal(ALMOST),
    pairs=sql.SQL(", ").join(
        sql.SQL("h.{name} AS {stored}, t.{name} AS {told}").format(
            name=sql.Identifier(name), stored=sql.Identifier(f"stored_{name}"), told=sql.Identifier(f"told_{name}")
        )
        for name in FIGURES
    ),
    differ=sql.SQL(" OR ").join(
        sql.SQL("h.{name} IS DISTINCT FROM t.{name}").format(name=sql.Identifier(name))
        for name in FIGURES
        if name != "revenue"
    ),
)
STRAY = """
SELECT e.session_id, count(*) FILTER (WHERE s.id IS NULL) AS "events without session",
       count(*) FILTER (WHERE s.id IS NOT NULL AND v.id IS NULL) AS "events without visitor",
       count(*) FILTER (WHERE e.ts < s.seen_from OR e.ts > s.seen_until) AS "events outside their session"
FROM ingest_event e
LEFT JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
LEFT JOIN ingest_visitor v ON v.site_id = s.site_id AND v.id = s.visitor_id
WHERE e.site_id = %(site)s AND e.ts >= %(start)s AND e.ts < %(end)s
  AND (v.id IS NULL OR e.ts < s.seen_from OR e.ts > s.seen_until)
GROUP BY 1 ORDER BY 1
"""


def of_day(conn: psycopg.Connection, known: KnownSite, day: Day) -> Iterator[tuple[int, Drift]]:
    """What is wrong with which session: of those that begin in DAY, and of those that its events belong to."""
    given = {**MEANINGS, "site": known.id, "start": day.start, "end": day.end}
    bucket = f"{day.date}"
    with psycopg.ServerCursor(conn, "sessions", row_factory=dict_row) as cursor:
        cursor.execute(DIFFERENT, {**given, "last": _last(conn, known, day)})
        while rows := cursor.fetchmany(CHUNK):
            for row in rows:
                yield from ((row["id"], drift) for drift in _different(bucket, row))
    with psycopg.Cursor(conn, row_factory=dict_row) as cursor:
        for row in cursor.execute(STRAY, given).fetchall():
            id_ = row.pop("session_id")
            yield from ((id_, _drift(EVENT, bucket, id_, figure, count, 0)) for figure, count in row.items() if count)


def _last(conn: psycopg.Connection, known: KnownSite, day: Day) -> datetime:
    """Until when the day's sessions went on, so that no later partition is read."""
    [found] = conn.execute(LAST, (known.id, day.start, day.end)).fetchone() or [None]
    return max(found or day.end, day.end)


def _different(bucket: str, row: dict[str, Any]) -> Iterator[Drift]:
    if not row["all_events"]:
        yield _drift(SESSION, bucket, row["id"], "row", 1, 0)
        return
    for name in FIGURES:
        stored, told = row[f"stored_{name}"], row[f"told_{name}"]
        if not _same(name, stored, told, row["all_events"]):
            yield _drift(SESSION, bucket, row["id"], name, stored, told)


def _same(name: str, stored: Any, told: Any, events: int) -> bool:
    if name == "revenue":
        return bool(abs(stored - told) <= ALMOST * events + abs(told) * 1e-12)
    return bool(stored == told)


def _drift(table: str, bucket: str, id_: int, figure: str, stored: Any, told: Any) -> Drift:
    return Drift(table, bucket, "session", str(id_), figure, _text(stored), _text(told))


def _text(value: Any) -> str:
    return "none" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
