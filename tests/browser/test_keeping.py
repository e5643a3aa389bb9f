"""The page "Keeping" in a real Chromium, with a script and without."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest import partitions, writer
from ingest.models import JobRun, Site
from reports.models import Membership, User
from tests.browser.logged_in import log_in
from tests.browser.readable import check_readable
from tests.ingest.examples import batch, event

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[[BrowserContext], Page]


@pytest.fixture
def shop(transactional_db: None) -> Site:
    """A site with an event of eight days ago, and runs of each kind."""
    site = Site.objects.create(name="Shop", domain="shop.example.com", property_dimensions=["plan"])
    Membership.objects.create(site=site, user=User.objects.create_user("alice@example.com"), role="owner")
    moment = datetime.now(UTC) - timedelta(days=8)
    partitions.ensure(writer.connected(), [moment.date()])
    writer.write([batch(site, event(ts=moment.timestamp()))])
    JobRun.objects.create(task="cleanup", ended_at=moment, detail="Deleted nothing.")
    JobRun.objects.create(task="backfill", site_id=site.pk, ended_at=moment, error="Fri 13 Nov: not built. " * 5)
    JobRun.objects.create(task="verify", site_id=site.pk, total=30, done=4)
    return site


@pytest.fixture
def opened(live_server: LiveServer, shop: Site) -> Open:
    def page_of(context: BrowserContext) -> Page:
        log_in(context, live_server)
        page = context.new_page()
        page.goto(f"{live_server.url}/sites/{shop.key}/keeping")
        return page

    return page_of


@pytest.fixture
def without_script(browser: Browser, opened: Open) -> Iterator[Page]:
    with browser.new_context(java_script_enabled=False) as context:
        yield opened(context)


def test_it_works_without_a_script(without_script: Page, shop: Site) -> None:
    page = without_script
    page.get_by_label("Events", exact=True).fill("3")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="Events from before")).to_be_visible()
    page.get_by_label("Write Shop to go on").fill("Shop")
    page.get_by_role("button", name="Keep less and delete").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    expect(page.get_by_label("Events", exact=True)).to_have_value("3")


def test_cancelling_keeps_what_was_kept(without_script: Page) -> None:
    page = without_script
    page.get_by_label("Events", exact=True).fill("3")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_label("Events", exact=True)).to_have_value("90")


def test_an_error_takes_the_focus(opened: Open, context: BrowserContext) -> None:
    page = opened(context)
    page.get_by_label("Sessions and visitors").fill("9")
    page.get_by_label("Sessions and visitors").press("Enter")
    expect(page.get_by_label("Sessions and visitors")).to_be_focused()
    expect(page.locator("#about_sessions_days")).to_contain_text("9: must be 90 or more")


def test_properties_are_saved_one_a_line(opened: Open, context: BrowserContext) -> None:
    page = opened(context)
    page.get_by_label("Names of properties").fill("plan\ncart total")
    page.get_by_role("button", name="Save properties").click()
    expect(page.get_by_role("status")).to_contain_text("Days that are counted from now on have them")
    expect(page.get_by_label("Names of properties")).to_have_value("plan\ncart total")


@pytest.mark.parametrize("is_asking", [False, True])
def test_it_can_be_read_by_everybody_and_never_scrolls_sideways(
    opened: Open, context: BrowserContext, is_asking: bool
) -> None:
    page = opened(context)
    if is_asking:
        page.get_by_label("Events", exact=True).fill("3")
        page.get_by_role("button", name="Save", exact=True).click()
    check_readable(page)
