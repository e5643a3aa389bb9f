"""One person's data by the API: who may ask, what is answered, and that the person stands in bodies alone."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from ingest import tasks
from ingest.models import ApiKey, PersonRequest, Site
from ingest.writer import write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import at
from tests.reports.cast import Cast, cast

pytestmark = pytest.mark.django_db
Scope = ApiKey.Scope
Handed = list[tuple[Any, ...]]


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Handed:
    """What the broker is given: no worker runs here."""
    given: Handed = []
    monkeypatch.setattr(tasks.erase_person, "apply_async", lambda args, **_: given.append(args))
    return given


@pytest.fixture
def shop(site: Site) -> Site:
    write([batch(site, at(0, user_id="jo"), at(1), at(0, visitor_id=8))])
    return site


def key_of(site: Site, scope: str = Scope.PEOPLE) -> str:
    return ApiKey.issue(site, "Desk", scope)[1]


def ask(site: Site, verb: str, body: Any, key: str | None = None, client: Client | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    content = body if isinstance(body, str) else json.dumps(body)
    address = f"/api/v1/sites/{site.key}/people/{verb}"
    answer: Any = (client or Client()).post(address, content, content_type="application/json", headers=headers)
    if answer.streaming:
        answer.read = b"".join(answer.streaming_content)  # to the end, or its file stays open
    return answer


def content(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(answer.read if answer.streaming else answer.content)
    return told


def test_it_works(shop: Site) -> None:
    answer = ask(shop, "export", {"user_id": "jo"}, key_of(shop))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert len(content(answer)["events"]) == 2
    assert f'attachment; filename="person-{now():%Y-%m-%d}.json"' == answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_an_erasure_is_handed_on_and_can_be_followed(shop: Site, handed: Handed) -> None:
    key = key_of(shop)
    answer = ask(shop, "erase", {"user_id": "jo"}, key)
    told = content(answer)
    assert (answer.status_code, told["state"]) == (202, "running")
    assert handed == [(told["request"], "jo", [])]
    tasks.erase_person(*handed[0])
    later = Client().get(answer.headers["Location"], headers={"Authorization": f"Bearer {key}"})
    assert {name: content(later)[name] for name in ("state", "visitors", "sessions", "events")} == {
        "state": "done", "visitors": 1, "sessions": 1, "events": 2,
    }  # fmt: skip


def test_a_visitor_is_asked_for_by_number_or_text(shop: Site) -> None:
    for value in (7, "7"):
        assert len(content(ask(shop, "export", {"visitor_id": value}, key_of(shop)))["events"]) == 2


def test_somebody_who_is_not_known_gets_a_file_that_says_so(shop: Site) -> None:
    assert (
        content(ask(shop, "export", {"user_id": "x"}, key_of(shop)))["summary"] == "Nothing is stored of this person."
    )


def test_each_export_is_recorded_with_the_name_of_its_key(shop: Site) -> None:
    key = key_of(shop)
    ask(shop, "export", {"user_id": "jo"}, key)
    one = PersonRequest.objects.get()
    assert (one.kind, one.asked_by, one.events) == ("export", f"API key Desk ({key[:12]}…)", 2)


# --- Who may ask ------------------------------------------------------------------------------------------


def test_a_keys_use_is_noted_once_a_minute(shop: Site) -> None:
    key = key_of(shop)
    ask(shop, "export", {"user_id": "x"}, key)
    first = ApiKey.objects.get().last_used_at
    ask(shop, "export", {"user_id": "x"}, key)
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=now() - timedelta(minutes=2))
    ask(shop, "export", {"user_id": "x"}, key)
    assert ApiKey.objects.filter(last_used_at__gt=first).exists()


@pytest.mark.parametrize("verb", ["export", "erase"])
@pytest.mark.parametrize(("scope", "status"), [(Scope.READ, 403), (Scope.WRITE, 403)])
def test_a_key_of_another_scope_may_not(shop: Site, handed: Handed, verb: str, scope: str, status: int) -> None:
    answer = ask(shop, verb, {"user_id": "jo"}, key_of(shop, scope))
    assert answer.status_code == status
    assert content(answer)["error"].startswith("This key may not hand out and erase one person's data.")
    assert (handed, PersonRequest.objects.count()) == ([], 0)


def test_another_sites_key_looks_like_a_site_that_does_not_exist(shop: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    answer = ask(shop, "export", {"user_id": "jo"}, key_of(other))
    unknown = ask(Site(key="ff_none"), "export", {"user_id": "jo"}, key_of(other))
    assert (answer.status_code, unknown.status_code) == (404, 404)
    assert content(answer)["error"].replace(shop.key, "ff_none") == content(unknown)["error"]


@pytest.mark.parametrize(
    "change", [{"revoked_at": "2026-01-01T00:00Z"}, {"expires_at": "2026-01-01T00:00Z"}, {"digest": "0"}]
)
def test_a_key_that_is_no_more_is_refused(shop: Site, change: dict[str, str]) -> None:
    key = key_of(shop)
    ApiKey.objects.update(**change)
    answer = ask(shop, "export", {"user_id": "jo"}, key)
    assert (answer.status_code, content(answer)["error"]) == (401, "The API key is unknown, expired or revoked.")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic x", "Bearer ffk_people_x"])
def test_a_header_that_is_none_is_refused(shop: Site, header: str) -> None:
    address = f"/api/v1/sites/{shop.key}/people/export"
    answer = Client().post(address, "{}", content_type="application/json", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_cookie_beside_a_key_gives_no_right(shop: Site) -> None:
    people = cast(shop)
    answer = ask(shop, "export", {"user_id": "jo"}, key_of(shop, Scope.READ), people.alice)
    assert answer.status_code == 403


@pytest.fixture
def people(shop: Site) -> Cast:
    return cast(shop)


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_members_may_by_their_right(people: Cast, handed: Handed, verb: str) -> None:
    clients = (people.alice, people.bob, people.charlie, people.anonymous)
    statuses = [ask(people.site, verb, {"user_id": "jo"}, client=client).status_code for client in clients]
    assert statuses == [202 if verb == "erase" else 200, 403, 404, 401]
    assert [one.asked_by for one in PersonRequest.objects.all()] == ["alice@example.com"]


def test_a_members_request_needs_the_token_against_forgery(people: Cast, handed: Handed) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = people.alice.cookies
    answer = ask(people.site, "erase", {"user_id": "jo"}, client=strict)
    assert (answer.status_code, handed) == (403, [])
    assert content(answer)["error"].startswith("The X-CSRFToken header is missing or wrong.")
    strict.get(f"/sites/{people.site.key}/people")
    token = strict.cookies["csrftoken"].value
    address = f"/api/v1/sites/{people.site.key}/people/erase"
    answer = strict.post(address, '{"user_id": "jo"}', "application/json", headers={"X-CSRFToken": token})
    assert (answer.status_code, len(handed)) == (202, 1)


def test_a_key_needs_no_token(shop: Site) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert ask(shop, "export", {"user_id": "jo"}, key_of(shop), strict).status_code == 200


def test_another_sites_request_is_not_found(shop: Site) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    foreign = PersonRequest.objects.create(site=other, kind="erasure", asked_by="x")
    headers = {"Authorization": f"Bearer {key_of(shop)}"}
    answer = Client().get(f"/api/v1/sites/{shop.key}/people/requests/{foreign.pk}", headers=headers)
    assert (answer.status_code, content(answer)["field"]) == (404, "request")


# --- What may be asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ('"jo"', "body"),
        ("[" * 100_000, "body"),
        ("{}", "body"),
        ('{"user_id": "jo", "visitor_id": "7"}', "body"),
        ('{"user": "jo"}', "body"),
        ('{"user_id": null}', "user_id"),
        ('{"user_id": 7}', "user_id"),
        ('{"user_id": ""}', "user_id"),
        ('{"visitor_id": {"a": 1}}', "visitor_id"),
        ('{"visitor_id": "' + "x" * 201 + '"}', "visitor_id"),
    ],
)
@pytest.mark.parametrize("verb", ["export", "erase"])
def test_a_body_that_names_nobody_is_refused(shop: Site, handed: Handed, verb: str, body: str, field: str) -> None:
    answer = ask(shop, verb, body, key_of(shop))
    told = content(answer)
    assert (answer.status_code, told["field"], told["allowed"]) == (400, field, ["user_id", "visitor_id"])
    assert (told["error"] != "", handed, PersonRequest.objects.count()) == (True, [], 0)


def test_an_id_in_the_address_is_not_read(shop: Site) -> None:
    assert ask(shop, "export?user_id=jo", {}, key_of(shop)).status_code == 400


def test_without_a_broker_nothing_has_begun(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.erase_person, "apply_async", away)
    answer = ask(shop, "erase", {"user_id": "jo"}, key_of(shop))
    assert (answer.status_code, answer.headers["Retry-After"], PersonRequest.objects.count()) == (503, "60", 0)
    assert rows("SELECT count(*) FROM ingest_event") == [(3,)]


def test_a_table_that_cannot_be_read_is_told(committed: Site) -> None:
    key = key_of(committed)

    connection.cursor().execute("ALTER TABLE ingest_visitor RENAME COLUMN first_seen TO elsewhere")
    try:
        answer = ask(committed, "export", {"user_id": "jo"}, key)
    finally:
        connection.cursor().execute("ALTER TABLE ingest_visitor RENAME COLUMN elsewhere TO first_seen")
    assert (answer.status_code, content(answer)["error"][:12]) == (503, "The database")
