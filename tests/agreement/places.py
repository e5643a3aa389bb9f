"""Where and when the generated histories happen: days on which clocks do what they seldom do, and plain ones."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.agreement.borders import Span, hours

DAYS = 3


class Place(NamedTuple):
    """A zone, and the first of DAYS days of its calendar."""

    key: str
    first: date

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.key)

    @property
    def last(self) -> date:
        return self.first + timedelta(days=DAYS - 1)

    @property
    def hours(self) -> list[Span]:
        return [hour for day in hours(self.zone, self.first, self.last).values() for hour in day]

    def hours_of(self, day: int) -> list[Span]:
        """Of the so-manieth day; where one was left out, of the one before."""
        days = list(hours(self.zone, self.first, self.last).values())
        return days[min(day, len(days) - 1)]

    @property
    def midnights(self) -> list[datetime]:
        return [day[0].start for day in hours(self.zone, self.first, self.last).values()]

    @property
    def changes(self) -> list[datetime]:
        """The moments at which clocks are set."""
        looks = [hour.start for hour in self.hours]
        shifts = [moment.astimezone(self.zone).utcoffset() for moment in looks]
        return [after for (_, one), (after, other) in pairwise(zip(looks, shifts, strict=True)) if one != other]

    @property
    def is_recent(self) -> bool:
        """A rule is applied to every day from then to now: too many for an old place."""
        return self.first.year > 2020

    @property
    def days_in_utc(self) -> list[date]:
        """With room for what lies around them."""
        return [self.first + timedelta(days=step) for step in range(-2, DAYS + 3)]

    @property
    def edges(self) -> Span:
        """Around all that may happen here."""
        first, *_, last = (datetime.combine(day, time(), UTC) for day in self.days_in_utc)
        return Span(first, last)

    def days(self, zone: ZoneInfo) -> dict[date, list[Span]]:
        """By the clocks of ZONE, all in which something of this place may lie."""
        return hours(zone, self.days_in_utc[0], self.days_in_utc[-1])


PLACES = (
    Place("UTC", date(2026, 11, 10)),
    Place("Europe/Berlin", date(2026, 10, 24)),  # a day of 25 hours
    Place("Europe/Berlin", date(2026, 3, 28)),  # one of 23
    Place("Asia/Kathmandu", date(2026, 10, 20)),  # hours begin at a quarter past, by UTC
    Place("Australia/Lord_Howe", date(2026, 10, 3)),  # clocks are set by half an hour
    Place("Australia/Lord_Howe", date(2026, 4, 4)),
    Place("America/St_Johns", date(2026, 10, 31)),
    Place("America/St_Johns", date(2010, 11, 6)),  # clocks were set a minute past midnight
    Place("America/Havana", date(2026, 10, 31)),  # two midnights
    Place("Pacific/Apia", date(2011, 12, 29)),  # 30 December 2011 never was
)
OTHERS = ("UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York")
