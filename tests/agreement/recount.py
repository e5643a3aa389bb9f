"""Every aggregate again by its definition, one bucket and one value after the other, from the stored rows alone.

The definitions are in `ingest/models/rollups.py`; nothing is shared with what makes the aggregates.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from ingest.event import meaning_of
from tests.agreement.borders import Span

Row = dict[str, Any]
Tables = dict[str, list[Row]]
OF_SESSION = (
    "entry_page", "exit_page", "source", "channel", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "country", "region", "city", "device", "browser", "browser_version", "os", "os_version", "screen",
    "language",
)  # fmt: skip
OF_EVENT = {"page": "path", "hostname": "hostname", "event": "name"}
COUNTERS = ("impressions", "interactions", "errors")
ENGAGED_MS = 10_000
CENT_OF_CENT = Decimal("0.0001")


class Hit(NamedTuple):
    """A stored event with its stored session, its visitor's number, and what it has of each dimension."""

    row: Row
    session: Row
    number: int
    values: dict[str, str]
    counts: bool
    counter: str | None

    @property
    def ts(self) -> datetime:
        moment: datetime = self.row["ts"]
        return moment


def hit(row: Row, session: Row, number: int, properties: Iterable[str]) -> Hit:
    meaning = meaning_of(row["name"], row["category"])
    values = {name: _said(session, name) for name in OF_SESSION}
    values |= {name: row[column] or "" for name, column in OF_EVENT.items()}
    said = json.loads(row["properties"] or "{}")
    values |= {f"property:{name}": _text(said.get(name))[:500] for name in properties}
    return Hit(row, session, number, values, meaning.counts, meaning.counter)


def _said(session: Row, name: str) -> str:
    """A version says nothing without the name, and a town's name is that of its country's."""
    if name in ("browser_version", "os_version"):
        of = session[name.removesuffix("_version")]
        return f"{of} {session[name]}" if of and session[name] else ""
    if name in ("region", "city") and session[name]:
        return ", ".join(filter(None, (session[name], session["country"])))
    return session[name] or ""


def _text(value: object) -> str:
    """Of a property, as JSON has it; a text as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


# --- One bucket -------------------------------------------------------------------------------------------


def totals(hits: list[Hit], span: Span) -> list[Row]:
    return [_without(row, "dimension", "value", "place") for row in broken_down(hits, span, "", lambda _: "")]


def breakdowns(hits: list[Hit], span: Span, dimensions: Iterable[str]) -> Iterator[Row]:
    for name in dimensions:
        # Signs of life are events of no name that is counted, but they happen on a page.
        of = [one for one in hits if one.counts] if name == "event" else hits
        yield from broken_down(of, span, name, lambda one, name=name: one.values[name])  # type: ignore[misc]


def broken_down(hits: list[Hit], span: Span, dimension: str, value_of: Callable[[Hit], str]) -> list[Row]:
    """A row for each value of which there is anything, the largest first."""
    happened: dict[str, list[Hit]] = defaultdict(list)
    begun: dict[str, dict[int, Row]] = defaultdict(dict)
    for one in hits:
        if span.holds(one.ts):
            happened[value_of(one)].append(one)
        if one.counts and span.holds(one.session["started_at"]):
            begun[value_of(one)][one.session["id"]] = {**one.session, "number": one.number}
    found = [
        {"dimension": dimension, "value": value, **counted}
        for value in {*happened, *begun}
        # An amount of nothing is one: the row says so with a revenue of 0.
        if any((counted := figures(happened[value], list(begun[value].values()))).values())
        or any(_is_paid(one.row) for one in happened[value])
    ]
    found.sort(key=lambda row: (-row["visitors"], -row["events"], -row["sessions"], row["value"]))
    return [{**row, "place": place} for place, row in enumerate(found)]


def figures(happened: list[Hit], begun: list[Row]) -> Row:
    """Of the events that HAPPENED in a bucket, and of the sessions that BEGAN in it."""
    counted = [one for one in happened if one.counts]
    members = frozenset(one.number for one in counted)
    return {
        "visitors": len(members),
        "members": members,
        "events": len(counted),
        "page_views": sum(one.row["name"] == "pageview" for one in happened),
        **{name: sum(one.counter == name for one in happened) for name in COUNTERS},
        "engaged_ms": sum(one.row["engaged_ms"] or 0 for one in happened),
        "revenue": sum((_amount(one.row) for one in happened), Decimal(0)),
        "sessions": len(begun),
        "bounces": sum(one["is_bounce"] for one in begun),
        "engaged_sessions": sum(one["engaged_ms"] >= ENGAGED_MS for one in begun),
        "duration_us": sum(_duration(one) // timedelta(microseconds=1) for one in begun),
        "session_views": sum(one["page_views"] for one in begun),
        "new_visitors": len({one["number"] for one in begun if one["is_new_visitor"]}),
    }


def _is_paid(row: Row) -> bool:
    return row["currency"] is not None and row["value"] is not None


def _amount(row: Row) -> Decimal:
    if not _is_paid(row):
        return Decimal(0)
    return Decimal(repr(row["value"])).quantize(CENT_OF_CENT, ROUND_HALF_UP)


def _duration(session: Row) -> timedelta:
    if session["is_bounce"]:
        return timedelta()
    length: timedelta = session["last_activity"] - session["started_at"]
    return length


def named(hits: list[Hit], span: Span) -> list[Row]:
    """By name and label, signs of life included; no label and an empty one are one."""
    groups: dict[tuple[str, str | None], list[Hit]] = defaultdict(list)
    for one in hits:
        if span.holds(one.ts):
            groups[one.row["name"], one.row["label"] or None].append(one)
    found: list[Row] = [
        {
            "name": name,
            "label": label,
            "events": len(group),
            "visitors": len({one.number for one in group}),
            "sessions": len({one.session["id"] for one in group}),
        }
        for (name, label), group in groups.items()
    ]
    found.sort(key=lambda row: (-row["events"], row["name"], row["label"] or ""))
    return [{**row, "place": place} for place, row in enumerate(found)]


# --- All buckets ------------------------------------------------------------------------------------------


def aggregates(hits: list[Hit], days: dict[date, list[Span]], now: datetime, properties: Iterable[str]) -> Tables:
    """Of DAYS at NOW: hours and days that are over, and breakdowns by hour of today and yesterday."""
    dimensions = (*OF_SESSION, *OF_EVENT, *(f"property:{name}" for name in properties))
    tables = Tables({f"ingest_{span}_{kind}": [] for span in ("hourly", "daily") for kind in KINDS})
    today = next((day for day, spans in days.items() if spans[0].start <= now < spans[-1].end), date.max)
    for day, spans in days.items():
        recent = dimensions if (today - day).days <= 1 else ()
        for span in spans:
            if span.end <= now:
                _add(tables, "hourly", _hour(hits, span, recent))
        whole = Span(spans[0].start, spans[-1].end)
        if whole.end <= now:
            _add(tables, "daily", _day(hits, day, whole, dimensions))
    return tables


KINDS = ("total", "breakdown", "events")


def _add(tables: Tables, span: str, rows: dict[str, list[Row]]) -> None:
    for kind, found in rows.items():
        tables[f"ingest_{span}_{kind}"] += found


def _hour(hits: list[Hit], span: Span, dimensions: Iterable[str]) -> dict[str, list[Row]]:
    here = [one for one in hits if span.holds(one.ts) or span.holds(one.session["started_at"])]
    at = {"hour": span.start}
    return {
        "total": [{**at, "ends_at": span.end, **row} for row in totals(here, span)],
        "breakdown": [{**at, **row} for row in breakdowns(here, span, dimensions)],
        "events": [{**at, **row} for row in named(here, span)],
    }


def _day(hits: list[Hit], day: date, span: Span, dimensions: Iterable[str]) -> dict[str, list[Row]]:
    here = [one for one in hits if span.holds(one.ts) or span.holds(one.session["started_at"])]
    at, kept = {"day": day}, {"is_final": False, "is_sealed": False, "capped": [], "sketch": None}
    about = {**at, "starts_at": span.start, "ends_at": span.end, **kept}
    return {
        "total": [{**about, **row} for row in totals(here, span)],
        "breakdown": [{**at, "sketch": None, **row} for row in breakdowns(here, span, dimensions)],
        "events": [{**at, **row} for row in named(here, span)],
    }


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}
