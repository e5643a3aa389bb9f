"""Runs and requests, as staff read them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ingest.models import JobRun, PersonRequest, Site
from reports.models import User

pytestmark = pytest.mark.django_db
START, DAY = datetime(2026, 11, 20, 2, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


def run(task: str = "sweep", **fields: object) -> JobRun:
    values = {"started_at": START, "seen_at": START, "ended_at": START + timedelta(seconds=90), **fields}
    return JobRun.objects.create(task=task, **values)


def listed(staff: Client, **query: str) -> list[list[str]]:
    """The cells of the list of runs."""
    page = staff.get(reverse("admin:ingest_jobrun_changelist"), query)
    assert page.status_code == 200
    shown = page.context["cl"]
    names = [name for name in shown.list_display if name != "action_checkbox"]
    return [[cell(shown.model_admin, row, name) for name in names] for row in shown.result_list]


def cell(model_admin: object, row: JobRun, name: str) -> str:
    shown = getattr(model_admin, name, None)
    return str(shown(row) if shown else getattr(row, name))


def tasks_of(staff: Client, **query: str) -> list[str]:
    return [row[0] for row in listed(staff, **query)]


def test_it_works(staff: Client) -> None:
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    run(site_id=site.pk, range_start=START, range_end=START + DAY, total=7, done=6, rows=1200, detail="Swept.")
    days = "2026-11-20 02:00 to 2026-11-21 02:00"
    assert listed(staff) == [["sweep", "Shop", days, str(START), "90.0\u00a0s", "6 of 7", "1200", "ended", "Swept."]]


def test_a_run_says_what_went_wrong_before_what_it_did(staff: Client) -> None:
    run(error="No broom.", detail="Swept.")
    assert listed(staff)[0][-2:] == ["failed", "No broom."]


def test_a_run_whose_process_died_is_listed_as_failed(staff: Client) -> None:
    run(ended_at=None)
    [[*_, state, told]] = listed(staff)
    assert (state, told) == ("failed", "Its process is gone: no sign of life since 2026-11-20 02:00 UTC.")


def test_the_newest_run_comes_first(staff: Client) -> None:
    run("first")
    run("second")
    assert tasks_of(staff) == ["second", "first"]


@pytest.mark.parametrize("state", ["failed", "running", "ended"])
def test_runs_are_filtered_by_how_they_ended(staff: Client, state: str) -> None:
    run("ended")
    run("failed", error="No broom.")
    run("failed", ended_at=None)
    run("running", ended_at=None, seen_at=datetime.now(UTC))
    assert set(tasks_of(staff, state=state)) == {state}


def test_runs_are_filtered_by_task(staff: Client) -> None:
    run("sweep")
    run("mop")
    assert tasks_of(staff, task="mop") == ["mop"]


def test_a_site_that_is_gone_is_told_by_its_number(staff: Client) -> None:
    run(site_id=77)
    run()
    assert [row[1] for row in listed(staff)] == ["all", "number 77"]


def test_a_long_error_is_cut_in_the_list_and_whole_on_its_page(staff: Client) -> None:
    one = run(error="x" * 500)
    assert listed(staff)[0][-1] == "x" * 120 + "…"
    assert "x" * 500 in staff.get(reverse("admin:ingest_jobrun_change", args=[one.pk])).content.decode()


def test_the_sites_names_cost_no_query_each(staff: Client) -> None:
    for number in range(20):
        run(site_id=Site.objects.create(name=f"Shop {number}", domain="shop.example.com").pk)
    with CaptureQueriesContext(connection) as queries:
        listed(staff)
    assert len(queries) < 10


@pytest.mark.parametrize("model", ["jobrun", "personrequest"])
def test_nobody_changes_or_deletes_what_happened(staff: Client, model: str) -> None:
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    one = run() if model == "jobrun" else PersonRequest.objects.create(site=site, kind="export", asked_by="a")
    for act in ("delete", "change"):
        address = reverse(f"admin:ingest_{model}_{act}", args=[one.pk])
        assert staff.post(address, {"post": "yes"}).status_code == 403
    assert type(one).objects.count() == 1


def test_a_persons_request_is_told_without_the_person(staff: Client) -> None:
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    PersonRequest.objects.create(site=site, kind="erasure", asked_by="alice@example.com", events=1234)
    page = staff.get(reverse("admin:ingest_personrequest_changelist")).content.decode()
    assert all(word in page for word in ("Shop", "Erasure", "alice@example.com", "1234"))


def test_staff_without_the_right_see_neither(client: Client) -> None:
    trainee = User.objects.create_user("trainee@example.com", None, is_staff=True)
    trainee.user_permissions.add(Permission.objects.get(codename="view_personrequest"))
    client.force_login(trainee)
    assert client.get(reverse("admin:ingest_personrequest_changelist")).status_code == 200
    assert client.get(reverse("admin:ingest_jobrun_changelist")).status_code == 403
