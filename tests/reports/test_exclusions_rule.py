"""One rule of a site: turned off, deleted, taken to the past."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.utils.timezone import now

from ingest import shields_past
from ingest.models import Shield, Site
from ingest.tasks import apply_shield
from reports import exclusions
from tests.broker import NOWHERE, broker_at, handed_on
from tests.reports.cast import Cast, cast
from tests.reports.exclusion_pages import address, came, rule, sent, words_of
from tests.reports.ledger_rows import hit, this_hour

pytestmark = pytest.mark.django_db
__all__ = ["handed_on"]  # a fixture


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


def test_a_rule_is_turned_off_and_on_by_what_the_button_said(people: Cast) -> None:
    shield = rule(people.site)
    for state in ("off", "off", "on"):
        answer = sent(people, "rules", shield.pk, "switch", state=state)
        assert answer.headers["Location"].endswith(f"?done={state}")
        assert Shield.objects.get().is_active == (state == "on")


def test_a_rule_is_deleted_after_it_was_named(people: Cast) -> None:
    shield = rule(people.site)
    where = address(people.site, "rules", shield.pk, "delete")
    assert "Delete Path /preview/**?" in words_of(people.alice.get(where))
    assert Shield.objects.count() == 1
    assert people.alice.post(where).headers["Location"].endswith("?done=deleted")
    assert Shield.objects.count() == 0


def test_a_rules_page_names_what_the_past_would_lose(people: Cast) -> None:
    shield = rule(people.site)
    hit(people.site, shield.pk, 12, this_hour())
    came(people.site, "/preview/a", "/tea")
    told = words_of(people.alice.get(address(people.site, "rules", shield.pk)))
    assert "Hits in 30 days 12" in told
    assert "Take 1 event out of the figures" in told


@pytest.mark.parametrize(("kind", "value"), [("address", "203.0.113.9"), ("country", "KP")])
def test_where_there_is_nothing_to_take_away_no_button_offers_it(people: Cast, kind: str, value: str) -> None:
    shield = rule(people.site, kind, value)
    assert "out of the figures" not in words_of(people.alice.get(address(people.site, "rules", shield.pk)))


def test_a_page_that_is_looked_at_again_does_not_search_again(people: Cast) -> None:
    shield = rule(people.site, value="/preview/**")
    came(people.site, "/preview/a")
    assert "dropped 1 event of" in words_of(people.alice.get(address(people.site, "rules", shield.pk)))
    came(people.site, "/preview/b")
    assert "dropped 1 event of" in words_of(people.alice.get(address(people.site, "rules", shield.pk)))


def test_applying_to_the_past_is_handed_to_a_worker(people: Cast, handed_on: Callable[[], Any]) -> None:
    shield = rule(people.site)
    answer = sent(people, "rules", shield.pk, "apply")
    told = handed_on().headers
    assert (told["task"], told["argsrepr"]) == ("ingest.tasks.apply_shield", f"({shield.pk},)")
    assert answer.headers["Location"] == f"{address(people.site, 'rules', shield.pk)}?done=applying"
    assert handed_on() is None


def test_a_rule_that_is_being_applied_says_so_and_is_not_applied_beside_itself(
    people: Cast, handed_on: Callable[[], Any]
) -> None:
    shield = rule(people.site, applying_at=now())
    sent(people, "rules", shield.pk, "apply")
    told = words_of(people.alice.get(address(people.site, "rules", shield.pk)))
    assert "The rule is being applied to the past now." in told
    assert "out of the figures" not in told
    assert handed_on() is None


def test_after_the_worker_the_page_says_what_it_took_and_finds_no_more(people: Cast) -> None:
    shield = rule(people.site)
    came(people.site, "/preview/a", "/tea")
    apply_shield(shield.pk)
    told = words_of(people.alice.get(address(people.site, "rules", shield.pk)))
    assert "It has taken 1 event away in all. This rule would have dropped no event since " in told


def test_a_rule_of_an_address_cannot_be_handed_on(people: Cast, handed_on: Callable[[], dict[str, Any] | None]) -> None:
    shield = rule(people.site, kind="address", value="203.0.113.9")
    answer = sent(people, "rules", shield.pk, "apply")
    assert answer.status_code == 422
    assert "203.0.113.9: addresses are not kept, so the past cannot be searched" in words_of(answer)
    assert handed_on() is None


def test_a_run_without_a_sign_of_life_has_died_and_may_be_begun_again(site: Site) -> None:
    shield = rule(site, applying_at=now() - shields_past.ALIVE)
    assert not exclusions.progress(shield, now())["is_running"]


def test_a_rule_that_was_applied_says_when_and_how_much(site: Site) -> None:
    shield = rule(site, applied_at=datetime(2026, 11, 20, 8, 41, tzinfo=UTC), applied_events=1204)
    assert exclusions.progress(shield, now())["ended"] == (
        "Applied on Fri 20 Nov, 08:41. It has taken 1,204 events away in all."
    )


def test_without_a_worker_to_hand_it_to_nothing_is_changed(people: Cast) -> None:
    shield = rule(people.site)
    with broker_at(NOWHERE):
        answer = sent(people, "rules", shield.pk, "apply")
    assert answer.status_code == 503
    assert "No worker can be reached just now." in words_of(answer)


def test_a_past_that_takes_too_long_to_search_says_so(
    people: Cast, another: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shields_past, "SECONDS", 1)
    shield = rule(people.site)
    with another.transaction():
        another.execute("LOCK TABLE ingest_session, ingest_event IN ACCESS EXCLUSIVE MODE")
        told = words_of(people.alice.get(address(people.site, "rules", shield.pk)))
    assert "The last 30 days take too long to search here." in told
    assert "Take them out of the figures" in told


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("/preview/a",), "dropped 1 event of 1 session since "),
        (("/preview/a", "/preview/b", "/tea"), "dropped 2 events of 1 session since "),
        (("/tea",), "dropped no event since "),
    ],
)
def test_one_is_told_as_one(site: Site, paths: tuple[str, ...], told: str) -> None:
    came(site, *paths)
    assert told in exclusions.tried(site, Shield(site=site, kind="path", value="/preview/*"))["text"]
