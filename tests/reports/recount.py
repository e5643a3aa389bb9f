"""The figures again, straight from the rows in Python: nothing here is shared with the query layer."""

import statistics
from collections.abc import Callable, Sequence
from datetime import datetime

from reports.queries.query import Filter
from tests.reports.rows import Hit, Sitting

Keys = Callable[[Sitting, Hit], str | None]


def value_of(dimension: str) -> Keys:
    """What an event has of a dimension, its own or its session's."""
    of_event: dict[str, Keys] = {
        "page": lambda _, hit: hit.path or None,
        "hostname": lambda _, hit: hit.hostname or None,
        "event": lambda _, hit: hit.name,
    }
    return of_event.get(dimension, lambda one, _: _said(one, dimension))


def _said(one: Sitting, dimension: str) -> str | None:
    columns = one.columns

    def text(name: str) -> str:
        return columns.get(name) or ""

    if dimension in {"browser_version", "os_version"}:
        name = dimension.removesuffix("_version")
        return f"{text(name)} {text(dimension)}" if text(name) and text(dimension) else None
    if dimension == "region" and text("region"):
        return f"{text('region')}, {text('country')}" if text("country") else text("region")
    if dimension == "city" and text("city"):
        return f"{text('city')}, {text('country')}" if text("country") else text("city")
    return text(dimension) or None


def passes(told: Filter, value: str | None) -> bool:
    if told.operator in {"is", "is_not"}:
        found = value in told.values
    else:
        found = any(value is None if part is None else part.lower() in (value or "").lower() for part in told.values)
    return found != told.operator.endswith("not")


def figures(
    sittings: Sequence[Sitting],
    start: datetime,
    until: datetime,
    filters: Sequence[Filter] = (),
    within: tuple[datetime, datetime] | None = None,
) -> dict[str, float | None]:
    """Every metric of the events in [start, until) that pass, and of the sessions that began there.

    WITHIN is where a session may have the event that passes, when that is wider than the bucket of its start.
    """
    low, high = within or (start, until)
    passing = [
        (one, hit)
        for one in sittings
        for hit in one.counted
        if low <= hit.ts < high and all(passes(told, value_of(told.dimension)(one, hit)) for told in filters)
    ]
    inside = [(one, hit) for one, hit in passing if start <= hit.ts < until]
    begun = list({one.id: one for one, _ in passing if start <= one.started_at < until}.values())
    return {
        "visitors": len({one.visitor for one, _ in inside}),
        "sessions": len(begun),
        "pageviews": sum(hit.name == "pageview" for _, hit in inside),
        "events": len(inside),
        "views_per_session": _mean([len(one.views) for one in begun]),
        "bounce_rate": _mean([one.is_bounce for one in begun]),
        "session_duration": _mean([_seconds(one) for one in begun]),
        "new_visitors": len({one.visitor for one in begun if one.is_new}),
    }


def values(sittings: Sequence[Sitting], dimension: str, start: datetime, until: datetime) -> set[str | None]:
    """Which ones a breakdown has rows for."""
    keys = value_of(dimension)
    return {keys(one, hit) for one in sittings for hit in one.counted if start <= hit.ts < until}


def _seconds(one: Sitting) -> float:
    return 0 if one.is_bounce else (one.last_activity - one.started_at).total_seconds()


def _mean(numbers: Sequence[float]) -> float | None:
    return statistics.fmean(numbers) if numbers else None
