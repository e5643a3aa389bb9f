from collections.abc import Iterator

import pytest

from ingest.models import Site
from ingest.retention import events, expiry
from tests.ingest.retention import examples


@pytest.fixture
def old(committed: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose days are of 2001; a cleanup of it takes no pauses."""
    monkeypatch.setattr(events, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(expiry, "PAUSE_SECONDS", 0)
    yield committed
    examples.forget_days()
