"""What is stored of a site, ids and numbers aside: two worlds with the same people in them read alike."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from ingest.people import erasure
from ingest.people.erasure import Erased
from ingest.people.find import Who
from ingest.rollups import drain, sets
from ingest.sites import KnownSite
from tests.conftest import rows

TURNS = itertools.count(1)
TABLES = (
    "hourly_total", "hourly_breakdown", "hourly_events", "daily_total", "daily_breakdown", "daily_events",
)  # fmt: skip
SESSIONS = """
SELECT visitor_id, is_derived, user_id, user_at, is_new_visitor, seen_from, seen_until, started_at, last_activity,
       first_event, entry_page, exit_page, page_views, events, interactive, engaged_ms, scroll, revenue, is_bounce,
       hostname, source, channel, browser, country
FROM ingest_session ORDER BY visitor_id, seen_from, first_event
"""
ASTRAY = """
SELECT e.id FROM ingest_event e LEFT JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
WHERE s.id IS NULL OR e.ts < s.seen_from OR e.ts > s.seen_until
"""
EVENTS = "SELECT id, ts, visitor_id, user_id, name, path, properties::text FROM ingest_event ORDER BY id"
VISITORS = "SELECT id, first_seen, last_seen, user_id, user_at FROM ingest_visitor ORDER BY id"


def raw() -> list[list[tuple[Any, ...]]]:
    return [rows(EVENTS), rows(SESSIONS), rows(VISITORS)]


def aggregates() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, with visitors in place of their numbers.

    Each time a little later: a day that was built a moment ago waits before it is built again.
    """
    drain.hours(datetime.now(UTC) + next(TURNS) * timedelta(seconds=20))
    return {table: _rows(table) for table in TABLES}


def _rows(table: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ingest_{table}")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    visitor_of = dict(rows("SELECT number, id FROM ingest_visitor"))
    for row in found:
        for name in ("built_at", "took_ms"):
            row.pop(name, None)
        if "members" in row and row["members"] is not None:
            row["members"] = sorted(visitor_of.get(number, -number) for number in sets.loaded(bytes(row["members"])))
    return sorted(found, key=repr)


def clear() -> None:
    with connection.cursor() as cursor:
        for table in ("event", "session", "visitor", "visitor_number", "dirty_hour", "rollup_state", *TABLES):
            cursor.execute(f"DELETE FROM ingest_{table}")


def erased(site: KnownSite, who: Who) -> Erased:
    return erasure.erase(site, who, erasure.begin(site.id, "a test"))
