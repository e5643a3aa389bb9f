"""Each page as each person gets it."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template.loader import get_template
from django.test import Client
from pytest_django import Settings

from ingest.models import IngestCount, Site
from reports.models import Membership, User
from tests.reports.addresses import of_site
from tests.reports.cast import Cast, cast, person
from tests.reports.rows import Hit, Sitting, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


def seen(site: Site, visitor: int = 1, path: str = "/pricing", **said: object) -> None:
    """A session of one page view, a minute ago."""
    moment = datetime.now(UTC) - timedelta(minutes=1)
    store(Sitting((Hit(moment, path=path),), visitor=visitor, site_id=site.pk, said=said))


def began_before(site: Site) -> None:
    """A session of 40 days ago: without one there is nothing that the last days could be compared with."""
    moment = datetime.now(UTC) - timedelta(days=40)
    store(Sitting((Hit(moment, path="/"),), visitor=9, site_id=site.pk))


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


# --- Who may see what -------------------------------------------------------------------------------------


def test_members_see_every_page_of_their_site(people: Cast) -> None:
    for address in of_site(people.site):
        assert people.alice.get(address).status_code == 200, address
        assert people.bob.get(address).status_code == 200, address


def test_strangers_cannot_tell_a_site_from_none(people: Cast) -> None:
    for address in of_site(people.site):
        assert people.charlie.get(address).status_code == 404, address
    there = people.charlie.get(f"/sites/{people.site.key}").content
    nowhere = people.charlie.get("/sites/ff_nothing").content
    assert there == nowhere


def test_whoever_is_not_logged_in_is_led_to_the_log_in_and_back(people: Cast) -> None:
    for address in of_site(people.site):
        assert people.anonymous.get(address).headers["Location"].startswith("/login?next="), address
    assert people.anonymous.get("/sites").headers["Location"] == "/login?next=/sites"


def test_staff_are_strangers_where_they_are_no_members(people: Cast) -> None:
    staff = person("staff")
    User.objects.filter(email="staff@example.com").update(is_staff=True, is_superuser=True)
    assert staff.get(f"/sites/{people.site.key}").status_code == 404


def test_reading_pages_never_takes_a_post(people: Cast) -> None:
    for address in of_site(people.site):
        assert people.alice.post(address).status_code == 405, address


def test_pages_of_figures_are_kept_by_no_cache(people: Cast) -> None:
    for address in of_site(people.site):
        assert "no-store" in people.alice.get(address).headers["Cache-Control"], address


# --- The overview -----------------------------------------------------------------------------------------


def test_the_overview_prints_the_figures(people: Cast) -> None:
    seen(people.site, source="Google", country="DE")
    began_before(people.site)
    page = people.alice.get(f"/sites/{people.site.key}?period=24h").content.decode()
    for words in ("Visitors 1, new, from 0", "/pricing", "Google", "Germany", "1 visitor now"):
        assert words in page


def test_what_visitors_send_is_never_markup(people: Cast) -> None:
    seen(people.site, path="/<script>alert(1)</script>", source='"><img src=x onerror=alert(1)>')
    for end in ("", "/pages", "/sources", "/parts/figures"):
        page = people.alice.get(f"/sites/{people.site.key}{end}?period=24h").content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page


def test_a_page_has_no_inline_script_or_style(people: Cast) -> None:
    seen(people.site)
    for address in ["/sites", "/sites/new", *(a for a in of_site(people.site) if not a.endswith(".csv"))]:
        page = people.alice.get(address).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=", page), address
        scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page)
        assert all('type="application/json"' in script for script in scripts), address


def test_a_part_is_one_panel_in_another_tab(people: Cast) -> None:
    seen(people.site, channel="Email")
    page = people.alice.get(f"/sites/{people.site.key}/parts/sources?period=24h&sources=channels").content.decode()
    assert page.count("data-part=") == 1
    assert "Email" in page


def test_a_part_that_is_none_is_not_found(people: Cast) -> None:
    assert people.alice.get(f"/sites/{people.site.key}/parts/secrets").status_code == 404


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("period=decade", "period=decade: is not a period."),
        ("period=custom&from=2026-02-31&to=2026-03-01", "2026-02-31"),
        ("interval=week&period=today", "interval=week: does not suit"),
        ("f=is,password,x", "password"),
        ("compare=never", "compare=never"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(people: Cast, address: str, words: str) -> None:
    response = people.alice.get(f"/sites/{people.site.key}?{address}")
    assert response.status_code == 400
    assert words in response.content.decode()


def test_the_version_changes_with_the_next_event(people: Cast) -> None:
    here = f"/sites/{people.site.key}/now"
    before = people.alice.get(here).json()
    now = datetime.now(UTC)
    IngestCount.objects.create(
        site_id=people.site.pk,
        hour=now.replace(minute=0, second=0, microsecond=0),
        outcome="stored",
        reason="",
        events=1,
    )
    after = people.alice.get(here).json()
    assert before["version"] != after["version"]


def test_live_visitors_are_counted_and_said(people: Cast) -> None:
    here = f"/sites/{people.site.key}/now"
    assert people.alice.get(here).json()["text"] == "Nobody now"
    seen(people.site, visitor=1)
    seen(people.site, visitor=2)
    now = people.alice.get(here).json()
    assert (now["text"], now["visitors"], now["is_on"]) == ("2 visitors now", 2, True)


# --- CSV --------------------------------------------------------------------------------------------------


def test_the_csv_of_the_chart_is_its_table(people: Cast) -> None:
    seen(people.site)
    began_before(people.site)
    response = people.alice.get(f"/sites/{people.site.key}/chart.csv?period=7d&interval=day&metric=pageviews")
    head, *rows = read_csv(response.content.decode())
    assert head == ["From", "Until", "Page views", "Compared with", "Page views before"]
    assert len(rows) == 7
    assert sum(float(row[2]) for row in rows) == 1


def test_a_csv_is_a_file_with_a_name_of_ours(people: Cast) -> None:
    response = people.alice.get(f"/sites/{people.site.key}/sources.csv?period=today")
    today = datetime.now(UTC).date().isoformat()
    named = f'attachment; filename="shop-example-com-sources-{today}-{today}.csv"'
    assert response.headers["Content-Disposition"] == named
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_csv_holds_no_formula(people: Cast) -> None:
    seen(people.site, source='=HYPERLINK("https://evil.example")')
    rows = read_csv(people.alice.get(f"/sites/{people.site.key}/sources.csv?period=24h").content.decode())
    assert rows[1][0] == """'=HYPERLINK("https://evil.example")"""


# --- Sites ------------------------------------------------------------------------------------------------


def test_the_list_holds_ones_own_sites_only(people: Cast) -> None:
    Site.objects.create(name="Secret", domain="secret.example.com")
    page = people.alice.get("/sites").content.decode()
    assert "shop.example.com" in page
    assert "secret.example.com" not in page
    assert "No site yet" in people.charlie.get("/sites").content.decode()


def test_the_list_shows_the_busiest_site_first(people: Cast) -> None:
    busy = Site.objects.create(name="Zoo", domain="zoo.example.com")
    Membership.objects.create(site=busy, user=people.site.memberships.get(role="owner").user, role="owner")
    seen(busy)
    rows = people.alice.get("/sites").context["rows"]
    assert [(row["name"], row["visitors"]) for row in rows] == [("Zoo", "1"), ("Shop", "0")]


def new_site(client: Client, **changed: str) -> Any:
    told = {"name": "Blog", "domain": "blog.example.org", "timezone": "Europe/Berlin", "identity": "anonymous"}
    return client.post("/sites/new", {**told, **changed})


def test_a_new_site_belongs_to_who_added_it(people: Cast) -> None:
    response = new_site(people.charlie)
    site = Site.objects.get(domain="blog.example.org")
    assert response.headers["Location"] == f"/sites/{site.key}/setup"
    assert (site.timezone, site.identity) == ("Europe/Berlin", "anonymous")
    assert people.charlie.get(f"/sites/{site.key}").status_code == 200
    assert people.alice.get(f"/sites/{site.key}").status_code == 404


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("https://Blog.Example.org/path?x=1", "blog.example.org"),
        (" blog.example.org. ", "blog.example.org"),
        ("blog.example.org", "blog.example.org"),
    ],
)
def test_a_pasted_address_becomes_a_host(people: Cast, told: str, kept: str) -> None:
    new_site(people.alice, domain=told)
    assert Site.objects.filter(domain=kept).exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Give the site a name."),
        ("domain", "", "Write the host: shop.example.com."),
        ("domain", "shop example.com", "A host has no space. Write shop.example.com."),
        ("domain", "user@example.com", "is not a host"),
        ("timezone", "Mars/Base", "Mars/Base: is not a time zone"),
    ],
)
def test_a_wrong_field_is_named_with_the_way_out(people: Cast, field: str, value: str, words: str) -> None:
    response = new_site(people.alice, **{field: value})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert f'aria-describedby="about_{field}" aria-invalid="true"' in response.content.decode()


def test_a_new_site_takes_no_other_field(people: Cast) -> None:
    new_site(people.alice, key="ff_chosen", secret="x", is_active="", session_minutes="1")
    site = Site.objects.get(domain="blog.example.org")
    assert site.key != "ff_chosen"
    assert (site.is_active, site.session_minutes) == (True, 30)


def test_the_choice_of_identity_says_what_it_costs(people: Cast) -> None:
    page = people.alice.get("/sites/new").content.decode()
    assert "The same person counts as a new visitor each day" in page
    assert "ask for consent" in page


# --- Set-up -----------------------------------------------------------------------------------------------


def test_the_set_up_waits_until_an_event_is_there(people: Cast) -> None:
    here = f"/sites/{people.site.key}/setup/status"
    assert "Waiting for the first event" in people.alice.get(here).content.decode()
    seen(people.site)
    page = people.alice.get(here).content.decode()
    assert "It works" in page
    assert "1 min ago" in page


def snippet(client: Client, site: Site, address: str = "") -> str:
    page = client.get(f"/sites/{site.key}/setup{address}").content.decode()
    found = re.search(r'<pre id="snippet"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return re.sub(r"<[^>]+>", "", found[1]).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')


def test_the_snippet_has_the_key_and_the_address(people: Cast) -> None:
    text = " ".join(snippet(people.alice, people.site).split())
    assert text == f'<script defer src="http://testserver/analytics.js" data-site="{people.site.key}"></script>'


def test_the_snippet_uses_the_configured_address(people: Cast, settings: Settings) -> None:
    settings.BASE_URL, settings.HTTPS = "https://stats.example.com", True
    assert 'src="https://stats.example.com/analytics.js"' in snippet(people.alice, people.site)


def test_a_site_without_storage_has_a_snippet_that_says_so(people: Cast) -> None:
    Site.objects.filter(pk=people.site.pk).update(identity=Site.Identity.ANONYMOUS)
    assert 'data-identity="none"' in snippet(people.alice, people.site)


def test_who_waits_for_the_first_event_is_shown_where_refused_ones_stand(people: Cast) -> None:
    text = people.alice.get(f"/sites/{people.site.key}/setup").content.decode()
    told = text.partition("Nothing after two minutes?")[2].partition("</section>")[0]
    assert f'href="/sites/{people.site.key}/not-counted"' in told


def test_the_server_tab_has_an_example_with_the_key(people: Cast) -> None:
    text = snippet(people.alice, people.site, "?way=server")
    assert text.startswith("curl http://testserver/api/v1/events")
    assert people.site.key in text


# --- Errors -----------------------------------------------------------------------------------------------


def test_errors_have_pages_of_their_own(client: Client) -> None:
    page = client.get("/nothing/here").content.decode()
    assert "There is nothing at this address" in page


def test_the_page_of_a_fault_needs_nothing_but_itself() -> None:
    for name in ("400.html", "403.html", "403_csrf.html", "404.html", "500.html"):
        assert "Go to all sites" in get_template(name).render()


def test_every_colour_and_size_of_the_style_sheets_is_a_token() -> None:
    folder = Path(django_settings.BASE_DIR) / "static" / "css"
    for sheet in folder.glob("*.css"):
        if sheet.name != "tokens.css":
            assert not re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", sheet.read_text()), sheet.name


def test_every_token_that_is_used_exists() -> None:
    folder = Path(django_settings.BASE_DIR) / "static" / "css"
    known = set(re.findall(r"(--[\w-]+):", (folder / "tokens.css").read_text()))
    used = {name for sheet in folder.glob("*.css") for name in re.findall(r"var\((--[\w-]+)", sheet.read_text())}
    assert used <= known
