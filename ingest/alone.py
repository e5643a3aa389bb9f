"""For work that one process at a time may do."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# The first of a lock's two numbers; locks of one number, and of another first, are apart from these.
CLASS = 0x616C6F6E
LOCK = "SELECT pg_try_advisory_xact_lock(%s, %s)"


class Taken(Exception):  # noqa: N818
    """Somebody else is at it."""


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Nobody else is inside of NAME meanwhile. Raises Taken at once when somebody is.

    The lock is of a transaction that does nothing else, on a connection of its own: the work may commit as often as it
    likes, and whichever way the process ends, the lock goes with it. That transaction has no snapshot, so
    neither vacuum nor what is done CONCURRENTLY waits for it. Should its connection break, somebody else may begin:
    what runs here must be right then too.
    """
    keeper = connection.copy()
    try:
        keeper.ensure_connection()
        keeper.connection.execute("BEGIN")
        row = keeper.connection.execute(LOCK, (CLASS, zlib.crc32(name.encode()) - 2**31)).fetchone()
        if not (row and row[0]):
            raise Taken(f"{name}: is running already.")
        # Last: a statement without values ends what the one before it keeps open on the server, a snapshot with it.
        keeper.connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
    finally:
        keeper.close()
