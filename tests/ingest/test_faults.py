"""Faults of the servers and ends of processes, each at the moment when it could cost something."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
import redis
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from psycopg import sql

from ingest import queue
from ingest.drain import Drain
from ingest.models import Site
from ingest.pipeline import collect
from tests.conftest import counts, database_url
from tests.ingest.examples import arrival, document, event
from tests.ingest.writers import pending, publish, stored, taken_over

pytestmark = pytest.mark.usefixtures("quick_turns")
ID = "0190b5a0-0000-4000-8000-000000000001"
KILLED = -9


def ended_in(code: str) -> int:
    """CODE in a process of its own; the code it ended with."""
    start = "import django, os; django.setup(); from ingest import drain, lease, pipeline, queue, writer\n"
    urls = {"DATABASE_URL": database_url(), "REDIS_URL": django_settings.REDIS_URL}
    environment = {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "analytics_site.settings"}
    return subprocess.run([sys.executable, "-c", start + code], env=environment, check=False).returncode


# --- Processes that end at the worst moment ---------------------------------------------------------------


def test_a_door_that_ends_before_its_answer_has_kept_the_events(committed: Site) -> None:
    """The sender, who heard nothing, sends them again."""
    sent = document(committed, {"id": ID, "name": "pageview"})
    code = (
        f"from tests.ingest.examples import arrival\npublish = queue.publish\n"
        f"queue.publish = lambda batch: (publish(batch), os.kill(os.getpid(), 9))\n"
        f"pipeline.collect(arrival({sent!r}))"
    )
    assert ended_in(code) == KILLED
    assert collect(arrival(sent)).status == 202
    Drain().turn()
    assert (stored(), counts()) == (1, {("stored", ""): 1, ("duplicate", ""): 1})


def test_a_writer_that_ends_before_its_commit_has_written_nothing(committed: Site) -> None:
    publish(committed, outcomes={"dropped": {"bot": 1}})
    assert ended_in("writer.ledger.write = lambda *_: os.kill(os.getpid(), 9)\ndrain.Drain().turn()") == KILLED
    assert (stored(), counts(), pending()) == (0, {}, 1)
    assert Drain().turn() == 1
    assert counts() == {("stored", ""): 1, ("dropped", "bot"): 1}


def test_a_writer_that_ends_between_forgetting_and_acknowledging_leaves_nothing_behind(committed: Site) -> None:
    publish(committed)
    queue.ensure_group(0)
    (entry,) = queue.fresh(0, 10, None)
    queue.client().xdel(queue.key_of(0), entry.id)
    taken_over().turn()
    assert (queue.backlog(), pending()) == (0, 0)


# --- Redis ------------------------------------------------------------------------------------------------


def accepted(site: Site) -> bool:
    return collect(arrival(document(site, {"name": "pageview"}))).status == 202


@pytest.fixture
def replica(own_redis: redis.Redis) -> Iterator[redis.Redis]:
    """A Redis that has become a copy of another one, and takes no writes."""
    own_redis.replicaof("127.0.0.1", "1")
    yield own_redis
    own_redis.replicaof("NO", "ONE")


def test_a_redis_that_became_read_only_is_gone_round(committed: Site, replica: redis.Redis) -> None:
    assert accepted(committed)
    assert stored() == 1


def test_it_is_used_again_when_it_takes_writes_again(committed: Site, replica: redis.Redis) -> None:
    replica.replicaof("NO", "ONE")
    assert accepted(committed)
    assert (stored(), queue.backlog()) == (0, 1)


def test_a_full_redis_is_used_again_when_there_is_room(committed: Site, own_redis: redis.Redis) -> None:
    own_redis.config_set("maxmemory", "1")
    assert accepted(committed)
    own_redis.config_set("maxmemory", "0")
    assert accepted(committed)
    assert (stored(), queue.backlog()) == (1, 1)


def test_the_stream_is_never_cut(committed: Site) -> None:
    """MAXLEN would drop what nobody has read."""
    for _ in range(300):
        publish(committed)
    assert queue.backlog() == 300
    told = queue.client().info("commandstats")
    assert "cmdstat_xtrim" not in told


# --- PostgreSQL -------------------------------------------------------------------------------------------


def test_a_locked_table_holds_the_writer_up_and_not_the_door(committed: Site, another: psycopg.Connection) -> None:
    one = Drain()
    one.turn()
    connection.connection.execute("SET lock_timeout = '100ms'")
    with another.transaction():
        another.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
        assert accepted(committed)
        with pytest.raises(psycopg.errors.LockNotAvailable) as refusal:
            one.turn()
        one._pause(refusal.value)
    assert one.turn() == 1


@pytest.fixture
def no_more_connections(committed: Site, another: psycopg.Connection) -> Iterator[None]:
    name = sql.Identifier(connection.settings_dict["NAME"])
    another.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
    yield
    another.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))


def test_without_a_free_connection_the_stream_has_it(
    committed: Site, no_more_connections: None, another: psycopg.Connection
) -> None:
    assert accepted(committed)
    connection.close()
    one = Drain()
    with pytest.raises(OperationalError, match="too many connections"):
        one.turn()
    assert (queue.backlog(), accepted(committed)) == (1, True)


# --- Clocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3_600, -3_600])
def test_a_clock_that_is_set_during_work_costs_nothing(committed: Site, step: int) -> None:
    for shift in (0, step, 0):
        moment = arrival({}).received_at + shift
        publish(committed, event(id=event().id, ts=moment), received_at=moment)
    assert Drain().turn() == 3
    assert counts() == {("stored", ""): 3}
