"""The page "People's data" in a real Chromium, with a script and without."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.timezone import now
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest import tasks
from ingest.models import PersonRequest, Site
from ingest.writer import write
from reports.models import Membership, User
from tests.browser.logged_in import log_in
from tests.browser.readable import check_readable
from tests.ingest.examples import batch
from tests.ingest.past import at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with a person, another on the same device, and two requests. No worker runs here."""
    monkeypatch.setattr(tasks.erase_person, "apply_async", lambda *args, **options: None)
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    Membership.objects.create(site=site, user=User.objects.create_user("alice@example.com"), role="owner")
    alone = [at(minute, f"/{minute}", user_id="jo") for minute in range(12)]
    shared = [at(0, visitor_id=8, session_id=80, user_id="jo"), at(9, visitor_id=8, session_id=81, user_id="kim")]
    write([batch(site, *alone, *shared)])
    PersonRequest.objects.create(site=site, kind="export", asked_by="API key Desk (ffk_people_x…)", events=1_204)
    PersonRequest.objects.update(done_at=now())
    PersonRequest.objects.create(site=site, kind="erasure", asked_by="alice@example.com", sessions=3, events=41)
    return site


def opened(context: BrowserContext, server: LiveServer, site: Site) -> Page:
    log_in(context, server)
    page = context.new_page()
    page.goto(f"{server.url}/sites/{site.key}/people")
    return page


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, shop: Site) -> Iterator[Page]:
    """Without a script: the page needs none."""
    with browser.new_context(java_script_enabled=False) as context:
        yield opened(context, live_server, shop)


def find(page: Page, user: str = "jo") -> None:
    page.get_by_label("Id", exact=True).fill(user)
    page.get_by_role("button", name="Find").click()


def test_it_works(page: Page, tmp_path: Path) -> None:
    find(page)
    expect(page.locator("#found")).to_contain_text("1 more visitor was known as somebody else too")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download as JSON").click()
    downloading.value.save_as(tmp_path / "jo.json")
    assert len(json.loads((tmp_path / "jo.json").read_text())["events"]) == 13


def test_erasing_asks_for_the_sites_name(page: Page) -> None:
    find(page)
    page.get_by_label("To erase it for good").fill("shop")
    page.get_by_role("button", name="Erase").click()
    expect(page.locator("#about_name")).to_have_text("Type Shop, as it is written here.")
    page.get_by_label("To erase it for good").fill("Shop")
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_role("status")).to_contain_text("The erasure was handed to a worker.")
    expect(page.get_by_text("Under way")).to_have_count(2)
    assert "jo" not in page.url.split("?")[1]


def test_enter_finds_and_an_error_stands_at_its_field(page: Page) -> None:
    field = page.get_by_label("Id", exact=True)
    field.fill("null")
    field.press("Enter")
    expect(field).to_be_focused()
    expect(page.locator("#about_id")).to_contain_text("user_id: is empty, or a word such as null")


def test_a_visitor_is_found_by_its_number(page: Page) -> None:
    page.get_by_label("Visitor id").check()
    find(page, "8")
    expect(page.get_by_label("Visitor id")).to_be_checked()
    expect(page.locator("#found")).to_contain_text("Sessions")


def test_everybody_can_read_it_and_it_never_scrolls_sideways(
    context: BrowserContext, live_server: LiveServer, shop: Site
) -> None:
    page = opened(context, live_server, shop)
    find(page)
    check_readable(page)
