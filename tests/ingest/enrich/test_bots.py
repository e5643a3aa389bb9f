import time

import pytest

from ingest.enrich import bots
from ingest.enrich.bots import Bot, identify, is_bot
from tests.ingest.examples import CHROME

# kind, name, agent
PROGRAMS = """
search      googlebot            Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
search      bingbot              Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)
search      slurp                Mozilla/5.0 (compatible; Yahoo! Slurp)
search      yandexbot            Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)
search      googleother          Mozilla/5.0 (iPhone; CPU iPhone OS 16_0) AppleWebKit/605 Mobile GoogleOther
ai-crawler  gptbot               Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)
ai-crawler  chatgpt-user         ChatGPT-User/1.0
ai-crawler  claude-user          Claude-User
ai-crawler  meta-externalagent   meta-externalagent/1.1
seo         ahrefsbot            Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)
preview     facebookexternalhit  facebookexternalhit/1.1
preview     whatsapp             WhatsApp/2.23.20.0
preview     other                OurChat-LinkPreview/1.0
automation  phantomjs            Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/534.34 PhantomJS/1.9.2 Safari/534.34
monitor     nagios               nagios-plugins check_http
monitor     uptime-kuma          Uptime-Kuma/1.23
monitor     other                our uptime check
feed        universalfeedparser  UniversalFeedParser/4.2
feed        other                Our RSS thing
other       other                our-own-crawler/3
other       other                Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)
other       other                Mozilla/5.0 (X11; Linux x86_64) Chrome/101.0 Safari/537.36 (+https://example.org/why)
other       other                Mozilla/5.0 (compatible; Goodzer/1.0)
other       other                Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.21 imgscanner Safari/537.21
other       other                Mozilla/5.0 (Windows NT 6.1; www.monitoring.example) Gecko/20100101 Firefox/38.0
library     curl                 curl/8.5.0
library     wget                 Wget/1.21.4
library     python-requests      python-requests/2.32.3
library     python-urllib        Python-urllib/3.11
library     go-http-client       Go-http-client/2.0
library     okhttp               okhttp/4.12.0
library     node-fetch           node-fetch/1.0 (+https://github.com/bitinn/node-fetch)
library     java                 Java/17.0.2
library     apache-httpclient    Apache-HttpClient/4.5.14 (Java/17.0.2)
library     cfnetwork            Shop/41 CFNetwork/1568.100.1 Darwin/24.0.0
library     dalvik               Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A)
unknown     unknown program      our-shop-backend
unknown     unknown program      <script>alert(1)</script>
unknown     unknown program      Mozilla/5.0
unknown     unknown program      Mozilla/4.0 (compatible;)
other       bare address         203.0.113.9
other       bare address         203.0.113.9:8080
other       bare address         [2001:db8::1]:80
other       bare address         shop.example.com
other       bare address         https://shop.example.com/a?b=c
other       SQL injection        ' OR 1=1 --
other       SQL injection        Mozilla/5.0 (Windows NT 10.0) Chrome/120'; DROP TABLE users;--
other       SQL injection        if(now()=sysdate(),sleep(15),0)
other       SQL injection        -1 UNION ALL SELECT null,null
""".strip().splitlines()
CASES = [(Bot(line[:12].strip(), line[12:33].strip()), line[33:]) for line in PROGRAMS]
READERS = [
    CHROME,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/100.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 7.0; M bot 60 Build/NRD90M) AppleWebKit/537.36 Chrome/67.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-S918B; wv) AppleWebKit/537.36 Chrome/120.0 Mobile [FB_IAB/FB4A;FBAV/443.0;]",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Embedded Web Browser from: http://bsalsa.com/)",
    "Mozilla/5.0 (compatible; Konqueror/4.5; Windows) KHTML/4.5.4 (like Gecko)",
    "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.16",
    "Links (2.7; Linux x86_64; GNU C 4.5.3; text)",
    "OurShop/3.2 (iPhone; iOS 17.4; Scale/3.00)",
    "OurShop/3.2 (Linux; U; Android 14; Pixel 8)",
    "FLY MV300/2.6 Profile/MIDP-2.0 Configuration/CLDC-1.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
]


def test_it_works() -> None:
    assert identify("Googlebot/2.1") == ("search", "googlebot")
    assert identify(CHROME) is None


@pytest.mark.parametrize(("bot", "agent"), CASES)
def test_it_names_programs_by_kind(bot: Bot, agent: str) -> None:
    assert identify(agent) == bot
    assert is_bot(agent)


@pytest.mark.parametrize("agent", READERS)
def test_it_lets_people_and_their_tests_through(agent: str) -> None:
    assert identify(agent) is None
    assert not is_bot(agent)


@pytest.mark.parametrize("agent", [None, "", "  "])
def test_no_agent_is_nobody_that_is_known(agent: str | None) -> None:
    assert identify(agent) == ("unknown", "no agent")


def test_the_letter_case_of_a_name_does_not_matter() -> None:
    assert identify("CHATGPT-USER/1.0") == identify("ChatGPT-User/1.0")


def test_a_short_name_is_found_at_the_beginning_of_words_only() -> None:
    assert identify("Mozilla/5.0 (X11) Gecko got/12") == ("library", "got")
    assert identify("Mozilla/5.0 (X11) Gecko forgot/12") is None


def test_a_library_that_crawls_is_a_crawler() -> None:
    assert identify("python-requests/2.31 (our crawler)") == ("other", "other")


def test_every_name_of_the_list_is_found_as_what_it_is_listed() -> None:
    found = {name: identify(name) for name in bots.LISTED}
    assert {name: bot for name, bot in found.items() if bot is None or bot.kind != bots.LISTED[name]} == {}


def test_the_names_that_can_be_counted_are_few_whatever_is_sent() -> None:
    names = {name.rstrip("/ (:)") for name in bots.LISTED}
    ours = {"other", "no agent", "unknown program", "bare address", "SQL injection"}
    assert {bot.name for bot, agent in CASES} <= names | ours
    assert {bot.kind for bot, agent in CASES} <= bots.KINDS
    assert len(bots.KINDS) < 20


def test_an_endless_agent_is_judged_by_its_beginning() -> None:
    assert identify(CHROME + " " * 1_000_000 + "Googlebot") is None


@pytest.mark.parametrize(
    "part", ["a", "( ", "compatible; a", "' or ", "select ", "@a-", "bot build ", "x.y.", "1:", "union select "]
)
def test_a_hostile_agent_takes_no_longer_than_its_length_allows(part: str) -> None:
    start = time.process_time()
    for number in range(20):
        identify(f"{number} {part * 512}")
    assert time.process_time() - start < 0.5  # 25 ms each; a pattern that backtracks takes seconds
