"""Two writers of one stream: one at a time writes a shard, and what the other has read is not lost."""

import threading

import pytest
from pytest_django import Settings

from ingest import lease, queue
from ingest.drain import Drain
from ingest.models import Shard, Site
from tests.conftest import counts, rows
from tests.ingest.examples import event
from tests.ingest.writers import one_round, publish, stored, taken_over, wait_for, with_own_connection

pytestmark = pytest.mark.usefixtures("quick_turns")


def test_a_second_writer_waits(committed: Site) -> None:
    first, second = Drain(), Drain()
    first.turn()
    publish(committed)
    assert second.turn() == 0
    assert first.turn() == 1


def test_a_writer_that_lost_its_shard_cannot_commit(committed: Site) -> None:
    first = Drain()
    first.turn()
    second = taken_over()
    second.turn()
    publish(committed)
    with pytest.raises(lease.Lost):
        first.turn()
    assert (stored(), counts()) == (0, {})


def test_what_it_read_in_passing_is_written_by_the_owner(committed: Site) -> None:
    first = Drain()
    first.turn()
    second = taken_over()
    second.turn()
    publish(committed)
    with pytest.raises(lease.Lost):
        first.turn()
    assert second.turn() == 1


def test_what_it_read_in_passing_survives_the_owner(committed: Site) -> None:
    """The owner goes on past the entry that it never saw, and ends. Its successor must not take "all up to
    here is written" at its word."""
    first = Drain()
    first.turn()
    second = taken_over()
    second.turn()
    publish(committed)
    assert queue.fresh(0, 10, None)  # by `first`, paused in the middle of its turn
    publish(committed)
    second._write(second.leases[0], queue.fresh(0, 10, None))
    assert taken_over().turn() == 1
    assert (stored(), counts()) == (2, {("stored", ""): 2})


def test_a_writer_that_lost_its_shard_goes_on_with_others(committed: Site, settings: Settings) -> None:
    settings.INGEST_SHARDS = 2
    first = Drain()
    first.turn()
    Shard.objects.filter(shard=0).update(until="2026-11-20T10:00:00Z", epoch=99, owner="another")
    publish(committed, event(visitor_id=0), event(visitor_id=1))
    one_round(first)
    assert stored() == 2


def test_two_writers_at_once_store_each_event_once(committed: Site, settings: Settings) -> None:
    settings.INGEST_SHARDS = 4
    sent = [publish(committed, *[event(visitor_id=n) for n in range(4)]) for _ in range(25)]
    writers = [Drain(), Drain()]
    threads = [threading.Thread(target=with_own_connection, args=[one.run]) for one in writers]
    for thread in threads:
        thread.start()
    wait_for(lambda: queue.backlog() == 0)
    for one in writers:
        one.stop()
    for thread in threads:
        thread.join()
    assert sum(one.stored for one in writers) == stored() == 100
    assert {id_ for (id_,) in rows("SELECT id FROM ingest_event")} == {e.id for b in sent for e in b.events}
    assert counts() == {("stored", ""): 100}
