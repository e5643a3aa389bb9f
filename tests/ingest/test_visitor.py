"""Whose event it is: hashes of the day, names, and the salts behind them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import pytest
import redis
from django.db import OperationalError, connection

from ingest import queue
from ingest.enrich import visitor
from ingest.enrich.visitor import anonymous, forget_salts, named, of_import, salt_of
from ingest.hashing import digest
from ingest.models import Salt, Site
from ingest.sites import KnownSite
from tests.conftest import Silence, no_postgres, rows

TODAY = date(2026, 11, 20)
ADDRESS, AGENT = "203.0.113.77", "Firefox"


def clock(text: str, day: date = TODAY) -> float:
    """Seconds since 1970 at HH:MM (UTC) of the day."""
    return datetime.fromisoformat(f"{day}T{text}+00:00").timestamp()


def seen(known: KnownSite, text: str, day: date = TODAY, address: str = ADDRESS, agent: str = AGENT) -> int:
    return anonymous(known, address, agent, clock(text, day))


def test_it_works(known: KnownSite) -> None:
    assert seen(known, "09:00") == seen(known, "18:00")
    assert -(2**63) <= seen(known, "09:00") < 2**63


def test_another_sender_is_another_visitor(known: KnownSite) -> None:
    base = seen(known, "09:00")
    assert seen(known, "09:00", address="203.0.113.78") != base
    assert seen(known, "09:00", agent="Chrome") != base


def test_another_site_does_not_know_the_visitor(known: KnownSite) -> None:
    other = KnownSite.of(Site.objects.create(name="Other", domain="other.example.com"))
    assert seen(other, "09:00") != seen(known, "09:00")


def test_nobody_is_known_the_next_day(known: KnownSite) -> None:
    assert seen(known, "09:00", TODAY + timedelta(days=1)) != seen(known, "09:00")


def test_the_parts_of_a_hash_cannot_be_shifted(known: KnownSite) -> None:
    assert seen(known, "09:00", address="1.2.3.4", agent="5") != seen(known, "09:00", address="1.2.3.45", agent="")


# --- Midnight ---------------------------------------------------------------------------------------------

NEXT = TODAY + timedelta(days=1)


def test_who_was_there_before_midnight_stays_the_same_after(known: KnownSite) -> None:
    before = seen(known, "23:45")
    assert seen(known, "00:10", NEXT) == before
    assert seen(known, "00:29", NEXT) == before


@pytest.mark.parametrize("last", ["09:00", "23:29"])
def test_who_was_gone_before_midnight_is_new_after(known: KnownSite, last: str) -> None:
    assert seen(known, "00:10", NEXT) != seen(known, last)


def test_who_comes_after_midnight_is_new_and_stays(known: KnownSite) -> None:
    after = seen(known, "00:10", NEXT)
    assert seen(known, "00:40", NEXT) == seen(known, "23:59", NEXT) == after


def test_the_overlap_ends_after_half_an_hour(known: KnownSite) -> None:
    before = seen(known, "23:59")
    assert seen(known, "00:30", NEXT) != before


def test_what_redis_remembers_ends_by_itself(known: KnownSite) -> None:
    seen(known, "23:59")
    (key,) = queue.client().scan_iter("footfall:recent:*")
    assert 0 < int(queue.client().ttl(key)) <= 1860


def test_midnight_without_redis_costs_no_event(known: KnownSite, no_redis: Silence) -> None:
    with no_redis():
        assert seen(known, "23:59") == seen(known, "12:00")
        assert seen(known, "00:10", NEXT) == seen(known, "12:00", NEXT)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What Redis is asked and told."""
    found: list[object] = []
    ask = queue.ask

    def noted(work: Callable[[redis.Redis], object]) -> object:
        found.append(work)
        return ask(work)

    monkeypatch.setattr(queue, "ask", noted)
    return found


def test_redis_is_told_of_a_visitor_once_a_minute(known: KnownSite, asked: list[object]) -> None:
    visitors = {seen(known, f"23:45:{second:02}") for second in range(0, 60, 5)}
    assert (len(visitors), len(asked)) == (1, 1)
    seen(known, "23:46:00")
    assert len(asked) == 2


def test_after_midnight_one_question_tells_a_new_visitor(known: KnownSite, asked: list[object]) -> None:
    visitors = {seen(known, f"00:{minute:02}", NEXT) for minute in range(30)}
    assert (len(visitors), len(asked)) == (1, 1)


def test_a_known_visitor_is_looked_up_again_when_it_has_not_come_for_a_minute(
    known: KnownSite, asked: list[object]
) -> None:
    before = seen(known, "23:59")
    assert [seen(known, time, NEXT) for time in ("00:05:00", "00:05:59")] == [before] * 2
    assert len(asked) == 3  # told, found, told again


def test_what_a_process_remembers_of_midnight_is_bounded(known: KnownSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor, "MOST_RECENT", 2)
    for number in range(5):
        seen(known, "23:45", address=f"203.0.113.{number}")
    assert len(visitor._recent._seen) == 2


# --- Names ------------------------------------------------------------------------------------------------


def test_a_name_is_the_same_visitor_on_any_day(known: KnownSite) -> None:
    assert named(known, "visitor", "v-1") == named(known, "visitor", "v-1")
    assert named(known, "visitor", "v-1") != named(known, "visitor", "v-2")


def test_names_of_different_kinds_and_sites_are_apart(known: KnownSite) -> None:
    other = KnownSite.of(Site.objects.create(name="Other", domain="other.example.com"))
    kinds = [named(site, kind, "1") for site in (known, other) for kind in ("visitor", "session", "user")]
    assert len(set(kinds)) == 6


def test_an_import_finds_the_same_visitors_again(known: KnownSite) -> None:
    first = of_import(known, ADDRESS, AGENT, TODAY)
    visitor._salts.clear()
    Salt.objects.all().delete()
    assert of_import(known, ADDRESS, AGENT, TODAY) == first
    assert of_import(known, ADDRESS, AGENT, NEXT) != first


def test_a_digest_fits_a_bigint_and_takes_any_text() -> None:
    for text in ("", "é", "\ud800", "x" * 10_000):
        assert -(2**63) <= digest(b"k" * 99, text) < 2**63
    assert digest(b"a", "x") != digest(b"b", "x")


# --- Salts ------------------------------------------------------------------------------------------------


def test_the_salt_of_a_day_is_made_once(db: None) -> None:
    first = salt_of(TODAY)
    visitor._salts.clear()
    assert salt_of(TODAY) == first
    assert len(first) == 32


def test_tomorrow_is_ready_before_midnight(committed: Site) -> None:
    salt_of(TODAY)
    with no_postgres():
        assert salt_of(NEXT) != salt_of(TODAY)
        with pytest.raises(OperationalError):
            salt_of(NEXT + timedelta(days=1))


def test_a_salt_is_deleted_48_hours_after_its_day_began(db: None) -> None:
    visitor.ensure_salts([TODAY - timedelta(days=back) for back in range(5)])
    assert forget_salts(TODAY) == 3
    assert rows("SELECT day FROM ingest_salt ORDER BY 1") == [(TODAY - timedelta(days=1),), (TODAY,)]


def test_a_process_forgets_old_salts_too(db: None) -> None:
    for day in range(9):
        salt_of(TODAY + timedelta(days=day))
        assert min(visitor._salts) >= TODAY + timedelta(days=day - 1)


def test_two_hosts_that_ask_at_once_agree(committed: Site) -> None:
    found: list[dict[date, bytes]] = []
    start = threading.Barrier(4)

    def ask() -> None:
        with own_connection():
            start.wait()
            found.append(visitor.ensure_salts([TODAY, NEXT]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(salts == found[0] for salts in found)


@contextmanager
def own_connection() -> Iterator[None]:
    """A thread has its own; what it leaves open would keep the test database from being dropped."""
    try:
        yield
    finally:
        connection.close()
