"""What expires goes, in order, and a run that ends anywhere is made up for by the next."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingest import jobs, partitions, writer
from ingest.models import JobRun, Site
from ingest.retention import archive, closing, events, expiry, seal
from ingest.retention.cleanup import Cleaned
from ingest.rollups import rebuild
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.examples import batch, event
from tests.ingest.retention.examples import (
    LATER,
    MONDAY,
    MUCH_LATER,
    at,
    clean,
    count,
    count_of,
    one,
    some_days,
    state,
    write,
)


def test_it_works(old: Site) -> None:
    some_days(old)
    done = clean()
    assert (done.closed, done.events, done.partitions, done.sessions, done.failed) == (14, 84, 14, 0, ())
    assert count_of("event") == 0
    assert count_of("session") == 42
    assert one("SELECT sum(events)::int FROM ingest_daily_total WHERE is_final") == 84
