"""Rules and the new switches of a site, as staff use them."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest import sites
from ingest.models import Shield, Site
from reports.models import User


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


def form(site: Site, **changed: str) -> dict[str, str]:
    return {
        "site": str(site.pk),
        "kind": "address",
        "value": "10.1.2.3/8",
        "note": "Office",
        "is_active": "on",
        **changed,
    }


def paths_blocked(site: Site) -> bool:
    known = sites.by_key(site.key)
    return known is not None and known.rules.matching("path", "/admin") is not None


def test_it_works(staff: Client, site: Site) -> None:
    staff.post(reverse("admin:ingest_shield_add"), form(site))
    listed = staff.get(reverse("admin:ingest_shield_changelist")).content.decode()
    assert "10.0.0.0/8" in listed
    assert "Office" in listed


def test_a_wrong_value_is_told_in_place(staff: Client, site: Site) -> None:
    page = staff.post(reverse("admin:ingest_shield_add"), form(site, value="10.0.0.0/33")).content.decode()
    assert "10.0.0.0/33: is no address or range." in page
    assert not Shield.objects.exists()


@pytest.mark.parametrize("words", ["10.0", "Office", "Shop"])
def test_a_rule_is_found_by_its_value_its_note_or_its_site(staff: Client, site: Site, words: str) -> None:
    Shield.objects.create(site=site, kind="address", value="10.0.0.0/8", note="Office")
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    Shield.objects.create(site=other, kind="path", value="/hidden")
    page = staff.get(reverse("admin:ingest_shield_changelist"), {"q": words}).content.decode()
    assert "10.0.0.0/8" in page
    assert "/hidden" not in page


def test_a_changed_rule_is_noticed_at_once_in_this_process(
    staff: Client, site: Site, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert not paths_blocked(site)
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(reverse("admin:ingest_shield_add"), form(site, kind="path", value="/admin"))
    assert paths_blocked(site)


@pytest.mark.parametrize("many", [False, True])
def test_so_is_one_that_was_deleted(
    staff: Client, site: Site, many: bool, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    row = Shield.objects.create(site=site, kind="path", value="/admin")
    assert paths_blocked(site)
    with django_capture_on_commit_callbacks(execute=True):
        if many:
            action = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
            staff.post(reverse("admin:ingest_shield_changelist"), action)
        else:
            staff.post(reverse("admin:ingest_shield_delete", args=[row.pk]), {"post": "yes"})
    assert not paths_blocked(site)


def test_a_site_is_paused_and_keeps_parameters(staff: Client, site: Site) -> None:
    values = {
        name: str(getattr(site, name))
        for name in ("name", "domain", "timezone", "identity", "session_minutes", "events_days", "sessions_days")
    }
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    switches = {"is_active": "on", "is_paused": "on", "honours_dnt": "on", "kept_parameters": "size,q"}
    staff.post(reverse("admin:ingest_site_change", args=[site.pk]), {**values, **inline, **switches})
    site.refresh_from_db()
    assert (site.is_paused, site.honours_dnt, site.kept_parameters) == (True, True, ["size", "q"])
