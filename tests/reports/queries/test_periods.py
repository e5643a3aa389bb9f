"""Names of periods to days and instants, and what they are compared with."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import day_of
from reports.queries import periods
from reports.queries.query import Comparison, Period, QueryRefused
from tests.ingest.test_clock import MOMENTS, ZONES
from tests.reports.rows import at

BERLIN = ZoneInfo("Europe/Berlin")
NOW = at("2026-11-21 07:41")  # Saturday, 08:41 in Berlin
NAMES = [preset.name for preset in periods.PRESETS]


def preset(name: str, zone: ZoneInfo = BERLIN, now: datetime = NOW) -> Period:
    return periods.of(name, zone, now)


def days(first: str, last: str) -> Period:
    return periods.custom(date.fromisoformat(first), date.fromisoformat(last), BERLIN, NOW)


def span(period: Period | None) -> tuple[str, str]:
    assert period is not None
    return str(period.first_day), str(period.last_day)


def test_it_works() -> None:
    period = preset("7d")
    assert (period.start, period.end) == (at("2026-11-14 23:00"), at("2026-11-21 23:00"))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-11-21", "2026-11-21"),
        ("yesterday", "2026-11-20", "2026-11-20"),
        ("7d", "2026-11-15", "2026-11-21"),
        ("28d", "2026-10-25", "2026-11-21"),
        ("30d", "2026-10-23", "2026-11-21"),
        ("90d", "2026-08-24", "2026-11-21"),
        ("month", "2026-11-01", "2026-11-21"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("year", "2026-01-01", "2026-11-21"),
        ("6mo", "2026-06-01", "2026-11-21"),
        ("12mo", "2025-12-01", "2026-11-21"),
        ("all", "2026-11-21", "2026-11-21"),
    ],
)
def test_a_name_stands_for_days(name: str, first: str, last: str) -> None:
    assert span(preset(name)) == (first, last)


def test_today_is_that_of_the_site() -> None:
    """23:30 in London is the next day in Berlin."""
    assert span(preset("today", now=at("2026-11-20 23:30"))) == ("2026-11-21", "2026-11-21")


def test_the_last_24_hours_end_with_the_running_one() -> None:
    period = preset("24h")
    assert (period.start, period.end) == (at("2026-11-20 08:00"), at("2026-11-21 08:00"))


def test_all_time_begins_with_the_first_event() -> None:
    assert span(periods.of("all", BERLIN, NOW, since=at("2025-02-28 23:30"))) == ("2025-03-01", "2026-11-21")


@pytest.mark.parametrize("name", NAMES)
def test_only_a_period_with_now_in_it_is_partial(name: str) -> None:
    assert preset(name).is_partial == (name not in {"yesterday", "last_month"})


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(QueryRefused, match="period=5d: is not a period") as refused:
        preset("5d")
    assert refused.value.field == "period"
    assert refused.value.allowed == [*NAMES, "custom"]


def test_custom_days_are_both_included() -> None:
    period = days("2026-11-01", "2026-11-02")
    assert period.end - period.start == timedelta(hours=48)


def test_days_to_come_are_left_off() -> None:
    assert span(days("2026-11-20", "2026-12-24")) == ("2026-11-20", "2026-11-21")


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-11-03", "2026-11-02", "from=2026-11-03: is after to=2026-11-02"),
        ("2026-11-22", "2026-11-23", "from=2026-11-22: is in the future. Today is 2026-11-21 in Europe/Berlin"),
        ("1989-12-31", "2026-11-02", "from=1989-12-31: must be 1990-01-01 or later"),
    ],
)
def test_days_that_make_no_sense_are_refused(first: str, last: str, words: str) -> None:
    with pytest.raises(QueryRefused, match=words):
        days(first, last)


def test_a_day_that_never_was_is_refused() -> None:
    day = date(2011, 12, 30)
    with pytest.raises(QueryRefused, match="Pacific/Apia had no such day"):
        periods.custom(day, day, ZoneInfo("Pacific/Apia"), NOW)


@given(ZONES, MOMENTS, st.sampled_from(NAMES))
def test_every_period_holds_its_days_in_every_zone(zone: ZoneInfo, now: datetime, name: str) -> None:
    period = periods.of(name, zone, now)
    assert period.start < period.end == period.until
    assert period.is_partial == (period.start <= now < period.end)
    assert period.first_day <= day_of(zone, period.end - timedelta(seconds=1)) <= period.last_day + timedelta(days=1)


# --- Comparison -------------------------------------------------------------------------------------------


def compared(period: Period, how: Comparison = "previous", match: bool = True) -> Period | None:
    return periods.compared(period, how, NOW, match_weekdays=match)


@pytest.mark.parametrize(
    ("name", "how", "first", "last"),
    [
        ("today", "previous", "2026-11-20", "2026-11-20"),
        ("yesterday", "previous", "2026-11-19", "2026-11-19"),
        ("7d", "previous", "2026-11-08", "2026-11-14"),
        ("28d", "previous", "2026-09-27", "2026-10-24"),
        ("30d", "previous", "2026-09-18", "2026-10-17"),
        ("month", "previous", "2026-10-04", "2026-10-24"),
        ("last_month", "previous", "2026-09-01", "2026-09-30"),
        ("6mo", "previous", "2025-12-01", "2026-05-21"),
        ("12mo", "previous", "2024-12-01", "2025-11-21"),
        ("year", "previous", "2025-01-02", "2025-11-22"),
        ("today", "year", "2025-11-21", "2025-11-21"),
        ("7d", "year", "2025-11-16", "2025-11-22"),
        ("last_month", "year", "2025-10-01", "2025-10-31"),
        ("12mo", "year", "2024-12-01", "2025-11-21"),
    ],
)
def test_a_period_is_compared_with_these_days(name: str, how: Comparison, first: str, last: str) -> None:
    assert span(compared(preset(name), how)) == (first, last)


@pytest.mark.parametrize(
    ("name", "how", "first", "last"),
    [
        ("30d", "previous", "2026-09-23", "2026-10-22"),
        ("month", "previous", "2026-10-01", "2026-10-21"),
        ("year", "previous", "2025-01-01", "2025-11-21"),
        ("7d", "year", "2025-11-15", "2025-11-21"),
    ],
)
def test_weekdays_can_be_left_unmatched(name: str, how: Comparison, first: str, last: str) -> None:
    assert span(compared(preset(name), how, match=False)) == (first, last)


def test_today_is_compared_until_the_same_clock_time() -> None:
    before = compared(preset("today"))
    assert before is not None
    assert (before.start, before.until, before.end) == (
        at("2026-11-19 23:00"), at("2026-11-20 07:41"), at("2026-11-20 23:00"),
    )  # fmt: skip


def test_the_same_clock_time_is_that_of_the_other_season() -> None:
    """Summer time in Berlin ended on 25 October 2026: 08:41 was 06:41 before it."""
    before = compared(preset("month"))
    assert before is not None
    assert before.until == at("2026-10-24 06:41")


def test_a_clock_time_that_was_jumped_over_is_the_jump() -> None:
    now = at("2026-03-30 00:30")  # 02:30 in Berlin, the day after the hour from two to three was left out
    before = periods.compared(preset("today", now=now), "previous", now)
    assert before is not None
    assert before.until == at("2026-03-29 01:00")


def test_a_finished_period_is_compared_whole() -> None:
    before = compared(preset("yesterday"))
    assert before is not None
    assert before.until == before.end


def test_the_last_24_hours_are_compared_with_those_before() -> None:
    before = compared(preset("24h"))
    assert before is not None
    assert (before.start, before.until, before.end) == (
        at("2026-11-19 08:00"), at("2026-11-20 07:41"), at("2026-11-20 08:00"),
    )  # fmt: skip


def test_the_last_24_hours_are_compared_with_the_same_of_the_year_before() -> None:
    before = compared(preset("24h"), "year")
    assert before is not None
    assert (before.start, before.until) == (at("2025-11-20 08:00"), at("2025-11-21 07:41"))


def test_february_of_the_year_before_is_whole() -> None:
    now = at("2025-03-10 12:00")
    before = periods.compared(preset("last_month", now=now), "year", now)
    assert span(before) == ("2024-02-01", "2024-02-29")


def test_all_time_has_nothing_before_it() -> None:
    assert compared(preset("all")) is None


@given(ZONES, MOMENTS, st.sampled_from([name for name in NAMES if name != "all"]), st.booleans())
def test_the_period_before_ends_before(zone: ZoneInfo, now: datetime, name: str, match: bool) -> None:
    period = periods.of(name, zone, now)
    before = periods.compared(period, "previous", now, match_weekdays=match)
    assert before is not None
    assert before.start <= before.until <= before.end <= period.start
    assert not before.is_partial


@given(ZONES, MOMENTS, st.sampled_from(["7d", "28d", "30d", "90d", "month"]), st.sampled_from(["previous", "year"]))
def test_weekdays_are_matched_from_a_week_on(zone: ZoneInfo, now: datetime, name: str, how: Comparison) -> None:
    period = periods.of(name, zone, now)
    before = periods.compared(period, how, now)
    assert before is not None
    length = period.last_day - period.first_day
    assert before.last_day - before.first_day == length
    assert length < timedelta(days=6) or before.first_day.weekday() == period.first_day.weekday()


def test_every_preset_has_a_name_and_a_key_of_its_own() -> None:
    assert len({preset.key for preset in periods.PRESETS}) == len(set(NAMES)) == len(periods.PRESETS)
