"""The page "Exclusions": rules, tests, dry runs, the past, and the site's other choices."""

import re
from datetime import UTC, datetime

import psycopg
import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from ingest import pipeline, sites
from ingest.event import DropReason
from ingest.models import Shield, Site
from ingest.rules import MOST
from reports import exclusions
from reports.forms import MOST_HOSTS, MOST_PARAMETERS
from reports.words import of_shield
from tests.ingest.examples import arrival, document
from tests.reports.cast import Cast, cast
from tests.reports.exclusion_pages import address, came, rule, sent, words_of
from tests.reports.ledger_rows import hit

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


def page(people: Cast, query: str = "") -> str:
    return people.alice.get(f"{address(people.site)}{query}").content.decode()


def test_it_works(people: Cast) -> None:
    answer = sent(people, "rules", kind="country", value="de", note="Our own shop")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{address(people.site)}?done=added")
    assert Shield.objects.values_list("kind", "value", "note", "is_active").get() == (
        "country", "DE", "Our own shop", True,
    )  # fmt: skip
    assert "The rule was added. It takes effect within half a minute." in page(people, "?done=added")


# --- The list ---------------------------------------------------------------------------------------------


def test_a_site_without_rules_says_what_that_means(people: Cast) -> None:
    assert "No rule yet" in page(people)


def test_a_rule_is_listed_with_its_hits_of_30_days_and_its_last(site: Site) -> None:
    shield = rule(site, "country", "DE", note="Ours")
    hit(site, shield.pk, 1200, datetime(2026, 11, 20, 13, tzinfo=UTC))
    hit(site, shield.pk, 34, datetime(2026, 11, 1, 9, tzinfo=UTC))
    hit(site, shield.pk, 5, datetime(2026, 10, 1, 9, tzinfo=UTC))
    [row] = exclusions.listed(site, datetime(2026, 11, 21, 8, 41, tzinfo=UTC))
    assert (row["name"], row["note"], row["hits"], row["last"]) == (
        "Country Germany", "Ours", "1,234", "Fri 20 Nov, 13:00",
    )  # fmt: skip


def test_a_rule_without_hits_has_none(site: Site) -> None:
    rule(site)
    [row] = exclusions.listed(site, now())
    assert (row["hits"], row["last"]) == ("0", "—")


def test_hits_that_cannot_be_had_leave_the_rules_standing(
    site: Site, settings: Settings, another: psycopg.Connection
) -> None:
    rule(site)
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_shield_hit IN ACCESS EXCLUSIVE MODE")
        [row] = exclusions.listed(site, now())
    assert (row["value"], row["hits"], row["last"]) == ("/preview/**", "—", "—")


def test_no_more_rules_than_may_be_are_taken(people: Cast) -> None:
    Shield.objects.bulk_create(Shield(site=people.site, kind="path", value=f"/{number}") for number in range(MOST))
    answer = sent(people, "rules", kind="country", value="DE")
    assert (answer.status_code, Shield.objects.count()) == (422, MOST)
    assert f"has {MOST} rules, the most there may be. Delete one first." in words_of(answer)


def test_another_sites_rules_are_neither_seen_nor_touched(people: Cast) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    foreign = rule(other, value="/secret/**")
    assert "/secret/**" not in page(people)
    assert people.alice.get(address(people.site, "rules", foreign.pk)).status_code == 404
    for verb in ("switch", "apply", "delete"):
        assert sent(people, "rules", foreign.pk, verb, state="off").status_code == 404
    assert Shield.objects.get().is_active


def test_who_may_only_view_is_refused_everything_here(people: Cast) -> None:
    shield = rule(people.site)
    for rest in (
        ("rules",),
        ("test",),
        ("set", "pause"),
        ("rules", shield.pk, "switch"),
        ("rules", shield.pk, "delete"),
    ):
        assert people.bob.post(address(people.site, *rest), {"state": "on"}).status_code == 403, rest
        assert people.charlie.post(address(people.site, *rest), {"state": "on"}).status_code == 404, rest
    assert Shield.objects.filter(is_active=True).exists()


def test_a_form_of_another_page_is_refused(people: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = people.alice.cookies
    answer = strict.post(address(people.site, "rules"), {"kind": "country", "value": "DE"})
    assert (answer.status_code, Shield.objects.count()) == (403, 0)


def test_only_who_may_change_the_site_is_led_here(people: Cast) -> None:
    overview = f"/sites/{people.site.key}"
    assert f'href="{address(people.site)}"' in people.alice.get(overview).content.decode()
    assert f'href="{address(people.site)}"' not in people.bob.get(overview).content.decode()


# --- Adding and trying ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        ("address", "10.0.0.0/33", "10.0.0.0/33: is no address or range."),
        ("country", "Germany", "Germany: is no country."),
        ("path", "admin", "admin: is no path."),
        ("host", "shop example.com", "shop example.com: is no host."),
        ("path", "", "Write what is not to be counted."),
        ("path", "/" + "x" * 300, "This has 301 characters: at most 300 fit."),
        ("agent", "x", "agent: is no kind of rule."),
    ],
)
def test_a_value_that_is_none_is_refused_in_its_place(people: Cast, kind: str, value: str, error: str) -> None:
    answer = sent(people, "rules", kind=kind, value=value, note="kept")
    assert (answer.status_code, Shield.objects.count()) == (422, 0)
    assert error in words_of(answer)
    assert 'value="kept"' in answer.content.decode()


def test_a_rule_stands_in_the_list_once(people: Cast) -> None:
    rule(people.site, "country", "DE")
    answer = sent(people, "rules", kind="country", value="de")
    assert (answer.status_code, "DE: is in the list already." in words_of(answer)) == (422, True)


def test_the_readers_own_address_can_be_filled_in(people: Cast) -> None:
    text = people.alice.get(f"{address(people.site)}?mine", REMOTE_ADDR="203.0.113.9").content.decode()
    assert 'name="value" value="203.0.113.9"' in text
    assert Shield.objects.count() == 0


def test_trying_tells_what_would_have_been_dropped_and_keeps_nothing(people: Cast) -> None:
    came(people.site, "/preview/a", "/tea")
    came(people.site, "/preview/a", "/preview/b", visitor=2)
    came(people.site, "/tea", visitor=3)
    answer = sent(people, "rules", kind="path", value="/preview/*", **{"try": "1"})
    assert "This rule would have dropped 3 events of 2 sessions since " in words_of(answer)
    assert "1 session would be gone altogether." in words_of(answer)
    assert (answer.status_code, Shield.objects.count()) == (200, 0)


def test_trying_what_nobody_sent_says_so(people: Cast) -> None:
    answer = sent(people, "rules", kind="country", value="KP", **{"try": "1"})
    assert "This rule would have dropped no event since " in words_of(answer)


def test_an_address_cannot_be_tried_on_the_past(people: Cast) -> None:
    answer = sent(people, "rules", kind="address", value="203.0.113.9", **{"try": "1"})
    assert "Addresses are not kept, so the past cannot be searched." in words_of(answer)


# --- The test box -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("address", "203.0.113.0/24", "203.0.113.9"),
        ("country", "DE", "de"),
        ("path", "/preview/**", "/preview/a/b"),
        ("path", "/preview/**", "https://shop.example.com/preview/a"),
        ("host", "*.example.net", "staging.example.net"),
        ("referrer", "spam.example", "www.spam.example"),
    ],
)
def test_the_rules_that_would_drop_it_are_named(people: Cast, kind: str, value: str, text: str) -> None:
    shield = rule(people.site, kind, value)
    told = words_of(sent(people, "test", text=text))
    assert f"{text} is not counted." in told
    assert f"{of_shield(shield)} drops it." in told


def test_a_rule_that_is_off_drops_nothing(people: Cast) -> None:
    rule(people.site, is_active=False)
    told = words_of(sent(people, "test", text="/preview/a"))
    assert "/preview/a is counted. No rule covers it." in re.sub(r"\s+", " ", told)


def test_what_else_keeps_it_from_being_counted_is_told(site: Site) -> None:
    site.allowed_hosts, site.is_paused = ["shop.example.com"], True
    site.save()
    told = exclusions.judged(site, "https://semalt.com/x")
    assert told["lines"] == [
        "Collecting is paused: nothing is counted.",
        "As a page: semalt.com is not among the allowed hosts.",
        "As a referrer: semalt.com is known for spam.",
    ]


def test_an_allowed_host_is_known_in_either_script(site: Site) -> None:
    site.allowed_hosts = ["münchen.example"]
    site.save()
    assert not exclusions.judged(site, "https://xn--mnchen-3ya.example/")["is_dropped"]


def test_an_addresss_country_is_told(site: Site) -> None:
    assert exclusions.judged(site, "8.8.8.8")["place"] == " It is in United States."


@pytest.mark.parametrize("text", ["", "   ", "http://[", "<script>alert(1)</script>", "☃", "x" * 5000])
def test_any_text_can_be_tested(people: Cast, text: str) -> None:
    answer = sent(people, "test", text=text)
    assert (answer.status_code, "<script>alert" in answer.content.decode()) == (200, False)


# --- Other choices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "field"), [("pause", "is_paused"), ("do-not-track", "honours_dnt")])
def test_a_choice_is_turned_on_and_off(people: Cast, name: str, field: str) -> None:
    for state in ("on", "on", "off"):
        answer = sent(people, "set", name, state=state)
        assert answer.headers["Location"] == f"{address(people.site)}?done=saved#{name}"
        people.site.refresh_from_db()
        assert getattr(people.site, field) == (state == "on")


def test_a_state_that_is_none_changes_nothing(people: Cast) -> None:
    assert sent(people, "set", "pause", state="maybe").status_code == 422
    people.site.refresh_from_db()
    assert not people.site.is_paused


def test_a_choice_that_is_none_is_not_found(people: Cast) -> None:
    assert sent(people, "set", "secret", state="on").status_code == 404


def test_a_paused_site_says_so_on_top(people: Cast) -> None:
    Site.objects.update(is_paused=True)
    assert "Collecting is paused: events of shop.example.com" in page(people)


def test_the_choice_is_felt_at_the_door_of_this_process_at_once(people: Cast) -> None:
    sites.by_key(people.site.key)
    sent(people, "set", "pause", state="on")
    content = document(people.site, {"name": "pageview", "url": "https://shop.example.com/"})
    assert DropReason.SITE_PAUSED in pipeline.collect(arrival(content)).body.decode()


@pytest.mark.parametrize(
    "text", ["shop.example.com\n*.Example.NET", "shop.example.com, *.example.net shop.example.com"]
)
def test_hosts_are_kept_in_their_one_form(people: Cast, text: str) -> None:
    sent(people, "set", "hosts", words=text)
    people.site.refresh_from_db()
    assert people.site.allowed_hosts == ["shop.example.com", "*.example.net"]


def test_an_empty_list_allows_every_host(people: Cast) -> None:
    Site.objects.update(allowed_hosts=["shop.example.com"])
    sent(people, "set", "hosts", words="")
    people.site.refresh_from_db()
    assert people.site.allowed_hosts == []


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("hosts", "https://shop.example.com/", "https://shop.example.com/: is no host."),
        ("hosts", " ".join(f"h{n}.example" for n in range(MOST_HOSTS + 1)), "101 are too many: at most 100"),
        ("parameters", "?product=7", "?product=7: is no name of a parameter. Of ?product=7 write product"),
        ("parameters", " ".join(f"p{n}" for n in range(MOST_PARAMETERS + 1)), "51 are too many: at most 50"),
    ],
)
def test_a_list_that_cannot_be_kept_is_refused_in_its_place(people: Cast, name: str, text: str, error: str) -> None:
    answer = sent(people, "set", name, words=text)
    assert answer.status_code == 422
    assert error in words_of(answer)
    people.site.refresh_from_db()
    assert (people.site.allowed_hosts, people.site.kept_parameters) == ([], [])


def test_names_of_parameters_are_kept_small(people: Cast) -> None:
    sent(people, "set", "parameters", words="Product\nitems[]")
    people.site.refresh_from_db()
    assert people.site.kept_parameters == ["product", "items[]"]


def test_reading_changes_nothing(people: Cast) -> None:
    rule(people.site)
    before = Site.objects.values().get(), Shield.objects.values().get()
    for query in ("", "?mine", "?done=added", "?done=nonsense"):
        assert people.alice.get(f"{address(people.site)}{query}").status_code == 200
    assert (Site.objects.values().get(), Shield.objects.values().get()) == before
