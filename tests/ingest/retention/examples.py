"""A past that expires: events of 2001, and moments of that year at which it is cleaned up."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingest import partitions, sites, writer
from ingest.event import Event
from ingest.models import Site
from ingest.retention.cleanup import Cleaned, cleanup
from ingest.rollups import drain
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.examples import batch, event

MONDAY = date(2001, 1, 1)
NEXT_NIGHT = datetime(2001, 1, 13, 2, tzinfo=UTC)
LATER = datetime(2001, 6, 1, 2, tzinfo=UTC)  # events before 2 March have expired
MUCH_LATER = datetime(2002, 6, 1, 2, tzinfo=UTC)  # so have sessions before 31 May 2001

Table = list[tuple[Any, ...]]


def at(day: date, hour: float = 12, visitor: int = 7, **fields: Any) -> Event:
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
    values = {"hostname": "shop.example.com", "path": "/", **fields}
    return event(ts=moment.timestamp(), visitor_id=visitor, **values)


def write(site: Site, *events: Event) -> None:
    """As an import, which may be of any age."""
    writer.write([batch(site, *events, is_import=True)])


def count(site: Site, now: datetime = LATER) -> None:
    """Builds the days that were written."""
    drain.of_closed_days(KnownSite.of(site), now)


def some_days(site: Site, days: int = 14, visitors: int = 3) -> None:
    """From MONDAY on: every visitor comes every day, and sees a page of the day's own and one of all days."""
    for number in range(days):
        day = MONDAY + timedelta(days=number)
        pages = [f"/day/{number}", "/"]
        write(site, *(at(day, 10 + who / 60, who, path=page) for who in range(1, visitors + 1) for page in pages))
    count(site)


def clean(now: datetime = LATER, **options: Any) -> Cleaned:
    return cleanup(now, **options)


def forget_days() -> None:
    """Drops what a test has made in the past: rows are emptied after each test, tables are not dropped."""
    conn = writer.connected()
    for day in partitions.existing(conn) | partitions.detached(conn):
        if day.year < 2026:
            conn.execute(f"DROP TABLE {partitions.name_of(day)}")


def one(query: str, *values: Any) -> Any:
    """The one value of a query's one row."""
    [(value,)] = rows(query, *values)
    return value


def count_of(table: str) -> int:
    return int(one(f"SELECT count(*) FROM ingest_{table}"))


# Nothing that tells when something was built, nor the numbers and ids that depend on the order of writing.
STATE = {
    "event": "SELECT site_id, ts, path FROM ingest_event",
    "session": "SELECT site_id, visitor_id, started_at, seen_until FROM ingest_session",
    "visitor": "SELECT site_id, id, number FROM ingest_visitor",
    "daily_total": "SELECT site_id, day, visitors, events, sessions, is_final, is_sealed, members, sketch "
    "FROM ingest_daily_total",
    "daily_breakdown": "SELECT site_id, day, dimension, value, visitors, events, members, sketch "
    "FROM ingest_daily_breakdown",
    "hourly_total": "SELECT site_id, hour, events, members FROM ingest_hourly_total",
    "hourly_events": "SELECT site_id, hour, name, events FROM ingest_hourly_events",
    "span_count": "SELECT site_id, span, first_day, dimension, value, visitors FROM ingest_span_count",
    "partitions": "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ingest_event'::regclass",
}


def state() -> dict[str, Table]:
    """All that a cleanup may change, in an order of its own."""
    return {name: sorted(rows(query), key=repr) for name, query in STATE.items()}


def change(site: Site, **fields: Any) -> None:
    """As staff change it; this process knows at once."""
    Site.objects.filter(pk=site.pk).update(**fields)
    site.refresh_from_db()
    sites.forget()
