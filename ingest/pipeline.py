"""The door: from a request to an answer.

`collect` reads the body, finds the site, takes each event through STEPS and hands the rest to the stream, or,
when Redis is away, straight to the tables by the writer's own code. It answers 2xx only after one of the two
has the events. It knows no web framework: views and the RSGI lane call it alike.
"""

import functools
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.db import DatabaseError

from ingest import body, limits, quarantine, queue, samples, sites
from ingest.event import Batch, Context, Sample
from ingest.formats import Envelope, Sent, native
from ingest.refusal import Refused, Rejected, Rejection
from ingest.seldom import Seldom
from ingest.sites import KnownSite
from ingest.steps import STEPS, Arrival, Dropped, Situation, is_untracked, sender_at, sender_of
from ingest.tally import Tally

log = logging.getLogger(__name__)
RETRY_SECONDS = 5
telling = Seldom(10.0)  # that Redis is away: thousands of requests a second may take the other road
CORS = {"Access-Control-Allow-Origin": "*"}


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


class Drop(NamedTuple):
    """One event that is not counted, why, and from which agent it came."""

    sent: Sent
    why: Dropped
    user_agent: str


class Result(NamedTuple):
    batch: Batch
    rejected: list[Rejection]
    dropped: list[Drop]


def collect(arrival: Arrival, parse: Callable[[Any, float], Envelope] = native.parse) -> Answer:
    """Never raises for anything a sender can do."""
    try:
        result = examine(arrival, parse)
        keep(result.batch)
    except Refused as refusal:
        return refused(refusal)
    return accepted(result)


def examine(arrival: Arrival, parse: Callable[[Any, float], Envelope]) -> Result:
    """What is to be kept of a request, and what is not. Raises Refused."""
    document = body.read(arrival.body, arrival.content_type, arrival.content_encoding)
    envelope = parse(document, arrival.received_at)
    return _through(envelope, arrival, _site(envelope.site, arrival.address))


def accepted(result: Result) -> Answer:
    return _answer(202, _told(result), _not_counted(result.batch))


def refused(refusal: Refused) -> Answer:
    return _answer(refusal.status, {"error": refusal.reason, "detail": refusal.detail}, refusal.headers)


def _answer(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    # Scripts of other origins read no header that is not named here; Retry-After is one that they must read.
    more = {"Access-Control-Expose-Headers": ", ".join(headers), **headers} if headers else {}
    return Answer(
        status,
        msgspec.json.encode(document),
        {"Content-Type": "application/json", "Cache-Control": "no-store", **CORS, **more},
    )


def _not_counted(batch: Batch) -> dict[str, str]:
    """The header that says it for wire formats whose answer has no place for it: `bot=2, too_old=1` (RFC 8941)."""
    reasons = [f"{reason}={events}" for found in batch.outcomes.values() for reason, events in found.items()]
    return {"X-Footfall-Not-Counted": ", ".join(sorted(reasons))} if reasons else {}


def _told(result: Result) -> dict[str, Any]:
    return {
        "accepted": len(result.batch.events),
        "rejected": result.rejected,
        "dropped": [{"index": drop.sent.index, "reason": drop.why.reason} for drop in result.dropped],
    }


def _site(key: str, address: str) -> KnownSite:
    """The same answer for a key that is unknown, switched off or malformed: nothing to be learnt by trying. A key that
    is not in memory is a question to the database, and costs its sender a token."""
    if not sites.knows(key):
        limits.check_address(address, 1)
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
    _check_rate(envelope, site, None if is_server else arrival.address)
    sender = Context() if is_server else sender_of(arrival)  # where a server stands is no answer
    of_request = Situation(site, arrival, arrival.address, arrival.user_agent, is_server, sender)
    kept, dropped, rejected = [], [], []
    for sent in envelope.events:
        at = _of_server(site, arrival, sent) if is_server else of_request
        try:
            for step in STEPS:
                step(sent, at)
            kept.append(sent.event)
        except Dropped as drop:
            dropped.append(Drop(sent, drop, at.user_agent))
        except Rejected as why:
            rejected.append((sent, why))
        except DatabaseError as error:  # the day's salt could not be read
            raise away() from error
    envelope = _rejecting(envelope, rejected) if rejected else envelope
    batch = Batch(
        site_id=site.id,
        received_at=arrival.received_at,
        events=kept,
        context=sender,
        batch_id=envelope.batch_id,
        samples=_samples(envelope, of_request, dropped),
        **_refusals(envelope, [drop.why for drop in dropped]),
    )
    return Result(batch, envelope.rejected, dropped)


def _rejecting(envelope: Envelope, rejected: list[tuple[Sent, Rejected]]) -> Envelope:
    """With events that are well-formed, and that their site does not take, among those that are not."""
    late = [
        (Rejection(sent.index, str(sent.event.id), why.reason, why.detail), _told_of(sent)) for sent, why in rejected
    ]
    both = [*zip(envelope.rejected, envelope.malformed, strict=True), *late]
    both.sort(key=lambda pair: pair[0].index)
    return envelope._replace(rejected=[one for one, _ in both], malformed=[raw for _, raw in both])


def _told_of(sent: Sent) -> dict[str, Any]:
    """For a sample. The event as it came is not at hand any more, and its age is all that is wrong with it."""
    moment = datetime.fromtimestamp(sent.event.ts, UTC)
    return {"id": str(sent.event.id), "name": sent.event.name, "timestamp": moment.isoformat()}


def _refusals(envelope: Envelope, drops: list[Dropped]) -> dict[str, Any]:
    """What a batch tells of the events that it does not carry."""
    if not drops and not envelope.rejected:
        return {}
    outcomes = {
        "dropped": dict(Counter(str(drop.reason) for drop in drops)),
        "rejected": dict(Counter(rejection.reason for rejection in envelope.rejected)),
    }
    bots: dict[str, Counter[str]] = {}
    for kind, name in (drop.bot for drop in drops if drop.bot):
        bots.setdefault(kind, Counter())[name] += 1
    return {
        "outcomes": {outcome: reasons for outcome, reasons in outcomes.items() if reasons},
        "hits": dict(Counter(drop.shield for drop in drops if drop.shield is not None)),
        "bots": {kind: dict(names) for kind, names in bots.items()},
    }


def _samples(envelope: Envelope, at: Situation, dropped: list[Drop]) -> list[Sample]:
    """None of who asks not to be tracked: what is counted of them is a number."""
    if is_untracked(at) or not (envelope.rejected or dropped):
        return []
    rejected = zip(envelope.rejected, envelope.malformed, strict=True)
    return samples.of(at.site.id, rejected, [(drop.sent.event, drop.why.reason, drop.user_agent) for drop in dropped])


def _check_rate(envelope: Envelope, site: KnownSite, address: str | None) -> None:
    """Raises Refused for all of the request; what it brought is counted for its site."""
    events = len(envelope.events) + len(envelope.rejected)
    try:
        limits.check(site.id, address, events)
    except Refused:
        too_many().add(site.id, events)
        raise


@functools.cache
def too_many() -> Tally:
    return Tally(keep)


def _is_server(arrival: Arrival, site: KnownSite) -> bool:
    if arrival.server_key is None:
        return False
    if not sites.knows_server_key(arrival.server_key):
        limits.check_address(arrival.address, 1)
    try:
        known = sites.of_server_key(arrival.server_key)
    except DatabaseError as error:
        raise away() from error
    if known != site.id:
        raise Refused(401, "bad_key", "Authorization: the key is unknown, expired, or not this site's.")
    return True


def _of_server(site: KnownSite, arrival: Arrival, sent: Sent) -> Situation:
    """A server speaks for its visitor, whose address and agent count where it says them."""
    address, agent = sent.address or arrival.address, sent.user_agent or arrival.user_agent
    return Situation(site, arrival, address, agent, True, sender_at(sent.address or "", sent.user_agent or "", None))


def keep(batch: Batch) -> None:
    """In Redis, else in PostgreSQL, else not at all: 503, and the sender keeps it."""
    if is_empty(batch):
        return
    try:
        queue.publish(batch)
    except queue.Away as error:
        keep_directly(batch, error)


def is_empty(batch: Batch) -> bool:
    return not batch.events and not batch.outcomes


def keep_directly(batch: Batch, why: Exception) -> None:
    """In PostgreSQL, by the writer's own code. Raises Refused when that is away too."""
    if telling.is_time():
        log.warning("Redis is away (%s); writing to the tables directly.", why)
    try:
        quarantine.write([batch], _soon, _soon)
    except (DatabaseError, psycopg.Error) as error:
        log.error("Neither Redis nor PostgreSQL takes events: %s", type(error).__name__)
        raise away() from error


def _soon(conn: psycopg.Connection) -> None:
    """A sender waits: rows that somebody holds, and a database that hangs, are given up for its next attempt."""
    conn.execute("SET LOCAL lock_timeout = '2s'")
    conn.execute("SET LOCAL statement_timeout = '5s'")
