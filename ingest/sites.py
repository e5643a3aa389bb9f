"""Sites as the door and the writer know them: kept in memory for half a minute, so that an event costs no query.

A changed or switched-off site is noticed within KEEP_SECONDS; a new key within MISS_SECONDS. When the
database is away what was known stays known, and it is asked again every MISS_SECONDS.
"""

import threading
import time
import zoneinfo
from collections import OrderedDict
from typing import NamedTuple

from django.db import DatabaseError
from django.db.models import Q
from django.utils.timezone import now as utc_now

from ingest.models import ApiKey, Site

KEEP_SECONDS, MISS_SECONDS, MOST = 30.0, 3.0, 10_000


class KnownSite(NamedTuple):
    id: int
    key: str
    domain: str
    zone: zoneinfo.ZoneInfo
    identity: str
    allowed_hosts: tuple[str, ...]
    session_seconds: int
    secret: bytes

    @classmethod
    def of(cls, site: Site) -> "KnownSite":
        return cls(
            site.pk,
            site.key,
            site.domain.lower(),
            site.zone,
            site.identity,
            tuple(host.lower() for host in site.allowed_hosts),
            site.session_minutes * 60,
            bytes(site.secret),
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


class _Kept(NamedTuple):
    site: KnownSite | None
    until: float


_kept: OrderedDict[str | int, _Kept] = OrderedDict()
_lock = threading.Lock()


def by_key(key: str) -> KnownSite | None:
    """The active site of a public key, compared exactly. Raises DatabaseError only for one never seen."""
    # Longer or odd keys cannot exist: not worth a query, nor a place in memory.
    if not 0 < len(key) <= 40 or not key.isascii() or not key.isprintable():
        return None
    return _find(key, Q(key=key))


def by_id(site_id: int) -> KnownSite | None:
    """Also a site that was switched off: what was accepted before is still written."""
    return _find(site_id, Q(pk=site_id))


def forget() -> None:
    """Everything is asked anew; for tests and for the process that has just changed a site."""
    with _lock:
        _kept.clear()
        _keys.clear()


def _find(name: str | int, where: Q) -> KnownSite | None:
    kept, now = _kept.get(name), time.monotonic()
    if kept is not None and now < kept.until:
        return kept.site
    try:
        row = Site.objects.filter(where).first()
    except DatabaseError:
        if kept is None:
            raise
        # From now: the attempt itself may have taken longer than that.
        _keep(name, _Kept(kept.site, time.monotonic() + MISS_SECONDS))
        return kept.site
    found = KnownSite.of(row) if row and (row.is_active or isinstance(name, int)) else None
    _keep(name, _Kept(found, now + (KEEP_SECONDS if found else MISS_SECONDS)))
    return found


def _keep(name: str | int, kept: _Kept) -> None:
    with _lock:
        _kept[name] = kept
        _kept.move_to_end(name)
        while len(_kept) > MOST:
            _kept.popitem(last=False)


_keys: OrderedDict[str, tuple[int | None, float]] = OrderedDict()


def of_server_key(value: str) -> int | None:
    """The id of the site whose write key VALUE is; None when it is unknown, expired, revoked or may only read."""
    name, now = ApiKey.digest_of(value), time.monotonic()
    kept = _keys.get(name)
    if kept is not None and now < kept[1]:
        return kept[0]
    try:
        site_id = _writer_of(name)
        until = now + (KEEP_SECONDS if site_id else MISS_SECONDS)
    except DatabaseError:
        if kept is None:
            raise
        site_id, until = kept[0], time.monotonic() + MISS_SECONDS
    with _lock:
        _keys[name] = site_id, until
        while len(_keys) > MOST:
            _keys.popitem(last=False)
    return site_id


def _writer_of(digest: str) -> int | None:
    row = ApiKey.objects.filter(digest=digest, scope=ApiKey.Scope.WRITE).first()
    return row.site_id if row and row.is_valid(utc_now()) else None
