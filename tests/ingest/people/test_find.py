"""Whose rows they are: by user id, by visitor's id, and on devices that several people used."""

import threading
from typing import Any

import psycopg
import pytest

from ingest.enrich import visitor
from ingest.event import Event
from ingest.models import Site
from ingest.people.find import Unclear, Who, by_user, by_visitor, parts, resolve
from ingest.people.found import Found, TooLong, find
from ingest.sites import KnownSite
from ingest.writer import connected, write
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.ingest.writers import wait_for, with_own_connection

pytestmark = pytest.mark.django_db
MARKER = "a-person-that-nobody-may-read-of"


def came(site: Site, *events: Event) -> None:
    write([batch(site, *events)])


def told(site: Site, who: Who) -> tuple[int, int, int]:
    return find(KnownSite.of(site), who)[:3]


def test_it_works(site: Site, known: KnownSite) -> None:
    came(site, at(0, visitor_id=1), at(5, visitor_id=1, user_id="jo"), at(2, visitor_id=2))
    answer = find(known, by_user("jo"))
    assert answer[:3] == (1, 1, 2)
    assert (answer.first, answer.last, answer.shared) == (NOON, NOON.replace(minute=5), 0)


def test_all_devices_of_a_user_are_found(site: Site) -> None:
    came(site, *(at(0, visitor_id=number, user_id="jo") for number in (1, 2, 3)), at(0, visitor_id=4))
    assert told(site, by_user("jo")) == (3, 3, 3)


def test_what_came_before_the_log_in_is_theirs(site: Site) -> None:
    came(site, at(-1200), at(-600), at(0, user_id="jo"))
    assert told(site, by_user("jo")) == (1, 3, 3)


def test_signs_of_life_are_theirs_too(site: Site) -> None:
    came(site, at(0, name="identify", user_id="jo"), at(1, name="engagement", engaged_ms=5))
    assert told(site, by_user("jo")) == (1, 1, 2)


@pytest.mark.parametrize("name", ["JO", "jo2", "j", "%", "jo'; --"])
def test_a_user_id_is_compared_letter_by_letter(site: Site, name: str) -> None:
    came(site, at(0, user_id="jo"))
    answer = find(KnownSite.of(site), by_user(name))
    assert (answer.is_nothing, str(answer)) == (True, "Nothing is stored of this person.")


def test_another_sites_user_of_the_same_id_is_somebody_else(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    came(other, at(0, user_id="jo"))
    assert told(site, by_user("jo")) == (0, 0, 0)


# --- Devices that several people use ----------------------------------------------------------------------

SHARED: list[tuple[str, list[tuple[int, int, str | None]], tuple[int, int, int], int]] = [
    ("two sessions, one each", [(0, 1, "jo"), (200, 2, "kim")], (0, 1, 1), 1),
    ("one session of both", [(0, 1, "jo"), (1, 1, None), (2, 1, "kim")], (0, 1, 1), 1),
    ("one session of both, the other way round", [(0, 1, "kim"), (1, 1, None), (2, 1, "jo")], (0, 1, 1), 1),
    ("nobody before the log-in", [(0, 1, None), (1, 1, "jo"), (200, 2, "kim")], (0, 1, 2), 1),
    ("a session of nobody", [(0, 1, "jo"), (200, 2, None), (400, 3, "kim")], (0, 1, 1), 1),
    ("the other was there in between", [(0, 1, "jo"), (1, 1, "kim"), (2, 1, "jo")], (0, 1, 2), 1),
    ("nobody else", [(0, 1, "jo"), (200, 2, None)], (1, 2, 2), 0),
]


@pytest.mark.parametrize(("case", "events", "wanted", "shared"), SHARED, ids=[case for case, *_ in SHARED])
def test_of_a_shared_device_only_what_is_theirs(
    site: Site, case: str, events: list[tuple[int, int, str | None]], wanted: tuple[int, int, int], shared: int
) -> None:
    came(site, *(at(minute, session_id=session, user_id=user) for minute, session, user in events))
    answer = find(KnownSite.of(site), by_user("jo"))
    assert (answer[:3], answer.shared) == (wanted, shared)


def test_a_visitor_asked_for_by_its_id_goes_whole_whoever_used_it(site: Site) -> None:
    came(site, at(0, session_id=1, user_id="jo"), at(200, session_id=2, user_id="kim"))
    assert told(site, Who(visitors=(7,))) == (1, 2, 2)


def test_of_a_part_the_span_is_that_of_its_own_events(site: Site) -> None:
    came(site, at(0, session_id=1, user_id="kim"), at(3, session_id=1, user_id="jo"), at(9, session_id=1))
    [part] = parts(connected(), resolve(connected(), site.pk, by_user("jo")))
    assert part.span == (NOON.replace(minute=3), NOON.replace(minute=3))


def test_a_session_that_has_outlived_its_events_is_found(site: Site) -> None:
    came(site, at(0, user_id="jo"))
    connected().execute("DELETE FROM ingest_event")
    assert told(site, by_user("jo")) == (1, 1, 0)


def test_a_visitor_that_has_outlived_its_sessions_is_found(site: Site) -> None:
    came(site, at(0, user_id="jo"))
    connected().execute("DELETE FROM ingest_event")
    connected().execute("DELETE FROM ingest_session")
    answer = find(KnownSite.of(site), by_user("jo"))
    assert (answer[:3], answer.first) == ((1, 0, 0), NOON)


# --- Ids --------------------------------------------------------------------------------------------------


def test_a_browsers_id_is_hashed_as_at_the_door(site: Site, known: KnownSite) -> None:
    came(site, at(0, visitor_id=visitor.named(known, "visitor", "3f6c")))
    assert told(site, by_visitor(known, "3f6c")) == (1, 1, 1)


@pytest.mark.parametrize("number", [-9223372036854775808, -5, 31, 9223372036854775807])
def test_a_number_of_the_admin_is_taken_as_it_is(site: Site, known: KnownSite, number: int) -> None:
    came(site, at(0, visitor_id=number))
    assert told(site, by_visitor(known, str(number))) == (1, 1, 1) == told(site, by_visitor(known, number))


def test_a_number_that_is_too_large_is_a_browsers_id(site: Site, known: KnownSite) -> None:
    assert len(by_visitor(known, "9223372036854775808").visitors) == 1
    assert told(site, by_visitor(known, "9223372036854775808")) == (0, 0, 0)


@pytest.mark.parametrize("value", ["", "  ", "null", None, "x" * 201, "a\x00b", 1.5, ["jo"], {"a": 1}, True])
def test_what_is_no_id_is_refused_without_being_repeated(known: KnownSite, value: Any) -> None:
    for make in (by_user, lambda told: by_visitor(known, told)):
        with pytest.raises(Unclear) as refused:
            make(value)
        assert "xxx" not in str(refused.value)
        assert str(refused.value).startswith(("user_id", "visitor_id"))


def test_neither_the_question_nor_the_person_is_printed(site: Site) -> None:
    came(site, at(0, user_id="jo"))
    person = resolve(connected(), site.pk, by_user("jo"))
    assert person.whole == (7,)
    assert ("jo" in f"{by_user('jo')} {person}", "7" in f"{Who(visitors=(7,))}") == (False, False)


# --- While somebody waits ---------------------------------------------------------------------------------


def test_a_look_that_takes_too_long_is_given_up(committed: Site, another: psycopg.Connection) -> None:
    known = KnownSite.of(committed)
    with another.transaction():
        another.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TooLong, match="Handing out and erasing have no limit of time"):
            find(known, by_user("jo"), seconds=1)
    assert find(known, by_user("jo")) == Found()


def test_a_limit_ends_with_its_look(committed: Site) -> None:
    find(KnownSite.of(committed), by_user("jo"), seconds=5)
    assert connected().execute("SHOW statement_timeout").fetchone() == ("0",)


def test_the_user_id_stands_in_no_statements_text(committed: Site, another: psycopg.Connection) -> None:
    """It would be written into the server's log when one of them fails or is slow."""
    known, seen = KnownSite.of(committed), list[str]()

    def waits() -> bool:
        query = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        seen.extend(text for (text,) in connected().execute(query).fetchall())
        return bool(seen)

    looking = threading.Thread(target=with_own_connection, args=(lambda: find(known, by_user(MARKER)),))
    with another.transaction():
        another.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
        looking.start()
        wait_for(waits)
    looking.join()
    assert [MARKER in text for text in seen] == [False] * len(seen)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Found(1, 2, 3, NOON, NOON), f"1 visitors, 2 sessions, 3 events, from {NOON.date()} to {NOON.date()} (UTC)."),
        (Found(0, 1, 1, shared=1), "0 visitors, 1 sessions, 1 events. Of 1 more visitors a part is theirs."),
        (Found(others=2), "0 visitors, 0 sessions, 0 events. 2 events set aside or sampled."),
    ],
)
def test_what_is_found_is_told_as_a_sentence(answer: Found, text: str) -> None:
    assert str(answer) == text
