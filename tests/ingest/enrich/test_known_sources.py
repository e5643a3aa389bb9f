import pytest

from ingest.enrich import known_sources
from ingest.enrich.known_sources import Known, of_ads, of_host, of_word

KINDS = {"ai", "search", "social", "video", "shopping", "email", "sms", "site"}


def test_it_works() -> None:
    assert of_host("www.google.com") == Known("Google", "search")


@pytest.mark.parametrize("host", ["", "com", "google", "localhost", "example.org", "google.evil.example"])
def test_an_unlisted_host_is_unknown(host: str) -> None:
    assert of_host(host) is None


def test_the_longest_host_wins() -> None:
    assert of_host("gemini.google.com") == Known("Google Gemini", "ai")


@pytest.mark.parametrize("host", ["yandex.fr", "yandex.com.tr", "www.yandex.co.il", "yandex.com"])
def test_a_host_is_known_with_any_countrys_ending(host: str) -> None:
    assert of_host(host) == Known("Yandex", "search")


def test_an_ending_of_no_country_is_another_host() -> None:
    assert of_host("google.museum") is None


def test_a_name_is_a_word_for_itself() -> None:
    assert of_word("hacker news") == of_word("hackernews") == of_host("news.ycombinator.com")


@pytest.mark.parametrize("word", ["threads", "ads", "", "our-ads", "downloads"])
def test_a_word_that_merely_ends_like_advertising_is_none(word: str) -> None:
    assert of_ads(word) is None


def test_every_row_has_a_kind_and_an_origin() -> None:
    rows = [row.split("\t") for row in known_sources.LIST.read_text().splitlines() if not row.startswith("#")]
    assert [
        row for row in rows if len(row) != 4 or row[1] not in KINDS or row[3] not in ("matomo", "ga4", "footfall")
    ] == []


def test_a_name_has_one_kind_unless_its_hosts_differ() -> None:
    assert {known_sources.NAMES[name.lower()].kind for name in ("Google", "Bing", "Yahoo!")} == {"search"}
