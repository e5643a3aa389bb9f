"""Names of periods to instants, and the period that another is compared with.

`7d` is today and the six days before it: what happens now is seen, in a last bucket marked as incomplete.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.clock import DAY, HOUR, day_of, day_start, hour_start, instant, months_later
from reports.queries.query import Comparison, Period, QueryRefused

EARLIEST = date(1990, 1, 1)  # before the web; keeps arithmetic on dates far from its ends
WEEK = 7


class Preset(NamedTuple):
    name: str  # in addresses
    label: str
    key: str  # on the keyboard
    days: Callable[[date], tuple[date, date]]  # from today to the first and last day


def _last(count: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - (count - 1) * DAY, today)


def _months(count: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (months_later(today.replace(day=1), 1 - count), today)


def _month_before(today: date) -> tuple[date, date]:
    last = today.replace(day=1) - DAY
    return last.replace(day=1), last


ROLLING, ALL, CUSTOM, COMPARED = "24h", "all", "custom", "compared"
PRESETS = (
    Preset("today", "Today", "D", _last(1)),
    Preset("yesterday", "Yesterday", "E", lambda today: (today - DAY, today - DAY)),
    Preset(ROLLING, "Last 24 hours", "H", _last(2)),
    Preset("7d", "Last 7 days", "W", _last(7)),
    Preset("28d", "Last 28 days", "F", _last(28)),
    Preset("30d", "Last 30 days", "T", _last(30)),
    Preset("90d", "Last 90 days", "N", _last(90)),
    Preset("month", "Month to date", "M", _months(1)),
    Preset("last_month", "Last month", "P", _month_before),
    Preset("year", "Year to date", "Y", lambda today: (today.replace(month=1, day=1), today)),
    Preset("6mo", "Last 6 months", "S", _months(6)),
    Preset("12mo", "Last 12 months", "L", _months(12)),
    Preset(ALL, "All time", "A", _last(1)),
)
BY_NAME = {preset.name: preset for preset in PRESETS}
WHOLE_MONTHS = {"last_month", "6mo", "12mo"}  # compared with months, whatever their weekdays
MONTHS_BACK = {"month": 1, "6mo": 6, "12mo": 12, "year": 12}  # to the period before


def of(name: str, zone: ZoneInfo, now: datetime, since: datetime | None = None) -> Period:
    """The preset of this name. SINCE, the site's first event, begins `all`; without one it is today.

    Raises QueryRefused.
    """
    preset = BY_NAME.get(name)
    if preset is None:
        names = [*BY_NAME, CUSTOM]
        raise QueryRefused(f"period={name}: is not a period. Take one of {', '.join(names)}.", "period", names)
    if name == ROLLING:
        return _rolling(zone, now)
    first, last = preset.days(day_of(zone, now))
    if name == ALL and since is not None:
        first = max(EARLIEST, min(first, day_of(zone, since)))
    return between(first, last, zone, now, kind=name)


def custom(first: date, last: date, zone: ZoneInfo, now: datetime) -> Period:
    """From FIRST to LAST, both included; days to come are left off. Raises QueryRefused."""
    today = day_of(zone, now)
    if first > last:
        raise QueryRefused(f"from={first}: is after to={last}. Exchange them.", "from")
    if first > today:
        raise QueryRefused(f"from={first}: is in the future. Today is {today} in {zone.key}.", "from")
    if first < EARLIEST:
        raise QueryRefused(f"from={first}: must be {EARLIEST} or later.", "from")
    period = between(first, min(last, today), zone, now)
    if period.start == period.end:
        raise QueryRefused(f"from={first}: {zone.key} had no such day. Choose another.", "from")
    return period


def between(first: date, last: date, zone: ZoneInfo, now: datetime, kind: str = CUSTOM) -> Period:
    start, end = day_start(zone, first), day_start(zone, last + DAY)
    return Period(kind, zone, start, end, end, first, last, is_partial=start <= now < end)


def _rolling(zone: ZoneInfo, now: datetime) -> Period:
    end = hour_start(zone, now) + HOUR
    start = end - 24 * HOUR
    days = day_of(zone, start), day_of(zone, end - HOUR)
    return Period(ROLLING, zone, start, end, end, *days, is_partial=True)


# --- Comparison -------------------------------------------------------------------------------------------


def compared(period: Period, comparison: Comparison, now: datetime, *, match_weekdays: bool = True) -> Period | None:
    """The period before, or the same of the year before; None for all time, which has neither.

    Of a running period it is figured until the moment that corresponds to NOW: the same clock time on the
    corresponding day. Weekdays are matched from a week on, by beginning up to three days off.
    """
    if period.kind == ALL:
        return None
    if period.kind == ROLLING:
        return _rolled_back(period, comparison, now)
    first, last = _days_before(period) if comparison == "previous" else _year_before(period)
    length = _length(period)
    if match_weekdays and length >= WEEK and period.kind not in WHOLE_MONTHS:
        first = _same_weekday(first, period.first_day, length)
        last = first + (length - 1) * DAY
    found = between(first, last, period.zone, now, kind=COMPARED)
    return replace(found, until=_until(period, found, now), is_partial=False)


def _rolled_back(period: Period, comparison: Comparison, now: datetime) -> Period:
    zone, start = period.zone, period.start - 24 * HOUR
    if comparison == "year":
        local = period.start.astimezone(zone)
        start = instant(zone, months_later(local.date(), -12), local.time().replace(fold=0))
    end = start + 24 * HOUR
    days = day_of(zone, start), day_of(zone, end - HOUR)
    return Period(COMPARED, zone, start, end, start + (now - period.start), *days, is_partial=False)


def _length(period: Period) -> int:
    return (period.last_day - period.first_day).days + 1


def _days_before(period: Period) -> tuple[date, date]:
    if period.kind == "last_month":
        return months_later(period.first_day, -1), period.first_day - DAY
    if months := MONTHS_BACK.get(period.kind):
        return months_later(period.first_day, -months), months_later(period.last_day, -months)
    length = _length(period) * DAY
    return period.first_day - length, period.last_day - length


def _year_before(period: Period) -> tuple[date, date]:
    first = months_later(period.first_day, -12)
    if period.kind == "last_month":
        return first, months_later(period.last_day + DAY, -12) - DAY  # February may be longer or shorter
    return first, months_later(period.last_day, -12)


def _same_weekday(day: date, like: date, length: int) -> date:
    """The day nearest to DAY on LIKE's weekday, such that LENGTH days from it end before LIKE."""
    off = (like.weekday() - day.weekday()) % WEEK
    found = day + (off - WEEK if off > WEEK // 2 else off) * DAY
    return found if found + length * DAY <= like else found - WEEK * DAY


def _until(period: Period, found: Period, now: datetime) -> datetime:
    if not period.is_partial:
        return found.end
    local = now.astimezone(period.zone)
    day = min(found.last_day, found.first_day + (local.date() - period.first_day))
    return max(found.start, min(found.end, instant(period.zone, day, local.time().replace(fold=0))))
