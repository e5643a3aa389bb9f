"""The fold of events into sessions, against a brute-force clustering."""

import random
import time
import zoneinfo
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import Batch, Event, meaning_of
from ingest.sessions import (
    QUARTER_SECONDS,
    Fold,
    Folded,
    Origin,
    Placed,
    SessionRow,
    comes_first,
    count,
    merge,
)
from ingest.sites import KnownSite

SITE = KnownSite(1, "ff_key", "example.test", zoneinfo.ZoneInfo("UTC"), "returning", (), 1800, b"s" * 32)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
GAP = 1800


def event(minute: float = 0, name: str = "pageview", *, number: int | None = None, **fields: object) -> Placed:
    """An event so many minutes past noon of visitor 7, unless FIELDS say otherwise."""
    number = random.getrandbits(100) if number is None else number
    values = {"id": UUID(int=number), "name": name, "ts": NOON + minute * 60, "visitor_id": 7, **fields}
    if name == "pageview":
        values.setdefault("path", f"/{number % 5}")
    one = Event(**values)  # type: ignore[arg-type]
    return Placed.of(SITE, one, Batch(site_id=1, received_at=NOON, events=[one]))


def origin_of(item: Placed) -> Origin:
    return Origin(source=str(item.event.id))


def fold(*events: Placed, loaded: list[SessionRow] | None = None) -> Folded:
    return Fold(loaded or [], origin_of).add(events)


def test_it_works() -> None:
    folded = fold(event(0, path="/"), event(5, path="/pricing"))
    (row,) = folded.new
    assert (row.page_views, row.events, row.entry_page, row.exit_page) == (2, 2, "/", "/pricing")
    assert row.last_activity - row.started_at == timedelta(minutes=5)
    assert not folded.changed
    assert not folded.joined


def test_a_single_page_view_is_a_bounce() -> None:
    assert fold(event()).new[0].is_bounce


def test_a_custom_event_ends_a_bounce() -> None:
    assert not fold(event(0), event(1, "signup")).new[0].is_bounce


def test_an_engagement_ends_no_bounce_and_moves_no_end() -> None:
    (row,) = fold(event(0), event(10, "engagement", engaged_ms=4000, scroll=80)).new
    assert row.is_bounce
    assert row.last_activity == row.started_at
    assert (row.engaged_ms, row.scroll, row.events) == (4000, 80, 1)


def test_an_engagement_keeps_a_session_alive() -> None:
    folded = fold(event(0), event(25, "engagement"), event(50))
    assert len(folded.new) == 1


def test_engagement_alone_makes_no_session_that_counts() -> None:
    (row,) = fold(event(0, "engagement")).new
    assert row.events == 0


def test_an_event_after_thirty_minutes_begins_a_session() -> None:
    assert len(fold(event(0), event(30.02)).new) == 2


def test_an_event_at_thirty_minutes_belongs_to_the_session() -> None:
    assert len(fold(event(0), event(30)).new) == 1


def test_midnight_ends_no_session() -> None:
    assert len(fold(event(11 * 60 + 50), event(12 * 60 + 5)).new) == 1


def test_the_senders_session_id_wins_over_inactivity() -> None:
    folded = fold(event(0, session_id=1), event(600, session_id=1), event(1, session_id=2))
    assert sorted((row.id, row.page_views) for row in folded.new) == [(1, 2), (2, 1)]


def test_an_event_without_session_id_joins_the_visitors_named_session() -> None:
    folded = fold(event(0, session_id=1), event(3, "signup"))
    assert [(row.id, row.events) for row in folded.new] == [(1, 2)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_named_session_takes_in_what_came_without_a_name(order: tuple[int, int]) -> None:
    both = [event(0, "signup"), event(5, session_id=1)]
    folding = Fold([], origin_of)
    for place in order:
        folding.add([both[place]])
    [row] = folding.rows.values()
    assert (row.id, row.events, row.is_bounce) == (1, 2, False)


def test_a_visitors_hundredth_session_is_as_whole_as_the_first() -> None:
    twice = [event(40 * number + late) for number in range(100) for late in (0, 5)]
    assert [row.events for row in fold(*twice).new] == [2] * 100


def test_a_visitor_with_very_many_sessions_is_folded_in_time() -> None:
    many = [event(minute / 60, session_id=minute + 1) for minute in range(3000)]
    started = time.perf_counter()
    folded = fold(*many, *[event(minute / 60) for minute in range(1000)])
    assert sum(row.events for row in folded.new) == 4000
    assert time.perf_counter() - started < 10  # each event against each session took minutes


def test_named_sessions_are_never_joined() -> None:
    folded = fold(event(0, session_id=1), event(20, session_id=2), event(10))
    assert len(folded.new) == 2


def test_a_late_event_starts_a_session_earlier() -> None:
    (stored,) = fold(event(20, path="/second")).new
    folded = fold(event(0, path="/first"), loaded=[stored])
    (row,) = folded.changed
    assert (row.id, row.entry_page, row.exit_page) == (stored.id, "/first", "/second")


def test_a_late_event_joins_two_sessions() -> None:
    stored = fold(event(0), event(50)).new
    assert len(stored) == 2
    folded = fold(event(25), loaded=stored)
    (row,) = folded.changed
    assert row.page_views == 3
    assert [into.id for into in folded.joined.values()] == [row.id]


def test_a_joined_sessions_events_are_pointed_at_the_one_that_is_left() -> None:
    items = [event(0), event(50), event(25)]
    folded = Fold([], origin_of)
    folded.add(items[:2])
    folded.add(items[2:])
    assert len({row.id for row in folded.rows.values()}) == 1


def test_the_origin_is_that_of_the_first_event_that_counts() -> None:
    ping, first, second = event(0, "engagement"), event(1), event(2)
    (row,) = fold(second, ping, first).new
    assert row.source == str(first.event.id)


def test_the_last_word_about_the_user_wins_in_any_order() -> None:
    early, late = event(0, user_id="anna"), event(5, user_id="bert")
    assert fold(late, early).new[0].user_id == "bert"
    (stored,) = fold(late).new
    assert fold(early, loaded=[stored]).changed[0].user_id == "bert"


def test_other_visitors_have_sessions_of_their_own() -> None:
    assert len(fold(event(0), event(0, visitor_id=8)).new) == 2


def test_both_the_old_and_the_new_start_hour_are_marked() -> None:
    (stored,) = fold(event(61)).new
    folded = fold(event(59), loaded=[stored])
    hours = {quarter * QUARTER_SECONDS // 3600 % 24 for _, quarter in folded.quarters}
    assert hours == {12, 13}


def test_revenue_needs_a_currency() -> None:
    (row,) = fold(event(0, "purchase", value=20.0, currency="EUR"), event(1, "rating", value=5.0)).new
    assert row.revenue == 20.0


NAMES = st.sampled_from(["pageview", "engagement", "signup", "error", "impression", "open_chat", "identify"])


@st.composite
def events(draw: st.DrawFn, *, named: bool = False) -> list[Placed]:
    count = draw(st.integers(1, 14))
    # A named session with a hole longer than the gap is promised nothing about what lies in the hole.
    minutes = draw(st.lists(st.integers(0, 60 if named else 240), min_size=count, max_size=count))
    return [
        event(
            minute,
            draw(NAMES),
            number=number + 1,
            visitor_id=1 if named else draw(st.integers(1, 2)),
            session_id=draw(st.sampled_from([None, None, 1])) if named else None,
            user_id=draw(st.sampled_from([None, None, "anna", "bert"])),
            engaged_ms=draw(st.integers(0, 9000)),
        )
        for number, minute in enumerate(minutes)
    ]


def clusters(items: list[Placed]) -> set[frozenset[UUID]]:
    """Sessions by definition: a visitor's events in order, cut where nothing came for longer than the gap."""
    found: list[list[Placed]] = []
    for visitor in {item.event.visitor_id for item in items}:
        last: Placed | None = None
        for item in sorted((item for item in items if item.event.visitor_id == visitor), key=lambda item: item.order):
            if last is None or item.event.ts - last.event.ts > GAP:
                found.append([])
            found[-1].append(item)
            last = item
    return {frozenset(item.event.id for item in cluster) for cluster in found}


def by_session(items: list[Placed], folding: Fold) -> set[frozenset[UUID]]:
    groups = defaultdict(set)
    for item in items:
        groups[folding._last((1, item.session_id))].add(item.event.id)
    return {frozenset(group) for group in groups.values()}


def without_ids(rows: object) -> list[dict[str, object]]:
    dicts = [{**msgspec.structs.asdict(row), "id": 0} for row in rows]  # type: ignore[attr-defined]
    return sorted(dicts, key=lambda values: (values["visitor_id"], values["seen_from"]))


@given(events())
def test_sessions_are_cut_where_nobody_came(items: list[Placed]) -> None:
    folding = Fold([], origin_of)
    folding.add(items)
    assert by_session(items, folding) == clusters(items)


def folded_in_parts(items: list[Placed], chance: random.Random, batches: int) -> Fold:
    """The fold of the events in any order, in that many batches."""
    shuffled = items[:]
    chance.shuffle(shuffled)
    folding = Fold([], origin_of)
    for start in range(batches):
        folding.add(shuffled[start::batches])
    return folding


@pytest.mark.parametrize("named", [False, True])
@given(data=st.data(), chance=st.randoms(use_true_random=False), batches=st.integers(1, 5))
def test_any_order_and_any_batches_fold_alike(
    named: bool, data: st.DataObject, chance: random.Random, batches: int
) -> None:
    items = data.draw(events(named=named))
    at_once = Fold([], origin_of)
    at_once.add(items)
    in_parts = folded_in_parts(items, chance, batches)
    assert without_ids(in_parts.rows.values()) == without_ids(at_once.rows.values())
    if not named:
        assert by_session(items, in_parts) == clusters(items)


@given(data=st.data(), chance=st.randoms(use_true_random=False), batches=st.integers(1, 5))
def test_named_sessions_at_once_fold_alike_in_any_order(
    data: st.DataObject, chance: random.Random, batches: int
) -> None:
    items = [item for item in data.draw(events()) if item.event.visitor_id == 1]
    for item in items:
        item.event.session_id = data.draw(st.integers(1, 3))
    in_parts = folded_in_parts(items, chance, batches)
    assert by_session(items, in_parts) == {
        frozenset(item.event.id for item in items if item.event.session_id == name)
        for name in {item.event.session_id for item in items}
    }


def test_the_marked_quarter_is_that_of_the_stored_moment() -> None:
    late = event(ts=NOON + 3600 - 2e-7)  # no float of that size is nearer to the hour, and no column holds it
    assert {quarter * QUARTER_SECONDS for _, quarter in fold(late).quarters} == {int(NOON) + 3600}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_pages_at_one_moment_enter_and_exit_alike_in_any_order(order: tuple[int, int]) -> None:
    both = [event(0, path="/a"), event(0, path="/b")]
    folding = Fold([], origin_of)
    for place in order:
        folding.add([both[place]])
    [row] = folding.rows.values()
    assert (row.entry_page, row.exit_page) == ("/a", "/b")


@given(events())
def test_counters_are_the_sums_of_the_events(items: list[Placed]) -> None:
    folding = Fold([], origin_of)
    folding.add(items)
    rows = folding.rows.values()
    assert sum(row.page_views for row in rows) == sum(item.event.name == "pageview" for item in items)
    assert sum(row.events for row in rows) == sum(meaning_of(item.event.name, None).counts for item in items)
    assert sum(row.engaged_ms for row in rows) == sum(item.event.engaged_ms or 0 for item in items)


def alone(item: Placed) -> SessionRow:
    """The session of one event."""
    row = SessionRow(first_event=item.event.id)
    count(row, item)
    return row


@given(events())
def test_counting_an_event_is_merging_the_session_of_it_alone(items: list[Placed]) -> None:
    counted, merged = SessionRow(), SessionRow()
    for item in items:
        if comes_first(item, counted):
            counted.first_event = item.event.id
        count(counted, item)
        merge(merged, alone(item))
    assert msgspec.structs.asdict(counted) == msgspec.structs.asdict(merged)


@given(events())
def test_merging_is_commutative(items: list[Placed]) -> None:
    left, right = SessionRow(), SessionRow()
    for item in items:
        merge(left, alone(item))
    for item in reversed(items):
        merge(right, alone(item))
    assert msgspec.structs.asdict(left) == msgspec.structs.asdict(right)
