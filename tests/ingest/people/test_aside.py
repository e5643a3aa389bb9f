"""What is stored beside the figures: events set aside, and samples."""

import msgspec
import pytest

from ingest import quarantine
from ingest.event import Batch, Event
from ingest.models import Quarantine, Sample, Site
from ingest.people import aside
from ingest.people.find import Person, by_user
from ingest.replay import Outcome, replay
from ingest.sites import KnownSite
from ingest.writer import write
from tests.ingest.examples import batch, event
from tests.ingest.people.stored import erased
from tests.reports.ledger_rows import sample

pytestmark = pytest.mark.django_db


def put(site_id: int, content: Batch | list[Batch] | bytes) -> Quarantine:
    entry = content if isinstance(content, bytes) else msgspec.msgpack.encode(content)
    return Quarantine.objects.create(site_id=site_id, sqlstate="22003", detail="", entry=entry)


def jo(site: Site, *visitors: int) -> Person:
    return Person(site.pk, "jo", visitors)


def set_aside(site: Site, *events: Event) -> list[Event]:
    quarantine.write([batch(site, *events)])
    return list(events)


def test_it_works(site: Site, known: KnownSite) -> None:
    set_aside(site, event(scroll=40_000, user_id="jo"), event(scroll=40_000, user_id="kim", visitor_id=8))
    assert erased(known, by_user("jo")).others == 1
    [row] = Quarantine.objects.all()
    assert b"kim" in bytes(row.entry)


def test_events_of_their_visitors_are_theirs(site: Site) -> None:
    set_aside(site, event(scroll=40_000, visitor_id=7), event(scroll=40_000, visitor_id=8))
    assert aside.erase(jo(site, 7)) == 1
    assert [entry.events[0].visitor_id for entry in aside.entries(jo(site, 8))] == [8]


def test_an_event_of_a_stored_visitor_is_found_by_its_user(site: Site, known: KnownSite) -> None:
    write([batch(site, event(user_id="jo"))])
    set_aside(site, event(scroll=40_000))
    assert erased(known, by_user("jo")) == (1, 1, 1, 1)


def test_another_sites_entries_stay(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    set_aside(other, event(scroll=40_000, user_id="jo"))
    put(quarantine.NO_SITE, [batch(other, event(user_id="jo"))])
    assert aside.erase(jo(site, 7)) == 0
    assert Quarantine.objects.count() == 2


def test_what_could_not_be_read_when_it_came_is_read_now(site: Site) -> None:
    theirs, other = event(user_id="jo"), event(visitor_id=8)
    row = put(quarantine.NO_SITE, [batch(site, theirs, other)])
    assert aside.erase(jo(site)) == 1
    row.refresh_from_db()
    assert msgspec.msgpack.decode(bytes(row.entry), type=list[Batch])[0].events == [other]
    assert replay(row) == Outcome.WRITTEN


def test_an_entry_that_cannot_be_read_is_nobodys(site: Site) -> None:
    put(quarantine.NO_SITE, b"\xc1 jo")
    assert (list(aside.entries(jo(site))), aside.erase(jo(site))) == ([], 0)
    assert Quarantine.objects.count() == 1


def test_a_second_run_finds_nothing(site: Site) -> None:
    set_aside(site, event(scroll=40_000, user_id="jo"))
    assert [aside.erase(jo(site)), aside.erase(jo(site))] == [1, 0]


# --- Samples ----------------------------------------------------------------------------------------------

MENTIONS = [
    ("jo", {"event": '{"name": "signup", "user_id": "jo"}'}, True),
    ("jo", {"event": '{"name": "join", "user_id": "joe"}'}, False),
    ("jo", {"detail": "user_id jo: is too long."}, True),
    ("jo", {"page": "shop.example.com/users/jo"}, True),
    ("jo", {"name": "jo"}, True),
    ("jo", {"user_agent": "jojo/1.0"}, False),
    ('a"b\\c', {"event": '{"user_id": "a\\"b\\\\c"}'}, True),
    ("zoë", {"event": '{"user_id": "zoë"}'}, True),
    ("zoë", {"event": '{"user_id": "zo\\u00eb"}'}, True),
    ("a.b", {"event": '{"user_id": "axb"}'}, False),
    ("42", {"event": '{"value": 1420}'}, False),
    ("42", {"event": '{"user_id": 42}'}, True),
]


@pytest.mark.parametrize(("user", "texts", "is_theirs"), MENTIONS)
def test_samples_that_mention_the_user_go(site: Site, user: str, texts: dict[str, str], is_theirs: bool) -> None:
    sample(site, "bad_type", "rejected", 1, **texts)
    person = Person(site.pk, user, ())
    assert (aside.count(person), aside.erase(person)) == (int(is_theirs), int(is_theirs))
    assert Sample.objects.exists() != is_theirs


def test_a_visitor_stands_in_no_sample(site: Site) -> None:
    sample(site, "bot", name="7")
    assert aside.samples(Person(site.pk, None, (7,))) == []


def test_another_sites_samples_stay(site: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    sample(other, "bot", name="jo")
    assert aside.erase(jo(site)) == 0
