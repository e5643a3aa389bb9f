"""Tables of cases: what a reader sees for a value."""

from datetime import UTC, date, datetime

import pytest

from reports import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (18427, "18,427"),
        (999_999, "999,999"),
        (1_000_000, "1.00M"),
        (1_284_902, "1.28M"),
        (12_849_020, "12.8M"),
        (128_490_200, "128M"),
        (1_284_902_000, "1.28B"),
        (-4, "−4"),
        (None, "—"),
    ],
)
def test_counts_in_rows_are_full_to_six_digits(value: float | None, text: str) -> None:
    assert formats.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(9_999_999, "9,999,999"), (10_000_000, "10.0M")])
def test_counts_in_kpis_are_full_to_seven_digits(value: int, text: str) -> None:
    assert formats.count(value, formats.FULL_IN_KPI) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (500, "500"), (1000, "1k"), (1500, "1.5k"), (20_000, "20k"), (1_200_000, "1.2M"), (2e6, "2M")],
)
def test_ticks_carry_no_digit_too_many(value: float, text: str) -> None:
    assert formats.axis(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (0.0004, "<0.1%"),
        (0.001, "0.1%"),
        (0.061, "6.1%"),
        (0.07, "7.0%"),
        (0.0994, "9.9%"),
        (0.09996, "10%"),
        (0.33, "33%"),
        (0.995, "100%"),
        (1, "100%"),
        (9.99, "999%"),
        (12.5, ">999%"),
        (None, "—"),
    ],
)
def test_percent_has_one_decimal_below_ten(share: float | None, text: str) -> None:
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("difference", "text"), [(-0.03, "3 pts"), (0.001, "0.1 pts"), (0.0096, "1 pt"), (0.0001, "0 pts"), (0.5, "50 pts")]
)
def test_rates_differ_in_points(difference: float, text: str) -> None:
    assert formats.points(difference) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.34, "340 ms"),
        (0.9996, "1s"),
        (54, "54s"),
        (59.6, "1m 00s"),
        (134, "2m 14s"),
        (127, "2m 07s"),
        (3599, "59m 59s"),
        (3900, "1h 05m"),
        (7199, "2h 00m"),
        (None, "—"),
    ],
)
def test_durations_show_their_two_largest_units(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(2.847, "2.85"), (0, "0.00"), (12.34, "12.3"), (None, "—")])
def test_decimals_have_three_digits(value: float | None, text: str) -> None:
    assert formats.decimal(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "parts"),
    [
        (0.41, "percent", [("41", "%")]),
        (134, "duration", [("2", "m"), ("14", "s")]),
        (18427, "count", [("18,427", "")]),
        (2.85, "decimal", [("2.85", "")]),
        (None, "percent", [("—", "")]),
    ],
)
def test_units_of_a_kpi_stand_apart(value: float | None, kind: str, parts: list[tuple[str, str]]) -> None:
    assert formats.figure_parts(value, kind) == parts


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 11, 20), date(2026, 11, 20), "Fri 20 Nov 2026"),
        (date(2026, 11, 1), date(2026, 11, 20), "1 – 20 Nov 2026"),
        (date(2026, 10, 28), date(2026, 11, 3), "28 Oct – 3 Nov 2026"),
        (date(2025, 12, 28), date(2026, 1, 3), "28 Dec 2025 – 3 Jan 2026"),
    ],
)
def test_a_range_says_once_what_its_ends_share(first: date, last: date, text: str) -> None:
    assert formats.days(first, last) == text


def test_a_range_can_leave_its_year_out() -> None:
    assert formats.days(date(2026, 10, 4), date(2026, 10, 23), with_year=False) == "4 – 23 Oct"
    assert formats.days(date(2026, 10, 4), date(2026, 10, 4), with_year=False) == "Sun 4 Oct"


def test_dates_are_written_for_the_axis_and_the_month() -> None:
    assert formats.short_day(date(2026, 11, 11)) == "11 Nov"
    assert formats.month(date(2026, 11, 11)) == "Nov 2026"


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ((20, 8, 41, 8), "4 s ago"),
        ((20, 8, 29, 12), "12 min ago"),
        ((20, 7, 5, 0), "07:05"),
        ((19, 7, 5, 0), "Thu 19 Nov, 07:05"),
        ((20, 8, 41, 20), "0 s ago"),  # a clock a little ahead of ours
    ],
)
def test_times_are_relative_only_below_an_hour(then: tuple[int, int, int, int], text: str) -> None:
    day, hour, minute, second = then
    now = datetime(2026, 11, 20, 8, 41, 12, tzinfo=UTC)
    assert formats.ago(datetime(2026, 11, day, hour, minute, second, tzinfo=UTC), now) == text
