"""Where an address is, from a file on this machine: nobody is asked, nothing is kept.

The file that comes with Footfall knows countries. An operator's own (MaxMind's GeoIP2 and GeoLite2, DB-IP,
IP2Location, ip-location-db) may know regions, cities and coordinates; two ways to lay out a record are read.
"""

import functools
import ipaddress
import logging
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
from django.conf import settings

log = logging.getLogger(__name__)
VENDORED = Path(__file__).parent / "data" / "geo-whois-asn-country.mmdb"
NOWHERE = {"ZZ", "XX", "EU", "AP", "A1", "A2", "T1", "O1"}  # codes that some files use for "no country"


class Place(NamedTuple):
    """`country` is an ISO 3166-1 code in capitals; region and city are English names."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None


def locate(address: str) -> Place:
    """An empty Place when the address is none, is private or unknown, or the file cannot be read."""
    path = settings.INGEST_GEO_DATABASE or str(VENDORED)
    reader = _open(path)
    if reader is None:
        return Place()
    try:
        public = _public(address)
        return _place(reader.get(public)) if public else Place()
    except ValueError:  # not an address, or IPv6 asked of a file that has none
        return Place()
    except Exception as error:  # a damaged file raises anything; geography is never worth an event
        _warn(path, type(error).__name__)
        return Place()


@functools.cache
def _open(path: str) -> maxminddb.Reader | None:
    """Once a process: a file that was replaced is read after a restart."""
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        _warn(path, type(error).__name__)
        return None


@functools.cache
def _warn(path: str, problem: str) -> None:
    log.warning(
        "INGEST_GEO_DATABASE=%s: cannot be read (%s). Visitors have no place until it is a MaxMind DB file.",
        path,
        problem,
    )


def _public(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for private networks and the like: the file that comes along has countries even for some of them."""
    parsed = ipaddress.ip_address(address.strip().partition("%")[0])
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed if parsed.is_global else None


def _place(record: Any) -> Place:
    if not isinstance(record, dict):
        return Place()
    if "country_code" in record:
        return _flat(record)
    country = _part(record, "country") or _part(record, "registered_country")
    location = _part(record, "location")
    return Place(
        _code(country.get("iso_code")),
        _region(record.get("subdivisions")),
        _name(_part(record, "city")),
        _number(location.get("latitude")),
        _number(location.get("longitude")),
    )


def _flat(record: dict[str, Any]) -> Place:
    return Place(
        _code(record.get("country_code")),
        _text(record.get("state1")),
        _text(record.get("city")),
        _number(record.get("latitude")),
        _number(record.get("longitude")),
    )


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _region(found: Any) -> str | None:
    """The first, the largest, of several subdivisions."""
    first = found[0] if isinstance(found, list) and found else None
    return (_name(first) or _text(first.get("iso_code"))) if isinstance(first, dict) else None


def _name(part: dict[str, Any]) -> str | None:
    return _text(_part(part, "names").get("en"))


def _code(found: Any) -> str | None:
    code = (_text(found) or "").upper()
    return code if len(code) == 2 and code.isalpha() and code not in NOWHERE else None


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) and found else None


def _number(found: Any) -> float | None:
    """Some files write numbers as text."""
    try:
        return float(found)
    except (TypeError, ValueError):
        return None
