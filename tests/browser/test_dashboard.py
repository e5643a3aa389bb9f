"""The pages in a real Chromium: what a script does for those who have one, and what stands without."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest.models import IngestCount, Session, Site
from reports.models import Membership, User
from tests.browser.logged_in import log_in
from tests.reports.rows import Hit, Sitting, store

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "four-words-of-the-owner"
Open = Callable[[str], Page]


def came(site: Site, visitor: int, path: str = "/", minutes: int = 1, **said: object) -> None:
    """A session of one page view, so many minutes ago, counted like the writer counts."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    store(Sitting((Hit(moment, path=path),), visitor=visitor, site_id=site.pk, said=said))
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    row, _ = IngestCount.objects.get_or_create(
        site_id=site.pk, hour=hour, outcome="stored", reason="", defaults={"events": 0}
    )
    IngestCount.objects.filter(pk=row.pk).update(events=row.events + 1)


@pytest.fixture
def shop() -> Iterator[Site]:
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    owner = User.objects.create_user("alice@example.com", PASSWORD)
    Membership.objects.create(site=site, user=owner, role=Membership.Role.OWNER)
    came(site, 1, "/pricing", source="Google", country="DE", device="desktop")
    came(site, 2, "/pricing", source="Google", country="AT", device="phone")
    came(site, 3, "/about", source="Bing", country="DE", device="desktop")
    yield site
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ingest_event")


@pytest.fixture
def faults() -> list[str]:
    """What the browser complained about, in any page of the test."""
    return []


@pytest.fixture
def open_page(context: BrowserContext, live_server: LiveServer, shop: Site, faults: list[str]) -> Open:
    log_in(context, live_server)

    def opened(address: str) -> Page:
        page = context.new_page()
        page.on("console", lambda told: faults.append(told.text) if told.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(live_server.url + address)
        return page

    return opened


@pytest.fixture
def overview(open_page: Open, shop: Site) -> Page:
    return open_page(f"/sites/{shop.key}?period=24h")


def figure(page: Page, label: str) -> str:
    return page.locator(".kpi", has_text=label).locator(".kpi-figure").inner_text()


def google(page: Page) -> Locator:
    """The row of the panel; what moved has a link of that name too."""
    return page.locator("#sources .row-link", has_text="Google")


# --- Log-in -----------------------------------------------------------------------------------------------


def test_a_person_logs_in_and_sees_the_sites(context: BrowserContext, live_server: LiveServer, shop: Site) -> None:
    page = context.new_page()
    page.goto(f"{live_server.url}/login")
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="All sites")).to_be_visible()


def test_the_focus_is_on_the_field_that_is_wrong(context: BrowserContext, live_server: LiveServer, shop: Site) -> None:
    page = context.new_page()
    page.goto(f"{live_server.url}/login")
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    assert "4 tries left" in page.locator("#error").inner_text()


# --- The overview -----------------------------------------------------------------------------------------


def test_a_new_event_is_seen_within_three_seconds(overview: Page, shop: Site) -> None:
    assert figure(overview, "Visitors") == "3"
    came(shop, 4, minutes=0)
    expect(overview.locator(".kpi-figure").first).to_have_text("4", timeout=3000)
    expect(overview.locator(".toolbar [data-live-text]")).to_have_text("4 visitors now", timeout=3000)
    assert overview.title().startswith("(4) ")


def test_choosing_a_figure_draws_it_without_a_load(overview: Page) -> None:
    overview.evaluate("window.isSame = true")
    overview.get_by_role("button", name="Page views").click()
    expect(overview.locator("#chart")).to_have_attribute("aria-label", re.compile("^Page views by hour"))
    assert "metric=pageviews" in overview.url
    assert overview.evaluate("window.isSame")


def test_a_click_on_a_row_filters_and_its_cross_lets_go(overview: Page) -> None:
    google(overview).click()
    expect(overview.locator(".chip")).to_have_text("Source is Google")
    expect(overview.locator(".kpi-figure").first).to_have_text("2")
    overview.get_by_role("link", name="Remove Source is Google").click()
    expect(overview.locator(".kpi-figure").first).to_have_text("3")


def test_a_click_with_control_excludes(overview: Page) -> None:
    google(overview).click(modifiers=["Control"])
    expect(overview.locator(".chip")).to_have_text("Source is not Google")
    expect(overview.locator(".kpi-figure").first).to_have_text("1")


def test_back_leads_to_the_choice_before(overview: Page) -> None:
    google(overview).click()
    expect(overview.locator(".chip")).to_be_visible()
    overview.go_back()
    expect(overview.locator(".chip")).to_have_count(0)


def test_a_tab_changes_its_own_panel_only(overview: Page) -> None:
    overview.get_by_role("link", name="Systems", exact=True).click()
    expect(overview.locator("#devices th").first).to_have_text("System")
    expect(overview.locator("#sources th").first).to_have_text("Source")


def test_arrows_move_along_the_tabs_and_the_panel_follows(overview: Page) -> None:
    overview.get_by_role("link", name="Browsers", exact=True).focus()
    overview.keyboard.press("ArrowRight")
    expect(overview.locator("#devices th").first).to_have_text("System")
    expect(overview.get_by_role("link", name="Systems", exact=True)).to_be_focused()


def test_the_chart_and_its_table_change_places(overview: Page) -> None:
    expect(overview.locator("#chart")).to_be_visible()
    overview.get_by_role("button", name="Show the chart as a table").click()
    expect(overview.locator("#chart")).to_be_hidden()
    expect(overview.locator("#chart-table tbody tr")).to_have_count(24)


def test_arrows_walk_along_the_chart(overview: Page) -> None:
    overview.locator("#chart").focus()
    overview.keyboard.press("ArrowLeft")
    expect(overview.locator("#tip")).to_contain_text("until")
    expect(overview.locator("#tip")).to_contain_text("This period")
    overview.keyboard.press("Escape")
    expect(overview.locator("#tip")).to_be_hidden()


def test_single_keys_choose_the_period(overview: Page) -> None:
    overview.keyboard.press("d")
    expect(overview.locator(".period-word")).to_have_text("Today")
    overview.keyboard.press("t")
    expect(overview.locator(".period-word")).to_have_text("Last 30 days")
    overview.keyboard.press("x")
    expect(overview.get_by_text("No comparison")).to_be_visible()


def test_escape_closes_a_menu_before_it_clears_the_filters(overview: Page) -> None:
    google(overview).click()
    expect(overview.locator(".chip")).to_be_visible()
    overview.locator("[data-menu=period] summary").click()
    overview.keyboard.press("Escape")
    expect(overview.locator("[data-menu=period]")).not_to_have_attribute("open", "")
    expect(overview.locator(".chip")).to_be_visible()
    overview.keyboard.press("Escape")
    expect(overview.locator(".chip")).to_have_count(0)


def test_keys_mean_nothing_while_typing(open_page: Open, shop: Site) -> None:
    page = open_page(f"/sites/{shop.key}/sources?period=24h")
    page.keyboard.press("/")
    page.keyboard.type("d?t")
    assert page.get_by_label("Search sources").input_value() == "d?t"
    expect(page.locator("#keys")).to_be_hidden()


def test_keys_can_be_turned_off(overview: Page) -> None:
    overview.keyboard.press("?")
    overview.get_by_label("Single keys are on in this browser").uncheck()
    overview.keyboard.press("Escape")
    overview.keyboard.press("d")
    expect(overview.locator(".period-word")).to_have_text("Last 24 hours")


def test_two_days_are_chosen_in_the_calendar(overview: Page) -> None:
    overview.keyboard.press("c")
    days = overview.locator("[data-calendar] button[data-day]:enabled")
    chosen = days.first.get_attribute("data-day")
    days.first.click()
    overview.get_by_role("button", name="Apply").click()
    expect(overview.locator(".period-word")).to_have_text("Custom")
    assert f"from={chosen}&to={chosen}" in overview.url


# --- Themes and sizes -------------------------------------------------------------------------------------


def test_a_chosen_theme_outlives_the_page(overview: Page) -> None:
    overview.get_by_role("button", name="Dark theme").click()
    assert overview.evaluate("document.documentElement.dataset.theme") == "dark"
    overview.reload()
    assert overview.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_system_decides_where_nobody_chose(open_page: Open) -> None:
    page = open_page("/sites")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


PAGES = ("/sites", "/sites/new", "/sites/{key}?period=24h", "/sites/{key}/pages?period=24h", "/sites/{key}/setup")


@pytest.mark.parametrize("address", PAGES)
def test_no_page_scrolls_sideways(open_page: Open, shop: Site, address: str) -> None:
    page = open_page(address.format(key=shop.key))
    for width in (1440, 1024, 820, 640, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over == 0, width


@pytest.mark.parametrize("address", [*PAGES, "/nothing"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_can_be_read_by_everybody(open_page: Open, shop: Site, address: str, width: int) -> None:
    page = open_page(address.format(key=shop.key))
    page.set_viewport_size({"width": width, "height": 800})
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("address", PAGES)
def test_the_browser_has_nothing_to_complain_about(
    open_page: Open, shop: Site, faults: list[str], address: str
) -> None:
    page = open_page(address.format(key=shop.key))
    page.wait_for_timeout(300)
    assert faults == []


def test_the_menu_is_a_drawer_on_a_phone(overview: Page) -> None:
    overview.set_viewport_size({"width": 390, "height": 800})
    expect(overview.locator("#menu")).not_to_be_in_viewport()
    overview.get_by_role("link", name="More").click()
    expect(overview.get_by_role("button", name="Log out")).to_be_visible()
    overview.keyboard.press("Escape")
    expect(overview.locator("#menu")).not_to_be_in_viewport()


# --- Without a script -------------------------------------------------------------------------------------


def test_the_overview_stands_without_a_script(browser: Browser, live_server: LiveServer, shop: Site) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        log_in(context, live_server)
        page = context.new_page()
        page.goto(f"{live_server.url}/sites/{shop.key}?period=24h")
        expect(page.locator("#chart-table")).to_be_visible()
        page.locator("[data-menu=period] summary").click()
        page.get_by_role("link", name="Last 30 days").click()
        expect(page.locator(".period-word")).to_have_text("Last 30 days")
        page.get_by_role("link", name="Channels", exact=True).click()
        expect(page.locator("#sources th").first).to_have_text("Channel")


# --- Set-up -----------------------------------------------------------------------------------------------


def test_the_set_up_turns_green_by_itself(open_page: Open, shop: Site) -> None:
    Session.objects.all().delete()
    page = open_page(f"/sites/{shop.key}/setup")
    expect(page.get_by_text("Waiting for the first event")).to_be_visible()
    came(shop, 1)
    expect(page.get_by_text("It works")).to_be_visible(timeout=5000)


def test_the_snippet_is_copied(context: BrowserContext, open_page: Open, shop: Site) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(f"/sites/{shop.key}/setup")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert f'data-site="{shop.key}"></script>' in page.evaluate("navigator.clipboard.readText()")


def test_a_new_site_starts_in_the_readers_time_zone(browser: Browser, live_server: LiveServer, shop: Site) -> None:
    with browser.new_context(timezone_id="Asia/Tokyo") as context:
        log_in(context, live_server)
        page = context.new_page()
        page.goto(f"{live_server.url}/sites/new")
        expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
