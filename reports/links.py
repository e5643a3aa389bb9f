"""Addresses of pages that carry the reader's choices along: period, filters, figure, tabs.

A page never builds a query string by hand: it takes the address it was asked with and says what differs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.http import QueryDict

QUESTION = ("period", "from", "to", "interval", "compare", "f")  # what decides the figures
TABS = ("sources", "pages", "locations", "devices")
KEPT = (*QUESTION, "metric", *TABS)
READABLE = ",/:~()"  # f=is,page,/docs stays readable


@dataclass(frozen=True)
class Links:
    """`params` holds what is kept, in a fixed order, so that one choice has one address."""

    path: str
    params: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of(cls, path: str, asked: QueryDict) -> "Links":
        kept = tuple((name, value) for name in KEPT for value in asked.getlist(name) if value)
        return cls(path=path, params=kept)

    def at(self, path: str, only: Iterable[str] = KEPT) -> "Links":
        """The same choices on another page, reduced to those that mean something there."""
        names = set(only)
        return Links(path=path, params=tuple(pair for pair in self.params if pair[0] in names))

    def to(self, **changes: str | None) -> str:
        """The address with these choices instead; None takes one away. `from_` and `f` are left to the others."""
        kept = [(name, value) for name, value in self.params if name not in changes]
        added = [(name, value) for name, value in changes.items() if value]
        return self._address([*kept, *added])

    def for_days(self, first: str, last: str) -> str:
        """A range of days in place of the period."""
        kept = [pair for pair in self.params if pair[0] not in {"period", "from", "to", "interval"}]
        return self._address([*kept, ("period", "custom"), ("from", first), ("to", last)])

    def for_period(self, name: str) -> str:
        """A preset; the interval goes, because it may not suit the new range."""
        kept = [pair for pair in self.params if pair[0] not in {"period", "from", "to", "interval"}]
        return self._address([*kept, ("period", name)])

    def with_filter(self, told: str) -> str:
        has_it = ("f", told) in self.params
        return self._address(self.params if has_it else [*self.params, ("f", told)])

    def without_filter(self, told: str) -> str:
        return self._address([pair for pair in self.params if pair != ("f", told)])

    def without_filters(self) -> str:
        return self._address([pair for pair in self.params if pair[0] != "f"])

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Pairs for the hidden fields of a form that changes only `without`."""
        return [pair for pair in self.params if pair[0] not in without]

    def _address(self, pairs: Iterable[tuple[str, str]]) -> str:
        ordered = sorted(pairs, key=lambda pair: KEPT.index(pair[0]) if pair[0] in KEPT else len(KEPT))
        told = urlencode(ordered, safe=READABLE)
        return f"{self.path}?{told}" if told else self.path
