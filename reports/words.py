"""Values and filters in words: DE is Germany, none is "Not known", a filter is a sentence."""

from dataclasses import dataclass

from ingest.models import Shield
from reports import countries
from reports.queries import parse
from reports.queries.dimensions import DIMENSIONS
from reports.queries.filters import OPERATORS
from reports.queries.query import Filter

UNKNOWN = "Not known"
DEVICES = {"tv": "TV"}


def label(dimension: str, value: str | None) -> str:
    """What a reader calls a value of a dimension."""
    if value is None or value == "":
        return UNKNOWN
    if dimension == "country":
        return countries.name(value)
    if dimension == "device":
        return DEVICES.get(value, value.capitalize())
    return value


@dataclass(frozen=True)
class FilterWords:
    """A filter for a reader. `told` is the same in an address."""

    told: str
    head: str  # Country is
    value: str  # Germany or Austria

    def __str__(self) -> str:
        return f"{self.head} {self.value}"


def of_filter(asked: Filter) -> FilterWords:
    values = [label(asked.dimension, value) for value in asked.values]
    joined = values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
    head = f"{DIMENSIONS[asked.dimension].label} {OPERATORS[asked.operator].words}"
    return FilterWords(told=parse.told(asked), head=head, value=joined)


def of_shield(shield: Shield) -> str:
    """Country Germany, Path /admin/**: a site's own rule."""
    return f"{shield.get_kind_display()} {label(shield.kind, shield.value)}"
