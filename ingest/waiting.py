"""Which threads may wait for a database. An event loop must not: others wait for it.

Whatever asks PostgreSQL or Redis on the way of an event checks here first; what an event loop cannot know
without asking is left to a thread.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_here = threading.local()


class WouldWait(Exception):  # noqa: N818
    """This thread may not wait, and the answer is not in memory."""


def check() -> None:
    """Raises WouldWait inside of `never`."""
    if getattr(_here, "is_forbidden", False):
        raise WouldWait


def never(work: Callable[[], T]) -> T:
    """WORK's answer. Raises WouldWait, having changed nothing that counts, when it would have to wait."""
    _here.is_forbidden, _here.changes = True, []
    try:
        return work()
    except WouldWait:
        for take_back in _here.changes:
            take_back()
        raise
    finally:
        _here.is_forbidden, _here.changes = False, []


def note(take_back: Callable[[], object]) -> None:
    """Something that counts was changed. Work that has to wait after all is done again from its beginning:
    TAKE_BACK is called then, or never."""
    if getattr(_here, "is_forbidden", False):
        _here.changes.append(take_back)
