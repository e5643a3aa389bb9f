"""What is behind: hours that nobody counts, sites whose aggregates stop, tasks that fail, days without a partition."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfoNotFoundError

from ingest import jobs, partitions
from ingest.clock import DAY, HOUR
from ingest.models import RollupState, Site
from ingest.rollups.buckets import today
from ingest.writer import connected

PATIENCE = timedelta(minutes=70)  # an hour closes, is counted at minute 5 of the next, and that takes a while
STEP = timedelta(minutes=90)  # between two borders of hours and the run after them, where hours begin at half past
LEAST_AHEAD = 2
MINUTE = timedelta(minutes=1)
SHOWN = 5  # sites by number in a sentence

LATE_HOURS = """
SELECT min(hour), count(DISTINCT (site_id, hour)), count(DISTINCT site_id)
FROM ingest_dirty_hour WHERE greatest(marked_at, hour + %s) < %s
"""


class Freshness(NamedTuple):
    oldest_dirty_hour: datetime | None  # of those that are late
    hours_late: int  # over and marked dirty for longer than PATIENCE
    sites_late: int  # whose those are
    sites_behind: tuple[int, ...]  # ids: their aggregates stop before they should
    jobs_failing: tuple[str, ...]  # tasks
    days_ahead: int  # that have a partition, without a gap

    @property
    def is_fresh(self) -> bool:
        return not self.sentences()

    def sentences(self) -> list[str]:
        """What is behind, and where to look; none when nothing is."""
        return [*self._about_figures(), *self._about_work()]

    def _about_figures(self) -> list[str]:
        told = []
        if self.oldest_dirty_hour:
            oldest = f"{self.oldest_dirty_hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            late = f"{_some(self.hours_late, 'hour')} of {_some(self.sites_late, 'site')}, the oldest from {oldest}"
            told.append(f"Not counted for over {PATIENCE // MINUTE} minutes: {late}. See the runs of drain_hours.")
        if self.sites_behind:
            shown = ", ".join(map(str, self.sites_behind[:SHOWN])) + (", …" if len(self.sites_behind) > SHOWN else "")
            behind = f"{_some(len(self.sites_behind), 'site')} (number {shown})"
            told.append(f"Figures stop too early: {behind}. Do worker and beat run?")
        return told

    def _about_work(self) -> list[str]:
        told = [f"{task} fails every time lately: see its last run." for task in self.jobs_failing]
        if self.days_ahead < LEAST_AHEAD:
            ahead = f"{_some(self.days_ahead, 'day')}, {LEAST_AHEAD} are the least"
            told.append(f"Partitions ahead: {ahead}. Run manage.py partitions.")
        return told


def found(now: datetime) -> Freshness:
    """At this moment. Raises psycopg.Error or DatabaseError when the database does not answer."""
    [(oldest, hours, sites)] = connected().execute(LATE_HOURS, (HOUR, now - PATIENCE)).fetchall()
    failing = tuple(run.task for run in jobs.failing() if run.task != "check_freshness")
    return Freshness(oldest, hours, sites, tuple(_behind(now)), failing, _days_ahead(now))


def _some(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _behind(now: datetime) -> list[int]:
    """Sites whose days or hours stop before what the last runs should have built."""
    states = {state.site_id: state for state in RollupState.objects.all()}
    return [site.pk for site in Site.objects.order_by("pk") if _is_behind(site, states.get(site.pk), now)]


def _is_behind(site: Site, state: RollupState | None, now: datetime) -> bool:
    if state is None:
        return site.created_at < now - PATIENCE
    try:
        days, hours = today(site.zone, now - PATIENCE), now - STEP - PATIENCE
    except ZoneInfoNotFoundError:  # of a machine with newer data of zones than this one has
        return True
    return state.days_until < days or state.hours_until < hours


def _days_ahead(now: datetime) -> int:
    existing, day = partitions.existing(connected()), now.astimezone(UTC).date()
    number = 0
    while day + (number + 1) * DAY in existing:
        number += 1
    return number
