"""The page "Not counted": what became of every event that arrived, and why some are in no figure. Ready to print.

Counts are by time of arrival, unlike the figures elsewhere: what is refused has no time of its own that could be
trusted. Samples and the site's own rules are shown to those who may change the site; see docs/privacy.md.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from ingest.models import Shield
from reports import charts, controls, formats, ledger, overview, panels, realtime, states
from reports.asking import TROUBLE
from reports.book import CHOICES, LABELS, OUTCOMES, Ledger, Outcome, counted, why
from reports.ledger import Bots
from reports.queries import buckets, periods
from reports.words import of_shield

BOT_KINDS = {
    "ai-crawler": "AI crawlers",
    "search": "Search engines",
    "seo": "SEO tools",
    "monitor": "Monitors",
    "preview": "Link previews",
    "feed": "Feed readers",
    "archive": "Archives",
    "academic": "Research",
    "advertising": "Advertising",
    "security": "Security scanners",
    "automation": "Automation",
    "library": "Programs that speak HTTP",
    "unknown": "Neither bot nor browser by name",
    "other": "Other bots",
}
AI = "ai-crawler"  # apart from the others, and first
NAMELESS = {"", "other"}  # of a bot that is known by a general word: only its kind is shown


# --- The equation and the graph ---------------------------------------------------------------------------


def _card(book: Ledger, outcome: Outcome, events: int | None, received: int | None) -> dict[str, Any]:
    text = formats.count(events, formats.FULL_IN_KPI)
    share = formats.percent(events / received) if events is not None and received and outcome.sign else ""
    return {
        "name": outcome.name,
        "label": outcome.label,
        "sign": outcome.sign,
        "help": outcome.help,
        "figure": text,
        "full": f"{events:,}" if events is not None else "",
        "share": share,
        "url": book.asked.links.to(metric=outcome.name),
        "is_chosen": outcome == book.drawn,
        "sentence": f"{outcome.label} {text}" + (f", {share} of received" if share else ""),
    }


def _cards(book: Ledger, is_known: bool) -> list[dict[str, Any]]:
    events = book.events
    return [
        _card(book, outcome, events[outcome.kept_as] if is_known else None, events[""] if is_known else None)
        for outcome in OUTCOMES
    ]


def equation(book: Ledger) -> str:
    """1,204 received = 990 stored + 12 repeated + …, for those who do not see the cards side by side."""
    events = book.events
    told = [f"{formats.count(events[one.kept_as])} {one.label.lower()}" for one in OUTCOMES]
    return f"{told[0]} = {' + '.join(told[1:])}"


def series(book: Ledger) -> list[charts.Bucket]:
    zone, chosen = book.asked.query.period.zone, book.drawn.kept_as
    events: Counter[int] = Counter()
    for line in book.lines:
        if chosen in ("", line.outcome):
            events[line.step] += line.events
    return [
        charts.Bucket(
            start=step.start.astimezone(zone),
            end=step.end.astimezone(zone),
            value=None if step.state == "future" else events[number],
            until=book.asked.local_now if step.state == "running" else None,
            is_cut=step.is_cut_before or step.is_cut_after,
        )
        for number, step in enumerate(book.steps)
    ]


def drawn(book: Ledger) -> charts.Drawn:
    return charts.Drawn(book.drawn.label, "count", "neither", book.asked.interval)


def _intervals(book: Ledger) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": buckets.LABELS[name],
            "url": book.asked.links.to(interval=name),
            "is_chosen": name == book.asked.interval,
        }
        for name in buckets.allowed(book.asked.query.period)
    ]


def _legend(book: Ledger, steps: Sequence[charts.Bucket]) -> list[dict[str, str]]:
    lines = [{"kind": "current", "label": f"{book.drawn.label}, {controls.range_words(book.asked.query.period)}"}]
    running = next((step.until for step in steps if step.until), None)
    if running:
        words = f"{overview.running_word(book.asked)} until {formats.clock(running)}"
        lines.append({"kind": "running", "label": words})
    return lines


def _chart(book: Ledger) -> dict[str, Any]:
    if not book.events[""]:
        return {"state": _nothing_arrived(book)}
    steps, what = series(book), drawn(book)
    return {
        "state": None,
        "data": charts.lines(steps, what, controls.range_words(book.asked.query.period), ["" for _ in steps]),
        "legend": _legend(book, steps),
        "intervals": _intervals(book),
        "interval_label": buckets.LABELS[book.asked.interval],
        "metric_label": what.label,
        "has_comparison": False,
        "rows": charts.table_rows(steps, what),
        "csv_url": book.asked.links.at(reverse("uncounted_chart_csv", args=[book.asked.site.key]), CHOICES).to(),
    }


def _nothing_arrived(book: Ledger) -> dict[str, Any]:
    site = book.asked.site
    if realtime.first_event_at(site.pk) is None:
        return states.before_the_first(site.domain, reverse("setup", args=[site.key]))
    return states.none_arrived(site.domain, controls.within_words(book.asked.query.period), book.asked.links)


# --- Reasons and samples ----------------------------------------------------------------------------------


def _address(outcome: str, reason: str) -> str:
    return f"{outcome}:{reason}"


def _chosen_reason(book: Ledger) -> tuple[str, str] | None:
    listed = [key for key, _ in book.reasons]
    return next((key for key in listed if _address(*key) == book.told_reason), listed[0] if listed else None)


def _reason_rows(book: Ledger) -> list[dict[str, Any]]:
    reasons = book.reasons
    total, largest = sum(events for _, events in reasons), max((events for _, events in reasons), default=0)
    chosen = _chosen_reason(book) if book.may_read else None
    return [
        {
            "why": why(*key),
            "word": key[1],
            "outcome": LABELS[key[0]],
            "value": formats.count(events),
            "full": f"{events:,}",
            "share": formats.percent(events / total),
            "bar": panels.bar(events, largest),
            "url": f"{book.asked.links.to(reason=_address(*key))}#samples" if book.may_read else "",
            "is_chosen": key == chosen,
        }
        for key, events in reasons
    ]


def _sample(kept: ledger.Kept, now: datetime) -> dict[str, str]:
    local = kept.received_at.astimezone(now.tzinfo)
    return {
        "when": formats.ago(kept.received_at, now),
        "full": f"{formats.day(local.date())}, {formats.clock(local)}:{local.second:02d}",
        "name": kept.name,
        "page": kept.page,
        "agent": kept.user_agent,
        "detail": kept.detail,
        "event": kept.event,
    }


def _samples(book: Ledger) -> dict[str, Any] | None:
    """The newest of the chosen reason, for those who may read them."""
    chosen = _chosen_reason(book)
    if not book.may_read or chosen is None:
        return None
    frame: dict[str, Any] = {"why": why(*chosen), "word": chosen[1], "state": None, "rows": []}
    try:
        kept = ledger.samples(book.asked.site.pk, *chosen)
    except TROUBLE as trouble:
        return frame | panels.trouble(book.asked, trouble, "page")
    return frame | {"rows": [_sample(one, book.asked.local_now) for one in kept]}


# --- Bots and own rules -----------------------------------------------------------------------------------


def _group(kind: str, names: Sequence[Bots], largest: int) -> dict[str, Any]:
    return {
        "label": BOT_KINDS.get(kind, kind),
        "value": formats.count(names[0].of_kind),
        "rows": [
            {"label": one.name, "value": formats.count(one.events), "bar": panels.bar(one.events, largest)}
            for one in names
            if one.name not in NAMELESS
        ],
    }


def bot_groups(found: Sequence[Bots]) -> list[dict[str, Any]]:
    """By kind: AI crawlers first, then the kind with most events. FOUND has most events first."""
    kinds: dict[str, list[Bots]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    ranked = sorted(kinds.items(), key=lambda entry: (entry[0] != AI, -entry[1][0].of_kind))
    largest = max((one.events for one in found), default=0)
    return [_group(kind, names, largest) for kind, names in ranked]


def _bots(book: Ledger) -> dict[str, Any]:
    try:
        groups = bot_groups(ledger.bots(book.asked.site.pk, book.asked.query.period))
    except TROUBLE as trouble:
        return panels.trouble(book.asked, trouble, "page")
    state = None if groups else states.calm("eye", "No bots", "No crawler, monitor or script was recognised.")
    return {"state": state, "groups": groups}


def _rules(book: Ledger) -> dict[str, Any] | None:
    """Hits of the site's own rules in the period, those of deleted rules together."""
    if not book.may_read:
        return None
    site, period = book.asked.site, book.asked.query.period
    try:
        hits = ledger.hits(site.pk, period.start, period.end)
    except TROUBLE as trouble:
        return panels.trouble(book.asked, trouble, "page")
    known = {shield.pk: shield for shield in Shield.objects.filter(site=site, pk__in=list(hits))}
    named = [(of_shield(known[one.shield_id]), one.events) for one in hits.values() if one.shield_id in known]
    gone = sum(one.events for one in hits.values() if one.shield_id not in known)
    rows = sorted(named, key=lambda row: (-row[1], row[0])) + ([("Rules that were deleted", gone)] if gone else [])
    largest = max((events for _, events in rows), default=0)
    return {
        "state": None if rows else states.calm("filter", "No hits", "No rule of this site dropped an event."),
        "rows": [
            {"label": label, "value": formats.count(events), "bar": panels.bar(events, largest)}
            for label, events in rows
        ],
    }


# --- The page ---------------------------------------------------------------------------------------------


def _hours(book: Ledger) -> str:
    """Where the zone's days do not begin with an hour of UTC, from when on they are counted."""
    period = book.asked.query.period
    if not period.start.minute:
        return ""
    begins = (period.start + timedelta(hours=1)).replace(minute=0).astimezone(period.zone)
    what = "this period" if period.kind == periods.ROLLING else "a day"
    return f"Counted by hours of UTC, so {what} begins at {formats.clock(begins)}"


def _details(book: Ledger) -> dict[str, Any]:
    """What stands below the graph when there is anything that was not counted."""
    if not book.events[""]:
        return {}
    if not book.reasons:
        text = "Every event of this period was counted."
        return {"calm": states.calm("check", "Nothing was left out", text)}
    return {
        "reasons": _reason_rows(book),
        "samples": _samples(book),
        "bots": _bots(book),
        "rules": _rules(book),
    }


def context(book: Ledger) -> dict[str, Any]:
    """The page in every state. When the counts do not come nothing else is asked: it would take as long."""
    frame = {
        "controls": controls.controls(book.asked) | {"compare": None},
        "range": controls.range_words(book.asked.query.period),
        "foot": overview.foot(book.asked) | {"exactness": "By time of arrival"},
        "hours": _hours(book),
        "csv_url": book.asked.links.at(reverse("uncounted_csv", args=[book.asked.site.key]), CHOICES).to(),
        "may_read": book.may_read,
    }
    try:
        book = counted(book)
        chart = _chart(book)
    except TROUBLE as trouble:
        return frame | {"cards": _cards(book, False), "chart": panels.trouble(book.asked, trouble, "page")}
    return frame | {"cards": _cards(book, True), "equation": equation(book), "chart": chart, **_details(book)}


def csv_table(book: Ledger) -> tuple[list[str], list[list[object]]]:
    """Every outcome and reason, so that the column of events adds up to what was received. Raises TROUBLE."""
    book = counted(book)
    plain = [one for one in OUTCOMES if one.sign and one.kept_as not in ledger.UNCOUNTED]
    kept: list[list[object]] = [[one.label, "", one.help, book.events[one.kept_as]] for one in plain]
    reasons = [[LABELS[key[0]], key[1], why(*key), events] for key, events in book.reasons]
    return ["Outcome", "Reason", "Why", "Events"], [*kept, *reasons]
