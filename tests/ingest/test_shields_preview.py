"""What a rule would have dropped, before it is applied."""

from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import ValidationError

from ingest import shields_past
from ingest.event import Context
from ingest.models import Shield, Site
from ingest.shields_past import NotKept, TooLong, apply, preview, since_days
from ingest.writer import write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import SINCE, at, rule


def test_it_works(site: Site) -> None:
    write([batch(site, at(0, "/"), at(1, "/admin"))])
    assert preview(site, rule(site, "path", "/admin"))[:5] == (1, 1, 1, 1, 0)


def test_a_preview_counts_what_goes_and_whom_it_concerns(site: Site) -> None:
    write([batch(site, at(0, "/a", visitor_id=1), at(1, "/a", "signup", visitor_id=1), at(0, "/a", visitor_id=2))])
    write([batch(site, at(1, "/b", visitor_id=2), at(0, "/b", visitor_id=3))])
    found = preview(site, rule(site, "path", "/a"))
    assert found[:5] == (3, 2, 2, 2, 1)
    assert abs(found.since - since_days(30)) < timedelta(minutes=1)


def test_a_preview_of_a_rule_that_is_not_saved(site: Site) -> None:
    write([batch(site, at(0), context=Context(country="DE"))])
    assert preview(site, Shield(site=site, kind="country", value="de")).whole_sessions == 1


def test_a_preview_looks_no_further_back_than_asked(site: Site) -> None:
    write([batch(site, at(0))])
    assert preview(site, rule(site, "path", "/"), days=1).events == 0


def test_a_preview_sees_one_site(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write([batch(other, at(0))])
    assert preview(site, rule(site, "path", "/")).events == 0


def test_a_preview_without_a_match_is_all_noughts(site: Site) -> None:
    assert preview(site, rule(site, "host", "test.example.com"))[:5] == (0, 0, 0, 0, 0)


def test_addresses_cannot_be_looked_for(site: Site) -> None:
    address = rule(site, "address", "203.0.113.0/24")
    with pytest.raises(NotKept, match=r"203\.0\.113\.0/24: addresses are not kept"):
        preview(site, address)
    with pytest.raises(NotKept):
        apply(site, address, SINCE)


def test_a_value_that_is_none_is_refused_with_its_sentence(site: Site) -> None:
    with pytest.raises(ValidationError, match="is no country"):
        preview(site, Shield(site=site, kind="country", value="Atlantis"))


def test_a_preview_that_takes_too_long_says_so(
    committed: Site, another: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shields_past, "SECONDS", 1)
    with another.transaction():
        another.execute("LOCK TABLE ingest_session")
        with pytest.raises(TooLong, match=r"30 days take over 1 s to search\. Ask for fewer days"):
            preview(committed, rule(committed, "path", "/"))
    assert rows("SHOW statement_timeout") == [("0",)]
