"""Addresses and JSON to a Query and back. Refuses in a sentence that names the field, the value and what is allowed.

In an address a filter is `f=is,country,DE,AT`: operator, dimension, values. A comma or backslash in a value
has a backslash before it; no value at all, `f=is,country,`, is "not set".
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.http import QueryDict

from ingest.models import Site
from reports import realtime
from reports.queries import buckets, filters, plan
from reports.queries.periods import ALL, CUSTOM, custom, of
from reports.queries.query import Comparison, Filter, Operator, Order, Period, Query, QueryRefused

DEFAULT_PERIOD = "7d"
COMPARISONS: dict[str, tuple[Comparison | None, bool]] = {  # with weekdays matched or not
    "previous": ("previous", True),
    "previous_dates": ("previous", False),
    "year": ("year", True),
    "year_dates": ("year", False),
    "none": (None, True),
}
PART = re.compile(r"((?:[^\\,]|\\.)*),", re.DOTALL)
WELL_ESCAPED = re.compile(r"(?:[^\\]|\\.)*", re.DOTALL)
SPECIAL, ESCAPED = re.compile(r"[\\,]"), re.compile(r"\\(.)", re.DOTALL)
FIELDS = ("metrics", "dimensions", "period", "from", "to", "interval", "compare", "filters", "order", "limit", "offset")
READABLE = ",/:~()"


def of_url(params: QueryDict, site: Site, now: datetime) -> Query:
    """The question of a page's address: period, interval, comparison, filters; its metric is visitors.

    Compares with the period before unless told otherwise. Looks up the site's first event if the period is
    `all`. Raises QueryRefused.
    """
    given = {name: str(params.get(name) or "") for name in ("period", "from", "to", "interval", "compare")}
    comparison, match_weekdays = comparison_of(given["compare"] or "previous")
    query = Query(
        site_id=site.pk,
        metrics=("visitors",),
        period=period_of(given["period"], given, site, now),
        now=now,
        filters=tuple(filter_of(text) for text in params.getlist("f") if text),
        comparison=comparison,
        match_weekdays=match_weekdays,
    )
    return _checked(query, given["interval"])


def to_url(query: Query) -> str:
    """What `of_url` reads, without the question mark."""
    pairs = [*period_to(query.period).items()]
    if query.interval:
        pairs.append(("interval", query.interval))
    pairs.append(("compare", comparison_to(query)))
    return urlencode([*pairs, *(("f", told(one)) for one in query.filters)], safe=READABLE)


def of_json(body: object, site: Site, now: datetime) -> Query:
    """`{"metrics": ["visitors"], "period": "7d", "dimensions": ["country"], "filters": [["is", "os", ["iOS"]]],
    "order": ["visitors", "desc"], "limit": 10}`; also `from` and `to`, `interval`, `compare`, `offset`.

    Only `metrics` must be there. In values null is "not set". Raises QueryRefused.
    """
    if not isinstance(body, dict):
        raise QueryRefused("The body must be a JSON object.", "", FIELDS)
    for name in body:
        if name not in FIELDS:
            raise QueryRefused(f"{name}: is not a field. Take {', '.join(FIELDS)}.", str(name), FIELDS)
    comparison, match_weekdays = comparison_of(_text(body, "compare") or "none")
    query = Query(
        site_id=site.pk,
        metrics=_texts(body, "metrics"),
        period=period_of(_text(body, "period"), {name: _text(body, name) for name in ("from", "to")}, site, now),
        now=now,
        dimensions=_texts(body, "dimensions"),
        filters=tuple(_filter_of_json(one) for one in _list(body, "filters")),
        comparison=comparison,
        order=_order_of(body),
        limit=_number(body, "limit", 100),
        offset=_number(body, "offset", 0),
        match_weekdays=match_weekdays,
    )
    return _checked(query, _text(body, "interval"))


def to_json(query: Query) -> dict[str, Any]:
    """What `of_json` reads."""
    told_of: dict[str, Any] = {
        "metrics": list(query.metrics),
        "dimensions": list(query.dimensions),
        **period_to(query.period),
        "filters": [[one.operator, one.dimension, list(one.values)] for one in query.filters],
        "compare": comparison_to(query),
        "limit": query.limit,
        "offset": query.offset,
    }
    if query.interval:
        told_of["interval"] = query.interval
    if query.order:
        told_of["order"] = [query.order.by, "desc" if query.order.descending else "asc"]
    return told_of


def _checked(query: Query, interval: str) -> Query:
    if interval:
        query = query.with_(interval=buckets.check(query.period, interval))
    plan.check(query)
    return query


# --- Period and comparison --------------------------------------------------------------------------------


def period_of(name: str, days: Mapping[str, str], site: Site, now: datetime) -> Period:
    """A preset, or the days `from` and `to`, both included. Raises QueryRefused."""
    if name == CUSTOM or (not name and days.get("from")):
        return custom(_day(days, "from"), _day(days, "to"), site.zone, now)
    name = name or DEFAULT_PERIOD
    return of(name, site.zone, now, realtime.first_event_at(site.pk) if name == ALL else None)


def period_to(period: Period) -> dict[str, str]:
    if period.kind != CUSTOM:
        return {"period": period.kind}
    return {"period": CUSTOM, "from": period.first_day.isoformat(), "to": period.last_day.isoformat()}


def _day(days: Mapping[str, str], field: str) -> date:
    value = days.get(field) or ""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise QueryRefused(f"{field}={value}: is not a day. Write it like 2026-11-20.", field) from None


def comparison_of(name: str) -> tuple[Comparison | None, bool]:
    """What to compare with, and whether weekdays are matched. Raises QueryRefused."""
    if name not in COMPARISONS:
        names = list(COMPARISONS)
        raise QueryRefused(f"compare={name}: is not a comparison. Take {', '.join(names)}.", "compare", names)
    return COMPARISONS[name]


def comparison_to(query: Query) -> str:
    if query.comparison is None:
        return "none"
    return query.comparison if query.match_weekdays else f"{query.comparison}_dates"


# --- Filters ----------------------------------------------------------------------------------------------


def told(asked: Filter) -> str:
    """`is,country,DE`; the reverse of `filter_of`."""
    values = [SPECIAL.sub(r"\\\g<0>", value) if value is not None else "" for value in asked.values]
    return ",".join([asked.operator, asked.dimension, *values])


def filter_of(text: str) -> Filter:
    """Raises QueryRefused."""
    parts = [ESCAPED.sub(r"\1", part) for part in PART.findall(f"{text},")]
    if len(parts) < 3 or not WELL_ESCAPED.fullmatch(text):
        raise QueryRefused(f"f={text}: must be operator,dimension,value like is,country,DE.", "f")
    return _filter(parts[0], parts[1], [value or None for value in parts[2:]])


def _filter(operator: str, dimension: str, values: list[str | None]) -> Filter:
    found = Filter(dimension, cast(Operator, operator), tuple(values))
    filters.check(found)
    return found


def _filter_of_json(one: object) -> Filter:
    match one:
        case [str(operator), str(dimension), [*values]]:
            if all(value is None or isinstance(value, str) for value in values):
                return _filter(operator, dimension, [str(value) if value else None for value in values])
    raise QueryRefused('filters: must be like ["is", "country", ["DE", null]] each.', "filters")


# --- Fields of JSON ---------------------------------------------------------------------------------------


def _text(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None or isinstance(value, str):
        return value or ""
    raise QueryRefused(f"{field}: must be text.", field)


def _list(body: dict[str, Any], field: str) -> list[Any]:
    value = body.get(field)
    if value is None or isinstance(value, list):
        return value or []
    raise QueryRefused(f"{field}: must be a list.", field)


def _texts(body: dict[str, Any], field: str) -> tuple[str, ...]:
    values = _list(body, field)
    if all(isinstance(value, str) for value in values):
        return tuple(values)
    raise QueryRefused(f"{field}: must be a list of names.", field)


def _number(body: dict[str, Any], field: str, default: int) -> int:
    value = body.get(field, default)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise QueryRefused(f"{field}: must be a whole number.", field)


def _order_of(body: dict[str, Any]) -> Order | None:
    match body.get("order"):
        case None:
            return None
        case [str(by), "asc" | "desc" as direction]:
            return Order(by, descending=direction == "desc")
    raise QueryRefused('order: must be like ["visitors", "desc"].', "order", ["asc", "desc"])
