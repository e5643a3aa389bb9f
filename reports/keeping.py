"""The page "Keeping": how long a site keeps what, what shortening would delete, how far its figures have come."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from ingest.clock import DAY, day_of
from ingest.models import JobRun, Site
from ingest.models.sites import MOST_PROPERTIES
from ingest.retention import cuts
from ingest.rollups.sets import RELATIVE_ERROR
from reports import formats, stored
from reports.asking import TROUBLE
from reports.stored import Reached, Stored

DONE = {  # after a change, by the word in the address
    "saved": "Saved. The next cleanup, in the coming night, goes by it.",
    "properties": "Saved. Days that are counted from now on have them; earlier ones once they are counted again.",
    "again": "Handed to a worker. Figures are right all the while; this page shows how far it is.",
}


class Tier(NamedTuple):
    field: str  # of the site
    label: str
    about: str  # what it is for, and what goes with it
    empty: str = ""  # what no number means


TIERS = (
    Tier(
        "events_days",
        "Events",
        "Every single event with its properties, about 300 bytes each. Afterwards sessions and figures are left, and "
        "events that arrive late for such a day are refused.",
    ),
    Tier(
        "sessions_days",
        "Sessions and visitors",
        "One row a session, about as large as an event: for filters and for visitors of any range, exactly. Afterwards "
        "nobody can be followed, and visitors of several days are estimates, about "
        f"{formats.percent(RELATIVE_ERROR)} off.",
    ),
    Tier(
        "aggregates_days",
        "Daily figures",
        "Figures of each day by page, source, country and the rest; a small part of what events take.",
        empty="Empty: for ever.",
    ),
)
TASKS = {
    "cleanup": "Cleanup",
    "drain_hours": "Hours counted",
    "drain_closed_days": "Days counted",
    "backfill": "Days counted again",
    "verify": "Figures checked",
    "erase_person": "Person erased",
}


def _some(number: int, one: str) -> str:
    return f"{formats.count(number)} {one if number == 1 else one + 's'}"


# --- How long ---------------------------------------------------------------------------------------------


def tiers(site: Site, told: dict[str, str], errors: dict[str, str]) -> list[dict[str, Any]]:
    """The fields with what was sent, or what is kept."""
    return [
        {
            "field": tier.field,
            "label": tier.label,
            "about": tier.about,
            "empty": tier.empty,
            "value": told.get(tier.field, _number(getattr(site, tier.field))),
            "kept": _for(getattr(site, tier.field)),
            "error": errors.get(tier.field, ""),
        }
        for tier in TIERS
    ]


def _number(days: int | None) -> str:
    return "" if days is None else str(days)


def _for(days: int | None) -> str:
    return "for ever" if days is None else _some(days, "day")


def going(site: Site, after: Site, now: datetime) -> list[str]:
    """What the next cleanup would delete if SITE became AFTER, a sentence each; none when nothing is that old.

    Where it cannot be told how old the oldest is, everything is taken to be.
    """
    try:
        oldest = stored.oldest(site.pk)
    except TROUBLE:
        oldest = Stored(datetime.min.replace(tzinfo=now.tzinfo), datetime.min.replace(tzinfo=now.tzinfo), date.min)
    before, cut = cuts.of(site, now + DAY), cuts.of(after, now + DAY)
    told = []
    if cut.events > before.events:
        told += _events_going(oldest.event, cut.events)
    if cut.sessions > before.sessions:
        told += _sessions_going(oldest.session, cut.sessions)
    if cut.aggregates and cut.aggregates > (before.aggregates or date.min):
        told += _figures_going(oldest.day, cut.aggregates)
    return told


def _events_going(oldest: datetime | None, cut: datetime) -> list[str]:
    if oldest is None or oldest >= cut:
        return []
    return [f"Events {_before(oldest.date(), cut.date())}. Their sessions and figures stay."]


def _sessions_going(oldest: datetime | None, cut: datetime) -> list[str]:
    if oldest is None or oldest >= cut:
        return []
    told = f"Sessions {_before(oldest.date(), cut.date())}, and visitors who did not come again."
    return [f"{told} The figures of these days stay, their visitors as counts."]


def _figures_going(oldest: date | None, cut: date) -> list[str]:
    if oldest is None or oldest >= cut:
        return []
    return [f"Figures {_before(oldest, cut)}. Nothing is left of these days."]


def _before(oldest: date, cut: date) -> str:
    """before Sun 20 Sep 2026 (41 days)"""
    days = f" ({_some((cut - oldest).days, 'day')})" if oldest > date.min else ""
    return f"from before {formats.day(cut)}{days}"


# --- How far ----------------------------------------------------------------------------------------------


def _moment(moment: datetime, site: Site) -> str:
    local = moment.astimezone(site.zone)
    return f"{formats.weekday(local.date())}, {formats.clock(local)}"


def _since(moment: datetime | None, site: Site) -> str:
    return formats.day(day_of(site.zone, moment)) if moment else formats.NOTHING


def facts(site: Site, now: datetime) -> dict[str, Any]:
    """`rows` of a name and a value each; `trouble` where they cannot be had."""
    try:
        oldest, found = stored.oldest(site.pk), stored.reached(site.pk, now)
    except TROUBLE:
        return {"rows": [], "trouble": "This could not be looked up: the database did not answer in time.", "zone": ""}
    rows = [*_progress(found, site), *_oldest(oldest, site), ("Time zone", site.timezone)]
    return {"rows": rows, "trouble": "", "zone": _zone_changed(found, site)}


def _progress(found: Reached | None, site: Site) -> list[tuple[str, str]]:
    if found is None:
        return [("Counted", "Nothing yet. The first run comes within a minute.")]
    waiting = f"{_some(found.waiting, 'hour')} with newer events" if found.waiting else "Nothing"
    return [
        ("Days counted", f"to {formats.day(found.days_until - DAY)}"),
        ("Hours counted", f"to {_moment(found.hours_until, site)}"),
        ("Waits to be counted", waiting),
    ]


def _oldest(found: Stored, site: Site) -> list[tuple[str, str]]:
    return [
        ("Events since", _since(found.event, site)),
        ("Sessions since", _since(found.session, site)),
        ("Figures since", formats.day(found.day) if found.day else formats.NOTHING),
    ]


def _zone_changed(found: Reached | None, site: Site) -> str:
    if found is None or found.zone == site.timezone:
        return ""
    return (
        f"The time zone was changed from {found.zone} to {site.timezone}. All days whose events are kept are counted "
        "again, beginning within a minute; days whose events are gone stay as they were."
    )


# --- What ran ---------------------------------------------------------------------------------------------


def ran(site: Site, now: datetime) -> list[dict[str, str]]:
    """What a run for all sites has to say is not for the members of one: it may name others."""
    return [
        {
            "task": TASKS.get(run.task, run.task),
            "when": _moment(run.started_at, site),
            "took": _took(run, now),
            "state": _state(run),
            "told": (run.problem or run.detail) if run.site_id else "",
        }
        for run in stored.runs(site.pk)
    ]


def _took(run: JobRun, now: datetime) -> str:
    until = run.ended_at or (now if run.is_running else run.seen_at)
    return formats.duration(max(until - run.started_at, timedelta()).total_seconds())


def _state(run: JobRun) -> str:
    if run.problem:
        return "Failed"
    if not run.is_running:
        return "Done"
    return f"Running, {formats.count(run.done)} of {formats.count(run.total)}" if run.total else "Running"


def is_counting_again(site: Site) -> bool:
    runs = JobRun.objects.filter(site_id=site.pk, task="backfill", ended_at=None)
    return any(run.is_running for run in runs[:1])


# --- The page ---------------------------------------------------------------------------------------------


def context(site: Site, now: datetime, done: str) -> dict[str, Any]:
    """The page but for its forms. DONE is the word that the last change left in the address."""
    return {
        "done": DONE.get(done, ""),
        "facts": facts(site, now),
        "ran": ran(site, now),
        "is_counting_again": is_counting_again(site),
        "most_properties": MOST_PROPERTIES,
    }
