"""Makes what a check has found wrong agree again: sessions with their events first, then aggregates with both."""

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from ingest.rollups import backfill, gone, mend_sessions, rebuild, rows
from ingest.rollups.buckets import Day
from ingest.rollups.check_day import Checked
from ingest.sites import KnownSite
from ingest.writer import connected

log = logging.getLogger(__name__)
TASK = "repair"
KEPT_FROM = "SELECT max(ends_at) FROM ingest_daily_total WHERE site_id = %s AND day = ANY(%s::date[])"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Repaired(NamedTuple):
    sessions: int  # folded again
    days: list[Day]  # built again, or tried to: in order
    failed: tuple[str, ...]


def repair(known: KnownSite, checked: Iterable[Checked], now: datetime, watch: backfill.Watch) -> Repaired:
    """Builds the days again that differ, and those that a session's new figures touch. Raises psycopg.Error."""
    wrong = [one for one in checked if one.drifted]
    ids = sorted({id_ for one in wrong for id_ in one.sessions})
    lost = gone.days(connected(), known, date.min, date.max)
    mended = mend_sessions.mend(known, ids, _kept_from(known, lost))
    touched = {one.day for one in wrong} | mended.days
    days = sorted((day for day in touched if day.date not in lost), key=lambda day: day.start)
    for day in days:
        if not day.is_closed(now):
            _clear_ahead(known, day, now)
    start = days[0].start if days else now
    done = backfill.run(backfill.Plan(known, start, days, [], set(), None), now, watch, task=TASK)
    return Repaired(mended.sessions, days, done.failed)


def _kept_from(known: KnownSite, lost: list[date]) -> datetime:
    """From when on all events are there."""
    [until] = connected().execute(KEPT_FROM, (known.id, lost)).fetchone() or [None]
    return until or BEGINNING


def _clear_ahead(known: KnownSite, day: Day, now: datetime) -> None:
    """Rows of a day that is not over: it has none as a whole, and none of hours to come."""
    over = max((edge for edge in day.edges if edge <= now), default=day.start)
    try:
        with rebuild.building(known.id, day.date) as conn:
            rows.clear_day(conn, known.id, day.date)
            rows.clear_hours(conn, known.id, over, day.end)
    except rebuild.Busy as busy:
        log.info("Not cleared, and found again by the next check: %s", busy)
