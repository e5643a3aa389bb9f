"""Where an address is, from files on this machine: nobody is asked, nothing is kept.

The file that comes with Footfall knows countries. An operator's own (MaxMind's GeoIP2 and GeoLite2, DB-IP,
IP2Location, ip-location-db) may know regions, cities and coordinates; two ways to lay out a record are read.
"""

import functools
import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
from django.conf import settings

from ingest import addresses

log = logging.getLogger(__name__)
VENDORED = str(Path(__file__).parent / "data" / "geo-whois-asn-country.mmdb")
NOWHERE = {"ZZ", "XX", "EU", "AP", "A1", "A2", "T1", "O1"}  # codes that some files use for "no country"
PROBED = 100  # records that are read when a file is opened, to know a damaged one; they take half a millisecond
LOOK_AGAIN_SECONDS = 60.0  # after which a replaced file is noticed


class Place(NamedTuple):
    """`country` is an ISO 3166-1 code in capitals; region and city are English names."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None


def locate(address: str) -> Place:
    """The country as the first file has it that knows one, and the rest as the first has it that agrees.

    The operator's files are asked in their order, the one that comes along last: a file that is missing or
    damaged costs the city and not the country. An empty Place when the address is none, is private or unknown.
    """
    public = _public(address)
    if public is None:
        return Place()
    found = Place()
    for path in settings.INGEST_GEO_DATABASE:
        found = _completed(found, _look(path, public))
    return found if found.country else found._replace(country=_look(VENDORED, public).country)


def _completed(known: Place, more: Place) -> Place:
    if known.country is None:
        return more if more.country else known
    return more if known.city is None and more.city and more.country == known.country else known


def _look(path: str, address: str) -> Place:
    reader = _open(path)
    if reader is None:
        return Place()
    try:
        return _place(reader.get(address))
    except ValueError:  # IPv6 asked of a file that has none
        return Place()
    except Exception as error:  # a damaged file raises anything; geography is never worth an event
        _warn(path, type(error).__name__)
        return Place()


class _File(NamedTuple):
    """What was found under a path: a reader or a problem, and by which the same file is told."""

    reader: maxminddb.Reader | None
    problem: str
    mark: tuple[int, int, int] | None
    until: float  # by time.monotonic(); then it is looked at again


_files: dict[str, _File] = {}


def _open(path: str) -> maxminddb.Reader | None:
    """The same reader until the file is another; the old one stays when the new one cannot be read."""
    known = _files.get(path)
    if known is not None and time.monotonic() < known.until:
        return known.reader
    return _looked_at(path, known).reader


def _looked_at(path: str, known: _File | None) -> _File:
    until, mark = time.monotonic() + LOOK_AGAIN_SECONDS, _mark(path)
    if known is None or known.mark != mark:
        file = _opened(path, mark, until)
        if file.problem:
            _warn(path, file.problem)
            file = file._replace(reader=known.reader if known else None)
    else:
        file = known._replace(until=until)
    _files[path] = file  # others may still read from the old one: it is closed with its last reference
    return file


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _opened(path: str, mark: tuple[int, int, int] | None, until: float) -> _File:
    try:
        reader = maxminddb.open_database(path)
        deque(islice(reader, PROBED), maxlen=0)
        return _File(reader, "", mark, until)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        return _File(None, getattr(error, "strerror", None) or type(error).__name__, mark, until)


def shortcomings() -> Iterator[str]:
    """What is wrong with the operator's files, a sentence for each."""
    for path in settings.INGEST_GEO_DATABASE:
        problem = _opened(path, None, 0.0).problem
        if problem:
            yield sentence_of(path, problem)


def sentence_of(path: str, problem: str) -> str:
    return (
        f"INGEST_GEO_DATABASE={path}: cannot be read ({problem}). It must be a MaxMind DB file; until then visitors"
        " have their country from the file that comes along, and no city. See docs/settings.md#ingestion."
    )


@functools.cache
def _warn(path: str, problem: str) -> None:
    log.warning("%s", sentence_of(path, problem))


def _public(address: str) -> str | None:
    """None for private networks and the like: the file that comes along has countries even for some of them."""
    text = address.strip().partition("%")[0].removeprefix("::ffff:")
    found = addresses.packed(text)
    return text if found and addresses.is_public(found) else None


def _place(record: Any) -> Place:
    if not isinstance(record, dict):
        return Place()
    if "country_code" in record:
        return _flat(record)
    country = _part(record, "country") or _part(record, "registered_country")
    location = _part(record, "location")
    return Place(
        code(country.get("iso_code")),
        _region(record.get("subdivisions")),
        _name(_part(record, "city")),
        _number(location.get("latitude")),
        _number(location.get("longitude")),
    )


def _flat(record: dict[str, Any]) -> Place:
    return Place(
        code(record.get("country_code")),
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


def code(found: Any) -> str | None:
    """Two letters that are a country's."""
    letters = (_text(found) or "").upper()
    is_country = len(letters) == 2 and letters.isascii() and letters.isalpha() and letters not in NOWHERE
    return letters if is_country else None


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) and found else None


def _number(found: Any) -> float | None:
    """Some files write numbers as text."""
    try:
        return float(found)
    except (TypeError, ValueError):
        return None
