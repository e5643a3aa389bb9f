"""Token buckets: exact over all processes, cheap for almost every request, open when Redis is away."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from ingest import limits, pipeline, queue, sites, waiting
from ingest.drain import Drain
from ingest.limits import Limit, Memory, limit_of
from ingest.models import ApiKey, Site
from ingest.pipeline import Answer, collect
from tests.conftest import Silence, counts, no_postgres
from tests.ingest.examples import ADDRESS, arrival, document
from tests.ingest.examples import waiting as in_stream

# At a hundredth of an event a second nothing is refilled while a test runs, however slow the machine is.
SMALL = limit_of("site", 0.01, 32)  # too small for credit: every question goes to Redis
WIDE = limit_of("site", 0.01, 1600)  # a credit of ten


def asked(memory: Memory, limit: Limit, name: int, times: int, events: int = 1) -> int:
    """How many of so many requests pass."""
    return sum(memory.take(limit, name, events).is_allowed for _ in range(times))


def kept(limit: Limit, name: int = 1) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = queue.client().hgetall(limits.key_of(limit, name))  # type: ignore[assignment]
    return found


def back(limit: Limit, seconds: float, *memories: Memory, name: int = 1) -> None:
    """Lets SECONDS pass: for the bucket in Redis, and for what processes remember of it."""
    key = limits.key_of(limit, name)
    queue.client().hset(key, "at", str(float(kept(limit, name)[b"at"]) - seconds))
    for memory in memories:
        for known in memory._known.values():
            known.at -= seconds


def test_it_works() -> None:
    assert Memory().take(SMALL, 1, 2).is_allowed
    assert float(kept(SMALL)[b"left"]) == 30


def test_a_burst_passes_and_then_the_rate() -> None:
    memory = Memory()
    assert asked(memory, SMALL, 1, 40) == 32
    back(SMALL, 500, memory)
    assert asked(memory, SMALL, 1, 40) == 5


def test_a_bucket_fills_up_to_its_burst_and_no_further() -> None:
    memory = Memory()
    assert asked(memory, SMALL, 1, 40) == 32
    back(SMALL, 360_000, memory)
    assert asked(memory, SMALL, 1, 40) == 32


def test_a_request_passes_whole_or_not_at_all() -> None:
    memory = Memory()
    assert [memory.take(SMALL, 1, events).is_allowed for events in (30, 3, 2, 1)] == [True, False, True, False]


def test_buckets_are_apart() -> None:
    memory = Memory()
    assert asked(memory, SMALL, 1, 40) == asked(memory, SMALL, 2, 40) == 32
    assert asked(memory, SMALL._replace(whose="address"), 1, 40) == 32


def test_processes_share_a_bucket() -> None:
    one, other = Memory(), Memory()
    assert asked(one, SMALL, 1, 20) == 20
    assert asked(other, SMALL, 1, 20) == 12
    assert asked(one, SMALL, 1, 20) == 0


@given(st.lists(st.tuples(st.integers(0, limits.PROCESSES - 1), st.integers(1, 40)), min_size=200, max_size=400))
@settings(max_examples=15, deadline=None)
def test_all_processes_together_never_pass_more_than_the_burst(requests: list[tuple[int, int]]) -> None:
    queue.client().delete(limits.key_of(WIDE, 1))
    memories = [Memory() for _ in range(limits.PROCESSES)]
    passed = sum(events for which, events in requests if memories[which].take(WIDE, 1, events).is_allowed)
    assert min(sum(events for _, events in requests), WIDE.size - 40) <= passed <= WIDE.burst


def test_one_process_has_nine_tenths_of_the_burst_at_least() -> None:
    assert 1440 <= asked(Memory(), WIDE, 1, 2000) <= 1600


# --- Cost -------------------------------------------------------------------------------------------------


class Counted:
    """How often Redis was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, ask = 0, queue.ask

        def counting(work: Any) -> Any:
            self.times += 1
            return ask(work)

        monkeypatch.setattr(queue, "ask", counting)


def test_few_requests_ask_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    questions, memory = Counted(monkeypatch), Memory()
    assert asked(memory, WIDE, 1, 1100) == 1100
    assert questions.times == 100  # one in eleven: ten on credit, and the one that tells of them


def test_a_flood_asks_redis_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    asked(memory, SMALL, 1, 40)
    questions = Counted(monkeypatch)
    assert asked(memory, SMALL._replace(rate=0), 1, 500) == 0
    assert questions.times == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 5)
    memory = Memory()
    for name in (*range(8), 3):
        memory.take(WIDE, name, 1)
    assert [name for _, name in memory._known] == [4, 5, 6, 7, 3]


def test_a_bucket_is_forgotten_when_it_would_be_full() -> None:
    Memory().take(SMALL, 1, 10)
    assert 900_000 <= queue.client().pttl(limits.key_of(SMALL, 1)) <= 1_001_001


def test_many_threads_take_no_more_than_there_is() -> None:
    memory, passed = Memory(), []
    threads = [threading.Thread(target=lambda: passed.append(asked(memory, WIDE, 1, 400))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1440 <= sum(passed) <= 1600


# --- Redis away -------------------------------------------------------------------------------------------


def test_without_redis_everything_passes_and_the_log_says_so_once(
    no_redis: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    with no_redis(), caplog.at_level(logging.WARNING):
        assert asked(Memory(), SMALL, 1, 100) == 100
    assert [record.name for record in caplog.records] == ["ingest.limits"]
    assert "not limited" in caplog.text


def test_a_redis_that_takes_nothing_lets_everything_pass(own_redis: redis.Redis) -> None:
    own_redis.config_set("maxmemory", "1")
    assert asked(Memory(), SMALL, 1, 40) == 40
    assert "cannot be asked" in next(limits.shortcomings())


def test_a_redis_that_answers_has_no_shortcomings() -> None:
    assert list(limits.shortcomings()) == []


def test_a_redis_that_was_emptied_knows_the_script_again() -> None:
    asked(Memory(), SMALL, 1, 40)
    queue.client().script_flush()
    assert asked(Memory(), SMALL, 1, 40) == 0


def test_a_clock_that_was_set_back_pauses_the_refill() -> None:
    asked(Memory(), SMALL, 1, 40)
    back(SMALL, -3600)
    assert asked(Memory(), SMALL, 1, 40) == 0
    back(SMALL, 700)
    assert asked(Memory(), SMALL, 1, 40) == 7


def test_what_is_done_again_in_a_thread_is_taken_once() -> None:
    memory = Memory()

    def two_limits() -> None:
        memory.take(WIDE, 1, 3)
        memory.take(SMALL, 2, 1)  # without credit: Redis must be asked

    with pytest.raises(waiting.WouldWait):
        waiting.never(two_limits)
    two_limits()
    assert memory._known["site", 1].spent == 3


def test_what_the_loop_finishes_stays_taken() -> None:
    memory = Memory()
    waiting.never(lambda: memory.take(WIDE, 1, 3))
    with pytest.raises(waiting.WouldWait):
        waiting.never(lambda: memory.take(SMALL, 2, 1))
    assert memory._known["site", 1].spent == 3


# --- At the door ------------------------------------------------------------------------------------------


@pytest.fixture
def tight(settings: Settings) -> Settings:
    settings.INGEST_SITE_RATE, settings.INGEST_SITE_BURST = 0.01, 50
    settings.INGEST_ADDRESS_RATE, settings.INGEST_ADDRESS_BURST = 0.01, 20
    return settings


def answers(site: Site, times: int, events: int = 1, **request: Any) -> list[Answer]:
    sites.by_key(site.key)  # an unknown one would cost a token
    content = document(site, *[{"name": "pageview"}] * events)
    return [collect(arrival(content, **request)) for _ in range(times)]


def statuses(site: Site, times: int, **request: Any) -> list[int]:
    return [answer.status for answer in answers(site, times, **request)]


def test_an_address_that_sends_too_much_is_told_when_to_come_back(site: Site, tight: Settings) -> None:
    *_, answer = answers(site, 3, events=10)
    assert answer.status == 429
    assert b'"error":"rate_limited"' in answer.body
    assert 990 <= int(answer.headers["Retry-After"]) <= 1000
    assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("20", "0")
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_another_address_is_not_hurt(site: Site, tight: Settings) -> None:
    assert statuses(site, 22) == [202] * 20 + [429] * 2
    assert statuses(site, 5, address="198.51.100.4") == [202] * 5


def test_a_site_that_is_flooded_hurts_no_other(site: Site, tight: Settings) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    for number in range(60):
        status = statuses(site, 1, address=f"198.51.100.{number}")
        assert status == [202 if number < 50 else 429]
        if number % 5 == 0:
            assert statuses(other, 1, address=f"192.0.2.{number}") == [202]


def test_a_server_with_a_key_is_limited_by_its_site_alone(site: Site, tight: Settings) -> None:
    key = ApiKey.issue(site, "server", "write")[1]
    assert statuses(site, 55, server_key=key) == [202] * 50 + [429] * 5


def test_one_network_of_ipv6_is_one_sender(site: Site, tight: Settings) -> None:
    found = [statuses(site, 1, address=f"2001:db8::{number:x}")[0] for number in range(1, 23)]
    assert found == [202] * 20 + [429] * 2
    assert statuses(site, 1, address="2001:db8:0:1::1") == [202]


@pytest.mark.parametrize("address", ["", "unknown"])
def test_a_sender_without_an_address_is_limited_by_its_site_alone(site: Site, tight: Settings, address: str) -> None:
    assert statuses(site, 25, address=address) == [202] * 25


def test_no_rate_is_no_limit(site: Site, tight: Settings) -> None:
    tight.INGEST_SITE_RATE = tight.INGEST_ADDRESS_RATE = 0
    assert statuses(site, 60) == [202] * 60
    assert list(queue.client().scan_iter("footfall:limit:*")) == []


def test_malformed_events_cost_as_much(site: Site, tight: Settings) -> None:
    content = document(site, {"name": "pageview"}, *[{"name": ""}] * 15)
    assert [collect(arrival(content)).status for _ in range(2)] == [202, 429]


def test_the_address_is_in_no_key(site: Site, tight: Settings) -> None:
    statuses(site, 2)
    (key,) = queue.client().scan_iter("footfall:limit:address:*")
    assert ADDRESS.encode() not in key


def test_an_address_has_another_number_each_day(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=1)

    today = limits._number_of(ADDRESS)
    assert today == limits._number_of(ADDRESS)
    monkeypatch.setattr(limits, "datetime", Tomorrow)
    assert limits._number_of(ADDRESS) not in (today, None)


def test_without_the_days_salt_no_address_is_limited(committed: Site, tight: Settings) -> None:
    with no_postgres():
        limits.check(committed.pk, ADDRESS, 20)
        limits.check(committed.pk, ADDRESS, 20)


# --- What was refused is counted --------------------------------------------------------------------------


def refused_events() -> list[dict[str, dict[str, int]]]:
    return [batch.outcomes for batch in in_stream() if not batch.events]


def test_refused_events_are_counted_in_one_entry(site: Site, tight: Settings) -> None:
    answers(site, 12, events=10)
    assert refused_events() == []
    pipeline.too_many().hand_on()
    assert refused_events() == [{"dropped": {"rate_limited": 100}}]


def test_they_are_in_the_ledger_of_their_site(committed: Site, tight: Settings) -> None:
    answers(committed, 3, events=10)
    pipeline.too_many().hand_on()
    Drain().turn()
    assert counts() == {("stored", ""): 20, ("dropped", "rate_limited"): 10}
