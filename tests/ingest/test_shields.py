"""A site's own rules, from the row to the door."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingest import rules, shields, sites
from ingest.models import ApiKey, Shield, Site
from ingest.pipeline import collect
from ingest.sites import KnownSite
from ingest.steps import STEPS, drop_blocked, drop_paused, put_page, put_visitor
from tests.conftest import counts, rows
from tests.ingest.examples import ADDRESS, arrival, batch, document, event, waiting
from tests.ingest.writers import with_own_connection

GERMAN = "84.128.0.1"
PAGE = {"name": "pageview", "url": "https://shop.example.com/admin/users", "referrer": "https://forum.example/t/1"}
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def rule(site: Site, kind: str, value: str, **fields: Any) -> Shield:
    shield = Shield(site=site, kind=kind, value=value, **fields)
    shield.full_clean()
    shield.save()
    sites.forget()
    return shield


def reasons(site: Site, *events: Any, **request: Any) -> list[str]:
    """Why the events were dropped."""
    answer = collect(arrival(document(site, *(events or [PAGE])), **request))
    assert answer.status == 202, answer.body
    return [drop["reason"] for drop in json.loads(answer.body)["dropped"]]


def changed(site: Site, **values: Any) -> Site:
    Site.objects.filter(pk=site.pk).update(**values)
    sites.forget()
    return site


def with_key(site: Site) -> str:
    return ApiKey.issue(site, "Till", ApiKey.Scope.WRITE)[1]


def test_it_works(site: Site) -> None:
    blocked = rule(site, "path", "/admin/**")
    assert reasons(site, PAGE, {"name": "pageview", "url": "https://shop.example.com/"}) == ["blocked_path"]
    (sent,) = waiting()
    assert sent.hits == {blocked.pk: 1}
    assert [one.path for one in sent.events] == ["/"]


# --- At the door ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("address", "203.0.113.0/24", "blocked_address"),
        ("country", "DE", "blocked_country"),
        ("host", "*.example.com", "blocked_host"),
        ("path", "/admin/*", "blocked_path"),
        ("referrer", "forum.example", "spam_referrer"),
    ],
)
def test_each_kind_has_its_reason(site: Site, kind: str, value: str, reason: str) -> None:
    blocked = rule(site, kind, value)
    address = GERMAN if kind == "country" else ADDRESS
    assert reasons(site, address=address) == [reason]
    assert waiting()[0].hits == {blocked.pk: 1}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("address", "198.51.100.7"),
        ("country", "FR"),
        ("host", "example.com"),
        ("path", "/ADMIN/**"),
        ("referrer", "t.forum.example"),
    ],
)
def test_what_no_rule_covers_is_counted(site: Site, kind: str, value: str) -> None:
    rule(site, kind, value)
    assert reasons(site, address=GERMAN) == []


def test_a_rule_that_is_off_drops_nothing(site: Site) -> None:
    rule(site, "path", "/admin/**", is_active=False)
    assert reasons(site) == []


def test_a_rule_is_of_one_site(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    rule(other, "path", "/admin/**")
    assert reasons(site) == []


def test_the_first_kind_names_the_reason(site: Site) -> None:
    rule(site, "path", "/admin/**")
    address = rule(site, "address", ADDRESS)
    assert reasons(site) == ["blocked_address"]
    assert waiting()[0].hits == {address.pk: 1}


def test_the_own_pages_are_no_referrer_to_block(site: Site) -> None:
    rule(site, "referrer", "shop.example.com")
    assert reasons(site, {**PAGE, "referrer": "https://shop.example.com/"}) == []


def test_a_server_is_judged_by_its_visitors_address_and_not_by_its_own(site: Site) -> None:
    rule(site, "address", ADDRESS)
    key = with_key(site)
    assert reasons(site, {"name": "signup"}, {"name": "signup", "ip": ADDRESS}, server_key=key) == ["blocked_address"]


def test_a_server_is_judged_by_its_visitors_country(site: Site) -> None:
    rule(site, "country", "DE")
    assert reasons(site, {"name": "signup", "ip": GERMAN}, server_key=with_key(site)) == ["blocked_country"]


def test_rules_see_what_is_stored(site: Site) -> None:
    """Else a rule would not find in the past what it drops at the door."""
    rule(site, "path", "/reset/[token]")
    page = {"name": "pageview", "url": "https://shop.example.com/reset/0123456789abcdef0123456789abcdef"}
    assert reasons(site, page) == ["blocked_path"]


def test_the_order_of_the_steps_has_its_reasons() -> None:
    assert STEPS[0] is drop_paused
    assert STEPS.index(put_page) < STEPS.index(drop_blocked) < STEPS.index(put_visitor)


# --- Paused, ahead of time, not to be tracked -------------------------------------------------------------


def test_a_paused_site_answers_and_counts_nothing(site: Site) -> None:
    assert reasons(changed(site, is_paused=True), PAGE, PAGE) == ["site_paused", "site_paused"]
    assert waiting()[0].outcomes == {"dropped": {"site_paused": 2}}


def test_a_paused_site_is_paused_for_bots_too(site: Site) -> None:
    assert reasons(changed(site, is_paused=True), user_agent=GOOGLEBOT) == ["site_paused"]


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "Prefetch", "prerender", "preview"])
def test_a_page_that_nobody_has_seen_is_dropped(site: Site, purpose: str) -> None:
    assert reasons(site, purpose=purpose) == ["prefetch"]


@pytest.mark.parametrize("purpose", ["", "navigate"])
def test_a_page_that_somebody_asked_for_is_counted(site: Site, purpose: str) -> None:
    assert reasons(site, purpose=purpose) == []


def test_a_wish_not_to_be_tracked_is_honoured_where_the_site_does(site: Site) -> None:
    assert reasons(site, asks_not_to_track=True) == []
    assert reasons(changed(site, honours_dnt=True), asks_not_to_track=True) == ["do_not_track"]
    assert reasons(site, asks_not_to_track=False) == []


def test_a_servers_own_wish_says_nothing_of_its_visitors(site: Site) -> None:
    changed(site, honours_dnt=True)
    assert reasons(site, {"name": "signup"}, asks_not_to_track=True, server_key=with_key(site)) == []


# --- What is kept of addresses ----------------------------------------------------------------------------


def stored_page(site: Site, url: str, **fields: Any) -> Any:
    collect(arrival(document(site, {"name": "pageview", "url": url, **fields})))
    return waiting()[-1].events[0]


def test_a_site_keeps_the_parameters_that_it_names(site: Site) -> None:
    changed(site, kept_parameters=["Size", "q"])
    page = stored_page(site, "https://shop.example.com/shoes?size=42&page=2&q=jo%40mail.example&utm_source=x")
    assert page.query == "size=42&q=%5Bemail%5D&utm_source=x"


def test_the_writer_keeps_them_too(site: Site) -> None:
    from ingest.writer import write

    changed(site, kept_parameters=["size"])
    write([batch(site, event(query="size=42&page=2"))])
    assert rows("SELECT query FROM ingest_event") == [("size=42",)]


def test_a_named_parameter_that_is_a_campaigns_stays_one(site: Site) -> None:
    changed(site, kept_parameters=["gclid"])
    click = "Cj0KCQiA1rSsBhDHARIsANB4EJZ0abcDEF123456"
    assert stored_page(site, f"https://shop.example.com/?gclid={click}").query == f"gclid={click}"


def test_secrets_of_addresses_are_nowhere_in_redis(site: Site) -> None:
    token = "0123456789abcdef0123456789abcdef"
    page = stored_page(
        site, f"https://shop.example.com/reset/{token}?key={token}", referrer=f"https://mail.example/{token}?t={token}"
    )
    assert (page.path, page.query, page.referrer) == ("/reset/[token]", None, "https://mail.example/[token]")
    assert token not in repr(waiting())


def test_links_that_were_followed_are_scrubbed(site: Site) -> None:
    link = "https://partner.example/?mail=jo@mail.example"
    sent = {"name": "outbound", "label": link, "properties": {"url": link, "place": "jo@mail.example"}}
    collect(arrival(document(site, sent)))
    found = waiting()[0].events[0]
    assert found.label == "https://partner.example/?mail=[email]"
    assert found.properties == {"url": "https://partner.example/?mail=[email]", "place": "jo@mail.example"}


# --- The rows ---------------------------------------------------------------------------------------------


def test_a_site_with_its_rules_costs_two_queries(site: Site) -> None:
    for number in range(20):
        rule(site, "path", f"/{number}")
    with CaptureQueriesContext(connection) as asked:
        found = sites.by_key(site.key)
    assert found is not None
    assert found.rules.matching("path", "/19") is not None
    assert len(asked) == 2


def test_a_site_without_rules_is_the_same_each_time_it_is_read(site: Site) -> None:
    assert KnownSite.of(site) == KnownSite.of(site)
    assert hash(KnownSite.of(site)) == hash(KnownSite.of(site))


def test_a_value_is_brought_into_its_form(site: Site) -> None:
    assert rule(site, "country", " de ").value == "DE"


def test_a_wrong_value_is_told_at_its_field(site: Site) -> None:
    with pytest.raises(ValidationError) as caught:
        Shield(site=site, kind="address", value="10.0.0.0/33").full_clean()
    assert caught.value.message_dict["value"] == [
        "10.0.0.0/33: is no address or range. Write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32."
    ]


def test_the_same_rule_is_there_once(site: Site) -> None:
    rule(site, "address", "10.0.0.0/8")
    with pytest.raises(ValidationError, match="already exists"):
        rule(site, "address", "10.9.9.9/8")


def test_a_site_has_so_many_rules_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST", 2)
    first = rule(site, "path", "/1")
    rule(site, "path", "/2")
    with pytest.raises(ValidationError, match=r"Shop: has 2 rules, the most there may be\. Delete one first\."):
        rule(site, "path", "/3")
    first.full_clean()


def test_a_value_that_went_past_the_forms_stops_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    wrong = Shield.objects.create(site=site, kind="address", value="nonsense")
    rule(site, "path", "/admin/**")
    assert reasons(site) == ["blocked_path"]
    assert f"Shield {wrong.pk} matches nothing: nonsense: is no address" in caplog.text


def test_hits_and_reasons_reach_the_tables(committed: Site) -> None:
    from ingest.drain import Drain

    blocked = rule(committed, "path", "/admin/**")
    reasons(committed, PAGE, PAGE, {"name": "signup"})
    with_own_connection(lambda: Drain().turn())
    assert rows("SELECT shield_id, events FROM ingest_shield_hit") == [(blocked.pk, 2)]
    assert counts() == {("stored", ""): 1, ("dropped", "blocked_path"): 2}


# --- The box to test a rule with --------------------------------------------------------------------------


@pytest.fixture
def listed(site: Site) -> Site:
    for kind, value in [
        ("address", "84.0.0.0/8"),
        ("country", "DE"),
        ("host", "*.example.com"),
        ("path", "/admin/**"),
        ("referrer", "example.com"),
    ]:
        rule(site, kind, value)
    return site


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (GERMAN, ["address", "country"]),
        ("10.0.0.1", []),
        ("2001:db8::1", []),
        ("de", ["country"]),
        ("FR", []),
        ("/admin/x?y=1#z", ["path"]),
        ("/blog", []),
        ("https://shop.example.com/admin/x", ["host", "path", "referrer"]),
        ("shop.example.com/admin/x", ["host", "path", "referrer"]),
        (" Shop.Example.com ", ["host", "referrer"]),
        ("https://other.example/", []),
        ("https://[::1", []),
        ("", []),
    ],
)
def test_it_tells_which_rules_would_drop_something(listed: Site, text: str, kinds: list[str]) -> None:
    assert [shield.kind for shield in shields.tested(listed, text)] == kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("/stra%C3%9Fe", ["path"]),
        ("https://xn--mnchen-3ya.example/stra%C3%9fe", ["host", "path"]),
        ("/an/jo@mail.example", ["path"]),
    ],
)
def test_it_takes_an_address_as_a_browser_shows_it(site: Site, text: str, kinds: list[str]) -> None:
    for kind, value in [("host", "münchen.example"), ("path", "/straße"), ("path", "/an/[email]")]:
        rule(site, kind, value)
    assert [shield.kind for shield in shields.tested(site, text)] == kinds


def test_a_rule_that_is_off_would_drop_nothing(listed: Site) -> None:
    Shield.objects.update(is_active=False)
    assert shields.tested(listed, "/admin/x") == []


def test_paths_of_a_site_have_a_bound_together(site: Site) -> None:
    """What an event may cost grows with all of them."""
    for number in range(rules.MOST_PATH_CHARACTERS // 250):
        Shield.objects.create(site=site, kind="path", value=f"/{number}/".ljust(250, "x"))
    with pytest.raises(ValidationError, match="10,000 characters together"):
        Shield(site=site, kind="path", value="/one/more").full_clean()
    Shield(site=site, kind="host", value="one.example.com").full_clean()
