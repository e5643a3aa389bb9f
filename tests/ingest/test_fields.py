"""The readers of single fields: what is kept of what a sender wrote, and what is refused by which word."""

import math
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from ingest import fields
from ingest.refusal import Rejected

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()
ID = "0190163d-8694-739b-aea5-966c26f8ad91"


def reason_of(read: Any, *arguments: Any) -> str:
    """The word with which READ refuses its arguments."""
    with pytest.raises(Rejected) as refusal:
        read(*arguments)
    assert refusal.value.detail
    return refusal.value.reason


def test_it_works() -> None:
    raw = {"title": "Prices", "id": ID, "name": "pageview", "timestamp": "2026-11-20T10:00:00Z", "value": 3}
    assert fields.text(raw, "title") == "Prices"
    assert fields.event_id(raw) == uuid.UUID(ID)
    assert fields.event_name(raw) == "pageview"
    assert fields.moment(raw) == TEN
    assert fields.number(raw, "value") == 3.0


# --- Text that is shown -----------------------------------------------------------------------------------

SHOWN = [
    ("null", None, None),
    ("empty", "", None),
    ("kept as it is", " é\u2028<b>\u0085\u202e\ufffe", " é\u2028<b>\u0085\u202e\ufffe"),
    ("U+0000", "a\x00b", "a\ufffdb"),
    ("half of an emoji", "cut \ud83d", "cut \ufffd"),
    ("halves in the wrong order", "\ude00\ud83d", "\ufffd\ufffd"),
    ("too long", "x" * 1025, "x" * 1024),
    ("too long, counted in code points", "😀" * 1025, "😀" * 1024),
]


@pytest.mark.parametrize(("said", "kept"), [case[1:] for case in SHOWN], ids=[case[0] for case in SHOWN])
def test_text_that_is_shown_is_mended(said: str | None, kept: str | None) -> None:
    assert fields.text({"title": said}, "title") == kept


def test_an_absent_text_is_none() -> None:
    assert fields.text({}, "title") is None


@pytest.mark.parametrize("value", [5, 1.5, True, [], {}, ["a"]])
def test_a_text_of_another_kind_is_refused(value: Any) -> None:
    assert reason_of(fields.text, {"title": value}, "title") == "bad_type"


# --- Text that identifies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v-1", " spaced ", "é", "x" * 200, "<script>", "0190163d", "nobody"])
def test_an_identifier_is_kept_as_it_is(name: str) -> None:
    assert fields.identifier({"visitor_id": name}, "visitor_id") == name


@pytest.mark.parametrize(
    "name", ["", "  ", "undefined", "NULL", "[object Object]", "0", " NaN ", "anonymous", str(uuid.UUID(int=0))]
)
def test_what_programs_write_for_no_id_is_no_id(name: str) -> None:
    assert fields.identifier({"visitor_id": name}, "visitor_id") is None


@pytest.mark.parametrize("name", ["a\x00", "\ud800", "a\nb", "a\x7f", "x" * 201])
def test_an_identifier_is_never_mended(name: str) -> None:
    assert reason_of(fields.identifier, {"visitor_id": name}, "visitor_id") == "bad_identifier"


@pytest.mark.parametrize("value", [0, 1, True, 1.5, [], {"id": "v"}])
def test_an_identifier_of_another_kind_is_refused(value: Any) -> None:
    assert reason_of(fields.identifier, {"visitor_id": value}, "visitor_id") == "bad_type"


# --- The event's own id and name --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", "")])
def test_an_id_is_a_uuid_however_it_is_written(text: str) -> None:
    assert fields.event_id({"id": text}) == uuid.UUID(ID)


def test_no_id_is_none() -> None:
    assert fields.event_id({}) is fields.event_id({"id": None}) is None


@pytest.mark.parametrize(
    "value", ["", "x", f"{ID}x", f"{{{ID}}}", f"urn:uuid:{ID}", f"{ID}\n", str(uuid.UUID(int=0)), True, 1, 1.5, 10**999]
)
def test_an_id_that_is_no_uuid_is_refused(value: Any) -> None:
    assert reason_of(fields.event_id, {"id": value}) == "bad_id"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), ("x", "text"), (1, "a number"), (10**30, "a number"), (1.5, "a number"), (False, "true or false"),
     ([], "a list"), ({}, "an object")],
)  # fmt: skip
def test_kinds_are_named_as_json_does(value: Any, kind: str) -> None:
    assert fields.kind_of(value) == kind


def lists(depth: int) -> Any:
    return [lists(depth - 1)] if depth > 1 else [1]


@pytest.mark.parametrize(
    ("depth", "reason"),
    [(5, "properties_too_deep"), (100, "properties_too_deep"), (105, "bad_json"), (500, "bad_json")],
)
def test_what_is_nested_absurdly_deep_is_no_data(depth: int, reason: str) -> None:
    assert reason_of(fields.properties, {"properties": {"a": lists(depth)}}) == reason


@pytest.mark.parametrize("value", [[], {}, [ID]])
def test_an_id_that_is_no_single_value_is_refused_by_its_kind(value: Any) -> None:
    assert reason_of(fields.event_id, {"id": value}) == "bad_type"


@pytest.mark.parametrize("name", ["pageview", "404", "é", "n" * 120, "a b", "{{7*7}}", "1 OR 1=1", "a\u0085b"])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert fields.event_name({"name": name}) == name


NAMES = [
    ("missing_field", None),
    ("bad_type", 7),
    ("bad_type", ["pageview"]),
    ("name_too_long", "n" * 121),
    ("bad_identifier", "a\x00b"),
    ("bad_identifier", "a\tb"),
    ("bad_identifier", "a\udfff"),
    ("name_empty", ""),
    ("name_empty", " \u3000"),
    ("name_empty", "\u200b\u200d\ufeff"),
]


@pytest.mark.parametrize(("reason", "name"), NAMES)
def test_a_name_that_cannot_be_shown_is_refused(reason: str, name: Any) -> None:
    assert reason_of(fields.event_name, {"name": name}) == reason


# --- Times ------------------------------------------------------------------------------------------------

TIMES = [
    ("2026-11-20T10:00:00Z", TEN),
    ("2026-11-20t10:00:00z", TEN),
    ("2026-11-20 10:00:00", TEN),
    ("2026-11-20T10:00", TEN),
    ("2026-11-20T10:00:00.5Z", TEN + 0.5),
    ("2026-11-20T10:00:00.123456789Z", TEN + 0.123456),
    ("2026-11-20T12:00:00+02:00", TEN),
    ("2026-11-20T15:45:00+0545", TEN),
    ("2026-11-20T00:00:00-10:00", TEN),
    ("1969-12-31T23:59:59Z", -1.0),
    ("9999-12-31T23:59:59Z", 253402300799.0),
]


@pytest.mark.parametrize(("text", "seconds"), TIMES)
def test_a_time_is_read_with_and_without_zone(text: str, seconds: float) -> None:
    assert fields.moment({"timestamp": text}) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        "", "now", "infinity", "-infinity", "epoch", "2026-11-20", "10:00", "2026-W47-5T10:00:00Z",
        "2026-11-20T25:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T10:00:60Z", "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "20000-01-01T00:00:00Z", "2026-11-20T10:00:00+25:00", "2026-11-20T10:00:00Z BC", "2026-11-20T10:00.5Z",
        "Fri, 20 Nov 2026 10:00:00 GMT", "٢٠٢٦-11-20T10:00:00Z", "2026-11-20T10:00:00Z\n", "\ud800", "2" * 10_000,
        1_789_000_000_000, 1.5, True, 10**999,
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(value: Any) -> None:
    assert reason_of(fields.moment, {"timestamp": value}) == "bad_timestamp"


@pytest.mark.parametrize("value", [[], {}, ["2026-11-20T10:00:00Z"]])
def test_a_time_that_is_no_single_value_is_refused_by_its_kind(value: Any) -> None:
    assert reason_of(fields.moment, {"timestamp": value}) == "bad_type"


# --- Numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "kept"), [(None, None), (0, 0.0), (-3, -3.0), (12.5, 12.5), (10**15, 1e15)])
def test_a_number_is_kept_as_a_double(said: Any, kept: float | None) -> None:
    assert fields.number({"value": said}, "value") == kept


NUMBERS = [("bad_type", "5"), ("bad_type", True), ("bad_type", [5]),
           ("bad_number", math.inf), ("bad_number", math.nan), ("bad_number", 10**400),
           ("bad_number", 1e16), ("bad_number", -1e308), ("bad_number", 2**53)]  # fmt: skip


@pytest.mark.parametrize(("reason", "value"), NUMBERS)
def test_what_is_no_number_is_refused(reason: str, value: Any) -> None:
    assert reason_of(fields.number, {"value": value}, "value") == reason


@pytest.mark.parametrize(
    ("said", "kept"),
    [(0, 0), (40, 40), (40.9, 40), (100, 100), (101, 100), (10**400, 100), (-1, None), (-0.5, None), ("40", None),
     (True, None), (None, None), (math.inf, None), (math.nan, None), ([40], None)],
)  # fmt: skip
def test_an_amount_is_whole_and_bounded_or_not_measured(said: Any, kept: int | None) -> None:
    assert fields.amount({"scroll": said}, "scroll", 100) == kept


# --- Addresses of pages -----------------------------------------------------------------------------------

URLS = [
    ("https://example.com/a?b=c#d", ("example.com", "/a", "b=c")),
    ("http://EXAMPLE.com", ("example.com", "/", None)),
    ("HTTPS://example.com:8443/", ("example.com", "/", None)),
    ("https://user:pass@word@example.com/x", ("example.com", "/x", None)),
    ("https://[2001:db8::1]:80/x", ("[2001:db8::1]", "/x", None)),
    ("https://example.com./x", ("example.com", "/x", None)),
    ("https://xn--bcher-kva.example/%ZZ/..%2f", ("bücher.example", "/%ZZ/..%2F", None)),
    ("https://bücher.example/ü?ü=1", ("bücher.example", "/ü", "ü=1")),
    ("  https://example.com/a b ", ("example.com", "/a%20b", None)),
    ("https://example.com?q=1", ("example.com", "/", "q=1")),
    ("https://example.com/?", ("example.com", "/", None)),
    ("https://example.com/a\x00b", ("example.com", "/a\ufffdb", None)),
    ("https://example.com/a:b@c//d", ("example.com", "/a:b@c//d", None)),
]


@pytest.mark.parametrize(("text", "parts"), URLS)
def test_an_address_is_taken_apart(text: str, parts: tuple[str, str, str | None]) -> None:
    assert fields.url({"url": text}) == parts


@pytest.mark.parametrize("raw", [{}, {"url": None}, {"url": ""}])
def test_an_event_needs_no_address(raw: dict[str, Any]) -> None:
    assert fields.url(raw) is None


BAD_URLS = [
    ("bad_type", ["https://example.com/"]),
    ("bad_type", 5),
    ("url_too_long", "https://example.com/" + "x" * 4096),
    ("url_scheme", "javascript:alert(1)"),
    ("url_scheme", "data:text/html,x"),
    ("url_scheme", "file:///etc/passwd"),
    ("url_scheme", "about:blank"),
    ("url_scheme", "chrome-extension://abc/x"),
    ("url_scheme", "localhost:8000/x"),
    ("url_invalid", "/relative"),
    ("url_invalid", "//example.com/x"),
    ("url_invalid", "example.com/x"),
    ("url_invalid", "example.com:80/x"),
    ("url_invalid", "https:example.com"),
    ("url_invalid", "https://"),
    ("url_invalid", "https:///x"),
    ("url_invalid", "https://."),
    ("url_invalid", "https://user@/x"),
    ("url_invalid", "https://exa mple.com/"),
    ("url_invalid", "https://example.com:99999/"),
    ("url_invalid", "https://example.com:8o/"),
    ("url_invalid", "https:\\\\example.com\\x"),
    ("url_invalid", "   "),
]


@pytest.mark.parametrize(("reason", "value"), BAD_URLS)
def test_what_is_no_page_on_the_web_is_refused(reason: str, value: Any) -> None:
    assert reason_of(fields.url, {"url": value}) == reason


# --- Properties -------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    """Properties whose innermost object lies DEPTH objects deep, themselves included."""
    return {"in": nested(depth - 1)} if depth > 1 else {"end": 1}


KEPT = [
    {"plan": "pro", "count": 3, "price": 1.5, "paid": True, "coupon": None},
    {"__proto__": 1, "$where": "1", "a[b]": "%s", '"quoted"': "'", "0": 0, "KEY": 1, "key": 2},
    {"list": [1, "a", None, [True]]},
    {"big": 2**64 - 1, "small": -(2**63), "tiny": 5e-324, "huge": 1e308},
    {f"key {number}": number for number in range(100)},
    {"k" * 200: "v" * 8192},
    nested(5),
]


@pytest.mark.parametrize("said", KEPT)
def test_properties_are_kept_as_they_are(said: dict[str, Any]) -> None:
    assert fields.properties({"properties": said}) == said


@pytest.mark.parametrize("raw", [{}, {"properties": None}, {"properties": {}}])
def test_an_event_needs_no_properties(raw: dict[str, Any]) -> None:
    assert fields.properties(raw) is None


def test_values_are_mended_and_wide_numbers_become_doubles() -> None:
    said = {"a": "x\x00", "b": ["\ud800"], "c": {"d": 2**64}}
    assert fields.properties({"properties": said}) == {"a": "x\ufffd", "b": ["\ufffd"], "c": {"d": 2.0**64}}


BAD_PROPERTIES = [
    ("bad_type", ["a"]),
    ("bad_type", "a"),
    ("bad_type", True),
    ("properties_too_many", {str(number): 1 for number in range(101)}),
    ("properties_too_large", {str(number): "é" * 400 for number in range(50)}),
    ("properties_too_deep", nested(6)),
    ("properties_too_deep", {"a": [[[[[]]]]]}),
    ("property_key_too_long", {"k" * 201: 1}),
    ("property_key_too_long", {"a": {"k" * 201: 1}}),
    ("property_value_too_long", {"a": "v" * 8193}),
    ("property_value_too_long", {"a": ["v" * 8193]}),
    ("bad_identifier", {"": 1}),
    ("bad_identifier", {"a\x00": 1}),
    ("bad_identifier", {"a": {"\udc00": 1}}),
    ("bad_number", {"a": math.inf}),
    ("bad_number", {"a": [-math.inf]}),
    ("bad_number", {"a": math.nan}),
    ("bad_number", {"a": 10**400}),
]


@pytest.mark.parametrize(("reason", "said"), BAD_PROPERTIES)
def test_properties_over_a_limit_are_refused(reason: str, said: Any) -> None:
    assert reason_of(fields.properties, {"properties": said}) == reason


# --- Anything at all --------------------------------------------------------------------------------------

SURROGATES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"])
TEXT = st.text(st.one_of(st.characters(exclude_categories=[]), SURROGATES, st.just("\x00")))
NEAR = st.sampled_from(
    ["https://", "http://a", "2026-11-20T10:00:00", ID, "undefined", "https://a:1/?#", "0001-01-01T"]
)
NUMBER = st.one_of(st.integers(), st.integers(-(10**400), 10**400), st.floats())
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, TEXT, NEAR, st.tuples(NEAR, TEXT).map("".join)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
READERS = [
    lambda raw: fields.text(raw, "x"),
    lambda raw: fields.identifier(raw, "x"),
    lambda raw: fields.event_id({"id": raw["x"]}),
    lambda raw: fields.event_name({"name": raw["x"]}),
    lambda raw: fields.moment(raw, "x"),
    lambda raw: fields.number(raw, "x"),
    lambda raw: fields.amount(raw, "x", 100),
    lambda raw: fields.url(raw, "x"),
    lambda raw: fields.properties(raw, "x"),
]


def read_all(value: Any) -> list[Any]:
    """What each reader makes of VALUE; the refusals left out, and checked to be fit for an answer."""
    kept = []
    for read in READERS:
        try:
            kept.append(read({"x": value}))
        except Rejected as refusal:
            msgspec.json.encode(refusal.detail)
    return kept


@given(ANYTHING)
def test_whatever_is_sent_is_read_or_rejected_and_fits_the_stream(value: Any) -> None:
    for kept in read_all(value):
        encoded = msgspec.msgpack.encode(kept)
        assert msgspec.msgpack.decode(encoded, type=type(kept)) == kept


@given(st.dictionaries(TEXT.filter(bool), ANYTHING, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_kept_can_be_stored(db: None, value: Any) -> None:
    for kept in [*read_all(value), *read_all(str(value))]:
        if isinstance(kept, tuple):
            store("text[]", list(kept))
        elif isinstance(kept, str):
            store("text", kept)
        elif isinstance(kept, dict):
            store("jsonb", Jsonb(kept))


def store(kind: str, value: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}", [value])
        assert cursor.fetchone() is not None
