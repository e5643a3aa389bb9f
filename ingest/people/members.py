"""A person's number out of the sets of days that can never be counted again.

Other days are marked dirty and counted anew. A final day has lost its raw rows, and its sets alone still say who was
there: the number goes out of them. A value at which nobody else was goes whole, being about this person alone; other
sums, in which nobody can be told from others, stay. Sealed days have no sets.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from pyroaring import BitMap

from ingest.clock import DAY, day_of
from ingest.rollups import rebuild, sets
from ingest.sites import KnownSite
from ingest.store import plain

Span = tuple[datetime, datetime]
CHUNK = 2_000  # rows held at a time
FAR = 1_000_000_000  # past every place

LOCK = "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"
NUMBERS = "SELECT id, number FROM ingest_visitor WHERE site_id = %s AND id = ANY(%s::bigint[])"
FINAL_DAYS = """
SELECT DISTINCT t.day, t.starts_at, t.ends_at FROM ingest_daily_total t
JOIN unnest(%s::timestamptz[], %s::timestamptz[]) AS span(first, last) ON t.starts_at <= last AND t.ends_at > first
WHERE t.site_id = %s AND t.is_final AND t.members IS NOT NULL ORDER BY 1
"""
STILL_THERE = """
SELECT DISTINCT visitor_id FROM ingest_session
WHERE site_id = %s AND visitor_id = ANY(%s::bigint[]) AND seen_from < %s AND seen_until >= %s
"""


class Table(NamedTuple):
    """Rows with sets. `at`: the column of the bucket; `more`: what else its key has."""

    name: str
    at: str
    more: tuple[str, ...]

    def statement(self, text: LiteralString) -> sql.Composed:
        key = [sql.Identifier(name) for name in (self.at, *self.more)]
        values = sql.SQL(", ").join(sql.Placeholder() * len(key))
        names = {"table": sql.Identifier(self.name), "at": sql.Identifier(self.at), "key": sql.SQL(", ").join(key)}
        return sql.SQL(text).format(**names, values=values)


TOTALS = (Table("ingest_daily_total", "day", ()), Table("ingest_hourly_total", "hour", ()))
BREAKDOWNS = (
    Table("ingest_daily_breakdown", "day", ("dimension", "place")),
    Table("ingest_hourly_breakdown", "hour", ("dimension", "place")),
)
READ = """
SELECT members, {key} FROM {table} WHERE site_id = %s AND {at} >= %s AND {at} < %s AND members IS NOT NULL
"""
# Whoever seals the day meanwhile takes the sets away: they must not come back.
WRITE = """
UPDATE {table} SET members = %s, visitors = %s
WHERE site_id = %s AND ({key}) = ({values}) AND members IS NOT NULL
"""
DELETE = "DELETE FROM {table} WHERE site_id = %s AND ({key}) = ({values}) AND members IS NOT NULL"
PUT_ASIDE = "UPDATE {table} SET place = place + %s WHERE site_id = %s AND {at} = %s AND dimension = %s"
PUT_IN_ORDER = """
UPDATE {table} row SET place = sorted.place FROM (
  SELECT place AS before, row_number() OVER (
    ORDER BY visitors DESC, events DESC, sessions DESC, value COLLATE "C"
  ) - 1 AS place
  FROM {table} WHERE site_id = %(site)s AND {at} = %(at)s AND dimension = %(dimension)s
) sorted
WHERE row.site_id = %(site)s AND row.{at} = %(at)s AND row.dimension = %(dimension)s AND row.place = sorted.before
"""


def lock_days(conn: psycopg.Connection, site: KnownSite, spans: Iterable[Span]) -> None:
    """Nobody builds the days of SPANS, or makes them final, until the transaction ends.

    A day to either side too: one that was counted by the clock of another zone may reach so far.
    """
    days: set[date] = set()
    for first, last in spans:
        day, end = day_of(site.zone, first) - DAY, day_of(site.zone, last) + DAY
        while day <= end:
            days.add(day)
            day += DAY
    conn.execute(LOCK, (sorted(rebuild.lock_of(site.id, day) for day in days),))


def numbers_of(conn: psycopg.Connection, site_id: int, visitors: Iterable[int]) -> dict[int, int]:
    """To be asked before the visitors' rows go."""
    return dict(plain.fetch(conn, NUMBERS, (site_id, list(visitors))))


def forget(conn: psycopg.Connection, site_id: int, spans: Iterable[Span], numbers: Mapping[int, int]) -> int:
    """Takes the visitors of NUMBERS out of the final days within SPANS in which they have no session any more.

    After the sessions are deleted, under `lock_days`. Returns how many rows changed.
    """
    firsts, lasts = zip(*spans, strict=True)
    changed = 0
    for day, start, end in plain.fetch(conn, FINAL_DAYS, (list(firsts), list(lasts), site_id)):
        there = {id_ for (id_,) in plain.fetch(conn, STILL_THERE, (site_id, list(numbers), end, start))}
        gone = BitMap(number for id_, number in numbers.items() if id_ not in there)
        if gone:
            changed += _take_out(conn, site_id, {"day": (day, day + DAY), "hour": (start, end)}, gone)
    return changed


def _take_out(conn: psycopg.Connection, site_id: int, within: dict[str, tuple[Any, Any]], gone: BitMap) -> int:
    changed = sum(len(_smaller(conn, table, site_id, within[table.at], gone)) for table in TOTALS)
    for table in BREAKDOWNS:
        keys = _smaller(conn, table, site_id, within[table.at], gone)
        for at, dimension in sorted({(at, dimension) for at, dimension, _ in keys}):
            _put_in_order(conn, table, site_id, at, dimension)
        changed += len(keys)
    return changed


def _smaller(
    conn: psycopg.Connection, table: Table, site_id: int, within: tuple[Any, Any], gone: BitMap
) -> list[tuple[Any, ...]]:
    """Writes the sets of TABLE without GONE; returns the keys of those that had any of them. Of a breakdown the rows
    whose sets are empty then are deleted."""
    rows = []
    with psycopg.ServerCursor(conn, "members") as cursor:
        cursor.execute(table.statement(READ), (site_id, *within), binary=True)
        while chunk := cursor.fetchmany(CHUNK):
            rows += [(sets.loaded(members) - gone, key) for members, *key in chunk if sets.loaded(members) & gone]
    stay = [(left, key) for left, key in rows if left or not table.more]
    empty = [key for left, key in rows if table.more and not left]
    with psycopg.Cursor(conn) as cursor:
        cursor.executemany(
            table.statement(WRITE), [(sets.stored(left), len(left), site_id, *key) for left, key in stay]
        )
        cursor.executemany(table.statement(DELETE), [(site_id, *key) for key in empty])
    return [tuple(key) for _, key in rows]


def _put_in_order(conn: psycopg.Connection, table: Table, site_id: int, at: Any, dimension: str) -> None:
    """The largest first again. In two steps, since the place is in the key."""
    conn.execute(table.statement(PUT_ASIDE), (FAR, site_id, at, dimension))
    conn.execute(table.statement(PUT_IN_ORDER), {"site": site_id, "at": at, "dimension": dimension})
