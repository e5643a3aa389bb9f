"""The door: from a request to an answer.

`collect` reads the body, finds the site, takes each event through STEPS and hands the rest to the stream, or,
when Redis is away, straight to the tables by the writer's own code. It answers 2xx only after one of the two
has the events. It knows no web framework: views and the RSGI lane call it alike.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.db import DatabaseError

from ingest import body, quarantine, queue, sites
from ingest.enrich import bots, geo, source, visitor
from ingest.event import Batch, Context, DropReason
from ingest.formats import Envelope, Sent, native
from ingest.models import Site
from ingest.refusal import Refused, Rejection
from ingest.sites import KnownSite

log = logging.getLogger(__name__)
RETRY_SECONDS = 5
CORS = {"Access-Control-Allow-Origin": "*"}


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


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


class Dropped(Exception):  # noqa: N818
    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Situation(NamedTuple):
    """What the steps look at beside the event: where it goes and who sent it."""

    site: KnownSite
    arrival: Arrival
    address: str
    user_agent: str
    is_server: bool


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
    """Where and with what a server's visitor is, as far as it says; where the server stands is no answer."""
    if at.is_server:
        known = _sender(sent.address or "", sent.user_agent or "", None)
        sent.event.context = _merged(known, sent.event.context)


STEPS: tuple[Callable[[Sent, Situation], None], ...] = (
    drop_foreign_host,
    drop_bot,
    drop_spam,
    put_visitor,
    put_sender,
)


class Result(NamedTuple):
    batch: Batch
    rejected: list[Rejection]
    dropped: list[tuple[int, DropReason]]


def collect(arrival: Arrival, parse: Callable[[Any, float], Envelope] = native.parse) -> Answer:
    """Never raises for anything a sender can do."""
    try:
        document = body.read(arrival.body, arrival.content_type, arrival.content_encoding)
        envelope = parse(document, arrival.received_at)
        result = _through(envelope, arrival, _site(envelope.site))
        _keep(result.batch)
    except Refused as refusal:
        return refused(refusal)
    return _answer(202, _told(result))


def refused(refusal: Refused) -> Answer:
    return _answer(refusal.status, {"error": refusal.reason, "detail": refusal.detail}, refusal.headers)


def _answer(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status,
        msgspec.json.encode(document),
        {"Content-Type": "application/json", "Cache-Control": "no-store", **CORS, **(headers or {})},
    )


def _told(result: Result) -> dict[str, Any]:
    return {
        "accepted": len(result.batch.events),
        "rejected": result.rejected,
        "dropped": [{"index": index, "reason": reason} for index, reason in result.dropped],
    }


def _site(key: str) -> KnownSite:
    """The same answer for a key that is unknown, switched off or malformed: nothing to be learnt by trying."""
    try:
        site = sites.by_key(key)
    except DatabaseError as error:
        raise away() from error
    if site is None:
        raise Refused(404, "unknown_site", "site: no site has this key. It is shown on the set-up page.")
    return site


def away() -> Refused:
    return Refused(
        503,
        "unavailable",
        "Events cannot be kept just now. Send them again.",
        {"Retry-After": str(RETRY_SECONDS)},
    )


def _through(envelope: Envelope, arrival: Arrival, site: KnownSite) -> Result:
    is_server = _is_server(arrival, site)
    kept, dropped = [], []
    for sent in envelope.events:
        at = _situation(site, arrival, sent, is_server)
        try:
            for step in STEPS:
                step(sent, at)
            kept.append(sent.event)
        except Dropped as drop:
            dropped.append((sent.index, drop.reason))
        except DatabaseError as error:  # the day's salt could not be read
            raise away() from error
    outcomes = {
        "dropped": dict(Counter(str(reason) for _, reason in dropped)),
        "rejected": dict(Counter(rejection.reason for rejection in envelope.rejected)),
    }
    batch = Batch(
        site_id=site.id,
        received_at=arrival.received_at,
        events=kept,
        context=Context() if is_server else _sender_of(arrival),
        batch_id=envelope.batch_id,
        outcomes={outcome: reasons for outcome, reasons in outcomes.items() if reasons},
    )
    return Result(batch, envelope.rejected, dropped)


def _is_server(arrival: Arrival, site: KnownSite) -> bool:
    if arrival.server_key is None:
        return False
    try:
        known = sites.of_server_key(arrival.server_key)
    except DatabaseError as error:
        raise away() from error
    if known != site.id:
        raise Refused(401, "bad_key", "Authorization: the key is unknown, expired, or not this site's.")
    return True


def _situation(site: KnownSite, arrival: Arrival, sent: Sent, is_server: bool) -> Situation:
    if not is_server:
        return Situation(site, arrival, arrival.address, arrival.user_agent, False)
    return Situation(site, arrival, sent.address or arrival.address, sent.user_agent or arrival.user_agent, True)


def _sender_of(arrival: Arrival) -> Context:
    return _sender(arrival.address, arrival.user_agent, arrival.country, arrival.language)


def _sender(address: str, user_agent: str, country: str | None, language: str | None = None) -> Context:
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


def _merged(known: Context, stated: Context | None) -> Context:
    if stated is None:
        return known
    said = {name: value for name, value in msgspec.structs.asdict(stated).items() if value is not None}
    return msgspec.structs.replace(known, **said)


def _keep(batch: Batch) -> None:
    """In Redis, else in PostgreSQL, else not at all: 503, and the sender keeps it."""
    if not batch.events and not batch.outcomes:
        return
    try:
        queue.publish(batch)
        return
    except queue.Away as error:
        log.warning("Redis is away (%s); writing to the tables directly.", error)
    try:
        quarantine.write([batch])
    except (DatabaseError, psycopg.Error) as error:
        log.error("Neither Redis nor PostgreSQL takes events: %s", type(error).__name__)
        raise away() from error
