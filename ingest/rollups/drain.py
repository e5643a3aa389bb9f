"""Builds what was marked dirty, and what time has closed. A run that ended anywhere is made up for by the next.

An open day is built hour by hour, as its hours close; a closed one as a whole. The running hour keeps its marks until
it closes: its figures are raw rows.
"""

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest import sites
from ingest.clock import DAY, HOUR
from ingest.models import Site
from ingest.rollups import rebuild, rows, state
from ingest.rollups.buckets import Day, Hour, day_of, days_in, marked, today
from ingest.sites import KnownSite
from ingest.store import marks as dirty_marks
from ingest.writer import connected

log = logging.getLogger(__name__)
Unit = Day | Hour
Span = tuple[datetime, datetime]
LOOK_BACK = timedelta(hours=2)
PAUSE = 10  # closed days are built again when this many times what they cost together have passed

MARKED = """
SELECT hour, array_agg(id) FROM ingest_dirty_hour WHERE site_id = %s AND hour <= %s GROUP BY 1 ORDER BY 1
"""
MARKED_SITES = "SELECT DISTINCT site_id FROM ingest_dirty_hour ORDER BY 1"
LATELY = """
SELECT day FROM (
  SELECT day, built_at, sum(took_ms) OVER () AS together_ms FROM ingest_daily_total
  WHERE site_id = %(site)s AND day = ANY(%(days)s::date[])
) dirty
WHERE built_at <= %(now)s AND built_at + together_ms * %(pause)s * interval '1 millisecond' > %(now)s
"""
UNMARK = "DELETE FROM ingest_dirty_hour WHERE id = ANY(%s::bigint[])"
UNMARK_SITE = "DELETE FROM ingest_dirty_hour WHERE site_id = %s"


class Drained(NamedTuple):
    """What a run built; `late` are buckets left for the next one, being dear or in somebody else's hands."""

    days: int = 0
    hours: int = 0
    rows: int = 0
    late: int = 0
    failed: tuple[str, ...] = ()

    def __add__(self, other: "Drained") -> "Drained":  # type: ignore[override]
        failed = (*self.failed, *other.failed)
        late = self.late + other.late
        return Drained(self.days + other.days, self.hours + other.hours, self.rows + other.rows, late, failed)

    def __str__(self) -> str:
        left = f", {self.late:,} left for the next run" if self.late else ""
        return f"Built {self.days:,} days and {self.hours:,} hours, {self.rows:,} rows{left}."


class _Mark(NamedTuple):
    """The marks of one hour that were there when a run began."""

    hour: datetime
    ids: list[int]


def closed_days(now: datetime) -> Drained:
    """For every minute: days that have just closed, and closed ones that late events changed."""
    return _each(lambda known: of_closed_days(known, now))


def hours(now: datetime) -> Drained:
    """For every hour: all that closed since the last run, two hours before it, and everything dirty."""
    return _each(lambda known: of_hours(known, now))


def _each(drain: Callable[[KnownSite], Drained]) -> Drained:
    """Of every site. One that cannot be built keeps no other from it. Raises when the database is away."""
    done = Drained()
    for site_id in _site_ids():
        try:
            done += _of_site(site_id, drain)
        except Exception as error:
            done += _failed(f"site {site_id}", error)
    return done


def _of_site(site_id: int, drain: Callable[[KnownSite], Drained]) -> Drained:
    known = sites.as_stored(site_id)
    if known is None:
        connected().execute(UNMARK_SITE, (site_id,))
        return Drained()
    return drain(known)


def _failed(what: str, error: Exception) -> Drained:
    """Called where it was caught. Raises when the database is away: nothing else could be built either."""
    connected()  # anew, if its end was what failed
    log.exception("Not built: %s.", what)
    return Drained(failed=(f"{what}: {str(error).strip()}",))


def _site_ids() -> list[int]:
    marks = {site_id for (site_id,) in connected().execute(MARKED_SITES).fetchall()}
    return sorted(marks | set(Site.objects.values_list("pk", flat=True)))


# --- One site ---------------------------------------------------------------------------------------------


def of_closed_days(known: KnownSite, now: datetime) -> Drained:
    since = day_of(known.zone, state.of(known, now).days_until).start
    closed: set[Unit] = {unit for unit in _units(known.zone, (since, now), now) if isinstance(unit, Day)}
    done = _drained(known, now, closed, only_days=True)
    state.advance(known, days_until=today(known.zone, now))
    return done


def of_hours(known: KnownSite, now: datetime) -> Drained:
    found = state.of(known, now)
    days = found.days_until < today(known.zone, now)
    since = min(found.hours_until - LOOK_BACK, day_of(known.zone, found.days_until).start if days else now)
    # A closed day is looked back at by its marks alone: it is a whole day's work for what two hours may have missed.
    new = {unit for unit in _units(known.zone, (since, now), now) if not _is_built(unit, found.days_until)}
    done = _drained(known, now, new, only_days=False)
    state.advance(known, hours_until=_hours_of_today(known.zone, now), days_until=today(known.zone, now))
    oldest = today(known.zone, now) - (rebuild.KEPT_DAYS - 1) * DAY
    rows.forget_breakdowns(connected(), known, day_of(known.zone, oldest).start)
    return done


def _is_built(unit: Unit, days_until: date) -> bool:
    return isinstance(unit, Day) and unit.date < days_until


def _units(zone: ZoneInfo, span: Span, now: datetime) -> set[Unit]:
    """What is over of the span: whole days, and hours of the one that is not."""
    units: set[Unit] = set()
    for day in days_in(zone, *span):
        if day.is_closed(now):
            units.add(day)
        else:
            units.update(hour for hour in day.hours_in(*span) if hour.is_closed(now))
    return units


def _hours_of_today(zone: ZoneInfo, now: datetime) -> datetime:
    """Until when hours have closed."""
    edges = day_of(zone, today(zone, now)).edges
    return max(edge for edge in edges if edge <= now)


def _drained(known: KnownSite, now: datetime, new: set[Unit], *, only_days: bool) -> Drained:
    """Builds NEW and what is dirty. What could not be built is dirty afterwards, so that all of NEW is seen to."""
    marks = _marks(known, now)
    dirty = {unit for mark in marks for unit in _units(known.zone, marked(mark.hour), now)}
    wanted = new | {unit for unit in dirty if isinstance(unit, Day) or not only_days}
    lately = _lately(known, wanted - new, now)
    done, settled = Drained(late=len(lately)), set[Unit]()
    for unit in sorted(wanted - lately, key=lambda unit: unit.start):
        built, is_settled = _build(known, unit, now)
        done += built
        settled |= {unit} if is_settled else set()
    _unmark(known, marks, settled, now)
    # Else every day since would be built with it each minute, for as long as one cannot be.
    dirty_marks.dirty(connected(), {(known, hour) for unit in new - settled for hour in _hours_of(unit)})
    return done


def _hours_of(unit: Unit) -> tuple[datetime, ...]:
    return unit.edges[:-1] if isinstance(unit, Day) else (unit.start,)


def _build(known: KnownSite, unit: Unit, now: datetime) -> tuple[Drained, bool]:
    """One bucket. That it fails keeps no later one from being built."""
    try:
        if isinstance(unit, Day):
            return Drained(days=1, rows=rebuild.day(known, unit, now).rows), True
        return Drained(hours=1, rows=rebuild.hour(known, unit).rows), True
    except rebuild.Busy:
        return Drained(late=1), False
    except rebuild.Final as final:
        log.info("Not built: %s", final)
        return Drained(), True
    except Exception as error:
        return _failed(f"site {known.id}, {unit.start:%Y-%m-%d %H:%M}", error), False


def _marks(known: KnownSite, now: datetime) -> list[_Mark]:
    """Of hours that are over."""
    found = connected().execute(MARKED, (known.id, now - HOUR)).fetchall()
    return [_Mark(hour, ids) for hour, ids in found]


def _lately(known: KnownSite, units: set[Unit], now: datetime) -> set[Unit]:
    """Closed days that were dear, and built a short while ago: they wait, and the machine has time for others.

    Together: a session that lasts for weeks changes each of its days with each new page.
    """
    days = {unit.date: unit for unit in units if isinstance(unit, Day)}
    given = {"site": known.id, "days": list(days), "pause": PAUSE, "now": now}
    found = connected().execute(LATELY, given).fetchall() if days else []
    return {days[day] for (day,) in found}


def _unmark(known: KnownSite, marks: list[_Mark], settled: set[Unit], now: datetime) -> None:
    """Marks that no bucket's transaction took with it: of a final day, or lying across two buckets.

    They were there before anything was built, so what was built has seen what they stand for.
    """
    ids = [
        id_
        for mark in marks
        if (units := _units(known.zone, marked(mark.hour), now)) and units <= settled
        if marked(mark.hour)[1] <= max(unit.end for unit in units)
        for id_ in mark.ids
    ]
    if ids:
        connected().execute(UNMARK, (ids,))
