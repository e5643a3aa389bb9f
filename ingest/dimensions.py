"""What sessions and events are broken down by, in aggregates and in questions: the SQL of each, once.

NULL and empty text are both "not set". `{t}` is the alias of `ingest_session` or `ingest_event`.
"""

from typing import Literal, LiteralString, NamedTuple


class Kept(NamedTuple):
    """A dimension that has rows of its own in the breakdowns."""

    name: str
    of: Literal["event", "session"]  # whose property it is
    sql: LiteralString  # text or NULL


def column(name: LiteralString) -> LiteralString:
    return "nullif({t}." + name + ", '')"


def _session(name: LiteralString) -> Kept:
    return Kept(name, "session", column(name))


# A version alone says nothing; a region's and a city's name may be those of another country's.
BROWSER_VERSION = column("browser") + " || ' ' || " + column("browser_version")
OS_VERSION = column("os") + " || ' ' || " + column("os_version")
REGION = "CASE WHEN {t}.region <> '' THEN concat_ws(', ', {t}.region, " + column("country") + ") END"
CITY = "CASE WHEN {t}.city <> '' THEN concat_ws(', ', {t}.city, " + column("country") + ") END"

ALL = (
    Kept("page", "event", column("path")),
    Kept("hostname", "event", column("hostname")),
    Kept("event", "event", column("name")),
    _session("entry_page"),
    _session("exit_page"),
    _session("source"),
    _session("channel"),
    _session("referrer"),
    _session("utm_source"),
    _session("utm_medium"),
    _session("utm_campaign"),
    _session("utm_term"),
    _session("utm_content"),
    _session("country"),
    Kept("region", "session", REGION),
    Kept("city", "session", CITY),
    _session("device"),
    _session("browser"),
    Kept("browser_version", "session", BROWSER_VERSION),
    _session("os"),
    Kept("os_version", "session", OS_VERSION),
    _session("screen"),
    _session("language"),
)
KEPT = {kept.name: kept for kept in ALL}
OF_SESSION = tuple(kept for kept in ALL if kept.of == "session")
OF_EVENT = tuple(kept for kept in ALL if kept.of == "event")
PROPERTY = "property:"  # before the name of an event's property that a site has chosen
