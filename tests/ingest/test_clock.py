"""Local time to instants: the odd days of odd zones, and every zone there is."""

import zoneinfo
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import clock
from tests.reports.rows import at

ZONES = st.sampled_from(sorted(zoneinfo.available_timezones())).map(ZoneInfo)
DAYS = st.dates(date(1990, 1, 1), date(2045, 12, 31))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2045, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
BERLIN, HOWE, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")


def hours(zone: ZoneInfo, day: date) -> float:
    return (clock.day_start(zone, day + clock.DAY) - clock.day_start(zone, day)) / clock.HOUR


def test_it_works() -> None:
    assert clock.day_start(BERLIN, date(2026, 11, 21)) == at("2026-11-20 23:00")


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 11, 21), 24),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),  # Samoa went over the date line
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # no midnight: the day began at one
        ("America/Havana", date(2026, 11, 1), 25),  # two midnights
        ("America/St_Johns", date(2010, 3, 14), 23),  # the change was at one past midnight
    ],
)
def test_local_days_have_their_length(zone: str, day: date, length: float) -> None:
    assert hours(ZoneInfo(zone), day) == length


def test_a_day_without_midnight_begins_with_the_jump() -> None:
    start = clock.day_start(ZoneInfo("America/Sao_Paulo"), date(2018, 11, 4))
    assert start == at("2018-11-04 03:00")


def test_a_time_that_is_jumped_over_is_the_moment_of_the_jump() -> None:
    assert clock.instant(BERLIN, date(2026, 3, 29), time(2, 30)) == at("2026-03-29 01:00")


def test_a_time_that_comes_twice_is_the_first() -> None:
    assert clock.instant(BERLIN, date(2026, 10, 25), time(2, 30)) == at("2026-10-25 00:30")


def test_a_jump_over_midnight_that_began_before_it() -> None:
    """Toronto, 30 March 1919: 23:30 became 00:30."""
    start = clock.day_start(ZoneInfo("America/Toronto"), date(1919, 3, 31))
    assert start == at("1919-03-31 04:30")


def begins(zone: ZoneInfo, day: date) -> bool:
    """Whether its start is the first second of the day: the one before was still another."""
    start = clock.day_start(zone, day)
    return clock.day_of(zone, start - clock.SECOND) < day <= clock.day_of(zone, start)


@given(ZONES, DAYS)
def test_a_day_begins_with_its_first_second(zone: ZoneInfo, day: date) -> None:
    assert begins(zone, day)


@pytest.mark.parametrize("year", [2011, 2026])
def test_every_day_of_a_year_begins_with_its_first_second_in_every_zone(year: int) -> None:
    days = [date(year, 1, 1) + number * clock.DAY for number in range(365)]
    zones = [ZoneInfo(name) for name in zoneinfo.available_timezones()]
    assert [(zone.key, day) for zone in zones for day in days if not begins(zone, day)] == []


@given(ZONES, MOMENTS)
def test_a_moment_lies_in_its_day(zone: ZoneInfo, moment: datetime) -> None:
    """But for the hour that Newfoundland repeated over midnight, until 2011."""
    day = clock.day_of(zone, moment)
    start, end = clock.day_start(zone, day), clock.day_start(zone, day + clock.DAY)
    is_repeated = moment.astimezone(zone).fold == 1
    assert start <= moment < end or (is_repeated and start <= moment < end + clock.HOUR)


@given(ZONES, MOMENTS)
def test_an_hour_holds_its_moment_and_ends_within_the_hour(zone: ZoneInfo, moment: datetime) -> None:
    end = clock.next_hour(zone, moment)
    assert clock.hour_start(zone, moment) <= moment < end <= clock.hour_start(zone, moment) + clock.HOUR


def test_hours_follow_the_minutes_of_the_zone() -> None:
    assert clock.hour_start(ZoneInfo("Asia/Kathmandu"), at("2026-11-21 08:40")) == at("2026-11-21 08:15")


def test_a_jump_of_half_an_hour_ends_an_hour_early() -> None:
    assert clock.next_hour(HOWE, at("2026-04-04 14:10")) == at("2026-04-04 15:00")
    assert clock.next_hour(HOWE, at("2026-04-04 15:00")) == at("2026-04-04 15:30")


def test_a_jump_of_a_whole_hour_ends_none_early() -> None:
    assert clock.next_hour(BERLIN, at("2026-10-25 00:10")) == at("2026-10-25 01:00")


@pytest.mark.parametrize(
    ("day", "months", "wanted"),
    [
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2024, 2, 29), -12, date(2023, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2026, 11, 30), 1, date(2026, 12, 30)),
    ],
)
def test_months_later_keeps_the_day_or_takes_the_last(day: date, months: int, wanted: date) -> None:
    assert clock.months_later(day, months) == wanted


def test_apia_goes_from_the_29th_to_the_31st() -> None:
    assert clock.day_start(APIA, date(2011, 12, 30)) == clock.day_start(APIA, date(2011, 12, 31))
