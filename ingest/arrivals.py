"""From the headers of a request to an `Arrival`; shared by the lane and the view."""

import ipaddress
from collections.abc import Mapping

from django.conf import settings

from ingest import addresses
from ingest.enrich import geo, hints
from ingest.fields import mended
from ingest.pipeline import CORS, Answer, refused
from ingest.refusal import Refused
from ingest.steps import Arrival

METHODS = "POST, OPTIONS"


def of(body: bytes, headers: Mapping[str, str], peer: str, now: float) -> Arrival:
    """HEADERS under lower-case names; PEER is the address at the other end of the connection."""
    return Arrival(
        body=body,
        content_type=headers.get("content-type", ""),
        content_encoding=headers.get("content-encoding", ""),
        address=address_of(peer, headers.get("x-forwarded-for", "")),
        user_agent=mended(headers.get("user-agent", "")[:1024]),
        received_at=now,
        language=_language(headers.get("accept-language", "")),
        country=_country(headers),
        server_key=_bearer(headers.get("authorization", "")),
        purpose=_purpose(headers),
        hints=hints.of(headers),
        asks_not_to_track=headers.get("dnt") == "1" or headers.get("sec-gpc") == "1",
    )


def address_of(peer: str, forwarded: str) -> str:
    """The sender's address: the peer, or, behind INGEST_TRUSTED_PROXIES proxies, what the outermost of them
    saw. Anything a sender can write further left is not believed. "" when it is no address."""
    trusted = settings.INGEST_TRUSTED_PROXIES
    if trusted and forwarded:
        hops = forwarded.split(",")
        peer = hops[-min(trusted, len(hops))]
    return _normal(peer.strip())


def _normal(address: str) -> str:
    text = address.partition("%")[0].strip("[]")
    found = addresses.packed(text)
    if found is None:
        return ""
    if len(found) == 4:
        return text
    # A socket for both families shows IPv4 senders as ::ffff:198.51.100.4.
    parsed = ipaddress.IPv6Address(found)
    return str(parsed.ipv4_mapped or parsed)


def _language(header: str) -> str | None:
    """The first of the sender's languages; no more of a long header is read."""
    return mended(header[:35].split(",")[0].split(";")[0].strip()) or None


def _purpose(headers: Mapping[str, str]) -> str:
    """Under its present name and the two that older browsers use."""
    said = (headers.get(name) for name in ("sec-purpose", "purpose", "x-moz", "x-purpose"))
    return next((value[:64] for value in said if value), "")


def _country(headers: Mapping[str, str]) -> str | None:
    """As the operator's own proxy says, when a header is named for it; without a proxy anybody could say it."""
    name = settings.INGEST_COUNTRY_HEADER.lower()
    return geo.code(headers.get(name, "").strip()) if name and settings.INGEST_TRUSTED_PROXIES else None


def _bearer(header: str) -> str | None:
    scheme, _, value = header.partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def length_of(content_length: str | None, transfer_encoding: str | None) -> int:
    """How many bytes a server that does not unchunk bodies may read. Raises Refused."""
    if transfer_encoding or not content_length:
        raise Refused(411, "bad_request", "Send the body with a Content-Length.")
    # Python refuses to read numbers of over 4,300 digits; 18 are an exabyte.
    if not content_length.isascii() or not content_length.isdigit() or len(content_length) > 18:
        raise Refused(400, "bad_request", "Content-Length is no number of bytes.")
    return int(content_length)


def preflight() -> Answer:
    headers = {
        **CORS,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": "Content-Type, Content-Encoding, Authorization",
        "Access-Control-Max-Age": "86400",
    }
    return Answer(204, b"", headers)


def not_allowed(method: str) -> Answer:
    return refused(Refused(405, "method_not_allowed", f"{method[:20]}: send POST.", {"Allow": METHODS}))
