"""What waits in the stream, and when it is in the tables: a person's rows are complete only then."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import redis

from ingest import queue

WAIT_SECONDS, LOOK_SECONDS = 20, 0.2
Noted = dict[str, str]  # by stream: the id of the last entry that waited


class Waits(Exception):  # noqa: N818
    """Events that came before are still in the stream, or Redis, which has them, is away."""

    def __init__(self, noted: Mapping[str, str] | None = None) -> None:
        super().__init__("Events of before wait in the stream, so not all can be found yet. Is the writer running?")
        self.noted = dict(noted) if noted is not None else None


def note() -> Noted:
    """Raises Waits."""
    try:
        found = {key: queue.ask(partial(_last, key)) for key in queue.stream_keys()}
    except queue.Away as error:
        raise Waits from error
    return {key: entries[0][0].decode() for key, entries in found.items() if entries}


def _last(key: str, of: redis.Redis) -> Any:
    return of.xrevrange(key, count=1)


def _first(key: str, up_to: str, of: redis.Redis) -> Any:
    return of.xrange(key, max=up_to, count=1)


def wait(noted: Noted, seconds: float | None = None) -> None:
    """Until what was NOTED is written. Raises Waits when it is not within WAIT_SECONDS, or SECONDS.

    An entry is deleted after the transaction that has it; one that this version cannot read stays, and is waited for.
    """
    until = time.monotonic() + (WAIT_SECONDS if seconds is None else seconds)
    while not _is_written(noted):
        if time.monotonic() >= until:
            raise Waits(noted)
        time.sleep(LOOK_SECONDS)


def _is_written(noted: Noted) -> bool:
    try:
        return not any(queue.ask(partial(_first, key, last)) for key, last in noted.items())
    except queue.Away:
        return False
