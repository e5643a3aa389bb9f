"""Counts failed log-ins, so that passwords cannot be tried in bulk.

Five failures of one account from one network start a pause of five minutes. One Lua script counts and reads in
one step, so that parallel tries cannot slip past. Without Redis log-in goes on unthrottled: locking the owners
out would be the worse fault. The address itself is kept nowhere, only a keyed hash of it.
"""

import hashlib
import hmac
import ipaddress
import logging
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings

TRIES = 5
PAUSE_SECONDS = 300
TIMEOUT_SECONDS = 0.5
log = logging.getLogger(__name__)

# KEYS[1]: the counter. ARGV: 1 to count a failure or 0 to look, the pause in seconds.
SCRIPT = """
local failures = tonumber(redis.call('GET', KEYS[1]) or '0')
if ARGV[1] == '1' then
  failures = redis.call('INCR', KEYS[1])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return {failures, math.max(redis.call('TTL', KEYS[1]), 0)}
"""


@dataclass(frozen=True)
class Tries:
    """What one account may still try from one network."""

    left: int
    seconds: int  # until the count starts anew

    @property
    def is_paused(self) -> bool:
        return self.left <= 0


ALL_LEFT = Tries(left=TRIES, seconds=0)


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_CACHE_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def network_of(address: str) -> str:
    """A /24 of IPv4 or a /64 of IPv6: what one person can change at will counts as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    length = 24 if parsed.version == 4 else 64
    return str(ipaddress.ip_network(f"{parsed}/{length}", strict=False))


def _key(account: str, address: str) -> str:
    told = f"{account.strip().lower()}\n{network_of(address)}".encode()
    return "footfall:login:" + hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).hexdigest()


def _ask(account: str, address: str, failed: bool) -> Tries:
    try:
        failures, seconds = _redis().eval(SCRIPT, 1, _key(account, address), int(failed), PAUSE_SECONDS)
    except redis.RedisError as error:
        log.warning("log-ins are not throttled, Redis does not answer: %s", type(error).__name__)
        return ALL_LEFT
    return Tries(left=TRIES - failures, seconds=seconds)


def tries_left(account: str, address: str) -> Tries:
    return _ask(account, address, failed=False)


def count_failure(account: str, address: str) -> Tries:
    return _ask(account, address, failed=True)


def forget(account: str, address: str) -> None:
    """After a log-in that worked."""
    try:
        _redis().delete(_key(account, address))
    except redis.RedisError as error:
        log.warning("failed log-ins are not forgotten, Redis does not answer: %s", type(error).__name__)
