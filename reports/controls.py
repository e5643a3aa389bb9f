"""The toolbar's period and comparison pickers and the chips of the filters, ready to print."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from reports import formats
from reports.asking import Asked
from reports.queries import periods
from reports.queries.query import Period
from reports.words import FilterWords

COMPARISONS = (("previous", "Previous period", "previous period"), ("year", "Year before", "year before"))
MATCHED_FROM = 7  # days: shorter ranges have no week to match


def range_words(period: Period, with_year: bool = True) -> str:
    """1 – 20 Nov 2026; the last 24 hours say when they began."""
    if period.kind == periods.ROLLING:
        start = period.start.astimezone(period.zone)
        return f"from {formats.weekday(start.date())}, {formats.clock(start)}"
    return formats.days(period.first_day, period.last_day, with_year)


def within_words(period: Period) -> str:
    """The same inside a sentence: between 1 and 20 Nov 2026."""
    if period.kind == periods.ROLLING:
        return "in the last 24 hours"
    return formats.within(period.first_day, period.last_day)


def _is_whole_month(first: date, last: date) -> bool:
    is_same = (first.year, first.month) == (last.year, last.month)
    return is_same and first.day == 1 and last.day == monthrange(last.year, last.month)[1]


def stepped(first: date, last: date, today: date, back: bool) -> tuple[date, date] | None:
    """The days before or after, as many, a whole month for a month; None when they would lie in the future."""
    length = (last - first).days + 1
    if not back and last >= today:
        return None
    if _is_whole_month(first, last):
        near = first - timedelta(days=1) if back else last + timedelta(days=1)
        days = monthrange(near.year, near.month)[1]
        return near.replace(day=1), min(near.replace(day=days), today)
    shift = timedelta(days=-length if back else length)
    return first + shift, min(last + shift, today)


def _step_url(asked: Asked, back: bool) -> str:
    period = asked.query.period
    if period.kind in {periods.ALL, periods.ROLLING}:
        return ""
    last = period.last_day
    if back and period.kind == "month":  # the month before it is a whole one
        last = date(last.year, last.month, monthrange(last.year, last.month)[1])
    days = stepped(period.first_day, last, asked.today, back)
    if days is None or days[0] < periods.EARLIEST:
        return ""
    return asked.links.for_days(days[0].isoformat(), days[1].isoformat())


def _presets(asked: Asked) -> list[dict[str, Any]]:
    chosen = asked.query.period.kind
    return [
        {
            "label": preset.label,
            "key": preset.key,
            "url": asked.links.for_period(preset.name),
            "is_chosen": preset.name == chosen,
        }
        for preset in periods.PRESETS
    ]


def _told(name: str, is_matched: bool) -> str | None:
    """A comparison in an address; the usual one needs no word."""
    told = name if is_matched else f"{name}_dates"
    return None if told == "previous" else told


def _choice(asked: Asked, name: str, title: str) -> dict[str, Any]:
    now = asked.query.comparison
    return {
        "label": title,
        "url": asked.links.to(compare=_told(name, asked.query.match_weekdays)),
        "is_chosen": name == now,
        "is_switch": now is None and name == "previous",
    }


def _match(asked: Asked) -> dict[str, Any] | None:
    """The tick for weekdays, where there is a comparison of at least a week."""
    query = asked.query
    if query.comparison is None or (query.period.last_day - query.period.first_day).days + 1 < MATCHED_FROM:
        return None
    url = asked.links.to(compare=_told(query.comparison, not query.match_weekdays))
    return {"url": url, "is_on": query.match_weekdays}


def _comparison(asked: Asked) -> dict[str, Any]:
    now = asked.query.comparison
    none = {
        "label": "None",
        "url": asked.links.to(compare="none"),
        "is_chosen": now is None,
        "is_switch": now is not None,
    }
    return {
        "prefix": "vs" if now else "",
        "label": next((words for name, _, words in COMPARISONS if name == now), "No comparison"),
        "choices": [*(_choice(asked, name, title) for name, title, _ in COMPARISONS), none],
        "match": _match(asked),
    }


def controls(asked: Asked) -> dict[str, Any]:
    period = asked.query.period
    preset = periods.BY_NAME.get(period.kind)
    return {
        "period": preset.label if preset else "Custom",
        "range": range_words(period),
        "before_url": _step_url(asked, back=True),
        "after_url": _step_url(asked, back=False),
        "presets": _presets(asked),
        "path": asked.links.path,
        "hidden": asked.links.hidden("period", "from", "to", "interval"),
        "first": period.first_day.isoformat(),
        "last": min(period.last_day, asked.today).isoformat(),
        "today": asked.today.isoformat(),
        "zone": period.zone.key,
        "compare": _comparison(asked),
    }


def chips(asked: Asked) -> list[dict[str, Any]]:
    return [_chip(asked, words) for words in asked.filters]


def _chip(asked: Asked, words: FilterWords) -> dict[str, Any]:
    return {
        "words": words.head,
        "value": words.value,
        "remove_url": asked.links.without_filter(words.told),
        "remove_label": f"Remove {words}",
    }


def gone(asked: Asked) -> str:
    """What the reader must know of a period of which not all events are kept; empty otherwise."""
    if asked.events_since is None:
        return ""
    day = formats.day(asked.events_since)
    return (
        f"Single events are kept from {day} on. What these figures count from events is missing before that; daily "
        "figures of those days are kept, and are not shown here."
    )
