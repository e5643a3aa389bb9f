"""Something that happens in the midst of a run: its end, or what another process does meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from ingest.writer import connected
from tests.conftest import database_url
from tests.ingest.writers import with_own_connection

PATIENCE = 0.3  # seconds: what waits for a lock of the run must not keep the run from going on
ENDED = 30


class Died(BaseException):
    """Nobody catches this, as nobody catches SIGKILL."""


def die() -> None:
    raise Died


def end_connection() -> None:
    """By the server."""
    pid = connected().info.backend_pid
    with psycopg.connect(database_url(), autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s)", (pid,))


@contextmanager
def interrupted(at: int, act: Callable[[], None]) -> Iterator[None]:
    """ACT before the AT-th statement from now on this thread's connection; never if there are fewer."""
    conn, left = connected(), iter(range(1, at))

    def count() -> None:
        if next(left, None) is None:
            conn.cursor_factory = before
            act()

    class Counting(conn.cursor_factory):  # type: ignore[name-defined]
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            count()
            return super().execute(*args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            count()
            return super().copy(*args, **kwargs)

    before, conn.cursor_factory = conn.cursor_factory, Counting
    try:
        yield
    finally:
        conn.cursor_factory = before


class Meanwhile:
    """ACT in a thread with a connection of its own, waited for as long as it does not wait for its starter."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.thread.start()
        self.thread.join(PATIENCE)

    def end(self) -> None:
        """Raises what ACT raised."""
        if self.thread.ident is not None:
            self.thread.join(ENDED)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with_own_connection(self.act)
        except Exception as error:  # told by `end`, in the starter's thread
            self.error = error
