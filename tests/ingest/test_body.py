"""From bytes to a document: media types, packing, size, grammar."""

import gzip
import json
import math
import time
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import body
from ingest.refusal import Refused

DOCUMENT = {"site": "ff_x", "events": [{"name": "é"}]}
TEXT = json.dumps(DOCUMENT, ensure_ascii=False).encode()


def refusal_of(content: bytes, content_type: str = "", encoding: str = "") -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        body.read(content, content_type, encoding)
    assert refusal.value.detail.endswith(".")
    return refusal.value.status, refusal.value.reason


def test_it_works() -> None:
    assert body.read(TEXT, "application/json", "") == DOCUMENT
    assert body.read(gzip.compress(TEXT), "application/json", "gzip") == DOCUMENT


# --- Media types ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "Application/JSON", "text/plain", "text/plain;charset=UTF-8",
     'application/json; charset="utf-8"', "application/json; charset=utf8", "text/plain; format=flowed"],
)  # fmt: skip
def test_it_takes_json_as_browsers_label_it(content_type: str) -> None:
    assert body.read(TEXT, content_type, "") == DOCUMENT


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/html", "application/yaml",
     "application/json, text/plain", "application/json; charset=utf-7", "text/plain; charset=utf-16",
     "application/json; charset=bz2", "application/json; charset=idna", "application/json; charset=utf-8\0",
     "text/plain; charset=utf-8; charset=utf-7", "text/plain; CharSet = utf-7", "text/plain; charset*=utf-7''x"],
)  # fmt: skip
def test_it_refuses_every_other_label(content_type: str) -> None:
    assert refusal_of(TEXT, content_type) == (415, "unsupported_media_type")


# --- Packing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip ", "", "identity"])
def test_a_packed_body_is_known_by_its_header_or_its_first_bytes(encoding: str) -> None:
    assert body.read(gzip.compress(TEXT), "", encoding) == DOCUMENT


def test_a_body_in_several_members_is_one() -> None:
    assert body.read(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), "", "gzip") == DOCUMENT


def test_what_follows_a_packed_body_is_ignored() -> None:
    assert body.read(gzip.compress(TEXT) + b"\0\0\0", "", "gzip") == DOCUMENT


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "lzma", "gzip, gzip", "x", "gzip;q=1"])
def test_it_refuses_other_packing(encoding: str) -> None:
    assert refusal_of(TEXT, encoding=encoding) == (415, "unsupported_encoding")


PACKED = gzip.compress(TEXT)
BROKEN = {
    "cut": PACKED[:-9],
    "without its checksum": PACKED[:-4],
    "with a wrong checksum": PACKED[:-8] + b"\0" * 8,
    "header only": PACKED[:10],
    "two bytes": PACKED[:2],
    "not deflated": PACKED[:10] + b"\xff" * 40,
    "not packed": TEXT,
    "a second member that is cut": PACKED + PACKED[:12],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_it_refuses_broken_packing(content: bytes) -> None:
    assert refusal_of(content, encoding="gzip") == (400, "bad_encoding")


def test_a_body_packed_twice_is_no_json() -> None:
    assert refusal_of(gzip.compress(gzip.compress(TEXT)), encoding="gzip") == (400, "bad_json")


# --- Size -------------------------------------------------------------------------------------------------


def padded(size: int) -> bytes:
    return TEXT + b" " * (size - len(TEXT))


def test_a_body_at_the_limits_is_read() -> None:
    assert body.read(padded(django_settings.INGEST_MAX_BODY), "", "") == DOCUMENT
    assert body.read(gzip.compress(padded(django_settings.INGEST_MAX_UNPACKED)), "", "gzip") == DOCUMENT


def test_a_body_over_the_limits_is_refused() -> None:
    assert refusal_of(padded(django_settings.INGEST_MAX_BODY + 1)) == (413, "body_too_large")
    packed = gzip.compress(padded(django_settings.INGEST_MAX_UNPACKED + 1))
    assert refusal_of(packed, encoding="gzip") == (413, "body_too_large")


def test_the_limit_holds_for_all_members_together() -> None:
    half = gzip.compress(b" " * (django_settings.INGEST_MAX_UNPACKED // 2 + 1))
    assert refusal_of(half + half, encoding="gzip") == (413, "body_too_large")


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(100 << 20))
    started = time.process_time()
    assert refusal_of(bomb, encoding="gzip") == (413, "body_too_large")
    assert time.process_time() - started < 0.3


def test_a_body_of_empty_members_costs_no_time() -> None:
    """Each member copies what follows it: 52,000 of them in one MiB copy 25 GiB."""
    empty = gzip.compress(b"")
    members = empty * (django_settings.INGEST_MAX_BODY // len(empty))
    started = time.process_time()
    assert refusal_of(members, encoding="gzip") == (400, "bad_encoding")
    assert time.process_time() - started < 0.1


def test_a_body_has_a_bounded_number_of_members() -> None:
    empty = gzip.compress(b"")
    assert body.read(gzip.compress(TEXT) + empty * (body.MEMBERS_MAX - 1), "", "") == DOCUMENT
    assert refusal_of(gzip.compress(TEXT) + empty * body.MEMBERS_MAX) == (400, "bad_encoding")


# --- Grammar ----------------------------------------------------------------------------------------------

NO_JSON = [
    b"", b" ", b"{", b'{"site":"x","events":[{"id":', b"{'a':1}", b"[1,]", b'{"a":1,}', b'{"a":1}{"a":1}', b"{} x",
    b"a=1&b=2", b"NaN", b'{"n":NaN}', b'{"n":-Infinity}', b'{"n":undefined}', b'{"n":0x10}', b'{"n":01}', b'{"n":.5}',
    b'{"n":+1}', b'"a\x01b"', b'"a\nb"', b'"\\u12"', b'"\\x41"', b'"\xc0\xaf"', b'"\xe2\x82"', b'"\xff"',
    b'"\xed\xa0\x80"', b"//x\n{}", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"[" * 50_000,
    b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 50_000, b"1" * 5_000, b"-" + b"1" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("content", NO_JSON, ids=lambda content: repr(content[:24]))
def test_it_refuses_what_is_no_json(content: bytes) -> None:
    assert refusal_of(content) == (400, "bad_json")


JSON: list[tuple[bytes, Any]] = [
    (b"\xef\xbb\xbf{}", {}),
    (b" \r\n\t{} ", {}),
    (b"true", True),
    (b'"text"', "text"),
    (b"[[],[]]", [[], []]),
    (b'{"a":1,"a":2}', {"a": 2}),
    (b'"\\u0000"', "\x00"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'"cut \\ud83d"', "cut \ud83d"),
    (b'"\\ude00\\ud83d"', "\ude00\ud83d"),
    (b"1e308", 1e308),
    (b"1e999", math.inf),
    (b"-1e999", -math.inf),
    (b"1e-999", 0.0),
    (b"18446744073709551616", 2**64),
    (b"9" * 4_000, int("9" * 4_000)),
]


@pytest.mark.parametrize(("content", "document"), JSON, ids=lambda part: repr(part)[:24])
def test_it_reads_all_that_is_json(content: bytes, document: Any) -> None:
    assert body.read(content, "", "") == document


# --- Anything at all --------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
TEXTS = DOCUMENTS.map(lambda document: json.dumps(document).encode())
LABELS = st.one_of(
    st.sampled_from(["application/json", "text/plain;charset=utf-8", "gzip", "identity", "", ";;", "charset=x"]),
    st.text(),
)
BYTES = st.one_of(
    st.binary(),
    TEXTS,
    TEXTS.map(gzip.compress),
    st.tuples(st.binary(max_size=20), TEXTS.map(gzip.compress)).map(lambda parts: parts[1] + parts[0]),
    st.tuples(TEXTS.map(gzip.compress), st.integers(0, 60)).map(lambda parts: parts[0][: -parts[1]]),
    st.tuples(TEXTS, st.integers(0, 20)).map(lambda parts: parts[0][: -parts[1]]),
)


def status_of(content: bytes, content_type: str, encoding: str) -> int:
    try:
        body.read(content, content_type, encoding)
    except Refused as refusal:
        refusal.detail.encode()
        return refusal.status
    return 200


@given(BYTES, LABELS, LABELS)
@settings(deadline=None)
def test_whatever_comes_is_read_or_refused(content: bytes, content_type: str, encoding: str) -> None:
    assert status_of(content, content_type, encoding) in (200, 400, 413, 415)


@given(DOCUMENTS, st.booleans())
def test_every_document_is_read_as_it_was_written(document: Any, packed: bool) -> None:
    content = json.dumps(document).encode()
    assert body.read(gzip.compress(content) if packed else content, "", "") == document
