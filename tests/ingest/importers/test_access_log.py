from datetime import UTC, datetime

import msgspec
import pytest

from ingest.event import Event
from ingest.importers.access_log import parse, read
from ingest.importers.line import Into, Left, Outcome
from tests.ingest.examples import ADDRESS, CHROME
from tests.ingest.importers.conftest import known_site

TIME = "17/May/2015:10:05:03 +0000"


def line(
    request: str = "GET /pricing?utm_source=x HTTP/1.1",
    status: int = 200,
    referrer: str = "https://www.google.com/",
    agent: str = CHROME,
    address: str = ADDRESS,
    time: str = TIME,
    before: str = "",
) -> str:
    return f'{before}{address} - - [{time}] "{request}" {status} 5120 "{referrer}" "{agent}"'


def outcome(text: str, into: Into) -> Outcome:
    with pytest.raises(Left) as left:
        parse(text, into)
    return left.value.outcome


def test_it_works(into: Into) -> None:
    event = parse(line(), into)
    assert (event.name, event.hostname, event.path, event.query) == (
        "pageview", "shop.example.com", "/pricing", "utm_source=x",
    )  # fmt: skip
    assert event.ts == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC).timestamp()
    assert event.referrer == "https://www.google.com/"
    assert event.context is not None
    assert event.context.user_agent == CHROME


def test_the_place_is_found_and_the_address_forgotten(into: Into) -> None:
    event = parse(line(address="8.8.8.8"), into)
    assert event.context is not None
    assert event.context.country == "US"
    assert b"8.8.8.8" not in msgspec.json.encode(event)


def test_the_same_line_is_the_same_event(into: Into) -> None:
    later = into._replace(now=into.now + 86_400)
    assert parse(line(), into) == parse(line(), later)


def test_another_line_is_another_event_of_the_same_visitor(into: Into) -> None:
    one, two = parse(line(), into), parse(line("GET / HTTP/1.1"), into)
    assert one.id != two.id
    assert one.visitor_id == two.visitor_id


def test_another_day_agent_or_address_is_another_visitor(into: Into) -> None:
    lines = [line(), line(time=TIME.replace("17", "18")), line(agent=CHROME + " x"), line(address="203.0.113.78")]
    assert len({parse(text, into).visitor_id for text in lines}) == 4


def test_another_site_has_other_ids(into: Into) -> None:
    other = into._replace(site=known_site(secret=b"o" * 32))
    one, two = parse(line(), into), parse(line(), other)
    assert one.id != two.id
    assert one.visitor_id != two.visitor_id


@pytest.mark.parametrize(
    ("before", "host"),
    [("www.Example.com:443 ", "www.example.com"), ("example.com ", "example.com"), ("", "shop.example.com")],
)
def test_the_host_in_front_is_the_events(into: Into, before: str, host: str) -> None:
    event = parse(line(before=before), into)
    assert event.hostname == host


def test_a_sender_by_name_is_no_host(into: Into) -> None:
    assert parse(line(address="dsl-7.provider.example"), into).hostname == "shop.example.com"


def test_an_ipv6_sender_is_read(into: Into) -> None:
    assert read(line(address="2001:db8::7")).address == "2001:db8::7"
    assert read(line(address="2001:db8::7", before="example.com:80 ")).host == "example.com"


@pytest.mark.parametrize(("offset", "hour"), [("+0000", 10), ("+0545", 4), ("-0730", 17)])
def test_the_time_is_read_with_its_offset(offset: str, hour: int) -> None:
    assert read(line(time=f"17/May/2015:10:05:03 {offset}")).moment.hour == hour


def test_a_leap_second_is_the_second_before() -> None:
    assert read(line(time="30/Jun/2015:23:59:60 +0000")).moment.second == 59


@pytest.mark.parametrize(
    ("request_line", "path", "query"),
    [
        ("GET /a b HTTP/1.1", "/a b", None),
        ("GET /old", "/old", None),
        ("GET http://proxied.example/p?q=1 HTTP/1.1", "/p", "q=1"),
        ("GET http://proxied.example HTTP/1.1", "/", None),
        ("GET //double/slash HTTP/1.0", "//double/slash", None),
        ("GET /a#b?c HTTP/1.1", "/a", None),
        (r"GET /caf\xc3\xa9 HTTP/1.1", "/café", None),
        (r"GET /\"quoted\" HTTP/1.1", '/"quoted"', None),
        (r"GET /a\x00b HTTP/1.1", "/a\ufffdb", None),
    ],
)
def test_the_request_names_the_page(into: Into, request_line: str, path: str, query: str | None) -> None:
    event: Event = parse(line(request_line), into)
    assert (event.path, event.query) == (path, query)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line("GET /logo.png HTTP/1.1"), Outcome.STATIC),
        (line("GET /feed HTTP/1.1"), Outcome.NOT_A_PAGE),
        (line(status=206), Outcome.NOT_A_PAGE),
        (line("HEAD / HTTP/1.1"), Outcome.OTHER_METHOD),
        (line("POST /order HTTP/1.1"), Outcome.OTHER_METHOD),
        (line(status=301), Outcome.REDIRECT),
        (line(status=404), Outcome.ERROR_STATUS),
        (line(r"\x16\x03\x01", status=400), Outcome.ERROR_STATUS),
        (line("-", status=408), Outcome.ERROR_STATUS),
        (line(agent="Googlebot/2.1"), Outcome.BOT),
        (line(agent="curl/8.5.0"), Outcome.BOT),
        (line(agent="-"), Outcome.BOT),
        (line(referrer="http://1-99seo.com/"), Outcome.SPAM),
    ],
)
def test_a_line_that_is_no_page_view_says_why(into: Into, text: str, expected: Outcome) -> None:
    assert outcome(text, into) is expected


def test_a_line_of_another_host_is_left_where_hosts_are_listed() -> None:
    into = Into(known_site(allowed_hosts=("example.com",)), "example.com", 0)
    assert outcome(line(before="other.example:80 "), into) is Outcome.FOREIGN_HOST
    assert parse(line(before="example.com:80 "), into).hostname == "example.com"


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        line()[:-1],
        f'{ADDRESS} - - [{TIME}] "GET / HTTP/1.1" 200 5120',
        line(time="2015-05-17 10:05:03"),
        line(time="31/Feb/2015:10:05:03 +0000"),
        line(time="17/Mai/2015:10:05:03 +0000"),
        line("GET"),
        line("GET HTTP/1.1"),
        line("GET " + "/x" * 3000 + " HTTP/1.1"),
        '{"name": "pageview"}',
    ],
)
def test_a_line_of_another_format_is_malformed(into: Into, text: str) -> None:
    assert outcome(text, into) is Outcome.MALFORMED


def test_a_reason_never_tells_the_sender(into: Into) -> None:
    with pytest.raises(Left) as left:
        parse(line(time="yesterday"), into)
    assert "yesterday" in left.value.reason
    assert ADDRESS not in left.value.reason
