"""What figures can be broken down and filtered by: one row each. NULL and empty text are both "not set"."""

from typing import Literal, LiteralString, NamedTuple

from ingest.dimensions import KEPT
from reports.queries.query import QueryRefused


class Dimension(NamedTuple):
    name: str
    label: str
    plural: str
    of: Literal["event", "session"]  # whose property it is
    sql: LiteralString  # text or NULL; {t} is the table's alias


def _kept(name: str, label: str, plural: str) -> Dimension:
    kept = KEPT[name]
    return Dimension(name, label, plural, kept.of, kept.sql)


ALL = (
    _kept("page", "Page", "Pages"),
    _kept("hostname", "Hostname", "Hostnames"),
    _kept("event", "Event", "Events"),
    _kept("entry_page", "Entry page", "Entry pages"),
    _kept("exit_page", "Exit page", "Exit pages"),
    _kept("source", "Source", "Sources"),
    _kept("channel", "Channel", "Channels"),
    _kept("referrer", "Referrer", "Referrers"),
    _kept("utm_source", "UTM source", "UTM sources"),
    _kept("utm_medium", "UTM medium", "UTM media"),
    _kept("utm_campaign", "Campaign", "Campaigns"),
    _kept("utm_term", "UTM term", "UTM terms"),
    _kept("utm_content", "UTM content", "UTM contents"),
    _kept("country", "Country", "Countries"),
    _kept("region", "Region", "Regions"),
    _kept("city", "City", "Cities"),
    _kept("device", "Device", "Devices"),
    _kept("browser", "Browser", "Browsers"),
    _kept("browser_version", "Browser version", "Browser versions"),
    _kept("os", "System", "Systems"),
    _kept("os_version", "System version", "System versions"),
    _kept("screen", "Screen", "Screens"),
    _kept("language", "Language", "Languages"),
)
DIMENSIONS = {dimension.name: dimension for dimension in ALL}


def dimension(name: str, field: str = "dimensions") -> Dimension:
    """Raises QueryRefused."""
    if name not in DIMENSIONS:
        raise QueryRefused(
            f"{field}={name}: is not a dimension. Take {', '.join(DIMENSIONS)}.", field, list(DIMENSIONS)
        )
    return DIMENSIONS[name]
