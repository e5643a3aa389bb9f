"""The panels of ranked values: which there are, and one of them ready to print."""

import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from reports import changes, collected, formats, states, words
from reports.asking import TROUBLE, Asked
from reports.controls import range_words, within_words
from reports.links import QUESTION
from reports.queries import parse
from reports.queries.query import Filter, Query, QueryTimeout, Result, Row

log = logging.getLogger(__name__)
SHOWN, ASKED = 9, 100
WIDEST, NARROWEST = 100.0, 1.0  # of a bar, in percent


@dataclass(frozen=True)
class Tab:
    """One ranked list. `skips_unset`: sessions without the value are left out, because most have none."""

    name: str
    label: str
    dimension: str
    column: str
    plural: str
    one: str
    skips_unset: bool = False


@dataclass(frozen=True)
class Slot:
    name: str
    title: str
    icon: str
    tabs: tuple[Tab, ...]

    def tab(self, name: str) -> Tab:
        return next((tab for tab in self.tabs if tab.name == name), self.tabs[0])


SLOTS = (
    Slot(
        "sources",
        "Sources",
        "source",
        (
            Tab("sources", "Sources", "source", "Source", "sources", "source"),
            Tab("channels", "Channels", "channel", "Channel", "channels", "channel"),
            Tab("campaigns", "Campaigns", "utm_campaign", "Campaign", "campaigns", "campaign", skips_unset=True),
        ),
    ),
    Slot(
        "pages",
        "Pages",
        "page",
        (
            Tab("pages", "Pages", "page", "Page", "pages", "page"),
            Tab("entry-pages", "Entry pages", "entry_page", "Entry page", "entry pages", "entry page"),
            Tab("exit-pages", "Exit pages", "exit_page", "Exit page", "exit pages", "exit page"),
        ),
    ),
    Slot(
        "locations",
        "Locations",
        "pin",
        (
            Tab("countries", "Countries", "country", "Country", "countries", "country"),
            Tab("regions", "Regions", "region", "Region", "regions", "region", skips_unset=True),
            Tab("cities", "Cities", "city", "City", "cities", "city", skips_unset=True),
        ),
    ),
    Slot(
        "devices",
        "Devices",
        "devices",
        (
            Tab("browsers", "Browsers", "browser", "Browser", "browsers", "browser"),
            Tab("systems", "Systems", "os", "System", "systems", "system"),
            Tab("devices", "Devices", "device", "Device", "devices", "device"),
            Tab("screens", "Screens", "screen", "Screen", "screens", "screen"),
        ),
    ),
)
BY_TAB = {tab.name: (slot, tab) for slot in SLOTS for tab in slot.tabs}
BY_NAME = {slot.name: slot for slot in SLOTS}


# --- One row ----------------------------------------------------------------------------------------------


def _tile(dimension: str, value: str | None) -> str:
    """A letter for a source, the code of a country; other values carry none."""
    if dimension == "country":
        return value.upper() if value else "?"
    if dimension not in {"source", "utm_campaign"}:
        return ""
    if value in {None, "Direct"}:
        return formats.DASH.strip()
    return next((sign.upper() for sign in value or "" if sign.isalnum()), "–")


def _open_url(asked: Asked, dimension: str, value: str | None) -> str:
    """The page itself, on the site's own host; nothing else a visitor sent becomes a link."""
    if dimension not in {"page", "entry_page", "exit_page"} or not value or not value.startswith("/"):
        return ""
    return f"https://{asked.site.domain}{quote(value, safe='/%:@!$&()*+,;=~-._')}"


def bar(value: float | None, largest: float) -> str:
    share = (value or 0) / largest if largest else 0
    return f"{max(NARROWEST, min(WIDEST, share * 100)):.1f}"


def row(asked: Asked, tab: Tab, row: Row, largest: float, total: float | None) -> dict[str, Any]:
    value, visitors = row.key[0], row.values["visitors"]
    text = words.label(tab.dimension, value)
    before = row.before["visitors"] if row.before else None
    told = parse.told(Filter(tab.dimension, "is", (value,)))
    not_told = parse.told(Filter(tab.dimension, "is_not", (value,)))
    return {
        "key": value or "",
        "label": text,
        "title": f"{text}: only these. With Ctrl or ⌘: all but these",
        "is_unknown": value is None,
        "tile": _tile(tab.dimension, value),
        "bar": bar(visitors, largest),
        "url": asked.links.with_filter(told),
        "exclude_url": asked.links.with_filter(not_told),
        "open_url": _open_url(asked, tab.dimension, value),
        "open_label": f"Open {text} in a new tab",
        "value": formats.count(visitors),
        "full": f"{visitors or 0:,.0f}",
        "share": formats.percent(visitors / total if visitors is not None and total else None),
        "change": changes.between(visitors, before, "count"),
    }


def moved(asked: Asked, tab: Tab, row: Row) -> dict[str, Any]:
    """How far one value moved against the comparison, in visitors."""
    now = row.values["visitors"] or 0
    then = (row.before or {}).get("visitors") or 0
    by = now - then
    size = f"{formats.count(abs(by))} {'visitor' if abs(by) == 1 else 'visitors'}"
    before = f"was {formats.count(then)}" if then else "none before"
    return {
        "label": words.label(tab.dimension, row.key[0]),
        "by": by,
        "now": now,
        "then": then,
        "difference": f"{'+' if by >= 0 else formats.MINUS}{size}",
        "meaning": "better" if by >= 0 else "worse",
        "note": f"{tab.column}, {before}",
        "url": asked.links.with_filter(parse.told(Filter(tab.dimension, "is", row.key))),
    }


# --- One panel --------------------------------------------------------------------------------------------


def question(asked: Asked, tab: Tab, **more: Any) -> Query:
    """The ranked list of a tab. Where most sessions have no value, only those with one are asked for.

    More rows than a panel shows, so that what moved is found in the same answer.
    """
    filters = asked.query.filters
    if tab.skips_unset:
        filters = (*filters, Filter(tab.dimension, "is_not", (None,)))
    changed = {"limit": ASKED, **more}
    return asked.question.with_(metrics=("visitors",), dimensions=(tab.dimension,), filters=filters, **changed)


def _tabs(asked: Asked, slot: Slot, chosen: Tab) -> list[dict[str, Any]]:
    return [
        {
            "name": tab.name,
            "label": tab.label,
            "url": asked.links.to(**{slot.name: tab.name if tab is not slot.tabs[0] else None}) + f"#{slot.name}",
            "is_chosen": tab is chosen,
        }
        for tab in slot.tabs
    ]


def _frame(asked: Asked, slot: Slot, tab: Tab) -> dict[str, Any]:
    """What a panel shows in every state."""
    path = f"/sites/{asked.site.key}/{tab.name}"
    return {
        "slot": slot.name,
        "title": slot.title,
        "tabs": _tabs(asked, slot, tab),
        "csv_url": asked.links.at(f"{path}.csv", QUESTION).to(),
        "csv_label": f"Download {tab.plural} as CSV",
        "all_url": asked.links.at(path, QUESTION).to(),
        "all_label": f"Open {tab.plural} large",
        "more_label": f"More for {tab.plural}",
        "reference": "",
    }


def empty_state(asked: Asked, slot: Slot, tab: Tab) -> dict[str, Any]:
    if asked.filters:
        return states.filtered_away(tab.one, asked.filters, asked.links)
    when = within_words(asked.query.period)
    return states.empty(slot.icon, tab.plural, asked.site.domain, when, asked.links, asked.is_all_time)


def trouble(asked: Asked, error: Exception, soft: str) -> dict[str, Any]:
    """The state of a panel whose figures did not come, with a reference that stands in the log."""
    here = asked.links.to()
    if isinstance(error, QueryTimeout):
        return {"state": states.timed_out(error.seconds, here, soft, asked.links, asked.days)}
    reference = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}"
    log.error("figures failed, reference %s: %s", reference, error, exc_info=error)
    return {"state": states.failed(here, soft), "reference": reference}


def _filled(asked: Asked, slot: Slot, tab: Tab, result: Result) -> dict[str, Any]:
    rows = result.rows[:SHOWN]
    if not rows:
        return {"state": empty_state(asked, slot, tab)}
    total, largest = result.totals["visitors"], max(row.values["visitors"] or 0 for row in rows)
    count = formats.count(result.meta.total_rows)
    return {
        "state": None,
        "caption": f"{tab.label}, {range_words(asked.query.period)}",
        "column": tab.column,
        "metric": "Visitors",
        "has_change": result.totals_before is not None,
        "rows": [row(asked, tab, entry, largest, total) for entry in rows],
        "all_text": f"All {count} {tab.plural}" if result.meta.total_rows > 1 else f"All {tab.plural}",
        "shown": f"{len(rows)} of {count} shown",
    }


def slots(asked: Asked) -> list[Slot]:
    """The panels of this site; regions and cities only where its newest sessions know them."""
    return [slot if slot.name != "locations" else _located(asked, slot) for slot in SLOTS]


def _located(asked: Asked, slot: Slot) -> Slot:
    try:
        known = collected.places(asked.site.pk)
    except TROUBLE:
        known = set()  # the panels below say that the database is slow or away
    return replace(slot, tabs=tuple(tab for tab in slot.tabs if tab.dimension == "country" or tab.dimension in known))


def chosen_question(asked: Asked, slot: Slot) -> Query:
    return question(asked, slot.tab(asked.tabs.get(slot.name, "")))


def page_tabs(asked: Asked, slot: Slot, chosen: Tab) -> list[dict[str, Any]]:
    """The tabs of a list's own page: each is a page of its own."""
    here = next(found for found in slots(asked) if found.name == slot.name)
    return [
        {
            "label": tab.label,
            "url": asked.links.at(f"/sites/{asked.site.key}/{tab.name}", QUESTION).to(),
            "is_chosen": tab.name == chosen.name,
        }
        for tab in here.tabs
    ]


def panel(asked: Asked, slot: Slot) -> dict[str, Any]:
    """One panel, whatever happens: its trouble stays its own."""
    tab = slot.tab(asked.tabs.get(slot.name, ""))
    try:
        result = asked.ask(question(asked, tab))
    except TROUBLE as error:
        return _frame(asked, slot, tab) | trouble(asked, error, slot.name)
    return _frame(asked, slot, tab) | _filled(asked, slot, tab, result)
