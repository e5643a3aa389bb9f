"""Where a session came from: the campaign's own word, else the referring site, else nowhere (Direct)."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from ingest import fields
from ingest.enrich import known_sources, scrub
from ingest.event import Event
from ingest.webaddress import host_of

DIRECT, NOT_SET = "Direct", "(not set)"
CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
# The parameter that an advertiser's link carries, and who adds it.
CLICK_IDS = {
    "gclid": "Google", "gbraid": "Google", "wbraid": "Google", "dclid": "Google", "msclkid": "Bing",
    "fbclid": "Facebook", "igshid": "Instagram", "ttclid": "TikTok", "twclid": "X (Twitter)",
    "li_fat_id": "LinkedIn", "rdt_cid": "Reddit", "epik": "Pinterest", "sccid": "Snapchat", "yclid": "Yandex",
}  # fmt: skip
WORDS = ("utm_source", "source", "ref")  # each may say the source, the first that does wins
KEPT = {*CAMPAIGN, *WORDS, *CLICK_IDS, "utm_id"}
VALUE_MAX, REFERRER_MAX = 256, 1024
# Links in newsletters sometimes carry the reader's address in a campaign's parameter; it is not kept.
PERSONAL = re.compile(r"[^@\s]@[^@\s]+\.")
SPAM = frozenset(
    line
    for line in (Path(__file__).parent / "data" / "spam_hosts.txt").read_text(encoding="utf-8").split()
    if not line.startswith("#")
)


class Acquisition(NamedTuple):
    """`source` is never empty; `referrer` is external and without query, the UTMs are as they were written."""

    source: str = DIRECT
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    click_ids: dict[str, str] | None = None


def acquisition_of(
    referrer: str | None, query: str | None, hostname: str | None, stated: Mapping[str, Any] | None = None
) -> Acquisition:
    """From the first event's referrer, its page's raw query and its page's host.

    STATED is what an import says in their place: `source`, and UTMs by their names.
    """
    stated = stated or {}
    said = {**parameters(query), **{name: stated[name] for name in CAMPAIGN if name in stated}}
    came_from = external(referrer, hostname)
    clicks = {name: said[name] for name in CLICK_IDS if name in said}
    return Acquisition(
        source=stated.get("source") or _source(said, came_from, clicks),
        referrer=came_from,
        click_ids=clicks or None,
        **{name: said.get(name) for name in CAMPAIGN},
    )


def _source(said: dict[str, str], came_from: str | None, clicks: dict[str, str]) -> str:
    for word in (said[name] for name in WORDS if name in said):
        known = known_sources.of_word(word) or known_sources.of_ads(word)
        return known.name if known else word
    if came_from:
        return _site(_host(came_from))
    if clicks:
        return CLICK_IDS[next(iter(clicks))]
    return NOT_SET if any(name in said for name in CAMPAIGN) else DIRECT


def _site(host: str) -> str:
    known = known_sources.of_host(host)
    return known.name if known else host.removeprefix("www.")


@functools.lru_cache(maxsize=4096)
def _kept(query: str, allowed: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Of a campaign's parameters those with an address of somebody go whole: a mark would be a campaign of its own."""
    kept: dict[str, str] = {}
    for name, value in parse_qsl(query, errors="replace"):
        name = name.lower().removeprefix("amp;")  # "&amp;" of HTML, copied into a link
        value = fields.mended(value).strip()[:VALUE_MAX]
        if name in KEPT and value and not PERSONAL.search(value):
            kept.setdefault(name, value)
        elif name in allowed and name not in KEPT and value:
            kept.setdefault(name, scrub.scrubbed(value))
    return tuple(kept.items())


def parameters(query: str | None) -> dict[str, str]:
    """The parameters that say where a reader came from; every other one is forgotten here."""
    return dict(_kept(query)) if query else {}


def kept_query(query: str | None, allowed: tuple[str, ...] = ()) -> str | None:
    """As much of the query as is stored with an event: enough to find its source again, and what the site ALLOWED
    (names in lower case), scrubbed."""
    return _kept_as_query(query, allowed) if query else None


@functools.lru_cache(maxsize=4096)
def _kept_as_query(query: str, allowed: tuple[str, ...]) -> str | None:
    return urlencode(_kept(query, allowed)) or None


LINKS = {"outbound", "download"}  # events that tell an address as their label and as a property


def strip(event: Event, allowed: tuple[str, ...]) -> None:
    """Takes out of the event's addresses what is not kept. Before anything is stored, in Redis too.

    The referrer goes through `external` when it is stored: what it is stripped of depends on the page's host.
    """
    if event.path:
        event.path = scrub.scrubbed(event.path)
    if event.query:
        event.query = kept_query(event.query, allowed)
    if event.referrer:
        event.referrer = _normal(event.referrer)
    if event.name in LINKS:
        event.label = event.label and scrub.scrubbed(event.label)
        if event.properties and isinstance(address := event.properties.get("url"), str):
            event.properties = {**event.properties, "url": scrub.scrubbed(address)}


def external(referrer: str | None, hostname: str | None) -> str | None:
    """The referrer as it is kept: without user, query and fragment; None for the page's own host.

    A subdomain of the page's host is its own; "www." makes no difference.
    """
    address = _normal(referrer) if referrer else None
    if address is None:
        return None
    host, own = _host(address), (hostname or "").lower().removeprefix("www.")
    return None if own and (host.removeprefix("www.") == own or host.endswith(f".{own}")) else address


@functools.lru_cache(maxsize=4096)
def _normal(referrer: str) -> str | None:
    text = fields.mended(referrer.strip())
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = host_of(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https", "android-app", "ios-app") or not _is_host(host, parts.scheme):
        return None
    place = f"{host}:{port}" if port else host
    return f"{parts.scheme}://{place}{scrub.scrubbed(parts.path)}"[:REFERRER_MAX]


def _is_host(host: str, scheme: str) -> bool:
    # "-" and words are what proxies and filters leave in place of an address.
    return ("." in host.strip(".") or scheme != "https" or host == "localhost") and not re.search(r"[\s<>\"]", host)


@functools.lru_cache(maxsize=4096)
def _host(address: str) -> str:
    """Of an address that `_normal` made."""
    return (urlsplit(address).hostname or "").rstrip(".")


def referring_host(referrer: str | None, hostname: str | None) -> str | None:
    """The host of an external referrer."""
    address = external(referrer, hostname)
    return _host(address) if address else None


def is_spam(referrer: str | None) -> bool:
    """Whether the referrer is made up, for the sake of being seen in reports."""
    address = _normal(referrer) if referrer else None
    return address is not None and _is_spam_host(_host(address))


@functools.lru_cache(maxsize=4096)
def _is_spam_host(host: str) -> bool:
    labels = host.split(".")
    return any(".".join(labels[start:]) in SPAM for start in range(len(labels) - 1))
