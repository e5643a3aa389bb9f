"""Counts of what is refused by the thousand: kept in memory and handed on at most once a second.

One entry of the stream for each request of a flood would make the flood everybody's. A process that is killed
loses the counts of its last second; one that ends by itself waits for them.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from django.db import connections

from ingest.event import Batch, DropReason
from ingest.refusal import Refused

log = logging.getLogger(__name__)
SECONDS = 1.0


class Tally:
    """Events refused for their rate, by site. KEEP takes a batch without events; it raises Refused when it cannot."""

    def __init__(self, keep: Callable[[Batch], None]) -> None:
        self.keep = keep
        self._events: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def add(self, site_id: int, events: int) -> None:
        with self._lock:
            self._events[site_id] += events
            self._wait()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(SECONDS, self._hand_on_and_close)
            self._timer.start()

    def hand_on(self) -> None:
        with self._lock:
            events = self._emptied()
        for site_id, count in events.items():
            outcomes = {"dropped": {str(DropReason.RATE_LIMITED): count}}
            try:
                self.keep(Batch(site_id=site_id, received_at=time.time(), events=[], outcomes=outcomes))
            except Refused:  # nothing takes counts just now: with those of the next second
                self.add(site_id, count)
            except Exception:  # those of the other sites are still to be told
                log.exception("What was refused of site %d for its rate could not be counted.", site_id)

    def forget(self) -> None:
        with self._lock:
            self._emptied()

    def _emptied(self) -> Counter[int]:
        if self._timer is not None:
            self._timer.cancel()
        events, self._timer, self._events = self._events, None, Counter()
        return events

    def _hand_on_and_close(self) -> None:
        try:
            self.hand_on()
        except Exception:  # in a thread of its own nobody else would say so
            log.exception("What was refused for its rate could not be counted.")
        finally:
            connections.close_all()  # the direct road has opened one for this thread
