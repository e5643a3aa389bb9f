"""Who an event belongs to, as 64-bit numbers from which nobody can be found again.

A visitor or session that the sender names is hashed with the site's secret. One that it does not name is a
hash of address and user agent with the salt of the UTC day: the same all day, unknown the next. Around
midnight UTC the door also tries the day before, so that a session in progress is not cut in two.
"""

import contextlib
import functools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import redis
from django.db import connection

from ingest import queue, waiting
from ingest.hashing import digest
from ingest.sites import KnownSite

_named = functools.lru_cache(maxsize=16_384)(digest)  # the same in every event of a batch
SALT_DAYS = 2  # how long a salt is kept
OVERLAP_SECONDS = 30 * 60
TELL_SECONDS = 60  # Redis is told of a visitor once in this time, not with each of its events
MOST_RECENT = 20_000


def named(site: KnownSite, kind: str, name: str) -> int:
    """KIND ("visitor" or "session") keeps equal names of different things apart."""
    return _named(site.secret, f"{kind}\0{name}")


def anonymous(site: KnownSite, address: str, user_agent: str, at: float) -> int:
    """The visitor of a sender that names none, as of AT (seconds since 1970, the time of arrival)."""
    moment = datetime.fromtimestamp(at, UTC)
    today = _of_day(moment.date(), site, address, user_agent)
    if _seconds_of_day(moment) >= OVERLAP_SECONDS:
        if _seconds_of_day(moment) >= 86_400 - OVERLAP_SECONDS:
            _remember(site, today, at)
        return today
    before = _of_day(moment.date() - timedelta(days=1), site, address, user_agent)
    if not _is_remembered(site, before, at):
        return today
    _remember(site, before, at)
    return before


def of_import(site: KnownSite, address: str, user_agent: str, day: date) -> int:
    """As `anonymous`, keyed with the site's secret in place of a salt: a later run makes the same visitors."""
    return digest(site.secret, f"import\0{day:%Y%m%d}\0{address}\0{user_agent}")


def _of_day(day: date, site: KnownSite, address: str, user_agent: str) -> int:
    return digest(salt_of(day), f"{site.id}\0{address}\0{user_agent}")


def _seconds_of_day(moment: datetime) -> float:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _remember(site: KnownSite, visitor: int, at: float) -> None:
    if _recent.known(visitor, at):
        return
    # Without Redis a visitor may be counted once more at midnight; the event is worth more.
    with contextlib.suppress(queue.Away):
        seconds = OVERLAP_SECONDS + TELL_SECONDS
        queue.ask(lambda redis: redis.set(_recent_key(site, visitor), 1, ex=seconds))
        _recent.note(visitor, True, at)


def _is_remembered(site: KnownSite, visitor: int, at: float) -> bool:
    if (known := _recent.known(visitor, at)) is not None:
        return known
    try:
        found = bool(queue.ask(lambda redis: redis.exists(_recent_key(site, visitor))))
    except queue.Away:
        return False
    if not found:
        _recent.note(visitor, False, at)
    return found


def forget(site: KnownSite, visitors: Iterable[int]) -> None:
    """That they were seen a moment ago. Other processes remember it for half an hour at most."""
    _recent.drop(visitors)
    with contextlib.suppress(queue.Away):  # it forgets by itself within the same time
        for visitor in visitors:
            queue.ask(functools.partial(_forget, _recent_key(site, visitor)))


def _forget(key: str, of: redis.Redis) -> None:
    of.delete(key)


def _recent_key(site: KnownSite, visitor: int) -> str:
    return f"footfall:recent:{site.id}:{visitor}"


class _Recent:
    """What this process has told Redis around midnight, and who was not found there. For many threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, tuple[bool, float]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, visitor: int, at: float) -> bool | None:
        """True: told a moment ago. False: not there after midnight, and so a new one for the whole overlap."""
        is_there, since = self._seen.get(visitor, (False, float("-inf")))
        return is_there if at - since < (TELL_SECONDS if is_there else OVERLAP_SECONDS) else None

    def note(self, visitor: int, is_there: bool, at: float) -> None:
        with self._lock:
            self._seen.pop(visitor, None)
            self._seen[visitor] = is_there, at
            if len(self._seen) > MOST_RECENT:
                self._seen.popitem(last=False)

    def drop(self, visitors: Iterable[int]) -> None:
        with self._lock:
            for visitor in visitors:
                self._seen.pop(visitor, None)

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()


_recent = _Recent()
_salts: dict[date, bytes] = {}
_lock = threading.Lock()


def salt_of(day: date) -> bytes:
    """The day's salt, from memory or the database; made by whoever asks first.

    Memory keeps no more days than the table: with an older salt an old visitor could be found again.
    """
    global _salts
    known, oldest = _salts, day - timedelta(days=SALT_DAYS - 1)
    if day in known and min(known) >= oldest:
        return known[day]
    waiting.check()
    with _lock:
        found = _salts if day in _salts else {**_salts, **ensure_salts([day, day + timedelta(days=1)])}
        # A new dictionary each time: others read the old one without the lock.
        _salts = {kept: salt for kept, salt in found.items() if kept >= oldest}
        return _salts[day]


def ensure_salts(days: list[date]) -> dict[date, bytes]:
    """Makes the missing ones, a day ahead so that midnight needs no database, and returns them all."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ingest_salt (day, value) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(day, secrets.token_bytes(32)) for day in days],
        )
        cursor.execute("SELECT day, value FROM ingest_salt WHERE day = ANY(%s)", [days])
        return {day: bytes(value) for day, value in cursor.fetchall()}


def forget_salts(today: date) -> int:
    """Deletes the salts whose day ended 24 hours ago or earlier; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_salt WHERE day < %s", [today - timedelta(days=SALT_DAYS - 1)])
        return cursor.rowcount
