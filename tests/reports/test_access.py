"""Alice owns the shop, Anna runs it, Bob views it; Charlie has nothing, and neither has Stan of the staff."""

import json
import re
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from ingest.models import Site
from reports.access import Right, may, needs_site, needs_site_api, site_for, sites_of
from reports.models import Membership, User
from tests.reports import cast as browsers
from tests.reports.addresses import filled, routes

MEMBERS = {"alice": "owner", "anna": "admin", "bob": "viewer"}
STRANGERS = ("charlie", "stan")
MAY = {
    Right.VIEW: {"alice", "anna", "bob"},
    Right.EDIT: {"alice", "anna"},
    Right.OWN: {"alice"},
}


@pytest.fixture
def cast(site: Site) -> dict[str, User]:
    people = {name: User.objects.create_user(f"{name}@example.com") for name in (*MEMBERS, "charlie")}
    people["stan"] = User.objects.create_superuser("stan@example.com", "x")
    for name, role in MEMBERS.items():
        Membership.objects.create(site=site, user=people[name], role=role)
    return people


def test_it_works(site: Site, cast: dict[str, User]) -> None:
    assert site_for(cast["alice"], site.key, Right.OWN) == site


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("name", [*MEMBERS, *STRANGERS])
def test_each_may_do_what_the_role_says(name: str, right: Right, site: Site, cast: dict[str, User]) -> None:
    wanted = site if name in MAY[right] else PermissionDenied if name in MEMBERS else Http404
    try:
        found: object = site_for(cast[name], site.key, right)
    except (PermissionDenied, Http404) as refusal:
        found = type(refusal)
    assert found == wanted


def test_every_role_has_its_rights() -> None:
    assert set(MEMBERS.values()) == set(Membership.Role.values)


def test_a_refusal_names_the_role_the_right_and_the_way_out(site: Site, cast: dict[str, User]) -> None:
    with pytest.raises(PermissionDenied, match=r"As viewer you may not change this site\. Ask its owner\."):
        site_for(cast["bob"], site.key, Right.EDIT)


def test_somebody_not_logged_in_is_a_stranger(site: Site) -> None:
    with pytest.raises(Http404):
        site_for(AnonymousUser(), site.key, Right.VIEW)


def test_a_key_that_is_no_site_looks_like_one_that_is_not_yours(site: Site, cast: dict[str, User]) -> None:
    said = []
    for key in (site.key, "ff_unknown"):
        with pytest.raises(Http404) as refused:
            site_for(cast["charlie"], key, Right.VIEW)
        said.append(str(refused.value).replace(key, "KEY"))
    assert said == ["KEY: is no site of yours."] * 2


def test_a_membership_of_another_site_opens_only_that(site: Site, cast: dict[str, User]) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    Membership.objects.create(site=other, user=cast["charlie"], role="owner")
    assert site_for(cast["charlie"], other.key, Right.OWN) == other
    with pytest.raises(Http404):
        site_for(cast["charlie"], site.key, Right.VIEW)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("name", [*MEMBERS, *STRANGERS])
def test_a_part_of_a_page_is_shown_by_the_same_rule(name: str, right: Right, site: Site, cast: dict[str, User]) -> None:
    assert may(cast[name], site, right) == (name in MAY[right])
    assert not may(AnonymousUser(), site, right)


def test_people_see_their_sites_by_name(site: Site, cast: dict[str, User]) -> None:
    blog = Site.objects.create(name="Blog", domain="blog.example.com")
    Membership.objects.create(site=blog, user=cast["bob"])
    assert list(sites_of(cast["bob"])) == [blog, site]
    assert [list(sites_of(who)) for who in (cast["charlie"], cast["stan"], AnonymousUser())] == [[], [], []]


# --- Views ------------------------------------------------------------------------------------------------


def page(_: HttpRequest, site: Site, part: str = "") -> HttpResponse:
    return HttpResponse(f"{site.name} {part}")


def asked(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/sites/KEY?period=today")
    request.user = user
    return request


def test_a_page_is_given_the_site_in_place_of_its_key(site: Site, cast: dict[str, User]) -> None:
    answer = needs_site(Right.VIEW)(page)(asked(cast["bob"]), key=site.key, part="sources")
    assert answer.content == b"Shop sources"


def test_a_page_sends_to_the_log_in_and_back(site: Site) -> None:
    answer = needs_site(Right.VIEW)(page)(asked(AnonymousUser()), key=site.key)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/sites/KEY%3Fperiod%3Dtoday")


def test_a_page_is_404_for_strangers_and_403_for_members_without_the_right(site: Site, cast: dict[str, User]) -> None:
    view = needs_site(Right.EDIT)(page)
    with pytest.raises(Http404):
        view(asked(cast["stan"]), key=site.key)
    with pytest.raises(PermissionDenied):
        view(asked(cast["bob"]), key=site.key)


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 200), ("bob", 403), ("charlie", 404), ("stan", 404), ("nobody", 401)]
)
def test_json_is_answered_with_a_status_and_a_sentence(
    name: str, status: int, site: Site, cast: dict[str, User]
) -> None:
    answer = needs_site_api(Right.EDIT)(page)(asked(cast.get(name, AnonymousUser())), key=site.key)
    assert answer.status_code == status
    if status != 200:
        told = SimpleNamespace(**json.loads(answer.content))
        assert (bool(told.error), told.field, told.allowed) == (True, "key", [])


def test_a_view_keeps_its_name() -> None:
    assert needs_site(Right.VIEW)(page).__name__ == needs_site_api(Right.VIEW)(page).__name__ == "page"


# --- Every address ----------------------------------------------------------------------------------------

# What a GET is answered: Alice, who owns the site, Bob, who views it, Charlie, a stranger, and nobody in particular.
EVERYBODY, PERSONS, MEMBERS_ONLY = (200, 200, 200, 200), (200, 200, 200, 302), (200, 200, 404, 302)
EDITORS_ONLY = (200, 403, 404, 302)
POST_ONLY, LED_ON = (405, 405, 405, 405), (302, 302, 302, 302)
EXPECTED = {
    "": LED_ON,
    "login": (302, 302, 302, 200),
    "logout": POST_ONLY,
    "sites": PERSONS,
    "sites/new": PERSONS,
    "sites/<str:key>": MEMBERS_ONLY,
    "sites/<str:key>/now": MEMBERS_ONLY,
    "sites/<str:key>/parts/<slug:part>": MEMBERS_ONLY,
    "sites/<str:key>/chart.csv": MEMBERS_ONLY,
    "sites/<str:key>/setup": MEMBERS_ONLY,
    "sites/<str:key>/setup/status": MEMBERS_ONLY,
    "sites/<str:key>/not-counted": MEMBERS_ONLY,
    "sites/<str:key>/not-counted.csv": MEMBERS_ONLY,
    "sites/<str:key>/not-counted/chart.csv": MEMBERS_ONLY,
    "sites/<str:key>/exclusions": EDITORS_ONLY,
    "sites/<str:key>/exclusions/test": POST_ONLY,
    "sites/<str:key>/exclusions/set/<slug:name>": POST_ONLY,
    "sites/<str:key>/exclusions/rules": POST_ONLY,
    "sites/<str:key>/exclusions/rules/<int:rule>": EDITORS_ONLY,
    "sites/<str:key>/exclusions/rules/<int:rule>/switch": POST_ONLY,
    "sites/<str:key>/exclusions/rules/<int:rule>/apply": POST_ONLY,
    "sites/<str:key>/exclusions/rules/<int:rule>/delete": EDITORS_ONLY,
    "sites/<str:key>/keeping": MEMBERS_ONLY,
    "sites/<str:key>/keeping/days": POST_ONLY,
    "sites/<str:key>/keeping/properties": POST_ONLY,
    "sites/<str:key>/keeping/again": POST_ONLY,
    "sites/<str:key>/people": EDITORS_ONLY,
    "sites/<str:key>/people/find": POST_ONLY,
    "sites/<str:key>/people/export": POST_ONLY,
    "sites/<str:key>/people/erase": POST_ONLY,
    "api/v1/sites/<str:key>/people/export": POST_ONLY,
    "api/v1/sites/<str:key>/people/erase": POST_ONLY,
    "api/v1/sites/<str:key>/people/requests/<int:number>": (200, 403, 404, 401),
    "sites/<str:key>/<tab:tab>": MEMBERS_ONLY,
    "sites/<str:key>/<tab:tab>.csv": MEMBERS_ONLY,
    "api/v1/events": POST_ONLY,
    "analytics.js": EVERYBODY,
    "favicon.ico": (301, 301, 301, 301),
    "healthz": EVERYBODY,
    "readyz": (503, 503, 503, 503),  # open to this machine, whoever asks; no writer runs here
}
THE_WAY_IN_AND_OUT = {"admin/login/", "admin/logout/"}


def outside_the_admin() -> set[str]:
    return {route for route in routes() if not route.startswith("admin/")}


def test_every_address_has_an_expectation() -> None:
    assert outside_the_admin() == set(EXPECTED)


@pytest.mark.parametrize("route", EXPECTED)
def test_everybody_gets_what_is_theirs(route: str, site: Site) -> None:
    people = browsers.cast(site)
    for address in filled(route, site):
        asking = (people.alice, people.bob, people.charlie, people.anonymous)
        assert tuple(client.get(address).status_code for client in asking) == EXPECTED[route], address


def test_whoever_is_no_staff_sees_nothing_of_the_admin(site: Site) -> None:
    people = browsers.cast(site)
    closed = [route for route in routes() if route.startswith("admin/") and route not in THE_WAY_IN_AND_OUT]
    assert len(closed) > 50
    for route in closed:
        address = "/" + re.sub(r"\(\?P<.*\)|<[^>]+>", "1", route).replace("^", "").replace("$", "")
        for client in (people.alice, people.charlie, people.anonymous):
            assert client.get(address).headers["Location"].startswith("/admin/login/"), address
