"""The writer's loop, one turn at a time: nothing is lost, nothing is written or counted twice."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import msgspec
import psycopg
import pytest
import redis
from django.conf import settings as django_settings
from django.db import OperationalError
from pytest_django import Settings

from ingest import drain, lease, queue, writer
from ingest.drain import Drain
from ingest.models import Shard, Site
from tests.conftest import Silence, counts, database_url, no_postgres, rows
from tests.ingest.examples import batch, event
from tests.ingest.writers import expire, one_round, pending, publish, stored, taken_over, wait_for, with_own_connection

LATER = msgspec.msgpack.encode({"site_id": 1, "received_at": 0.0, "events": [], "version": 2})
pytestmark = pytest.mark.usefixtures("quick_turns")


def test_it_works(committed: Site) -> None:
    publish(committed, event(), event("signup"), outcomes={"dropped": {"bot": 2}})
    assert Drain().turn() == 2
    assert (stored(), queue.backlog(), pending()) == (2, 0, 0)
    assert counts() == {("stored", ""): 2, ("dropped", "bot"): 2}


def test_an_idle_turn_keeps_the_lease(committed: Site) -> None:
    one = Drain()
    assert one.turn() == 0
    expire()
    assert one.turn() == 0
    assert lease.take(writer.connected(), 0) is None


def test_many_requests_become_one_transaction(committed: Site) -> None:
    for _ in range(20):
        publish(committed)
    assert Drain().turn() == 20
    assert len(rows("SELECT DISTINCT processed_at FROM ingest_event")) == 1


def test_a_transaction_is_bounded(committed: Site, settings: Settings) -> None:
    settings.INGEST_BATCH_EVENTS = 4
    for size in (3, 3, 9, 1):
        publish(committed, *[event() for _ in range(size)])
    assert Drain().turn() == 16
    assert len(rows("SELECT DISTINCT processed_at FROM ingest_event")) == 4


def test_what_comes_seldom_is_written_at_once(committed: Site, settings: Settings) -> None:
    settings.INGEST_LINGER_MS = 60_000
    publish(committed)
    assert Drain().turn() == 1


def test_soon_after_a_transaction_it_lingers_for_more(committed: Site, settings: Settings) -> None:
    settings.INGEST_LINGER_MS = 60_000
    settings.INGEST_BATCH_EVENTS = 2
    one = Drain()
    publish(committed)
    one.turn()
    publish(committed)
    late = threading.Timer(0.2, publish, [committed])
    late.start()
    assert one.turn() == 2
    late.join()


def test_every_shard_is_read(committed: Site, settings: Settings) -> None:
    settings.INGEST_SHARDS = 3
    publish(committed, *[event(visitor_id=visitor) for visitor in range(9)])
    assert Drain().turn() == 9
    assert Shard.objects.count() == 3


# --- Ended in the middle ----------------------------------------------------------------------------------


def read_only(site: Site) -> None:
    """A writer has read an entry and ended before it wrote."""
    publish(site)
    queue.ensure_group(0)
    assert queue.fresh(0, 10, None)


def test_what_was_read_and_not_written_is_written(committed: Site) -> None:
    read_only(committed)
    assert Drain().turn() == 1
    assert (stored(), pending(), counts()) == (1, 0, {("stored", ""): 1})


def test_what_was_written_and_not_acknowledged_is_counted_once(
    committed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(committed, event(), event(), outcomes={"dropped": {"bot": 3}, "rejected": {"bad_id": 1}})
    commit_only(monkeypatch)
    before = stored(), counts()
    assert (before[0], queue.backlog(), pending()) == (2, 1, 1)
    assert taken_over().turn() == 0
    assert (stored(), counts()) == before
    assert (queue.backlog(), pending()) == (0, 0)


class Killed(BaseException):
    """The process ends here."""


def commit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """One turn of a writer that is killed between its first commit and its acknowledgement."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(queue, "acknowledge", killed)
        with pytest.raises(Killed):
            taken_over().turn()


def test_two_crashes_in_the_same_entries_count_them_once(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries without an event: nothing in the tables tells that they were counted."""
    for _ in range(3):
        queue.publish(batch(committed, outcomes={"dropped": {"bot": 1}}))
    commit_only(monkeypatch)
    monkeypatch.setattr(drain, "ENTRIES", 1)
    commit_only(monkeypatch)
    taken_over().turn()
    assert (counts(), pending()) == ({("dropped", "bot"): 3}, 0)


def test_what_follows_a_crash_is_counted(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(committed)
    commit_only(monkeypatch)
    publish(committed, outcomes={"dropped": {"bot": 1}})
    assert taken_over().turn() == 1
    assert counts() == {("stored", ""): 2, ("dropped", "bot"): 1}


def test_a_killed_process_is_followed_at_once(committed: Site) -> None:
    publish(committed)
    code = (
        "import django; django.setup(); import os; from ingest import queue; from ingest.drain import Drain\n"
        "queue.acknowledge = lambda *_: os.kill(os.getpid(), 9)\n"
        "Drain().turn()"
    )
    killed = subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    assert (killed.returncode, stored(), pending()) == (-9, 1, 1)
    publish(committed)
    assert Drain().turn() == 1  # without waiting for the end of its lease
    assert (stored(), counts(), queue.backlog()) == (2, {("stored", ""): 2}, 0)


def environment() -> dict[str, str]:
    urls = {"DATABASE_URL": database_url(), "REDIS_URL": django_settings.REDIS_URL}
    return {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "analytics_site.settings"}


def test_a_turn_that_redis_did_not_hear_the_end_of_is_repeated_and_counted_once(
    committed: Site, no_redis: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(committed)
    one, acknowledge = Drain(), queue.acknowledge

    def unheard(shard: int, ids: list[str]) -> None:
        monkeypatch.undo()
        with no_redis():
            acknowledge(shard, ids)

    monkeypatch.setattr(queue, "acknowledge", unheard)
    one_round(one)
    assert (stored(), counts(), queue.backlog(), pending()) == (1, {("stored", ""): 1}, 0, 0)


# --- Entries that are left --------------------------------------------------------------------------------


def test_entries_of_another_version_are_left_pending(committed: Site) -> None:
    queue.client().xadd(queue.key_of(0), {"v": "2", "b": LATER})
    publish(committed)
    one = Drain()
    assert one.turn() == 1
    assert one.turn() == 0
    assert (queue.backlog(), pending()) == (1, 1)


def test_they_are_written_by_the_code_that_can_read_them(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "VERSION", b"2")
    publish(committed)
    monkeypatch.undo()
    publish(committed)
    assert Drain().turn() == 1
    monkeypatch.setattr(queue, "VERSION", b"2")
    monkeypatch.setattr(drain, "WAIT_MS", 10)
    assert taken_over().turn() == 1
    assert queue.backlog() == 0


def test_entries_of_before_there_were_versions_are_written(committed: Site) -> None:
    old = {**msgspec.to_builtins(batch(committed, event()), builtin_types=(uuid.UUID,)), "version": 1}
    queue.client().xadd(queue.key_of(0), {"b": msgspec.msgpack.encode(old)})
    assert Drain().turn() == 1
    assert (queue.backlog(), pending()) == (0, 0)


def test_any_number_of_them_hides_nothing_behind_them(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "ENTRIES", 2)
    for _ in range(5):
        queue.client().xadd(queue.key_of(0), {"v": "2", "b": LATER})
    publish(committed)
    queue.ensure_group(0)
    queue.fresh(0, 10, None)
    assert Drain().turn() == 1
    assert pending() == 5


def test_they_do_not_keep_a_failed_turn_from_being_repeated(committed: Site) -> None:
    queue.client().xadd(queue.key_of(0), {"v": "2", "b": LATER})
    one = Drain()
    one.turn()
    read_only(committed)
    one._pause(psycopg.OperationalError("gone"))
    assert one.turn() == 1


# --- Trouble ----------------------------------------------------------------------------------------------


def test_a_lost_group_is_made_anew_from_its_start(committed: Site) -> None:
    one = Drain()
    one.turn()
    publish(committed)
    queue.client().xgroup_destroy(queue.key_of(0), queue.GROUP)
    assert [one.turn(), one.turn()] == [0, 1]


def test_an_emptied_redis_loses_nothing_that_comes_after(committed: Site) -> None:
    one = Drain()
    publish(committed)
    one.turn()
    queue.client().delete(queue.key_of(0))
    publish(committed)
    assert [one.turn(), one.turn()] == [0, 1]
    assert counts() == {("stored", ""): 2}


def test_a_new_stream_with_lower_numbers_is_written_whole(committed: Site) -> None:
    """Another Redis, whose clock is behind: its entries lie before the last one that was written."""
    publish(committed)
    Drain().turn()
    queue.client().delete(queue.key_of(0))
    again = batch(committed, event(), outcomes={"dropped": {"bot": 1}})
    queue.client().xadd(queue.key_of(0), queue.entries_of([again])[queue.key_of(0)], id="5-1")
    assert taken_over().turn() == 1
    assert counts() == {("stored", ""): 2, ("dropped", "bot"): 1}


def test_a_stream_lost_under_a_writer_begins_its_numbers_anew(committed: Site) -> None:
    publish(committed)
    Drain().turn()
    one = taken_over()
    one.turn()
    queue.client().delete(queue.key_of(0))
    again = batch(committed, outcomes={"dropped": {"bot": 1}})
    queue.client().xadd(queue.key_of(0), queue.entries_of([again])[queue.key_of(0)], id="5-1")
    one.turn()
    queue.fresh(0, 10, None)  # read, and not written before the next turn
    one.turn()
    assert counts() == {("stored", ""): 1, ("dropped", "bot"): 1}


@pytest.fixture
def running(committed: Site) -> Iterator[Drain]:
    """A writer in a thread, as `manage.py write_events` runs it."""
    one = Drain()
    thread = threading.Thread(target=with_own_connection, args=[one.run])
    thread.start()
    yield one
    one.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_it_outlives_its_connection_to_postgres(running: Drain, committed: Site) -> None:
    publish(committed)
    wait_for(lambda: stored() == 1)
    rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    publish(committed)
    wait_for(lambda: stored() == 2)
    wait_for(lambda: queue.backlog() == 0)
    assert counts() == {("stored", ""): 2}


def test_it_outlives_its_connection_to_redis(own_redis: redis.Redis, running: Drain, committed: Site) -> None:
    publish(committed)
    wait_for(lambda: stored() == 1)
    own_redis.client_kill_filter(_type="normal", skipme=True)
    publish(committed)
    wait_for(lambda: stored() == 2)
    assert counts() == {("stored", ""): 2}


def test_it_goes_on_soon_after_redis_is_back(running: Drain, committed: Site, no_redis: Silence) -> None:
    with no_redis():
        wait_for(lambda: running.failures > 2)
    back = time.monotonic()
    publish(committed)
    wait_for(lambda: stored() == 1)
    assert time.monotonic() - back < lease.SECONDS / 2


def test_it_waits_while_postgres_is_away(committed: Site) -> None:
    publish(committed)
    one = Drain()
    with no_postgres():
        for number in range(3):
            with pytest.raises(OperationalError) as refusal:
                one.turn()
            one._pause(refusal.value)
            assert one.failures == number + 1
    assert one.turn() == 1


def test_a_failure_without_words_is_one_too(committed: Site) -> None:
    one = Drain()
    one._pause(psycopg.OperationalError())
    assert one.failures == 1


def test_stopping_lets_another_writer_begin_at_once(running: Drain, committed: Site) -> None:
    publish(committed, event(id=uuid.uuid4()))
    wait_for(lambda: queue.backlog() == 0)
    running.stop()
    wait_for(lambda: lease.take(writer.connected(), 0) is not None)
