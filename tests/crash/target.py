"""The running product as a test that breaks it sees it: its processes, its servers, what it holds."""

import contextlib
import functools
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis

from analytics_site import supervision
from analytics_site.embedded import state
from ingest.queue import GROUP, key_of
from tests.product import Product, wait_for

PATIENCE = 90  # seconds that a slow machine may take for what takes two

NEW_SITE = """
INSERT INTO ingest_site
SELECT (jsonb_populate_record(s, jsonb_build_object(
    'id', nextval(pg_get_serial_sequence('ingest_site', 'id')), 'key', %s::text))).*
FROM ingest_site s WHERE key = %s RETURNING id
"""


class Target:
    def __init__(self, product: Product) -> None:
        self.product = product
        found = state.read(product.data)
        assert found is not None, "the product does not run"
        self.state = found

    # --- Its processes ------------------------------------------------------------------------------------

    def pids(self) -> dict[str, int]:
        """Of those that run, by name."""
        found = supervision.processes(Path(self.state.supervisor))
        return {one.name: one.pid for one in found if one.pid}

    def pid(self, name: str) -> int:
        """Waits for one that is just being started again."""
        found: list[int] = []

        def runs() -> bool:
            found.extend(pid for one, pid in self.pids().items() if one == name)
            return bool(found)

        wait_for(runs, PATIENCE)
        return found[0]

    def web_workers(self) -> list[int]:
        """The processes that answer requests; their parent listens and starts them again."""
        return children(self.pid("web"))

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def restart(self, name: str, number: signal.Signals) -> None:
        """NUMBER to the process, which must end of it; returns when there is another."""
        before = self.pid(name)
        os.kill(before, number)
        wait_for(lambda: self.pids().get(name, before) != before, PATIENCE)

    # --- Its servers --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def postgres(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.state.database_url, autocommit=True) as conn:
            yield conn

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.postgres() as conn:
            return conn.execute(query, values).fetchall()

    @functools.cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.state.redis_url, socket_timeout=10)

    def has_redis(self) -> bool:
        """Whether it answers and has read its file."""
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def has_postgres(self) -> bool:
        try:
            return self.rows("SELECT 1") == [(1,)]
        except psycopg.Error:
            return False

    def new_site(self) -> tuple[int, str]:
        """Id and key of another site like the first one."""
        key = f"crash-{uuid.uuid4().hex[:12]}"
        ((site_id,),) = self.rows(NEW_SITE, key, self.product.key)
        return site_id, key

    def is_drained(self) -> bool:
        """Nothing waits in the stream, and nothing that was read is still to be acknowledged."""
        try:
            if self.redis.xlen(key_of(0)):
                return False
            return not self.redis.xpending(key_of(0), GROUP)["pending"]
        except redis.RedisError:
            return False

    def logs(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted((self.product.data / "log").glob("*.log*")):
            yield path.name, path.read_bytes()


def children(pid: int) -> list[int]:
    """Linux: the running children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = path.read_text().rpartition(") ")[2].split()
            if int(after_name[1]) == pid and after_name[0] != "Z":
                found.append(int(path.parent.name))
    return found
