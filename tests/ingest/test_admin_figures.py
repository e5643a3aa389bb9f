"""Figures that staff have rebuilt or checked."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ingest.alone import alone
from ingest.models import JobRun, Site
from ingest.tasks import verify_site
from reports.models import User
from tests.broker import NOWHERE, broker_at, handed_on
from tests.conftest import rows
from tests.ingest.rollups.days import at, build, write

pytestmark = pytest.mark.django_db
__all__ = ["handed_on"]  # a fixture


def act(client: Client, site: Site, action: str) -> str:
    """What the page says to a superuser afterwards."""
    client.force_login(User.objects.create_superuser("staff@example.com"))
    values = {"action": action, "_selected_action": [site.pk]}
    return client.post(reverse("admin:ingest_site_changelist"), values, follow=True).content.decode()


@pytest.mark.parametrize(
    ("action", "task"), [("rebuild", "ingest.tasks.backfill_site"), ("verify", "ingest.tasks.verify_site")]
)
def test_it_is_handed_to_a_worker(
    client: Client, site: Site, handed_on: Callable[[], Any], action: str, task: str
) -> None:
    assert "Handed to a worker." in act(client, site, action)
    message = handed_on()
    assert (message.headers["task"], message.decode()[0]) == (task, [site.pk])


def test_without_a_worker_it_says_so(client: Client, site: Site) -> None:
    with broker_at(NOWHERE):
        assert "No worker can be reached just now." in act(client, site, "rebuild")


def test_what_a_check_finds_is_in_its_run(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    build(site)
    verify_site(site.pk)
    assert JobRun.objects.get(task="verify").detail.startswith("No difference on 1 days with 1 events.")


def test_a_check_that_finds_a_difference_has_failed(site: Site) -> None:
    write(site, at(9, visitor_id=1))
    build(site)
    rows("UPDATE ingest_session SET page_views = 2 RETURNING 1")
    verify_site(site.pk)
    assert JobRun.objects.get(task="verify").error.startswith("1 differences on 1 of 1 days")


def test_a_check_that_is_delivered_again_leaves_the_first_at_it(site: Site) -> None:
    with alone(f"verify_site {site.pk}"):
        verify_site(site.pk)
    assert not JobRun.objects.exists()


def test_a_site_that_was_deleted_is_not_checked(db: None) -> None:
    verify_site(1)
    assert not JobRun.objects.exists()
