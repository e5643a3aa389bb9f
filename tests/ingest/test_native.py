"""Footfall's own format: what an envelope must hold, and what becomes of each event in it."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.event import Context
from ingest.formats import Clock, Envelope, Sent
from ingest.formats.native import parse, parse_event
from ingest.refusal import Refused, Rejected

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()
DAY = 86_400
ID = "0190163d-8694-739b-aea5-966c26f8ad91"


def at(offset: float) -> str:
    """The time OFFSET seconds from now, as a sender writes it."""
    return datetime.fromtimestamp(NOW + offset, UTC).isoformat()


def parsed(*events: Any, **envelope: Any) -> Envelope:
    return parse({"site": "ff_x", "events": list(events), **envelope}, NOW)


def one(raw: Any, **envelope: Any) -> Sent:
    found = parsed(raw, **envelope)
    assert found.rejected == []
    return found.events[0]


def kept(name: str = "pageview", clock: Clock | None = None, **fields: Any) -> Sent:
    return parse_event({"name": name, **fields}, clock or Clock(NOW))


def rejected(raw: Any, clock: Clock | None = None) -> str:
    with pytest.raises(Rejected) as refusal:
        parse_event(raw, clock or Clock(NOW))
    return refusal.value.reason


WHOLE = {
    "id": ID, "name": "signup", "timestamp": at(-2), "visitor_id": "v-1", "session_id": "s-1", "user_id": "u-1",
    "url": "https://Example.com/pricing?utm_source=x#top", "referrer": "https://google.com/", "title": "Prices",
    "label": "top", "category": "account", "value": 12.5, "currency": "EUR", "properties": {"plan": "pro"},
    "user_properties": {"seats": 3}, "correlation_id": "c-1", "screen": "1920x1080", "viewport": "1200x800",
    "language": "en-US", "timezone": "Europe/Berlin", "color_scheme": "dark", "connection": "4g",
}  # fmt: skip


def test_it_works() -> None:
    sent = one(WHOLE)
    event = sent.event
    assert (sent.index, sent.visitor, sent.session, event.user_id) == (0, "v-1", "s-1", "u-1")
    assert (event.id, event.name, event.ts, event.is_timed) == (uuid.UUID(ID), "signup", NOW - 2, True)
    assert (event.hostname, event.path, event.query) == ("example.com", "/pricing", "utm_source=x")
    assert (event.referrer, event.title, event.label, event.category) == (
        "https://google.com/", "Prices", "top", "account",
    )  # fmt: skip
    assert (event.value, event.currency, event.correlation_id) == (12.5, "EUR", "c-1")
    assert (event.properties, event.user_properties) == ({"plan": "pro"}, {"seats": 3})
    assert event.context == Context(
        screen="1920x1080", viewport="1200x800", language="en-US", timezone="Europe/Berlin", color_scheme="dark",
        connection="4g",
    )  # fmt: skip


def test_a_name_alone_is_an_event() -> None:
    event = one({"name": "pageview"}).event
    assert (event.name, event.ts, event.is_timed, event.sent_ts) == ("pageview", NOW, False, None)
    assert event.hostname is event.path is event.title is event.properties is event.context is None


# --- The envelope -----------------------------------------------------------------------------------------


def test_a_single_event_may_stand_in_place_of_the_list() -> None:
    assert parse({"site": "ff_x", "name": "pageview"}, NOW).events[0].event.name == "pageview"
    assert parse({"site": "ff_x", "name": "pageview", "events": None}, NOW).events[0].index == 0


@pytest.mark.parametrize(
    "document",
    [None, True, "text", 5, [], [[], []], {}, {"site": "x"}, {"site": "x", "events": []}, {"site": "x", "events": {}},
     {"site": "x", "events": 5}, {"site": "x", "events": "a"}, {"events": [{"name": "a"}]}, {"name": "a"},
     {"site": "x", "name": "a", "batch_id": {}}, {"site": "x", "name": "a", "batch_id": ""},
     {"site": "x", "name": "a", "batch_id": 5}, {"site": "x", "name": "a", "batch_id": "b" * 201}],
)  # fmt: skip
def test_a_wrong_envelope_is_refused_whole(document: Any) -> None:
    with pytest.raises(Refused) as refusal:
        parse(document, NOW)
    assert (refusal.value.status, refusal.value.reason) == (400, "bad_envelope")


def test_more_than_500_events_are_refused_before_any_is_read() -> None:
    assert len(parsed(*[{"name": "a"}] * 500).events) == 500
    started = time.process_time()
    with pytest.raises(Refused) as refusal:
        parsed(*[{}] * 200_000)
    assert (refusal.value.status, refusal.value.reason) == (413, "too_many_events")
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("key", [5, None, [], {}, True])
def test_a_key_that_is_no_text_is_the_key_of_no_site(key: Any) -> None:
    assert parse({"site": key, "name": "a"}, NOW).site == ""


def test_unknown_fields_are_ignored() -> None:
    extra = {"ip_address": "1.2.3.4", "__proto__": {}, "received_at": 0, "site_id": 7}
    assert one({"name": "a", **extra}, **extra).event.name == "a"


def test_one_bad_event_costs_no_other() -> None:
    found = parsed({"name": "a"}, {"name": "\x00", "id": ID}, None, {"name": "b"})
    assert [(sent.index, sent.event.name) for sent in found.events] == [(0, "a"), (3, "b")]
    assert [(item.index, item.id, item.reason) for item in found.rejected] == [
        (1, ID, "bad_identifier"),
        (2, None, "event_not_object"),
    ]


def test_what_is_told_of_a_bad_event_can_be_written() -> None:
    found = parsed({"name": "\ud800", "id": "\ud800" * 90}, {"id": 5})
    assert found.rejected[0].id == "\ufffd" * 60
    assert found.rejected[1].id is None
    msgspec.json.encode(found.rejected)


# --- Ids --------------------------------------------------------------------------------------------------


def ids(**envelope: Any) -> list[uuid.UUID]:
    return [sent.event.id for sent in parsed({"name": "a"}, {"name": "a"}, **envelope).events]


@pytest.mark.parametrize("batch_id", [ID, "batch 1", "\ud800"])
def test_the_same_batch_gives_the_same_ids(batch_id: str) -> None:
    first, second = ids(batch_id=batch_id)
    assert first != second
    assert ids(batch_id=batch_id) == [first, second]


def test_a_batch_id_is_a_uuid_however_it_is_written() -> None:
    assert ids(batch_id=ID) == ids(batch_id=ID.upper()) == ids(batch_id=ID.replace("-", ""))
    assert ids(batch_id=ID) != ids(batch_id="another")


def test_without_a_batch_id_every_event_is_new() -> None:
    assert len({*ids(), *ids()}) == 4


# --- Times ------------------------------------------------------------------------------------------------


def times(said: float, sent: float | None = None, received: float = NOW) -> tuple[float, float | None]:
    """When an event is kept, and what is kept of its own time; relative to now."""
    event = kept(timestamp=at(said), clock=Clock(received, None if sent is None else NOW + sent)).event
    return round(event.ts - NOW, 3), None if event.sent_ts is None else round(event.sent_ts - NOW, 3)


CORRECTED = [
    ("agreeing clocks", -10, 0, (-10, None)),
    ("a minute apart is agreement", -10, -60, (-10, None)),
    ("an hour slow", -3610, -3600, (-10, -3610)),
    ("three days fast", 3 * DAY - 10, 3 * DAY, (-10, 3 * DAY - 10)),
    ("years slow", -900 * DAY, -900 * DAY, (0, -900 * DAY)),
    ("no word of when it was sent", -3610, None, (-3610, None)),
    ("sent before it happened: not believed", -10, -3600, (-10, None)),
    ("two seconds ahead is now", 2, None, (0, 2)),
    ("just under a day ahead is now", DAY - 1, None, (0, DAY - 1)),
    ("just under a week old", -7 * DAY + 1, None, (-7 * DAY + 1, None)),
]


@pytest.mark.parametrize(("said", "sent", "expected"), [c[1:] for c in CORRECTED], ids=[c[0] for c in CORRECTED])
def test_a_wrong_clock_is_corrected(said: float, sent: float | None, expected: tuple[float, float | None]) -> None:
    assert times(said, sent) == expected


REFUSED = [("too_old", -7 * DAY - 1, None), ("too_old", -60 * DAY, 0), ("timestamp_future", DAY + 1, None),
           ("timestamp_future", 2 * DAY, 0), ("too_old", -8 * DAY - 3600, -3600)]  # fmt: skip


@pytest.mark.parametrize(("reason", "said", "sent"), REFUSED)
def test_a_time_outside_the_accepted_days_is_refused(reason: str, said: float, sent: float | None) -> None:
    clock = Clock(NOW, None if sent is None else NOW + sent)
    assert rejected({"name": "a", "timestamp": at(said)}, clock) == reason


def test_imports_are_of_any_age() -> None:
    event = kept(timestamp="2001-02-03T04:05:06Z", clock=Clock(NOW, oldest=None)).event
    assert datetime.fromtimestamp(event.ts, UTC).year == 2001


def test_no_import_is_older_than_1970() -> None:
    assert rejected({"name": "a", "timestamp": "0001-01-01T00:00:00Z"}, Clock(NOW, oldest=None)) == "too_old"


@pytest.mark.parametrize("sent_at", ["garbage", None, 5, {}, "0000-01-01T00:00:00Z", "\ud800"])
def test_an_unusable_sent_at_costs_nothing(sent_at: Any) -> None:
    assert one({"name": "a", "timestamp": at(-10)}, sent_at=sent_at).event.ts == NOW - 10


def test_events_without_a_time_keep_their_order() -> None:
    arrived = [sent.event.ts for sent in parsed(*[{"name": "a"}] * 500).events]
    assert arrived == sorted(set(arrived))
    assert arrived[-1] - arrived[0] < 0.001


# --- Single fields ----------------------------------------------------------------------------------------

WRONG = [
    ("event_not_object", "pageview"),
    ("event_not_object", [{"name": "a"}]),
    ("missing_field", {}),
    ("missing_field", {"site": "ff_x", "events": [{"name": "a"}]}),
    ("bad_type", {"name": {"a": 1}}),
    ("bad_type", {"name": "a", "visitor_id": {}}),
    ("bad_type", {"name": "a", "session_id": 5}),
    ("bad_type", {"name": "a", "user_properties": "x"}),
    ("bad_type", {"name": "a", "value": "12"}),
    ("bad_type", {"name": "a", "referrer": []}),
    ("bad_id", {"name": "a", "id": True}),
    ("bad_identifier", {"name": "a", "session_id": "s\x00"}),
    ("bad_identifier", {"name": "a", "correlation_id": "c" * 201}),
    ("bad_number", {"name": "a", "value": 10**400}),
    ("bad_timestamp", {"name": "a", "timestamp": 1_789_000_000_000}),
    ("name_empty", {"name": " "}),
    ("url_scheme", {"name": "a", "url": "javascript:alert(1)"}),
    ("properties_too_many", {"name": "a", "properties": {str(n): n for n in range(101)}}),
    ("properties_too_many", {"name": "a", "user_properties": {str(n): n for n in range(101)}}),
]


@pytest.mark.parametrize(("reason", "raw"), WRONG)
def test_a_wrong_field_rejects_the_event(reason: str, raw: Any) -> None:
    assert rejected(raw) == reason


def test_a_placeholder_visitor_is_none() -> None:
    assert kept(visitor_id="undefined", session_id="null", user_id="0").visitor is None


@pytest.mark.parametrize("value", [5, None, [], {"width": 1920}])
def test_what_describes_the_device_is_left_out_when_it_is_no_text(value: Any) -> None:
    assert kept(screen=value).event.context is None


def test_what_describes_the_device_is_mended_and_cut() -> None:
    assert kept(language="\x00" * 99).event.context == Context(language="\ufffd" * 64)


def test_a_referrer_is_kept_as_text() -> None:
    assert kept(referrer="javascript:alert(1)\x00").event.referrer == "javascript:alert(1)\ufffd"


def test_a_server_may_state_whom_it_speaks_for() -> None:
    sent = kept(ip="203.0.113.9", user_agent="Firefox")
    assert (sent.address, sent.user_agent) == ("203.0.113.9", "Firefox")
    assert b"203.0.113.9" not in msgspec.msgpack.encode(sent.event)


# --- Engagement -------------------------------------------------------------------------------------------


def engagement(**fields: Any) -> tuple[int | None, int | None]:
    event = kept("engagement", **fields).event
    return event.engaged_ms, event.scroll


def test_engagement_is_measured() -> None:
    assert engagement(engaged_ms=1500, scroll=40) == (1500, 40)
    assert engagement(properties={"engaged_ms": 1500, "scroll": 40}) == (1500, 40)
    assert engagement(engaged_ms=2, properties={"engaged_ms": 1}) == (2, None)


def test_engagement_is_bounded() -> None:
    assert engagement(engaged_ms=10**12, scroll=30_000) == (DAY * 1000, 100)
    assert engagement(engaged_ms=-5, scroll="all") == (None, None)


def test_other_events_measure_no_engagement() -> None:
    event = kept("pageview", engaged_ms=1500, scroll=40).event
    assert event.engaged_ms is event.scroll is None


# --- Anything at all --------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=[]))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*WHOLE, "ip", "user_agent", "engaged_ms", "scroll"])
NAMES = st.sampled_from(["pageview", "engagement"])
# One or two odd fields an event: with more, hardly any would be accepted.
EVENTS = VALUES | st.tuples(NAMES, st.dictionaries(FIELDS, VALUES, max_size=2)).map(lambda e: {"name": e[0], **e[1]})
ENVELOPES = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {"site": VALUES, "events": st.lists(EVENTS, min_size=1, max_size=3)},
        optional={"batch_id": st.one_of(st.none(), st.text()), "sent_at": VALUES},
    ),
)


@given(ENVELOPES)
def test_whatever_is_sent_is_parsed_or_refused_and_fits_the_stream(document: Any) -> None:
    try:
        found = parse(document, NOW)
    except Refused:
        return
    assert len(found.events) + len(found.rejected) == len(document.get("events") or [document])
    msgspec.msgpack.encode([sent.event for sent in found.events])
    msgspec.json.encode(found.rejected)
