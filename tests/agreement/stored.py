"""What is in the tables of a site, read whole: raw rows to recount from, and the aggregates to compare with."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pyroaring import BitMap

from ingest.writer import connected
from tests.agreement.recount import Hit, Row, Tables, hit

AGGREGATES = tuple(f"ingest_{span}_{kind}" for span in ("hourly", "daily") for kind in ("total", "breakdown", "events"))
OF_THE_RUN = ("site_id", "built_at", "took_ms")  # tell of the building, not of what was built


def read(table: str, site_id: int) -> list[Row]:
    query = sql.SQL("SELECT * FROM {} WHERE site_id = %s").format(sql.Identifier(table))
    with psycopg.Cursor(connected(), row_factory=dict_row) as cursor:
        return cursor.execute(query, (site_id,)).fetchall()


def hits(site_id: int, properties: Iterable[str]) -> list[Hit]:
    """Each event with its session and its own visitor, who must be the session's."""
    sessions = {row["id"]: row for row in read("ingest_session", site_id)}
    numbers = {row["id"]: row["number"] for row in read("ingest_visitor", site_id)}
    found = []
    for row in read("ingest_event", site_id):
        session = sessions[row["session_id"]]
        assert row["visitor_id"] == session["visitor_id"]
        found.append(hit(row, session, numbers[row["visitor_id"]], properties))
    return found


def aggregates(site_id: int) -> Tables:
    return {table: [_plain(row) for row in read(table, site_id)] for table in AGGREGATES}


def _plain(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in OF_THE_RUN}
    return kept | {"members": frozenset(BitMap.deserialize(row["members"]))} if row.get("members") else kept


def differences(expected: Tables, found: Tables) -> list[str]:
    """A line for each row that is missing, too many, or other than it should be."""
    lines = []
    for table in AGGREGATES:
        wanted, there = ({_key(row): row for row in tables[table]} for tables in (expected, found))
        assert len(there) == len(found[table]), f"{table}: a row is there twice"
        lines += [f"{table} {key}: is missing: {wanted[key]}" for key in wanted if key not in there]
        lines += [f"{table} {key}: is too many: {there[key]}" for key in there if key not in wanted]
        lines += [f"{table} {key}: {_other(row, there[key])}" for key, row in wanted.items() if key in there]
    return [line for line in lines if not line.endswith(": ")]


def _key(row: Row) -> str:
    return " ".join(str(row[name]) for name in ("hour", "day", "dimension", "place") if name in row)


def _other(wanted: Row, there: Row) -> str:
    names = [name for name in {**wanted, **there} if wanted.get(name, _ABSENT) != there.get(name, _ABSENT)]
    return ", ".join(f"{name} is {there.get(name)!r}, not {wanted.get(name)!r}" for name in names)


_ABSENT: Any = object()
