"""Sessions with their visitors, hourly rows and aggregates that are older than a site keeps them, in batches."""

import time
from collections.abc import Iterator
from datetime import date, datetime
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

BATCH, ROWS = 5_000, 10_000  # sessions; rows of aggregates
PAUSE_SECONDS = 0.02

# Rows that somebody has locked are left for the next night: nothing here waits for a writer.
OLD_SESSIONS = """
SELECT last_activity, id, visitor_id FROM ingest_session
WHERE site_id = %(site)s AND last_activity < %(cut)s AND seen_until < %(cut)s
  AND (last_activity, id) > (%(after)s, %(id)s)
ORDER BY last_activity, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""
# An import may have brought older events since the days were closed: what they are counted by is kept.
DELETE_SESSIONS = """
DELETE FROM ingest_session s WHERE s.site_id = %(site)s AND s.id = ANY(%(ids)s) AND NOT EXISTS (
  SELECT FROM ingest_event e
  WHERE e.site_id = s.site_id AND e.session_id = s.id AND e.ts >= s.seen_from AND e.ts <= s.seen_until
)
RETURNING s.id
"""
# Whoever holds a visitor's row may make its sessions, so it is taken before a last look at them; and where somebody
# else has it the sessions stay too, for nothing leads to a visitor that has none.
OLD_VISITORS = "SELECT id FROM ingest_visitor WHERE site_id = %(site)s AND id = ANY(%(ids)s) AND last_seen < %(cut)s"
LOCK_VISITORS = f"{OLD_VISITORS} ORDER BY id FOR UPDATE SKIP LOCKED"
DELETE_VISITORS = """
DELETE FROM ingest_visitor v WHERE v.site_id = %(site)s AND v.id = ANY(%(ids)s)
AND NOT EXISTS (SELECT FROM ingest_session s WHERE s.site_id = v.site_id AND s.visitor_id = v.id)
"""
COUNT_SESSIONS = """
SELECT count(*) FROM ingest_session WHERE site_id = %(site)s AND last_activity < %(cut)s AND seen_until < %(cut)s
"""
COUNT_VISITORS = """
SELECT count(*) FROM ingest_visitor v WHERE v.site_id = %(site)s AND v.last_seen < %(cut)s
AND EXISTS (SELECT FROM ingest_session s WHERE s.site_id = v.site_id AND s.visitor_id = v.id)
AND NOT EXISTS (
  SELECT FROM ingest_session s WHERE s.site_id = v.site_id AND s.visitor_id = v.id AND s.seen_until >= %(cut)s
)
"""


class Gone(NamedTuple):
    sessions: int
    visitors: int


def sessions(conn: psycopg.Connection, site_id: int, cut: datetime) -> Iterator[Gone]:
    """A batch at a time, each its own short transaction, with the visitors who have no session left then."""
    after, id_ = datetime.min.replace(tzinfo=cut.tzinfo), 0
    while True:
        values = {"site": site_id, "cut": cut, "after": after, "id": id_, "most": BATCH}
        with conn.transaction():
            found = conn.execute(OLD_SESSIONS, values).fetchall()
            gone = _delete(conn, site_id, cut, {id_: visitor for _, id_, visitor in found})
        if not found:
            return
        after, id_, _ = found[-1]
        yield gone
        time.sleep(PAUSE_SECONDS)


def _delete(conn: psycopg.Connection, site_id: int, cut: datetime, visitor_of: dict[int, int]) -> Gone:
    """Of these sessions. VISITOR_OF: whose each is."""
    sought = {"site": site_id, "ids": sorted(set(visitor_of.values())), "cut": cut}
    locked = _ids(conn, LOCK_VISITORS, sought)
    held = _ids(conn, OLD_VISITORS, sought) - locked
    ids = [id_ for id_, visitor in visitor_of.items() if visitor not in held]
    gone = _ids(conn, DELETE_SESSIONS, {"site": site_id, "ids": ids}) if ids else set()
    taken = conn.execute(DELETE_VISITORS, {"site": site_id, "ids": sorted(locked)}).rowcount
    return Gone(len(gone), taken)


def _ids(conn: psycopg.Connection, query: LiteralString, values: dict[str, object]) -> set[int]:
    return {id_ for (id_,) in conn.execute(query, values).fetchall()}


def count_sessions(conn: psycopg.Connection, site_id: int, cut: datetime) -> Gone:
    """What `sessions` would take after the events before the cut are gone."""
    values = {"site": site_id, "cut": cut}
    counts = [conn.execute(query, values).fetchone() or [0] for query in (COUNT_SESSIONS, COUNT_VISITORS)]
    return Gone(int(counts[0][0]), int(counts[1][0]))


# --- Aggregates -------------------------------------------------------------------------------------------

DELETE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE site_id = %(site)s AND {old} LIMIT %(most)s))
"""
COUNT = "SELECT count(*) FROM {table} WHERE site_id = %(site)s AND {old}"
OF_HOURS: tuple[LiteralString, ...] = ("ingest_hourly_total", "ingest_hourly_events")
# The totals last: they say which days are final.
OF_DAYS: tuple[LiteralString, ...] = ("ingest_daily_breakdown", "ingest_daily_events", "ingest_daily_total")
BY_HOUR, BY_DAY = "hour < %(cut)s", "day < %(cut)s"
BY_SPAN = (
    "first_day + CASE span WHEN 'week' THEN '7 days' WHEN 'month' THEN '1 month' ELSE '1 year' END::interval <= %(cut)s"
)


class Old(NamedTuple):
    """Rows of one table that lie before a site's cut."""

    table: LiteralString
    which: LiteralString
    cut: datetime | date


def old_hours(hours: datetime, breakdowns: datetime) -> list[Old]:
    """Their days stay, and hold what they say."""
    return [*(Old(table, BY_HOUR, hours) for table in OF_HOURS), Old("ingest_hourly_breakdown", BY_HOUR, breakdowns)]


def old_days(day: date) -> list[Old]:
    """All by day before DAY, and spans that lie before it whole."""
    return [Old("ingest_span_count", BY_SPAN, day), *(Old(table, BY_DAY, day) for table in OF_DAYS)]


def delete(conn: psycopg.Connection, site_id: int, old: Old) -> Iterator[int]:
    """A batch at a time; how many rows each took."""
    values = {"site": site_id, "cut": old.cut, "most": ROWS}
    while taken := conn.execute(_composed(DELETE, old), values).rowcount:
        yield taken
        time.sleep(PAUSE_SECONDS)


def count(conn: psycopg.Connection, site_id: int, old: Old) -> int:
    [found] = conn.execute(_composed(COUNT, old), {"site": site_id, "cut": old.cut}).fetchone() or [0]
    return int(found)


def _composed(query: LiteralString, old: Old) -> sql.Composed:
    return sql.SQL(query).format(table=sql.Identifier(old.table), old=sql.SQL(old.which))
