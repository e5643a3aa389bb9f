"""What every test starts from: empty caches, an empty stream, days to write into, and a site."""

import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from django.core.cache import cache
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker, Settings

from analytics_site.embedded import account, folder, ports
from analytics_site.embedded.server import wait_ready
from ingest import limits, partitions, pipeline, queue, samples, sites, writer
from ingest.enrich import visitor
from ingest.models import Site
from ingest.sites import KnownSite
from tests import servers_plugin

pytest_plugins = ["tests.product"]

DAYS_BACK = 9  # one more than the oldest event that the door lets in
CLOSED = 1  # a port that nobody listens on
Silence = Callable[[], AbstractContextManager[None]]


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query, over the test's own connection."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def counts() -> dict[tuple[str, str], int]:
    """Events by outcome and reason, over all sites and hours."""
    found = rows("SELECT outcome, reason, sum(events)::int FROM ingest_count GROUP BY 1, 2")
    return {(outcome, reason): events for outcome, reason, events in found}


def database_url() -> str:
    """The test database, for other connections and processes; they see only what is committed."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """The real hash takes a fifth of a second on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def another() -> Iterator[psycopg.Connection]:
    """A second connection, in autocommit mode."""
    with psycopg.connect(database_url(), autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Makes the days once: creating tables in every test would take longer than the tests.

    At the end it ends what threads of a test have left open, or the database could not be dropped.
    """
    with django_db_blocker.unblock():
        now = datetime.now(UTC)
        past = [(now - timedelta(days=days)).date() for days in range(DAYS_BACK)]
        partitions.ensure(writer.connected(), [*past, *partitions.ahead(now, 2)])
        connection.close()
    yield
    with django_db_blocker.unblock():
        connection.close()
    _end_connections(connection.settings_dict["NAME"])


def _end_connections(database: str) -> None:
    """Ends each, over a connection to another database, and lets none begin."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database)))
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """What a process keeps in memory would outlive the rows of its test."""
    forget()
    _flush()
    yield
    forget()


def forget() -> None:
    sites.forget()
    cache.clear()
    limits.memory.cache_clear()
    samples.allowance.cache_clear()
    pipeline.too_many().forget()
    pipeline.telling.forget()
    visitor._salts.clear()
    visitor._recent.clear()
    queue.client.cache_clear()
    queue.door.cache_clear()
    queue.reader.cache_clear()


def _flush() -> None:
    keys = list(queue.client().scan_iter("footfall:*"))
    if keys:
        queue.client().delete(*keys)


@pytest.fixture
def site(db: None) -> Site:
    return Site.objects.create(name="Shop", domain="shop.example.com")


@pytest.fixture
def known(site: Site) -> KnownSite:
    return KnownSite.of(site)


@pytest.fixture(autouse=True)
def _empty_events(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """After a test that commits: Django empties the tables of managed models only."""
    yield
    mark = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (mark and mark.kwargs.get("transaction")):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE ingest_event")


@pytest.fixture
def committed(transactional_db: None) -> Site:
    """A site that other connections and processes see; for what commits, locks or runs in threads."""
    return Site.objects.create(name="Shop", domain="shop.example.com")


@pytest.fixture
def no_redis(settings: Settings) -> Silence:
    """`with no_redis():` Redis cannot be reached."""
    return lambda: _unreachable_redis(settings)


@contextmanager
def _unreachable_redis(settings: Settings) -> Iterator[None]:
    url = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{CLOSED}/0"
    queue.client.cache_clear()
    queue.door.cache_clear()
    queue.reader.cache_clear()
    try:
        yield
    finally:
        settings.REDIS_URL = url
        queue.client.cache_clear()
        queue.door.cache_clear()
        queue.reader.cache_clear()


@contextmanager
def no_postgres() -> Iterator[None]:
    """PostgreSQL cannot be reached, by this thread. Needs the `committed` or `transactional_db` fixture."""
    before = connection.settings_dict
    connection.close()
    connection.settings_dict = {**before, "PORT": str(CLOSED)}
    try:
        yield
    finally:
        connection.settings_dict = before
        connection.close()


@pytest.fixture(scope="session")
def _private_redis() -> Iterator[str]:
    user, name = account.current(), f"{servers_plugin.PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    home = folder.throw_away(name, user, Path(tempfile.gettempdir()))
    server, process = servers_plugin._run(home, servers_plugin._redis(home, user, ports.kept(home, ["redis"])["redis"]))
    wait_ready(server, lambda: servers_plugin._ended(home, process))
    yield server.url
    servers_plugin._stop(process, signal.SIGTERM)
    folder.remove(home)


@pytest.fixture
def own_redis(_private_redis: str, settings: Settings) -> Iterator[redis.Redis]:
    """A Redis for this test alone, whose settings may be changed; the other one is shared by all processes."""
    settings.REDIS_URL = _private_redis
    queue.client.cache_clear()
    queue.door.cache_clear()
    queue.reader.cache_clear()
    client = queue.client()
    before = {
        name: client.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync")
    }
    yield client
    client.acl_setuser("default", enabled=True, commands=["+@all"])
    for name, value in before.items():
        client.config_set(name, str(value))
    client.flushdb()
    _await_file(client)


def _await_file(client: redis.Redis) -> None:
    """A Redis that has just been told to keep a file does not end before it has written the first one."""
    for _ in range(500):
        info = client.info("persistence")
        if not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]:
            return
        threading.Event().wait(0.02)
