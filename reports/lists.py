"""A panel's own page: one ranked list whole, with search, order, paging and more figures. Ready to print."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from reports import countries, exports, formats, panels, words
from reports.asking import TROUBLE, Asked
from reports.controls import range_words
from reports.links import QUESTION
from reports.queries.dimensions import DIMENSIONS
from reports.queries.metrics import METRICS
from reports.queries.query import Filter, Order, Query, Result, Row

PAGE = 50
MOST_EXPORTED = 10_000
OF_SESSIONS = ("visitors", "sessions", "pageviews", "bounce_rate", "session_duration")
OF_EVENTS = ("visitors", "pageviews")


@dataclass(frozen=True)
class View:
    """What the reader wants to see of the list. `number` counts pages from 1."""

    search: str
    order: Order
    number: int

    @classmethod
    def of(cls, asked: QueryDict, metrics: tuple[str, ...]) -> "View":
        """Odd values fall back: a list in its usual order is better than a refusal."""
        told = asked.get("sort", "")
        name = told.removeprefix("-")
        by = name if name in metrics else metrics[0]
        number = asked.get("page", "1")
        is_number = number.isascii() and number.isdigit() and len(number) < 6
        return cls(
            asked.get("q", "").strip()[:200],
            Order(by, not told or told.startswith("-")),
            max(1, int(number)) if is_number else 1,
        )


def metrics_of(tab: panels.Tab) -> tuple[str, ...]:
    """A page has no sessions of its own: one may show many."""
    return OF_EVENTS if DIMENSIONS[tab.dimension].of == "event" else OF_SESSIONS


def _search(tab: panels.Tab, text: str) -> tuple[Filter, ...]:
    if not text:
        return ()
    if tab.dimension != "country":
        return (Filter(tab.dimension, "contains", (text,)),)
    codes = [code for code, name in countries.NAMES.items() if text.lower() in name.lower() or text.upper() == code]
    return (Filter(tab.dimension, "is", tuple(codes[:100]) or ("",)),)


def question(asked: Asked, tab: panels.Tab, view: View, limit: int, offset: int) -> Query:
    base = panels.question(asked, tab)
    return base.with_(
        metrics=metrics_of(tab),
        filters=(*base.filters, *_search(tab, view.search)),
        order=view.order,
        limit=limit,
        offset=offset,
    )


# --- The page ---------------------------------------------------------------------------------------------


def _url(asked: Asked, view: View, **changed: str | int) -> str:
    told: dict[str, str | int] = {"q": view.search, "sort": _sort(view.order), **changed}
    extra = urlencode({name: value for name, value in told.items() if value and (name, value) != ("page", 1)})
    here = asked.links.to()
    return f"{here}{'&' if '?' in here else '?'}{extra}" if extra else here


def _sort(order: Order) -> str:
    return f"{'-' if order.descending else ''}{order.by}"


def _columns(asked: Asked, tab: panels.Tab, view: View) -> list[dict[str, Any]]:
    columns = []
    for name in metrics_of(tab):
        is_sorted = view.order.by == name
        descends = not (is_sorted and view.order.descending)
        columns.append(
            {
                "label": METRICS[name].label,
                "help": METRICS[name].help,
                "url": _url(asked, view, sort=_sort(Order(name, descends))),
                "sort": ("descending" if view.order.descending else "ascending") if is_sorted else "",
            }
        )
    return columns


def _row(asked: Asked, tab: panels.Tab, row: Row, largest: float, total: float | None) -> dict[str, Any]:
    rest = metrics_of(tab)[1:]
    figures = [formats.figure(row.values[name], METRICS[name].format) for name in rest]
    return panels.row(asked, tab, row, largest, total) | {"figures": figures}


def _pager(asked: Asked, view: View, shown: int, total: int) -> dict[str, Any]:
    first = (view.number - 1) * PAGE + 1
    return {
        "words": f"{formats.count(first)} – {formats.count(first + shown - 1)} of {formats.count(total)}",
        "before_url": _url(asked, view, page=view.number - 1) if view.number > 1 else "",
        "after_url": _url(asked, view, page=view.number + 1) if first + shown - 1 < total else "",
    }


def _rows(asked: Asked, tab: panels.Tab, view: View, result: Result) -> dict[str, Any]:
    total = result.totals["visitors"]
    largest = max(row.values["visitors"] or 0 for row in result.rows)
    return {
        "state": None,
        "rows": [_row(asked, tab, row, largest, total) for row in result.rows],
        "has_change": result.totals_before is not None,
        "pager": _pager(asked, view, len(result.rows), result.meta.total_rows),
    }


def _nothing(asked: Asked, slot: panels.Slot, tab: panels.Tab, view: View) -> dict[str, Any]:
    if not view.search:
        return {"state": panels.empty_state(asked, slot, tab)}
    text = f"No {tab.one} contains “{view.search}” in {range_words(asked.query.period)}."
    act = {"label": "Clear the search", "url": asked.links.to(), "soft": "page"}
    return {"state": {"kind": "empty", "icon": "search", "title": f"No {tab.one} found", "text": text, "acts": [act]}}


def context(asked: Asked, slot: panels.Slot, tab: panels.Tab, told: QueryDict) -> dict[str, Any]:
    """The list in every state."""
    view = View.of(told, metrics_of(tab))
    frame = {
        "title": tab.label,
        "plural": tab.plural,
        "column": tab.column,
        "caption": f"{tab.label}, {range_words(asked.query.period)}",
        "search": view.search,
        "hidden": [*asked.links.hidden(), ("sort", _sort(view.order))],
        "path": asked.links.path,
        "columns": _columns(asked, tab, view),
        "tabs": panels.page_tabs(asked, slot, tab),
        "csv_url": asked.links.at(f"{asked.links.path}.csv", QUESTION).to(),
    }
    try:
        result = asked.ask(question(asked, tab, view, PAGE, (view.number - 1) * PAGE))
    except TROUBLE as error:
        return frame | panels.trouble(asked, error, "page")
    return frame | (_rows(asked, tab, view, result) if result.rows else _nothing(asked, slot, tab, view))


# --- CSV --------------------------------------------------------------------------------------------------


def csv_table(asked: Asked, tab: panels.Tab) -> tuple[list[str], list[list[object]]]:
    """The whole list, plain numbers: rates as fractions, durations in seconds. Raises as `Asked.ask`."""
    names = metrics_of(tab)
    view = View("", Order(names[0]), 1)
    result = asked.ask(question(asked, tab, view, MOST_EXPORTED, 0))
    head = [tab.column, *(METRICS[name].label for name in names)]
    has_before = result.totals_before is not None
    if has_before:
        head.append("Visitors before")
    rows: list[list[object]] = []
    for row in result.rows:
        line: list[object] = [words.label(tab.dimension, row.key[0]), *(plain(row.values[name]) for name in names)]
        rows.append([*line, plain(row.before["visitors"]) if row.before else None] if has_before else line)
    return head, rows


def plain(value: float | None) -> object:
    """A number as a spreadsheet reads it."""
    if value is None:
        return None
    return int(value) if float(value).is_integer() else round(value, 4)


def file_name(asked: Asked, what: str) -> str:
    period = asked.query.period
    return exports.file_name(asked.site.domain, what, period.first_day.isoformat(), period.last_day.isoformat())
