"""Hours and days of a site's own clock, as spans of time that tile it. Pure."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.clock import DAY, HOUR, day_holding, hours_of


class Day(NamedTuple):
    """`edges` are the starts of its hours and its end. A day that its zone left out has none."""

    zone: ZoneInfo
    date: date
    edges: tuple[datetime, ...]

    @property
    def start(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        return self.edges[-1]

    def is_closed(self, now: datetime) -> bool:
        return self.end <= now

    def hours_in(self, start: datetime, end: datetime) -> list["Hour"]:
        """Those that share a moment with [START, END)."""
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [Hour(self.date, one, after) for one, after in pairs if one < end and after > start]


@lru_cache(maxsize=4096)
def day_of(zone: ZoneInfo, day: date) -> Day:
    return Day(zone, day, tuple(hours_of(zone, day)))


class Hour(NamedTuple):
    day: date
    start: datetime
    end: datetime

    def is_closed(self, now: datetime) -> bool:
        return self.end <= now


def days_in(zone: ZoneInfo, start: datetime, end: datetime) -> list[Day]:
    """Those that share a moment with [START, END), in order."""
    if end <= start:
        return []
    first, last = day_holding(zone, start), day_holding(zone, end - timedelta(microseconds=1))
    days = (day_of(zone, first + number * DAY) for number in range((last - first).days + 1))
    return [day for day in days if len(day.edges) > 1]


def marked(hour: datetime) -> tuple[datetime, datetime]:
    """The span that a mark of this hour stands for."""
    return hour, hour + HOUR


def today(zone: ZoneInfo, now: datetime) -> date:
    return day_holding(zone, now.astimezone(UTC))
