"""Writers as the tests run them: a turn at a time, in a thread, or after one that ended without a word."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from ingest import queue
from ingest.drain import Drain
from ingest.event import Batch, Event
from ingest.models import Shard, Site
from tests.conftest import rows
from tests.ingest.examples import batch, event


def publish(site: Site, *events: Event, **fields: Any) -> Batch:
    sent = batch(site, *(events or [event()]), **fields)
    queue.publish(sent)
    return sent


def stored() -> int:
    return int(rows("SELECT count(*) FROM ingest_event")[0][0])


def pending() -> int:
    return int(queue.client().xpending(queue.key_of(0), queue.GROUP)["pending"])


def expire() -> None:
    """The leases of all owners have run out."""
    Shard.objects.update(until="2026-11-20T10:00:00Z")


def taken_over() -> Drain:
    """A writer that takes over from one that ended without a word."""
    expire()
    return Drain()


def one_round(one: Drain) -> None:
    """`run`, until its third turn ends."""
    turns, turn = iter(range(3)), one.turn

    def counted() -> int:
        if next(turns, None) is None:
            one.stop()
            return 0
        return turn()

    one.turn = counted  # type: ignore[method-assign]
    one.run()


def with_own_connection(run: Callable[[], object]) -> None:
    try:
        run()
    finally:
        connection.close()


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("still waiting after 10 s")
