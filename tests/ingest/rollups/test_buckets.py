"""Hours and days: they tile the time of every zone."""

import itertools
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import DAY, HOUR
from ingest.rollups import buckets

ZONES = st.sampled_from(sorted(zoneinfo.available_timezones())).map(ZoneInfo)
DATES = st.dates(date(2005, 1, 1), date(2040, 12, 31))
MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
BERLIN, HOWE, KATHMANDU = (ZoneInfo(name) for name in ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_it_works() -> None:
    day = buckets.day_of(BERLIN, date(2026, 11, 21))
    assert (day.start, day.end) == (moment("2026-11-20 23:00"), moment("2026-11-21 23:00"))


@given(ZONES, DATES)
def test_days_follow_each_other_without_a_gap(zone: ZoneInfo, day: date) -> None:
    assert buckets.day_of(zone, day).end == buckets.day_of(zone, day + DAY).start


@given(ZONES, DATES)
def test_hours_tile_their_day_and_are_no_longer_than_one(zone: ZoneInfo, day: date) -> None:
    edges = buckets.day_of(zone, day).edges
    assert all(timedelta() < after - one <= HOUR for one, after in itertools.pairwise(edges))


@given(ZONES, MOMENTS)
def test_a_moment_lies_in_one_day_and_one_hour(zone: ZoneInfo, at: datetime) -> None:
    [day] = buckets.days_in(zone, at, at + timedelta(microseconds=1))
    [hour] = day.hours_in(at, at + timedelta(microseconds=1))
    assert day.start <= hour.start <= at < hour.end <= day.end


@given(ZONES, MOMENTS, st.integers(1, 40))
def test_the_days_of_a_span_cover_it(zone: ZoneInfo, start: datetime, hours: int) -> None:
    end = start + hours * HOUR
    days = buckets.days_in(zone, start, end)
    assert days[0].start <= start
    assert days[-1].end >= end
    assert all(one.end == after.start for one, after in itertools.pairwise(days))


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (KATHMANDU, date(2026, 10, 25), 24),
        (HOWE, date(2026, 4, 5), 25),  # one of them is half an hour
        (HOWE, date(2026, 10, 4), 24),
    ],
)
def test_days_have_their_hours(zone: ZoneInfo, day: date, count: int) -> None:
    assert len(buckets.day_of(zone, day).edges) - 1 == count


def test_the_hour_that_repeats_is_two() -> None:
    edges = buckets.day_of(BERLIN, date(2026, 10, 25)).edges
    locals_ = [edge.astimezone(BERLIN).strftime("%H:%M") for edge in edges]
    assert locals_[2:4] == ["02:00", "02:00"]


def test_hours_of_kathmandu_begin_at_a_quarter() -> None:
    assert {edge.minute for edge in buckets.day_of(KATHMANDU, date(2026, 11, 21)).edges} == {15}


def test_the_half_hour_of_lord_howe_is_a_bucket() -> None:
    day = buckets.day_of(HOWE, date(2026, 4, 5))
    lengths = [after - one for one, after in itertools.pairwise(day.edges)]
    assert sorted(set(lengths)) == [HOUR / 2, HOUR]


def test_a_day_that_a_zone_left_out_is_none() -> None:
    apia = ZoneInfo("Pacific/Apia")
    days = buckets.days_in(apia, moment("2011-12-29 12:00"), moment("2012-01-01 12:00"))
    assert date(2011, 12, 30) not in [day.date for day in days]


def test_a_day_is_closed_when_it_has_ended() -> None:
    day = buckets.day_of(BERLIN, date(2026, 11, 21))
    assert not day.is_closed(day.end - timedelta(microseconds=1))
    assert day.is_closed(day.end)


def test_nothing_lies_in_an_empty_span() -> None:
    assert buckets.days_in(BERLIN, moment("2026-11-21 12:00"), moment("2026-11-21 12:00")) == []
