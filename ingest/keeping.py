"""Whether this Redis keeps what it is given, as far as it tells: asked at the start of each process and by /readyz."""

import logging

import redis
from django.conf import settings

from ingest.queue import client

log = logging.getLogger(__name__)
STRENGTHS = ("no", "everysec", "always")  # of appendfsync: what a power cut may cost


class Unfit(Exception):  # noqa: N818
    """This Redis would lose accepted events; the text says why and what to change."""


def check() -> None:
    """Raises Unfit. What cannot be found out just now is logged: another road is there while Redis is away, and
    a managed Redis may keep its settings to itself."""
    try:
        found = shortcomings()
        is_told = _fsync() is not None
    except redis.ResponseError as error:
        log.warning("Redis does not tell its settings (%s): allow INFO, or see that it keeps what it takes.", error)
        return
    except redis.RedisError as error:
        log.warning("Redis is away (%s); /readyz looks at its settings when it is back.", type(error).__name__)
        return
    if found:
        raise Unfit(" ".join(found))
    if not is_told:
        log.warning("Redis does not tell appendfsync: see that it is %s, as INGEST_FSYNC says.", settings.INGEST_FSYNC)


def shortcomings() -> list[str]:
    """Why this Redis must not carry the stream: sentences, none when it may. Raises redis.RedisError."""
    # INFO, which managed servers allow as well; CONFIG they do not.
    policy, keeps = client().info("memory").get("maxmemory_policy"), client().info("persistence").get("aof_enabled")
    fsync = _fsync()
    found = []
    if policy != "noeviction":
        found.append(
            f"Redis has maxmemory-policy {policy}: must be noeviction, or it drops accepted events when it is full."
        )
    if keeps != 1:
        found.append("Redis has appendonly no: must be yes, or a restart loses accepted events.")
    if fsync is not None and STRENGTHS.index(fsync) < STRENGTHS.index(settings.INGEST_FSYNC):
        found.append(
            f"Redis has appendfsync {fsync}: must be {settings.INGEST_FSYNC}, as INGEST_FSYNC says, "
            "or a power cut loses more than you allow."
        )
    return found


def _fsync() -> str | None:
    """None when the server does not tell."""
    try:
        return str(client().config_get("appendfsync")["appendfsync"])
    except (redis.ResponseError, KeyError):
        return None
