"""What happens to each event at the door, in order: `drop_` may end its way, `put_` adds to it.

The steps are pure but for the day's salt (`put_visitor`), which may raise DatabaseError.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ingest.enrich import bots, geo, source, visitor
from ingest.event import Context, DropReason
from ingest.formats import Sent
from ingest.models import Site
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


def drop_foreign_host(sent: Sent, at: Situation) -> None:
    if not at.site.allows(sent.event.hostname):
        raise Dropped(DropReason.HOST_NOT_ALLOWED)


def drop_bot(sent: Sent, at: Situation) -> None:
    # A server with a key speaks for its visitors; its own agent says nothing about them.
    agent = sent.user_agent or "" if at.is_server else at.user_agent
    if bots.is_bot(agent, libraries=False):
        raise Dropped(DropReason.BOT)


def drop_spam(sent: Sent, at: Situation) -> None:
    if sent.event.referrer and source.is_spam(sent.event.referrer):
        raise Dropped(DropReason.SPAM_REFERRER)


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
    drop_foreign_host,
    drop_bot,
    drop_spam,
    put_visitor,
    put_sender,
)


def sender_of(arrival: Arrival) -> Context:
    return sender_at(arrival.address, arrival.user_agent, arrival.country, arrival.language)


def sender_at(address: str, user_agent: str, country: str | None, language: str | None = None) -> Context:
    place = geo.locate(address)
    return Context(
        user_agent=user_agent[:512] or None,
        country=country or place.country,
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
