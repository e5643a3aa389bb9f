"""The stream between the door and the writer: Redis streams, one per shard, read by one consumer group.

Never MAXLEN (it trims entries that nobody has read), the group begins at 0 (never `$`), and entries are
deleted when acknowledged, so that the length of a stream is its backlog. Entries carry a version: one that
this code does not know is left pending for the code that does.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec
import redis
from django.conf import settings

from ingest import waiting
from ingest.event import Batch, apart
from ingest.seldom import Seldom

GROUP, CONSUMER = "writer", "writer"
# An entry holds the batches of one or more requests; `VERSION` changes when old code could not read them.
VERSION_FIELD, VERSION, FIELD = b"v", b"1", b"b"
T = TypeVar("T")
Fields = dict[Any, Any]  # bytes by bytes; the driver's own type is wider
BREAK_SECONDS = 1.0
TIMEOUT_SECONDS = 0.25  # at the door; a slower Redis counts as away

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Batch]).decode
_decode_one = msgspec.msgpack.Decoder(Batch).decode


class Away(Exception):  # noqa: N818
    """Redis did not take the batch (not reachable, too slow, full, read-only, its disk full)."""


class Entry(NamedTuple):
    id: str
    batches: list[Batch] | None  # None: not readable by this code
    size: int = 0  # bytes in the stream
    broken: bytes | None = None  # what says it is of this version and cannot be read: by no other code either

    @property
    def events(self) -> int:
        return sum(len(batch.events) for batch in self.batches or ())


class Door:
    """What the door remembers of Redis: that it is away for a moment, how long the stream is."""

    def __init__(self) -> None:
        self.away_until = 0.0
        self.look = Seldom(1.0)  # how many bytes the streams take is asked so often, as Redis estimates them
        self.waiting_bytes = 0


@functools.cache
def door() -> Door:
    return Door()


def ask(work: Callable[[redis.Redis], T]) -> T:
    """WORK's answer. After one that did not come in time nobody asks for a second: each asker would wait as
    long, and all threads with them. Raises Away."""
    waiting.check()
    check_breaker()
    try:
        return work(client())
    except redis.RedisError as error:
        raise away(error) from error


def check_breaker() -> None:
    """Raises Away for a moment after an answer that did not come."""
    if time.monotonic() < door().away_until:
        raise Away("it did not answer a moment ago")


def away(error: redis.RedisError) -> Away:
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        door().away_until = time.monotonic() + BREAK_SECONDS
    return Away(str(error))


@functools.cache
def client() -> redis.Redis:
    """One pool a process. A short limit, since a request waits for it, and no retries: there is another road."""
    return redis.Redis.from_url(
        url(), socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=None
    )


@functools.cache
def reader() -> redis.Redis:
    """The writer's own connection: it waits for entries, so its limit is longer than its wait. No retries: when
    an answer is lost the entries in it were read, and what was read must be claimed before anything new."""
    return redis.Redis.from_url(url(), socket_timeout=10, socket_connect_timeout=5, retry=None)


def url() -> str:
    """Of the stream's Redis. Raises redis.ConnectionError when there is none."""
    if not settings.REDIS_URL:
        raise redis.ConnectionError("Redis is not running. Start it with bin/up, or set REDIS_URL.")
    return settings.REDIS_URL


def key_of(shard: int) -> str:
    """The braces let a Redis cluster keep a shard's keys together."""
    return f"footfall:{{{shard}}}:events"


def shard_of(visitor_id: int) -> int:
    return visitor_id % settings.INGEST_SHARDS


def publish(batch: Batch) -> None:
    """Returns when Redis has the whole batch. Raises Away when it may not have; a repeat is harmless."""
    if door().look.is_time():
        door().waiting_bytes = ask(_waiting_bytes)
    check_room()
    ask(functools.partial(_add, entries_of([batch])))


def _add(entries: dict[str, Fields], to: redis.Redis) -> None:
    if len(entries) == 1:
        for key, fields in entries.items():
            to.xadd(key, fields)
        return
    with to.pipeline(transaction=True) as pipe:
        for key, fields in entries.items():
            pipe.xadd(key, fields)
        pipe.execute()


def entries_of(batches: list[Batch]) -> dict[str, Fields]:
    """By stream: the fields of the one entry that carries all of BATCHES that belong there."""
    parts: dict[int, list[bytes]] = {}
    for batch in batches:
        for shard, part in split(batch):
            parts.setdefault(shard, []).append(_encode(part))
    return {key_of(shard): {VERSION_FIELD: VERSION, FIELD: _listed(encoded)} for shard, encoded in parts.items()}


def _listed(encoded: list[bytes]) -> bytes:
    """A msgpack array (its 16-bit form) of what is encoded already."""
    return b"".join([b"\xdc", len(encoded).to_bytes(2, "big"), *encoded])


def size_of(batch: Batch) -> int:
    """In bytes, as it is encoded."""
    return len(_encode(batch))


def stream_keys() -> list[str]:
    return [key_of(shard) for shard in range(settings.INGEST_SHARDS)]


def _waiting_bytes(of: redis.Redis) -> int:
    return sum(int(of.memory_usage(key) or 0) for key in stream_keys())


def check_room() -> None:
    """Raises Away when the backlog is over its limit."""
    if door().waiting_bytes > settings.INGEST_BACKLOG_BYTES:
        raise Away(f"{door().waiting_bytes:,} bytes wait, over INGEST_BACKLOG_BYTES")


def split(batch: Batch) -> Iterator[tuple[int, Batch]]:
    """The batch by shard of its visitors; its counts go with the first part."""
    if settings.INGEST_SHARDS == 1:
        yield 0, batch
        return
    by_shard: dict[int, list[Any]] = {}
    for event in batch.events:
        by_shard.setdefault(shard_of(event.visitor_id), []).append(event)
    for shard, events in by_shard.items() or [(0, [])]:
        yield shard, msgspec.structs.replace(batch, events=events)
        batch = apart(batch)


def ensure_group(shard: int) -> bool:
    """Whether the group had to be made: the stream is new, or Redis has lost it."""
    try:
        reader().xgroup_create(key_of(shard), GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
        return False
    return True


def pending(shard: int, count: int) -> Iterator[list[Entry]]:
    """Entries that were read and not acknowledged, oldest first, taken over from whoever read them; at most
    COUNT at a time."""
    start: Any = "0-0"
    while start:
        start, claimed, *_ = reader().xautoclaim(
            key_of(shard), GROUP, CONSUMER, min_idle_time=0, start_id=start, count=count
        )
        yield [_entry(id_, fields) for id_, fields in claimed if fields]
        if not all(fields for _, fields in claimed):
            _forget_deleted(shard, count)
        start = None if start == b"0-0" else start


def _forget_deleted(shard: int, count: int) -> None:
    """Redis 6.2 keeps the numbers of entries that a writer deleted and did not live to acknowledge, and hands
    them over without a name; later ones forget them by themselves."""
    rows: Any = reader().xpending_range(key_of(shard), GROUP, "-", "+", count)
    ids = [row["message_id"] for row in rows]
    gone = [id_ for id_ in ids if not reader().xrange(key_of(shard), id_, id_)]
    if gone:
        reader().xack(key_of(shard), GROUP, *gone)


def fresh(shard: int, count: int, wait_ms: int | None) -> list[Entry]:
    """Entries nobody has read, oldest first; waits up to WAIT_MS for the first (None: not at all)."""
    answer = reader().xreadgroup(GROUP, CONSUMER, {key_of(shard): ">"}, count=count, block=wait_ms)
    return [_entry(id_, fields) for _, entries in _streams(answer) for id_, fields in entries]


def _streams(answer: Any) -> list[tuple[Any, Any]]:
    if isinstance(answer, dict):  # RESP3
        return [(name, entries[0] if entries and isinstance(entries[0], list) else entries)
                for name, entries in answer.items()]  # fmt: skip
    return answer or []


def _entry(id_: bytes, fields: dict[bytes, bytes]) -> Entry:
    if VERSION_FIELD not in fields:
        return _first_form(id_, fields.get(FIELD, b""))
    if fields.get(VERSION_FIELD) != VERSION:
        return Entry(id_.decode(), None)
    try:
        return Entry(id_.decode(), _decode(fields[FIELD]), len(fields[FIELD]))
    except (KeyError, ValueError, msgspec.MsgspecError):  # ValueError: text that is no UTF-8
        return Entry(id_.decode(), None, broken=fields.get(FIELD, b""))


def _first_form(id_: bytes, content: bytes) -> Entry:
    """Of before entries had a version: one batch. Such may still wait when this code takes over."""
    try:
        return Entry(id_.decode(), [_decode_one(content)], len(content))
    except (ValueError, msgspec.MsgspecError):
        return Entry(id_.decode(), None)


def acknowledge(shard: int, ids: list[str]) -> None:
    """Forgets entries that are in the tables.

    No transaction: a full Redis refuses every command inside one, and would never be emptied. Deleted first:
    one that is deleted only keeps its number for a while, one that is acknowledged only would stay for ever.
    """
    with reader().pipeline(transaction=False) as pipe:
        pipe.xdel(key_of(shard), *ids)
        pipe.xack(key_of(shard), GROUP, *ids)
        pipe.execute()


def backlog() -> int:
    """Entries that wait or are being written, over all shards."""
    return sum(int(client().xlen(key_of(shard))) for shard in range(settings.INGEST_SHARDS))
