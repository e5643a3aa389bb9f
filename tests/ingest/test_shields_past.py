"""A rule and the past: what it would have dropped, and the figures as if that had never come."""

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import withdrawal
from ingest.event import Context
from ingest.models import Shield, Site
from ingest.retention import closing
from ingest.rollups import state
from ingest.rollups.buckets import day_of
from ingest.shields_past import Applied, apply, preview, since_days
from ingest.sites import KnownSite
from ingest.writer import connected, write
from tests.conftest import counts, rows
from tests.ingest.examples import CHROME, batch
from tests.ingest.past import NOON, SINCE, at, rule
from tests.ingest.writers import wait_for, with_own_connection

SESSIONS = """
SELECT visitor_id, is_derived, seen_from, seen_until, started_at, last_activity, first_event, entry_page, exit_page,
       page_views, events, interactive, engaged_ms, scroll, revenue, is_bounce, is_new_visitor, user_id, hostname,
       source, channel, referrer, utm_campaign, browser, country
FROM ingest_session ORDER BY visitor_id, seen_from, id
"""
EVENTS = "SELECT id, ts, path FROM ingest_event ORDER BY id"
VISITORS = "SELECT id, first_seen, last_seen FROM ingest_visitor ORDER BY id"
ASTRAY = """
SELECT e.id FROM ingest_event e LEFT JOIN ingest_session s ON s.site_id = e.site_id AND s.id = e.session_id
WHERE s.id IS NULL OR e.ts < s.seen_from OR e.ts > s.seen_until
"""


def figures() -> list[list[tuple[Any, ...]]]:
    assert rows(ASTRAY) == []
    return [rows(SESSIONS), rows(EVENTS), rows(VISITORS)]


def clear() -> None:
    with connection.cursor() as cursor:
        for table in ("event", "session", "visitor", "count", "shield_hit"):
            cursor.execute(f"DELETE FROM ingest_{table}")


def test_it_works(site: Site) -> None:
    write([batch(site, at(0, "/"), at(1, "/admin"), at(2, "/pricing"))])
    admin = rule(site, "path", "/admin")
    assert preview(site, admin)[:5] == (1, 1, 1, 1, 0)
    assert apply(site, admin, SINCE)[:2] == (1, 1)
    assert rows("SELECT page_views, events, exit_page FROM ingest_session") == [(2, 2, "/pricing")]


# --- What is taken away -----------------------------------------------------------------------------------


def left(site: Site, kind: str, value: str) -> list[tuple[Any, ...]]:
    apply(site, rule(site, kind, value), SINCE)
    return rows("SELECT name, hostname, path FROM ingest_event ORDER BY ts")


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("/a", {"/a"}),
        ("/a/*", {"/a/b", "/a/"}),
        ("/a/**", {"/a/b", "/a/b/c", "/a/"}),
        ("**/c", {"/a/b/c"}),
        ("/A", set()),
        ("/x.y", {"/x.y"}),
        ("/%5Bid%5D+*", {"/%5Bid%5D+1"}),
    ],
)
def test_a_pattern_covers_the_same_in_the_past_as_at_the_door(site: Site, pattern: str, gone: set[str]) -> None:
    paths = ["/a", "/a/", "/a/b", "/a/b/c", "/ab", "/x.y", "/xzy", "/%5Bid%5D+1"]
    write([batch(site, *(at(number, path) for number, path in enumerate(paths)))])
    assert {path for _, _, path in left(site, "path", pattern)} == set(paths) - gone


@pytest.mark.parametrize(
    ("value", "stay"),
    [
        ("test.example.com", ["shop.example.com", "a.test.example.com"]),
        ("*.test.example.com", ["shop.example.com"]),
    ],
)
def test_events_of_a_host_go(site: Site, value: str, stay: list[str]) -> None:
    hosts = ["shop.example.com", "test.example.com", "a.test.example.com"]
    write([batch(site, *(at(number, hostname=host) for number, host in enumerate(hosts)))])
    assert [host for _, host, _ in left(site, "host", value)] == stay


def test_sessions_of_a_country_go_whole(site: Site) -> None:
    write([batch(site, at(0, visitor_id=1), at(1, visitor_id=1), context=Context(country="DE"))])
    write([batch(site, at(0, "/fr", visitor_id=2), context=Context(country="FR"))])
    assert left(site, "country", "DE") == [("pageview", "shop.example.com", "/fr")]
    assert rows("SELECT country FROM ingest_session") == [("FR",)]
    assert rows("SELECT id FROM ingest_visitor") == [(2,)]


def test_sessions_that_came_by_a_referrer_go_whole(site: Site) -> None:
    spam = at(0, "/", referrer="https://www.spam.example/x", visitor_id=1)
    write([batch(site, spam, at(1, "/next", visitor_id=1), at(0, "/other", visitor_id=2))])
    assert [path for _, _, path in left(site, "referrer", "spam.example")] == ["/other"]


def test_later_events_with_the_referrer_go_alone(site: Site) -> None:
    write([batch(site, at(0, "/"), at(1, "/back", referrer="https://spam.example/"))])
    assert [path for _, _, path in left(site, "referrer", "spam.example")] == ["/"]


def test_a_referrer_with_a_port_is_of_its_host_and_no_other(site: Site) -> None:
    for visitor, host in enumerate(["spam.example:8080", "notspam.example", "spam.example.org"]):
        write([batch(site, at(0, f"/{visitor}", referrer=f"http://{host}/", visitor_id=visitor))])
    assert {path for _, _, path in left(site, "referrer", "spam.example")} == {"/1", "/2"}


def test_what_is_older_stays(site: Site) -> None:
    write([batch(site, at(0, "/a"), at(300, "/a"))])
    assert apply(site, rule(site, "path", "/a"), NOON + timedelta(hours=1)).events == 1
    assert rows("SELECT started_at FROM ingest_session") == [(NOON,)]


def test_what_is_older_stays_in_the_session_too(site: Site) -> None:
    write([batch(site, at(0, "/a"), at(10, "/a"))])
    assert apply(site, rule(site, "path", "/a"), NOON + timedelta(minutes=5)).events == 1
    assert rows("SELECT last_activity FROM ingest_session") == [(NOON,)]


def test_a_session_of_a_country_that_began_before_stays_whole(site: Site) -> None:
    write([batch(site, at(0), at(10), context=Context(country="DE"))])
    assert apply(site, rule(site, "country", "DE"), NOON + timedelta(minutes=5)) == Applied()


def test_other_sites_stay(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write([batch(other, at(0, "/a")), batch(site, at(0, "/a"))])
    apply(site, rule(site, "path", "/a"), SINCE)
    assert rows("SELECT site_id FROM ingest_event") == [(other.pk,)]


# --- What becomes of the sessions -------------------------------------------------------------------------


def test_a_session_that_loses_its_beginning_has_another_origin(site: Site) -> None:
    landing = at(0, "/landing", referrer="https://www.google.com/", query="utm_campaign=spring")
    write([batch(site, landing, at(1, "/", referrer="https://partner.example/"))])
    apply(site, rule(site, "path", "/landing"), SINCE)
    found = "SELECT source, channel, utm_campaign, entry_page, browser FROM ingest_session"
    assert rows(found) == [("partner.example", "Referral", None, "/", "Chrome")]


def test_a_derived_session_falls_apart_where_its_middle_goes(site: Site) -> None:
    write([batch(site, at(0, "/a"), at(25, "/gone"), at(50, "/b"))])
    apply(site, rule(site, "path", "/gone"), SINCE)
    assert rows("SELECT entry_page, is_new_visitor FROM ingest_session ORDER BY 1") == [("/a", True), ("/b", False)]
    assert rows("SELECT count(DISTINCT session_id) FROM ingest_event") == [(2,)]


def test_a_named_session_stays_one(site: Site) -> None:
    write([batch(site, *(at(minute, path, session_id=5) for minute, path in ((0, "/a"), (25, "/x"), (50, "/b"))))])
    apply(site, rule(site, "path", "/x"), SINCE)
    assert rows("SELECT id, page_views FROM ingest_session") == [(5, 2)]


def test_the_first_session_that_is_left_is_the_new_visitors(site: Site) -> None:
    write([batch(site, at(0, "/x"), at(60, "/a"), at(120, "/b"))])
    apply(site, rule(site, "path", "/x"), SINCE)
    assert rows("SELECT entry_page, is_new_visitor FROM ingest_session ORDER BY 1") == [("/a", True), ("/b", False)]
    assert rows("SELECT first_seen FROM ingest_visitor") == [(NOON + timedelta(hours=1),)]


def test_a_visitor_that_was_seen_before_all_stored_sessions_stays_a_returning_one(site: Site) -> None:
    write([batch(site, at(0, "/old")), batch(site, at(60, "/x"), at(61, "/a"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_session WHERE entry_page = '/old'")
    apply(site, rule(site, "path", "/x"), SINCE)
    assert rows("SELECT is_new_visitor FROM ingest_session") == [(False,)]


def test_a_session_that_has_outlived_its_events_is_left_alone(site: Site) -> None:
    write([batch(site, at(0, "/a"), at(1, "/x"), at(2, "/b"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event WHERE path = '/a'")
    assert apply(site, rule(site, "path", "/x"), SINCE) == Applied()
    assert rows("SELECT page_views FROM ingest_session") == [(3,)]


# --- The ledger and the marks -----------------------------------------------------------------------------


def test_what_was_received_is_still_the_sum_of_what_became_of_it(site: Site) -> None:
    write([batch(site, at(0, "/"), at(1, "/x"), outcomes={"rejected": {"too_old": 2}})])
    blocked = rule(site, "path", "/x")
    apply(site, blocked, SINCE)
    assert counts() == {("stored", ""): 1, ("dropped", "blocked_path"): 1, ("rejected", "too_old"): 2}
    assert rows("SELECT shield_id, events FROM ingest_shield_hit") == [(blocked.pk, 1)]


def test_it_is_counted_in_the_hour_in_which_it_came(site: Site) -> None:
    received = (NOON + timedelta(hours=9, minutes=12)).timestamp()
    write([batch(site, at(0, "/x"), received_at=received)])
    apply(site, rule(site, "path", "/x"), SINCE)
    hour = NOON + timedelta(hours=9)
    assert rows("SELECT DISTINCT hour FROM ingest_count") == [(hour,)]
    assert rows("SELECT hour FROM ingest_shield_hit") == [(hour,)]


def test_the_hours_of_all_it_touches_are_marked(site: Site) -> None:
    write([batch(site, at(-90, "/a"), at(-65, "/a"), at(-40, "/x"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_dirty_hour")
    assert apply(site, rule(site, "path", "/x"), SINCE).hours == 2
    assert rows("SELECT hour FROM ingest_dirty_hour ORDER BY 1") == [(NOON - timedelta(hours=n),) for n in (2, 1)]


def test_the_shield_says_that_it_was_applied(site: Site) -> None:
    write([batch(site, at(0, "/x"))])
    shield = rule(site, "path", "/x")
    apply(site, shield, SINCE)
    shield.refresh_from_db()
    assert (shield.applied_events, shield.applying_at) == (1, None)
    assert shield.applied_at is not None


def test_a_run_that_breaks_off_is_not_said_to_go_on(site: Site) -> None:
    shield = rule(site, "path", "/x")

    def stop(done: int, days: int) -> None:
        shield.refresh_from_db()
        assert shield.applying_at is not None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(site, shield, SINCE, stop)
    shield.refresh_from_db()
    assert (shield.applying_at, shield.applied_at) == (None, None)


def test_progress_is_told_by_the_day(site: Site) -> None:
    told: list[tuple[int, int]] = []
    apply(site, rule(site, "path", "/x"), since_days(2), lambda done, days: told.append((done, days)))
    assert told == [(number, 4) for number in range(1, 5)]


# --- As often as one likes, beside others -----------------------------------------------------------------


def test_a_second_run_changes_nothing(site: Site) -> None:
    write([batch(site, at(0, "/a"), at(25, "/x"), at(50, "/b"))])
    shield = rule(site, "path", "/x")
    apply(site, shield, SINCE)
    before = [*figures(), counts(), rows("SELECT * FROM ingest_shield_hit")]
    assert apply(site, shield, SINCE) == Applied()
    assert [*figures(), counts(), rows("SELECT * FROM ingest_shield_hit")] == before


@pytest.mark.parametrize(("sessions", "per_transaction"), [([9, 9, 9], 1), ([4, 4, 4, 4, 4], 2), ([50, 1], 1)])
def test_a_transaction_holds_so_many_events(
    monkeypatch: pytest.MonkeyPatch, sessions: list[int], per_transaction: int
) -> None:
    monkeypatch.setattr(withdrawal, "EVENTS", 10)
    blocks = list(withdrawal.blocks(list(enumerate(sessions))))
    assert max(len(block) for block in blocks) == per_transaction
    assert [id_ for block in blocks for id_ in block] == list(range(len(sessions)))


def test_many_sessions_take_several_transactions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "SESSIONS", 2)
    write([batch(site, *(at(number, "/x", visitor_id=number) for number in range(5)))])
    assert apply(site, rule(site, "path", "/x"), SINCE)[:2] == (5, 5)
    assert rows("SELECT count(*) FROM ingest_session") == [(0,)]


def test_it_runs_beside_a_writer_and_beside_itself(committed: Site) -> None:
    """All paths but one stay, whoever was first; nothing hangs, nothing is counted twice."""
    shield, failures = rule(committed, "path", "/x"), []
    write([batch(committed, *(at(n, "/x" if n % 3 else "/a", visitor_id=n % 4) for n in range(40)))])

    def run(work: Any) -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    def more() -> None:
        for number in range(20):
            write([batch(committed, at(number + 0.5, "/b", visitor_id=number % 4))])

    works = [more, lambda: apply(committed, shield, SINCE), lambda: apply(committed, shield, SINCE)]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(ASTRAY) == []
    assert rows("SELECT DISTINCT path FROM ingest_event ORDER BY 1") == [("/a",), ("/b",)]
    assert counts() == {("stored", ""): 34, ("dropped", "blocked_path"): 26}
    assert rows("SELECT sum(page_views)::int, bool_and(page_views = events) FROM ingest_session") == [(34, True)]


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_day_is_not_closed_with_what_a_rule_is_taking_away(committed: Site, another: psycopg.Connection) -> None:
    write([batch(committed, at(0, "/"), at(1, "/admin"))])
    known, admin = KnownSite.of(committed), rule(committed, "path", "/admin")
    state.of(known, datetime.now(UTC))
    day = day_of(known.zone, NOON.date())
    closer = threading.Thread(
        target=with_own_connection, args=(lambda: closing.close(known, [day], datetime.now(UTC), day.start),)
    )
    with connected().transaction():
        apply(committed, admin, SINCE)
        closer.start()
        wait_for(lambda: not closer.is_alive() or another.execute(WAITING).fetchone() == (1,))
    closer.join()
    assert rows("SELECT events, is_final FROM ingest_daily_total") == [(1, True)]


def test_a_visitor_who_is_deleted_under_a_writer_gets_a_number(committed: Site, another: psycopg.Connection) -> None:
    """The writer has seen the visitor, waits for its row, and finds it gone."""
    write([batch(committed, at(0))])
    with another.transaction():
        another.execute("DELETE FROM ingest_visitor")
        another.execute("DELETE FROM ingest_session")
        writer = threading.Thread(target=with_own_connection, args=(lambda: write([batch(committed, at(300))]),))
        writer.start()
        wait_for(lambda: rows(WAITING) == [(1,)])
    writer.join()
    assert rows("SELECT number > 0 FROM ingest_visitor") == [(True,)]


DRAWN = st.lists(
    st.tuples(
        st.integers(0, 240),  # minute
        st.integers(1, 3),  # visitor
        st.sampled_from(["pageview", "pageview", "engagement", "signup", "identify"]),
        st.sampled_from([None, "https://www.google.com/", "https://partner.example/"]),
        st.booleans(),  # whether the rule covers it
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DRAWN)
def test_the_figures_are_those_of_never_having_had_the_events(site: Site, drawn: list[tuple[Any, ...]]) -> None:
    items = [
        at(minute, "/blocked" if covered else f"/{minute}", name, visitor_id=visitor, referrer=referrer, id=_id(number))
        for number, (minute, visitor, name, referrer, covered) in enumerate(drawn)
    ]
    clear()
    write([batch(site, *(item for item in items if item.path != "/blocked"))])
    expected = figures()
    clear()
    write([batch(site, *items)])
    shield, _ = Shield.objects.get_or_create(site=site, kind="path", value="/blocked")
    foreseen = preview(site, shield)
    done = apply(site, shield, SINCE)
    assert figures() == expected
    assert (done.events, done.sessions) == (foreseen.events, foreseen.sessions)


def _id(number: int) -> uuid.UUID:
    return uuid.UUID(int=(0x8000 << 64) + number + 1)


def test_the_agent_is_kept_where_the_events_have_none(site: Site) -> None:
    write([batch(site, at(0, "/x"), at(1, "/a"), context=Context(user_agent=CHROME, country="CH", language="de"))])
    apply(site, rule(site, "path", "/x"), SINCE)
    assert rows("SELECT user_agent, country, language FROM ingest_session") == [(CHROME, "CH", "de")]
