"""The lane on a real Redis: answers as `collect` does, many requests in one entry, and no waiting in the loop."""

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import redis
from django.db import connection
from django.db.models import Q
from pytest_django import Settings

from ingest import lane, pipeline, queue, sites, waiting
from ingest.enrich import visitor
from ingest.event import Batch
from ingest.formats import native
from ingest.lane import Lane
from ingest.models import Site
from ingest.pipeline import Answer
from ingest.steps import Arrival
from tests.conftest import Silence, counts, no_postgres
from tests.ingest.examples import arrival
from tests.ingest.examples import waiting as in_stream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads
        threads.submit(lambda: connection.close()).result()


def run(pool: ThreadPoolExecutor, work: Callable[[Lane], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        one = Lane(pool)
        try:
            return await work(one)
        finally:
            await one.close()

    # In a thread of its own: in this one the tests in a browser may have left a loop.
    with ThreadPoolExecutor(1) as loop:
        return loop.submit(asyncio.run, inside()).result()


def collected(pool: ThreadPoolExecutor, asked: Arrival) -> Answer:
    answer: Answer = run(pool, lambda one: one.collect(asked, native.parse))
    return answer


def sent(site: Site, *names: str, **fields: Any) -> dict[str, Any]:
    return {"site": site.key, "events": [{"name": name, "visitor_id": "v-1"} for name in names or ("a",)], **fields}


def warm(site: Site) -> None:
    """What the loop must know in order to answer by itself."""
    sites.by_key(site.key)
    visitor.salt_of(datetime.now(UTC).date())


def told(answer: Answer) -> tuple[int, Any]:
    return answer.status, msgspec.json.decode(answer.body)


def test_it_works(committed: Site, pool: ThreadPoolExecutor) -> None:
    answer = collected(pool, arrival(sent(committed)))
    assert told(answer) == (202, {"accepted": 1, "rejected": [], "dropped": []})
    assert [event.name for batch in in_stream() for event in batch.events] == ["a"]


def test_it_answers_as_collect_does(committed: Site, pool: ThreadPoolExecutor) -> None:
    mixed = {"site": committed.key, "events": [{"name": "a"}, {"name": ""}, 7]}
    documents: list[Any] = [mixed, {"site": "nobody", "events": [{"name": "a"}]}, {"events": []}, [1]]
    for asked in map(arrival, documents):
        assert collected(pool, asked) == pipeline.collect(asked)


def test_requests_that_come_together_make_one_entry(committed: Site, pool: ThreadPoolExecutor) -> None:
    warm(committed)

    async def many(one: Lane) -> list[Answer]:
        asked = [one.collect(arrival(sent(committed, str(number))), native.parse) for number in range(50)]
        return await asyncio.gather(*asked)

    assert {answer.status for answer in run(pool, many)} == {202}
    assert len(in_stream()) == 50
    assert queue.backlog() <= 3
    assert {event.name for batch in in_stream() for event in batch.events} == {str(number) for number in range(50)}


def test_a_group_is_bounded(committed: Site, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "GROUP_BATCHES", 2)
    warm(committed)

    async def five(one: Lane) -> None:
        await asyncio.gather(*(one.collect(arrival(sent(committed)), native.parse) for _ in range(5)))

    run(pool, five)
    assert len(in_stream()) == 5
    assert queue.backlog() == 3


def test_batches_of_several_shards_are_kept_whole(
    committed: Site, pool: ThreadPoolExecutor, settings: Settings
) -> None:
    settings.INGEST_SHARDS = 4
    document = {"site": committed.key, "events": [{"name": "a", "visitor_id": f"v{number}"} for number in range(20)]}
    collected(pool, arrival(document))
    assert sum(len(batch.events) for shard in range(4) for batch in in_stream(shard)) == 20


def may_wait() -> bool:
    return not getattr(waiting._here, "is_forbidden", False)


@pytest.fixture
def waits_of_queries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each time that a site was asked for in the database, whether the thread may wait."""
    found: list[bool] = []
    ask = sites._found

    def noted(where: Q) -> sites.KnownSite | None:
        found.append(may_wait())
        return ask(where)

    monkeypatch.setattr(sites, "_found", noted)
    return found


def test_what_is_not_in_memory_is_asked_for_in_a_thread(
    committed: Site, pool: ThreadPoolExecutor, waits_of_queries: list[bool]
) -> None:
    answer = collected(pool, arrival(sent(committed)))
    assert answer.status == 202
    assert waits_of_queries
    assert all(waits_of_queries)


def test_a_sender_without_an_id_needs_the_salt_which_is_asked_for_in_a_thread(
    committed: Site, pool: ThreadPoolExecutor
) -> None:
    warm(committed)
    visitor._salts.clear()
    document = {"site": committed.key, "events": [{"name": "a"}]}
    assert collected(pool, arrival(document)).status == 202


def test_nothing_waits_inside_of_never(committed: Site) -> None:
    with pytest.raises(waiting.WouldWait):
        waiting.never(lambda: sites.by_key(committed.key))
    with pytest.raises(waiting.WouldWait):
        waiting.never(lambda: queue.ask(lambda redis: redis.ping()))
    assert sites.by_key(committed.key) is not None


def test_a_large_or_packed_body_is_read_in_a_thread(
    committed: Site, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(committed)
    waits: list[bool] = []
    examine = pipeline.examine

    def noted(asked: Arrival, parse: lane.Parse) -> pipeline.Result:
        waits.append(may_wait())
        return examine(asked, parse)

    monkeypatch.setattr(pipeline, "examine", noted)
    small, large = json.dumps(sent(committed)).encode(), json.dumps(sent(committed, *["a"] * 500)).encode()
    for content in (small, large, gzip.compress(small)):
        assert collected(pool, arrival(content)).status == 202
    assert waits == [False, True, True]


def test_a_packed_body_takes_its_true_room_in_a_group(
    committed: Site, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(committed)
    sizes: list[int] = []
    keep = Lane._keep

    async def noted(one: Lane, batch: Batch, size: int) -> None:
        sizes.append(size)
        await keep(one, batch, size)

    monkeypatch.setattr(Lane, "_keep", noted)
    packed = gzip.compress(json.dumps(sent(committed, "a" * 100, "b" * 100)).encode())
    assert collected(pool, arrival(packed)).status == 202
    assert sizes == [queue.size_of(batch) for batch in in_stream()]


def test_without_redis_the_events_go_to_the_tables(
    committed: Site, pool: ThreadPoolExecutor, no_redis: Silence
) -> None:
    with no_redis():
        answer = collected(pool, arrival(sent(committed)))
    assert answer.status == 202
    assert counts() == {("stored", ""): 1}


def test_where_no_redis_is_set_the_events_go_to_the_tables(
    committed: Site, pool: ThreadPoolExecutor, settings: Settings
) -> None:
    warm(committed)
    settings.REDIS_URL = ""
    queue.client.cache_clear()
    assert collected(pool, arrival(sent(committed))).status == 202
    assert counts() == {("stored", ""): 1}


def test_without_both_the_sender_keeps_them(committed: Site, no_redis: Silence) -> None:
    warm(committed)

    class Here(ThreadPoolExecutor):
        """Its threads cannot reach PostgreSQL either."""

        def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Any:
            def inside() -> Any:
                with no_postgres():
                    return work(*args, **kwargs)

            return super().submit(inside)

    with no_redis(), Here(1) as threads:
        answer = run(threads, lambda one: one.collect(arrival(sent(committed)), native.parse))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def test_a_full_backlog_is_not_made_longer(committed: Site, pool: ThreadPoolExecutor, settings: Settings) -> None:
    collected(pool, arrival(sent(committed)))
    settings.INGEST_BACKLOG_BYTES = 1
    queue.door().look.forget()
    assert collected(pool, arrival(sent(committed))).status == 202
    assert (queue.backlog(), counts()) == (1, {("stored", ""): 1})


def test_a_slow_redis_is_given_up_for_a_moment(
    own_redis: redis.Redis, committed: Site, pool: ThreadPoolExecutor
) -> None:
    warm(committed)
    own_redis.client_pause(2_000, all=True)
    started = time.monotonic()
    try:
        assert collected(pool, arrival(sent(committed))).status == 202
        assert queue.door().away_until > started
    finally:
        time.sleep(max(0.0, started + 2.1 - time.monotonic()))
    assert counts() == {("stored", ""): 1}


def test_a_fault_of_ours_is_told_to_all_that_wait(
    committed: Site, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(committed)

    def broken(batches: object) -> None:
        raise LookupError

    monkeypatch.setattr(queue, "entries_of", broken)

    async def two(one: Lane) -> list[Any]:
        asked = [one.collect(arrival(sent(committed)), native.parse) for _ in range(2)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(result) for result in run(pool, two)] == [LookupError, LookupError]


def test_no_more_wait_for_a_thread_than_can_be_answered(
    committed: Site, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MOST_IN_THREADS", 0)
    answer = collected(pool, arrival(sent(committed)))  # its site is not in memory
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    warm(committed)
    assert collected(pool, arrival(sent(committed))).status == 202
