"""What expires goes, in order, and a run that ends anywhere is made up for by the next."""

from ingest.models import Site
from tests.ingest.retention.examples import (
    clean,
    count_of,
    one,
    some_days,
)


def test_it_works(old: Site) -> None:
    some_days(old)
    done = clean()
    assert (done.closed, done.events, done.partitions, done.sessions, done.failed) == (14, 84, 14, 0, ())
    assert count_of("event") == 0
    assert count_of("session") == 42
    assert one("SELECT sum(events)::int FROM ingest_daily_total WHERE is_final") == 84
