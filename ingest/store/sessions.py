"""`ingest_session`: the rows a fold may touch, locked, and what the fold made of them."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import args_row

from ingest.sessions import COLUMNS, FIGURES, MOST_NEAR, Folded, Key, Placed, SessionRow, as_tuple, figures_of
from ingest.store import copying, plain

NAMES = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))

BY_NAME = sql.SQL("""
SELECT {columns} FROM ingest_session s
JOIN unnest(%s::bigint[], %s::bigint[]) AS sought(a, b) ON s.site_id = a AND s.id = b
ORDER BY s.site_id, s.id FOR UPDATE OF s
""").format(columns=NAMES)

# At most MOST_NEAR sessions of a visitor, the latest; locked by name in a second step.
NEAR = """
SELECT s.site_id, s.id
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  AS sought(a, b, c, d)
CROSS JOIN LATERAL (
  SELECT site_id, id FROM ingest_session
  WHERE site_id = a AND visitor_id = b AND seen_until >= c AND seen_from <= d
  ORDER BY seen_until DESC LIMIT %s
) s
"""

VISITORS = """
SELECT s.site_id, s.id, s.visitor_id FROM ingest_session s
JOIN unnest(%s::bigint[], %s::bigint[]) AS sought(a, b) ON s.site_id = a AND s.id = b
"""


def adopt(conn: psycopg.Connection, items: list[Placed]) -> None:
    """Gives the events of a named session its visitor: the first one that it was seen with.

    A sender that names its session and not its visitor gets another derived visitor when it changes networks;
    the session says that it is the same person. ITEMS in order of time.
    """
    named = {(item.site.id, item.event.session_id) for item in items if item.event.session_id is not None}
    if not named:
        return
    rows = plain.fetch(conn, VISITORS, _arrays(named))
    visitor_of = {(site, id_): visitor for site, id_, visitor in rows}
    for item in items:
        if item.event.session_id is not None:
            key = item.site.id, item.event.session_id
            item.event.visitor_id = visitor_of.setdefault(key, item.event.visitor_id)


def load(conn: psycopg.Connection, items: list[Placed]) -> list[SessionRow]:
    """Every stored session that folding ITEMS may touch, locked until the transaction ends."""
    sought = {(item.site.id, item.event.session_id) for item in items if item.event.session_id is not None}
    spans = _spans(items)
    starts, ends = zip(*spans.values(), strict=True)
    values = (*_arrays(spans), copying.array(starts), copying.array(ends), MOST_NEAR)
    sought |= set(plain.fetch(conn, NEAR, values))
    return locked(conn, sought)


def locked(conn: psycopg.Connection, keys: Collection[Key]) -> list[SessionRow]:
    """Those of KEYS that are stored, locked in their order until the transaction ends."""
    return plain.fetch(conn, BY_NAME, _arrays(keys), args_row(SessionRow))


def _arrays(keys: Collection[Key]) -> tuple[str, str]:
    return copying.array([site for site, _ in keys]), copying.array([id_ for _, id_ in keys])


def _spans(items: Iterable[Placed]) -> dict[Key, tuple[datetime, datetime]]:
    """By site and visitor: from when to when a session could hold one of the events."""
    spans: dict[Key, tuple[datetime, datetime]] = {}
    gaps: dict[int, timedelta] = {}
    for item in items:
        key = site, _ = item.site.id, item.event.visitor_id
        start, end = spans.get(key, (item.ts, item.ts))
        spans[key] = min(start, item.ts), max(end, item.ts)
        gaps[site] = timedelta(seconds=item.site.session_seconds)
    return {key: (start - gaps[key[0]], end + gaps[key[0]]) for key, (start, end) in spans.items()}


INSERT = copying.into("ingest_session", COLUMNS)
# Its columns, without what must be in them.
MAKE_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS changed_session ON COMMIT DELETE ROWS AS SELECT * FROM ingest_session WITH NO DATA
"""


KEY = ("site_id", "id")


class Change(NamedTuple):
    """How some columns of stored sessions are written anew."""

    stage: sql.Composed
    update: sql.Composed
    values_of: Callable[[SessionRow], tuple[Any, ...]]

    @classmethod
    def of(cls, names: tuple[str, ...], values_of: Callable[[SessionRow], tuple[Any, ...]]) -> "Change":
        update = sql.SQL(
            "UPDATE ingest_session s SET ({columns}) = ROW({values})"
            " FROM changed_session c WHERE s.site_id = c.site_id AND s.id = c.id"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier(name) for name in names if name not in KEY),
            values=sql.SQL(", ").join(sql.Identifier("c", name) for name in names if name not in KEY),
        )
        return cls(copying.into("changed_session", names), update, values_of)


WHOLE = Change.of(COLUMNS, as_tuple)
# Most events change no more of their session, and its texts are the larger half of a row.
ONLY_FIGURES = Change.of(FIGURES, figures_of)
DELETE = """
DELETE FROM ingest_session s USING unnest(%s::bigint[], %s::bigint[]) AS gone(a, b)
WHERE s.site_id = a AND s.id = b
"""


def save(conn: psycopg.Connection, folded: Folded) -> None:
    if folded.joined:
        conn.execute(DELETE, ([key[0] for key in folded.joined], [key[1] for key in folded.joined]))
    if folded.new:
        copying.rows(conn, INSERT, [copying.line(as_tuple(row)) for row in _in_order(folded.new)])
    _update(conn, WHOLE, [row for row in folded.changed if row.key in folded.origins])
    _update(conn, ONLY_FIGURES, [row for row in folded.changed if row.key not in folded.origins])


def _update(conn: psycopg.Connection, change: Change, rows: list[SessionRow]) -> None:
    if not rows:
        return
    conn.execute(MAKE_STAGE)
    copying.rows(conn, change.stage, [copying.line(change.values_of(row)) for row in _in_order(rows)])
    conn.execute(change.update)
    conn.execute("TRUNCATE changed_session")  # the caller's transaction may go on


def _in_order(rows: list[SessionRow]) -> list[SessionRow]:
    return sorted(rows, key=lambda row: (row.site_id, row.id))


UNMARK = """
UPDATE ingest_session s SET is_new_visitor = false
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS moved(a, b, c)
WHERE s.site_id = a AND s.visitor_id = b AND s.is_new_visitor AND s.seen_from > c
RETURNING s.site_id, s.started_at
"""


def unmark_new(conn: psycopg.Connection, moved: dict[Key, datetime]) -> list[tuple[int, datetime]]:
    """Visitors turned out to have been there earlier: their later sessions are no longer a new visitor's.

    Returns site and start of the sessions that changed.
    """
    values = [key[0] for key in moved], [key[1] for key in moved], list(moved.values())
    return conn.execute(UNMARK, values).fetchall()
