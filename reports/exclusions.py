"""The page "Exclusions": a site's own rules, what they would do, and its other choices of what is left out."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache

from ingest import shields, shields_past
from ingest.enrich import geo, source
from ingest.models import Shield, Site
from ingest.shields_past import NotKept, Preview, TooLong
from ingest.sites import KnownSite
from ingest.webaddress import host_of
from reports import countries, formats, ledger
from reports.asking import TROUBLE
from reports.ledger import Hits
from reports.words import label, of_shield

DAYS = 30  # of hits, and of a dry run
TRIED_SECONDS = 300
Kind = Shield.Kind
HOW = {  # what is written for each kind of rule
    Kind.ADDRESS: "203.0.113.7, or a range such as 203.0.113.0/24",
    Kind.COUNTRY: "two letters, such as DE",
    Kind.HOST: "a host of your pages; *.example.com covers all below it too",
    Kind.PATH: "/admin/**; * stands for one part of a path, ** for any",
    Kind.REFERRER: "a host that sends sessions; all hosts below it too",
}
SOON = "It takes effect within half a minute."
DONE = {  # after a change, by the word in the address
    "added": f"The rule was added. {SOON}",
    "on": f"The rule is on. {SOON}",
    "off": f"The rule is off. {SOON}",
    "deleted": f"The rule was deleted. {SOON}",
    "saved": f"Saved. {SOON}",
    "applying": "The rule was handed to a worker. This page says when the past is done.",
}


# --- Rules ------------------------------------------------------------------------------------------------


def _hour(moment: datetime, site: Site) -> str:
    local = moment.astimezone(site.zone)
    return f"{formats.weekday(local.date())}, {formats.clock(local)}"


def _row(shield: Shield, site: Site, hits: dict[int, Hits] | None) -> dict[str, Any]:
    found = hits.get(shield.pk) if hits is not None else None
    return {
        "id": shield.pk,
        "name": of_shield(shield),
        "kind": shield.get_kind_display(),
        "value": label(shield.kind, shield.value),
        "note": shield.note,
        "is_on": shield.is_active,
        "hits": formats.NOTHING if hits is None else formats.count(found.events if found else 0),
        "last": _hour(found.last, site) if found else formats.NOTHING,
    }


def _hits(site: Site, now: datetime) -> dict[int, Hits] | None:
    """Of the last 30 days; None where they cannot be had: the rules themselves can be."""
    try:
        return ledger.hits(site.pk, now - timedelta(days=DAYS), now)
    except TROUBLE:
        return None


def listed(site: Site, now: datetime) -> list[dict[str, Any]]:
    hits = _hits(site, now)
    return [_row(shield, site, hits) for shield in site.shields.all()]


# --- What would be dropped --------------------------------------------------------------------------------


def _host(text: str) -> str | None:
    """The host that TEXT is or holds; None for paths, countries and what is no address."""
    if text.startswith("/") or "." not in text:
        return None
    try:
        return host_of(urlsplit(text if "://" in text else f"https://{text}").hostname or "") or None
    except ValueError:
        return None


def _otherwise(site: Site, text: str) -> list[str]:
    """What but the rules keeps it from being counted."""
    told = ["Collecting is paused: nothing is counted."] if site.is_paused else []
    country, host = geo.locate(text).country, _host(text)
    if country is None and host is not None:
        if not KnownSite.of(site).allows(host):
            told.append(f"As a page: {host} is not among the allowed hosts.")
        if source.is_spam(f"https://{host}/"):
            told.append(f"As a referrer: {host} is known for spam.")
    return told


def judged(site: Site, text: str) -> dict[str, Any]:
    """What becomes of an event from or about TEXT: an address, a country, a path, a page or a host."""
    drops = [f"{of_shield(shield)} drops it." for shield in shields.tested(site, text)] + _otherwise(site, text)
    country = geo.locate(text).country
    place = f" It is in {countries.name(country)}." if country else ""
    if drops:
        return {"text": text, "title": f"{text} is not counted.", "lines": drops, "place": place, "is_dropped": True}
    line = "No rule covers it. An event with it is counted, unless it comes from a bot or is malformed."
    return {"text": text, "title": f"{text} is counted.", "lines": [line], "place": place, "is_dropped": False}


def _events(number: int, one: str) -> str:
    return f"{formats.count(number)} {one if number == 1 else one + 's'}"


def _counted(found: Preview, site: Site) -> str:
    since = formats.short_day(found.since.astimezone(site.zone).date())
    if not found.events:
        return f"This rule would have dropped no event since {since}."
    told = f"This rule would have dropped {_events(found.events, 'event')} of {_events(found.sessions, 'session')}"
    whole = f" {_events(found.whole_sessions, 'session')} would be gone altogether." if found.whole_sessions else ""
    return f"{told} since {since}.{whole}"


def tried(site: Site, shield: Shield) -> dict[str, Any]:
    """The dry run over the last 30 days. `events` is None where it could not be made.

    Of a rule that is kept it is remembered for a while: on a large site it takes seconds, and its page is looked at
    again and again while the rule is applied.
    """
    try:
        return _tried(site, shield) if shield.pk is None else _tried_lately(site, shield)
    except TROUBLE:
        return {"text": "The past could not be searched: the database did not answer.", "events": None, "is_kept": True}


def _tried_lately(site: Site, shield: Shield) -> dict[str, Any]:
    applied = shield.applied_at.timestamp() if shield.applied_at else 0
    key = f"tried:{site.pk}:{shield.pk}:{applied}"
    found: Any = cache.get_or_set(key, lambda: _tried(site, shield), TRIED_SECONDS)
    return dict(found)


def _tried(site: Site, shield: Shield) -> dict[str, Any]:
    try:
        found = shields_past.preview(site, shield, days=DAYS)
    except NotKept:
        return {"text": "Addresses are not kept, so the past cannot be searched.", "events": None, "is_kept": False}
    except TooLong:
        text = f"The last {DAYS} days take too long to search here. Applying the rule has no limit of time."
        return {"text": text, "events": None, "is_kept": True}
    count = _events(found.events, "event")
    return {"text": _counted(found, site), "events": found.events, "count": count, "is_kept": True}


# --- Pages ------------------------------------------------------------------------------------------------


def kinds(chosen: str) -> list[dict[str, Any]]:
    return [{"value": kind.value, "label": kind.label, "how": HOW[kind], "is_chosen": kind == chosen} for kind in Kind]


def context(site: Site, now: datetime, done: str) -> dict[str, Any]:
    """The page but for its forms. DONE is the word that the last change left in the address."""
    return {
        "done": DONE.get(done, ""),
        "rules": listed(site, now),
        "is_paused": site.is_paused,
        "honours_dnt": site.honours_dnt,
    }


def progress(shield: Shield, now: datetime) -> dict[str, Any]:
    """Whether the rule is being applied to the past, or was."""
    is_running = shield.applying_at is not None and now - shield.applying_at < shields_past.ALIVE
    ended = ""
    if shield.applied_at and not is_running:
        local = shield.applied_at.astimezone(shield.site.zone)
        when = f"{formats.weekday(local.date())}, {formats.clock(local)}"
        ended = f"Applied on {when}. It has taken {_events(shield.applied_events, 'event')} away in all."
    return {"is_running": is_running, "ended": ended}


def rule(shield: Shield, now: datetime, done: str) -> dict[str, Any]:
    """One rule: its hits, the dry run, and what can be done with it."""
    [row] = [_row(shield, shield.site, _hits(shield.site, now))]
    state = progress(shield, now)
    return {
        "done": DONE.get(done, ""),
        "rule": row,
        "tried": None if state["is_running"] else tried(shield.site, shield),
        **state,
    }
