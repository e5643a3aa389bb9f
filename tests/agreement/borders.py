"""Hours and days by the clocks of a zone, found by looking at every minute. Nothing here but `zoneinfo`."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Span(NamedTuple):
    """From START up to END, the end excluded."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


class Looked(NamedTuple):
    """What the clocks show at a minute. Where an hour over midnight comes twice, the day begins with the first."""

    moment: datetime
    day: date
    minute: int
    shift: timedelta  # by how much the zone's hours are off those of UTC


def _looks(zone: ZoneInfo, first: date, last: date) -> Iterator[Looked]:
    """From two days before FIRST to two after LAST: clocks are at most a day off UTC."""
    moment = datetime.combine(first, time(), UTC) - timedelta(days=2)
    end = datetime.combine(last, time(), UTC) + timedelta(days=3)
    latest = date.min
    while moment < end:
        shown = moment.astimezone(zone)
        latest = max(latest, shown.date())
        yield Looked(moment, latest, shown.minute, (shown.utcoffset() or timedelta()) % HOUR)
        moment += MINUTE


@lru_cache(maxsize=64)
def hours(zone: ZoneInfo, first: date, last: date) -> dict[date, list[Span]]:
    """The hours of each day from FIRST to LAST. A day that its zone left out is not there."""
    edges: list[Looked] = []
    before: Looked | None = None
    for look in _looks(zone, first, last):
        if before is None or look.minute == 0 or (look.day, look.shift) != (before.day, before.shift):
            edges.append(look)
        before = look
    found: dict[date, list[Span]] = {}
    for edge, after in pairwise(edges):
        if first <= edge.day <= last:
            found.setdefault(edge.day, []).append(Span(edge.moment, after.moment))
    return found
