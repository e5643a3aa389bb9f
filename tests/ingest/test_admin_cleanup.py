"""Cleanups that staff ask for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ingest.models import JobRun, Site
from ingest.tasks import cleanup
from reports.models import User
from tests.broker import NOWHERE, broker_at, handed_on

pytestmark = pytest.mark.django_db
__all__ = ["handed_on"]  # a fixture


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


def act(staff: Client, site: Site, action: str) -> str:
    """What the page says afterwards."""
    values = {"action": action, "_selected_action": [site.pk]}
    return staff.post(reverse("admin:ingest_site_changelist"), values, follow=True).content.decode()


@pytest.mark.parametrize(("action", "is_dry"), [("clean_up", False), ("foresee_cleanup", True)])
def test_it_is_handed_to_a_worker(
    staff: Client, site: Site, handed_on: Callable[[], Any], action: str, is_dry: bool
) -> None:
    told = act(staff, site, action)
    assert "Handed to a worker." in told
    assert reverse("admin:ingest_jobrun_changelist") in told
    args, options, *_ = handed_on().decode()
    assert (args, options) == ([[site.pk]], {"dry_run": is_dry})


def test_without_a_worker_it_says_so(staff: Client, site: Site) -> None:
    with broker_at(NOWHERE):
        assert "No worker can be reached just now." in act(staff, site, "clean_up")


def test_staff_who_may_only_read_are_not_offered_it(client: Client, site: Site) -> None:
    reader = User.objects.create_user("reader@example.com", is_staff=True)
    client.force_login(reader)
    assert client.post(reverse("admin:ingest_site_changelist"), {"action": "clean_up"}).status_code == 403


def test_the_dry_run_leaves_its_numbers(site: Site) -> None:
    cleanup([site.pk], dry_run=True)
    assert "Would have deleted 0 events" in JobRun.objects.get(task="cleanup_dry_run").detail


def test_the_keeping_is_changed_where_it_fits_together(staff: Client, site: Site) -> None:
    where = reverse("admin:ingest_site_change", args=[site.pk])
    assert "sessions_days" in staff.get(where).content.decode()
    values = {"name": "Shop", "domain": site.domain, "timezone": "UTC", "identity": "returning",
              "session_minutes": "30", "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}  # fmt: skip
    refused = staff.post(where, {**values, "events_days": "90", "sessions_days": "30"}).content.decode()
    assert "30: must be 90 or more, the days of events." in refused
    assert staff.post(where, {**values, "events_days": "30", "sessions_days": "60"}).status_code == 302
    assert Site.objects.get().sessions_days == 60
