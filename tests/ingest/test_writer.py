"""The writer's transaction, on a real PostgreSQL."""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import IntegerField
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import clock, partitions, sites, writer
from ingest.event import Batch, Context, Event
from ingest.models import DailyTotal, Site
from ingest.writer import write

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


@pytest.fixture
def shop(db: None) -> Iterator[Site]:
    sites.forget()
    partitions.ensure(writer.connected(), partitions.ahead(datetime.now(UTC), 1))
    partitions.ensure(writer.connected(), [NOW.date() - timedelta(days=1)])
    yield Site.objects.create(name="Shop", domain="shop.example.com", timezone="Asia/Kathmandu")
    sites.forget()


def event(minute: float = 0, name: str = "pageview", **fields: Any) -> Event:
    values = {"id": uuid.uuid4(), "name": name, "ts": NOW.timestamp() + minute * 60, "visitor_id": 7, **fields}
    return Event(**values)


def batch(site: Site, *events: Event, **fields: Any) -> Batch:
    values = {"received_at": NOW.timestamp() + 3600, "context": Context(user_agent=CHROME), **fields}
    return Batch(site_id=site.pk, events=list(events), **values)


def rows(query: str, *values: str | int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def counts() -> dict[tuple[str, str], int]:
    return {(outcome, reason): n for outcome, reason, n in rows("SELECT outcome, reason, events FROM ingest_count")}


def test_it_works(shop: Site) -> None:
    written = write([batch(shop, event(0, path="/"), event(1, path="/pricing"), event(2, "signup"))])
    assert written == (3, 0, 0)
    assert rows("SELECT page_views, events, entry_page, exit_page FROM ingest_session") == [(2, 3, "/", "/pricing")]
    assert rows("SELECT count(DISTINCT session_id) FROM ingest_event") == [(1,)]
    assert counts() == {("stored", ""): 3}


def test_a_batch_that_its_sender_repeats_changes_nothing_and_is_counted(shop: Site) -> None:
    one = batch(shop, event(0, path="/"), event(1))
    write([one])
    before = rows("SELECT * FROM ingest_session")
    later = batch(shop, *one.events, received_at=one.received_at + 1)
    assert write([later]) == (0, 2, 0)
    assert rows("SELECT * FROM ingest_session") == before
    assert counts() == {("stored", ""): 2, ("duplicate", ""): 2}


def test_a_batch_that_comes_by_both_roads_is_counted_once(shop: Site) -> None:
    """Redis took it and the answer was lost: it went straight to the tables as well."""
    one = batch(shop, event(), event(), outcomes={"dropped": {"bot": 3}})
    assert [write([one]), write([one, batch(shop, event())])] == [(2, 0, 0), (1, 2, 0)]
    assert counts() == {("stored", ""): 3, ("dropped", "bot"): 3}


def test_by_both_roads_a_repeat_in_it_is_one_too(shop: Site) -> None:
    old = event()
    write([batch(shop, old, received_at=NOW.timestamp() + 3601)])
    one = batch(shop, old, event())
    assert [write([one]), write([one])] == [(1, 1, 0), (0, 2, 0)]
    assert counts() == {("stored", ""): 2, ("duplicate", ""): 1}


def test_a_line_that_is_imported_twice_is_a_repeat(shop: Site) -> None:
    one = batch(shop, event(), is_import=True)
    write([one])
    write([one])
    assert counts() == {("stored", ""): 1, ("duplicate", ""): 1}


def test_the_same_event_twice_in_a_batch_is_stored_once(shop: Site) -> None:
    once = event()
    assert write([batch(shop, once, once)]) == (1, 1, 0)


def test_a_repeat_on_another_clock_is_found_in_any_partition(shop: Site) -> None:
    once = event()
    write([batch(shop, once)])
    moved = event(-1500, id=once.id, sent_ts=NOW.timestamp())
    assert write([batch(shop, moved)]) == (0, 1, 0)


def test_a_repeat_with_another_time_of_the_same_day_is_no_error(shop: Site) -> None:
    once = event()
    write([batch(shop, once)])
    assert write([batch(shop, event(300, id=once.id))]) == (0, 1, 0)


def test_a_repeat_without_the_correction_of_the_first_is_found(shop: Site) -> None:
    """Whatever its clock says: each day that is accepted is looked through."""
    first = event(-1440, sent_ts=NOW.timestamp())
    write([batch(shop, first)])
    assert write([batch(shop, event(0, id=first.id))]) == (0, 1, 0)


def test_a_repeat_across_midnight_is_found(shop: Site) -> None:
    once = event(12 * 60 - 0.1)
    write([batch(shop, once)])
    assert write([batch(shop, event(12 * 60 + 0.1, id=once.id))]) == (0, 1, 0)


def test_one_id_for_two_sites_is_two_events(shop: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    once = event()
    assert write([batch(shop, once), batch(other, once)]) == (2, 0, 0)


def test_a_missing_day_is_made(shop: Site) -> None:
    long_ago = datetime(2015, 5, 17, 10, tzinfo=UTC)
    old = event(ts=long_ago.timestamp())
    assert write([batch(shop, old, is_import=True)]) == (1, 0, 0)
    assert long_ago.date() in partitions.existing(writer.connected())


def test_visitors_get_the_next_numbers_of_their_site(shop: Site) -> None:
    write([batch(shop, event(visitor_id=5), event(visitor_id=9))])
    write([batch(shop, event(visitor_id=9), event(visitor_id=1))])
    assert rows("SELECT number FROM ingest_visitor ORDER BY number") == [(1,), (2,), (3,)]
    assert rows("SELECT allocated FROM ingest_visitor_number") == [(3,)]


def test_identify_names_the_visitors_user_and_keeps_the_properties(shop: Site) -> None:
    write([batch(shop, event(0, "identify", user_id="u1", user_properties={"plan": "pro"}))])
    write([batch(shop, event(1, "identify", user_id="u1", user_properties={"team": 4}))])
    assert rows("SELECT user_id, properties FROM ingest_visitor") == [("u1", '{"plan": "pro", "team": 4}')]


def test_late_properties_do_not_win(shop: Site) -> None:
    write([batch(shop, event(5, "identify", user_id="u", user_properties={"plan": "new", "a": 1}))])
    write([batch(shop, event(0, "identify", user_id="u", user_properties={"plan": "old", "b": 2}))])
    assert rows("SELECT properties->>'plan', properties ? 'b' FROM ingest_visitor") == [("new", True)]


def test_properties_of_a_visitor_do_not_grow_without_end(shop: Site) -> None:
    for number in range(12):
        large = {f"k{number}-{part}": uuid.uuid4().hex * 200 for part in range(4)}
        write([batch(shop, event(number, "identify", user_id="u", user_properties=large))])
    assert rows("SELECT pg_column_size(properties) <= 40000 FROM ingest_visitor") == [(True,)]


def test_many_events_without_a_time_need_few_locks(shop: Site) -> None:
    many = [event(number / 60, is_timed=False) for number in range(20_000)]
    assert write([batch(shop, *many)]).stored == 20_000


def test_events_of_a_deleted_site_are_counted(shop: Site) -> None:
    gone = batch(shop, event(), event())
    gone.site_id = 999_999_999
    write([gone])
    assert counts() == {("dropped", "site_deleted"): 2}


def test_a_late_word_about_the_user_does_not_win(shop: Site) -> None:
    write([batch(shop, event(5, user_id="new"))])
    write([batch(shop, event(0, user_id="old"))])
    assert rows("SELECT user_id FROM ingest_visitor") == [("new",)]


def test_a_named_session_has_one_visitor(shop: Site) -> None:
    write([batch(shop, event(0, session_id=1, visitor_id=5), event(1, session_id=1, visitor_id=6))])
    write([batch(shop, event(2, session_id=1, visitor_id=7))])
    assert rows("SELECT DISTINCT visitor_id FROM ingest_event") == [(5,)]
    assert rows("SELECT id FROM ingest_visitor") == [(5,)]


def test_only_the_first_session_is_a_new_visitors(shop: Site) -> None:
    write([batch(shop, event(0), event(60))])
    assert rows("SELECT is_new_visitor FROM ingest_session ORDER BY started_at") == [(True,), (False,)]


def test_a_late_earlier_session_takes_the_new_visitor_over(shop: Site) -> None:
    write([batch(shop, event(60))])
    write([batch(shop, event(0))])
    assert rows("SELECT is_new_visitor FROM ingest_session ORDER BY started_at") == [(True,), (False,)]


def test_a_late_event_joins_two_stored_sessions(shop: Site) -> None:
    write([batch(shop, event(0, path="/a"), event(50, path="/c"))])
    write([batch(shop, event(25, path="/b"))])
    assert rows("SELECT page_views, entry_page, exit_page FROM ingest_session") == [(3, "/a", "/c")]
    assert rows("SELECT count(DISTINCT session_id) FROM ingest_event") == [(1,)]


def test_the_hours_of_the_sites_own_clock_are_marked(shop: Site) -> None:
    write([batch(shop, event(0), event(20))])
    hours = [hour for (hour,) in rows("SELECT DISTINCT hour FROM ingest_dirty_hour ORDER BY hour")]
    assert [(hour.hour, hour.minute) for hour in hours] == [(11, 15), (12, 15)]


def test_refused_events_are_counted_with_their_reasons(shop: Site) -> None:
    write([batch(shop, outcomes={"dropped": {"bot": 2}, "rejected": {"too_old": 1}})])
    assert counts() == {("dropped", "bot"): 2, ("rejected", "too_old"): 1}


def test_events_of_a_deleted_site_stop_nothing(shop: Site) -> None:
    gone = batch(shop, event())
    gone.site_id = 999_999_999
    assert write([gone, batch(shop, event())]) == (1, 0, 0)


def test_a_commit_is_awaited_whatever_the_role_says(shop: Site) -> None:
    rows("SELECT set_config('synchronous_commit', 'off', false)")
    told: list[Any] = []
    write([batch(shop, event())], lambda conn: told.append(conn.execute("SHOW synchronous_commit").fetchone()))
    assert told == [("on",)]


def test_what_happens_inside_is_undone_with_the_rest(shop: Site) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write([batch(shop, event())], refuse)
    assert rows("SELECT count(*) FROM ingest_event") == [(0,)]


def test_writers_at_once_store_each_event_once_and_one_session(committed: Site) -> None:
    same = [event(minute, visitor_id=minute % 3) for minute in range(20)]

    def run() -> None:
        mixed = same[:]
        random.shuffle(mixed)
        for start in range(0, 20, 4):
            write([batch(committed, *mixed[start : start + 4])])
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("SELECT count(*), count(DISTINCT id) FROM ingest_event") == [(20, 20)]
    assert rows("SELECT count(*), sum(page_views) FROM ingest_session") == [(3, 20)]
    assert rows("SELECT count(*), max(number) FROM ingest_visitor") == [(3, 3)]


SESSION_FIGURES = """
SELECT visitor_id, seen_from, seen_until, started_at, last_activity, entry_page, exit_page, page_views, events,
       is_bounce, is_new_visitor, source, browser FROM ingest_session ORDER BY 1, 2
"""
RECOUNT = """
SELECT s.id FROM ingest_session s JOIN ingest_event e ON e.site_id = s.site_id AND e.session_id = s.id
GROUP BY s.site_id, s.id, s.page_views
HAVING s.page_views <> count(*) FILTER (WHERE e.name = 'pageview')
"""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 2), st.booleans()), min_size=1, max_size=10),
    st.randoms(use_true_random=False),
    st.integers(1, 4),
)
def test_any_order_batches_and_repeats_store_the_same(
    shop: Site, drawn: list[tuple[int, int, bool]], chance: random.Random, parts: int
) -> None:
    items = [
        event(minute, "pageview" if page else "engagement", visitor_id=visitor, path=f"/{number}")
        for number, (minute, visitor, page) in enumerate(drawn)
    ]
    _clear()
    write([batch(shop, *items)])
    expected = rows(SESSION_FIGURES)
    _clear()
    mixed = items + items[: len(items) // 2]
    chance.shuffle(mixed)
    for start in range(parts):
        write([batch(shop, *mixed[start::parts])])
    assert rows(SESSION_FIGURES) == expected
    assert rows(RECOUNT) == []


def _clear() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event; DELETE FROM ingest_session; DELETE FROM ingest_visitor")


def test_a_visitor_without_a_session_that_names_one_later_is_stored_whole(shop: Site) -> None:
    """In a later batch, and in the same one."""
    write([batch(shop, event(0, visitor_id=1))])
    write([batch(shop, event(1, visitor_id=1, session_id=11))])
    write([batch(shop, event(0, visitor_id=2), event(1, visitor_id=2, session_id=12))])
    assert rows("SELECT id, events FROM ingest_session ORDER BY id") == [(11, 2), (12, 2)]
    assert rows("SELECT count(*) FROM ingest_event WHERE session_id IN (11, 12)") == [(4,)]


# --- Events that came too late ----------------------------------------------------------------------------


def days_ago(days: float, **fields: Any) -> Event:
    return event(ts=time.time() - days * 86_400, **fields)


def close_day(site: Site, day: datetime) -> None:
    """As the cleanup does when the day's events expire."""
    zone = site.zone
    date_ = clock.day_of(zone, day)
    about = {"starts_at": clock.day_start(zone, date_), "ends_at": clock.day_start(zone, date_ + timedelta(days=1))}
    figures = {
        field.name: 0
        for field in DailyTotal._meta.get_fields()
        if isinstance(field, IntegerField) and field.name not in ("site_id",)
    }
    DailyTotal.objects.create(
        **{**figures, **about, "site_id": site.pk, "day": date_, "revenue": 0, "built_at": day, "is_final": True}
    )


@pytest.fixture
def brief(shop: Site) -> Site:
    """A site that keeps events for three days."""
    Site.objects.filter(pk=shop.pk).update(events_days=3)
    sites.forget()
    return shop


def test_a_live_event_of_an_expired_day_is_counted_and_not_stored(brief: Site) -> None:
    assert write([batch(brief, days_ago(3.01), event())]) == (1, 0, 1)
    assert counts() == {("stored", ""): 1, ("rejected", "too_old"): 1}
    assert rows("SELECT count(*) FROM ingest_session") == [(1,)]


def test_the_last_event_of_a_day_that_is_kept_is_stored(brief: Site) -> None:
    partitions.ensure(writer.connected(), [(datetime.now(UTC) - timedelta(days=3)).date()])
    assert write([batch(brief, days_ago(2.99))]) == (1, 0, 0)


def test_an_import_may_be_older(brief: Site) -> None:
    partitions.ensure(writer.connected(), [(datetime.now(UTC) - timedelta(days=4)).date()])
    assert write([batch(brief, days_ago(3.5), is_import=True)]) == (1, 0, 0)


def test_an_import_into_a_day_that_is_counted_for_good_is_refused(shop: Site) -> None:
    close_day(shop, NOW)
    start = clock.day_start(shop.zone, clock.day_of(shop.zone, NOW)).timestamp()
    edges = [event(ts=start - 1), event(ts=start), event(ts=start + 86_399), event(ts=start + 86_400)]
    assert write([batch(shop, *edges, is_import=True)]) == (2, 0, 2)
    assert counts()[("rejected", "too_old")] == 2


def test_a_live_event_of_a_day_that_was_closed_is_refused(shop: Site) -> None:
    """Its site kept events for less than now when the cleanup came."""
    old = days_ago(4)
    moment = datetime.fromtimestamp(old.ts, UTC)
    partitions.ensure(writer.connected(), [moment.date()])
    close_day(shop, moment)
    assert write([batch(shop, old, event())]) == (1, 0, 1)


def test_a_young_event_costs_no_look_at_closed_days(shop: Site) -> None:
    """None can be: a site keeps events for two days at least."""
    close_day(shop, NOW)
    assert write([batch(shop, event())]) == (1, 0, 0)
