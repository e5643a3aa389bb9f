"""How far back a site's rows go, and how far its aggregates have come: small questions, each answered from an index.

All raise QueryTimeout.
"""

from datetime import date, datetime
from typing import NamedTuple

from psycopg import sql

from ingest.clock import HOUR
from ingest.models import JobRun
from reports.queries.run import rows

STORED = sql.SQL("""
SELECT (SELECT min(ts) FROM ingest_event WHERE site_id = %(site)s),
       (SELECT min(started_at) FROM ingest_session WHERE site_id = %(site)s),
       (SELECT min(day) FROM ingest_daily_total WHERE site_id = %(site)s)
""")
REACHED = sql.SQL("""
SELECT zone, hours_until, days_until,
       (SELECT count(DISTINCT hour) FROM ingest_dirty_hour WHERE site_id = %(site)s AND hour <= %(over)s)
FROM ingest_rollup_state WHERE site_id = %(site)s
""")
CLOSED = sql.SQL("SELECT max(ends_at) FROM ingest_daily_total WHERE site_id = %(site)s AND is_final")
OF_ALL = ("cleanup", "drain_hours", "drain_closed_days")  # tasks that work for every site
OWN_RUNS = 5


class Stored(NamedTuple):
    """The oldest of each; None where there is none."""

    event: datetime | None
    session: datetime | None
    day: date | None  # with a daily total


class Reached(NamedTuple):
    zone: str  # of whose days the aggregates are
    hours_until: datetime
    days_until: date  # all before it were counted
    waiting: int  # hours that are over and marked dirty


def oldest(site_id: int) -> Stored:
    [found] = rows(STORED, {"site": site_id})
    return Stored(*found)


def reached(site_id: int, now: datetime) -> Reached | None:
    """None for a site that was never counted."""
    found = rows(REACHED, {"site": site_id, "over": now - HOUR})
    return Reached(*found[0]) if found else None


def events_from(site_id: int) -> datetime | None:
    """Where the last day ends whose single events are gone, or about to go; None where there is no such day."""
    return rows(CLOSED, {"site": site_id})[0][0]


def runs(site_id: int) -> list[JobRun]:
    """The last one of each task that works for all sites, and the last ones of this site's own; newest first."""
    of_all = (JobRun.objects.filter(task=task, site_id=None).first() for task in OF_ALL)
    own = JobRun.objects.filter(site_id=site_id)[:OWN_RUNS]
    return sorted([*filter(None, of_all), *own], key=lambda run: run.started_at, reverse=True)
