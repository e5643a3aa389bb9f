import pytest

from ingest.enrich import bots
from ingest.enrich.bots import is_bot
from tests.ingest.examples import CHROME

CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp)",
    "ChatGPT-User/1.0",
    "Claude-User",
    "facebookexternalhit/1.1",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.2 Safari/534.34",
    "Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)",
    "Mozilla/5.0 (X11; Linux x86_64) Chrome/101.0 Safari/537.36 (+https://example.org/why)",
    "UniversalFeedParser/4.2",
    "Uptime-Kuma/1.23",
    "nagios-plugins check_http",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1 Version/16.0 Mobile GoogleOther",
]
LIBRARIES = [
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Python-urllib/3.11",
    "python-httpx/0.27.0",
    "aiohttp/3.9.5",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "axios/1.7.2",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "undici",
    "Java/17.0.2",
    "Apache-HttpClient/4.5.14 (Java/17.0.2)",
    "GuzzleHttp/7",
    "our-shop-backend",
    "Mozilla/5.0",
    "Mozilla/4.0 (compatible;)",
]
READERS = [
    CHROME,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/100.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-S918B; wv) AppleWebKit/537.36 Chrome/120.0 Mobile [FB_IAB/FB4A;FBAV/443.0;]",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Embedded Web Browser from: http://bsalsa.com/)",
    "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.16",
    "Links (2.7; Linux x86_64; GNU C 4.5.3; text)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
]


def test_it_works() -> None:
    assert is_bot("Googlebot/2.1")
    assert not is_bot(CHROME)


@pytest.mark.parametrize("agent", CRAWLERS)
def test_it_finds_crawlers_and_monitors_everywhere(agent: str) -> None:
    assert is_bot(agent)
    assert is_bot(agent, libraries=False)


@pytest.mark.parametrize("agent", LIBRARIES)
def test_it_lets_libraries_send_events_but_not_read_pages(agent: str) -> None:
    assert is_bot(agent)
    assert not is_bot(agent, libraries=False)


@pytest.mark.parametrize("agent", READERS)
def test_it_lets_people_and_their_tests_through(agent: str) -> None:
    assert not is_bot(agent)
    assert not is_bot(agent, libraries=False)


@pytest.mark.parametrize("agent", [None, ""])
def test_no_agent_is_a_library(agent: str | None) -> None:
    assert is_bot(agent)
    assert not is_bot(agent, libraries=False)


def test_the_letter_case_of_a_name_does_not_matter() -> None:
    assert is_bot("CHATGPT-USER/1.0", libraries=False)


def test_a_short_name_is_found_at_the_beginning_of_words_only() -> None:
    assert bots.kind_of("Mozilla/5.0 (X11) Gecko got/12") == "library"
    assert bots.kind_of("Mozilla/5.0 (X11) Gecko forgot/12") is None


def test_a_library_that_crawls_is_a_crawler() -> None:
    assert bots.kind_of("python-requests/2.31 (our crawler)") == "crawler"


def test_the_kind_tells_ai_from_search() -> None:
    assert bots.kind_of("ChatGPT-User/1.0") == "ai-crawler"
    assert bots.kind_of("Google-InspectionTool/1.0") == "search-engine"


def test_every_name_of_the_list_is_found_as_what_it_is_listed() -> None:
    wrong = [name for name, kind in bots.KINDS.items() if not is_bot(name, libraries=kind == "library")]
    assert wrong == []


def test_an_endless_agent_is_judged_by_its_beginning() -> None:
    assert not is_bot(CHROME + " " * 1_000_000 + "Googlebot")
