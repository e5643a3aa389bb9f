"""How fast the writer stores events, without HTTP and Redis: `python bench/writer.py [events]`.

Uses the database of the running product (or DATABASE_URL) and a site of its own, which it deletes at the end.
Prints events per second for new events, for a full repeat, and for late events into stored sessions.
"""

import os
import random
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

from django.db import connection

from ingest.event import Batch, Context, Event
from ingest.models import Site
from ingest.writer import write

AGENTS = [
    f"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for version in range(100, 140)
]
BLOCK = 5_000


def batches(site: Site, events: int) -> list[Batch]:
    """Requests of ten events each, of one visitor in one session."""
    now = time.time()
    return [
        Batch(
            site_id=site.pk,
            received_at=now,
            context=Context(user_agent=random.choice(AGENTS), country="DE"),
            events=[
                Event(
                    id=uuid.uuid4(), name="pageview", ts=now - 600 + number, visitor_id=visitor, session_id=visitor,
                    hostname="shop.example.com", path=f"/product/{random.randrange(500)}",
                    properties={"plan": "pro", "step": number},
                )
                for number in range(10)
            ],
        )
        for visitor in range(events // 10)
    ]  # fmt: skip


def late(requests: list[Batch]) -> list[Batch]:
    for request in requests:
        for event in request.events:
            event.id, event.ts = uuid.uuid4(), event.ts - 30
    return requests


def timed(label: str, work: Callable[[], None], events: int) -> None:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{label:32s} {events:8,d} events {seconds:7.2f} s {events / seconds:10,.0f} events/s")


def in_blocks(requests: list[Batch]) -> None:
    for start in range(0, len(requests), BLOCK // 10):
        write(requests[start : start + BLOCK // 10])


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    site = Site.objects.create(name="Bench", domain="bench.example.com")
    requests = batches(site, events)
    try:
        timed("new", lambda: in_blocks(requests), events)
        timed("the same again (duplicates)", lambda: in_blocks(requests), events)
        again = late(requests)
        timed("late, into stored sessions", lambda: in_blocks(again), events)
    finally:
        forget(site)


def forget(site: Site) -> None:
    with connection.cursor() as cursor:
        for table in ("event", "session", "visitor", "visitor_number", "dirty_hour", "count"):
            cursor.execute(f"DELETE FROM ingest_{table} WHERE site_id = %s", [site.pk])
    site.delete()


if __name__ == "__main__":
    main()
