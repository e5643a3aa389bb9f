import json
from typing import Any

import msgspec
import pytest

from ingest.enrich import visitor
from ingest.event import Event
from ingest.importers.jsonl import parse
from ingest.importers.line import Into, Left, Outcome
from tests.ingest.examples import ADDRESS

ID = "0190a6f2-7b7e-7c3a-9d5e-0123456789ab"
OLD = "2014-03-01T10:00:00.250Z"


def line(**values: Any) -> str:
    return json.dumps({"name": "pageview", "timestamp": OLD, "visitor_id": "v1", **values})


def event(into: Into, **values: Any) -> Event:
    return parse(line(**values), into)


def reason(text: str, into: Into) -> str:
    with pytest.raises(Left) as left:
        parse(text, into)
    assert left.value.outcome is Outcome.MALFORMED
    return left.value.reason


def test_it_works(into: Into) -> None:
    found = event(into, id=ID, url="https://www.example.com/a?utm_source=x", session_id="s1", title="A", value=3)
    assert (str(found.id), found.hostname, found.path, found.query) == (ID, "www.example.com", "/a", "utm_source=x")
    assert (found.title, found.value, found.ts) == ("A", 3.0, 1393668000.25)
    assert found.visitor_id == visitor.named(into.site, "visitor", "v1")
    assert found.session_id == visitor.named(into.site, "session", "s1")


def test_an_event_may_state_its_sessions_context(into: Into) -> None:
    stated = {
        "country": "de", "region": "Berlin", "city": "Berlin", "browser": "Firefox", "browser_version": "27",
        "os": "Linux", "os_version": "3", "device": "desktop", "source": "Google", "channel": "Organic Search",
        "utm_source": "g", "utm_medium": "m", "utm_campaign": "c", "utm_term": "t", "utm_content": "x",
        "language": "de-DE", "screen": "1920x1080", "lat": 52.5, "lon": 13.4,
    }  # fmt: skip
    context = event(into, **stated).context
    assert context is not None
    found = {name: value for name, value in msgspec.structs.asdict(context).items() if value is not None}
    assert found == {**stated, "country": "DE"}


def test_an_event_without_an_id_has_one_of_its_line(into: Into) -> None:
    assert event(into).id == event(into._replace(now=into.now + 60)).id
    assert event(into).id != event(into, label="x").id


def test_the_host_is_the_sites_where_no_address_says_it(into: Into) -> None:
    assert event(into).hostname == "shop.example.com"


@pytest.mark.parametrize(
    "who",
    [{"visitor_id": "v2"}, {"user_id": "u1"}, {"session_id": "s1"}, {"ip": ADDRESS, "user_agent": "A/1"}],
)
def test_events_of_one_visitor_are_told_by_what_they_state(into: Into, who: dict[str, str]) -> None:
    one, two = (event(into, **{"visitor_id": None, "label": label, **who}) for label in "ab")
    assert one.visitor_id == two.visitor_id != 0


def test_an_event_that_states_nothing_is_a_visitor_of_its_own(into: Into) -> None:
    one, two = (event(into, visitor_id=None, label=label) for label in "ab")
    assert one.visitor_id != two.visitor_id


def test_a_visitor_and_a_session_of_one_name_are_kept_apart(into: Into) -> None:
    named = event(into, visitor_id="x", session_id="x")
    assert named.visitor_id != named.session_id


def test_an_address_gives_the_place_and_is_forgotten(into: Into) -> None:
    found = event(into, ip="8.8.8.8")
    assert found.context is not None
    assert found.context.country == "US"
    assert b"8.8.8.8" not in msgspec.json.encode(found)


def test_a_stated_country_wins_over_the_address(into: Into) -> None:
    context = event(into, ip="8.8.8.8", country="FR").context
    assert context is not None
    assert context.country == "FR"


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("{", "not JSON"),
        ("[1]", "event_not_object"),
        ('"x"', "event_not_object"),
        (json.dumps({"timestamp": OLD}), "missing_field: name"),
        (json.dumps({"name": "pageview"}), "missing_field: timestamp"),
        (line(timestamp="yesterday"), "bad_timestamp"),
        (line(timestamp="2999-01-01T00:00:00Z"), "timestamp_future"),
        (line(id="7"), "bad_id"),
        (line(country="Germany"), "bad_type: country 'Germany'"),
        (line(city=["Berlin"]), "bad_type: city"),
        (line(lat=91), "bad_number: lat"),
        (line(url="ftp://x/y"), "url_scheme"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(into: Into, text: str, begins: str) -> None:
    assert reason(text, into).startswith(begins)
