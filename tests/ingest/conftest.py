"""What several tests of the write side need."""

import pytest
from pytest_django import Settings

from ingest import drain


@pytest.fixture
def quick_turns(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits for nothing: not for more events, not for the first, not after a failure."""
    settings.INGEST_LINGER_MS = 0
    monkeypatch.setattr(drain, "WAIT_MS", 10)
    monkeypatch.setattr(drain, "PAUSE_SECONDS", (0.01,))
