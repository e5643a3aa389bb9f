"""A server as its starter sees it, whoever starts it: `manage.py up` or the tests."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from analytics_site.embedded.errors import EmbeddedError

START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """`is_ready` asks once, without waiting; `command` ends with its parent."""

    name: str
    title: str
    command: list[str]
    stop_signal: str
    url: str
    is_ready: Callable[[], bool]


def wait_ready(server: Server, is_lost: Callable[[], str | None], seconds: float = START_SECONDS) -> None:
    """Return when the server answers. `is_lost` says why it never will, None while there is hope."""
    end = time.monotonic() + seconds
    while not server.is_ready():
        if reason := is_lost():
            raise EmbeddedError(f"{server.title} did not start: {reason}")
        if time.monotonic() > end:
            raise EmbeddedError(f"{server.title} did not answer within {seconds:.0f} s. Look at its log.")
        time.sleep(0.05)
