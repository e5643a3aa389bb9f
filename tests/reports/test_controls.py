"""The pickers: what they say, and where they lead."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.http import QueryDict

from ingest.models import Site
from reports import controls
from reports.asking import asked

NOW = datetime(2026, 11, 20, 7, 41, 12, tzinfo=UTC)


def pickers(address: str = "") -> dict[str, Any]:
    site = Site(pk=1, key="k", name="Blog", domain="blog.example.org", timezone="Europe/Berlin")
    return controls.controls(asked(QueryDict(address), site, "/sites/k", NOW))


@pytest.mark.parametrize(
    ("first", "last", "back", "expected"),
    [
        ("2026-11-14", "2026-11-20", True, ("2026-11-07", "2026-11-13")),
        ("2026-11-07", "2026-11-13", False, ("2026-11-14", "2026-11-20")),
        ("2026-11-10", "2026-11-16", False, ("2026-11-17", "2026-11-20")),
        ("2026-11-20", "2026-11-20", True, ("2026-11-19", "2026-11-19")),
        ("2026-11-14", "2026-11-20", False, None),
        ("2026-03-01", "2026-03-31", True, ("2026-02-01", "2026-02-28")),
        ("2026-02-01", "2026-02-28", False, ("2026-03-01", "2026-03-31")),
        ("2026-10-01", "2026-10-31", False, ("2026-11-01", "2026-11-20")),
    ],
)
def test_a_step_is_as_long_as_the_period_and_never_in_the_future(
    first: str, last: str, back: bool, expected: tuple[str, str] | None
) -> None:
    found = controls.stepped(date.fromisoformat(first), date.fromisoformat(last), date(2026, 11, 20), back)
    assert (found and (found[0].isoformat(), found[1].isoformat())) == expected


def test_the_picker_says_the_period_and_its_days() -> None:
    found = pickers("period=month")
    assert (found["period"], found["range"]) == ("Month to date", "1 – 20 Nov 2026")


def test_the_last_24_hours_say_when_they_began() -> None:
    assert pickers("period=24h")["range"] == "from Thu 19 Nov, 09:00"


def test_the_month_before_a_running_one_is_whole() -> None:
    assert pickers("period=month")["before_url"].endswith("from=2026-10-01&to=2026-10-31")


@pytest.mark.parametrize("period", ["24h", "7d", "month", "today"])
def test_nothing_lies_after_a_period_that_is_running(period: str) -> None:
    assert pickers(f"period={period}")["after_url"] == ""


def test_each_preset_leads_to_itself_and_keeps_the_filters() -> None:
    presets = pickers("period=7d&interval=hour&f=is,country,DE")["presets"]
    today = next(preset for preset in presets if preset["key"] == "D")
    assert today["url"] == "/sites/k?period=today&f=is,country,DE"
    assert [preset["label"] for preset in presets if preset["is_chosen"]] == ["Last 7 days"]


def test_the_switch_turns_the_comparison_off_and_on_again() -> None:
    on, off = pickers()["compare"], pickers("compare=none")["compare"]
    assert next(choice for choice in on["choices"] if choice["is_switch"])["url"] == "/sites/k?compare=none"
    assert next(choice for choice in off["choices"] if choice["is_switch"])["url"] == "/sites/k"
    assert (on["label"], off["label"]) == ("previous period", "No comparison")


def test_weekdays_are_matched_unless_the_reader_says_otherwise() -> None:
    match = pickers("period=30d")["compare"]["match"]
    assert match == {"url": "/sites/k?period=30d&compare=previous_dates", "is_on": True}
    assert pickers("period=30d&compare=year_dates")["compare"]["match"]["is_on"] is False


@pytest.mark.parametrize("address", ["period=today", "period=7d&compare=none"])
def test_weekdays_are_no_choice_where_there_are_none_to_match(address: str) -> None:
    assert pickers(address)["compare"]["match"] is None


def test_a_form_of_days_keeps_the_other_choices() -> None:
    assert pickers("period=7d&interval=hour&f=is,country,DE&metric=sessions")["hidden"] == [
        ("f", "is,country,DE"),
        ("metric", "sessions"),
    ]
