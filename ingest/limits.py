"""How many events a site and an address may send: token buckets in Redis, shared by all web processes.

Most requests ask nobody. A process lets a few events of each bucket pass on its own account, its *credit*, and
tells Redis of them with the next question; it also remembers what Redis last said, and refuses by that. The
bucket in Redis is smaller by the credit of PROCESSES processes, so that together they cannot pass more than the
burst and then the rate. With fewer processes the burst is up to a tenth smaller; the rate is exact. Each process
beyond PROCESSES adds one credit to the burst, once.

When Redis cannot be asked everything passes, and the log says so once a minute.
"""

import functools
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import DatabaseError

from ingest import addresses, queue, waiting
from ingest.enrich import visitor
from ingest.hashing import digest
from ingest.refusal import Refused
from ingest.seldom import Seldom

log = logging.getLogger(__name__)
PROCESSES = 16
CREDIT_SHARE = 0.1  # of the burst, for all processes together
MOST = 20_000  # buckets that a process remembers; one that is forgotten has its credit again
ALARM_SECONDS = 60.0

# KEYS: the bucket. ARGV: tokens a second, its size, tokens spent on credit, tokens asked for. Answers whether they
# were there, and how many are left: below nothing after credit that was spent and not there. The clock is Redis' own,
# since those of the web servers may differ; one that was set back only pauses the refill.
SCRIPT = """
local rate, size, spent, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = size
if kept[1] then left = math.min(size, kept[1] + math.max(0, now - kept[2]) * rate) end
left = left - spent
local allowed = left >= asked
if allowed then left = left - asked end
redis.call('HSET', KEYS[1], 'left', left, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((size - left) / rate * 1000) + 1000)
return {allowed and 1 or 0, tostring(left)}
"""


class Limit(NamedTuple):
    """RATE events a second, and BURST at once after a pause."""

    whose: str  # "site" or "address"
    rate: float
    burst: int
    credit: int  # events that one process may let pass before it asks
    size: int  # of the bucket in Redis


@functools.cache
def limit_of(whose: str, rate: float, burst: int) -> Limit:
    credit = int(burst * CREDIT_SHARE / PROCESSES)
    return Limit(whose, rate, burst, credit, size=burst - PROCESSES * credit)


class Verdict(NamedTuple):
    is_allowed: bool
    left: float  # events that may follow at once


class Known:
    """What a process remembers of one bucket: never less than is in it, since others only take from it."""

    __slots__ = ("at", "left", "spent")

    def __init__(self, left: float, at: float) -> None:
        self.left, self.at = left, at  # as of AT, by time.monotonic()
        self.spent = 0  # on credit, and not told to Redis yet


class Memory:
    """The buckets that one process has to do with. For many threads; Redis is asked outside the lock."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Known] = OrderedDict()
        self._lock = threading.Lock()
        self._alarm = Seldom(ALARM_SECONDS)

    def take(self, limit: Limit, name: int, events: int) -> Verdict:
        """Takes EVENTS tokens out of the bucket NAME, or none."""
        verdict, spent = self._glance(limit, name, events)
        if verdict is not None:
            return verdict
        try:
            verdict = queue.ask(functools.partial(_ask, limit, name, spent, events))
        except queue.Away as error:
            if self._alarm.is_time():
                log.warning("Rates are not limited, Redis cannot be asked: %s", error)
            return Verdict(True, limit.size)
        with self._lock:
            known = self._recall(limit, name)
            known.left, known.at = verdict.left, time.monotonic()
        return verdict

    def _glance(self, limit: Limit, name: int, events: int) -> tuple[Verdict | None, int]:
        """What can be said without Redis, or None and the credit to tell it of."""
        with self._lock:
            known, now = self._recall(limit, name), time.monotonic()
            known.left, known.at = min(limit.size, known.left + (now - known.at) * limit.rate), now
            left = known.left - known.spent
            if left < events:
                return Verdict(False, left), 0
            if known.spent + events <= limit.credit:
                known.spent += events
                waiting.note(functools.partial(self._give_back, known, events))
                return Verdict(True, left - events), 0
            waiting.check()
            spent, known.spent = known.spent, 0
            return None, spent

    def _give_back(self, known: Known, events: int) -> None:
        with self._lock:
            # What Redis was told of meanwhile is not taken back: less than one credit, once.
            known.spent = max(0, known.spent - events)

    def _recall(self, limit: Limit, name: int) -> Known:
        key = limit.whose, name
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Known(limit.size, time.monotonic())
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return known


def _ask(limit: Limit, name: int, spent: int, asked: int, to: redis.Redis) -> Verdict:
    script = to.register_script(SCRIPT)  # EVALSHA; sent whole to a Redis that does not know it
    allowed, left = script(keys=[key_of(limit, name)], args=[limit.rate, limit.size, spent, asked])
    return Verdict(bool(allowed), float(left))


def key_of(limit: Limit, name: int) -> str:
    return f"footfall:limit:{limit.whose}:{name}"


@functools.cache
def memory() -> Memory:
    return Memory()


def check(site_id: int, address: str | None, events: int) -> None:
    """Raises Refused (429) when SITE_ID or ADDRESS has sent too much. ADDRESS is None for servers with a key.

    The address comes first: what it sends too much is not taken from its site.
    """
    if address:
        check_address(address, events)
    if settings.INGEST_SITE_RATE:
        _check(limit_of("site", settings.INGEST_SITE_RATE, settings.INGEST_SITE_BURST), site_id, events)


def check_address(address: str, events: int) -> None:
    """Raises Refused (429) when ADDRESS has sent too much."""
    sender = settings.INGEST_ADDRESS_RATE and _number_of(address)
    if sender:
        _check(limit_of("address", settings.INGEST_ADDRESS_RATE, settings.INGEST_ADDRESS_BURST), sender, events)


def _number_of(address: str) -> int | None:
    """The keyed hash of an address (of IPv6 its /64, which one sender has to itself), another one each day. None when
    it is no address, or the day's salt cannot be read."""
    found = addresses.packed(address)
    if found is None:
        return None
    try:
        return digest(visitor.salt_of(datetime.now(UTC).date()), f"limit\0{found[:8].hex()}")
    except DatabaseError:
        return None


def _check(limit: Limit, name: int, events: int) -> None:
    verdict = memory().take(limit, name, events)
    if verdict.is_allowed:
        return
    seconds = max(1, math.ceil((events - verdict.left) / limit.rate))
    raise Refused(
        429,
        "rate_limited",
        f"This {limit.whose} has sent over {limit.rate:,} events a second. Send them again in {seconds} s.",
        {
            "Retry-After": str(seconds),
            "RateLimit-Limit": str(limit.burst),
            "RateLimit-Remaining": str(max(0, int(verdict.left))),
            "RateLimit-Reset": str(seconds),
        },
    )


def shortcomings() -> Iterator[str]:
    """Sentences about a Redis that does not run the script; rates are not limited then."""
    try:
        queue.ask(functools.partial(_ask, limit_of("probe", 1, 1), 0, 0, 0))
    except queue.Away as error:
        yield f"Rates are not limited, Redis cannot be asked: {error}."
