"""The page "People's data": finding, downloading, erasing, and what was asked for before."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.test import Client
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from ingest import tasks
from ingest.models import PersonRequest, Site
from ingest.people import found
from ingest.writer import write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.reports.cast import Cast, cast
from tests.reports.exclusion_pages import words_of

pytestmark = pytest.mark.django_db
Handed = list[tuple[Any, ...]]


@pytest.fixture
def people(site: Site) -> Cast:
    write([batch(site, at(0, user_id="jo"), at(1), at(0, visitor_id=8, session_id=5, user_id="kim"))])
    return cast(site)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Handed:
    """What the broker is given: no worker runs here."""
    given: Handed = []
    monkeypatch.setattr(tasks.erase_person, "apply_async", lambda args, **_: given.append(args))
    return given


def sent(people: Cast, verb: str, id_: str = "jo", way: str = "user_id", **told: str) -> Any:
    return people.alice.post(f"/sites/{people.site.key}/people/{verb}", {"way": way, "id": id_, **told})


def page(people: Cast, query: str = "") -> str:
    return words_of(people.alice.get(f"/sites/{people.site.key}/people{query}"))


def test_it_works(people: Cast) -> None:
    told = words_of(sent(people, "find"))
    day = f"{NOON:%a} {NOON.day} {NOON:%b %Y}"
    assert f"Visitors 1 Sessions 1 Events 2 First day {day} Last day {day}" in told


def test_before_somebody_is_chosen_nothing_can_be_done(people: Cast) -> None:
    text = page(people)
    assert "Nobody is chosen" in text
    assert ("Download as JSON" in text, "To erase it" in text) == (False, False)


def test_a_visitor_is_found_by_its_number(people: Cast) -> None:
    assert "Visitors 1 Sessions 1 Events 1" in words_of(sent(people, "find", "8", "visitor_id"))


def test_what_was_typed_stays_in_the_form_and_in_no_address(people: Cast) -> None:
    answer = sent(people, "find", "jo", "user_id")
    body = answer.content.decode()
    assert body.count('name="id" value="jo"') == 3
    assert re.findall(r'(?:href|action|src)="[^"]*\bjo\b[^"]*"', body) == []


def test_somebody_who_is_not_known_is_told_so(people: Cast) -> None:
    told = words_of(sent(people, "find", "nobody"))
    assert "Nothing is stored of this person" in told
    assert "Download as JSON" not in told


def test_a_shared_device_is_told(people: Cast) -> None:
    write([batch(people.site, at(300, visitor_id=8, session_id=6, user_id="jo"))])
    told = words_of(sent(people, "find"))
    assert "1 more visitor was known as somebody else too: of those only what carries this user id is counted" in told


@pytest.mark.parametrize("verb", ["find", "export", "erase"])
@pytest.mark.parametrize("id_", ["", "   ", "null", "x" * 201, "a\x00"])
def test_what_is_no_id_is_refused_in_its_place(people: Cast, handed: Handed, verb: str, id_: str) -> None:
    answer = sent(people, verb, id_, name="Shop")
    assert (answer.status_code, 'id="about_id"' in answer.content.decode()) == (422, True)
    assert ("user_id: " in words_of(answer), handed, PersonRequest.objects.count()) == (True, [], 0)


@pytest.mark.parametrize("way", ["", "nonsense"])
def test_a_way_that_is_none_is_the_first(people: Cast, way: str) -> None:
    assert "Visitors 1 Sessions 1 Events 2" in words_of(sent(people, "find", "jo", way))


def test_marks_in_an_id_are_written_as_text(people: Cast) -> None:
    assert "<script>alert" not in sent(people, "find", '"><script>alert(1)</script>').content.decode()


def test_looking_changes_and_records_nothing(people: Cast) -> None:
    sent(people, "find")
    assert (rows("SELECT count(*) FROM ingest_event"), PersonRequest.objects.count()) == ([(3,)], 0)


def test_a_look_that_takes_too_long_still_lets_them_have_it(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def long(*_: object) -> None:
        raise found.TooLong

    monkeypatch.setattr(found, "find", long)
    told = words_of(sent(people, "find"))
    assert "Counting took over 10 s." in told
    assert "Download as JSON" in told


def test_a_database_that_does_not_answer_is_told(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(found, "find", away)
    answer = sent(people, "find")
    assert (answer.status_code, "The database did not answer." in words_of(answer)) == (503, True)


def test_a_site_without_ids_in_browsers_says_what_can_be_found(people: Cast) -> None:
    Site.objects.update(identity=Site.Identity.ANONYMOUS)
    assert "a visitor is found by its number alone, one day at a time" in page(people)


# --- The file ---------------------------------------------------------------------------------------------


def test_the_file_is_downloaded_and_recorded(people: Cast) -> None:
    answer = sent(people, "export")
    told = json.loads(b"".join(answer.streaming_content))
    assert [one["path"] for one in told["events"]] == ["/", "/"]
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="person-20')
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Export alice@example.com 1 visitor, 1 session, 2 events" in page(people)


# --- Erasing ----------------------------------------------------------------------------------------------


def test_an_erasure_is_handed_to_a_worker(people: Cast, handed: Handed) -> None:
    answer = sent(people, "erase", name="Shop")
    assert answer.headers["Location"] == f"/sites/{people.site.key}/people?done=erasing#requests"
    [(number, user, visitors)] = handed
    assert (user, visitors) == ("jo", [])
    assert "The erasure was handed to a worker." in page(people, "?done=erasing")
    assert "Erasure alice@example.com Nothing yet" in page(people)
    assert "Under way" in page(people)
    tasks.erase_person(number, user, visitors)
    assert "Erasure alice@example.com 1 visitor, 1 session, 2 events" in page(people)
    assert "Under way" not in page(people)


def test_an_erasure_that_nobody_finishes_asks_to_be_asked_for_again(people: Cast) -> None:
    """Whom it was about stood in the message alone, which may be lost."""
    PersonRequest.objects.create(site=people.site, kind="erasure", asked_by="x", asked_at=now() - timedelta(days=2))
    html = page(people)
    assert "Not finished Erase again" in html
    assert "Under way" not in html
    assert "Look again" not in html


@pytest.mark.parametrize("name", ["", "shop", "jo"])
def test_without_the_sites_name_nothing_goes(people: Cast, handed: Handed, name: str) -> None:
    answer = sent(people, "erase", name=name)
    assert (answer.status_code, handed, PersonRequest.objects.count()) == (422, [], 0)
    assert "Type Shop, as it is written here." in words_of(answer)
    assert "Visitors 1" in words_of(answer)


def test_without_a_worker_it_says_so(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.erase_person, "apply_async", away)
    answer = sent(people, "erase", name="Shop")
    assert (answer.status_code, PersonRequest.objects.count()) == (503, 0)
    assert "No worker can be reached just now. Nothing was erased" in words_of(answer)


# --- Requests, and who sees them --------------------------------------------------------------------------


def test_a_site_without_requests_says_so(people: Cast) -> None:
    assert "No request yet" in page(people)


def test_requests_are_told_in_the_sites_time(people: Cast) -> None:
    Site.objects.update(timezone="Asia/Kathmandu")
    asked = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
    PersonRequest.objects.create(site=people.site, kind="export", asked_by="x", asked_at=asked, done_at=asked)
    assert "Sat 21 Nov 2026, 01:45" in page(people)
    assert "Nothing was stored" in page(people)


def test_another_sites_requests_are_not_seen(people: Cast) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    PersonRequest.objects.create(site=other, kind="export", asked_by="stranger@example.com")
    assert "stranger@example.com" not in page(people)


@pytest.mark.parametrize("verb", ["find", "export", "erase"])
def test_who_may_only_view_is_refused(people: Cast, handed: Handed, verb: str) -> None:
    address, told = f"/sites/{people.site.key}/people/{verb}", {"way": "user_id", "id": "jo", "name": "Shop"}
    statuses = [client.post(address, told).status_code for client in (people.bob, people.charlie, people.anonymous)]
    assert (statuses, handed, PersonRequest.objects.count()) == ([403, 404, 302], [], 0)


@pytest.mark.parametrize("verb", ["find", "export", "erase"])
def test_a_form_of_another_page_is_refused(people: Cast, handed: Handed, verb: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = people.alice.cookies
    answer = strict.post(f"/sites/{people.site.key}/people/{verb}", {"way": "user_id", "id": "jo", "name": "Shop"})
    assert (answer.status_code, handed) == (403, [])


def test_only_who_may_change_the_site_is_led_here(people: Cast) -> None:
    link = f'href="/sites/{people.site.key}/people"'
    overview = f"/sites/{people.site.key}"
    assert link in people.alice.get(overview).content.decode()
    assert link not in people.bob.get(overview).content.decode()
