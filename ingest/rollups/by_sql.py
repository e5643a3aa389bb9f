"""The figures of buckets by plain SQL, to hold the aggregates to. On purpose another way than `recount` goes:
PostgreSQL groups, adds and counts what is distinct; nothing but the meaning of names is shared.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pyroaring import BitMap

from ingest.event import NAMES
from ingest.sites import KnownSite

ENGAGED_MS = 10_000
# The names of events by what they do to figures, as the statements' parameters.
MEANINGS = {
    "known": list(NAMES),
    "silent": [name for name, meaning in NAMES.items() if not meaning.counts],
    "passive": [name for name, meaning in NAMES.items() if not meaning.ends_bounce],
    **{
        counter: [name for name, meaning in NAMES.items() if meaning.counter == counter]
        for counter in ("impressions", "interactions", "errors")
    },
}

HAPPENED = sql.SQL("""
SELECT width_bucket(e.ts, %(edges)s::timestamptz[]) - 1 AS bucket, e.name, nullif(e.label, '') AS label, e.category,
       e.engaged_ms, e.session_id, v.number, e.name <> ALL(%(silent)s) AS counts,
       CASE WHEN e.currency IS NOT NULL THEN round(e.value::numeric, 4) END AS paid
FROM ingest_event e
JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
JOIN ingest_visitor v ON v.site_id = s.site_id AND v.id = s.visitor_id
WHERE e.site_id = %(site)s AND e.ts >= %(start)s AND e.ts < %(end)s
""")
# One row for each bucket and one, without a number, for all of them.
OF_MOMENT = sql.SQL("""
SELECT bucket, coalesce(sum(engaged_ms), 0)::bigint AS engaged_ms,
       count(*) FILTER (WHERE name = 'pageview') AS page_views, count(*) FILTER (WHERE counts) AS events,
       count(*) FILTER (WHERE name = ANY(%(impressions)s)) AS impressions,
       count(*) FILTER (WHERE name = ANY(%(interactions)s)
                           OR (category = 'interaction' AND name <> ALL(%(known)s))) AS interactions,
       count(*) FILTER (WHERE name = ANY(%(errors)s)) AS errors,
       coalesce(sum(paid), 0) AS revenue, count(paid) > 0 AS is_paid,
       count(DISTINCT number) FILTER (WHERE counts) AS visitors,
       array_agg(DISTINCT number) FILTER (WHERE counts) AS members
FROM ({happened}) happened GROUP BY GROUPING SETS ((bucket), ())
""").format(happened=HAPPENED)
OF_START = """
SELECT width_bucket(s.started_at, %(edges)s::timestamptz[]) - 1 AS bucket, count(*) AS sessions,
       count(*) FILTER (WHERE s.is_bounce) AS bounces,
       count(*) FILTER (WHERE s.engaged_ms >= %(engaged)s) AS engaged_sessions,
       coalesce(sum(extract(epoch FROM s.last_activity - s.started_at) * 1000000)
                FILTER (WHERE NOT s.is_bounce), 0)::bigint AS duration_us,
       coalesce(sum(s.page_views), 0)::bigint AS session_views,
       count(DISTINCT s.visitor_id) FILTER (WHERE s.is_new_visitor) AS new_visitors
FROM ingest_session s
WHERE s.site_id = %(site)s AND s.started_at >= %(start)s AND s.started_at < %(end)s AND s.events > 0
GROUP BY GROUPING SETS ((bucket), ())
"""
NAMED = sql.SQL("""
SELECT bucket, name, label, count(*) AS events, count(DISTINCT number) AS visitors,
       count(DISTINCT session_id) AS sessions
FROM ({happened}) happened GROUP BY GROUPING SETS ((bucket, name, label), (name, label))
""").format(happened=HAPPENED)
NO_SESSIONS = dict.fromkeys(
    ("sessions", "bounces", "engaged_sessions", "duration_us", "session_views", "new_visitors"), 0
)

Figures = dict[str, Any]


class Totals(NamedTuple):
    """None where nothing happened."""

    hours: list[Figures | None]
    whole: Figures | None


class NamedRows(NamedTuple):
    """The most first, then by name and label."""

    hours: list[list[Figures]]
    whole: list[Figures]


def totals(conn: psycopg.Connection, known: KnownSite, edges: Sequence[datetime]) -> Totals:
    """Of each span between two edges, and of all of them. `members` is a set, `visitors` was counted beside it."""
    given = _given(known, edges)
    found = {row.pop("bucket"): row for row in _rows(conn, OF_MOMENT, given)}
    begun = {row.pop("bucket"): row for row in _rows(conn, OF_START, given)}
    made = {at: _figures(found.get(at) or _nothing(), begun.get(at, NO_SESSIONS)) for at in found.keys() | begun.keys()}
    return Totals([made.get(number) for number in range(len(edges) - 1)], made.get(None))


def named(conn: psycopg.Connection, known: KnownSite, edges: Sequence[datetime]) -> NamedRows:
    made = NamedRows([[] for _ in edges[1:]], [])
    for row in _rows(conn, NAMED, _given(known, edges)):
        at = row.pop("bucket")
        (made.whole if at is None else made.hours[at]).append(row)
    for rows in (made.whole, *made.hours):
        rows.sort(key=lambda row: (-row["events"], row["name"], row["label"] or ""))
    return made


def _rows(conn: psycopg.Connection, query: Any, given: dict[str, Any]) -> list[Figures]:
    with psycopg.Cursor(conn, row_factory=dict_row) as cursor:
        return cursor.execute(query, given, binary=True).fetchall()


def _given(known: KnownSite, edges: Sequence[datetime]) -> dict[str, Any]:
    span = {"site": known.id, "edges": list(edges), "start": edges[0], "end": edges[-1]}
    return {**span, **MEANINGS, "engaged": ENGAGED_MS}


def _figures(happened: Figures, begun: Figures) -> Figures | None:
    made = {**happened, **begun}
    is_paid = made.pop("is_paid")
    members = made.pop("members")
    if not (is_paid or any(made.values())):
        return None
    return {**made, "members": BitMap(members or ())}


def _nothing() -> Figures:
    figures = ("engaged_ms", "page_views", "events", "impressions", "interactions", "errors", "revenue", "visitors")
    return {**dict.fromkeys(figures, 0), "is_paid": False, "members": None}
