"""A part of a plan as one statement. Composed with `psycopg.sql`; every value is a parameter.

Each base is a SELECT of the keys (`k0, k1 …` or `bucket`), `visitor_id` and the columns that `metrics.ATOMS` sums
up for each visitor and key; over those rows the metrics are computed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from psycopg import sql

from ingest.event import NAMES, PAGEVIEW
from reports.queries.dimensions import dimension
from reports.queries.filters import Values, condition
from reports.queries.metrics import ATOMS, metric
from reports.queries.plan import Part
from reports.queries.query import Filter, Query

# Measurements and signs of life; the writer leaves them out of a session's figures too.
UNCOUNTED = [name for name, meaning in NAMES.items() if not meaning.counts]


class Scope(NamedTuple):
    """From when to when, and the edges of the buckets if the answer is a series."""

    start: datetime
    until: datetime
    edges: Sequence[datetime] = ()


class Statement(NamedTuple):
    text: sql.Composed
    values: Values


# A session is whole when its span lies in the range: then its own figures are those of the range.
WHOLE = sql.SQL("""
SELECT {keys}, s.visitor_id, s.page_views, s.events, true AS is_started, {session}
FROM ingest_session s
WHERE s.site_id = {site} AND s.events > 0
  AND s.started_at >= {start} AND s.started_at < {until} AND s.last_activity < {until} {filters}
""")

# The few others touch the range and cross an edge of it. Those of at most a day began within a day before that
# edge; the index on long ones finds the rest.
CROSSING = sql.SQL("""
SELECT {keys}, s.visitor_id, inside.page_views, inside.events, s.started_at >= {start} AS is_started, {session}
FROM ingest_session s CROSS JOIN LATERAL (
  SELECT count(*) AS events, count(*) FILTER (WHERE e.name = {pageview}) AS page_views
  FROM ingest_event e
  WHERE e.site_id = {site} AND e.session_id = s.id AND e.name <> ALL({uncounted}::text[])
    AND e.ts >= greatest(s.started_at, {start}) AND e.ts <= s.last_activity AND e.ts < {until}
) inside
WHERE s.site_id = {site} AND s.events > 0 AND inside.events > 0
  AND s.started_at < {until} AND s.last_activity >= {start}
  AND (s.started_at < {start} OR s.last_activity >= {until})
  AND (s.started_at >= {start} - interval '24 hours' AND s.started_at < {start}
    OR s.started_at >= {until} - interval '24 hours' AND s.started_at < {until}
    OR s.last_activity - s.started_at > interval '24 hours') {filters}
""")
SESSIONS = sql.SQL("{whole} UNION ALL {crossing}")

STARTS = sql.SQL("""
SELECT {keys}, s.visitor_id, 0 AS page_views, 0 AS events, true AS is_started, {session}
FROM ingest_session s
WHERE s.site_id = {site} AND s.events > 0 AND s.started_at >= {start} AND s.started_at < {until} {filters}
""")
HAS_EVENT = sql.SQL("""
AND s.id IN (
  SELECT e.session_id FROM ingest_event e
  WHERE e.site_id = {site} AND e.ts >= {start} AND e.ts < {until} AND e.name <> ALL({uncounted}::text[]) {filters}
)
""")

EVENTS = sql.SQL("""
SELECT {keys}, e.visitor_id, (e.name = {pageview})::int AS page_views, 1 AS events
FROM ingest_event e {join}
WHERE e.site_id = {site} AND e.ts >= {start} AND e.ts < {until} AND e.name <> ALL({uncounted}::text[]) {filters}
""")
# By session: one that has events of a key counts once for that key. Events are summed up before they meet their
# sessions, as there are several times as many.
EVENTS_BY_SESSION = sql.SQL("""
SELECT {keys}, s.visitor_id, hits.page_views, hits.events,
  s.started_at >= {start} AND s.started_at < {until} AS is_started, {session}
FROM (
  SELECT {event_keys}, e.session_id, count(*) FILTER (WHERE e.name = {pageview}) AS page_views, count(*) AS events
  FROM ingest_event e
  WHERE e.site_id = {site} AND e.ts >= {start} AND e.ts < {until} AND e.name <> ALL({uncounted}::text[]) {on_event}
  GROUP BY {numbers}e.session_id
) hits JOIN ingest_session s ON s.site_id = {site} AND s.id = hits.session_id
WHERE true {filters}
""")
JOIN = sql.SQL("JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id")

SESSION = sql.SQL("""s.is_bounce,
  CASE WHEN s.is_bounce THEN 0 ELSE extract(epoch FROM s.last_activity - s.started_at) END::float8 AS seconds,
  s.page_views AS session_views, s.is_new_visitor AS is_new""")

NOTHING = sql.SQL("")
BY_VISITOR = sql.SQL("SELECT {columns} FROM ({rows}) base GROUP BY {group}")
GROUPED = sql.SQL("SELECT {columns} FROM ({rows}) by_visitor {group}")
PAGE = sql.SQL("{grouped} ORDER BY {order} LIMIT {limit} OFFSET {offset}")


class Key(NamedTuple):
    """A column to group by, and the alias of the table that it is of."""

    name: str
    column: sql.Composed
    table: Literal["e", "s"]

    @property
    def selected(self) -> sql.Composed:
        return sql.SQL("{} AS {}").format(self.column, sql.Identifier(self.name))


def totals(query: Query, part: Part, scope: Scope) -> Statement:
    """One row: the part's metrics."""
    values = Values()
    return Statement(_grouped(part, _rows(query, part, scope, (), values), ()), values)


def series(query: Query, part: Part, scope: Scope) -> Statement:
    """Rows of bucket number (from 1) and the part's metrics; empty buckets are left out."""
    values = Values()
    moment = sql.SQL("e.ts" if part.base == "events" else "s.started_at")
    column = sql.SQL("width_bucket({}, {}::timestamptz[])").format(moment, values.put(list(scope.edges)))
    key = Key("bucket", column, "e" if part.base == "events" else "s")
    return Statement(_grouped(part, _rows(query, part, scope, (key,), values), ("bucket",)), values)


def breakdown(query: Query, part: Part, scope: Scope) -> Statement:
    """Rows of all keys' number, the keys, the part's metrics; ordered and cut as the query says."""
    values = Values()
    keys = tuple(_key(number, name) for number, name in enumerate(query.dimensions))
    names = [key.name for key in keys]
    page = PAGE.format(
        grouped=_grouped(part, _rows(query, part, scope, keys, values), names, sql.SQL("count(*) OVER (), ")),
        order=_order(query, names),
        limit=values.put(query.limit),
        offset=values.put(query.offset),
    )
    return Statement(page, values)


def _key(number: int, name: str) -> Key:
    row = dimension(name)
    table: Literal["e", "s"] = "e" if row.of == "event" else "s"
    return Key(f"k{number}", sql.SQL(row.sql).format(t=sql.Identifier(table)), table)


def _grouped(part: Part, rows: sql.Composed, keys: Sequence[str], first: sql.Composable = NOTHING) -> sql.Composed:
    names = [sql.Identifier(key) for key in keys]
    figures = [sql.SQL("{} AS {}").format(sql.SQL(metric(name).sql), sql.Identifier(name)) for name in part.metrics]
    return GROUPED.format(
        columns=first + sql.SQL(", ").join([*names, *figures]),
        rows=_by_visitor(part, rows, names),
        group=sql.SQL("GROUP BY {}").format(sql.SQL(", ").join(names)) if names else NOTHING,
    )


def _by_visitor(part: Part, rows: sql.Composed, names: Sequence[sql.Identifier]) -> sql.Composed:
    atoms = dict.fromkeys(atom for name in part.metrics for atom in metric(name).atoms)
    group = sql.SQL(", ").join([*names, sql.Identifier("visitor_id")])
    sums = [sql.SQL("{} AS {}").format(sql.SQL(ATOMS[atom]), sql.Identifier(atom)) for atom in atoms]
    return BY_VISITOR.format(columns=sql.SQL(", ").join([group, *sums]), rows=rows, group=group)


def _order(query: Query, names: Sequence[str]) -> sql.Composed:
    """What is not set comes last, whatever it counts; ties are ordered by key, so that pages do not overlap."""
    by = query.order.by if query.order else query.metrics[0]
    descending = query.order.descending if query.order else True
    column = names[query.dimensions.index(by)] if by in query.dimensions else by
    wanted = sql.SQL("{} DESC NULLS LAST" if descending else "{} ASC NULLS LAST").format(sql.Identifier(column))
    unset = [sql.SQL("{} IS NULL").format(sql.Identifier(name)) for name in names]
    ties = [sql.SQL('{} COLLATE "C"').format(sql.Identifier(name)) for name in names]
    return sql.SQL(", ").join([*unset, wanted, *ties])


# --- Bases ------------------------------------------------------------------------------------------------


def _rows(query: Query, part: Part, scope: Scope, keys: Sequence[Key], values: Values) -> sql.Composed:
    of_event, of_session = _split(query.filters)
    fill: dict[str, sql.Composable] = {
        "site": values.put(query.site_id),
        "start": sql.SQL("{}::timestamptz").format(values.put(scope.start)),
        "until": sql.SQL("{}::timestamptz").format(values.put(scope.until)),
        "uncounted": values.put(UNCOUNTED),
        "pageview": values.put(PAGEVIEW),
        "session": SESSION,
        "keys": _list([key.selected for key in keys]),
    }
    on_event, on_session = _conditions(of_event, "e", values), _conditions(of_session, "s", values)
    if part.base == "events":
        if any(metric(name).of == "sessions" for name in part.metrics):
            return _events_by_session(keys, fill, on_event, on_session)
        is_joined = bool(of_session) or any(key.table == "s" for key in keys)
        return EVENTS.format(**fill, filters=on_event + on_session, join=JOIN if is_joined else NOTHING)
    if of_event:
        on_session += HAS_EVENT.format(**fill, filters=on_event)
    if part.base == "starts":
        return STARTS.format(**fill, filters=on_session)
    return SESSIONS.format(
        whole=WHOLE.format(**fill, filters=on_session), crossing=CROSSING.format(**fill, filters=on_session)
    )


def _events_by_session(
    keys: Sequence[Key], fill: dict[str, sql.Composable], on_event: sql.Composed, on_session: sql.Composed
) -> sql.Composed:
    inner = [key for key in keys if key.table == "e"]
    outer = [sql.Identifier("hits", key.name) if key.table == "e" else key.selected for key in keys]
    return EVENTS_BY_SESSION.format(
        **{**fill, "keys": _list(outer)},
        event_keys=_list([key.selected for key in inner]),
        numbers=sql.SQL("").join(sql.SQL("{}, ").format(number) for number in range(1, len(inner) + 1)),
        on_event=on_event,
        filters=on_session,
    )


def _list(columns: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(columns) if columns else sql.SQL("NULL AS nothing")


def _split(told: Sequence[Filter]) -> tuple[list[Filter], list[Filter]]:
    """Those on events and those on sessions."""
    of_event = [one for one in told if dimension(one.dimension).of == "event"]
    return of_event, [one for one in told if one not in of_event]


def _conditions(told: Sequence[Filter], table: str, values: Values) -> sql.Composed:
    return sql.Composed([sql.SQL(" AND ") + condition(one, table, values) for one in told])
