"""From the bytes of a request to its JSON document: media type, packing, size, grammar.

Every limit is held while reading, never after: a packed body stops at the unpacked limit, nesting at the
decoder's own depth. What cannot be read is refused as a whole.
"""

import json
import re
import zlib
from typing import Any, NoReturn

import msgspec
from django.conf import settings

from ingest.refusal import Refused

# Browsers send beacons as text/plain so as not to ask for permission first; a Blob may have no type at all.
MEDIA_TYPES = {"", "application/json", "text/plain"}
CHARSET = re.compile(r'^charset="?(utf-?8)"?$', re.IGNORECASE)
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
MEMBERS_MAX = 64  # each copies all that follows it: 1 MiB of empty ones cost half a second


def read(body: bytes, content_type: str, content_encoding: str) -> Any:
    """The document, as plain dicts, lists, strings and numbers. Raises Refused.

    Strings may hold lone surrogates and numbers may be infinite; the fields' readers decide about those.
    """
    _check_media_type(content_type)
    if len(body) > settings.INGEST_MAX_BODY:
        raise too_large(settings.INGEST_MAX_BODY)
    return _decode(_unpack(body, content_encoding.strip().lower()).removeprefix(BOM))


def too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"The body is over {limit:,} bytes. Send fewer events at a time.")


def is_utf8(content_type: str) -> bool:
    """Whether it names no other charset."""
    parameters = [part.strip() for part in content_type.split(";")[1:]]
    return all(CHARSET.match(part) for part in parameters if part.lower().startswith("charset"))


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in MEDIA_TYPES and is_utf8(content_type):
        return
    raise Refused(
        415,
        "unsupported_media_type",
        f"{content_type[:80]!r}: send application/json or text/plain, in UTF-8.",
    )


def _unpack(body: bytes, encoding: str) -> bytes:
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Refused(415, "unsupported_encoding", f"{encoding[:40]!r}: send gzip or no packing.")
    if not body.startswith(GZIP):
        if "gzip" in encoding and body:
            raise Refused(400, "bad_encoding", "The body says gzip and is not packed.")
        return body
    return _inflate(body)


def _inflate(body: bytes) -> bytes:
    """One or more gzip members, up to the unpacked limit."""
    limit, unpacked = settings.INGEST_MAX_UNPACKED, b""
    for _ in range(MEMBERS_MAX):
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(body, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise Refused(400, "bad_encoding", f"The body is broken gzip ({error}).") from error
        if len(unpacked) > limit:
            raise too_large(limit)
        if not member.eof:
            raise Refused(400, "bad_encoding", "The packed body ends too early.")
        body = member.unused_data
        if not body.startswith(GZIP):
            return unpacked
    raise Refused(400, "bad_encoding", f"The body is packed in over {MEMBERS_MAX} pieces. Pack it in one.")


def _decode(text: bytes) -> Any:
    """msgspec first; what it refuses and JSON allows (lone surrogates, 1e999) is read the slow way."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "bad_json", f"The body is not JSON: {str(error)[:120]}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
