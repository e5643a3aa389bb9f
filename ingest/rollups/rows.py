"""The stored rows of a bucket: replaced whole, or read to be compared. Inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from ingest.rollups.recount import FIGURES, NamedRow, Row
from ingest.sites import KnownSite
from ingest.store import copying

At = datetime | date
FIGURE_COLUMNS = (*FIGURES,)
DELETE_AT = sql.SQL("DELETE FROM {table} WHERE site_id = %s AND {at} = %s")
DELETE_WITHIN = sql.SQL("DELETE FROM {table} WHERE site_id = %s AND {at} >= %s AND {at} < %s")
MOST_LINES = 50_000  # held before they are written
HOURLY = ("ingest_hourly_total", "ingest_hourly_events", "ingest_hourly_breakdown")
DAILY = ("ingest_daily_total", "ingest_daily_events", "ingest_daily_breakdown")


def clear_hours(conn: psycopg.Connection, site_id: int, start: datetime, end: datetime) -> None:
    """Every hour that begins within [START, END), also by the clock of another zone."""
    for table in HOURLY:
        query = DELETE_WITHIN.format(table=sql.Identifier(table), at=sql.Identifier("hour"))
        conn.execute(query, (site_id, start, end))


FORGET = """
DELETE FROM ingest_hourly_breakdown b USING ingest_rollup_state s
WHERE s.site_id = %s AND s.zone = %s AND b.site_id = s.site_id AND b.hour < %s
"""


def forget_breakdowns(conn: psycopg.Connection, site: KnownSite, before: datetime) -> int:
    """Those by hour; the day's own row holds what they say. None when SITE has another zone by now."""
    return conn.execute(FORGET, (site.id, site.zone.key, before)).rowcount


def clear_day(conn: psycopg.Connection, site_id: int, day: date) -> None:
    for table in DAILY:
        conn.execute(DELETE_AT.format(table=sql.Identifier(table), at=sql.Identifier("day")), (site_id, day))


def put_total(conn: psycopg.Connection, table: str, about: dict[str, Any], row: Row) -> None:
    columns = (*about, *FIGURE_COLUMNS)
    query = sql.SQL("INSERT INTO {table} ({columns}) VALUES ({values})").format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    conn.execute(query, (*about.values(), *row[1:]))


class _Lines:
    """COPY of many buckets' rows into one table."""

    def __init__(self, table: str, at: str, columns: Sequence[str]) -> None:
        self.statement = copying.into(table, ("site_id", at, *columns))
        self.lines: list[str] = []

    def write(self, conn: psycopg.Connection, *, least: int = 1) -> int:
        """Once there are LEAST lines; they are let go then. Returns how many were written."""
        if len(self.lines) < least:
            return 0
        lines, self.lines = self.lines, []
        copying.rows(conn, self.statement, lines)
        return len(lines)


class Breakdowns(_Lines):
    def __init__(self, table: str, at: str) -> None:
        super().__init__(table, at, ("place", "dimension", "value", *FIGURE_COLUMNS))

    def add(self, site_id: int, at: At, dimension: str, rows: Iterable[Row]) -> None:
        self.lines += [
            copying.line((site_id, at, place, dimension, row.value, *row[1:])) for place, row in enumerate(rows)
        ]


class NamedEvents(_Lines):
    def __init__(self, table: str, at: str) -> None:
        super().__init__(table, at, ("place", *NamedRow._fields))

    def add(self, site_id: int, at: At, rows: Iterable[NamedRow]) -> None:
        self.lines += [copying.line((site_id, at, place, *row)) for place, row in enumerate(rows)]
