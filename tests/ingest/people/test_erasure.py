"""A person erased: what is left is what there would be if they had never come."""

import pytest

from ingest.models import Site
from ingest.people import find
from ingest.sites import KnownSite
from ingest.writer import write
from tests.ingest.examples import batch
from tests.ingest.past import at
from tests.ingest.people.stored import aggregates, clear, erased, raw

pytestmark = pytest.mark.django_db


def test_it_works(site: Site, known: KnownSite) -> None:
    theirs = [at(0, "/", visitor_id=1), at(1, "/account", visitor_id=1, user_id="jo")]
    others = [at(0, "/", visitor_id=2), at(2, "/account", visitor_id=2, user_id="kim")]
    write([batch(site, *theirs, *others)])
    aggregates()
    assert erased(known, find.by_user("jo")) == (1, 1, 2, 0)
    left = raw(), aggregates()
    clear()
    write([batch(site, *others)])
    assert left == (raw(), aggregates())
