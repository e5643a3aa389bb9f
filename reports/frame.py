"""What stands around every page: site switcher, navigation, live count, shortcuts. Ready to print."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.timezone import now

from ingest.models import Site
from reports import realtime
from reports.asking import TROUBLE
from reports.queries.periods import PRESETS

DIGITS = 9  # sites that a single key opens

KEYS = (
    (
        "Period",
        (
            *((preset.label, (preset.key,)) for preset in PRESETS),
            ("Custom", ("C",)),
            ("Period before and after", ("←", "→")),
        ),
    ),
    (
        "Page",
        (
            ("Interval of the chart", ("I",)),
            ("Comparison on or off", ("X",)),
            ("Clear the filters", ("Esc",)),
            ("Search a list", ("/",)),
            ("All sites", ("0",)),
            ("First to ninth site", ("1–9",)),
            ("This help", ("?",)),
        ),
    ),
)


def tile(name: str) -> str:
    """The letter that stands for a name: its first letter or digit."""
    return next((sign.upper() for sign in name if sign.isalnum()), "–")


def _switcher(sites: Sequence[Site], site: Site | None) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "tile": tile(entry.name),
            "url": reverse("overview", args=[entry.key]),
            "digit": number if number <= DIGITS else "",
            "is_current": site is not None and entry.pk == site.pk,
        }
        for number, entry in enumerate(sites, start=1)
    ]


MAIN = (("overview", "Overview", "bars"), ("setup", "Install", "code"))
QUALITY = (("uncounted", "Not counted", "filter"),)
OF_EDITORS = (("exclusions", "Exclusions", "shield"), ("people", "People’s data", "person"))
KEEPING = (("keeping", "Keeping", "archive"),)


def _items(site: Site, current: str, entries: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "icon": icon,
            "url": reverse(name, args=[site.key]),
            "is_current": name == current,
        }
        for name, label, icon in entries
    ]


def _note(sites: Sequence[Site], site: Site) -> str:
    place = next((number for number, entry in enumerate(sites, start=1) if entry.pk == site.pk), 0)
    return f"{place} of {len(sites)} sites" if len(sites) > 1 else site.domain


def visitors_now(site: Site) -> int | None:
    """None where the count cannot be had: a page stands without it."""
    try:
        return realtime.visitors_now(site.pk, now())
    except TROUBLE:
        return None


def version(site: Site) -> str:
    """Changes when an event of the site has been stored; "" where that cannot be told, and the next look says."""
    try:
        return realtime.version(site.pk, now())
    except TROUBLE:
        return ""


def live(visitors: int | None) -> dict[str, Any]:
    """The count beside the title; at none the dot is grey."""
    if visitors is None:
        return {"is_on": False, "text": "Live count paused", "visitors": 0}
    words = "visitor now" if visitors == 1 else "visitors now"
    return {"is_on": visitors > 0, "text": f"{visitors:,} {words}" if visitors else "Nobody now", "visitors": visitors}


def context(
    sites: Sequence[Site],
    current: str,
    site: Site | None = None,
    counted: dict[str, Any] | None = None,
    may_edit: bool = False,
) -> dict[str, Any]:
    """`current` names the page; `counted`, a `live`, is left out where no count stands."""
    quality = (*QUALITY, *(OF_EDITORS if may_edit else ()), *KEEPING)
    return {
        "site": site,
        "tile": tile(site.name) if site else "",
        "note": _note(sites, site) if site else "",
        "current": current,
        "switcher": _switcher(sites, site),
        "nav": _items(site, current, MAIN) if site else [],
        "quality": _items(site, current, quality) if site else [],
        "live": counted,
        "keys": [
            {"title": title, "entries": [{"label": label, "caps": caps} for label, caps in entries]}
            for title, entries in KEYS
        ],
    }
