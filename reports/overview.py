"""The overview's context: six figures, their graph, what moved, the panels and the foot. Ready to print."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.urls import reverse

from reports import changes, charts, controls, formats, ledger, panels, realtime, states
from reports.asking import KPIS, TROUBLE, Asked
from reports.links import QUESTION
from reports.queries import buckets
from reports.queries.metrics import METRICS
from reports.queries.query import Bucket, Query, Result, Row

MOVED_FROM = ("sources", "pages", "countries")
MOVED_MOST, MOVED_LEAST = 3, 0.1


# --- Figures ----------------------------------------------------------------------------------------------


def _kpi(asked: Asked, name: str, totals: Result | None) -> dict[str, Any]:
    metric = METRICS[name]
    value = totals.totals[name] if totals else None
    before = totals.totals_before[name] if totals and totals.totals_before else None
    change = changes.between(value, before, metric.format, metric.better)
    text = formats.figure(value, metric.format, formats.FULL_IN_KPI)
    before_text = formats.figure(before, metric.format, formats.FULL_IN_KPI) if before is not None else ""
    spoken = [f"{metric.label} {text}", change.words, f"from {before_text}" if before_text else ""]
    return {
        "name": name,
        "label": metric.label,
        "help": metric.help,
        "parts": formats.figure_parts(value, metric.format),
        "full": f"{value:,.0f}" if value is not None and metric.format == "count" else "",
        "change": change,
        "before": before_text,
        "url": asked.links.to(metric=None if name == KPIS[0] else name),
        "is_chosen": name == asked.metric,
        "sentence": ", ".join(part for part in spoken if part),
    }


def totals_question(asked: Asked) -> Query:
    return asked.question.with_(metrics=KPIS)


def kpis(asked: Asked) -> tuple[list[dict[str, Any]], Exception | None]:
    """The six figures, dashes where they did not come, and what went wrong."""
    try:
        totals: Result | None = asked.ask(totals_question(asked))
        error: Exception | None = None
    except TROUBLE as trouble:
        totals, error = None, trouble
    return [_kpi(asked, name, totals) for name in KPIS], error


# --- The graph --------------------------------------------------------------------------------------------


def drawn(asked: Asked) -> charts.Drawn:
    metric = METRICS[asked.metric]
    return charts.Drawn(metric.label, metric.format, metric.better, asked.interval)


def _bucket(asked: Asked, row: Row, before: Bucket | None) -> charts.Bucket:
    step = row.bucket
    assert step is not None  # noqa: S101  a series has one in every row
    zone, name = asked.query.period.zone, asked.metric
    return charts.Bucket(
        start=step.start.astimezone(zone),
        end=step.end.astimezone(zone),
        value=row.values[name],
        before_start=before.start.astimezone(zone) if before else None,
        before=row.before[name] if row.before else None,
        guide=row.guide[name] if row.guide else None,
        until=asked.local_now if step.state == "running" else None,
        is_cut=step.is_cut_before or step.is_cut_after,
    )


def series_question(asked: Asked) -> Query:
    return asked.question.with_(metrics=(asked.metric,), interval=asked.interval)


def series(asked: Asked) -> list[charts.Bucket]:
    """The chosen figure by interval. Raises TROUBLE."""
    result = asked.ask(series_question(asked))
    return [_bucket(asked, row, row.before_bucket) for row in result.rows]


def _legend(asked: Asked, steps: Sequence[charts.Bucket]) -> list[dict[str, str]]:
    period = asked.query.period
    lines = [{"kind": "current", "label": controls.range_words(period)}]
    starts = [step.before_start.date() for step in steps if step.before_start]
    if starts:
        days = formats.days(starts[0], _last_before(steps), with_year=starts[0].year != period.first_day.year)
        matched = ", weekdays matched" if _is_matched(asked, steps) else ""
        lines.append({"kind": "compare", "label": days + matched})
    elif asked.since:
        lines.append({"kind": "note", "label": f"Collected since {formats.day(asked.since)}, so no comparison"})
    running = next((step for step in steps if step.until), None)
    if running and running.until:
        lines.append({"kind": "running", "label": f"{running_word(asked)} until {formats.clock(running.until)}"})
    return lines


def _last_before(steps: Sequence[charts.Bucket]) -> date:
    """The last day of the comparison: as far from its start as the period's last day is from its own."""
    last = next(step for step in reversed(steps) if step.before_start)
    assert last.before_start is not None  # noqa: S101
    length = (last.end - timedelta(microseconds=1)).date() - last.start.date()
    return last.before_start.date() + length


def running_word(asked: Asked) -> str:
    return {"week": "This week", "month": "This month"}.get(asked.interval, "Today")


def _is_matched(asked: Asked, steps: Sequence[charts.Bucket]) -> bool:
    first = steps[0]
    is_week = (asked.query.period.last_day - asked.query.period.first_day).days >= 7
    return bool(is_week and first.before_start and first.before_start.weekday() == first.start.weekday())


def _day_urls(asked: Asked, steps: Sequence[charts.Bucket]) -> list[str]:
    """Where Enter leads: a day, week or month is opened; inside a day there is nothing smaller."""
    if asked.interval in charts.CLOCKED:
        return ["" for _ in steps]
    last = asked.today
    ends = [min((step.end - timedelta(microseconds=1)).date(), last) for step in steps]
    return [
        asked.links.for_days(step.start.date().isoformat(), end.isoformat())
        for step, end in zip(steps, ends, strict=True)
    ]


def _intervals(asked: Asked) -> list[dict[str, Any]]:
    default = buckets.default(asked.query.period)
    return [
        {
            "name": name,
            "label": buckets.LABELS[name],
            "url": asked.links.to(interval=None if name == default else name),
            "is_chosen": name == asked.interval,
        }
        for name in buckets.allowed(asked.query.period)
    ]


def _filled_chart(asked: Asked, steps: Sequence[charts.Bucket]) -> dict[str, Any]:
    what = drawn(asked)
    return {
        "state": None,
        "data": charts.lines(steps, what, controls.range_words(asked.query.period), _day_urls(asked, steps)),
        "legend": _legend(asked, steps),
        "intervals": _intervals(asked),
        "interval_label": buckets.LABELS[asked.interval],
        "metric_label": what.label,
        "has_comparison": any(step.before_start for step in steps),
        "rows": charts.table_rows(steps, what),
        "csv_url": asked.links.at(reverse("chart_csv", args=[asked.site.key]), (*QUESTION, "metric")).to(),
    }


def _is_unused(asked: Asked) -> bool:
    """Never had an event; looked up only where the figures are nothing anyway."""
    totals = asked.ask(totals_question(asked)).totals
    return not totals["visitors"] and not asked.filters and realtime.first_event_at(asked.site.pk) is None


def chart(asked: Asked, error: Exception | None) -> dict[str, Any]:
    """The graph, or its trouble; where the figures above it failed already it is not asked for again."""
    try:
        if error is not None:
            raise error
        if _is_unused(asked):
            return {"state": states.before_the_first(asked.site.domain, reverse("setup", args=[asked.site.key]))}
        return _filled_chart(asked, series(asked))
    except TROUBLE as trouble:
        return panels.trouble(asked, trouble, "figures")


# --- What moved -------------------------------------------------------------------------------------------


def _moves(asked: Asked, tab: panels.Tab) -> list[dict[str, Any]]:
    result = asked.ask(panels.question(asked, tab))
    return [panels.moved(asked, tab, row) for row in result.rows if row.before is not None and row.key[0] is not None]


def moved(asked: Asked) -> list[dict[str, Any]]:
    """The largest changes of sources, pages and countries by size; none below a tenth of the larger side.

    Found in the answers that the panels ask for anyway; what vanished altogether is not looked for.
    """
    if asked.question.comparison is None:
        return []
    try:
        found = [move for name in MOVED_FROM for move in _moves(asked, panels.BY_TAB[name][1])]
    except TROUBLE:
        return []  # the panels below say it
    large = [move for move in found if abs(move["by"]) >= MOVED_LEAST * max(move["now"], move["then"])]
    return sorted(large, key=lambda move: -abs(move["by"]))[:MOVED_MOST]


# --- The page ---------------------------------------------------------------------------------------------


def _uncounted(asked: Asked) -> dict[str, str] | None:
    """How many events of the period are in no figure, and where it says why; None where there are none."""
    try:
        events = ledger.uncounted(asked.site.pk, asked.query.period)
    except TROUBLE:  # told where the figures are
        return None
    if not events:
        return None
    words = "event was" if events == 1 else "events were"
    url = asked.links.at(reverse("uncounted", args=[asked.site.key]), ("period", "from", "to", "interval")).to()
    return {"text": f"{formats.count(events)} {words} not counted", "url": url}


def foot(asked: Asked) -> dict[str, str]:
    now = asked.local_now
    return {
        "updated": f"{formats.clock(now)}:{now.second:02d}",
        "updated_full": formats.day(now.date()),
        "zone": asked.query.period.zone.key,
        "exactness": "Visitor figures are exact",
    }


def figures(asked: Asked) -> dict[str, Any]:
    """Everything that changes with the period, the filters and time."""
    slots = panels.slots(asked)
    asked.fetch(
        [totals_question(asked), series_question(asked), *(panels.chosen_question(asked, slot) for slot in slots)]
    )
    cards, error = kpis(asked)
    return {
        "controls": controls.controls(asked),
        "chips": controls.chips(asked),
        "gone": controls.gone(asked),
        "clear_url": asked.links.without_filters(),
        "kpis": cards,
        "chart": chart(asked, error),
        "moved": moved(asked),
        "panels": [panels.panel(asked, slot) for slot in slots],
        "foot": foot(asked),
        "uncounted": _uncounted(asked),
    }
