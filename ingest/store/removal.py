"""Taking events away again: which ones a rule covers, and the rows that change with them.

Inside the caller's transaction. The visitors' rows are locked first, in key order, as the writer does: whoever
holds them may fold their sessions.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from ingest import rules
from ingest.models import Shield
from ingest.refold import FIELDS
from ingest.sessions import SessionRow
from ingest.store import plain, sessions


class Condition(NamedTuple):
    """What a rule covers: whole sessions (rows `s`), single events (rows `e`), with the values it needs."""

    whole: sql.Composable
    single: sql.Composable
    values: dict[str, Any]


NONE = sql.SQL("false")
HOST_OF = "substring({} from '^[a-z-]+://([^/:]+)')"


def _covers(column: str) -> str:
    return f"({column} = %(host)s OR right({column}, length(%(below)s)) = %(below)s)"


def condition_of(kind: str, value: str) -> Condition:
    """Of a rule in its normal form; not of an address, which no row keeps."""
    host = value.removeprefix("*.")
    below = f".{host}" if kind == Shield.Kind.REFERRER or host != value else None
    match kind:
        case Shield.Kind.COUNTRY:
            return Condition(sql.SQL("s.country = %(country)s"), NONE, {"country": value})
        case Shield.Kind.PATH:
            return Condition(NONE, sql.SQL("e.path ~ %(path)s"), {"path": rules.expression(value)})
        case Shield.Kind.HOST:
            return Condition(NONE, sql.SQL(_covers("e.hostname")), {"host": host, "below": below})
        case Shield.Kind.REFERRER:
            whole, single = (sql.SQL(_covers(HOST_OF.format(f"{row}.referrer"))) for row in "se")
            return Condition(whole, single, {"host": host, "below": below})
    raise ValueError(f"{kind}: no such kind of rule.")


GOES = sql.SQL("coalesce((({whole}) AND s.started_at >= %(since)s) OR (({single}) AND e.ts >= %(since)s), false)")
FIND = sql.SQL("""
SELECT s.seen_from, s.id, s.events FROM ingest_session s
WHERE s.site_id = %(site)s AND s.started_at >= %(start)s AND s.started_at < %(end)s AND ({whole})
UNION
SELECT s.seen_from, s.id, s.events
FROM ingest_event e JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
WHERE e.site_id = %(site)s AND e.ts >= %(start)s AND e.ts < %(end)s AND ({single})
ORDER BY 1, 2
""")
PREVIEW = sql.SQL("""
WITH seen AS (
  SELECT e.session_id, s.visitor_id, s.seen_from, e.name, {goes} AS goes
  FROM ingest_event e JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
  WHERE e.site_id = %(site)s AND e.ts >= %(since)s
), sought AS (
  SELECT session_id, visitor_id, count(*) AS events, count(*) FILTER (WHERE name = 'pageview') AS page_views
  FROM seen GROUP BY 1, 2, goes HAVING goes
), whole AS (SELECT session_id FROM seen GROUP BY 1 HAVING bool_and(goes AND seen_from >= %(since)s))
SELECT coalesce(sum(events), 0)::bigint, coalesce(sum(page_views), 0)::bigint, count(*), count(DISTINCT visitor_id),
       (SELECT count(*) FROM whole)
FROM sought
""")
LOCK_VISITORS = """
SELECT v.id, v.first_seen, v.last_seen FROM ingest_visitor v
WHERE v.site_id = %(site)s AND v.id IN (
  SELECT visitor_id FROM ingest_session WHERE site_id = %(site)s AND id = ANY(%(ids)s)
)
ORDER BY v.site_id, v.id FOR UPDATE OF v
"""
WHOLE = sql.SQL("""
SELECT s.id FROM ingest_session s
WHERE s.site_id = %(site)s AND s.id = ANY(%(ids)s) AND s.started_at >= %(since)s AND ({whole})
""")
# Of a session that goes whole every event does; `Held.whole` says which do.
EVENTS = sql.SQL("""
SELECT coalesce(({single}) AND e.ts >= %(since)s, false), e.received_at, {fields}
FROM ingest_event e JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
WHERE e.site_id = %(site)s AND e.session_id = ANY(%(ids)s) AND e.ts >= %(start)s AND e.ts <= %(end)s
""")
DELETE_EVENTS = """
DELETE FROM ingest_event e USING unnest(%(events)s::uuid[]) AS gone(id)
WHERE e.site_id = %(site)s AND e.id = gone.id AND e.ts >= %(start)s AND e.ts <= %(end)s
"""
SPANS = """
SELECT visitor_id, min(seen_from), max(seen_until) FROM ingest_session
WHERE site_id = %s AND visitor_id = ANY(%s) GROUP BY 1
"""
DELETE_VISITORS = "DELETE FROM ingest_visitor WHERE site_id = %s AND id = ANY(%s)"
UPDATE_VISITORS = """
UPDATE ingest_visitor v SET first_seen = a.first, last_seen = a.last
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS a(id, first, last)
WHERE v.site_id = %s AND v.id = a.id
"""
MARK_NEW = """
UPDATE ingest_session s SET is_new_visitor = true FROM ingest_visitor v
WHERE s.site_id = %s AND s.visitor_id = ANY(%s) AND v.site_id = s.site_id AND v.id = s.visitor_id
  AND NOT s.is_new_visitor AND s.seen_from <= v.first_seen
RETURNING s.started_at
"""


class Reach(NamedTuple):
    """Whose rows, of what the rule covers, from when on."""

    site_id: int
    condition: Condition
    since: datetime

    def statement(self, text: sql.SQL) -> sql.Composed:
        whole, single = self.condition.whole, self.condition.single
        fields = sql.SQL(", ").join(sql.SQL(FIELD.get(name, f"e.{name}")) for name in FIELDS)
        goes = GOES.format(whole=whole, single=single)
        return text.format(whole=whole, single=single, goes=goes, fields=fields)

    def values(self, **more: Any) -> dict[str, Any]:
        return {**self.condition.values, "site": self.site_id, "since": self.since, **more}


FIELD = {"ts": "extract(epoch FROM e.ts)::float8"}


def preview(conn: psycopg.Connection, reach: Reach) -> tuple[int, int, int, int, int]:
    """Events, page views, sessions, visitors, and the sessions of which nothing would be left."""
    row = conn.execute(reach.statement(PREVIEW), reach.values()).fetchone()
    assert row is not None  # noqa: S101  an aggregate returns its row
    events, page_views, sessions_, visitors, whole = row
    return events, page_views, sessions_, visitors, whole


def find(conn: psycopg.Connection, reach: Reach, start: datetime, end: datetime) -> list[tuple[int, int]]:
    """The sessions with something to take away between START and END and how many events each has, the earliest
    first; not locked."""
    rows = conn.execute(reach.statement(FIND), reach.values(start=start, end=end)).fetchall()
    return [(id_, events) for _, id_, events in rows]


class Held(NamedTuple):
    """Some sessions of a site with their visitors, locked until the transaction ends."""

    visitors: dict[int, tuple[datetime, datetime]]  # first and last seen
    rows: dict[int, SessionRow]
    whole: set[int]  # those that go whole
    events: list[tuple[Any, ...]]  # whether it goes by itself, when it was received, FIELDS

    @property
    def span(self) -> dict[str, datetime]:
        return {
            "start": min(row.seen_from for row in self.rows.values()),
            "end": max(row.seen_until for row in self.rows.values()),
        }


def hold(conn: psycopg.Connection, reach: Reach, ids: Sequence[int]) -> Held:
    visitors = conn.execute(LOCK_VISITORS, reach.values(ids=list(ids))).fetchall()
    held = Held({id_: (first, last) for id_, first, last in visitors}, {}, set(), [])
    rows = sessions.locked(conn, [(reach.site_id, id_) for id_ in ids])
    held.rows.update((row.id, row) for row in rows)
    if rows:
        here = reach.values(ids=list(held.rows), **held.span)
        # Not bound by Django's cursor: a person's own id would stand in the statement's text, and so in logs.
        held.whole.update(id_ for (id_,) in plain.fetch(conn, reach.statement(WHOLE), here))
        held.events.extend(plain.fetch(conn, reach.statement(EVENTS), here))
    return held


def delete_events(conn: psycopg.Connection, reach: Reach, held: Held, events: Iterable[UUID]) -> None:
    conn.execute(DELETE_EVENTS, reach.values(events=list(events), **held.span))


def mend_visitors(conn: psycopg.Connection, site_id: int, held: Held) -> list[datetime]:
    """After the sessions: visitors without any are deleted, the others are seen from and until their sessions.

    A visitor whose first session was not among those held keeps the first moment, which may be older than any
    session that is stored. Returns the starts of the sessions that are a new visitor's now.
    """
    ids = list(held.visitors)
    spans = {id_: (first, last) for id_, first, last in conn.execute(SPANS, (site_id, ids)).fetchall()}
    conn.execute(DELETE_VISITORS, (site_id, [id_ for id_ in ids if id_ not in spans]))
    starts = {(row.visitor_id, row.seen_from) for row in held.rows.values()}
    ends = {(row.visitor_id, row.seen_until) for row in held.rows.values()}
    moved = [
        (id_, spans[id_][0] if (id_, first) in starts else first, spans[id_][1] if (id_, last) in ends else last)
        for id_, (first, last) in held.visitors.items()
        if id_ in spans
    ]
    columns = [list(column) for column in zip(*moved, strict=True)] or [[], [], []]
    conn.execute(UPDATE_VISITORS, (*columns, site_id))
    return [start for (start,) in conn.execute(MARK_NEW, (site_id, ids)).fetchall()]
