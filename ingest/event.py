"""The one internal event that every wire format is turned into, and the words it may carry.

`NAMES` is the one table of names with a meaning; the writer's counters, the metrics and the docs read it.
"""

import enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

PAGEVIEW, ENGAGEMENT = "pageview", "engagement"


class Meaning(NamedTuple):
    """What an event of this name does to its session's figures."""

    counts: bool = True  # adds to `events`, moves start and end
    ends_bounce: bool = True
    counter: str | None = None  # the session's column that it adds one to
    help: str = ""


NAMES: dict[str, Meaning] = {
    "pageview": Meaning(ends_bounce=False, counter="page_views", help="A page was shown."),
    "engagement": Meaning(counts=False, ends_bounce=False, help="Seconds in the foreground, scroll depth."),
    "identify": Meaning(counts=False, ends_bounce=False, help="Tells who the visitor is; `user_id`."),
    "outbound": Meaning(help="A link to another host was followed."),
    "download": Meaning(help="A file was downloaded."),
    "404": Meaning(ends_bounce=False, help="The page was not found."),
    "form_start": Meaning(help="A form was begun."),
    "form_submit": Meaning(help="A form was sent."),
    "form_error": Meaning(help="A form was refused."),
    "error": Meaning(ends_bounce=False, counter="errors", help="A script failed."),
    "web_vital": Meaning(counts=False, ends_bounce=False, help="A loading or response time was measured."),
    "impression": Meaning(ends_bounce=False, counter="impressions", help="A widget was shown."),
    "widget_loaded": Meaning(ends_bounce=False, counter="impressions", help="A widget was loaded."),
    "widget_visible": Meaning(ends_bounce=False, counter="impressions", help="A widget came into view."),
    "click_bubble": Meaning(counter="interactions", help="The widget's bubble was clicked."),
    "open_chat": Meaning(counter="interactions", help="The chat was opened."),
    "ask_question": Meaning(counter="interactions", help="A question was asked."),
    "click_suggestion": Meaning(counter="interactions", help="A suggestion was clicked."),
    "submit_form": Meaning(counter="interactions", help="The widget's form was sent."),
    "click_contact": Meaning(counter="interactions", help="A way to get in touch was clicked."),
    "widget_open": Meaning(help="The widget was opened."),
    "widget_minimize": Meaning(help="The widget was minimised."),
    "message_sent": Meaning(help="The visitor sent a message."),
    "message_received": Meaning(ends_bounce=False, help="The visitor got a message; `response_ms`."),
    "prechat_submit": Meaning(help="The form before the chat was sent."),
    "conversation_start": Meaning(help="A conversation began."),
}
CUSTOM = Meaning(help="Any other name: an event of the site's own.")
INTERACTION = Meaning(counter="interactions", help="Any event of the category `interaction`.")


def meaning_of(name: str, category: str | None) -> Meaning:
    known = NAMES.get(name)
    if known is None:
        return INTERACTION if category == "interaction" else CUSTOM
    return known


class DropReason(enum.StrEnum):
    """Why a valid event was deliberately not counted. The value is the word in answers, counts and docs."""

    BOT = "bot"
    PREFETCH = "prefetch"
    DO_NOT_TRACK = "do_not_track"
    SITE_PAUSED = "site_paused"
    RATE_LIMITED = "rate_limited"
    SPAM_REFERRER = "spam_referrer"
    HOST_NOT_ALLOWED = "host_not_allowed"
    BLOCKED_ADDRESS = "blocked_address"
    BLOCKED_COUNTRY = "blocked_country"
    BLOCKED_HOST = "blocked_host"
    BLOCKED_PATH = "blocked_path"
    SITE_DELETED = "site_deleted"

    @property
    def sentence(self) -> str:
        return DROP_SENTENCES[self]


DROP_SENTENCES = {
    DropReason.BOT: "The user agent is a crawler, a monitor, a preview, or nothing that is known.",
    DropReason.PREFETCH: "The browser loaded the page ahead of time; nobody has seen it.",
    DropReason.DO_NOT_TRACK: "The browser asks not to be tracked, and the site honours that.",
    DropReason.SITE_PAUSED: "The site's owner has paused collecting.",
    DropReason.RATE_LIMITED: "More events came than the site or the address may send.",
    DropReason.SPAM_REFERRER: "The referrer is a host known for spam, or one that the site blocks.",
    DropReason.HOST_NOT_ALLOWED: "The page's host is not in the site's list of allowed hosts.",
    DropReason.BLOCKED_ADDRESS: "The site blocks the sender's address.",
    DropReason.BLOCKED_COUNTRY: "The site blocks the sender's country.",
    DropReason.BLOCKED_HOST: "The site blocks the page's host.",
    DropReason.BLOCKED_PATH: "The site blocks the page's path.",
    DropReason.SITE_DELETED: "The site was deleted before the event was written.",
}


class Hints(msgspec.Struct, omit_defaults=True, frozen=True):
    """What a browser says of itself beside its user agent; only where that tells more. Texts of 60 characters."""

    brand: str | None = None  # "Brave/126"
    platform: str | None = None  # "Windows"
    platform_version: str | None = None  # "15.0.0"
    is_mobile: bool = False
    form: str | None = None  # "tablet"


class Context(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is known of the sender, of a whole batch or of one imported event. No address.

    The fields from `country` on are found at the door (geography) or stated by an import; those from
    `browser` on are found by the writer from `user_agent` and `hints` unless stated.
    """

    user_agent: str | None = None
    hints: Hints | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None
    language: str | None = None
    screen: str | None = None
    viewport: str | None = None
    timezone: str | None = None
    color_scheme: str | None = None
    connection: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None
    source: str | None = None
    channel: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


class Event(msgspec.Struct, omit_defaults=True):
    """One event behind the door. Times are seconds since 1970 (UTC); ids of visitor and session 64-bit hashes."""

    id: UUID
    name: str
    ts: float
    visitor_id: int
    session_id: int | None = None  # None: by inactivity
    is_timed: bool = True  # False: the sender gave no time, `ts` is that of arrival
    sent_ts: float | None = None  # as the client sent it, where `ts` was corrected
    category: str | None = None
    label: str | None = None
    hostname: str | None = None
    path: str | None = None
    query: str | None = None  # the address's raw query; the writer keeps the allow-listed part
    title: str | None = None
    referrer: str | None = None
    value: float | None = None
    currency: str | None = None
    user_id: str | None = None
    engaged_ms: int | None = None
    scroll: int | None = None
    correlation_id: str | None = None
    properties: dict[str, Any] | None = None
    user_properties: dict[str, Any] | None = None
    context: Context | None = None  # where it differs from the batch's


class Sample(msgspec.Struct, omit_defaults=True, frozen=True):
    """One event that was not counted, as its site's owner may read it. No address; texts are cut."""

    outcome: str  # "dropped" or "rejected"
    reason: str
    detail: str = ""
    name: str = ""
    page: str = ""  # host and path
    user_agent: str = ""
    event: str = ""  # of a rejected one: as it was sent, JSON


class Batch(msgspec.Struct, omit_defaults=True):
    """What one request, or one block of an import, brought for one site; travels in an entry of the stream."""

    site_id: int
    received_at: float
    events: list[Event]
    context: Context = Context()
    batch_id: UUID | None = None
    outcomes: dict[str, dict[str, int]] = {}  # outcome ("dropped", "rejected") -> reason -> events
    hits: dict[int, int] = {}  # id of a shield -> events that it dropped
    bots: dict[str, dict[str, int]] = {}  # kind of bot -> name -> events
    samples: list[Sample] = []
    is_import: bool = False
    is_again: bool = False  # read again after a crash: what is stored already is not counted again


def apart(batch: Batch, **changes: Any) -> Batch:
    """The batch without what was refused of it at the door, which another part of it carries."""
    return msgspec.structs.replace(batch, outcomes={}, hits={}, bots={}, samples=[], **changes)
