"""Readers of single fields: each takes what the sender wrote and gives what is kept, or raises Rejected.

Text that is shown (titles, values) is mended: U+0000 and lone surrogates become U+FFFD, which PostgreSQL can
store. Text that identifies (ids, names, keys) is never mended, since two ids could become one.
"""

import contextlib
import functools
import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ingest.refusal import Rejected
from ingest.webaddress import host_of, path_of

NAME_MAX, ID_MAX, URL_MAX, TEXT_MAX, SHORT_MAX = 120, 200, 4096, 1024, 64
NUMBER_MAX = 1e15  # exact to the cent; sums of larger ones would end at infinity, and with them every figure
PROPERTIES_MAX, KEY_MAX, VALUE_MAX, DEPTH_MAX, BYTES_MAX = 100, 200, 8192, 5, 32 * 1024
ABSURD_DEPTH = 100

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
TIME_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?:(:\d\d)(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
COMMON_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)  # as browsers write it
URL_FORM = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#\\]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
HOST_FORM = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\s]+)(?::(?P<port>\d{0,5}))?")
# What programs write when they have no id; taken at their word they would make one visitor of all senders.
NO_IDS = {"", "0", "-1", "undefined", "null", "none", "nil", "nan", "true", "false", "unknown", "anonymous",
          "guest", "[object object]", "00000000-0000-0000-0000-000000000000"}  # fmt: skip


def text(raw: dict[str, Any], field: str, limit: int = TEXT_MAX) -> str | None:
    """A text that is shown, mended and cut at LIMIT code points; None when absent or empty."""
    value = raw.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be text.")
    return mended(value[:limit]) or None


def mended(value: str) -> str:
    return UNSTORABLE.sub("\ufffd", value) if UNSTORABLE.search(value) else value


def identifier(raw: dict[str, Any], field: str) -> str | None:
    """A text that identifies; None when absent or a placeholder such as "undefined"."""
    value = raw.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be text.")
    if len(value) > ID_MAX or CONTROL.search(value):
        raise Rejected("bad_identifier", f"{field}: at most {ID_MAX} characters, no control characters.")
    return None if _is_placeholder(value) else value


@functools.lru_cache(maxsize=8192)  # the same in every event of a batch
def _is_placeholder(value: str) -> bool:
    return value.strip().lower() in NO_IDS


def event_id(raw: dict[str, Any]) -> UUID | None:
    """The sender's UUID, in any letter case, with or without dashes; never the nil one."""
    value = raw.get("id")
    if value is None:
        return None
    if isinstance(value, list | dict):
        raise Rejected("bad_type", f"id is {kind_of(value)}: must be a UUID as text.")
    if not isinstance(value, str):
        raise Rejected("bad_id", f"id is {kind_of(value)}: must be a UUID such as a v7 one, as text.")
    if UUID_FORM.fullmatch(value):
        parsed = _as_uuid(value)
        if parsed.int:
            return parsed
    raise Rejected("bad_id", f"id {value[:60]!r}: must be a UUID such as a v7 one, as text.")


def _as_uuid(value: str) -> UUID:
    # The decoder's own reading is six times as fast, and takes fewer forms.
    return msgspec.convert(value, UUID) if len(value) in (32, 36) else UUID(value)


def event_name(raw: dict[str, Any]) -> str:
    value = raw.get("name")
    if value is None:
        raise Rejected("missing_field", "name is missing.")
    if not isinstance(value, str):
        raise Rejected("bad_type", f"name is {kind_of(value)}: must be text.")
    if len(value) > NAME_MAX:
        raise Rejected("name_too_long", f"name has {len(value)} characters: at most {NAME_MAX}.")
    if CONTROL.search(value):
        raise Rejected("bad_identifier", "name holds control characters.")
    if not _is_visible(value):
        raise Rejected("name_empty", "name is empty.")
    return value


@functools.lru_cache(maxsize=4096)
def _is_visible(name: str) -> bool:
    # "Cf": zero-width characters and the like; a name of these alone would be shown as nothing.
    return any(unicodedata.category(sign) != "Cf" for sign in name.strip())


def moment(raw: dict[str, Any], field: str = "timestamp") -> float | None:
    """RFC 3339, with or without zone (then UTC), to seconds since 1970."""
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, list | dict):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be a time as text.")
    if isinstance(value, str) and COMMON_TIME.fullmatch(value):
        with contextlib.suppress(ValueError):  # the 31st of February: said below
            return datetime.fromisoformat(value).timestamp()
    found = TIME_FORM.fullmatch(value) if isinstance(value, str) and len(value) < 64 else None
    if found is None:
        said = repr(value[:60]) if isinstance(value, str) else f"is {kind_of(value)}"
        raise Rejected("bad_timestamp", f"{field} {said}: write 2026-11-20T09:59:58.120Z.")
    day, minute, second, fraction, zone = found.groups()
    parts = f"{day}T{minute}{second or ':00'}{(fraction or '')[:7].ljust(7, '0') if fraction else ''}"
    try:
        parsed = datetime.fromisoformat(parts + (zone or "Z").upper())
        return parsed.astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise Rejected("bad_timestamp", f"{field} {value[:60]!r}: {error}.") from error


def number(raw: dict[str, Any], field: str) -> float | None:
    """A number that is added up."""
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be a number.")
    _check_number(field, value)
    if abs(value) > NUMBER_MAX:
        raise Rejected("bad_number", f"{field} is {value:.3g}: at most {NUMBER_MAX:.0e} either way.")
    return float(value)


def amount(raw: dict[str, Any], field: str, limit: int) -> int | None:
    """A whole number from 0 to LIMIT; anything else is taken as not measured."""
    value = raw.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return min(int(value), limit)


class Url(NamedTuple):
    host: str
    path: str
    query: str | None


def url(raw: dict[str, Any], field: str = "url") -> Url | None:
    """The parts of an http(s) address that are kept: no user, no port, no fragment."""
    value = raw.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be text.")
    if len(value) > URL_MAX:
        raise Rejected("url_too_long", f"{field} has {len(value)} characters: at most {URL_MAX}.")
    return (_known_url if len(value) <= KNOWN_URL_MAX else _url)(field, mended(value.strip()))


def _url(field: str, value: str) -> Url:
    found = URL_FORM.fullmatch(value)
    if found is None or "." in found["scheme"]:  # example.com:80/path
        raise Rejected("url_invalid", f"{field} {value[:60]!r}: write https://example.com/path.")
    if found["scheme"].lower() not in ("http", "https"):
        raise Rejected("url_scheme", f"{field} {value[:60]!r}: only http and https are kept.")
    authority = HOST_FORM.fullmatch((found["authority"] or "").rpartition("@")[2])
    host = host_of(authority["host"]) if authority else ""
    if authority is None or not host or int(authority["port"] or 0) > 65_535:
        raise Rejected("url_invalid", f"{field} {value[:60]!r}: no host, or no port from 1 to 65535.")
    return Url(host, path_of(found["path"]) or "/", found["query"] or None)


KNOWN_URL_MAX = 300
_known_url = functools.lru_cache(maxsize=4096)(_url)  # many look at the same pages


def properties(raw: dict[str, Any], field: str = "properties") -> dict[str, Any] | None:
    """The event's own data, mended; None when absent or empty. Limits as in docs/api.md."""
    value = raw.get(field)
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise Rejected("bad_type", f"{field} is {kind_of(value)}: must be an object.")
    if len(value) > PROPERTIES_MAX:
        raise Rejected("properties_too_many", f"{field} has {len(value)} keys: at most {PROPERTIES_MAX}.")
    kept = {_key(field, key): _value(field, item, 2) for key, item in value.items()}
    size = len(msgspec.json.encode(kept))
    if size > BYTES_MAX:
        raise Rejected("properties_too_large", f"{field} takes {size:,} bytes: at most {BYTES_MAX:,}.")
    return kept


def _key(field: str, key: str) -> str:
    if not key or UNSTORABLE.search(key):
        raise Rejected("bad_identifier", f"{field}: a key is empty or holds U+0000 or half a character.")
    if len(key) > KEY_MAX:
        raise Rejected("property_key_too_long", f"{field}: a key has {len(key)} characters: at most {KEY_MAX}.")
    return key


def _value(field: str, value: Any, depth: int) -> Any:
    if isinstance(value, str):
        if len(value) > VALUE_MAX:
            raise Rejected("property_value_too_long", f"{field}: a value is over {VALUE_MAX} characters.")
        return mended(value)
    if isinstance(value, list | dict) and depth > DEPTH_MAX:
        raise _too_deep(field, value)
    if isinstance(value, list):
        return [_value(field, item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_key(field, key): _value(field, item, depth + 1) for key, item in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(field, value)
        # Past 64 bits a double is kept: the stream's encoding has no wider whole numbers.
        return value if -(2**63) <= value < 2**64 else float(value)
    return value


def _too_deep(field: str, value: Any) -> Rejected:
    """Nesting that no program writes on purpose is no data that is a little too deep."""
    levels = [value]
    for _ in range(ABSURD_DEPTH):
        levels = [inner for item in levels for inner in _inside(item)]
        if not levels:
            return Rejected("properties_too_deep", f"{field} is nested deeper than {DEPTH_MAX}.")
    return Rejected("bad_json", f"{field} is nested over {ABSURD_DEPTH} deep.")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_number(field: str, value: float) -> None:
    """Refuses what jsonb cannot keep (infinity, NaN) and whole numbers too large for a double."""
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise Rejected("bad_number", f"{field}: a number is infinite or too large.")


def kind_of(value: object) -> str:
    """What JSON calls it."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
