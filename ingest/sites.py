"""Sites as the door and the writer know them: kept in memory for half a minute, so that an event costs no query.

A changed or switched-off site, or a rule of it, is noticed within KEEP_SECONDS; a new key within MISS_SECONDS.
When the database is away what was known stays known, and it is asked again every MISS_SECONDS. What nobody has
is remembered apart: made-up keys push out one another, never a site.
"""

import threading
import time
import zoneinfo
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from django.db import DatabaseError
from django.db.models import Q
from django.utils.timezone import now as utc_now

from ingest import shields, waiting
from ingest.models import ApiKey, Site
from ingest.rules import NO_RULES, Rules
from ingest.webaddress import host_of

KEEP_SECONDS, MISS_SECONDS = 30.0, 3.0
MOST, MOST_MISSES = 10_000, 1_000
Value = TypeVar("Value")


class KnownSite(NamedTuple):
    id: int
    key: str
    domain: str
    zone: zoneinfo.ZoneInfo
    identity: str
    allowed_hosts: tuple[str, ...]
    session_seconds: int
    secret: bytes
    is_paused: bool = False
    honours_dnt: bool = False
    kept_parameters: tuple[str, ...] = ()  # of pages' queries, beside the campaign's
    rules: Rules = NO_RULES
    events_days: int = 90
    property_dimensions: tuple[str, ...] = ()

    @classmethod
    def of(cls, site: Site) -> "KnownSite":
        """Reads the site's shields: one query."""
        return cls(
            site.pk,
            site.key,
            host_of(site.domain),
            site.zone,
            site.identity,
            tuple(map(host_of, site.allowed_hosts)),
            site.session_minutes * 60,
            bytes(site.secret),
            site.is_paused,
            site.honours_dnt,
            tuple(name.lower() for name in site.kept_parameters),
            shields.of_site(site.pk),
            site.events_days,
            tuple(dict.fromkeys(site.property_dimensions)),
        )

    def allows(self, host: str | None) -> bool:
        """Whether pages of HOST are counted; events without a page are."""
        if not self.allowed_hosts or host is None:
            return True
        return any(_covers(rule, host) for rule in self.allowed_hosts)


def _covers(rule: str, host: str) -> bool:
    if rule.startswith("*."):
        return host == rule[2:] or host.endswith(rule[1:])
    return host == rule


class _Kept(NamedTuple, Generic[Value]):
    value: Value | None
    until: float  # by time.monotonic()


class _Memory(Generic[Value]):
    """What was found, and apart from it what was not; of each the names last asked for. For many threads."""

    def __init__(self) -> None:
        self.found: OrderedDict[str | int, _Kept[Value]] = OrderedDict()
        self.missed: OrderedDict[str | int, _Kept[Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str | int, ask: Callable[[], Value | None]) -> Value | None:
        """As known, or as ASK says. Raises DatabaseError only for a name of which nothing is known."""
        kept, now = self._recall(name), time.monotonic()
        if kept is not None and now < kept.until:
            return kept.value
        waiting.check()
        try:
            value = ask()
        except DatabaseError:
            if kept is None:
                raise
            # From now: the attempt itself may have taken longer than that.
            self._keep(name, _Kept(kept.value, time.monotonic() + MISS_SECONDS))
            return kept.value
        self._keep(name, _Kept(value, now + (MISS_SECONDS if value is None else KEEP_SECONDS)))
        return value

    def knows(self, name: str | int) -> bool:
        """Whether it was asked for lately, found or not."""
        with self._lock:
            return name in self.found or name in self.missed

    def clear(self) -> None:
        with self._lock:
            self.found.clear()
            self.missed.clear()

    def _recall(self, name: str | int) -> _Kept[Value] | None:
        with self._lock:
            if name in self.found:
                self.found.move_to_end(name)
                return self.found[name]
            return self.missed.get(name)

    def _keep(self, name: str | int, kept: _Kept[Value]) -> None:
        missing = kept.value is None
        here, there = (self.missed, self.found) if missing else (self.found, self.missed)
        with self._lock:
            there.pop(name, None)
            here[name] = kept
            here.move_to_end(name)
            while len(here) > (MOST_MISSES if missing else MOST):
                here.popitem(last=False)


_sites: _Memory[KnownSite] = _Memory()
_writers: _Memory[int] = _Memory()  # ids of sites, by the digest of a write key


def knows(key: str) -> bool:
    return _sites.knows(key)


def by_key(key: str) -> KnownSite | None:
    """The active site of a public key, compared exactly. Raises DatabaseError only for one never seen."""
    # Longer or odd keys cannot exist: not worth a query, nor a place in memory.
    if not 0 < len(key) <= 40 or not key.isascii() or not key.isprintable():
        return None
    return _sites.get(key, lambda: _found(Q(key=key, is_active=True)))


def by_id(site_id: int) -> KnownSite | None:
    """Also a site that was switched off: what was accepted before is still written."""
    return _sites.get(site_id, lambda: _found(Q(pk=site_id)))


def as_stored(site_id: int) -> KnownSite | None:
    """As it is in the database now: for work that another process must not see with another zone."""
    return _found(Q(pk=site_id))


def _found(where: Q) -> KnownSite | None:
    row = Site.objects.filter(where).first()
    return KnownSite.of(row) if row else None


def forget() -> None:
    """Everything is asked anew; for tests and for the process that has just changed a site."""
    _sites.clear()
    _writers.clear()


def of_server_key(value: str) -> int | None:
    """The id of the site whose write key VALUE is; None when it is unknown, expired, revoked or may only read."""
    digest = ApiKey.digest_of(value)
    return _writers.get(digest, lambda: _writer_of(digest))


def knows_server_key(value: str) -> bool:
    return _writers.knows(ApiKey.digest_of(value))


def _writer_of(digest: str) -> int | None:
    row = ApiKey.objects.filter(digest=digest, scope=ApiKey.Scope.WRITE).first()
    return row.site_id if row and row.is_valid(utc_now()) else None
