"""What becomes of a line, and what a line needs to know. The shape that every importer shares.

An importer is a function `parse(line, into)`: it returns the event, or raises Left with the outcome.
"""

import enum
import hashlib
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from ingest.event import Event
from ingest.sites import KnownSite


class Outcome(enum.StrEnum):
    """Every line has exactly one: the numbers add up to the lines of the file."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    TOO_OLD = "too_old"
    REFUSED = "refused"
    STATIC = "static"
    NOT_A_PAGE = "not_a_page"
    BOT = "bot"
    SPAM = "spam_referrer"
    FOREIGN_HOST = "foreign_host"
    OTHER_METHOD = "other_method"
    REDIRECT = "redirect"
    ERROR_STATUS = "error_status"
    EMPTY = "empty"
    MALFORMED = "malformed"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]


SENTENCES = {
    Outcome.RECORDED: "stored as an event",
    Outcome.REPEATED: "stored already, or the same line again",
    Outcome.TOO_OLD: "of a day that is counted for good: its events have expired",
    Outcome.REFUSED: "set aside, as the database does not take it; staff see why",
    Outcome.STATIC: "an image, a script, a style, a font, sound or video",
    Outcome.NOT_A_PAGE: "a feed, a file to download, a part or nothing of one",
    Outcome.BOT: "a crawler, a monitor or a script",
    Outcome.SPAM: "the referrer is a host known for spam",
    Outcome.FOREIGN_HOST: "the host is not in the site's list of allowed hosts",
    Outcome.OTHER_METHOD: "not GET",
    Outcome.REDIRECT: "answered with another address",
    Outcome.ERROR_STATUS: "answered with 400 or more",
    Outcome.EMPTY: "nothing in the line",
    Outcome.MALFORMED: "not of the format",
}


class Left(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The line becomes no event. REASON is for people, names no sender, and is empty where the outcome says all."""

    def __init__(self, outcome: Outcome, reason: str = "") -> None:
        super().__init__(reason or outcome.sentence)
        self.outcome, self.reason = outcome, reason


class Into(NamedTuple):
    """Where an import goes: the site, the host of lines that name none, and the import's own time."""

    site: KnownSite
    host: str
    now: float  # seconds since 1970


Parse = Callable[[str, Into], Event]


def id_of(line: str, into: Into) -> UUID:
    """The event's id, from the whole line: the same line is the same event in every run and every file.

    Keyed with the site's secret: lines hold addresses, which could be found from a plain hash by trying all.
    """
    text = f"line\0{into.site.id}\0{line}".encode("utf-8", "surrogatepass")
    hashed = bytearray(hashlib.blake2b(text, key=into.site.secret[:64], digest_size=16).digest())
    hashed[6] = hashed[6] & 0x0F | 0x80  # version 8: an id of our own making
    hashed[8] = hashed[8] & 0x3F | 0x80
    return UUID(bytes=bytes(hashed))
