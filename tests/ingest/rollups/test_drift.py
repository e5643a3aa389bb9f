"""Stored rows against counted ones: what differs and how it is told."""

from datetime import UTC, date, datetime
from decimal import Decimal

from pyroaring import BitMap

from ingest.rollups import sets
from ingest.rollups.drift import Drift, Figures, Place, Value, between

DAY = date(2026, 11, 5)
PLACE = Place("ingest_daily_breakdown", DAY, "page")


def one(value: str, **figures: object) -> tuple[Value, Figures]:
    return (value,), figures


def told(stored: list[tuple[Value, Figures]], counted: list[tuple[Value, Figures]]) -> list[str]:
    return [str(drift) for drift in between(PLACE, stored, counted)]


def test_it_works() -> None:
    [drift] = between(PLACE, [one("/a", events=3)], [one("/a", events=2)])
    assert drift == Drift("ingest_daily_breakdown", "2026-11-05", "page", "/a", "events", "3", "2")
    assert str(drift) == "ingest_daily_breakdown 2026-11-05 page '/a': events is 3, recounted 2"


def test_rows_that_agree_tell_nothing() -> None:
    assert told([one("/a", events=2, place=0, site_id=1)], [one("/a", events=2, place=0)]) == []


def test_a_row_may_be_missing_or_too_many() -> None:
    assert told([one("/a")], [one("/b")]) == [
        "ingest_daily_breakdown 2026-11-05 page '/b': row is 0, recounted 1",
        "ingest_daily_breakdown 2026-11-05 page '/a': row is 1, recounted 0",
    ]


def test_a_value_is_there_once() -> None:
    assert told([one("/a"), one("/a")], [one("/a")]) == [
        "ingest_daily_breakdown 2026-11-05 page '/a': row is 2, recounted 1"
    ]


def test_amounts_that_are_equal_are_the_same_however_they_are_written() -> None:
    assert told([one("", revenue=Decimal("3.5000"))], [one("", revenue=Decimal("3.5"))]) == []


def test_sets_are_compared_by_their_members() -> None:
    stored = BitMap(range(100)).serialize()  # not the form that is stored
    assert told([one("", members=stored)], [one("", members=sets.stored(BitMap(range(100))))]) == []
    [wrong] = told([one("", members=stored)], [one("", members=BitMap(range(1, 101)))])
    assert wrong.endswith("members is 100 visitors, 1 too many and 1 missing, recounted 100 visitors")


def test_what_is_no_set_is_said() -> None:
    [none] = told([one("", members=None)], [one("", members=BitMap([1]))])
    [damaged] = told([one("", members=b"\x01")], [one("", members=BitMap([1]))])
    assert none.endswith("members is none, recounted 1 visitors")
    assert damaged.endswith("members is unreadable, recounted 1 visitors")


def test_an_hour_is_told_with_its_zone() -> None:
    place = Place("ingest_hourly_events", datetime(2026, 11, 5, 9, tzinfo=UTC), "event and label")
    [drift] = between(place, [(("signup", None), {"events": 1})], [])
    assert str(drift) == "ingest_hourly_events 2026-11-05 09:00+0000 event and label 'signup': row is 1, recounted 0"
