"""Cursors as the driver makes them. Django's bind values in Python, and read times so too: twice the work. JSON it
leaves as text, which written again would be a text in JSON."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import RowFactory, tuple_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import JsonbLoader


def fetch(
    conn: psycopg.Connection, query: str | sql.Composed, values: Any, row: RowFactory[Any] = tuple_row
) -> list[Any]:
    """All rows. Large arrays are given as text, by `copying.array`."""
    with psycopg.Cursor(conn, row_factory=row) as cursor:
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.adapters.register_loader("jsonb", JsonbLoader)
        return cursor.execute(query, values).fetchall()
