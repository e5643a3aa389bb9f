"""For what would be said, or asked, thousands of times a second."""

import threading
import time


class Seldom:
    """Lets the first through, then one each SECONDS. For many threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._next = float("-inf")
        self._lock = threading.Lock()

    def is_time(self) -> bool:
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                return False
            self._next = now + self.seconds
            return True

    def forget(self) -> None:
        """The next is the first again."""
        self._next = float("-inf")
