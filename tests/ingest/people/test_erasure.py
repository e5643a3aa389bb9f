"""A person erased: what is left is what there would be if they had never come."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import queue, withdrawal
from ingest.clock import DAY
from ingest.enrich import visitor
from ingest.event import Event
from ingest.models import PersonRequest, Site
from ingest.people import erasure, find
from ingest.people.find import Who, by_user
from ingest.sites import KnownSite
from ingest.writer import write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.ingest.people.stored import ASTRAY, aggregates, clear, erased, raw
from tests.ingest.writers import with_own_connection

pytestmark = pytest.mark.django_db
World = tuple[list[Any], dict[str, list[Any]]]


def world() -> World:
    return raw(), aggregates()


def without(site: Site, *events: Event) -> World:
    """What there is when only these have come."""
    clear()
    if events:
        write([batch(site, *events)])
    return world()


def test_it_works(site: Site, known: KnownSite) -> None:
    theirs = [at(0, "/", visitor_id=1), at(1, "/account", visitor_id=1, user_id="jo")]
    others = [at(0, "/", visitor_id=2), at(2, "/account", visitor_id=2, user_id="kim")]
    write([batch(site, *theirs, *others)])
    aggregates()
    assert erased(known, by_user("jo")) == (1, 1, 2, 0)
    assert world() == without(site, *others)


# --- As if they had never come ----------------------------------------------------------------------------

PATHS, USERS = ("/", "/a", "/b"), (None, "jo", "kim")
Said = tuple[int, int, str, str | None, str]
# Visitors 1 and 2 name their sessions, 3 and 4 have derived ones: an event without a name that lay near a named
# session belongs to it still when what it was near to is gone.
SAID = st.tuples(
    st.integers(1, 4),
    st.integers(-900, 700),
    st.sampled_from(PATHS),
    st.sampled_from(USERS),
    st.sampled_from(["pageview", "pageview", "engagement", "signup", "impression"]),
)


def made(number: int, said: Said) -> Event:
    visitor_id, minute, path, user, name = said
    session = visitor_id * 10 + minute // 400 if visitor_id < 3 else None
    more: dict[str, Any] = {"value": 2.5, "currency": "EUR"} if name == "signup" else {}
    more |= {"engaged_ms": 4_000} if name == "engagement" else {}
    # Never two at one moment: who said something last would be chance.
    return at(minute + number / 1000, path, name, visitor_id=visitor_id, session_id=session, user_id=user, **more)


def others_of(events: list[Event]) -> list[Event]:
    """Whose they are by the rule as a person would say it, from who is in which session."""
    session_of = dict(rows("SELECT id, session_id FROM ingest_event"))
    users: dict[tuple[str, int], set[str]] = {}
    for one in events:
        for key in (("visitor", one.visitor_id), ("session", session_of[one.id])):
            users.setdefault(key, set()).update({one.user_id} if one.user_id else ())

    def is_theirs(one: Event) -> bool:
        alone = {"jo"} in (users["visitor", one.visitor_id], users["session", session_of[one.id]])
        return alone or one.user_id == "jo"

    return [one for one in events if not is_theirs(one)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(SAID, min_size=4, max_size=25), counted=st.booleans())
def test_what_is_left_is_as_if_they_had_never_come(
    site: Site, known: KnownSite, said: list[Said], counted: bool
) -> None:
    clear()
    events = [made(number, one) for number, one in enumerate(said)]
    write([batch(site, *events)])
    others = others_of(events)
    if counted:
        aggregates()
    erased(known, by_user("jo"))
    assert rows(ASTRAY) == []
    left = world()
    assert left == without(site, *others)


def test_breakdowns_of_yesterdays_hours_are_without_them_too(site: Site, known: KnownSite) -> None:
    mine = [at(minute, "/mine", visitor_id=1, user_id="jo") for minute in (1440, 1450)]
    others = [at(1441, "/a", visitor_id=2), at(1500, "/mine", visitor_id=3)]
    write([batch(site, *mine, *others)])
    aggregates()
    erased(known, by_user("jo"))
    left = world()
    assert left == without(site, *others)
    assert left[1]["hourly_breakdown"] != []


def test_the_remaining_session_of_a_shared_device_is_the_new_visitors(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, session_id=1, user_id="jo"), at(200, "/b", session_id=2, user_id="kim"))])
    erased(known, by_user("jo"))
    assert rows("SELECT id, is_new_visitor, user_id FROM ingest_session") == [(2, True, "kim")]
    assert rows("SELECT user_id, first_seen FROM ingest_visitor") == [("kim", NOON.replace(hour=15, minute=20))]


def test_a_shared_device_loses_its_properties_for_nothing_tells_whose_they_are(site: Site, known: KnownSite) -> None:
    mine = at(0, session_id=1, user_id="jo", user_properties={"mail": "jo@mail.example"})
    write([batch(site, mine, at(200, session_id=2, user_id="kim"))])
    erased(known, by_user("jo"))
    assert rows("SELECT user_id, properties FROM ingest_visitor") == [("kim", None)]


def test_a_shared_device_whose_last_word_was_theirs_is_the_others(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, session_id=1, user_id="kim"), at(200, session_id=2, user_id="jo"))])
    erased(known, by_user("jo"))
    assert rows("SELECT user_id, user_at FROM ingest_visitor") == [("kim", NOON)]


def test_a_shared_device_is_the_others_though_a_later_day_alone_tells(site: Site, known: KnownSite) -> None:
    later = [at(1440, session_id=2, user_id="kim"), at(1441, session_id=2, user_id="jo")]
    write([batch(site, at(0, session_id=1, user_id="jo"), *later)])
    erased(known, by_user("jo"))
    assert rows("SELECT user_id, user_at FROM ingest_visitor") == [("kim", NOON + DAY)]


def test_a_session_in_part_that_has_outlived_events_keeps_its_figures(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, "/gone"), at(1, "/a", user_id="kim"), at(2, "/b", user_id="jo"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event WHERE path = '/gone'")
    assert erased(known, by_user("jo")) == (0, 1, 1, 0)
    assert rows("SELECT page_views, user_id, user_at FROM ingest_session") == [(3, "kim", NOON.replace(minute=1))]
    assert rows("SELECT path FROM ingest_event") == [("/a",)]


def test_a_session_that_is_theirs_alone_goes_whole_without_its_events(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    assert erased(known, by_user("jo")) == (1, 1, 0, 0)


def test_a_visitor_without_sessions_goes_too(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"))])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
        cursor.execute("DELETE FROM ingest_session")
    assert erased(known, by_user("jo")) == (1, 0, 0, 0)


def test_another_site_keeps_its_visitor_of_the_same_id(site: Site, known: KnownSite) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    write([batch(site, at(0, user_id="jo")), batch(other, at(0, user_id="jo"))])
    erased(known, Who(visitors=(7,)))
    assert [rows(f"SELECT site_id FROM ingest_{table}") for table in ("event", "session", "visitor")] == [
        [(other.pk,)]
    ] * 3


def test_who_comes_again_is_somebody_new(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"), at(0, visitor_id=8))])
    [(before,)] = rows("SELECT number FROM ingest_visitor WHERE id = 7")
    erased(known, by_user("jo"))
    write([batch(site, at(500))])
    [(after, user)] = rows("SELECT number, user_id FROM ingest_visitor WHERE id = 7")
    assert (after > before, user) == (True, None)


def test_the_door_forgets_that_it_has_seen_them(site: Site, known: KnownSite) -> None:
    visitor._remember(known, 7, 0.0)
    write([batch(site, at(0, user_id="jo"))])
    erased(known, by_user("jo"))
    assert (queue.client().keys("footfall:recent:*"), visitor._recent.known(7, 1.0)) == ([], None)


def test_the_ledger_still_adds_up(site: Site, known: KnownSite) -> None:
    """What came stays counted by its outcome: nobody is in these numbers."""
    write([batch(site, at(0, user_id="jo"), at(0, visitor_id=8))])
    erased(known, by_user("jo"))
    assert rows("SELECT outcome, events FROM ingest_count") == [("stored", 2)]


# --- Again, killed, beside others -------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_says_so(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"), at(0, visitor_id=8))])
    erased(known, by_user("jo"))
    before = world()
    again = erased(known, by_user("jo"))
    assert (again, str(again)) == (
        (0, 0, 0, 0), "Nothing is stored of this person: there was nothing to erase.",
    )  # fmt: skip
    assert world() == before


class Killed(BaseException):
    """The process has ended."""


def killed_at(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of that number is rolled back, and nothing after it happens."""
    turns, settled = iter(range(1, 99)), withdrawal.settled

    def until(work: Callable[[Any], Any]) -> Any:
        if next(turns) == turn:

            def broken(conn: Any) -> None:
                work(conn)
                raise Killed

            return settled(broken)
        return settled(work)

    monkeypatch.setattr(withdrawal, "settled", until)


@pytest.mark.parametrize("turn", range(1, 6))
def test_a_run_that_was_killed_is_made_up_for_by_the_next(
    site: Site, known: KnownSite, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    theirs = [at(minute, session_id=minute, user_id="jo") for minute in (1, 2, 600)]
    jo: dict[str, Any] = {"user_id": "jo", "user_properties": {"mail": "jo@mail.example"}}
    shared = [at(3, visitor_id=8, session_id=80, **jo), at(4, visitor_id=8, session_id=81, user_id="kim")]
    write([batch(site, *theirs, *shared)])
    aggregates()
    request = erasure.begin(site.pk, "a test")
    with monkeypatch.context() as patch:
        patch.setattr(withdrawal, "SESSIONS", 1)
        killed_at(turn, patch)
        with pytest.raises(Killed):
            erasure.erase(known, by_user("jo"), request)
        assert PersonRequest.objects.get().done_at is None
    assert erasure.erase(known, by_user("jo"), request) == (1, 4, 4, 0)
    assert rows("SELECT properties FROM ingest_visitor") == [(None,)]
    assert world() == without(site, shared[1])


def test_it_may_run_beside_writers_and_beside_itself(committed: Site) -> None:
    known = KnownSite.of(committed)
    write([batch(committed, *(at(minute, session_id=minute, user_id="jo") for minute in range(30)))])

    def come() -> None:
        for minute in range(30):
            write([batch(committed, at(minute + 0.5, session_id=minute, user_id="jo"), at(minute, visitor_id=8))])

    def go() -> None:
        for _ in range(5):
            erased(known, by_user("jo"))

    threads = [threading.Thread(target=with_own_connection, args=(work,)) for work in (come, go, go)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(ASTRAY) == []
    erased(known, by_user("jo"))
    assert rows("SELECT visitor_id, count(*) FROM ingest_event GROUP BY 1") == [(8, 30)]
    assert rows("SELECT id FROM ingest_visitor") == [(8,)]
    assert PersonRequest.objects.filter(done_at=None).count() == 0


# --- What is kept of it -----------------------------------------------------------------------------------

MARKER = "jo.of.marker.street@mail.example"


def everything() -> str:
    """Every row of every table."""
    tables = rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    with connection.cursor() as cursor:
        text = ""
        for (table,) in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            text += "\n".join(row for (row,) in cursor.fetchall())
    return text


def test_of_whom_it_was_stands_nowhere_afterwards(
    site: Site, known: KnownSite, caplog: pytest.LogCaptureFixture
) -> None:
    said = at(0, visitor_id=4_815_162_342, user_id=MARKER, properties={"mail": MARKER})
    write([batch(site, said, at(1, visitor_id=4_815_162_342, user_properties={"mail": MARKER}), at(0, visitor_id=8))])
    assert (MARKER in everything(), "4815162342" in everything()) == (True, True)
    erased(known, by_user(MARKER))
    for text in (everything(), caplog.text):
        assert (MARKER in text, "4815162342" in text) == (False, False)


def test_the_request_says_how_much_and_by_whom(site: Site, known: KnownSite) -> None:
    write([batch(site, at(0, user_id="jo"), at(60, user_id="jo"))])
    erased(known, find.by_user("jo"))
    one = PersonRequest.objects.get()
    assert (one.kind, one.asked_by, one.visitors, one.sessions, one.events) == ("erasure", "a test", 1, 2, 2)
    assert one.done_at is not None
