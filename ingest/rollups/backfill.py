"""Builds the aggregates of a range of days again, in this process or spread over others.

How far it has come is told by the days themselves: one that was built since the work began is done. So a run that was
interrupted goes on where it stopped, whoever built what, and what somebody was given and never finished is found.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from ingest import jobs
from ingest.clock import DAY, day_holding, day_start
from ingest.models import JobRun, RollupState, Site
from ingest.rollups import gone, rebuild, state
from ingest.rollups.buckets import Day, day_of, days_in, today
from ingest.sites import KnownSite
from ingest.writer import connected

log = logging.getLogger(__name__)
TASK = "backfill"
RECENT = timedelta(days=2)  # what stopped longer ago is begun anew
BUSY_SECONDS = 300  # that a day in somebody else's hands is waited for
PAUSE_SECONDS = 0.2
QUIET_SECONDS = 15.0  # nothing came of what was handed out: it is taken back, a day at a time
MOST_DAYS = 10  # handed out at once

FIRST_EVENT = "SELECT min(ts) FROM ingest_event WHERE site_id = %s"
# What a day's rows say of how much was read and written, for whoever did not build it.
BUILT = """
SELECT t.day, coalesce(e.events, 0)::bigint, 1 + coalesce(e.named, 0) + coalesce(b.values, 0)
FROM ingest_daily_total t
LEFT JOIN LATERAL (
  SELECT sum(events) AS events, count(*) AS named FROM ingest_daily_events WHERE site_id = t.site_id AND day = t.day
) e ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS values FROM ingest_daily_breakdown WHERE site_id = t.site_id AND day = t.day
) b ON true
WHERE t.site_id = %s AND t.day = ANY(%s::date[]) AND t.built_at >= %s
"""
EVENTFUL = """
SELECT place FROM unnest(%s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS sought(a, b, place)
WHERE EXISTS (SELECT 1 FROM ingest_event WHERE site_id = %s AND ts >= a AND ts < b)
"""


class Plan(NamedTuple):
    known: KnownSite
    start: datetime  # of the range
    days: list[Day]  # of it, in order: those of which there is anything
    gone: list[date]  # of these: their events are gone, so they stay as they are
    done: set[date]  # of these: built since the work began
    since: datetime | None  # when it began, where this run goes on with another one's

    @property
    def left(self) -> list[Day]:
        return [day for day in self.days if day.date not in self.done and day.date not in self.gone]


class Filled(NamedTuple):
    """What a run built itself or had built, and what it could not build."""

    days: int
    hours: int
    events: int
    rows: int
    gone: tuple[date, ...]
    failed: tuple[str, ...]
    since: datetime | None = None

    def __str__(self) -> str:
        built = f"Built {self.days:,} days and {self.hours:,} hours of the open one from {self.events:,} events."
        return " ".join(filter(None, [built, gone.told(self.gone)]))


class Moved(NamedTuple):
    """How far a run has come; `events` are those read by now."""

    done: int
    total: int
    events: int
    day: date | None


Watch = Callable[[Moved], None]
Hand = Callable[[int, list[date], int], None]  # site, days, number of the run


class Spread(NamedTuple):
    """Where days are handed to, and how many parts may be out at a time."""

    hand: Hand
    jobs: int


def first_day(known: KnownSite) -> date | None:
    """That of the first stored event; none of a site without events."""
    row = connected().execute(FIRST_EVENT, (known.id,)).fetchone()
    return day_holding(known.zone, row[0]) if row and row[0] else None


def site(
    known: KnownSite,
    first: date | None,
    last: date | None,
    now: datetime,
    *,
    is_anew: bool = False,
    watch: Watch = lambda moved: None,
    spread: Spread | None = None,
) -> Filled | None:
    """From the first event to today, unless FIRST and LAST (included) say otherwise. None without events.

    Raises as `run` does.
    """
    first = first or first_day(known)
    if first is None:
        return None
    here = today(known.zone, now)
    return run(plan(known, first, min(last or here, here), now, is_anew=is_anew), now, watch, spread)


def plan(known: KnownSite, first: date, last: date, now: datetime, *, is_anew: bool = False) -> Plan:
    """FIRST and LAST are included. A run that was interrupted goes on, unless IS_ANEW."""
    state.of(known, now)  # the days may have become those of another zone
    start, end = day_start(known.zone, first), min(day_start(known.zone, last + DAY), now)
    days = gone.filled(connected(), known, days_in(known.zone, start, end))
    lost = gone.days(connected(), known, first, last)
    since = None if is_anew else _interrupted(known, start)
    done = {day for day, *_ in _built(known, [day.date for day in days], since)} if since else set[date]()
    return Plan(known, start, days, lost, done - set(lost), since)


def _interrupted(known: KnownSite, start: datetime) -> datetime | None:
    """When the last run from START began, if it did not come to its end."""
    last = JobRun.objects.filter(task=TASK, site_id=known.id, range_start=start).order_by("-pk").first()
    if last is None or (last.ended_at and not last.error) or last.seen_at < datetime.now(UTC) - RECENT:
        return None
    return last.started_at


def is_running(site_id: int) -> bool:
    """Whether somebody is at it, as far as can be told."""
    return JobRun.objects.filter(task=TASK, site_id=site_id, ended_at=None).exclude(JobRun.failures()).exists()


def run(
    plan: Plan, now: datetime, watch: Watch = lambda moved: None, spread: Spread | None = None, *, task: str = TASK
) -> Filled:
    """Builds what is left of PLAN. May be interrupted at any moment. TASK is the name of the run.

    Raises what ends the connection, or what SPREAD raises; a day that cannot be built is told in `failed`.
    """
    end = max((day.end for day in plan.days), default=now)
    with jobs.run(task, site_id=plan.known.id, start=plan.start, end=end, total=len(plan.days)) as job:
        if plan.since:
            job.row.started_at = plan.since
            job.row.save(update_fields=["started_at"])
        work = _Work(plan, now, job, watch)
        work.run(spread)
        done = work.filled()
        job.detail, job.error = str(done), " ".join(done.failed)
    return done


class _Work:
    """A run in hand."""

    def __init__(self, plan: Plan, now: datetime, job: jobs.Job, watch: Watch) -> None:
        self.plan, self.now, self.job, self.watch = plan, now, job, watch
        self.done = len(plan.done) + sum(day.date in plan.gone for day in plan.days)
        self.days = self.hours = self.events = self.rows = 0
        self.gone = [*plan.gone]
        self.failed: list[str] = []

    def filled(self) -> Filled:
        gone_days = tuple(sorted(self.gone))
        return Filled(self.days, self.hours, self.events, self.rows, gone_days, tuple(self.failed), self.plan.since)

    def run(self, spread: Spread | None) -> None:
        left = self.plan.left
        self.came(None, 0, 0, days=0)
        if spread:
            handed = _eventful(self.plan.known, [day for day in left if day.is_closed(self.now)])
            _Handing(self, spread, handed).run()
            dates = {day.date for day in handed}
            left = [day for day in left if day.date not in dates]
        self.build_busy([day for day in left if not self.build(day)])

    def build(self, day: Day) -> bool:
        """False when somebody else is building it. Raises what ends the connection."""
        try:
            self._build(day)
        except rebuild.Busy:
            return False
        except rebuild.Final:
            self.gone.append(day.date)
            self.came(day.date, 0, 0)
        except Exception as error:
            connected()  # raises where the server is away: every other day would fail too
            log.exception("Site %d, %s could not be built.", self.plan.known.id, day.date)
            self.fail(day, str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        return True

    def _build(self, day: Day) -> None:
        if day.is_closed(self.now):
            # Its own moment, not the run's: by it a later run sees what this one has built.
            built = [rebuild.day(self.plan.known, day, datetime.now(UTC))]
            self.days += 1
        else:
            hours = [hour for hour in day.hours_in(day.start, day.end) if hour.is_closed(self.now)]
            built = [rebuild.hour(self.plan.known, hour) for hour in hours]
            self.hours += len(hours)
        self.came(day.date, sum(one.events for one in built), sum(one.rows for one in built))

    def build_busy(self, days: list[Day]) -> None:
        until = time.monotonic() + BUSY_SECONDS
        while days and time.monotonic() < until and not self._is_rezoned():
            time.sleep(PAUSE_SECONDS)
            days = [day for day in days if not self.build(day)]
        why = (
            "the site's days are those of another zone now, run this again"
            if self._is_rezoned()
            else f"somebody else has been building it for {BUSY_SECONDS // 60} minutes"
        )
        for day in days:
            self.fail(day, why)

    def _is_rezoned(self) -> bool:
        zone = self.plan.known.zone.key
        return RollupState.objects.filter(site_id=self.plan.known.id).exclude(zone=zone).exists()

    def fail(self, day: Day, why: str) -> None:
        self.failed.append(f"{day.date} could not be built: {why.removesuffix('.')}.")
        self.came(day.date, 0, 0)

    def came(self, day: date | None, events: int, rows: int, *, days: int = 1) -> None:
        self.done += days
        self.events += events
        self.rows += rows
        self.job.step(self.done, rows)
        self.watch(Moved(self.done, len(self.plan.days), self.events, day))


# --- Spread over others -----------------------------------------------------------------------------------


class _Part:
    """Days that were handed out together and are not built yet."""

    def __init__(self, days: list[Day]) -> None:
        self.days = {day.date: day for day in days}
        self.quiet_since = time.monotonic()

    @property
    def is_lost(self) -> bool:
        return time.monotonic() - self.quiet_since > QUIET_SECONDS


class _Handing:
    """Hands days out and waits until they are built. What nobody builds this process builds itself: whoever took it
    may have been killed, or cannot build it and has said so only in its own log."""

    def __init__(self, work: _Work, spread: Spread, days: list[Day]) -> None:
        self.work, self.spread = work, spread
        self.since = work.job.row.started_at
        self.waiting = deque(_parts(days, spread.jobs))
        self.out: list[_Part] = []

    def run(self) -> None:
        while self.waiting or self.out:
            while self.waiting and len(self.out) < self.spread.jobs:
                self._hand(self.waiting.popleft())
            if not self._look():
                lost = next((part for part in self.out if part.is_lost), None)
                if lost:
                    self._take_back(lost)
                else:
                    time.sleep(PAUSE_SECONDS)
                self.work.came(None, 0, 0, days=0)  # a sign of life
            self.out = [part for part in self.out if part.days]

    def _hand(self, part: _Part) -> None:
        self.spread.hand(self.work.plan.known.id, list(part.days), self.work.job.row.pk)
        part.quiet_since = time.monotonic()
        self.out.append(part)

    def _look(self) -> bool:
        """Whether anything came back."""
        missing = [day for part in self.out for day in part.days]
        built = _built(self.work.plan.known, missing, self.since)
        for day, events, rows in built:
            part = next(part for part in self.out if day in part.days)
            del part.days[day]
            part.quiet_since = time.monotonic()
            self.work.days += 1
            self.work.came(day, events, rows)
        return bool(built)

    def _take_back(self, part: _Part) -> None:
        day = part.days.pop(min(part.days))
        if not self.work.build(day):
            part.days[day.date] = day
            part.quiet_since = time.monotonic()


def _parts(days: list[Day], jobs: int) -> Iterable[_Part]:
    """Some for each worker, so that none waits long for the last one."""
    size = max(1, min(MOST_DAYS, len(days) // (jobs * 4)))
    return (_Part(days[start : start + size]) for start in range(0, len(days), size))


def _eventful(known: KnownSite, days: list[Day]) -> list[Day]:
    """Those with events: the others are built quicker than they are handed out, and leave no row that tells of it."""
    spans = [day.start for day in days], [day.end for day in days]
    found = {place for (place,) in connected().execute(EVENTFUL, (*spans, known.id)).fetchall()}
    return [day for place, day in enumerate(days, 1) if place in found]


def _built(known: KnownSite, days: list[date], since: datetime) -> list[tuple[date, int, int]]:
    """Those built since then, with their events and rows."""
    return connected().execute(BUILT, (known.id, days, since)).fetchall()


def part(site_id: int, days: Iterable[date], run_id: int) -> None:
    """What a worker does with days that it was given. It may be given them twice, or when the run is over."""
    row = JobRun.objects.filter(pk=run_id, ended_at=None).first()
    found = Site.objects.filter(pk=site_id).first()
    if row is None or found is None:
        log.info("Backfill %d is over; nothing to do.", run_id)
        return
    known = KnownSite.of(found)
    for day in days:
        if not _built(known, [day], row.started_at):
            _try(known, day_of(known.zone, day))


def _try(known: KnownSite, day: Day) -> None:
    try:
        rebuild.day(known, day, datetime.now(UTC))
    except (rebuild.Busy, rebuild.Final) as error:
        log.info("Not built: %s", error)
    except Exception:
        connected()
        log.exception("Site %d, %s could not be built.", known.id, day.date)
