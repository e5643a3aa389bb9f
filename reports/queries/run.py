"""Asks the database. One connection and one read-only transaction for all questions of a page.

Every question has REPORTS_QUERY_SECONDS, comparison included, and all of a page twice that. The transaction is
rolled back at its end: it has written nothing, and its settings go with it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql
from psycopg.pq import TransactionStatus

from reports.queries import answer, plan
from reports.queries.answer import Asked
from reports.queries.filters import Values
from reports.queries.query import Query, QueryTimeout, Result
from reports.queries.sql import Statement

PAGE_QUESTIONS = 2  # as much time as this many slow questions, however many a page asks
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"


def run(query: Query) -> Result:
    """The answer. Raises QueryRefused, QueryTimeout and, when the database is away, django.db.DatabaseError."""
    [found] = run_all([query])
    if isinstance(found, QueryTimeout):
        raise found
    return found


def run_all(queries: Sequence[Query]) -> list[Result | QueryTimeout]:
    """The answers in order, all of one moment; a question that took too long has its QueryTimeout instead.

    Totals that several of them share are counted once. Raises QueryRefused before anything is asked, and
    django.db.DatabaseError.
    """
    for query in queries:
        plan.check(query)
    until = time.monotonic() + PAGE_QUESTIONS * settings.REPORTS_QUERY_SECONDS
    with reading() as conn:
        known: Asked = {}
        return [_one(conn, query, known, until) for query in queries]


@contextmanager
def reading() -> Iterator[psycopg.Connection]:
    """A read-only transaction on this thread's connection, of one snapshot unless it lies in another one."""
    conn = _connected()
    is_outermost = conn.info.transaction_status == TransactionStatus.IDLE
    with connection.wrap_database_errors, conn.transaction(force_rollback=True):
        if is_outermost:
            conn.execute(SNAPSHOT)
        conn.execute("SET LOCAL transaction_read_only = on")
        yield conn


def _connected() -> psycopg.Connection:
    """This thread's connection, made anew when the server has ended it."""
    if connection.connection is not None and connection.connection.closed:
        connection.close()
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    return connection.connection


def _one(conn: psycopg.Connection, query: Query, known: Asked, until: float) -> Result | QueryTimeout:
    seconds: int = settings.REPORTS_QUERY_SECONDS
    clock = Clock(conn, min(seconds, until - time.monotonic()))
    try:
        with conn.transaction():
            return answer.of(query, clock.fetch, known)
    except psycopg.errors.QueryCanceled:
        return QueryTimeout(seconds)


class Clock:
    """Fetches rows as long as there is time left."""

    def __init__(self, conn: psycopg.Connection, seconds: float) -> None:
        self.conn = conn
        self.until = time.monotonic() + seconds

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Raises psycopg.errors.QueryCanceled when the time is over."""
        left = max(1, int((self.until - time.monotonic()) * 1000))
        self.conn.execute("SELECT set_config('statement_timeout', %s, true)", (str(left),))
        return self.conn.execute(statement.text, statement.values).fetchall()


def rows(text: sql.SQL, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """One small statement in a transaction of its own. Raises QueryTimeout."""
    seconds: int = settings.REPORTS_QUERY_SECONDS
    with reading() as conn:
        try:
            return Clock(conn, seconds).fetch(Statement(sql.Composed([text]), Values(values)))
        except psycopg.errors.QueryCanceled as error:
            raise QueryTimeout(seconds) from error
