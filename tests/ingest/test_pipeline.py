"""The door: 2xx only for what is kept, and one bad event costs no good one."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import arrivals, quarantine, queue, sites
from ingest.drain import Drain
from ingest.enrich import geo
from ingest.event import Batch, DropReason
from ingest.models import ApiKey, Quarantine, Site
from ingest.pipeline import Answer, collect
from ingest.steps import STEPS
from tests.conftest import Silence, counts, no_postgres, rows
from tests.ingest.examples import ADDRESS, CHROME, arrival, document, waiting

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SWISS, GERMAN = "5.148.160.1", "84.128.0.1"


def told(answer: Answer) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return dict(json.loads(answer.body))


def sent(site: Site, *events: Any, envelope: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    """What the door answers to events that it accepts."""
    answer = collect(arrival(document(site, *(events or [{"name": "pageview"}]), **(envelope or {})), **request))
    assert answer.status == 202, answer.body
    return told(answer)


def refused(answer: Answer) -> tuple[int, str]:
    found = told(answer)
    assert set(found) == {"error", "detail"}
    return answer.status, found["error"]


def stored() -> int:
    return int(rows("SELECT count(*) FROM ingest_event")[0][0])


def test_it_works(site: Site) -> None:
    assert sent(site, {"name": "pageview"}, {"name": "signup"}) == {"accepted": 2, "rejected": [], "dropped": []}
    (batch,) = waiting()
    assert (batch.site_id, [event.name for event in batch.events]) == (site.pk, ["pageview", "signup"])
    assert batch.context.user_agent == CHROME


def test_one_bad_event_costs_no_good_one(site: Site) -> None:
    events = [{"name": "pageview"} for _ in range(499)]
    poison = {"name": "pageview", "id": str(uuid.uuid4()), "properties": {"a": 10**400}}
    answer = sent(site, *events[:200], poison, *events[200:])
    assert answer["accepted"] == 499
    (rejected,) = answer["rejected"]
    assert (rejected["index"], rejected["id"], rejected["reason"]) == (200, poison["id"], "bad_number")
    assert len(waiting()[0].events) == 499


def test_a_batch_without_a_good_event_is_counted(site: Site) -> None:
    assert sent(site, {"name": ""}, {}, 5)["accepted"] == 0
    assert waiting()[0].outcomes == {"rejected": {"name_empty": 1, "missing_field": 1, "event_not_object": 1}}


# --- Keys of sites ----------------------------------------------------------------------------------------


def test_the_answer_is_the_same_for_every_key_of_no_site(site: Site) -> None:
    off = Site.objects.create(name="Off", domain="off.example.com", is_active=False)
    keys = [
        off.key,
        "ff_nobody",
        site.key.swapcase(),
        site.pk,
        str(site.pk),
        "",
        None,
        ["x"],
        {},
        "\x00",
        "\ud800",
        "' --",
    ]
    answers = {collect(arrival({"site": key, "name": "pageview"}))[:2] for key in keys}
    assert len(answers) == 1
    ((status, body),) = answers
    assert (status, json.loads(body)["error"]) == (404, "unknown_site")
    assert waiting() == []


@pytest.mark.parametrize(
    ("content", "request_", "expected"),
    [
        (b"", {}, (400, "bad_json")),
        (b"[]", {}, (400, "bad_envelope")),
        (b"{}", {"content_type": "text/html"}, (415, "unsupported_media_type")),
        (b"{}", {"content_encoding": "br"}, (415, "unsupported_encoding")),
        (b" " * (2 << 20), {}, (413, "body_too_large")),
        (b'{"site":"x","events":[' + b"1," * 600 + b"1]}", {}, (413, "too_many_events")),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(
    db: None, content: bytes, request_: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert refused(collect(arrival(content, **request_))) == expected


# --- Steps ------------------------------------------------------------------------------------------------


def test_every_step_says_what_it_does() -> None:
    assert all(step.__name__.startswith(("drop_", "reject_", "put_")) for step in STEPS)


def test_every_drop_has_a_sentence() -> None:
    assert all(reason.sentence.endswith(".") for reason in DropReason)


def test_a_bot_is_dropped_and_counted(site: Site) -> None:
    answer = sent(site, {"name": "pageview"}, {"name": "pageview"}, user_agent=GOOGLEBOT)
    assert answer["dropped"] == [{"index": 0, "reason": "bot"}, {"index": 1, "reason": "bot"}]
    assert waiting()[0].outcomes == {"dropped": {"bot": 2}}
    assert waiting()[0].bots == {"search": {"googlebot": 2}}


@pytest.mark.parametrize("agent", ["curl/8.5.0", "python-requests/2.32.3", "okhttp/4.12.0"])
def test_a_program_that_speaks_http_is_counted_without_a_key(site: Site, agent: str) -> None:
    assert sent(site, user_agent=agent)["accepted"] == 1


@pytest.mark.parametrize("agent", ["", "our-shop-backend", "<script>alert(1)</script>"])
def test_an_unknown_program_must_say_whose_event_it_is(site: Site, agent: str) -> None:
    answer = sent(site, {"name": "pageview"}, {"name": "pageview", "visitor_id": "v-1"}, user_agent=agent)
    assert (answer["accepted"], answer["dropped"]) == (1, [{"index": 0, "reason": "bot"}])


@pytest.mark.parametrize("agent", ["203.0.113.9", "' OR 1=1 --", "https://shop.example.com/"])
def test_what_no_program_calls_itself_is_dropped_whoever_it_names(site: Site, agent: str) -> None:
    assert sent(site, {"name": "pageview", "visitor_id": "v-1"}, user_agent=agent)["accepted"] == 0
    assert list(waiting()[0].bots) == ["other"]


@pytest.mark.parametrize("agent", ["", "our-shop-backend", "Googlebot/2.1", "203.0.113.9"])
def test_a_server_with_a_key_may_call_itself_what_it_likes(site: Site, agent: str) -> None:
    key = write_key(site)
    assert sent(site, server_key=key, user_agent=agent)["accepted"] == 1


def test_a_foreign_host_is_dropped(site: Site) -> None:
    Site.objects.update(allowed_hosts=["shop.example.com"])
    answer = sent(
        site,
        {"name": "pageview", "url": "https://shop.example.com/"},
        {"name": "pageview", "url": "https://evil.example.net/"},
        {"name": "signup"},
    )
    assert (answer["accepted"], answer["dropped"]) == (2, [{"index": 1, "reason": "host_not_allowed"}])


def test_the_place_in_the_list_is_kept_beside_bad_events(site: Site) -> None:
    Site.objects.update(allowed_hosts=["shop.example.com"])
    answer = sent(site, None, {"name": "a", "url": "https://evil.example.net/"}, {"name": "a"})
    assert (answer["rejected"][0]["index"], answer["dropped"][0]["index"]) == (0, 1)


def test_visitors_are_told_apart_by_name_or_by_sender(site: Site) -> None:
    for event, address in [
        ({"visitor_id": "a"}, "1.1.1.1"),
        ({"visitor_id": "a"}, "2.2.2.2"),
        ({}, "1.1.1.1"),
        ({}, "2.2.2.2"),
    ]:
        sent(site, {"name": "pageview", **event}, address=address)
    first, second, third, fourth = [batch.events[0].visitor_id for batch in waiting()]
    assert first == second
    assert len({first, third, fourth}) == 3


def test_a_site_without_storage_takes_no_visitors_id(site: Site) -> None:
    Site.objects.filter(pk=site.pk).update(identity=Site.Identity.ANONYMOUS)
    sites.forget()
    sent(site, {"name": "a", "visitor_id": "v-1"}, {"name": "b", "visitor_id": "v-2"})
    [batch] = waiting()
    assert len({event.visitor_id for event in batch.events}) == 1


def test_a_named_session_is_kept_apart_from_a_visitor_of_that_name(site: Site) -> None:
    sent(site, {"name": "pageview", "visitor_id": "x", "session_id": "x"})
    event = waiting()[0].events[0]
    assert event.session_id not in (None, event.visitor_id)


# --- What was not counted, in a header --------------------------------------------------------------------


def not_counted(site: Site, *events: Any, **request: Any) -> str | None:
    return collect(arrival(document(site, *events), **request)).headers.get("X-Footfall-Not-Counted")


def test_a_header_says_what_was_not_counted(site: Site) -> None:
    assert not_counted(site, {"name": "a"}, {"name": ""}, {"name": ""}, 5) == "event_not_object=1, name_empty=2"
    assert not_counted(site, {"name": "a"}, {"name": ""}, user_agent=GOOGLEBOT) == "bot=1, name_empty=1"


def test_where_all_is_counted_there_is_none(site: Site) -> None:
    assert not_counted(site, {"name": "a"}) is None


def test_scripts_of_other_origins_may_read_it(site: Site) -> None:
    answer = collect(arrival(document(site, {"name": ""})))
    assert answer.headers["Access-Control-Expose-Headers"] == "X-Footfall-Not-Counted"


# --- The address ------------------------------------------------------------------------------------------


def test_the_address_is_nowhere_in_redis(site: Site) -> None:
    sent(site, {"name": "pageview", "ip": ADDRESS, "user_agent": "x"})
    sent(site, {"name": "pageview", "ip": ADDRESS}, server_key=write_key(site))
    for key in queue.client().scan_iter("*"):
        assert ADDRESS.encode() not in (queue.client().dump(key) or b"")
        assert ADDRESS.encode() not in key
    assert all(ADDRESS.encode() not in msgspec.json.encode(batch) for batch in waiting())


def test_the_address_is_nowhere_in_the_tables(committed: Site) -> None:
    sent(committed, {"name": "pageview", "user_id": "u"})
    Drain().turn()
    assert stored() == 1
    for (table,) in rows("SELECT relname FROM pg_class WHERE relname LIKE 'ingest%%' AND relkind = 'r'"):
        assert rows(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{ADDRESS}%") == [(0,)]


def test_the_address_gives_the_country(site: Site) -> None:
    sent(site, address=SWISS)
    sent(site, address=SWISS, country="FR")
    sent(site, address="10.0.0.1")
    assert geo.locate(SWISS).country == "CH"
    assert [batch.context.country for batch in waiting()] == ["CH", "FR", None]


# --- Servers that speak for their visitors ----------------------------------------------------------------


def write_key(site: Site, scope: str = "write") -> str:
    return ApiKey.issue(site, "server", scope)[1]


def one_event(site: Site, event: dict[str, Any], **request: Any) -> tuple[Any, Batch]:
    """The event and its batch, as the stream has them."""
    assert sent(site, {"name": "pageview", **event}, **request)["accepted"] == 1
    batch = waiting()[-1]
    return batch.events[0], batch


def test_a_server_states_address_and_agent_of_its_visitor(site: Site) -> None:
    key = write_key(site)
    event, batch = one_event(
        site, {"ip": SWISS, "user_agent": CHROME}, server_key=key, address=GERMAN, user_agent="PHP"
    )
    assert (event.context.country, event.context.user_agent) == ("CH", CHROME)
    assert batch.context.country is batch.context.user_agent is None


def test_without_a_key_it_is_not_believed(site: Site) -> None:
    event, batch = one_event(site, {"ip": SWISS, "user_agent": "Lynx"}, address=GERMAN)
    assert event.context is None
    assert (batch.context.country, batch.context.user_agent) == ("DE", CHROME)


@pytest.mark.parametrize("ip", ["10.0.0.1", "unknown", None])
def test_where_the_server_stands_says_nothing_of_its_visitor(site: Site, ip: str | None) -> None:
    key = write_key(site)
    event, batch = one_event(site, {"ip": ip, "user_agent": CHROME}, server_key=key, address=GERMAN, language="de")
    assert event.context.country is batch.context.country is None
    assert event.context.language is batch.context.language is None


def test_what_an_event_states_wins(site: Site) -> None:
    event, _ = one_event(site, {"ip": SWISS, "language": "rm", "screen": "1x1"}, server_key=write_key(site))
    assert (event.context.country, event.context.language, event.context.screen) == ("CH", "rm", "1x1")


def test_two_visitors_of_a_server_are_two(site: Site) -> None:
    key = write_key(site)
    visitors = {one_event(site, {"ip": ip}, server_key=key)[0].visitor_id for ip in (SWISS, GERMAN, SWISS)}
    assert len(visitors) == 2


def test_a_user_of_a_server_is_one_visitor(site: Site) -> None:
    key = write_key(site)
    visitors = {one_event(site, {"ip": ip, "user_id": "u-1"}, server_key=key)[0].visitor_id for ip in (SWISS, GERMAN)}
    assert len(visitors) == 1


def test_a_bot_behind_a_server_is_dropped_and_the_server_is_none(site: Site) -> None:
    key = write_key(site)
    assert sent(site, server_key=key, user_agent="python-requests/2.32 bot")["accepted"] == 1
    answer = sent(site, {"name": "pageview", "user_agent": GOOGLEBOT}, server_key=key)
    assert answer["dropped"] == [{"index": 0, "reason": "bot"}]


def test_a_key_that_is_not_the_sites_is_refused(site: Site) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    for key in (write_key(other), write_key(site, "read"), "ffk_write_made_up", "\x00", "é"):
        answer = collect(arrival(document(site, {"name": "pageview"}), server_key=key))
        assert refused(answer) == (401, "bad_key")
    assert waiting() == []


# --- Kept, or not accepted --------------------------------------------------------------------------------


def test_without_redis_the_tables_have_it(committed: Site, no_redis: Silence) -> None:
    with no_redis():
        assert sent(committed, {"name": "pageview"}, {"name": ""})["accepted"] == 1
    assert stored() == 1
    assert counts() == {("stored", ""): 1, ("rejected", "name_empty"): 1}


def test_without_redis_a_bad_value_costs_no_good_one(
    committed: Site, no_redis: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the door ever let one in that the database refuses."""
    monkeypatch.setattr("ingest.fields.mended", lambda text: text)
    with no_redis():
        assert sent(committed, {"name": "pageview"}, {"name": "pageview", "title": "\x00"})["accepted"] == 2
    assert (stored(), Quarantine.objects.count()) == (1, 1)


def test_a_repeat_over_the_other_road_is_stored_once(committed: Site, no_redis: Silence) -> None:
    batch_id = {"batch_id": "b-1"}
    sent(committed, envelope=batch_id)
    with no_redis():
        sent(committed, envelope=batch_id)
    Drain().turn()
    assert stored() == 1
    assert counts() == {("stored", ""): 1, ("duplicate", ""): 1}


def outage(site: Site) -> Answer:
    with no_postgres():
        return collect(arrival(document(site, {"name": "pageview"})))


def test_without_postgres_the_stream_has_it(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(committed)
    monkeypatch.setattr(sites, "KEEP_SECONDS", 0.0)
    assert outage(committed).status == 202
    assert len(waiting()) == 2


def test_without_both_the_sender_keeps_it(committed: Site, no_redis: Silence) -> None:
    sent(committed)
    with no_redis():
        answer = outage(committed)
    assert refused(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert stored() == 0


def test_a_site_that_nobody_can_look_up_is_not_said_to_be_unknown(committed: Site) -> None:
    answer = outage(committed)
    assert refused(answer) == (503, "unavailable")
    assert "Retry-After" in answer.headers


def test_a_key_that_nobody_can_look_up_is_not_said_to_be_wrong(committed: Site) -> None:
    sent(committed)
    key = write_key(committed)
    with no_postgres():
        answer = collect(arrival(document(committed, {"name": "pageview"}), server_key=key))
    assert refused(answer) == (503, "unavailable")


def test_a_full_redis_is_gone_round(committed: Site, own_redis: redis.Redis) -> None:
    own_redis.config_set("maxmemory", "1")
    assert sent(committed)["accepted"] == 1
    assert (stored(), waiting()) == (1, [])


def test_an_absent_redis_costs_no_time(committed: Site, no_redis: Silence) -> None:
    with no_redis():
        sent(committed)
        started = time.perf_counter()
        sent(committed)
        assert time.perf_counter() - started < 0.5


# --- Whatever is sent -------------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no words for the others
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), NUMBERS, st.text(st.characters(exclude_categories=[]))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["id", "timestamp", "visitor_id", "session_id", "user_id", "url", "referrer", "title", "label", "category", "value",
     "currency", "properties", "user_properties", "screen", "language", "correlation_id", "scroll", "engaged_ms"]
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=[]))
EVENTS = st.tuples(
    st.sampled_from(["pageview", "engagement", "signup"]), st.dictionaries(FIELDS, VALUES | TEXTS, max_size=2)
).map(lambda made: {"name": made[0], **made[1]})


@given(st.lists(EVENTS | VALUES, min_size=1, max_size=5), TEXTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_is_stored_and_adds_up(site: Site, events: list[Any], agent: str) -> None:
    """Through the stream and the writer's transaction: nothing that the door lets in is refused behind it."""
    before, counted = stored(), sum(counts().values())
    headers = arrivals.of(b"", {"user-agent": agent, "accept-language": agent}, ADDRESS, 0)
    answer = sent(site, *events, user_agent=headers.user_agent, language=headers.language)
    written(waiting())
    assert stored() - before == answer["accepted"] == len(events) - len(answer["rejected"]) - len(answer["dropped"])
    assert sum(counts().values()) - counted == len(events)
    assert not Quarantine.objects.exists()


def written(batches: list[Batch]) -> None:
    quarantine.write(batches)
    queue.client().delete(queue.key_of(0))


# --- Events that their site keeps no longer ---------------------------------------------------------------


def days_ago(days: float) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(days=days)
    return {"name": "pageview", "timestamp": moment.isoformat(), "id": str(uuid.uuid4())}


@pytest.fixture
def brief(site: Site) -> Site:
    """A site that keeps events for three days."""
    Site.objects.filter(pk=site.pk).update(events_days=3)
    return site


def test_an_event_that_its_site_keeps_no_longer_is_rejected(brief: Site) -> None:
    old = days_ago(3.1)
    answer = sent(brief, days_ago(2.9), old, {"name": ""})
    assert answer["accepted"] == 1
    assert [(found["index"], found["reason"]) for found in answer["rejected"]] == [(1, "too_old"), (2, "name_empty")]
    assert answer["rejected"][0]["id"] == old["id"]
    assert "over 3 days old" in answer["rejected"][0]["detail"]


def test_a_site_that_keeps_events_takes_what_the_format_takes(site: Site) -> None:
    assert sent(site, days_ago(6.9))["accepted"] == 1


def test_an_expired_event_is_counted_and_sampled(brief: Site) -> None:
    sent(brief, days_ago(4))
    (batch,) = waiting()
    assert batch.outcomes == {"rejected": {"too_old": 1}}
    assert [(sample.outcome, sample.reason, sample.name) for sample in batch.samples] == [
        ("rejected", "too_old", "pageview")
    ]
    assert "timestamp" in batch.samples[0].event


def test_other_formats_hear_of_it_by_the_header(brief: Site) -> None:
    answer = collect(arrival(document(brief, days_ago(5))))
    assert answer.headers["X-Footfall-Not-Counted"] == "too_old=1"
