"""From headers to an arrival: whose address is believed, which language, which key."""

import gzip

import pytest
from pytest_django import Settings

from ingest import arrivals
from ingest.refusal import Refused

PEER = "198.51.100.4"


def test_it_works() -> None:
    headers = {
        "content-type": "text/plain",
        "content-encoding": "gzip",
        "user-agent": "Firefox",
        "accept-language": "de-CH,de;q=0.9",
        "authorization": "Bearer ffk_1",
    }
    found = arrivals.of(gzip.compress(b"{}"), headers, PEER, 5.0)
    assert (found.content_type, found.content_encoding) == ("text/plain", "gzip")
    assert (found.address, found.user_agent, found.language) == (PEER, "Firefox", "de-CH")
    assert (found.server_key, found.received_at, found.country) == ("ffk_1", 5.0, None)


def test_a_request_needs_no_headers() -> None:
    found = arrivals.of(b"{}", {}, "", 5.0)
    assert (found.content_type, found.address, found.user_agent) == ("", "", "")
    assert found.language is found.country is found.server_key is None


# --- The address ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forwarded", ["", "203.0.113.9", "unknown, <script>", "1'; select pg_sleep(5)--"])
def test_without_a_proxy_only_the_connection_is_believed(forwarded: str) -> None:
    assert arrivals.address_of(PEER, forwarded) == PEER


HOPS = [
    (1, "203.0.113.9", "203.0.113.9"),
    (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
    (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
    (2, "203.0.113.9", "203.0.113.9"),
    (1, "", PEER),
    (1, "6.6.6.6,", ""),
    (1, "unknown", ""),
    (1, "203.0.113.9:443", ""),
    (1, "[2001:db8::1]", "2001:db8::1"),
    (1, "fe80::1%eth0", "fe80::1"),
    (1, " 2001:DB8:0::1 ", "2001:db8::1"),
]


@pytest.mark.parametrize(("proxies", "forwarded", "address"), HOPS)
def test_behind_proxies_it_is_what_the_outermost_saw(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.INGEST_TRUSTED_PROXIES = proxies
    assert arrivals.address_of(PEER, forwarded) == address


def test_an_address_is_one_however_it_is_written() -> None:
    """A socket that takes both families shows IPv4 senders inside IPv6: one person, one visitor."""
    assert arrivals.address_of("::ffff:198.51.100.4", "") == PEER
    assert arrivals.address_of("[::1]", "") == arrivals.address_of("0:0:0:0:0:0:0:1", "") == "::1"


# --- The other headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [("", None), ("en", "en"), ("en-GB;q=0.8, de", "en-GB"), (" fr ,en", "fr"), (",", None), ("x" * 5000, "x" * 35),
     ("en-US;q=0.9," * 360, "en-US")],
)  # fmt: skip
def test_the_first_language_counts(header: str, language: str | None) -> None:
    assert arrivals.of(b"", {"accept-language": header}, PEER, 0).language == language


@pytest.mark.parametrize(
    ("value", "country"),
    [("de", "DE"), (" FR ", "FR"), ("", None), ("XX", None), ("T1", None), ("DEU", None), ("ÄÖ", None), ("1a", None)],
)
def test_a_proxy_may_state_the_country(settings: Settings, value: str, country: str | None) -> None:
    settings.INGEST_COUNTRY_HEADER, settings.INGEST_TRUSTED_PROXIES = "CF-IPCountry", 1
    assert arrivals.of(b"", {"cf-ipcountry": value}, PEER, 0).country == country


def test_without_a_proxy_of_ours_nobody_may_state_the_country(settings: Settings) -> None:
    settings.INGEST_COUNTRY_HEADER, settings.INGEST_TRUSTED_PROXIES = "CF-IPCountry", 0
    assert arrivals.of(b"", {"cf-ipcountry": "DE"}, PEER, 0).country is None


def test_no_country_header_is_believed_unasked() -> None:
    assert arrivals.of(b"", {"cf-ipcountry": "DE", "": "DE"}, PEER, 0).country is None


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("abc", None),
    ],
)
def test_a_key_comes_as_a_bearer(header: str, key: str | None) -> None:
    assert arrivals.of(b"", {"authorization": header}, PEER, 0).server_key == key


def test_a_long_user_agent_is_cut() -> None:
    assert len(arrivals.of(b"", {"user-agent": "M" * 9000}, PEER, 0).user_agent) == 1024


def test_headers_are_mended_as_all_text_is() -> None:
    """Our server lets no U+0000 through; others may."""
    found = arrivals.of(b"", {"user-agent": "a\x00", "accept-language": "\ud800"}, PEER, 0)
    assert (found.user_agent, found.language) == ("a\ufffd", "\ufffd")


# --- Length and methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["0", "12", "007"])
def test_a_length_is_a_number(length: str) -> None:
    assert arrivals.length_of(length, None) == int(length)


LENGTHS = [(411, None, None), (411, "5", "chunked"), (411, None, "chunked"), (411, "", None), (400, "-1", None),
           (400, "+5", None), (400, "5, 5", None), (400, "٥", None), (400, "²", None), (400, "1e3", None)]  # fmt: skip


@pytest.mark.parametrize(("status", "length", "coding"), LENGTHS)
def test_a_body_of_unknown_length_is_refused(status: int, length: str | None, coding: str | None) -> None:
    with pytest.raises(Refused) as refusal:
        arrivals.length_of(length, coding)
    assert (refusal.value.status, refusal.value.reason) == (status, "bad_request")


def test_a_length_of_5000_digits_is_refused() -> None:
    with pytest.raises(Refused):
        arrivals.length_of("9" * 5000, None)


def test_a_preflight_allows_what_the_tracker_sends() -> None:
    answer = arrivals.preflight()
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_another_method_is_told_which_one_to_use() -> None:
    answer = arrivals.not_allowed("PROPFIND")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    assert b"method_not_allowed" in answer.body


@pytest.mark.parametrize("name", ["sec-purpose", "purpose", "x-moz", "x-purpose"])
def test_a_browser_says_what_it_loads_a_page_for(name: str) -> None:
    assert arrivals.of(b"", {name: "prefetch;prerender"}, "127.0.0.1", 0).purpose == "prefetch;prerender"


def test_without_a_word_a_page_is_loaded_to_be_seen() -> None:
    assert arrivals.of(b"", {"sec-purpose": ""}, "127.0.0.1", 0).purpose == ""


@pytest.mark.parametrize(
    ("headers", "asks"),
    [({"dnt": "1"}, True), ({"sec-gpc": "1"}, True), ({"dnt": "0"}, False), ({"sec-gpc": "true"}, False), ({}, False)],
)
def test_a_browser_asks_not_to_be_tracked(headers: dict[str, str], asks: bool) -> None:
    assert arrivals.of(b"", headers, "127.0.0.1", 0).asks_not_to_track is asks
