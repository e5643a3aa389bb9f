"""How far a long command has come: a bar on a terminal, a line now and then in a log."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

from tqdm import tqdm

from ingest.rollups.backfill import Moved

log = logging.getLogger(__name__)
LINE_SECONDS = 10


class Progress:
    """Over the days of one site. Use as a context manager; a watch of `backfill.run`."""

    def __init__(self, what: str) -> None:
        self.what = what
        # `disable=None`: silent where standard error is no terminal.
        self.bar: tqdm[Any] = tqdm(unit=" days", disable=None, file=sys.stderr, desc=what)
        self.started = self.told_at = time.monotonic()
        self.first: int | None = None  # days that were done before

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def __call__(self, moved: Moved) -> None:
        if self.first is None:
            self.first = self.bar.initial = self.bar.n = moved.done
            self.bar.total = moved.total
        seconds = max(time.monotonic() - self.started, 0.001)
        self.bar.set_postfix_str(f"{moved.events / seconds:,.0f} events/s", refresh=False)
        self.bar.update(moved.done - self.bar.n)
        if self.bar.disable and time.monotonic() - self.told_at >= LINE_SECONDS:
            self.told_at = time.monotonic()
            log.info("%s: %s", self.what, told(moved, moved.done - self.first, seconds))


def told(moved: Moved, days: int, seconds: float) -> str:
    """DAYS were done in SECONDS."""
    rate = days / seconds
    left = f", about {(moved.total - moved.done) / rate:,.0f} s left" if rate else ""
    return f"{moved.done:,} of {moved.total:,} days, {rate:,.1f} days/s, {moved.events / seconds:,.0f} events/s{left}."
