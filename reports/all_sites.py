"""The list of sites with a first figure each. Ready to print."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.timezone import now

from ingest.models import Site
from reports import changes, charts, formats, frame, realtime
from reports.asking import TROUBLE
from reports.queries import periods
from reports.queries.query import Query, Result
from reports.queries.run import run_all

PERIOD = "30d"


def _question(site: Site, at: datetime) -> Query:
    period = periods.of(PERIOD, site.zone, at)
    return Query(site.pk, ("visitors",), period, at, interval="day", comparison="previous")


def _answers(sites: Sequence[Site], at: datetime) -> list[Result | Exception]:
    try:
        return list(run_all([_question(site, at) for site in sites]))
    except TROUBLE as trouble:
        return [trouble] * len(sites)


def _spark(site: Site, result: Result) -> dict[str, Any]:
    values = [row.values["visitors"] or 0 for row in result.rows]
    return {
        "spark": charts.spark(values),
        "spark_sentence": f"Visitors of {site.name} by day, highest {formats.count(max(values, default=0))}",
        "note": "" if any(values) else "No events in 30 days",
    }


def _figures(site: Site, answer: Result | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        note = "Could not be loaded"
        return {"size": 0, "visitors": formats.NOTHING, "change": changes.NONE, "spark": None, "note": note}
    value = answer.totals["visitors"]
    before = answer.totals_before["visitors"] if answer.totals_before else None
    return {
        "size": value or 0,
        "visitors": formats.count(value),
        "change": changes.between(value, before, "count"),
        **_spark(site, answer),
    }


def _row(site: Site, answer: Result | Exception, visitors: int) -> dict[str, Any]:
    return {
        "name": site.name,
        "second": site.domain if site.domain != site.name else site.timezone.replace("_", " "),
        "tile": frame.tile(site.name),
        "url": reverse("overview", args=[site.key]),
        "now": formats.count(visitors) if visitors else "none",
        "now_is_on": visitors > 0,
        **_figures(site, answer),
    }


def _live(sites: Sequence[Site], at: datetime) -> dict[int, int]:
    """Visitors now by site; empty where they cannot be counted."""
    try:
        return realtime.visitors_now_of([site.pk for site in sites], at)
    except TROUBLE:
        return {}


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["size"])


def context(sites: Sequence[Site]) -> dict[str, Any]:
    """Busiest first; each site's days are those of its own zone."""
    at = now()
    live = _live(sites, at)
    answers = _answers(sites, at)
    rows = [_row(site, answer, live.get(site.pk, 0)) for site, answer in zip(sites, answers, strict=True)]
    return {
        "rows": _sorted(rows),
        "range": "Last 30 days, compared with the 30 before",
        "live": frame.live(sum(live.values()) if live else None),
    }
