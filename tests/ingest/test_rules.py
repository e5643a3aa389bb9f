"""What an owner may write as a rule, and what it covers."""

import ipaddress
import re
import time

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from ingest.rules import COUNTRIES, MATCHERS, NO_RULES, NORMAL, VALUE_MAX, Rule, Rules, expression, normal
from reports.countries import NAMES


def rules(kind: str, *values: str) -> Rules:
    """Rules 1, 2, 3 … of one kind."""
    return Rules(Rule(number, kind, normal(kind, value)) for number, value in enumerate(values, 1))


def covers(kind: str, value: str, subject: str) -> bool:
    return rules(kind, value).matching(kind, subject) is not None


def refusal(kind: str, value: str) -> str:
    with pytest.raises(ValidationError) as caught:
        normal(kind, value)
    (sentence,) = caught.value.messages
    return sentence


def test_it_works() -> None:
    mixed = Rules([Rule(7, "country", "DE"), Rule(8, "path", "/admin/**")])
    assert mixed.matching("path", "/admin/x") == 8
    assert mixed.matching("country", "DE") == 7
    assert mixed.matching("host", "admin.example.com") is None


def test_every_kind_can_be_written_and_matched() -> None:
    assert set(NORMAL) == set(MATCHERS)


def test_a_site_without_rules_has_none() -> None:
    assert not NO_RULES
    assert rules("path", "/")
    assert "path" in rules("path", "/")
    assert "host" not in rules("path", "/")


@pytest.mark.parametrize("kind", NORMAL)
def test_what_an_event_does_not_say_is_covered_by_nothing(kind: str) -> None:
    value = {"address": "10.0.0.0/8", "country": "DE", "path": "/a/**"}.get(kind, "example.com")
    assert rules(kind, value).matching(kind, None) is None
    assert rules(kind, value).matching(kind, "") is None


# --- Written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "kept"),
    [
        ("address", " 10.1.2.3 ", "10.1.2.3"),
        ("address", "10.1.2.3/8", "10.0.0.0/8"),
        ("address", "10.1.2.3/32", "10.1.2.3"),
        ("address", "2001:DB8:0:0::1", "2001:db8::1"),
        ("address", "2001:db8::/32", "2001:db8::/32"),
        ("address", "::ffff:198.51.100.4", "198.51.100.4"),
        ("country", "de", "DE"),
        ("country", "xk", "XK"),
        ("host", "Shop.Example.COM.", "shop.example.com"),
        ("host", "*.example.com", "*.example.com"),
        ("host", "localhost", "localhost"),
        ("host", "münchen.example", "münchen.example"),
        ("referrer", "*.Spam.example", "spam.example"),
        ("path", "/", "/"),
        ("path", "/a/****/b", "/a/**/b"),
        ("path", "*.php", "*.php"),
    ],
)
def test_a_value_has_one_form(kind: str, written: str, kept: str) -> None:
    assert normal(kind, written) == kept
    assert normal(kind, kept) == kept


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("address", "10.0.0.0/33", "10.0.0.0/33: is no address or range. Write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32."),
        ("address", "example.com", "example.com: is no address or range."),
        ("address", "0.0.0.0/0", "0.0.0.0/0: covers every address. To count nobody, pause the site."),
        ("address", "::/0", "covers every address"),
        ("country", "UK", "UK: is no country. Write its two letters of ISO 3166, such as DE, GB or US."),
        ("country", "Germany", "is no country"),
        ("host", "https://example.com/", "https://example.com/: is no host. Write shop.example.com, or *.example.com"),
        ("host", "exa mple.com", "is no host"),
        ("host", "a.*.com", "is no host"),
        ("host", "a." * 127 + "example", "is no host"),
        ("referrer", "spam.example/path", "spam.example/path: is no host. Write example.com, which covers"),
        ("path", "admin", "admin: is no path. Write /admin, /admin/** or /*/preview, without ? or #."),
        ("path", "/a?b=1", "is no path"),
        ("path", "/a#b", "is no path"),
        ("path", "/**", "/**: covers almost every page. To count nobody, pause the site."),
        ("path", "**/*", "covers almost every page"),
    ],
)
def test_a_wrong_value_is_told_with_the_rule_and_the_way_out(kind: str, value: str, sentence: str) -> None:
    assert sentence in refusal(kind, value)


@pytest.mark.parametrize("value", ["", "   ", "/" + "x" * VALUE_MAX])
def test_a_value_is_neither_empty_nor_too_long(value: str) -> None:
    assert refusal("path", value).endswith("must have 1 to 300 characters.")


def test_every_country_that_reports_can_name_can_be_blocked() -> None:
    assert set(NAMES) == COUNTRIES


# --- Addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "subject", "covered"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.0.0.0/8", "10.255.255.255", True),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("128.0.0.0/1", "255.1.1.1", True),
        ("10.0.0.0/8", "::ffff:10.1.1.1", True),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("::10.0.0.0/104", "10.1.1.1", False),
        ("10.0.0.0/8", "", False),
        ("10.0.0.0/8", "unknown", False),
    ],
)
def test_an_address_is_covered_by_its_ranges(value: str, subject: str, covered: bool) -> None:
    assert covers("address", value, subject) is covered


@given(st.lists(st.ip_addresses(), min_size=1, max_size=20), st.integers(1, 32), st.ip_addresses())
def test_ranges_cover_what_the_standard_library_says(
    starts: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
    size: int,
    sought: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    networks = [ipaddress.ip_network(f"{start}/{size}", strict=False) for start in starts]
    found = rules("address", *map(str, networks)).matching("address", str(sought))
    real = getattr(sought, "ipv4_mapped", None) or sought
    assert (found is not None) == any(real in network for network in networks)


def test_a_thousand_ranges_cost_as_many_looks_as_they_have_sizes() -> None:
    many = [Rule(number, "address", f"10.{number // 256}.{number % 256}.0/24") for number in range(1000)]
    matcher = MATCHERS["address"](many)
    assert matcher.match("10.3.231.9") == 999
    assert len(matcher.of_size) == 1  # type: ignore[attr-defined]


# --- Hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "subject", "covered"),
    [
        ("host", "example.com", "example.com", True),
        ("host", "example.com", "EXAMPLE.com.", True),
        ("host", "example.com", "www.example.com", False),
        ("host", "*.example.com", "a.b.example.com", True),
        ("host", "*.example.com", "example.com", True),
        ("host", "*.example.com", "myexample.com", False),
        ("referrer", "spam.example", "spam.example", True),
        ("referrer", "spam.example", "www.spam.example", True),
        ("referrer", "spam.example", "notspam.example", False),
        ("referrer", "www.spam.example", "spam.example", False),
        ("country", "DE", "de", True),
        ("country", "DE", "AT", False),
    ],
)
def test_a_host_is_covered_exactly_or_with_all_below(kind: str, value: str, subject: str, covered: bool) -> None:
    assert covers(kind, value, subject) is covered


def test_the_narrower_rule_is_named() -> None:
    assert rules("host", "*.example.com", "a.example.com").matching("host", "a.example.com") == 2


def test_a_host_longer_than_any_is_covered_by_nothing() -> None:
    assert not covers("referrer", "example.com", "a." * 5_000 + "example.com")


# --- Paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "subject", "covered"),
    [
        ("/admin", "/admin", True),
        ("/admin", "/admin/", False),
        ("/admin", "/Admin", False),
        ("/admin", "/administration", False),
        ("/admin*", "/administration", True),
        ("/admin/*", "/admin/a", True),
        ("/admin/*", "/admin/", True),
        ("/admin/*", "/admin/a/b", False),
        ("/admin/**", "/admin/a/b", True),
        ("/admin/**", "/admin", False),
        ("/admin**", "/admin", True),
        ("/*/preview", "/shoes/preview", True),
        ("/*/preview", "/a/b/preview", False),
        ("**/preview", "/a/b/preview", True),
        ("*.php", "/wp.php", False),
        ("**.php", "/wp.php", True),
        ("/a*b*c", "/aXbbYcc", True),
        ("/a*b*c", "/aXb/Yc", False),
        ("/[id]+.x", "/[id]+.x", True),
        ("/[id]+.x", "/iiid", False),
        ("/über/*", "/über/uns", True),
        ("/", "/", True),
        ("/", "/a", False),
    ],
)
def test_a_star_is_a_part_of_a_path_and_two_are_any_number(value: str, subject: str, covered: bool) -> None:
    assert covers("path", value, subject) is covered


PATTERNS = st.text("a/*.", min_size=1, max_size=8).map(lambda text: f"/a{text}")


@given(st.lists(PATTERNS, min_size=1, max_size=5), st.text("ab/.\n", max_size=12))
def test_one_walk_finds_what_each_pattern_would(patterns: list[str], rest: str) -> None:
    """The automaton, Python's regular expressions and those that PostgreSQL gets say the same."""
    path = f"/a{rest}"
    found = rules("path", *patterns).matching("path", path)
    by_themselves = [
        number
        for number, pattern in enumerate(patterns, 1)
        if re.fullmatch(expression(normal("path", pattern))[1:-1], path, re.DOTALL)
    ]
    assert found == (by_themselves[0] if by_themselves else None)


def test_what_a_sender_writes_does_not_decide_what_a_path_costs() -> None:
    """Each sign is looked at once; regular expressions would not come back from this one in a life."""
    hostile = rules("path", *("/" + "**a*" * 40 + str(number) for number in range(5)))
    started = time.process_time()
    assert hostile.matching("path", "/" + "a" * 4_000 + "/b") is None
    assert time.process_time() - started < 5


def test_the_walk_ends_where_nothing_can_fit() -> None:
    class Counted(str):
        seen = 0

        def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
            for sign in str.__iter__(self):
                Counted.seen += 1
                yield sign

    assert rules("path", "/admin/**", "/api/*").matching("path", Counted("/blog/" + "x" * 1_000)) is None
    assert Counted.seen == 2
