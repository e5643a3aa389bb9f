"""A site's shields: its rules as the door asks them, and which of them would drop what an owner has in mind."""

import ipaddress
import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from ingest.enrich import geo, scrub
from ingest.models import Shield, Site
from ingest.rules import NO_RULES, Rule, Rules, normal
from ingest.webaddress import host_of, path_of

__all__ = ["compiled", "normal", "of_site", "tested"]

log = logging.getLogger(__name__)
Kind = Shield.Kind


def of_site(site_id: int) -> Rules:
    """One query."""
    rows = Shield.objects.filter(site_id=site_id, is_active=True).order_by("id")
    return compiled(rows.values_list("id", "kind", "value"))


def compiled(rows: Iterable[tuple[int, str, str]]) -> Rules:
    """A value that was written past the forms and cannot be read is left out: it must not stop the site's events."""
    rules = []
    for id_, kind, value in rows:
        try:
            rules.append(Rule(id_, kind, normal(kind, value)))
        except ValidationError as error:
            log.warning("Shield %d matches nothing: %s", id_, error.messages[0])
    return Rules(rules) if rules else NO_RULES


def tested(site: Site, text: str) -> list[Shield]:
    """The rules in force that would drop an event from or about TEXT, in the order of the list.

    TEXT may be an address (its country's rules count too), a country's two letters, a path, a page's or a
    referrer's address, or a host of either.
    """
    subjects = _subjects(text.strip())
    shields = site.shields.filter(is_active=True)
    return [shield for shield in shields if _covers(shield, subjects.get(shield.kind))]


def _covers(shield: Shield, subject: str | None) -> bool:
    return compiled([(shield.pk, shield.kind, shield.value)]).matching(shield.kind, subject) is not None


def _subjects(text: str) -> dict[str, str | None]:
    """What TEXT may be, by the kinds of rules that speak of it, in the form in which the door asks."""
    if _is_address(text):
        return {Kind.ADDRESS: text, Kind.COUNTRY: geo.locate(text).country}
    if len(text) == 2 and text.isalpha():
        return {Kind.COUNTRY: text}
    if text.startswith("/"):
        return {Kind.PATH: _path(text.partition("?")[0].partition("#")[0])}
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = host_of(parts.hostname or "")
    except ValueError:
        return {}
    path = _path(parts.path or "/") if "/" in text else None
    return {Kind.HOST: host, Kind.REFERRER: host, Kind.PATH: path}


def _path(written: str) -> str:
    return scrub.scrubbed(path_of(written))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
