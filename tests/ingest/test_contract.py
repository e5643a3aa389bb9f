"""The contract, from outside: what is sent, and the word that comes back. Every answer is JSON and names its rule."""

import gzip
import json
import re
import socket
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.models import Site
from ingest.pipeline import Answer, collect
from tests.ingest.examples import arrival, document, waiting
from tests.product import BROWSER, Product, wait_for

ID = "01932f1e-4c5d-7a6b-8e9f-0a1b2c3d4e5f"
PYTHONS_WORDS = re.compile(r"NoneType|\b(str|dict|int|float|bool|tuple)\b|<class|Traceback|object at 0x|None")


def iso(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def told(answer: Answer) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    assert not PYTHONS_WORDS.search(answer.body.decode()), answer.body
    return dict(json.loads(answer.body))


# --- Single events: a good one before and after must be kept -----------------------------------------------

EVENTS: list[tuple[str, Any, str | None]] = [
    ("null", None, "event_not_object"),
    ("a number", 7, "event_not_object"),
    ("a text", "pageview", "event_not_object"),
    ("a list", [{"name": "a"}], "event_not_object"),
    ("true", True, "event_not_object"),
    ("nothing in it", {}, "missing_field"),
    ("a name that is null", {"name": None}, "missing_field"),
    ("a name that is a number", {"name": 404}, "bad_type"),
    ("a name that is a list", {"name": ["pageview"]}, "bad_type"),
    ("a name of tabs", {"name": "\t\t"}, "bad_identifier"),
    ("a name of spaces", {"name": "   "}, "name_empty"),
    ("a name of joiners", {"name": "\u200d\u200c"}, "name_empty"),
    ("a name of 121 emoji", {"name": "🎈" * 121}, "name_too_long"),
    ("a name of 120 emoji", {"name": "🎈" * 120}, None),
    ("a name with half a character", {"name": "x\udc00"}, "bad_identifier"),
    ("a name that is a statement", {"name": "'); DROP TABLE ingest_event; --"}, None),
    ("an id of words", {"name": "a", "id": "first"}, "bad_id"),
    ("an id that is null", {"name": "a", "id": None}, None),
    ("an id that is a number", {"name": "a", "id": 12}, "bad_id"),
    ("an id that is an object", {"name": "a", "id": {"v": ID}}, "bad_type"),
    ("an id of 31 digits", {"name": "a", "id": ID.replace("-", "")[:31]}, "bad_id"),
    ("an id with a line end", {"name": "a", "id": ID + "\n"}, "bad_id"),
    ("a time in words", {"name": "a", "timestamp": "yesterday"}, "bad_timestamp"),
    ("a time as a number", {"name": "a", "timestamp": 1_795_000_000}, "bad_timestamp"),
    ("a time as a list", {"name": "a", "timestamp": [2026, 11, 20]}, "bad_type"),
    ("a thirteenth month", {"name": "a", "timestamp": "2026-13-01T00:00:00Z"}, "bad_timestamp"),
    ("a day that the year has not", {"name": "a", "timestamp": "2026-02-29T00:00:00Z"}, "bad_timestamp"),
    ("a leap second", {"name": "a", "timestamp": "2016-12-31T23:59:60Z"}, "bad_timestamp"),
    ("a zone of a hundred hours", {"name": "a", "timestamp": "2026-11-20T10:00:00+99:00"}, "bad_timestamp"),
    ("the year zero", {"name": "a", "timestamp": "0000-01-01T00:00:00Z"}, "bad_timestamp"),
    ("before the year one", {"name": "a", "timestamp": "0001-01-01T00:00:00+14:00"}, "bad_timestamp"),
    ("before 1970", {"name": "a", "timestamp": "1969-12-31T23:59:59Z"}, "too_old"),
    ("digits of another script", {"name": "a", "timestamp": "٢٠٢٦-11-20T10:00:00Z"}, "bad_timestamp"),
    ("a value in words", {"name": "a", "value": "12.50"}, "bad_type"),
    ("a value that is true", {"name": "a", "value": True}, "bad_type"),
    ("a value beyond all books", {"name": "a", "value": 1e16}, "bad_number"),
    ("a value below all books", {"name": "a", "value": -1e300}, "bad_number"),
    ("a value of minus nothing", {"name": "a", "value": -0.0}, None),
    ("a number of 400 digits", {"name": "a", "properties": {"n": 10**400}}, "bad_number"),
    ("a number past 64 bits", {"name": "a", "properties": {"n": 2**64}}, None),
    ("an address without a scheme", {"name": "a", "url": "shop.example.com/x"}, "url_invalid"),
    ("an address of a script", {"name": "a", "url": "javascript:alert(1)"}, "url_scheme"),
    ("an address of a file", {"name": "a", "url": "file:///etc/passwd"}, "url_scheme"),
    ("an address without a host", {"name": "a", "url": "https:///x"}, "url_invalid"),
    ("a port that does not exist", {"name": "a", "url": "https://shop.example.com:65536/"}, "url_invalid"),
    ("a host with a space", {"name": "a", "url": "https://shop .example.com/"}, "url_invalid"),
    ("an address that is an object", {"name": "a", "url": {"href": "https://x.example/"}}, "bad_type"),
    ("an address of 4,097 characters", {"name": "a", "url": "https://x.example/" + "a" * 4079}, "url_too_long"),
    ("an address of 4,096 characters", {"name": "a", "url": "https://x.example/" + "a" * 4078}, None),
    ("a visitor that is a number", {"name": "a", "visitor_id": 5}, "bad_type"),
    ("a visitor of 201 characters", {"name": "a", "visitor_id": "v" * 201}, "bad_identifier"),
    ("a session with a line end", {"name": "a", "session_id": "s\r\nX: y"}, "bad_identifier"),
    ("a user that is an object", {"name": "a", "user_id": {"$ne": None}}, "bad_type"),
    ("properties as a list", {"name": "a", "properties": [["plan", "pro"]]}, "bad_type"),
    ("properties as text", {"name": "a", "properties": "plan=pro"}, "bad_type"),
    ("101 properties", {"name": "a", "properties": {str(n): n for n in range(101)}}, "properties_too_many"),
    ("a key without a name", {"name": "a", "properties": {"": 1}}, "bad_identifier"),
    ("a key with U+0000", {"name": "a", "properties": {"a\x00": 1}}, "bad_identifier"),
    ("a key of 201 characters", {"name": "a", "properties": {"k" * 201: 1}}, "property_key_too_long"),
    ("a text of 8,193 characters", {"name": "a", "properties": {"t": "x" * 8193}}, "property_value_too_long"),
    ("33 KiB", {"name": "a", "properties": {str(n): "x" * 8000 for n in range(5)}}, "properties_too_large"),
    ("six levels", {"name": "a", "properties": {"a": {"b": {"c": {"d": {"e": {}}}}}}}, "properties_too_deep"),
    ("five levels", {"name": "a", "properties": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, None),
    ("the names of Python", {"name": "a", "properties": {"__class__": 1, "__proto__": {"x": 1}}}, None),
    ("a title that is a list", {"name": "a", "title": ["x"]}, "bad_type"),
    ("a title of a megabyte, cut", {"name": "a", "title": "x" * 900_000}, None),
    ("a currency that is a number", {"name": "a", "currency": 978}, "bad_type"),
    ("facts of the device that are none", {"name": "a", "screen": 1920, "language": ["de"], "viewport": {}}, None),
    ("a depth of scroll that is none", {"name": "engagement", "scroll": "all", "engaged_ms": -5}, None),
    ("a field that nobody knows", {"name": "a", "colour": "red", "events": [1]}, None),
]


@pytest.mark.parametrize(("sent", "reason"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_an_event_is_kept_or_rejected_by_a_word_and_costs_no_other(site: Site, sent: Any, reason: str | None) -> None:
    answer = collect(arrival(document(site, {"name": "before"}, sent, {"name": "after"})))
    said = told(answer)
    assert answer.status == 202
    assert [(one["index"], one["reason"]) for one in said["rejected"]] == ([(1, reason)] if reason else [])
    assert all(one["detail"].endswith(".") for one in said["rejected"])
    (batch,) = waiting()
    names = [event.name for event in batch.events]
    assert (names[0], names[-1], len(names)) == ("before", "after", said["accepted"])
    assert said["accepted"] == (2 if reason else 3)


@pytest.mark.parametrize(
    ("ago", "reason"),
    [
        ({"days": 6.9}, None),
        ({"days": 7.1}, "too_old"),
        ({"days": -0.9}, None),
        ({"days": -1.1}, "timestamp_future"),
        ({"days": 3650}, "too_old"),
    ],
)
def test_the_age_of_an_event_has_its_limits(site: Site, ago: dict[str, float], reason: str | None) -> None:
    said = told(collect(arrival(document(site, {"name": "a", "timestamp": iso(**ago)}))))
    assert [one["reason"] for one in said["rejected"]] == ([reason] if reason else [])


# --- Whole requests -----------------------------------------------------------------------------------------

KEY = "KEY"  # stands for the key of the site
GOOD = b'{"site":"KEY","name":"a"}'
REQUESTS: list[tuple[str, bytes, dict[str, str], tuple[int, str | None]]] = [
    ("a single event", GOOD, {}, (202, None)),
    ("a mark of byte order", b"\xef\xbb\xbf" + GOOD, {}, (202, None)),
    ("white space around it", b" \n\t" + GOOD + b"\r\n ", {}, (202, None)),
    ("a member twice: the last one counts", b'{"site":"x","site":"KEY","name":"a"}', {}, (202, None)),
    ("no type at all", GOOD, {"content_type": ""}, (202, None)),
    ("nothing", b"", {}, (400, "bad_json")),
    ("a space", b" ", {}, (400, "bad_json")),
    ("half of it", GOOD[:-1], {}, (400, "bad_json")),
    ("two of it", GOOD + GOOD, {}, (400, "bad_json")),
    ("single quotes", GOOD.replace(b'"', b"'"), {}, (400, "bad_json")),
    ("a comma too many", b'{"site":"KEY","name":"a",}', {}, (400, "bad_json")),
    ("a comment", b'{"site":"KEY","name":"a"} // x', {}, (400, "bad_json")),
    ("no number", b'{"site":"KEY","name":"a","value":NaN}', {}, (400, "bad_json")),
    ("a number that begins with 0", b'{"site":"KEY","name":"a","value":012}', {}, (400, "bad_json")),
    ("Latin-1", '{"site":"KEY","name":"é"}'.encode("latin-1"), {}, (400, "bad_json")),
    ("UTF-16", GOOD.decode().encode("utf-16"), {}, (400, "bad_json")),
    ("a form", b"site=KEY&name=a", {"content_type": "application/x-www-form-urlencoded"}, (415, None)),
    ("a form that says it is JSON", b"site=KEY&name=a", {}, (400, "bad_json")),
    ("100,000 brackets", b"[" * 100_000, {}, (400, "bad_json")),
    ("a list", b'[{"site":"KEY","name":"a"}]', {}, (400, "bad_envelope")),
    ("a text", b'"KEY"', {}, (400, "bad_envelope")),
    ("null", b"null", {}, (400, "bad_envelope")),
    ("no site", b'{"name":"a"}', {}, (400, "bad_envelope")),
    ("no event", b'{"site":"KEY"}', {}, (400, "bad_envelope")),
    ("events that are null", b'{"site":"KEY","events":null}', {}, (400, "bad_envelope")),
    ("events in an object", b'{"site":"KEY","events":{"0":{"name":"a"}}}', {}, (400, "bad_envelope")),
    ("a batch that is a number", b'{"site":"KEY","batch_id":7,"name":"a"}', {}, (400, "bad_envelope")),
    ("a batch without a name", b'{"site":"KEY","batch_id":"","name":"a"}', {}, (400, "bad_envelope")),
    ("501 events", b'{"site":"KEY","events":[' + b"{}," * 500 + b"{}]}", {}, (413, "too_many_events")),
    ("a key with a space", b'{"site":"KEY ","name":"a"}', {}, (404, "unknown_site")),
    ("a key in a list", b'{"site":["KEY"],"name":"a"}', {}, (404, "unknown_site")),
    ("a key that is nobody's", b'{"site":"ff_none","name":"a"}', {}, (404, "unknown_site")),
    ("a charset with a name", GOOD, {"content_type": "application/json; charset=latin1"}, (415, None)),
    ("brotli", GOOD, {"content_encoding": "br"}, (415, "unsupported_encoding")),
    ("said to be packed", GOOD, {"content_encoding": "gzip"}, (400, "bad_encoding")),
    ("packed, and cut", gzip.compress(GOOD)[:-6], {}, (400, "bad_encoding")),
    ("30 MiB of nothing, packed", gzip.compress(b" " * (30 << 20)), {}, (413, "body_too_large")),
    ("a key that opens nothing", GOOD, {"server_key": "ffk_write_none"}, (401, "bad_key")),
]


def of_site(site: Site, content: bytes) -> bytes:
    return content.replace(KEY.encode(), site.key.encode())


@pytest.mark.parametrize(
    ("content", "request_", "expected"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_a_request_is_taken_or_refused_by_a_word(
    site: Site, content: bytes, request_: dict[str, str], expected: tuple[int, str | None]
) -> None:
    answer = collect(arrival(of_site(site, content), **request_))
    said = told(answer)
    status, word = expected
    assert answer.status == status
    assert word in (None, said.get("error"))
    assert bool(waiting()) == (status == 202)
    assert status == 202 or said["detail"].endswith(".")


def test_a_packed_body_need_not_say_so(site: Site) -> None:
    assert told(collect(arrival(gzip.compress(of_site(site, GOOD)))))["accepted"] == 1


@pytest.mark.parametrize("field", ["sent_at", "batch_id", "id", "timestamp", "url", "title", "value", "properties"])
def test_null_is_the_same_as_nothing(site: Site, field: str) -> None:
    said = told(collect(arrival({"site": site.key, "name": "a", field: None})))
    assert (said["accepted"], said["rejected"]) == (1, [])


# --- Byte by byte, against the product ------------------------------------------------------------------------


def exchanged(product: Product, *parts: bytes) -> bytes:
    """What comes back until the server closes the connection, or says nothing for a while."""
    with socket.create_connection(("127.0.0.1", product.port), 10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        try:
            while more := connection.recv(65_536):
                received += more
        except (TimeoutError, ConnectionResetError):
            pass
    return received


def post(product: Product, *lines: str, body: bytes | None = None) -> bytes:
    """A request with an event of its own; LINES stand in place of Content-Length."""
    content = body if body is not None else json.dumps(product.batch(1)).encode()
    head = ["POST /api/v1/events HTTP/1.1", f"Host: 127.0.0.1:{product.port}", f"User-Agent: {BROWSER}"]
    head += ["Connection: close", *(lines or [f"Content-Length: {len(content)}"])]
    return "\r\n".join([*head, "", ""]).encode() + content


def status_of(received: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", received)
    return int(found[1]) if found else 0


def stored(product: Product) -> int:
    return int(product.rows("SELECT count(*) FROM ingest_event")[0][0])


WIRE: list[tuple[str, list[str], bytes | None, set[int]]] = [
    ("two lengths that differ", ["Content-Length: 2", "Content-Length: 40"], None, {400}),
    ("a length in words", ["Content-Length: all"], None, {400}),
    ("a length in hexadecimal", ["Content-Length: 0x40"], None, {400}),
    ("a length below nothing", ["Content-Length: -1"], None, {400}),
    ("a coding that nobody knows", ["Transfer-Encoding: gzip, identity"], None, {400, 411, 501}),
    ("chunks of no size", ["Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n", {400}),
    ("chunks of a size beyond all memory", ["Transfer-Encoding: chunked"], b"ffffffffffffffff0\r\n{}\r\n", {400, 413}),
    ("no length at all", ["X-A: b"], None, {400, 411}),
    ("a line folded over two", ["X-A: b", " c", "Content-Length: 2"], b"{}", {400}),
    ("a header without a name", [": b", "Content-Length: 2"], b"{}", {400}),
    ("a header with U+0000", ["X-A: \x00", "Content-Length: 2"], b"{}", {400}),
]


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
@pytest.mark.parametrize(("lines", "body", "expected"), [case[1:] for case in WIRE], ids=[case[0] for case in WIRE])
def test_a_request_that_is_no_http_is_never_accepted(
    product: Product, lines: list[str], body: bytes | None, expected: set[int]
) -> None:
    assert status_of(exchanged(product, post(product, *lines, body=body))) in expected
    assert product.post(product.batch(1))[0] == 202


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
def test_two_requests_in_one_packet_are_two(product: Product) -> None:
    before = stored(product)
    first = post(product).replace(b"Connection: close\r\n", b"")
    received = exchanged(product, first + post(product))
    assert [status_of(part) for part in re.findall(rb"HTTP/1\.1 [0-9]{3}", received)] == [202, 202]
    wait_for(lambda: stored(product) == before + 2, 10)


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
def test_a_request_hidden_in_anothers_body_is_none(product: Product) -> None:
    hidden = post(product)
    lines = [f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked"]
    received = exchanged(product, post(product, *lines, body=b"0\r\n\r\n" + hidden))
    assert b" 202 " not in received


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * 64]
)
def test_another_protocol_is_answered_or_closed_and_holds_nobody(product: Product, noise: bytes) -> None:
    assert status_of(exchanged(product, noise)) in (0, 400, 505)
    assert product.post(product.batch(1))[0] == 202


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
@pytest.mark.parametrize("path", ["/api/v1/event", "/api/v2/query", "/api//v1/events", "/api/v1/events/../x"])
def test_an_unknown_address_of_the_api_is_told_in_json(product: Product, path: str) -> None:
    received = exchanged(product, post(product).replace(b"/api/v1/events", path.encode(), 1))
    assert status_of(received) == 404
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"] == "not_found"


@pytest.mark.whole
@pytest.mark.xdist_group("whole")
def test_an_event_is_stored_once_however_often_and_however_late_it_is_sent(product: Product) -> None:
    batch = product.batch(1, id=str(uuid.uuid4()))
    before = stored(product)
    for skew in (0, 37, -3600):
        batch["sent_at"] = datetime.fromtimestamp(time.time() + skew, UTC).isoformat()
        assert product.post(batch)[0] == 202
    product.post(product.batch(1))
    wait_for(lambda: stored(product) >= before + 2, 10)
    assert stored(product) == before + 2
