"""What figures can be broken down and filtered by: one row each. NULL and empty text are both "not set"."""

from typing import Literal, LiteralString, NamedTuple

from reports.queries.query import QueryRefused


class Dimension(NamedTuple):
    name: str
    label: str
    plural: str
    of: Literal["event", "session"]  # whose property it is
    sql: LiteralString  # text or NULL; {t} is the table's alias


def _column(name: LiteralString) -> LiteralString:
    return "nullif({t}." + name + ", '')"


def _session(name: LiteralString, label: str, plural: str) -> Dimension:
    return Dimension(name, label, plural, "session", _column(name))


# A version alone says nothing; a region's and a city's name may be those of another country's.
BROWSER_VERSION = _column("browser") + " || ' ' || " + _column("browser_version")
OS_VERSION = _column("os") + " || ' ' || " + _column("os_version")
REGION = "CASE WHEN {t}.region <> '' THEN concat_ws(', ', {t}.region, " + _column("country") + ") END"
CITY = "CASE WHEN {t}.city <> '' THEN concat_ws(', ', {t}.city, " + _column("country") + ") END"

ALL = (
    Dimension("page", "Page", "Pages", "event", _column("path")),
    Dimension("hostname", "Hostname", "Hostnames", "event", _column("hostname")),
    Dimension("event", "Event", "Events", "event", _column("name")),
    _session("entry_page", "Entry page", "Entry pages"),
    _session("exit_page", "Exit page", "Exit pages"),
    _session("source", "Source", "Sources"),
    _session("channel", "Channel", "Channels"),
    _session("referrer", "Referrer", "Referrers"),
    _session("utm_source", "UTM source", "UTM sources"),
    _session("utm_medium", "UTM medium", "UTM media"),
    _session("utm_campaign", "Campaign", "Campaigns"),
    _session("utm_term", "UTM term", "UTM terms"),
    _session("utm_content", "UTM content", "UTM contents"),
    _session("country", "Country", "Countries"),
    Dimension("region", "Region", "Regions", "session", REGION),
    Dimension("city", "City", "Cities", "session", CITY),
    _session("device", "Device", "Devices"),
    _session("browser", "Browser", "Browsers"),
    Dimension("browser_version", "Browser version", "Browser versions", "session", BROWSER_VERSION),
    _session("os", "System", "Systems"),
    Dimension("os_version", "System version", "System versions", "session", OS_VERSION),
    _session("screen", "Screen", "Screens"),
    _session("language", "Language", "Languages"),
)
DIMENSIONS = {dimension.name: dimension for dimension in ALL}


def dimension(name: str, field: str = "dimensions") -> Dimension:
    """Raises QueryRefused."""
    if name not in DIMENSIONS:
        raise QueryRefused(
            f"{field}={name}: is not a dimension. Take {', '.join(DIMENSIONS)}.", field, list(DIMENSIONS)
        )
    return DIMENSIONS[name]
