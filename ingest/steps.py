"""What happens to each event at the door, in order: `drop_` and `reject_` may end its way, `put_` adds to it.

The steps are pure but for the day's salt (`put_visitor`), which may raise DatabaseError.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ingest.enrich import bots, geo, source, visitor
from ingest.event import Context, DropReason, Hints
from ingest.formats import Sent
from ingest.models import Shield, Site
from ingest.refusal import Rejected
from ingest.sites import KnownSite


class Arrival(NamedTuple):
    """One request. The address is used here and forgotten: it is in no event, no entry, no log line."""

    body: bytes
    content_type: str
    content_encoding: str
    address: str
    user_agent: str
    received_at: float  # seconds since 1970
    language: str | None = None
    country: str | None = None  # as a trusted proxy says
    server_key: str | None = None
    purpose: str = ""  # what the browser says the request is for, such as prefetch
    hints: Hints | None = None
    asks_not_to_track: bool = False  # Do Not Track or Global Privacy Control


class Dropped(Exception):  # noqa: N818
    """The event is not counted: by which rule of the site's, or as which bot (kind and name)."""

    def __init__(self, reason: DropReason, shield: int | None = None, bot: tuple[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.shield, self.bot = reason, shield, bot


class Situation(NamedTuple):
    """What the steps look at beside the event: where it goes and who sent it."""

    site: KnownSite
    arrival: Arrival
    address: str
    user_agent: str
    is_server: bool
    sender: Context  # where and with what the sender is; of a server's event: its visitor, as far as it says


def drop_paused(_: Sent, at: Situation) -> None:
    if at.site.is_paused:
        raise Dropped(DropReason.SITE_PAUSED)


EARLY = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)


def drop_prefetch(_: Sent, at: Situation) -> None:
    if at.arrival.purpose and EARLY.search(at.arrival.purpose):
        raise Dropped(DropReason.PREFETCH)


def is_untracked(at: Situation) -> bool:
    # The headers are the sender's own: a server's say nothing of its visitors.
    return at.site.honours_dnt and at.arrival.asks_not_to_track and not at.is_server


def drop_untracked(_: Sent, at: Situation) -> None:
    if is_untracked(at):
        raise Dropped(DropReason.DO_NOT_TRACK)


def reject_expired(sent: Sent, at: Situation) -> None:
    """The format has its own bound; a site may keep events for less."""
    if sent.event.ts < at.arrival.received_at - at.site.events_days * 86_400:
        raise Rejected("too_old", f"timestamp is over {at.site.events_days} days old: the site keeps events no longer.")


def drop_foreign_host(sent: Sent, at: Situation) -> None:
    if not at.site.allows(sent.event.hostname):
        raise Dropped(DropReason.HOST_NOT_ALLOWED)


def drop_bot(sent: Sent, at: Situation) -> None:
    """Programs that speak HTTP (curl, an app's library) send on purpose and pass. One that is unknown, or hides,
    must at least say whose event it is: some people's privacy tools blank the agent of a real browser."""
    # A server with a key speaks for its visitors; its own agent says nothing about them.
    bot = bots.identify(at.user_agent if not at.is_server else sent.user_agent)
    if bot is None or bot.kind == bots.LIBRARY:
        return
    if bot.kind == bots.UNKNOWN and (at.is_server or sent.visitor is not None):
        return
    raise Dropped(DropReason.BOT, bot=bot)


def drop_spam(sent: Sent, at: Situation) -> None:
    if sent.event.referrer and source.is_spam(sent.event.referrer):
        raise Dropped(DropReason.SPAM_REFERRER)


def put_page(sent: Sent, at: Situation) -> None:
    source.strip(sent.event, at.site.kept_parameters)


def _address(sent: Sent, at: Situation) -> str | None:
    return sent.address if at.is_server else at.address


def _referrer(sent: Sent, _: Situation) -> str | None:
    return source.referring_host(sent.event.referrer, sent.event.hostname)


BLOCKS: tuple[tuple[str, DropReason, Callable[[Sent, Situation], str | None]], ...] = (
    (Shield.Kind.ADDRESS, DropReason.BLOCKED_ADDRESS, _address),
    (Shield.Kind.COUNTRY, DropReason.BLOCKED_COUNTRY, lambda _, at: at.sender.country),
    (Shield.Kind.HOST, DropReason.BLOCKED_HOST, lambda sent, _: sent.event.hostname),
    (Shield.Kind.PATH, DropReason.BLOCKED_PATH, lambda sent, _: sent.event.path),
    (Shield.Kind.REFERRER, DropReason.SPAM_REFERRER, _referrer),
)


def drop_blocked(sent: Sent, at: Situation) -> None:
    """By the site's own rules; the first kind that has one for the event is its reason."""
    rules = at.site.rules
    if not rules:
        return
    for kind, reason, subject_of in BLOCKS:
        if kind in rules and (rule := rules.matching(kind, subject_of(sent, at))) is not None:
            raise Dropped(reason, shield=rule)


def put_visitor(sent: Sent, at: Situation) -> None:
    """After the drops: what is not counted leaves no trace, and needs no salt.

    A site that promised its visitors to keep no id of theirs gets none, whatever an old snippet still sends.
    """
    promised = at.site.identity == Site.Identity.ANONYMOUS and not at.is_server
    if sent.visitor is not None and not promised:
        sent.event.visitor_id = visitor.named(at.site, "visitor", sent.visitor)
    elif at.is_server and sent.event.user_id is not None:
        sent.event.visitor_id = visitor.named(at.site, "user", sent.event.user_id)
    else:
        sent.event.visitor_id = visitor.anonymous(at.site, at.address, at.user_agent, at.arrival.received_at)
    if sent.session is not None and not promised:
        sent.event.session_id = visitor.named(at.site, "session", sent.session)


def put_sender(sent: Sent, at: Situation) -> None:
    """The batch says it for all, but for a server's, whose events are of many visitors."""
    if at.is_server:
        sent.event.context = merged(at.sender, sent.event.context)


STEPS: tuple[Callable[[Sent, Situation], None], ...] = (
    drop_paused,  # before anything that costs
    drop_prefetch,
    drop_untracked,
    reject_expired,
    drop_foreign_host,
    drop_bot,
    drop_spam,
    put_page,  # before the site's rules: they see what is stored, so that they fit the past as they fit the present
    drop_blocked,
    put_visitor,
    put_sender,
)


def sender_of(arrival: Arrival) -> Context:
    sender = sender_at(arrival.address, arrival.user_agent, arrival.country, arrival.language)
    return msgspec.structs.replace(sender, hints=arrival.hints) if arrival.hints else sender


def sender_at(address: str, user_agent: str, country: str | None, language: str | None = None) -> Context:
    place = geo.locate(address)
    if country and country != place.country:
        place = geo.Place(country)  # a city of another country would be nonsense
    return Context(
        user_agent=user_agent[:512] or None,
        country=place.country,
        region=place.region,
        city=place.city,
        lat=place.lat,
        lon=place.lon,
        language=language,
    )


def merged(known: Context, stated: Context | None) -> Context:
    if stated is None:
        return known
    said = {name: value for name, value in msgspec.structs.asdict(stated).items() if value is not None}
    return msgspec.structs.replace(known, **said)
