"""What aggregates cost and give: `python bench/rollups.py [--sessions 2000000] [--days 30] [--keep]`.

Uses the database of the running product (or DATABASE_URL) and sites of its own, which it deletes at the end. Prints how
fast a history is built, what one dirty hour costs, how large each tier is, and how fast exact visitors are united.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")

import django

django.setup()

import psycopg
from psycopg import sql

from bench import history
from ingest.models import Site
from ingest.rollups import rebuild, sets
from ingest.rollups.buckets import day_of, days_in
from ingest.sites import KnownSite
from ingest.writer import connected

HOUR_SESSIONS = 20_000
RUNS = 7
TIERS = {
    "events": ("ingest_event_%",),
    "sessions": ("ingest_session",),
    "visitors": ("ingest_visitor",),
    "hourly aggregates": ("ingest_hourly_total", "ingest_hourly_events"),
    "daily aggregates": ("ingest_daily_total", "ingest_daily_events", "ingest_daily_breakdown"),
    "breakdowns by hour (two days)": ("ingest_hourly_breakdown",),
}
SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
WHERE c.relkind = 'r' AND c.relname LIKE ANY(%s)
"""
MEMBERS = "SELECT members FROM ingest_daily_total WHERE site_id = %s AND day >= %s ORDER BY day"
REPEAT = """
INSERT INTO ingest_daily_total
SELECT (jsonb_populate_record(total, jsonb_build_object('day', total.day - %(days)s * step))).*
FROM ingest_daily_total total, generate_series(1, %(steps)s) step WHERE site_id = %(site)s
"""
EMPTY = ("event", "session", "visitor", "visitor_number", "dirty_hour", "rollup_state")
AGGREGATES = ("hourly_total", "hourly_events", "hourly_breakdown", "daily_total", "daily_events", "daily_breakdown")


def main() -> None:
    told = _told()
    site = Site.objects.create(name="Bench", domain="shop.example.com")
    busy = Site.objects.create(name="Bench, an hour", domain="shop.example.com")
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        started = time.perf_counter()
        events = history.make(site, days=told.days, sessions=told.sessions, until=until)
        seconds = time.perf_counter() - started
        print(f"{events:,} events and {told.sessions:,} sessions of {told.days} days, made in {seconds:.0f} s")
        backfill(KnownSite.of(site), until, events, told.days)
        tiers(events)
        merges(site, until, told.days)
        dirty_hour(busy, until)
    finally:
        if not told.keep:
            forget(site)
            forget(busy)


def _told() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=2_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--keep", action="store_true", help="leave the sites and their rows")
    return parser.parse_args()


def backfill(known: KnownSite, until: datetime, events: int, days: int) -> None:
    started, rows, each = time.perf_counter(), 0, []
    for day in days_in(known.zone, until - timedelta(days=days), until):
        built = rebuild.day(known, day, datetime.now(UTC))
        rows += built.rows
        each.append(built.seconds)
    seconds = time.perf_counter() - started
    print(f"full backfill: {seconds:.1f} s, {events / seconds:,.0f} events/s, {rows:,} rows")
    print(f"a day: median {statistics.median(each):.2f} s, longest {max(each):.2f} s")


def tiers(events: int) -> None:
    conn = connected()
    conn.execute("VACUUM ANALYZE ingest_daily_breakdown, ingest_daily_total, ingest_hourly_total")
    sizes = {name: conn.execute(SIZE, (list(tables),)).fetchone()[0] for name, tables in TIERS.items()}  # type: ignore[index]
    raw = sizes["events"]
    for name, size in sizes.items():
        print(f"{name:32s} {size / 1e6:10,.1f} MB {size / events:8.2f} bytes an event {size / raw:8.2%} of events")
    kept = sizes["hourly aggregates"] + sizes["daily aggregates"]
    print(f"aggregates kept for ever and by hour: {kept / raw:.2%} of raw events")


def merges(site: Site, until: datetime, days: int) -> None:
    """Uniques of all days there are, and of a year: earlier days repeat the same sets under other dates."""
    conn = connected()
    conn.execute(REPEAT, {"site": site.pk, "days": days, "steps": 365 // days})
    for length in (days, 365):
        first = (until - timedelta(days=length)).date()
        fetched = [bytes(one) for (one,) in _fetch(site.pk, first)]
        visitors = len(sets.union(fetched))
        both = _median(lambda: sets.union(one for (one,) in _fetch(site.pk, first)))  # noqa: B023  called at once
        alone = _median(lambda: sets.union(fetched))  # noqa: B023
        size = sum(map(len, fetched)) / 1e6
        print(f"visitors of {len(fetched)} days: {visitors:,}, {size:.2f} MB of sets")
        print(f"  fetched and united {both:.1f} ms, united {alone:.2f} ms")


def _fetch(site_id: int, first: Any) -> list[tuple[bytes]]:
    with psycopg.Cursor(connected()) as cursor:
        return cursor.execute(MEMBERS, (site_id, first), binary=True).fetchall()


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def dirty_hour(site: Site, until: datetime) -> None:
    """One hour with five events of each of its sessions, among a day of nothing else."""
    known = KnownSite.of(site)
    events = history.make(site, days=1, sessions=HOUR_SESSIONS, until=until)
    conn = connected()
    conn.execute(f"UPDATE ingest_event SET ts = {SQUEEZED.format('ts')} WHERE site_id = %s", (site.pk,))
    columns = ("started_at", "last_activity", "seen_from", "seen_until", "entry_at", "exit_at")
    moved = ", ".join(f"{name} = {SQUEEZED.format(name)}" for name in columns)
    conn.execute(f"UPDATE ingest_session SET {moved} WHERE site_id = %s", (site.pk,))
    day = day_of(known.zone, (until - timedelta(days=1)).date())
    [hour] = day.hours_in(day.start, day.start + timedelta(hours=1))
    seconds = _median(lambda: rebuild.hour(known, hour)) / 1000
    built = rebuild.hour(known, hour)
    print(f"one dirty hour of {built.events:,} of {events:,} events: {seconds:.2f} s, {built.rows:,} rows")


SQUEEZED = "date_trunc('day', {0}) + ({0} - date_trunc('day', {0})) / 24"


def forget(site: Site) -> None:
    for table in (*EMPTY, *AGGREGATES):
        name = sql.Identifier(f"ingest_{table}")
        connected().execute(sql.SQL("DELETE FROM {} WHERE site_id = %s").format(name), (site.pk,))
    site.delete()


if __name__ == "__main__":
    main()
