"""A period cut into steps: half-open, in order, without a gap or an overlap, on the zone's own clock."""

import bisect
import itertools
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from ingest.clock import DAY, instant, months_later, next_hour
from reports.queries.query import Bucket, Interval, Period, QueryRefused

# Up to how many days: the intervals that may be chosen, and the one that is taken.
BY_LENGTH: tuple[tuple[float, tuple[Interval, ...], Interval], ...] = (
    (1, ("hour",), "hour"),
    (7, ("hour", "4h", "day"), "4h"),
    (31, ("hour", "day", "week"), "day"),
    (89, ("day", "week", "month"), "day"),
    (184, ("day", "week", "month"), "week"),
    (366, ("day", "week", "month"), "month"),
    (float("inf"), ("week", "month"), "month"),
)
LABELS: dict[Interval, str] = {"hour": "Hour", "4h": "4 hours", "day": "Day", "week": "Week", "month": "Month"}


def allowed(period: Period) -> tuple[Interval, ...]:
    return _by_length(period)[0]


def default(period: Period) -> Interval:
    return _by_length(period)[1]


def _by_length(period: Period) -> tuple[tuple[Interval, ...], Interval]:
    days = 1 if period.end - period.start <= DAY else (period.last_day - period.first_day).days + 1
    return next((choices, chosen) for most, choices, chosen in BY_LENGTH if days <= most)


def check(period: Period, interval: str) -> Interval:
    """INTERVAL, if this period can be cut by it. Raises QueryRefused."""
    choices = allowed(period)
    for choice in choices:
        if choice == interval:
            return choice
    raise QueryRefused(
        f"interval={interval}: does not suit {period.first_day} to {period.last_day}. Take {' or '.join(choices)}.",
        "interval",
        choices,
    )


def buckets(period: Period, interval: Interval, now: datetime) -> tuple[Bucket, ...]:
    """The steps of PERIOD; weeks begin on Monday. They tile it exactly, the first and last cut to it."""
    starts = list(_starts(period, interval))
    first = max(bisect.bisect_right(starts, period.start) - 1, 0)
    last = bisect.bisect_left(starts, period.end)
    edges = starts[first : last + 1]
    return tuple(
        Bucket(
            start=max(start, period.start),
            end=min(end, period.end),
            state="future" if start > now else "running" if now < end and now < period.end else "complete",
            is_cut_before=start < period.start,
            is_cut_after=end > period.end,
        )
        for start, end in itertools.pairwise(edges)
    )


def _starts(period: Period, interval: Interval) -> Iterator[datetime]:
    """Starts of steps, rising, from at or before the period's start to at or after its end."""
    if interval == "hour":
        yield from _hours(period)
        return
    last = None
    for day, at in _marks(period, interval):
        moment = instant(period.zone, day, at)
        if last is None or moment > last:  # a day that a zone skipped begins when the next one does
            yield moment
            last = moment


def _marks(period: Period, interval: Interval) -> Iterator[tuple[date, time]]:
    """The same on the calendar."""
    day, beyond = _first_day(period, interval), period.last_day + DAY
    while True:
        yield from ((day, time(hour)) for hour in (range(0, 24, 4) if interval == "4h" else (0,)))
        if day >= beyond:
            return
        day = _following(day, interval)


def _first_day(period: Period, interval: Interval) -> date:
    if interval == "week":
        return period.first_day - timedelta(days=period.first_day.weekday())
    return period.first_day.replace(day=1) if interval == "month" else period.first_day


def _following(day: date, interval: Interval) -> date:
    if interval == "month":
        return months_later(day, 1)
    return day + (7 * DAY if interval == "week" else DAY)


def _hours(period: Period) -> Iterator[datetime]:
    moment = period.start
    while moment < period.end:
        yield moment
        moment = next_hour(period.zone, moment)
    yield moment
