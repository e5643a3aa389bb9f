"""Stored aggregate rows against those that a recount makes: what differs, figure by figure. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pyroaring import BitMap

from ingest.rollups import sets

At = datetime | date
Value = tuple[str | None, ...]  # of one row: a dimension's value; a name and a label
Figures = Mapping[str, Any]
ROW, MEMBERS = "row", "members"


class Drift(NamedTuple):
    """One difference. `figure` is a column, or "row" where a row is missing (stored 0) or too many (recounted 0)."""

    table: str
    bucket: str  # a day, or the start of an hour
    dimension: str  # "" of a total
    value: str
    figure: str
    stored: str
    recounted: str

    def __str__(self) -> str:
        what = " ".join(filter(None, [self.table, self.bucket, self.dimension, repr(self.value) if self.value else ""]))
        return f"{what}: {self.figure} is {self.stored}, recounted {self.recounted}"


class Place(NamedTuple):
    """Whose rows are compared."""

    table: str
    bucket: At
    dimension: str = ""

    def drift(self, value: Value, figure: str, stored: str, recounted: str) -> Drift:
        bucket = f"{self.bucket:%Y-%m-%d %H:%M%z}" if isinstance(self.bucket, datetime) else f"{self.bucket}"
        text = ", ".join(one for one in value if one)
        return Drift(self.table, bucket, self.dimension, text, figure, stored, recounted)


def between(
    place: Place, stored: Iterable[tuple[Value, Figures]], counted: Iterable[tuple[Value, Figures]]
) -> list[Drift]:
    """Each row by its value, which is there once. Only the figures that were recounted are compared."""
    found: dict[Value, list[Figures]] = defaultdict(list)
    for value, figures in stored:
        found[value].append(figures)
    drifts: list[Drift] = []
    for value, figures in counted:
        rows = found.pop(value, [])
        drifts += _row(place, value, rows, figures)
    for value, rows in found.items():
        drifts.append(place.drift(value, ROW, str(len(rows)), "0"))
    return drifts


def _row(place: Place, value: Value, stored: Sequence[Figures], counted: Figures) -> list[Drift]:
    if len(stored) != 1:
        return [place.drift(value, ROW, str(len(stored)), "1")]
    [row] = stored
    return [
        place.drift(value, figure, *_told(figure, row[figure], wanted))
        for figure, wanted in counted.items()
        if not _same(figure, row[figure], wanted)
    ]


def _same(figure: str, stored: Any, wanted: Any) -> bool:
    if figure != MEMBERS or stored == wanted:
        return bool(stored == wanted)
    found = _numbers(stored)
    return found is not None and found == _numbers(wanted)


def _told(figure: str, stored: Any, wanted: Any) -> tuple[str, str]:
    if figure != MEMBERS:
        return _text(stored), _text(wanted)
    found, right = _numbers(stored), _numbers(wanted) or BitMap()
    if found is None:
        return "none" if stored is None else "unreadable", f"{len(right):,} visitors"
    more, less = len(found - right), len(right - found)
    return f"{len(found):,} visitors, {more:,} too many and {less:,} missing", f"{len(right):,} visitors"


def _numbers(members: bytes | BitMap | None) -> BitMap | None:
    """None for what is no set."""
    if isinstance(members, BitMap):
        return members
    try:
        return None if members is None else sets.loaded(bytes(members))
    except (ValueError, IndexError):
        return None


def _text(value: Any) -> str:
    match value:
        case None:
            return "none"
        case Decimal():
            return f"{value:f}"
        case list():
            return ", ".join(map(str, value)) or "none"
    return str(value)
