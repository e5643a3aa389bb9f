"""Yesterday's events, and the rows that were made of them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingest import writer
from ingest.clock import DAY
from ingest.event import Batch, Context, Event
from ingest.models import Site
from ingest.rollups import rebuild, sets
from ingest.rollups.buckets import Day, day_of
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.examples import CHROME, batch, event

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
TODAY = NOW.date()
MIDNIGHT = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
YESTERDAY = TODAY - DAY


def at(hour: float, name: str = "pageview", **fields: Any) -> Event:
    """An event of yesterday (UTC), HOUR hours after midnight; more than 24 are today's."""
    moment = MIDNIGHT - DAY + timedelta(hours=hour)
    values = {"hostname": "shop.example.com", "path": "/", "ts": moment.timestamp(), **fields}
    return event(name, **values)


def write(site: Site, *events: Event, **context: Any) -> Batch:
    sent = batch(site, *events, context=Context(user_agent=CHROME, **context))
    writer.write([sent])
    return sent


def yesterday(site: Site) -> Day:
    return day_of(site.zone, YESTERDAY)


def build(site: Site, **options: Any) -> rebuild.Built:
    known = KnownSite.of(site)
    return rebuild.day(known, yesterday(site), NOW, **options)


def daily(site: Site, *columns: str) -> tuple[Any, ...]:
    """Of yesterday's total."""
    [row] = rows(f"SELECT {', '.join(columns)} FROM ingest_daily_total WHERE site_id = %s", site.pk)
    return row


def values(site: Site, dimension: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Of yesterday's breakdown, by value, in the order of places."""
    query = f"""
        SELECT value, {", ".join(columns or ("visitors",))} FROM ingest_daily_breakdown
        WHERE site_id = %s AND dimension = %s ORDER BY place
    """
    return {value: tuple(figures) for value, *figures in rows(query, site.pk, dimension)}


def hours(site: Site, *columns: str) -> dict[datetime, tuple[Any, ...]]:
    query = f"SELECT hour, {', '.join(columns)} FROM ingest_hourly_total WHERE site_id = %s ORDER BY 1"
    return {hour: tuple(figures) for hour, *figures in rows(query, site.pk)}


def marks(site: Site) -> list[datetime]:
    return [
        hour for (hour,) in rows("SELECT DISTINCT hour FROM ingest_dirty_hour WHERE site_id = %s ORDER BY 1", site.pk)
    ]


def members(stored: Iterable[bytes | memoryview]) -> set[int]:
    return set(sets.union(bytes(one) for one in stored))


def numbers(site: Site) -> set[int]:
    return {number for (number,) in rows("SELECT number FROM ingest_visitor WHERE site_id = %s", site.pk)}


def days_between(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]
