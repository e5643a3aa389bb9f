"""One moment of the database, for what is read in several statements."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from ingest.writer import connected

BEGIN = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0
"""


@contextmanager
def snapshot() -> Iterator[psycopg.Connection]:
    """A transaction that only reads, for as long as it takes."""
    conn = connected()
    is_outermost = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction():
        if is_outermost:  # inside another one, as in a test, the snapshot is that one's
            conn.execute(BEGIN)
        yield conn
