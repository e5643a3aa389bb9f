"""From when on a site keeps what."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import DAY
from ingest.models import Site
from ingest.retention import cuts
from ingest.rollups.buckets import days_in

NIGHT = datetime(2026, 11, 21, 2, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe")


def site(zone: str = "UTC", **fields: int | None) -> Site:
    return Site(name="Shop", domain="shop.example.com", timezone=zone, **fields)


def test_it_works() -> None:
    found = cuts.of(site(), NIGHT)
    assert found.events == datetime(2026, 8, 22, tzinfo=UTC)  # 91 days ago
    assert found.sessions == datetime(2025, 11, 20, tzinfo=UTC)
    assert found.hours == datetime(2026, 8, 23, tzinfo=UTC)
    assert found.breakdowns == datetime(2026, 11, 20, tzinfo=UTC)
    assert found.aggregates is None


def test_aggregates_are_kept_for_as_long_as_their_site_says() -> None:
    assert cuts.of(site(aggregates_days=365), NIGHT).aggregates == date(2025, 11, 20)


def test_sessions_stay_as_long_as_their_events() -> None:
    """A row changed by hand may say otherwise; figures of a day need both."""
    found = cuts.of(site(events_days=90, sessions_days=10), NIGHT)
    assert found.sessions == found.events


@pytest.mark.parametrize("hour", range(24))
def test_a_cut_is_a_midnight_whenever_it_is_looked_for(hour: int) -> None:
    found = cuts.midnight_before(NIGHT.replace(hour=hour), 90)
    assert (found.hour, found.minute) == (0, 0)
    assert NIGHT.replace(hour=hour) - found >= 90 * DAY + cuts.MARGIN


@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  given one
    zone=st.sampled_from(ZONES),
    days=st.integers(2, 400),
)
def test_days_that_are_closed_ended_before_the_writer_stops_taking_their_events(
    now: datetime, zone: str, days: int
) -> None:
    """The last local day that begins before the cut, in any zone and at any hour, with an hour to spare."""
    one = site(zone, events_days=days)
    cut = cuts.of(one, now).events
    last = days_in(one.zone, cut - timedelta(microseconds=1), cut)[-1]
    assert last.end <= now - days * DAY - timedelta(minutes=59)


def test_hours_are_kept_no_longer_than_days() -> None:
    found = cuts.of(site(events_days=5, sessions_days=5, aggregates_days=30), NIGHT)
    assert found.hours == datetime(2026, 10, 21, tzinfo=UTC)
    assert found.aggregates == found.hours.date()
