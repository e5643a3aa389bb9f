"""`collect` for an event loop: the same answers, for many requests at once with the work of few.

What memory can answer is done in the loop; a request that needs a database to be understood, or is large, goes to
a thread. Batches that come while others are on their way to Redis go together as one entry.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple, TypeVar

import redis
import redis.asyncio
from django.db import close_old_connections

from ingest import body, pipeline, queue, waiting
from ingest.event import Batch
from ingest.formats import Envelope
from ingest.pipeline import Answer, Result
from ingest.refusal import Refused
from ingest.steps import Arrival

SMALL_BYTES = 16 << 10  # a larger body keeps the loop from the others for milliseconds
MOST_IN_THREADS = 200  # waiting for a thread, or in one
GROUP_BATCHES, GROUP_BYTES = 500, 1 << 20  # of one entry
Parse = Callable[[Any, float], Envelope]
T = TypeVar("T")


class Lane:
    """For one event loop. POOL does what has to wait."""

    def __init__(self, pool: Executor) -> None:
        self.pool = pool
        self.publisher = Publisher()
        self.in_threads = 0

    async def collect(self, arrival: Arrival, parse: Parse) -> Answer:
        """As `pipeline.collect`."""
        try:
            result = await self._examine(arrival, parse)
            await self._keep(result.batch, _size(arrival, result.batch))
        except Refused as refusal:
            return pipeline.refused(refusal)
        return pipeline.accepted(result)

    async def close(self) -> None:
        await self.publisher.close()

    async def _examine(self, arrival: Arrival, parse: Parse) -> Result:
        work = functools.partial(pipeline.examine, arrival, parse)
        if _is_small(arrival):
            try:
                return waiting.never(work)
            except waiting.WouldWait:
                pass
        return await self._in_thread(work)

    async def _keep(self, batch: Batch, size: int) -> None:
        if pipeline.is_empty(batch):
            return
        try:
            await self.publisher.publish(batch, size)
        except queue.Away as error:
            await self._in_thread(functools.partial(pipeline.keep_directly, batch, error))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Raises Refused (503) when too many wait already: those that come now would wait for longer than a sender."""
        if self.in_threads >= MOST_IN_THREADS:
            raise pipeline.away()
        self.in_threads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, _with_connection, work)
        finally:
            self.in_threads -= 1


def _is_packed(arrival: Arrival) -> bool:
    return arrival.body.startswith(body.GZIP)


def _is_small(arrival: Arrival) -> bool:
    """A packed body is a thousand times as large as it looks, if its sender wants."""
    return len(arrival.body) <= SMALL_BYTES and not _is_packed(arrival)


def _size(arrival: Arrival, batch: Batch) -> int:
    """About how many bytes the batch takes in the stream."""
    return queue.size_of(batch) if _is_packed(arrival) else len(arrival.body)


def _with_connection(work: Callable[[], T]) -> T:
    close_old_connections()  # one that the server has ended is not asked again
    return work()


class _Waiting(NamedTuple):
    batch: Batch
    size: int  # about how many bytes it takes in the stream
    done: asyncio.Future[None]


class Publisher:
    """`queue.publish` in groups: one that is on its way gathers the next."""

    def __init__(self) -> None:
        self.waiting: list[_Waiting] = []
        self.sending: asyncio.Task[None] | None = None
        self._client: redis.asyncio.Redis | None = None

    async def publish(self, batch: Batch, size: int) -> None:
        """Returns when Redis has the batch. Raises Away when it may not have."""
        queue.check_breaker()
        one = _Waiting(batch, size, asyncio.get_running_loop().create_future())
        self.waiting.append(one)
        if self.sending is None:
            self.sending = asyncio.create_task(self._send_all())
        await one.done

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send_all(self) -> None:
        try:
            while self.waiting:
                await self._send(self._next_group())
        finally:
            self.sending = None

    def _next_group(self) -> list[_Waiting]:
        size, count = 0, 0
        for one in self.waiting[:GROUP_BATCHES]:
            size += one.size
            if count and size > GROUP_BYTES:
                break
            count += 1
        group, self.waiting = self.waiting[:count], self.waiting[count:]
        return group

    async def _send(self, group: list[_Waiting]) -> None:
        error: Exception | None = None
        try:
            await self._publish([one.batch for one in group])
        except redis.RedisError as refusal:
            error = queue.away(refusal)
        except Exception as fault:  # told to whoever waits, or they would wait for ever
            error = fault
        for one in group:
            if one.done.done():  # its sender has left
                continue
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)

    async def _publish(self, batches: list[Batch]) -> None:
        queue.check_breaker()
        client = self._connected()
        if queue.door().look.is_time():
            sizes = [await client.memory_usage(key) for key in queue.stream_keys()]
            queue.door().waiting_bytes = sum(int(size or 0) for size in sizes)
        queue.check_room()
        entries = queue.entries_of(batches)
        if len(entries) == 1:
            for key, fields in entries.items():
                await client.xadd(key, fields)
            return
        async with client.pipeline(transaction=True) as pipe:
            for key, fields in entries.items():
                pipe.xadd(key, fields)
            await pipe.execute()

    def _connected(self) -> redis.asyncio.Redis:
        if self._client is None:
            self._client = redis.asyncio.Redis.from_url(
                queue.url(),
                socket_timeout=queue.TIMEOUT_SECONDS,
                socket_connect_timeout=queue.TIMEOUT_SECONDS,
                retry=None,
            )
        return self._client
