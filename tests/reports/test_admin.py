"""People, their rights and memberships in the admin, and its log-in."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ingest.models import Site
from reports import throttle
from reports.models import Membership, User

PASSWORD = "four-words-of-the-staff"
pytestmark = pytest.mark.django_db


def person(name: str, password: str | None = None, **rights: bool) -> User:
    """A new address each time: what was counted for another test is not theirs."""
    return User.objects.create_user(f"{name}-{uuid.uuid4().hex[:8]}@example.com", password, **rights)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(person("staff", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def trainee(client: Client) -> Client:
    """Staff who may edit people, and no superuser."""
    user = person("trainee", is_staff=True)
    codes = ("add_user", "change_user", "delete_user", "view_user")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(user)
    return client


# --- Log-in -----------------------------------------------------------------------------------------------


def try_in(client: Client, email: str, password: str = PASSWORD) -> str:
    answer = client.post(reverse("admin:login"), {"username": email, "password": password, "next": "/admin/"})
    return answer.headers.get("Location") or answer.content.decode()


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_it_works(client: Client, spelling: object) -> None:
    staff = person("staff", PASSWORD, is_staff=True)
    assert try_in(client, spelling(staff.email)) == "/admin/"  # type: ignore[operator]


def test_a_person_who_is_no_staff_does_not_get_in(client: Client) -> None:
    assert "for a staff account" in try_in(client, person("bob", PASSWORD).email)
    assert "_auth_user_id" not in client.session


def test_five_failures_start_a_pause(client: Client) -> None:
    staff = person("staff", PASSWORD, is_staff=True)
    for _ in range(throttle.TRIES):
        assert "for a staff account" in try_in(client, staff.email, "wrong")
    assert "Too many tries for this account. Try again in 5 min." in try_in(client, staff.email)


def test_failures_at_one_log_in_count_at_the_other(client: Client) -> None:
    staff = person("staff", PASSWORD, is_staff=True)
    for _ in range(throttle.TRIES):
        client.post(reverse("login"), {"email": staff.email, "password": "wrong"})
    assert "Too many tries" in try_in(client, staff.email)


def test_a_log_in_that_works_forgets_the_failures(client: Client) -> None:
    staff = person("staff", PASSWORD, is_staff=True)
    try_in(client, staff.email, "wrong")
    try_in(client, staff.email)
    assert throttle.count(staff.email, "127.0.0.1").left == throttle.TRIES - 1


def test_the_pause_follows_the_sender_behind_a_trusted_proxy(client: Client, settings: Settings) -> None:
    settings.INGEST_TRUSTED_PROXIES = 1
    staff, form = person("staff", PASSWORD, is_staff=True), {"password": "wrong", "next": "/admin/"}
    for _ in range(throttle.TRIES):
        client.post(reverse("admin:login"), {**form, "username": staff.email}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert not throttle.count(staff.email, "192.0.2.1").is_allowed
    assert throttle.count(staff.email, "198.51.100.1").is_allowed


def test_a_form_without_an_address_is_no_failure_of_anybody(client: Client) -> None:
    assert "This field is required" in try_in(client, "")


def test_a_form_without_a_password_is_no_try(client: Client) -> None:
    staff = person("staff", PASSWORD, is_staff=True)
    assert "This field is required" in try_in(client, staff.email, "")
    assert throttle.count(staff.email, "127.0.0.1").left == throttle.TRIES - 1


# --- People -----------------------------------------------------------------------------------------------


def add(client: Client, email: str, password: str = PASSWORD, **more: str) -> str:
    form = {"email": email, "name": "", "password1": password, "password2": password}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return client.post(reverse("admin:reports_user_add"), {**form, **inline, **more}).content.decode()


def test_a_person_is_made_with_an_address_and_a_password(staff: Client) -> None:
    add(staff, "Carol@Example.com")
    carol = User.objects.get(email="carol@example.com")
    assert carol.check_password(PASSWORD)
    assert not carol.is_staff


def test_an_address_that_differs_in_case_alone_is_taken(staff: Client) -> None:
    add(staff, "carol@example.com")
    assert "already exists" in add(staff, "CAROL@example.com")
    assert User.objects.filter(email__iexact="carol@example.com").count() == 1


def test_a_common_password_is_refused(staff: Client) -> None:
    assert "too common" in add(staff, "carol@example.com", "password123")
    assert not User.objects.filter(email="carol@example.com").exists()


def test_nobody_is_made_without_a_password(staff: Client) -> None:
    assert "This field is required" in add(staff, "carol@example.com", "")
    assert not User.objects.filter(email="carol@example.com").exists()


def test_a_password_is_never_shown(staff: Client) -> None:
    bob = person("bob", PASSWORD)
    shown = staff.get(reverse("admin:reports_user_change", args=[bob.pk])).content.decode()
    assert bob.password not in shown
    assert bob.email in shown


def change(client: Client, user: User, **changed: str) -> int:
    form = {"email": user.email, "name": user.name, "is_active": "on"}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return client.post(reverse("admin:reports_user_change", args=[user.pk]), {**form, **inline, **changed}).status_code


def test_a_superuser_gives_rights(staff: Client) -> None:
    bob = person("bob")
    assert change(staff, bob, is_staff="on") == 302
    assert User.objects.get(pk=bob.pk).is_staff


def test_other_staff_edit_people_and_give_no_rights(trainee: Client) -> None:
    bob = person("bob")
    assert change(trainee, bob, name="Bob", is_staff="on", is_superuser="on") == 302
    after = User.objects.get(pk=bob.pk)
    assert (after.name, after.is_staff, after.is_superuser) == ("Bob", False, False)


def test_other_staff_do_not_touch_a_superuser(trainee: Client) -> None:
    chief = person("chief", PASSWORD, is_staff=True, is_superuser=True)
    passwords = {"password1": "another-four-words", "password2": "another-four-words"}
    assert change(trainee, chief, name="Mine") == 403
    assert trainee.post(reverse("admin:auth_user_password_change", args=[chief.pk]), passwords).status_code == 403
    assert trainee.post(reverse("admin:reports_user_delete", args=[chief.pk]), {"post": "yes"}).status_code == 403
    assert User.objects.get(pk=chief.pk).check_password(PASSWORD)


def test_other_staff_do_not_delete_a_superuser_among_others(trainee: Client) -> None:
    chief = person("chief", is_staff=True, is_superuser=True)
    form = {"action": "delete_selected", "_selected_action": [chief.pk], "post": "yes"}
    trainee.post(reverse("admin:reports_user_changelist"), form)
    assert User.objects.filter(pk=chief.pk).exists()


# --- Memberships ------------------------------------------------------------------------------------------


def membership_form(site: Site, user: User) -> dict[str, str]:
    return {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(user.pk),
        "memberships-0-site": str(site.pk),
        "memberships-0-role": "viewer",
    }


def test_a_member_is_added_on_the_page_of_the_person(staff: Client) -> None:
    site, bob = Site.objects.create(name="Shop", domain="shop.example.com"), person("bob")
    assert change(staff, bob, **membership_form(site, bob)) == 302
    assert Membership.objects.get().role == "viewer"


def test_a_member_is_added_on_the_page_of_the_site(staff: Client) -> None:
    site, bob = Site.objects.create(name="Shop", domain="shop.example.com"), person("bob")
    names = ("name", "domain", "timezone", "identity", "session_minutes", "events_days", "sessions_days")
    fields = {name: str(getattr(site, name)) for name in names}
    form = {**fields, "allowed_hosts": "", "is_active": "on", **membership_form(site, bob)}
    staff.post(reverse("admin:ingest_site_change", args=[site.pk]), form)
    assert Membership.objects.get().user == bob


def test_memberships_are_found_by_person_and_site(staff: Client) -> None:
    site, bob = Site.objects.create(name="Shop", domain="shop.example.com"), person("bob")
    Membership.objects.create(site=site, user=bob)
    for words in (bob.email, "Shop", site.key):
        found = staff.get(reverse("admin:reports_membership_changelist"), {"q": words})
        assert found.context["cl"].result_count == 1, words
