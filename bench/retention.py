"""What a cleanup costs the writer: `python bench/retention.py [--events 500000]`.

Uses the database of the running product (or DATABASE_URL) and two sites of its own, which it deletes at the end. A
writer in a process of its own stores ten batches of 200 events a second, first alone, then while expired days are
closed, dropped, deleted in batches, sealed and their sessions taken away. Prints the time of its transactions, the
longest wait for a lock that was seen (looked at every two milliseconds), and whether all that it wrote is there.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

import psycopg
from django.db import connection

from ingest import partitions
from ingest.event import Batch, Context, Event
from ingest.models import Site
from ingest.retention.cleanup import cleanup
from ingest.writer import connected, write

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
DAY = 86_400
DAYS = 10  # of each kind
GONE, SHORT = 95, 35  # days ago: expired for both sites; for the one that keeps events for 30 days
OF_SESSION, BLOCK = 10, 5_000
BATCHES, BATCH = 10, 200  # a second, of the live writer
ALONE_SECONDS = 20
TABLES = (
    "event", "session", "visitor", "visitor_number", "dirty_hour", "count", "daily_total", "daily_breakdown",
    "daily_events", "hourly_total", "hourly_breakdown", "hourly_events", "span_count", "rollup_state",
)  # fmt: skip
WAITING = """
SELECT wait_event_type = 'Lock', wait_event FROM pg_stat_activity WHERE application_name = 'bench-writer'
AND state <> 'idle'
"""


def events(start: float, count: int) -> Iterator[Event]:
    """Sessions of ten page views each, spread over one day."""
    for number in range(count):
        session, page = divmod(number, OF_SESSION)
        at = start + session * DAY * 0.99 * OF_SESSION / count + page
        yield Event(
            id=uuid.uuid4(), name="pageview", ts=at, visitor_id=session % 20_000 + 1, hostname="shop.example.com",
            path=f"/product/{number % 500}", properties={"plan": "pro", "step": page},
        )  # fmt: skip


def fill(site: Site, days_ago: int, a_day: int) -> None:
    """As an import; the middle of the night is left out, so that no session goes on into the next day."""
    midnight = time.time() // DAY * DAY
    for day in range(days_ago, days_ago + DAYS):
        rows = list(events(midnight - day * DAY, a_day))
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            write([Batch(site.pk, time.time(), some, Context(user_agent=AGENT), is_import=True)])


def write_on(site_id: int, seconds: float) -> None:
    """The live writer: prints the milliseconds of each transaction, and how many events it stored."""
    connected().execute("SET application_name = 'bench-writer'")
    until, took, stored = time.monotonic() + seconds, list[float](), 0
    while time.monotonic() < until:
        now = time.time()
        some = [
            Event(
                id=uuid.uuid4(), name="pageview", ts=now, visitor_id=10**6 + len(took) * BATCH + number % 50, path="/"
            )
            for number in range(BATCH)
        ]
        started = time.perf_counter()
        stored += write([Batch(site_id, now, some, Context(user_agent=AGENT))]).stored
        took.append((time.perf_counter() - started) * 1000)
        time.sleep(max(0.0, 1 / BATCHES - took[-1] / 1000))
    print(json.dumps({"took": took, "stored": stored}))


class Watch(threading.Thread):
    """Looks at what the writer waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = threading.Event()
        self.longest, self.waits = 0.0, set[str]()

    def run(self) -> None:
        since: float | None = None
        values = connection.settings_dict
        url = {"host": values["HOST"], "port": values["PORT"], "dbname": values["NAME"], "user": values["USER"]}
        with psycopg.connect(**url, password=values["PASSWORD"], autocommit=True) as conn:
            while not self.stop.wait(0.002):
                waits = [name for is_lock, name in conn.execute(WAITING).fetchall() if is_lock]
                now = time.perf_counter()
                since = (since or now) if waits else None
                self.waits.update(waits)
                self.longest = max(self.longest, now - since if since else 0.0)


def beside(site: Site, seconds: float, work: Any) -> None:
    """WORK while a writer writes for at least SECONDS, and a line of what it felt."""
    writer = subprocess.Popen(
        [sys.executable, __file__, "--write", str(site.pk), "--seconds", str(seconds)], stdout=subprocess.PIPE
    )
    watch = Watch()
    watch.start()
    time.sleep(2)
    started = time.perf_counter()
    told = work()
    needed = time.perf_counter() - started
    out, _ = writer.communicate()
    watch.stop.set()
    watch.join()
    found = json.loads(out)
    took = sorted(found["took"])
    [there] = connected().execute(
        "SELECT count(*) FROM ingest_event WHERE site_id = %s AND ts > now() - interval '1 day'", (site.pk,)
    ).fetchone() or [0]
    print(f"{told} ({needed:.1f} s)" if told else "alone")
    print(
        f"  {len(took)} transactions: median {took[len(took) // 2]:.1f} ms, 99 % {took[len(took) * 99 // 100]:.1f} ms, "
        f"longest {took[-1]:.1f} ms; longest wait for a lock {watch.longest * 1000:.0f} ms "
        f"({', '.join(sorted(watch.waits)) or 'none seen'}); stored {found['stored']:,}, there {there:,}"
    )


def forget(sites: list[Site]) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM ingest_{table} WHERE site_id = ANY(%s)", [[site.pk for site in sites]])
    for site in sites:
        site.delete()


def main(count: int, seconds: float) -> None:
    long = Site.objects.create(name="Long", domain="long.example.com")
    short = Site.objects.create(name="Short", domain="short.example.com", events_days=30, sessions_days=60)
    live = Site.objects.create(name="Live", domain="live.example.com")
    try:
        for site, days_ago in ((long, GONE), (short, GONE), (long, SHORT), (short, SHORT)):
            fill(site, days_ago, count // (4 * DAYS))
        print(f"{count:,} events of {2 * DAYS} days in {len(partitions.existing(connected()))} partitions")
        beside(live, ALONE_SECONDS, lambda: time.sleep(ALONE_SECONDS - 4))
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ingest_event WHERE site_id = %s", [live.pk])
        beside(live, seconds, lambda: cleanup(datetime.now(UTC)))
    finally:
        forget([long, short, live])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=60, help="how long the writer writes beside the cleanup")
    parser.add_argument("--write", type=int, metavar="SITE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_on(options.write, options.seconds)
    else:
        main(options.events, options.seconds)
