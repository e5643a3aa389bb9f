"""Samples of what was not counted: few, cut, and without what is kept of nobody."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import samples, tasks
from ingest.drain import Drain
from ingest.event import Sample
from ingest.models import Sample as Kept
from ingest.models import Site
from ingest.pipeline import collect
from ingest.refusal import Rejection
from tests.conftest import rows
from tests.ingest.examples import ADDRESS, arrival, document, event, waiting

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGE = {"name": "pageview", "url": "https://shop.example.com/prices?q=1"}
NOW = datetime.now(UTC)


def taken(site: Site, *events: Any, **request: Any) -> list[Sample]:
    """The samples that the last batch carries."""
    assert collect(arrival(document(site, *events), **request)).status == 202
    return waiting()[-1].samples


def rejected(raw: Any, reason: str = "bad_number", detail: str = "Bad.") -> Sample:
    samples.allowance.cache_clear()
    (sample,) = samples.of(7, [(Rejection(0, None, reason, detail), raw)], [])
    return sample


def test_it_works(site: Site) -> None:
    (sample,) = taken(site, {"name": "signup", "value": "much"})
    assert (sample.outcome, sample.reason, sample.name) == ("rejected", "bad_type", "signup")
    assert sample.detail == "value is text: must be a number."
    assert json.loads(sample.event) == {"name": "signup", "value": "much"}


def test_a_dropped_event_is_told_by_name_page_and_agent(site: Site) -> None:
    (sample,) = taken(site, PAGE, user_agent=GOOGLEBOT)
    assert (sample.outcome, sample.reason) == ("dropped", "bot")
    assert (sample.name, sample.page, sample.user_agent) == ("pageview", "shop.example.com/prices", GOOGLEBOT)
    assert sample.event == ""


def test_what_is_counted_is_no_sample(site: Site) -> None:
    assert taken(site, PAGE) == []


def test_they_are_stored_for_their_site(committed: Site) -> None:
    taken(committed, {"name": ""}, PAGE)
    Drain().turn()
    assert rows("SELECT site_id, outcome, reason FROM ingest_sample") == [(committed.pk, "rejected", "name_empty")]


# --- Few --------------------------------------------------------------------------------------------------


def test_a_request_gives_three_at_most(site: Site) -> None:
    found = taken(site, *[{"name": ""}] * 10, *[{}] * 10)
    assert [sample.reason for sample in found] == ["name_empty"] * 3


def test_a_minute_gives_five_of_each_reason(site: Site) -> None:
    given = [len(taken(site, *[{"name": ""}] * 3)) for _ in range(4)]
    assert given == [3, 2, 0, 0]
    assert len(taken(site, {})) == 1


def test_each_site_has_its_own(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    for _ in range(3):
        taken(site, *[{"name": ""}] * 3)
    assert len(taken(other, {"name": ""})) == 1


def test_the_next_minute_gives_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [6_000.0]
    monkeypatch.setattr(samples.time, "monotonic", lambda: now[0])
    allowance = samples.Allowance()
    assert [allowance.take(7, "bot") for _ in range(6)] == [True] * 5 + [False]
    now[0] += 60
    assert allowance.take(7, "bot")


def test_the_newest_twenty_are_kept_for_a_month(db: None) -> None:
    for age, reason, count in ((1, "bot", 30), (2, "name_empty", 3), (31, "too_old", 2)):
        keep(reason, NOW - timedelta(days=age), count)
    keep("bot", NOW, 1, site_id=8)
    tasks.trim_samples()
    found = rows("SELECT site_id, reason, count(*)::int FROM ingest_sample GROUP BY 1, 2 ORDER BY 1, 2")
    assert found == [(7, "bot", 20), (7, "name_empty", 3), (8, "bot", 1)]
    newest = rows("SELECT min(name::int) FROM ingest_sample WHERE site_id = 7 AND reason = 'bot'")
    assert newest == [(10,)]


def test_trimming_twice_changes_nothing(db: None) -> None:
    keep("bot", NOW, 25)
    assert (samples.trim(), samples.trim()) == (5, 0)


def keep(reason: str, at: datetime, count: int, site_id: int = 7) -> None:
    """Samples that are a second apart, named by their order."""
    blank = {"detail": "", "page": "", "user_agent": "", "event": ""}
    Kept.objects.bulk_create(
        Kept(site_id=site_id, received_at=at + timedelta(seconds=n), outcome="x", reason=reason, name=str(n), **blank)
        for n in range(count)
    )


# --- Without what is kept of nobody -----------------------------------------------------------------------


def test_the_address_is_in_none(site: Site) -> None:
    (sample,) = taken(site, {"name": "", "ip": ADDRESS, "visitor_id": "v-1", "session_id": "s-1"})
    assert json.loads(sample.event) == {"name": ""}


def test_who_asks_not_to_be_tracked_is_in_none(site: Site) -> None:
    Site.objects.filter(pk=site.pk).update(honours_dnt=True)
    assert taken(site, PAGE, {"name": ""}, asks_not_to_track=True) == []
    assert len(taken(site, PAGE, {"name": ""})) == 1


def test_addresses_lose_their_query_and_fragment() -> None:
    raw = {"url": "https://a.example/x?token=1#y", "referrer": "https://b.example/#z", "title": "Why?"}
    found = json.loads(rejected(raw).event)
    assert found == {"url": "https://a.example/x", "referrer": "https://b.example/", "title": "Why?"}


@pytest.mark.parametrize("field", ["title", "url", "user_id", "label"])
def test_e_mail_addresses_are_scrubbed(field: str) -> None:
    assert "jane" not in rejected({field: "https://a.example/jane.doe@example.com"}).event


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9", "2001:DB8:0:0:0:0:0:9", "::ffff:203.0.113.9"])
def test_an_address_in_a_field_of_the_senders_own_is_marked(address: str) -> None:
    told = samples.as_sent({"client_ip": address, "via": [f"{address}, x"]})
    assert told == '{"client_ip": "[address]", "via": ["[address], x"]}'


def test_the_port_of_an_address_stays() -> None:
    assert samples.as_sent({"peer": "203.0.113.9:4711"}) == '{"peer": "[address]:4711"}'


@pytest.mark.parametrize("text", ["Chrome/120.0.0.0", "10:00:00", "2026-11-21T10:00:00Z", "1.2.3", "https://10.0.0.1/"])
def test_what_only_looks_like_an_address_stays(text: str) -> None:
    assert samples.as_sent({"note": text}) == f'{{"note": "{text}"}}'


def test_an_e_mail_address_at_the_cut_is_scrubbed() -> None:
    text = "x" * (samples.EVENT_MAX - 20) + " jane.doe@example.com"
    assert "jane" not in rejected({"title": text}).event


def test_names_and_details_are_scrubbed_and_cut() -> None:
    sample = rejected({"name": "jane@example.com"}, detail="timestamp 'jane@example.com': " + "x" * 400)
    assert sample.name == "[email]"
    assert "jane" not in sample.detail
    assert len(sample.detail) == samples.TEXT_MAX


@pytest.mark.parametrize("raw", [None, 5, "text", [], ["a"], True, {"name": 5}, {"name": None}])
def test_what_is_no_event_is_told_all_the_same(raw: Any) -> None:
    sample = rejected(raw, "event_not_object")
    assert json.loads(sample.event) == raw
    assert sample.name == ""


def test_a_dropped_event_without_a_page_has_none(site: Site) -> None:
    (sample,) = samples.of(7, [], [(event("signup"), "bot", "x" * 1024)])
    assert (sample.page, len(sample.user_agent)) == ("", samples.TEXT_MAX)


# --- Whatever is sent -------------------------------------------------------------------------------------


def test_an_event_of_megabytes_is_written_no_further_than_needed() -> None:
    raw = {"name": "x", "properties": {str(n): ["y" * 20] * 100 for n in range(2_000)}}
    started = time.process_time()
    assert len(rejected(raw).event) == samples.EVENT_MAX
    assert time.process_time() - started < 0.1  # all of it takes half a second


def test_an_event_that_is_nested_deeply_is_cut() -> None:
    raw: Any = 1
    for _ in range(900):
        raw = [raw]
    assert rejected(raw).event.startswith("[[[[")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=[]))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(VALUES, st.text(st.characters(exclude_categories=[])))
@settings(max_examples=100, deadline=None)
def test_every_sample_can_be_stored(raw: Any, detail: str) -> None:
    sample = rejected(raw, detail=detail)
    for text in (sample.event, sample.detail, sample.name):
        assert "\x00" not in text
        text.encode()  # no half of a character
    assert len(sample.event) <= samples.EVENT_MAX
