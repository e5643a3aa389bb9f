"""The list of sources that have a name or a kind: data/sources.tsv, in memory.

A host stands for its subdomains; "{}" in it for the ending of a country (google.de, google.co.uk, google.com).
"""

import re
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).parent / "data" / "sources.tsv"
COUNTRY = re.compile(r"\.(?:com|(?:com?\.)?[a-z]{2})$")
# "fb-ads", "googleads", "facebook_feed_ad": the source, and that it was paid for.
ADS = re.compile(r"(?P<base>.+?)[-_. ]?ads?")


class Known(NamedTuple):
    """`kind` is one of ai, search, social, video, shopping, email, sms, site."""

    name: str
    kind: str


def _listed() -> dict[str, Known]:
    rows = [row.split("\t") for row in LIST.read_text(encoding="utf-8").splitlines() if not row.startswith("#")]
    return {key: Known(name or key, kind) for key, kind, name, _ in rows}


KEYS = _listed()  # by host or word
NAMES: dict[str, Known] = {}
for _known in KEYS.values():
    NAMES.setdefault(_known.name.lower(), _known)


def of_host(host: str) -> Known | None:
    """By the longest listed host that HOST is, or lies under."""
    labels = host.lower().split(".")
    for start in range(len(labels) - 1):
        part = ".".join(labels[start:])
        known = KEYS.get(part) or KEYS.get(COUNTRY.sub(".{}", part))
        if known:
            return known
    return None


def of_word(word: str) -> Known | None:
    """By what campaigns write as their source: a name, a short form, or a host, in any letter case."""
    plain = word.strip().lower()
    return KEYS.get(plain) or NAMES.get(plain) or (of_host(plain) if "." in plain else None)


def of_ads(word: str) -> Known | None:
    """The source of a word that names one and says that it was paid for; None for any other word."""
    plain = word.strip().lower()
    if plain == "adwords":
        return of_word(plain)
    found = ADS.fullmatch(plain)
    if found is None or of_word(plain):  # "threads" ends so too
        return None
    return of_word(found["base"]) or of_word(re.split(r"[-_. ]", found["base"])[0])
