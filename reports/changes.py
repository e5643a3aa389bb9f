"""How a figure moved against its comparison, and whether that is better or worse."""

from dataclasses import dataclass
from typing import Literal

from reports import formats

Meaning = Literal["better", "worse", "same", "new", "none"]


@dataclass(frozen=True)
class Change:
    """Ready to print. `arrow` is up, down or empty; `words` is the same for a screen reader."""

    text: str
    arrow: str
    meaning: Meaning
    words: str

    def __bool__(self) -> bool:
        return self.meaning != "none"


NONE = Change(text="", arrow="", meaning="none", words="")
NEW = Change(text="new", arrow="", meaning="new", words="new")
SAME = Change(text="0%", arrow="", meaning="same", words="no change")


def _size(now: float, before: float, kind: str) -> str:
    if kind == "percent":
        return formats.points(now - before)
    return formats.percent(abs(now - before) / abs(before))


def between(now: float | None, before: float | None, kind: str, better: str = "up") -> Change:
    """`kind` is the metric's format, `better` the direction that is good news: up, down or neither."""
    if before is None or now is None:
        return NONE
    if now == before:
        return SAME
    if before == 0 and kind != "percent":
        return NEW
    size = _size(now, before, kind)
    if size == "0 pts" or size.startswith("<"):
        return SAME
    arrow = "up" if now > before else "down"
    if better not in {"up", "down"}:
        return Change(text=size, arrow=arrow, meaning="same", words=f"{arrow} {size}")
    meaning: Meaning = "better" if arrow == better else "worse"
    return Change(text=size, arrow=arrow, meaning=meaning, words=f"{arrow} {size}, {meaning}")
