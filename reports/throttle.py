"""Counts log-ins, so that passwords cannot be tried in bulk, nor threads be taken by comparing them.

Five tries of one account from one network start a pause of five minutes; so do fifty from one network within
five minutes, whatever the accounts. A try is counted before its password is looked at, by one Lua script that
reads, decides and counts: tries that arrive together get no more than tries in a row. Without Redis log-in goes
on unthrottled: locking the owners out would be the worse fault. No address is kept, only a keyed hash of it.
"""

import hashlib
import hmac
import ipaddress
import logging
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings

TRIES = 5  # of one account from one network
NETWORK_TRIES = 50  # of all accounts together, those that worked included: a hash was computed for them too
PAUSE_SECONDS = 300
TIMEOUT_SECONDS = 0.25
log = logging.getLogger(__name__)

# KEYS: the counters of the account and of the network. ARGV: what each may reach, the pause in seconds.
# A refused try is not counted, or whoever goes on trying would keep the owner out for ever. For the same reason
# the network's time runs from its first try; the account's runs from its last.
SCRIPT = """
local account = tonumber(redis.call('GET', KEYS[1]) or '0')
local network = tonumber(redis.call('GET', KEYS[2]) or '0')
local allowed = account < tonumber(ARGV[1]) and network < tonumber(ARGV[2])
if allowed then
  account = redis.call('INCR', KEYS[1])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  network = redis.call('INCR', KEYS[2])
  if network == 1 then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
end
return {allowed and 1 or 0, account, redis.call('TTL', KEYS[1]), network, redis.call('TTL', KEYS[2])}
"""


@dataclass(frozen=True)
class Tries:
    """What became of one try, and what may follow it."""

    is_allowed: bool  # the password may be looked at
    left: int  # after this one, should it fail
    seconds: int  # until the count starts anew
    whose: str  # the tighter count: "for this account" or "from your network"


UNTHROTTLED = Tries(is_allowed=True, left=TRIES - 1, seconds=0, whose="for this account")


@cache
def _redis() -> redis.Redis:
    """A short limit and no retries: somebody waits, and a thread with them. Raises redis.ConnectionError for an
    address that is none; what it holds is not repeated, since it may hold a password."""
    try:
        return redis.Redis.from_url(
            settings.REDIS_CACHE_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=None
        )
    except ValueError:
        raise redis.ConnectionError("REDIS_CACHE_URL: must be redis://, rediss:// or unix://.") from None


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


def _keys(account: str, address: str) -> tuple[str, str]:
    """Of the account's counter and the network's. The braces keep both in one shard of a Redis cluster."""
    network = network_of(address)
    shared = f"footfall:login:{{{_hash(network)}}}"
    return f"{shared}:{_hash(f'{account.strip().lower()} {network}')}", shared


def _hash(told: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), told.encode(), hashlib.sha256).hexdigest()


def count(account: str, address: str) -> Tries:
    """Counts a try that is about to be made. Call it before the password is compared, and `forget` if it matched."""
    try:
        told = _redis().eval(SCRIPT, 2, *_keys(account, address), TRIES, NETWORK_TRIES, PAUSE_SECONDS)
    except redis.RedisError as error:
        log.warning("log-ins are not throttled, Redis does not answer: %s", type(error).__name__)
        return UNTHROTTLED
    allowed, of_account, account_seconds, of_network, network_seconds = told
    if NETWORK_TRIES - of_network < TRIES - of_account:
        return Tries(bool(allowed), NETWORK_TRIES - of_network, network_seconds, "from your network")
    return Tries(bool(allowed), TRIES - of_account, account_seconds, "for this account")


def forget(account: str, address: str) -> None:
    """After a log-in that worked. The network's count stays: one good account would give endless tries of others."""
    try:
        _redis().delete(_keys(account, address)[0])
    except redis.RedisError as error:
        log.warning("failed log-ins are not forgotten, Redis does not answer: %s", type(error).__name__)
