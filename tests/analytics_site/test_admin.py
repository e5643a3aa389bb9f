"""The admin as a whole: who gets in, what the index lists, and rules that every page keeps."""

import re
import uuid
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ingest import partitions, writer
from ingest.admin_views import PAGES
from ingest.event import Batch, Event
from ingest.models import ApiKey, JobRun, PersonRequest, Quarantine, Site
from reports.models import Membership, User

BIG = ("ingest_event", "ingest_session", "ingest_visitor", "ingest_count", "ingest_dirty_hour")
INLINE = re.compile(
    r"<style|\sstyle=|\son(click|load|change|submit)=|<script(?![^>]*\s(src|type=\"application/json\"))"
)
pytestmark = pytest.mark.django_db


def person(name: str, **rights: bool) -> User:
    return User.objects.create_user(f"{name}-{uuid.uuid4().hex[:8]}@example.com", None, **rights)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff() -> Client:
    return logged_in(person("staff", is_staff=True, is_superuser=True))


@pytest.fixture
def shop() -> Site:
    """A site with one of everything that a page may show."""
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    Membership.objects.create(site=site, user=person("alice"))
    ApiKey.issue(site, "Till", ApiKey.Scope.WRITE)
    JobRun.objects.create(task="drain_hours", site_id=site.pk)
    PersonRequest.objects.create(site=site, kind=PersonRequest.Kind.EXPORT, asked_by="alice@example.com")
    Quarantine.objects.create(site_id=site.pk, sqlstate="22P05", detail="unsupported", entry=b"\x81\xa1a\x01")
    now = datetime.now(UTC)
    partitions.ensure(writer.connected(), partitions.ahead(now, 0))
    event = Event(id=uuid.uuid4(), name="pageview", ts=now.timestamp(), visitor_id=7, path="/pricing")
    writer.write([Batch(site_id=site.pk, received_at=now.timestamp(), events=[event])])
    return site


def addresses(site: Site) -> list[str]:
    """Every list and form of the admin, one object of each kind, and every read-only page."""
    found = [reverse("admin:index"), reverse("admin:app_list", args=["ingest"])]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found += [f"{reverse(f'{name}_changelist')}{query}" for query in ("", "?q=shop", "?_facets=True")]
        found.append(reverse(f"{name}_add"))
        if (row := model._default_manager.first()) is not None:
            found.append(reverse(f"{name}_change", args=[row.pk]))
    return found + [f"{reverse(f'admin:{page.name}')}{query}" for page in PAGES for query in ("", f"?site={site.key}")]


def test_it_works(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    for title in ("Sites", "API keys", "Users", "Partitions", "Counts", "Stream"):
        assert f">{title}</a>" in page


def test_every_page_opens_for_staff(staff: Client, shop: Site) -> None:
    answers = {address: staff.get(address).status_code for address in addresses(shop)}
    closed = {reverse(f"admin:ingest_{name}_add") for name in ("quarantine", "jobrun", "personrequest")}
    assert {address for address, status in answers.items() if status != 200} == closed
    assert len(answers) > 30


def test_no_page_counts_a_big_table(staff: Client, shop: Site) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for address in addresses(shop):
            staff.get(address)
    asked = [query["sql"].lower() for query in queries]
    assert any("ingest_event" in query for query in asked)
    assert [query for query in asked if "count(" in query and any(table in query for table in BIG)] == []


def test_every_page_works_under_the_content_security_policy(staff: Client, shop: Site) -> None:
    for address in addresses(shop):
        answer = staff.get(address)
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert INLINE.findall(answer.content.decode()) == [], address


def test_the_lists_of_ours_count_no_choice_of_their_filters(staff: Client, shop: Site) -> None:
    ours = [model for model in admin.site._registry if model._meta.app_label in ("ingest", "reports")]
    for model in ours:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        with CaptureQueriesContext(connection) as queries:
            staff.get(reverse(name), {"_facets": "True"})
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert [query for query in counts if "LIMIT" not in query] == []
    assert len(ours) == 8


@pytest.mark.parametrize("page", ["index", *(page.name for page in PAGES)])
def test_a_member_who_is_no_staff_is_sent_to_the_log_in(page: str) -> None:
    answer = logged_in(person("bob")).get(reverse(f"admin:{page}"))
    assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("page", ["index", *(page.name for page in PAGES)])
def test_a_stranger_is_sent_to_the_log_in(page: str, client: Client) -> None:
    assert client.get(reverse(f"admin:{page}")).headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_staff_without_the_right_may_not_look(page: object) -> None:
    answer = logged_in(person("trainee", is_staff=True)).get(reverse(f"admin:{page.name}"))  # type: ignore[attr-defined]
    assert answer.status_code == 403


def test_staff_with_one_right_find_that_page_alone() -> None:
    trainee = person("trainee", is_staff=True)
    trainee.user_permissions.add(Permission.objects.get(codename="view_ingestcount"))
    page = logged_in(trainee).get("/admin/").content.decode()
    assert reverse("admin:counts") in page
    assert reverse("admin:events") not in page
    assert reverse("admin:ingest_site_changelist") not in page


def test_the_pages_of_an_app_do_not_list_what_is_stored(staff: Client) -> None:
    apps = staff.get(reverse("admin:app_list", args=["ingest"])).context["app_list"]
    assert [app["app_label"] for app in apps] == ["ingest"]


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_the_read_only_pages_change_nothing(method: str, staff: Client, shop: Site) -> None:
    for page in PAGES:
        getattr(staff, method)(reverse(f"admin:{page.name}"))
    assert Site.objects.filter(pk=shop.pk, is_active=True).exists()
