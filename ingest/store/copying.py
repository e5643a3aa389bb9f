"""COPY with its lines made here: some four times faster than handing the driver each value of each row.

The text format of https://www.postgresql.org/docs/current/sql-copy.html: columns parted by tabs, `\\N` for null, a
backslash before what would part columns or lines.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

SPECIAL = re.compile(r"[\\\t\n\r]")
ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
LINES = 500  # sent at a time


def _text(value: str) -> str:
    return value.translate(ESCAPED) if SPECIAL.search(value) else value


FORMATS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: r"\N",
    str: _text,
    int: str,
    float: repr,
    bool: lambda value: "t" if value else "f",
    datetime: datetime.isoformat,
    bytes: lambda value: "\\\\x" + value.hex(),
    Decimal: str,
    date: date.isoformat,
    UUID: lambda value: f"{value.int:032x}",
}


def line(row: Iterable[Any]) -> str:
    """Raises KeyError for a value of a type that no column has."""
    return "\t".join([FORMATS[type(value)](value) for value in row])


def array(values: Iterable[Any]) -> str:
    """Numbers, times or UUIDs as the text of an array. The driver's own way takes as long as the rest together."""
    return "{" + ",".join([FORMATS[type(value)](value) for value in values]) + "}"


def into(table: str, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL("COPY {table} ({columns}) FROM STDIN").format(
        table=sql.Identifier(table), columns=sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def rows(conn: psycopg.Connection, statement: sql.Composed, lines: list[str]) -> None:
    """Raises ValueError for text that no UTF-8 can hold, and whatever the database says."""
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, len(lines), LINES):
            copy.write("\n".join(lines[start : start + LINES]).encode() + b"\n")
