"""The pages "Exclusions" and "Not counted" in a real Chromium, with a script and without."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest.models import Shield, Site
from reports.models import Membership, User
from tests.browser.logged_in import log_in
from tests.browser.readable import check_readable
from tests.reports.ledger_rows import bot, hit, kept, sample

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Open = Callable[[str], Page]
AGENT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"


@pytest.fixture
def shop(transactional_db: None) -> Site:
    """A site with rules, and with events that were not counted for reasons of each outcome."""
    site = Site.objects.create(name="Shop", domain="shop.example.com")
    Membership.objects.create(site=site, user=User.objects.create_user("alice@example.com"), role="owner")
    office = Shield.objects.create(site=site, kind="address", value="203.0.113.0/24", note="Office")
    Shield.objects.create(site=site, kind="path", value="/preview/**", is_active=False)
    for outcome, reason in (("stored", ""), ("dropped", "bot"), ("rejected", "too_old"), ("quarantined", "22P05")):
        kept(site, outcome, reason, 40)
    bot(site, "ai-crawler", "gptbot", 30)
    hit(site, office.pk, 12)
    sample(site, "bot", name="pageview", page="shop.example.com/tea", user_agent=AGENT)
    sample(
        site, "too_old", "rejected", name="signup", detail="timestamp is over 7 days old.", event='{"name": "signup"}'
    )
    return site


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What the browser complained about, which is nothing."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def open_page(context: BrowserContext, live_server: LiveServer, shop: Site, faults: list[str]) -> Open:
    log_in(context, live_server)

    def opened(address: str) -> Page:
        page = context.new_page()
        page.on("console", lambda told: faults.append(told.text) if told.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{live_server.url}/sites/{shop.key}{address}")
        return page

    return opened


@pytest.fixture
def exclusions(browser: Browser, live_server: LiveServer, shop: Site) -> Iterator[Page]:
    """The page without a script: it needs none."""
    with browser.new_context(java_script_enabled=False) as context:
        log_in(context, live_server)
        page = context.new_page()
        page.goto(f"{live_server.url}/sites/{shop.key}/exclusions")
        yield page


# --- Exclusions -------------------------------------------------------------------------------------------


def test_a_rule_is_added_turned_off_and_deleted(exclusions: Page) -> None:
    exclusions.get_by_label("Kind").select_option("Country")
    exclusions.get_by_label("What is not to be counted").fill("de")
    exclusions.get_by_role("button", name="Add rule").click()
    expect(exclusions.get_by_role("status")).to_contain_text("The rule was added.")
    exclusions.get_by_role("button", name="Turn off Country Germany").click()
    expect(exclusions.get_by_role("button", name="Turn on Country Germany")).to_be_visible()
    exclusions.get_by_role("link", name="Delete Country Germany").click()
    exclusions.get_by_role("button", name="Delete rule").click()
    expect(exclusions.get_by_text("Germany")).to_have_count(0)


def test_enter_adds_the_rule_and_an_error_stands_at_its_field(exclusions: Page) -> None:
    field = exclusions.get_by_label("What is not to be counted")
    field.fill("10.0.0.0/33")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(exclusions.locator("#about_value")).to_contain_text("10.0.0.0/33: is no address or range.")


def test_the_readers_address_is_one_click_away(exclusions: Page) -> None:
    exclusions.get_by_role("link", name="Use my address").click()
    expect(exclusions.get_by_label("What is not to be counted")).to_have_value("127.0.0.1")


def test_an_address_is_tested_against_the_rules(exclusions: Page) -> None:
    exclusions.get_by_label("Address, country, path, page or host").fill("203.0.113.9")
    exclusions.get_by_role("button", name="Test").click()
    expect(exclusions.locator("#test").get_by_role("status")).to_contain_text("203.0.113.9 is not counted.")
    expect(exclusions.locator("#test").get_by_role("listitem")).to_have_text("Address 203.0.113.0/24 drops it.")


def test_collecting_is_paused_and_goes_on(exclusions: Page) -> None:
    exclusions.get_by_role("button", name="Pause collecting").click()
    expect(exclusions.get_by_text("Collecting is paused:")).to_be_visible()
    exclusions.get_by_role("button", name="Go on collecting").click()
    expect(exclusions.get_by_role("button", name="Pause collecting")).to_be_visible()


# --- Not counted ------------------------------------------------------------------------------------------


def test_a_card_draws_its_outcome(open_page: Open) -> None:
    page = open_page("/not-counted?period=24h")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("^Dropped by hour"))
    page.get_by_role("button", name="Rejected 40").click()
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("^Rejected by hour"))


def test_an_error_takes_the_focus(open_page: Open, faults: list[str]) -> None:
    page = open_page("/exclusions")
    page.get_by_label("Hosts whose pages are counted").fill("https://shop.example.com/")
    page.get_by_role("button", name="Save hosts").click()
    expect(page.get_by_label("Hosts whose pages are counted")).to_be_focused()
    expect(page.locator("#about_hosts")).to_contain_text("is no host. Write shop.example.com")
    assert ["422" in fault for fault in faults] == [True]  # the browser notes the status of the answer
    faults.clear()


def test_a_reason_shows_its_samples(open_page: Open) -> None:
    page = open_page("/not-counted?period=24h")
    expect(page.locator("#samples")).to_contain_text("shop.example.com/tea")
    page.get_by_role("link", name="The event is over 7 days old, or older").click()
    expect(page.locator("#samples")).to_contain_text("timestamp is over 7 days old.")
    page.get_by_text("As it was sent").click()
    expect(page.locator("#samples pre")).to_have_text('{"name": "signup"}')


def test_the_period_is_chosen_by_key_with_a_load_of_the_page(open_page: Open) -> None:
    page = open_page("/not-counted?period=24h")
    page.keyboard.press("t")
    expect(page.locator(".period-word")).to_have_text("Last 30 days")


# --- For everybody ----------------------------------------------------------------------------------------

PAGES = ("/exclusions?done=added", "/exclusions/rules/RULE", "/exclusions/rules/RULE/delete", "/not-counted?period=24h")


def filled(address: str) -> str:
    return address.replace("RULE", str(Shield.objects.get(kind="path").pk))


@pytest.mark.parametrize("address", PAGES)
def test_every_page_can_be_read_by_everybody_and_never_scrolls_sideways(open_page: Open, address: str) -> None:
    page = open_page(filled(address))
    check_readable(page)
