"""Access logs of Apache and nginx in the combined format, with or without the host in front (vhost_combined)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from ingest import fields
from ingest.enrich import bots, geo, source, visitor
from ingest.event import PAGEVIEW, Context, Event
from ingest.importers import page
from ingest.importers.line import Into, Left, Outcome, id_of

QUOTED = r'"((?:[^"\\]|\\.)*)"'
# A first word is the host only when an address follows: without one it is the sender, perhaps by name.
LINE = re.compile(
    r"(?:(?P<host>[^\s:]+)(?::\d+)? (?=[\da-fA-F]*[.:][\da-fA-F.:]* ))?"
    r"(?P<address>\S+) \S+ .+? \[(?P<time>[^\]]+)\] "
    rf"{QUOTED} (?P<status>\d{{3}}) \S+ {QUOTED} {QUOTED}(?: .*)?"
)
TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
ESCAPED = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)  # of requests to a proxy


class Hit(NamedTuple):
    """One line, read. `target` is the request's path and query; `moment` in UTC."""

    host: str | None
    address: str
    moment: datetime
    method: str
    target: str
    status: int
    referrer: str | None
    agent: str


def parse(line: str, into: Into) -> Event:
    """The page view that the line tells of. Raises Left."""
    hit = read(line)
    outcome = page.left_as(hit.status)
    if outcome:
        raise Left(outcome)
    if hit.method != "GET":
        raise Left(Outcome.OTHER_METHOD)
    path, query = _address(hit.target)
    host = hit.host or into.host
    _leave(hit, host, path, query, into)
    return Event(
        id=id_of(line, into),
        name=PAGEVIEW,
        ts=hit.moment.timestamp(),
        visitor_id=visitor.of_import(into.site, hit.address, hit.agent, hit.moment.date()),
        hostname=host,
        path=path,
        query=query,
        referrer=hit.referrer,
        context=_context(hit),
    )


def _leave(hit: Hit, host: str, path: str, query: str | None, into: Into) -> None:
    outcome = page.left_for(path, query)
    if outcome:
        raise Left(outcome)
    if bots.is_bot(hit.agent):
        raise Left(Outcome.BOT)
    if source.is_spam(hit.referrer):
        raise Left(Outcome.SPAM)
    if not into.site.allows(host):
        raise Left(Outcome.FOREIGN_HOST)


def _context(hit: Hit) -> Context:
    """The address ends here."""
    place = geo.locate(hit.address)
    return Context(user_agent=hit.agent[:512] or None, **place._asdict())


def read(line: str) -> Hit:
    """Raises Left when the line is not of the format."""
    found = LINE.fullmatch(line)
    if found is None:
        raise Left(
            Outcome.MALFORMED, 'not the combined format: address, [time], "request", status, size, "referrer", "agent"'
        )
    request, referrer, agent = (_plain(text) for text in found.group(4, 6, 7))
    method, target = _request(request)
    return Hit(
        host=(found["host"] or "").lower() or None,
        address=found["address"].rstrip(","),
        moment=_moment(found["time"]),
        method=method,
        target=target,
        status=int(found["status"]),
        referrer=None if referrer in ("", "-") else referrer[: fields.URL_MAX],
        agent="" if agent == "-" else agent,
    )


def _plain(text: str) -> str:
    r"""Without the server's own escapes: \" and \\, and \xhh for bytes that are not printable ASCII."""
    if "\\" in text:
        text = ESCAPED.sub(_unescaped, text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    return fields.mended(text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else found[2]


def _request(text: str) -> tuple[str, str]:
    """Method and target of "GET /a HTTP/1.1"; old clients send no protocol, careless ones spaces."""
    method, _, rest = text.partition(" ")
    target, _, protocol = rest.rpartition(" ")
    return method, target if protocol.startswith("HTTP/") else rest


def _address(target: str) -> tuple[str, str | None]:
    if target[:4].lower() == "http":
        target = ORIGIN.sub("", target, count=1) or "/"
    path, _, query = target.partition("#")[0].partition("?")
    if not path.startswith("/"):
        raise Left(Outcome.MALFORMED, "the request names no path")
    if len(target) > fields.URL_MAX:
        raise Left(Outcome.MALFORMED, f"the path has {len(target)} characters: at most {fields.URL_MAX}")
    return path, query or None


def _moment(text: str) -> datetime:
    """`17/May/2015:10:05:03 +0000`. By hand: strptime takes ten times as long and reads month names by locale."""
    found = TIME.fullmatch(text)
    if found is None or found[2] not in MONTHS:
        raise Left(Outcome.MALFORMED, f"[{text[:40]}] is not a time such as [17/May/2015:10:05:03 +0000]")
    day, _, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            int(year), MONTHS[found[2]], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=timezone(offset)
        )
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Left(Outcome.MALFORMED, f"[{text[:40]}]: {error}") from error
    if not 1970 <= moment.year < 2100:
        raise Left(Outcome.MALFORMED, f"[{text[:40]}] lies outside 1970 to 2099")
    return moment
