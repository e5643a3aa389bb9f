"""The stream, on a real Redis: what is published is there, and stays until it is acknowledged."""

import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from pytest_django import Settings

from ingest import queue
from ingest.event import Batch
from ingest.queue import Away, Entry
from tests.conftest import Silence
from tests.ingest.examples import event, waiting


def batch(*visitors: int, **fields: Any) -> Batch:
    events = [event(visitor_id=visitor) for visitor in visitors]
    return Batch(**{"site_id": 1, "received_at": time.time(), "events": events, **fields})


def names(entries: list[Entry]) -> list[int | None]:
    return [entry.batches[0].site_id if entry.batches else None for entry in entries]


def pending() -> list[Entry]:
    return [entry for entries in queue.pending(0, 10) for entry in entries]


def put(fields: dict[Any, Any], shard: int = 0) -> str:
    """An entry that no code of ours would write."""
    return redis_id(queue.client().xadd(queue.key_of(shard), fields))


def redis_id(id_: Any) -> str:
    return str(id_.decode())


def test_it_works() -> None:
    queue.ensure_group(0)
    sent = batch(7, 8, batch_id=uuid.uuid4(), outcomes={"dropped": {"bot": 2}})
    queue.publish(sent)
    (entry,) = queue.fresh(0, 10, None)
    assert entry.batches == [sent]
    assert queue.backlog() == 1
    queue.acknowledge(0, [entry.id])
    assert (queue.backlog(), pending()) == (0, [])


def test_an_event_survives_the_stream_whole() -> None:
    whole = event(
        session_id=-(2**63), is_timed=False, sent_ts=-1.5, hostname="a", path="/\ufffd", value=1e308, scroll=100,
        properties={"a": [1, None, {"b": 2**64 - 1}], "c": -(2**63)}, user_properties={"é": True},
    )  # fmt: skip
    queue.publish(Batch(site_id=1, received_at=0.0, events=[whole]))
    assert waiting()[0].events == [whole]


# --- Reading ----------------------------------------------------------------------------------------------


def test_entries_are_read_once_and_in_order() -> None:
    queue.ensure_group(0)
    for number in range(5):
        queue.publish(batch(7, site_id=number))
    assert names(queue.fresh(0, 3, None)) == [0, 1, 2]
    assert names(queue.fresh(0, 3, None)) == [3, 4]
    assert queue.fresh(0, 3, None) == []


def test_what_was_there_before_the_group_is_read() -> None:
    queue.publish(batch(7))
    queue.ensure_group(0)
    assert len(queue.fresh(0, 10, None)) == 1


def test_a_group_is_made_once() -> None:
    assert queue.ensure_group(0) is True
    assert queue.ensure_group(0) is False


def test_reading_waits_for_the_first_entry() -> None:
    queue.ensure_group(0)
    started = time.monotonic()
    assert queue.fresh(0, 10, 60) == []
    assert 0.05 <= time.monotonic() - started < 1


def test_without_a_group_redis_says_so() -> None:
    queue.publish(batch(7))
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        queue.fresh(0, 10, None)


def test_what_was_read_and_not_acknowledged_is_claimed_by_anyone() -> None:
    queue.ensure_group(0)
    queue.publish(batch(7))
    queue.publish(batch(8))
    queue.reader().xreadgroup(queue.GROUP, "another writer", {queue.key_of(0): ">"}, count=1)
    assert len(pending()) == 1
    assert len(queue.fresh(0, 10, None)) == 1
    assert len(pending()) == 2


def test_pending_entries_are_read_a_few_at_a_time() -> None:
    queue.ensure_group(0)
    for number in range(5):
        queue.publish(batch(7, site_id=number))
    queue.fresh(0, 10, None)
    assert [names(entries) for entries in queue.pending(0, 2)] == [[0, 1], [2, 3], [4]]


def test_pending_entries_may_be_acknowledged_meanwhile() -> None:
    queue.ensure_group(0)
    for number in range(5):
        queue.publish(batch(7, site_id=number))
    queue.fresh(0, 10, None)
    for entries in queue.pending(0, 2):
        queue.acknowledge(0, [entry.id for entry in entries])
    assert (queue.backlog(), pending()) == (0, [])


def test_deleted_entries_are_not_read_again() -> None:
    """Redis 6.2 hands them over as nothing."""
    queue.ensure_group(0)
    queue.publish(batch(7, site_id=1))
    queue.publish(batch(7, site_id=2))
    first, _ = queue.fresh(0, 10, None)
    queue.client().xdel(queue.key_of(0), first.id)
    assert names(pending()) == [2]


UNREADABLE = [
    {b"v": b"2", b"b": msgspec.msgpack.encode([])},
    {b"b": msgspec.msgpack.encode([])},
    {b"v": b"1", b"b": msgspec.msgpack.encode([{"site_id": 1, "received_at": 0.0, "events": "of another shape"}])},
    {b"v": b"1", b"b": b"\xc1"},
    {b"v": b"1", b"b": b""},
    {b"v": b"1", b"b": b"\x91\x81\xa7site_id\xa3\xed\xa0\x80"},
    {b"v": b"1", b"b": b"\x91\x81\xa3\xed\xa0\x80\x01"},
    {b"v": b"1"},
    {b"other": b"field"},
]


@pytest.mark.parametrize("fields", UNREADABLE)
def test_an_entry_that_this_code_cannot_read_is_none(fields: dict[Any, Any]) -> None:
    queue.ensure_group(0)
    id_ = put(fields)
    (entry,) = queue.fresh(0, 10, None)
    assert entry[:2] == (id_, None)
    # Of another version it is left for the code that can read it; of this one nobody can.
    assert entry.broken == (fields.get(b"b", b"") if fields.get(b"v") == queue.VERSION else None)


def test_fields_of_a_later_release_are_ignored() -> None:
    later = {"site_id": 1, "received_at": 0.0, "events": [], "weather": "sunny"}
    put({b"v": b"1", b"b": msgspec.msgpack.encode([later])})
    assert waiting() == [Batch(site_id=1, received_at=0.0, events=[])]


# --- Shards -----------------------------------------------------------------------------------------------


def test_a_visitor_has_one_shard(settings: Settings) -> None:
    settings.INGEST_SHARDS = 4
    sent = batch(*range(-10, 10), outcomes={"dropped": {"bot": 3}})
    queue.publish(sent)
    for shard in range(4):
        assert {event.visitor_id % 4 for batch in waiting(shard) for event in batch.events} == {shard}
    assert queue.backlog() == 4


def test_the_counts_of_a_batch_are_in_one_shard(settings: Settings) -> None:
    settings.INGEST_SHARDS = 4
    queue.publish(batch(*range(8), outcomes={"dropped": {"bot": 3}}))
    parts = [part for shard in range(4) for part in waiting(shard)]
    assert [part.outcomes for part in parts if part.outcomes] == [{"dropped": {"bot": 3}}]


def test_counts_without_events_are_published_too() -> None:
    queue.publish(batch(outcomes={"rejected": {"bad_id": 1}}))
    assert waiting()[0].outcomes == {"rejected": {"bad_id": 1}}


def test_a_batch_is_in_all_its_shards_or_in_none(settings: Settings) -> None:
    settings.INGEST_SHARDS = 2
    queue.client().set(queue.key_of(1), "no stream")
    with pytest.raises(Away):
        queue.publish(batch(0, 1))
    # Redis does not undo; what matters is that the sender is not told that all is well.
    queue.client().delete(queue.key_of(1))


# --- Without Redis ----------------------------------------------------------------------------------------


def test_a_redis_that_is_not_there_is_away(no_redis: Silence) -> None:
    with no_redis():
        started = time.monotonic()
        with pytest.raises(Away):
            queue.publish(batch(7))
        assert time.monotonic() - started < 0.5


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers, as a Redis that was stopped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_redis_that_does_not_answer_is_away(silent_port: int, settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_port}/0"
    queue.client.cache_clear()
    started = time.monotonic()
    with pytest.raises(Away):
        queue.publish(batch(7))
    assert time.monotonic() - started < 1


def test_a_full_redis_is_away_and_still_drained(own_redis: redis.Redis) -> None:
    queue.ensure_group(0)
    queue.publish(batch(7))
    own_redis.config_set("maxmemory", "1")
    with pytest.raises(Away):
        queue.publish(batch(7))
    (entry,) = queue.fresh(0, 10, None)
    queue.acknowledge(0, [entry.id])
    assert queue.backlog() == 0


def test_after_a_redis_that_hangs_nobody_waits_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_: redis.Redis) -> None:
        raise redis.TimeoutError("too slow")

    with pytest.raises(queue.Away):
        queue.ask(hang)
    with pytest.raises(queue.Away, match="a moment ago"):
        queue.ask(lambda of: of.ping())
    monkeypatch.setattr(queue.door(), "away_until", 0.0)
    assert queue.ask(lambda of: of.ping())


def test_a_stream_over_its_limit_takes_no_more(settings: Settings) -> None:
    queue.publish(batch(7))
    settings.INGEST_BACKLOG_BYTES = 1
    queue.door.cache_clear()
    with pytest.raises(queue.Away, match="INGEST_BACKLOG_BYTES"):
        queue.publish(batch(7))
