"""Whether a site's aggregates are what its stored events and sessions say, day by day."""

from datetime import date, datetime
from typing import NamedTuple

from ingest import jobs
from ingest.clock import DAY, day_holding, day_start
from ingest.rollups import check_day, gone
from ingest.rollups.backfill import Moved, Watch
from ingest.rollups.buckets import Day, days_in, today
from ingest.rollups.check_day import Checked
from ingest.rollups.drift import Drift
from ingest.sites import KnownSite
from ingest.writer import connected

TASK = "verify"
SPAN = """
SELECT (SELECT min(ts) FROM ingest_event WHERE site_id = %(site)s),
       (SELECT min(day) FROM ingest_daily_total WHERE site_id = %(site)s),
       (SELECT max(day) FROM ingest_daily_total WHERE site_id = %(site)s)
"""


class Report(NamedTuple):
    known: KnownSite
    checked: tuple[Checked, ...]  # in the order of days

    @property
    def wrong(self) -> list[Checked]:
        return [one for one in self.checked if one.drifted]

    @property
    def drifted(self) -> int:
        return sum(one.drifted for one in self.checked)

    @property
    def drifts(self) -> list[Drift]:
        """Not all, where a day has very many."""
        return [drift for one in self.checked for drift in one.drifts]

    @property
    def sessions(self) -> int:
        """How many differ from their events."""
        return len({id_ for one in self.checked for id_ in one.sessions})

    @property
    def events(self) -> int:
        return sum(one.events for one in self.checked)

    @property
    def pending(self) -> list[str]:
        return [bucket for one in self.checked for bucket in one.pending]

    @property
    def gone(self) -> list[date]:
        return [one.day.date for one in self.checked if one.is_gone]

    def __str__(self) -> str:
        counted = f"{len(self.checked) - len(self.gone):,} days with {self.events:,} events"
        found = (
            f"{self.drifted:,} differences on {len(self.wrong):,} of {counted}, {self.sessions:,} sessions among them."
            if self.drifted
            else f"No difference on {counted}."
        )
        waiting = f"{len(self.pending):,} buckets wait to be built." if self.pending else ""
        return " ".join(filter(None, [found, waiting, gone.told(self.gone)]))


def site(
    known: KnownSite,
    first: date | None,
    last: date | None,
    now: datetime,
    *,
    is_strict: bool = False,
    watch: Watch = lambda moved: None,
) -> Report:
    """All days of which there is anything, unless FIRST and LAST (included) say otherwise. Raises psycopg.Error."""
    return days(known, _days(known, first, last, now), now, is_strict=is_strict, watch=watch)


def days(
    known: KnownSite, chosen: list[Day], now: datetime, *, is_strict: bool = False, watch: Watch = lambda moved: None
) -> Report:
    start, end = (chosen[0].start, chosen[-1].end) if chosen else (now, now)
    checked, events = list[Checked](), 0
    with jobs.run(TASK, site_id=known.id, start=start, end=end, total=len(chosen)) as job:
        watch(Moved(0, len(chosen), 0, None))
        for number, one in enumerate(chosen, 1):
            checked.append(check_day.day(known, one, now, is_strict=is_strict))
            events += checked[-1].events
            job.step(number)
            watch(Moved(number, len(chosen), events, one.date))
        report = Report(known, tuple(checked))
        job.detail = str(report)
        job.error = str(report) if report.drifted else ""
    return report


def _days(known: KnownSite, first: date | None, last: date | None, now: datetime) -> list[Day]:
    found = _span(known, now)
    if found is None and first is None:
        return []
    here = today(known.zone, now)
    first = first or (found or (here, here))[0]
    last = last or (found or (here, here))[1]
    whole = days_in(known.zone, day_start(known.zone, first), day_start(known.zone, last + DAY))
    return gone.filled(connected(), known, whole)


def _span(known: KnownSite, now: datetime) -> tuple[date, date] | None:
    """The first and last day of which there is anything."""
    event, earliest, latest = connected().execute(SPAN, {"site": known.id}).fetchone() or (None, None, None)
    found = [day_holding(known.zone, event)] if event else []
    found += [day for day in (earliest, latest) if day]
    return (min(found), max(*found, today(known.zone, now))) if found else None
