"""One page is one row, however its address is written."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import rules
from ingest.enrich import source
from ingest.models import Site
from ingest.sites import KnownSite
from ingest.webaddress import HOST_MAX, MARKS_MAX, host_of, path_of


def test_it_works() -> None:
    assert path_of("/stra%C3%9Fe") == path_of("/straße") == "/straße"
    assert host_of("WWW.Example.com.") == "www.example.com"


PATHS = [
    ("nothing to do", "/a/b-c_d.html", "/a/b-c_d.html"),
    ("letters that need no escape", "/%61%2D%7E%5f", "/a-~_"),
    ("small letters in an escape", "/a%2fb%3f", "/a%2Fb%3F"),
    ("a slash, a question mark, a hash, a percent sign", "/%2F%3F%23%25", "/%2F%3F%23%25"),
    ("a space, written or escaped", "/a b%20c", "/a%20b%20c"),
    ("signs that end an attribute", "/%3Cb%3E%22%27", "/%3Cb%3E%22%27"),
    ("control characters", "/%00%0A%7F", "/%00%0A%7F"),
    ("a sign that turns the writing round", "/%E2%80%AEcod", "/%E2%80%AEcod"),
    ("a sign of no width", "/a%E2%80%8Bb", "/a%E2%80%8Bb"),
    ("an emoji", "/%F0%9F%98%80", "/😀"),
    ("no UTF-8", "/%ff%FE/%C3", "/%FF%FE/%C3"),
    ("half UTF-8", "/%C3%9F%C3", "/ß%C3"),
    ("a surrogate", "/%ED%A0%80", "/%ED%A0%80"),
    ("Latin-1", "/stra%DFe", "/stra%DFe"),
    ("a percent sign of its own", "/100%/%zz/%4", "/100%/%zz/%4"),
    ("a percent sign before an escape", "/%%34%31", "/%%341"),
    ("escaped twice", "/%2541", "/%2541"),
    ("an accent of its own", "/e%CC%81", "/é"),
    ("an accent behind an escape", "/%2C%CC%A7", "/%2C\u0327"),
    ("double slashes", "//a//b/", "//a//b/"),
    ("dots", "/a/../b/%2E%2E/", "/a/../b/../"),
]


@pytest.mark.parametrize(("written", "kept"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_a_path_has_one_form(written: str, kept: str) -> None:
    assert path_of(written) == kept


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PIECES = st.lists(st.one_of(TEXTS, st.sampled_from(["%", "%4", "%41", "%c3%9f", "%ff", "%2f", "\u0327"])), max_size=8)


@given(PIECES.map("".join))
def test_the_form_of_a_form_is_itself(written: str) -> None:
    assert path_of(path_of(written)) == path_of(written)


@given(TEXTS)
def test_capitals_in_an_escape_make_no_difference(text: str) -> None:
    escaped = quote(text, safe="/!$&'()*+,;=:@")
    assert path_of(escaped) == path_of(re.sub("%..", lambda escape: escape[0].lower(), escaped))


@given(st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=30))
def test_letters_are_the_same_escaped_and_not(text: str) -> None:
    assert path_of("/" + quote(text)) == path_of("/" + text)


@given(PIECES.map("".join))
def test_no_slash_question_mark_or_hash_appears_that_was_not_there(written: str) -> None:
    kept = path_of(written)
    assert all(kept.count(sign) == written.count(sign) for sign in "/?#")


HOSTS = [
    ("shop.example.com", "shop.example.com"),
    ("Shop.Example.COM.", "shop.example.com"),
    ("shop.example.com...", "shop.example.com"),
    ("xn--strae-oqa.de", "straße.de"),
    ("STRAẞE.de", "straße.de"),
    ("XN--MNCHEN-3YA.example", "münchen.example"),
    ("mu\u0308nchen.example", "münchen.example"),
    ("xn--e1afmkfd.xn--p1ai", "пример.рф"),
    ("xn--.example", "xn--.example"),
    ("xn--a.example", "xn--a.example"),
    ("xn--shop-.example", "xn--shop-.example"),  # of letters that need no punycode
    ("xn--xn---epa.example", "xn--xn---epa.example"),  # would begin with xn-- again
    ("xn--0.example", "xn--0.example"),
    ("[2001:db8::1]", "[2001:db8::1]"),
    ("", ""),
]


@pytest.mark.parametrize(("written", "kept"), HOSTS)
def test_a_host_has_one_form(written: str, kept: str) -> None:
    assert host_of(written) == kept


@given(st.text(st.characters(codec="ascii", categories=["Ll", "Nd"], include_characters="-"), max_size=40))
def test_punycode_never_makes_a_plain_name_or_a_sign(text: str) -> None:
    found = host_of(f"xn--{text}")
    assert found.startswith("xn--") or (not found.isascii() and not set(found) & set("./:@ %"))
    assert host_of(found) == found


# --- The same form wherever an address is compared --------------------------------------------------------


@pytest.mark.parametrize("host", ["münchen.example", "xn--mnchen-3ya.example", "MÜNCHEN.example."])
def test_an_allowed_host_may_be_written_either_way(site: Site, host: str) -> None:
    site.allowed_hosts = [host, f"*.{host}"]
    known = KnownSite.of(site)
    assert known.allows(host_of("www.xn--mnchen-3ya.example"))
    assert known.allows(host_of("münchen.example"))
    assert not known.allows("munchen.example")


@pytest.mark.parametrize("referrer", ["https://münchen.example/a", "https://www.xn--mnchen-3ya.example/a"])
def test_a_site_with_a_name_of_its_own_script_refers_nobody_to_itself(referrer: str) -> None:
    assert source.external(referrer, host_of("xn--mnchen-3ya.example")) is None
    assert source.external(referrer, "other.example") == referrer.replace("xn--mnchen-3ya", "münchen")


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("host", "*.XN--MNCHEN-3YA.example", "*.münchen.example"),
        ("referrer", "xn--mnchen-3ya.example.", "münchen.example"),
        ("path", "/stra%C3%9Fe/**", "/straße/**"),
        ("path", "/a b/*", "/a%20b/*"),
    ],
)
def test_a_rule_is_kept_in_the_form_of_what_it_is_compared_with(kind: str, value: str, form: str) -> None:
    assert rules.NORMAL[kind](value) == form


# --- What a sender may pile up ----------------------------------------------------------------------------

PILE = "a" + "\u0301\u0316" * 2_000  # in an order that composing would have to mend


@pytest.mark.parametrize("form", [path_of, host_of])
def test_a_pile_of_marks_costs_no_time(form: Callable[[str], str]) -> None:
    started = time.process_time()
    assert [form(f"/{PILE}") for _ in range(50)] == [f"/{PILE}"] * 50
    assert time.process_time() - started < 0.3


def test_as_many_marks_as_a_language_may_write_are_composed() -> None:
    assert path_of("/e" + "\u0301" * MARKS_MAX) == "/é" + "\u0301" * (MARKS_MAX - 1)
    assert path_of("/e" + "\u0301" * (MARKS_MAX + 1)) == "/e" + "\u0301" * (MARKS_MAX + 1)


def test_what_is_too_long_for_a_host_stays_as_it_is() -> None:
    assert host_of("xn--" + "a" * HOST_MAX) == "xn--" + "a" * HOST_MAX
