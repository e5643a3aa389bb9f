"""Periods cut into steps: exact tiles in every zone, marked where incomplete or cut."""

import itertools
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import DAY, HOUR
from reports.queries import buckets, periods
from reports.queries.buckets import buckets as cut
from reports.queries.query import Interval, Period, QueryRefused
from tests.ingest.test_clock import MOMENTS, ZONES
from tests.reports.queries.test_periods import BERLIN, NAMES, NOW, days, preset
from tests.reports.rows import at

HOWE = ZoneInfo("Australia/Lord_Howe")


def lengths(period: Period, interval: Interval) -> list[float]:
    return [(step.end - step.start) / HOUR for step in cut(period, interval, NOW)]


def test_it_works() -> None:
    steps = cut(preset("7d"), "day", NOW)
    assert [step.start for step in steps][:2] == [at("2026-11-14 23:00"), at("2026-11-15 23:00")]
    assert len(steps) == 7


@given(ZONES, MOMENTS, st.sampled_from(NAMES), st.sampled_from(list(buckets.LABELS)))
def test_steps_tile_the_period_in_every_zone(zone: ZoneInfo, now: datetime, name: str, interval: Interval) -> None:
    period = periods.of(name, zone, now)
    steps = cut(period, interval, now)
    assert (steps[0].start, steps[-1].end) == (period.start, period.end)
    assert all(one.end == following.start for one, following in itertools.pairwise(steps))
    assert all(step.start < step.end for step in steps)


@given(ZONES, MOMENTS, st.sampled_from(["today", "7d", "24h"]), st.sampled_from(list(buckets.LABELS)))
def test_exactly_one_step_is_running(zone: ZoneInfo, now: datetime, name: str, interval: Interval) -> None:
    steps = cut(periods.of(name, zone, now), interval, now)
    [place] = [number for number, step in enumerate(steps) if step.state == "running"]
    assert steps[place].start <= now < steps[place].end
    assert {step.state for step in steps[:place]} <= {"complete"}
    assert {step.state for step in steps[place + 1 :]} <= {"future"}


@given(ZONES, MOMENTS)
def test_no_hour_is_longer_than_one(zone: ZoneInfo, now: datetime) -> None:
    steps = cut(periods.of("7d", zone, now), "hour", now)
    assert all(step.end - step.start <= HOUR for step in steps)


def test_steps_after_now_are_marked() -> None:
    states = [step.state for step in cut(preset("today"), "hour", NOW)]
    assert states == ["complete"] * 8 + ["running"] + ["future"] * 15


def test_a_step_that_begins_now_is_running() -> None:
    now = at("2026-11-21 08:00")
    states = [step.state for step in cut(preset("today", now=now), "hour", now)]
    assert states == ["complete"] * 9 + ["running"] + ["future"] * 14


def test_a_finished_period_has_only_complete_steps() -> None:
    assert {step.state for step in cut(preset("last_month"), "week", NOW)} == {"complete"}


def test_the_hour_that_comes_twice_is_two_steps() -> None:
    assert lengths(days("2026-10-25", "2026-10-25"), "hour") == [1] * 25


def test_four_hours_follow_the_clock() -> None:
    assert lengths(days("2026-10-25", "2026-10-25"), "4h") == [5, 4, 4, 4, 4, 4]
    assert lengths(days("2026-03-29", "2026-03-29"), "4h") == [3, 4, 4, 4, 4, 4]


def test_lord_howe_has_a_day_with_a_half_hour_more() -> None:
    day = date(2026, 4, 5)
    steps = lengths(periods.between(day, day, HOWE, NOW), "hour")
    assert (len(steps), steps.count(0.5), sum(steps)) == (25, 1, 24.5)


def test_kathmandu_has_hours_from_a_quarter_past() -> None:
    steps = cut(preset("today", ZoneInfo("Asia/Kathmandu")), "hour", NOW)
    assert {step.start.minute for step in steps} == {15}


def test_a_skipped_day_has_no_step() -> None:
    period = periods.between(date(2011, 12, 29), date(2011, 12, 31), ZoneInfo("Pacific/Apia"), NOW)
    assert lengths(period, "day") == [24, 24]


def test_weeks_begin_on_monday_and_are_cut_to_the_period() -> None:
    steps = cut(days("2026-11-04", "2026-11-17"), "week", NOW)  # Wednesday to Tuesday
    assert [step.start.astimezone(BERLIN).date() for step in steps] == [
        date(2026, 11, 4), date(2026, 11, 9), date(2026, 11, 16),
    ]  # fmt: skip
    assert [(step.is_cut_before, step.is_cut_after) for step in steps] == [(True, False), (False, False), (False, True)]


def test_a_month_may_be_cut_on_both_sides() -> None:
    [step] = cut(days("2026-10-05", "2026-10-30"), "month", NOW)
    assert (step.is_cut_before, step.is_cut_after) == (True, True)


def test_whole_months_are_not_cut() -> None:
    steps = cut(days("2026-01-01", "2026-03-31"), "month", NOW)
    assert [step.is_cut_before or step.is_cut_after for step in steps] == [False] * 3


@pytest.mark.parametrize(
    ("length", "default", "allowed"),
    [
        (1, "hour", ("hour",)),
        (2, "4h", ("hour", "4h", "day")),
        (7, "4h", ("hour", "4h", "day")),
        (8, "day", ("hour", "day", "week")),
        (31, "day", ("hour", "day", "week")),
        (89, "day", ("day", "week", "month")),
        (90, "week", ("day", "week", "month")),
        (365, "month", ("day", "week", "month")),
        (3000, "month", ("week", "month")),
    ],
)
def test_the_range_decides_the_interval(length: int, default: str, allowed: tuple[str, ...]) -> None:
    last = date(2026, 11, 21)
    period = periods.custom(last - (length - 1) * DAY, last, BERLIN, NOW)
    assert (buckets.default(period), buckets.allowed(period)) == (default, allowed)


def test_24_hours_over_two_days_are_one_day_long() -> None:
    assert buckets.default(preset("24h")) == "hour"


def test_an_interval_that_does_not_suit_is_refused() -> None:
    with pytest.raises(QueryRefused, match="interval=hour: does not suit 2025-12-01 to 2026-11-21") as refused:
        buckets.check(preset("12mo"), "hour")
    assert refused.value.allowed == ["day", "week", "month"]


def test_no_allowed_interval_makes_too_many_steps() -> None:
    period = periods.between(periods.EARLIEST, date(2026, 11, 21), BERLIN, NOW)
    assert max(len(cut(period, interval, NOW)) for interval in buckets.allowed(period)) < 2_000


def test_a_day_of_25_hours_is_still_a_day() -> None:
    assert buckets.default(days("2026-10-25", "2026-10-25")) == "hour"
    assert days("2026-10-25", "2026-10-25").end - timedelta(hours=25) == days("2026-10-25", "2026-10-25").start
