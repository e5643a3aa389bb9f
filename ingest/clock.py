"""Local time to instants, in any zone of the tz database.

Days have 23, 24 or 25 hours, 23.5 on Lord Howe; midnight may not exist, or exist twice; Apia has no
30 December 2011. So nothing here adds 24 hours: a day ends where the next one begins.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


def instant(zone: ZoneInfo, day: date, at: time) -> datetime:
    """The first moment at which the zone's clocks show this time, or that of the jump over it."""
    moment = datetime.combine(day, at, zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, at):
        return moment
    before = datetime.combine(day, at.replace(fold=1), zone).astimezone(UTC)
    return _first(
        before, moment, lambda found: found.astimezone(zone).replace(tzinfo=None) >= datetime.combine(day, at)
    )


def day_start(zone: ZoneInfo, day: date) -> datetime:
    return instant(zone, day, time())


def day_of(zone: ZoneInfo, moment: datetime) -> date:
    return moment.astimezone(zone).date()


def hour_start(zone: ZoneInfo, moment: datetime) -> datetime:
    """The start of the hour of the zone's clocks: at :15 past in Kathmandu (+5:45)."""
    shift = _shift(zone, moment)
    moment = moment.astimezone(UTC)
    return (moment + shift).replace(minute=0, second=0, microsecond=0) - shift


def next_hour(zone: ZoneInfo, moment: datetime) -> datetime:
    """Where the hour of MOMENT ends. A jump by part of an hour ends it early."""
    end = hour_start(zone, moment) + HOUR
    shift = _shift(zone, moment)
    if _shift(zone, end - SECOND) == shift:
        return end
    return _first(moment, end, lambda found: _shift(zone, found) != shift)


def months_later(day: date, months: int) -> date:
    """The same day of another month, or that month's last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, _days_in(year, month + 1)))


def _days_in(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - DAY).day


def _shift(zone: ZoneInfo, moment: datetime) -> timedelta:
    """By how much the zone's hours are off those of UTC."""
    return (moment.astimezone(zone).utcoffset() or timedelta()) % HOUR


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first whole second in (LOW, HIGH] from which HOLDS is true; it is at HIGH and not at LOW."""
    start = low.replace(microsecond=0)
    few, many = 0, int((high - start) / SECOND)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if holds(start + middle * SECOND) else (middle, many)
    return start + many * SECOND


def day_holding(zone: ZoneInfo, moment: datetime) -> date:
    """The day in whose span MOMENT lies. Not the clock's where an hour over midnight comes twice."""
    day = day_of(zone, moment)
    while moment >= day_start(zone, day + DAY):
        day += DAY
    while moment < day_start(zone, day):
        day -= DAY
    return day


def hours_of(zone: ZoneInfo, day: date) -> list[datetime]:
    """The starts of the day's hours and, last, its end: they tile the day, whatever the zone's clocks do."""
    moment, end = day_start(zone, day), day_start(zone, day + DAY)
    edges = []
    while moment < end:
        edges.append(moment)
        moment = next_hour(zone, moment)
    return [*edges, end]
