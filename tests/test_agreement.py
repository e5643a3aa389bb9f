"""Whatever happens to a site, in whichever order: its aggregates are those that its raw rows make, exactly."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from ingest import partitions, writer
from ingest.event import Event
from ingest.rollups import drain
from tests.agreement import orders, recount, stored
from tests.agreement.events import PROPERTIES
from tests.agreement.places import PLACES, Place
from tests.agreement.plans import Build, During, Plan, Recompute, Rezone, Step, Write, erasing_plans, plans, rough_plans
from tests.agreement.recount import Tables
from tests.agreement.world import World
from tests.ingest.examples import event

EXAMPLES = int(os.environ.get("AGREEMENT_EXAMPLES", "200"))
ROUGH = EXAMPLES * 3 // 20
ERASING = EXAMPLES // 10
LATELY = Place("Europe/Berlin", datetime.now(UTC).date() - timedelta(days=4))
HOURS = Build("hours", timedelta())
ALLOWED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module", autouse=True)
def _days(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Days to write into; gone afterwards, as other tests count them."""
    with django_db_blocker.unblock():
        made = partitions.ensure(writer.connected(), {day for place in (*PLACES, LATELY) for day in place.days_in_utc})
        connection.close()
    yield
    with django_db_blocker.unblock():
        for day in made:
            writer.connected().execute(f"DROP TABLE {partitions.name_of(day)}")
        connection.close()


def after(world: World) -> list[str]:
    """How the aggregates differ from the recount when all has happened."""
    world.carry_out()
    raw = stored.hits(world.site.pk, PROPERTIES)
    days = world.plan.place.days(world.known.zone)
    return stored.differences(recount.aggregates(raw, days, world.now, PROPERTIES), stored.aggregates(world.site.pk))


@pytest.fixture(autouse=True)
def _marks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They must be enough: what a run builds again though nothing says so would hide a mark that is missing."""
    monkeypatch.setattr(drain, "LOOK_BACK", timedelta())


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of lines about rules that were applied would hide the plan that failed."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=EXAMPLES - ROUGH - ERASING, deadline=None, suppress_health_check=ALLOWED, print_blob=True)
@given(plan=plans())
def test_aggregates_are_the_recount_of_raw_rows(db: None, plan: Plan) -> None:
    with transaction.atomic():
        assert after(World(plan)) == []
        transaction.set_rollback(True)


@settings(max_examples=ERASING, deadline=None, suppress_health_check=ALLOWED, print_blob=True)
@given(plan=erasing_plans(LATELY))
def test_aggregates_are_the_recount_when_persons_are_erased(db: None, plan: Plan) -> None:
    with transaction.atomic():
        assert after(World(plan)) == []
        transaction.set_rollback(True)


@settings(max_examples=ROUGH, deadline=None, suppress_health_check=ALLOWED, print_blob=True)
@given(plan=rough_plans())
def test_aggregates_are_the_recount_after_runs_that_died(transactional_db: None, plan: Plan) -> None:
    world = World(plan)
    try:
        assert after(world) == []
    finally:
        world.end()


@settings(max_examples=20, deadline=None, suppress_health_check=ALLOWED, print_blob=True)
@given(place=st.sampled_from(PLACES), seed=st.integers(0, 1 << 32), count=st.integers(2, 30))
def test_any_order_leaves_the_same(db: None, place: Place, seed: int, count: int) -> None:
    chance = Random(seed)
    events = orders.history(chance, place, count)
    with transaction.atomic():
        sendings = orders.orders(chance, events)
        found = {name: arrived(place, sending) for name, sending in sendings.items()}
        transaction.set_rollback(True)
    for name in found:
        assert found[name] == found["in order"], name


def arrived(place: Place, sending: orders.Sending) -> Tables:
    """What a site has when all of it has come, and was counted on the way."""
    half = len(sending) // 2
    steps: list[Step] = [*map(Write, sending[:half]), HOURS, *map(Write, sending[half:])]
    world = World(Plan(place, place.midnights[-1] + timedelta(hours=20), steps))
    world.carry_out()
    return orders.left(world.site.pk)


# --- What was found so ------------------------------------------------------------------------------------

HOWE = Place("Australia/Lord_Howe", date(2026, 10, 3))
CHANGE = datetime(2026, 10, 3, 15, 30, tzinfo=UTC)  # by half an hour
LONG_AFTER = CHANGE + timedelta(hours=9)  # the day is not over, and no run looks so far back unless it is told


def view(minute: float, **fields: Any) -> Event:
    """So long after the clocks were set."""
    return event(**{"ts": CHANGE.timestamp() + minute * 60, "visitor_id": 1, "path": "/", **fields})


def differ(*steps: Step, now: datetime = LONG_AFTER) -> list[str]:
    with transaction.atomic():
        return after(World(Plan(HOWE, now, list(steps))))


def test_a_source_found_again_is_counted_in_half_an_hour_too(db: None) -> None:
    walk = Write([view(-20, referrer="https://www.google.com/"), view(5), view(35)])
    assert differ(walk, Recompute(1)) == []


def test_an_event_within_a_microsecond_of_an_hour_is_counted_in_it(db: None) -> None:
    late = Write([view(0, ts=CHANGE.timestamp() - 2e-7)])
    assert differ(Write([view(-20), view(5)]), HOURS, late) == []


def test_a_day_of_signs_of_life_alone_has_their_names(db: None) -> None:
    assert differ(Write([view(0, name="engagement", path=None)]), now=LONG_AFTER + timedelta(days=1)) == []


@pytest.mark.parametrize("at", [7, 19, 43, 67])
def test_no_run_goes_on_by_the_clock_of_a_zone_that_was_changed(transactional_db: None, at: int) -> None:
    days = Write([view(60 * hour, visitor_id=hour % 3) for hour in range(30)])
    run = During("hours", timedelta(days=1), at, (Rezone("UTC"), HOURS))
    world = World(Plan(HOWE, LONG_AFTER, [days, run]))
    try:
        assert after(world) == []
    finally:
        world.end()


def stored_of(table: str, column: str, *steps: Step) -> list[object]:
    with transaction.atomic():
        world = World(Plan(HOWE, LONG_AFTER, list(steps)))
        world.carry_out()
        return [row[column] for row in stored.read(table, world.site.pk)]


def test_ids_of_clicks_stay_what_they_are_when_sessions_are_joined(db: None) -> None:
    apart = Write([view(0, query="gclid=1"), view(50)])
    assert stored_of("ingest_session", "click_ids", apart, Write([view(25)])) == ['{"gclid": "1"}']


@pytest.mark.parametrize("users", [("anna", "bert"), ("bert", "anna")])
def test_of_two_users_of_a_moment_the_same_wins_in_any_order(db: None, users: tuple[str, str]) -> None:
    steps = [Write([view(0, name="identify", user_id=user)]) for user in users]
    assert stored_of("ingest_visitor", "user_id", *steps) == ["bert"]
    assert stored_of("ingest_session", "user_id", *steps) == ["bert"]
