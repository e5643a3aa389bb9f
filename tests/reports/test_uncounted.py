"""The page "Not counted": the equation, reasons in words, bots, own rules, samples; and the line that leads there."""

import csv
import io
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.http import QueryDict
from pytest_django import Settings

from ingest.enrich.bots import KINDS
from ingest.event import DropReason
from ingest.models import Shield, Site
from ingest.refusal import REJECTION_SENTENCES
from reports import book, uncounted
from reports.book import OUTCOMES, Ledger, why
from reports.ledger import Bots
from tests.reports.cast import Cast, cast
from tests.reports.ledger_rows import bot, hit, kept, sample, this_hour
from tests.reports.rows import Hit, Sitting, at, store

pytestmark = pytest.mark.django_db
NOW = at("2026-11-21 08:41")


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


def asked(site: Site, address: str = "period=today", may_read: bool = True, now: datetime = NOW) -> Ledger:
    return book.counted(book.of(QueryDict(address), site, now, may_read))


def page(people: Cast, address: str = "period=24h", who: str = "alice") -> str:
    answer = getattr(people, who).get(f"/sites/{people.site.key}/not-counted?{address}")
    assert answer.status_code == 200
    return answer.content.decode()


def some_of_each(site: Site) -> None:
    for number, outcome in enumerate(("stored", "duplicate", "dropped", "rejected", "quarantined"), start=1):
        reason = {"dropped": "bot", "rejected": "too_old", "quarantined": "22P05"}.get(outcome, "")
        kept(site, outcome, reason, number * 1000)


def test_it_works(people: Cast) -> None:
    some_of_each(people.site)
    text = page(people)
    assert "15,000 received = 1,000 stored + 2,000 repeated + 3,000 dropped + 4,000 rejected + 5,000 set aside" in text
    assert "The user agent is a crawler, a monitor, a preview, or nothing that is known." in text


# --- The equation and the graph ---------------------------------------------------------------------------


def test_what_was_received_is_the_sum_of_all_outcomes(site: Site) -> None:
    some_of_each(site)
    kept(site, "an outcome of a newer version", "", 7)
    assert asked(site, "period=24h", now=datetime.now(UTC)).events[""] == 15_007


def test_a_card_tells_the_share_of_what_was_received(site: Site) -> None:
    kept(site, "stored", "", 3, at("2026-11-21 02:00"))
    kept(site, "dropped", "bot", 1, at("2026-11-21 02:00"))
    cards = uncounted.context(asked(site))["cards"]
    assert [(card["figure"], card["share"]) for card in cards[:4]] == [
        ("4", ""), ("3", "75%"), ("0", "0%"), ("1", "25%"),
    ]  # fmt: skip


@pytest.mark.parametrize(("told", "drawn"), [("", "Rejected"), ("metric=stored", "Stored"), ("metric=odd", "Rejected")])
def test_the_first_outcome_that_has_any_is_drawn_unless_one_is_chosen(site: Site, told: str, drawn: str) -> None:
    kept(site, "stored", "", 9, at("2026-11-21 02:00"))
    kept(site, "rejected", "too_old", 1, at("2026-11-21 02:00"))
    assert asked(site, f"period=today&{told}").drawn.label == drawn


def test_the_graph_counts_by_step_and_leaves_the_future_out(site: Site) -> None:
    kept(site, "dropped", "bot", 3, at("2026-11-21 02:00"))
    kept(site, "dropped", "prefetch", 1, at("2026-11-21 02:00"))
    kept(site, "rejected", "too_old", 5, at("2026-11-21 03:00"))
    values = [step.value for step in uncounted.series(asked(site))]
    assert values[:9] == [0, 0, 4, 0, 0, 0, 0, 0, 0]
    assert values[9:] == [None] * 15


def test_received_draws_every_outcome(site: Site) -> None:
    kept(site, "stored", "", 3, at("2026-11-21 02:00"))
    kept(site, "rejected", "too_old", 5, at("2026-11-21 02:00"))
    assert uncounted.series(asked(site, "period=today&metric=received"))[2].value == 8


def test_the_running_step_says_until_when(site: Site) -> None:
    kept(site, "dropped", "bot", 3, at("2026-11-21 08:00"))
    legend = uncounted.context(asked(site))["chart"]["legend"]
    assert [line["label"] for line in legend] == ["Dropped, Sat 21 Nov 2026", "Today until 08:41"]


def test_choices_of_the_overview_that_mean_nothing_here_are_left_off(site: Site) -> None:
    question = asked(site, "period=today&f=is,country,DE&compare=year&sources=channels").asked
    assert (question.filters, question.links.to()) == ((), f"/sites/{site.key}/not-counted?period=today")


def test_a_zone_off_by_half_an_hour_says_when_its_days_begin(site: Site) -> None:
    assert uncounted.context(asked(site))["hours"] == ""
    site.timezone = "Asia/Kolkata"
    assert uncounted.context(asked(site))["hours"] == "Counted by hours of UTC, so a day begins at 00:30"


def test_it_says_when_the_last_24_hours_begin_in_such_a_zone(site: Site) -> None:
    site.timezone = "Asia/Kolkata"
    moment = NOW.replace(hour=9, minute=50)  # 15:20 there
    told = uncounted.context(asked(site, "period=24h", now=moment))["hours"]
    assert told == "Counted by hours of UTC, so this period begins at 16:30"


# --- Reasons ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", DropReason)
def test_a_drop_is_told_in_the_sentence_of_its_reason(reason: DropReason) -> None:
    assert why("dropped", str(reason)) == reason.sentence


@pytest.mark.parametrize("reason", REJECTION_SENTENCES)
def test_a_rejection_is_told_in_the_sentence_of_its_reason(reason: str) -> None:
    assert why("rejected", reason) == REJECTION_SENTENCES[reason]


def test_an_event_set_aside_is_told_by_the_class_of_its_fault() -> None:
    assert why("quarantined", "22P05") == "The database cannot keep one of its values."
    assert why("quarantined", "23514") == "A value breaks a rule of the tables."


@pytest.mark.parametrize("outcome", ["dropped", "rejected", "quarantined"])
def test_a_reason_of_a_newer_version_stands_alone(outcome: str) -> None:
    assert why(outcome, "99_luftballons") == "99_luftballons"


def test_reasons_stand_most_first_with_their_share(site: Site) -> None:
    for reason, events in (("prefetch", 1), ("bot", 6), ("site_paused", 1)):
        kept(site, "dropped", reason, events, at("2026-11-21 02:00"))
    rows = uncounted.context(asked(site))["reasons"]
    assert [(row["word"], row["value"], row["share"]) for row in rows] == [
        ("bot", "6", "75%"), ("prefetch", "1", "12%"), ("site_paused", "1", "12%"),
    ]  # fmt: skip


def test_the_csv_adds_up_to_what_was_received(people: Cast) -> None:
    some_of_each(people.site)
    answer = people.bob.get(f"/sites/{people.site.key}/not-counted.csv?period=24h")
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0] == ["Outcome", "Reason", "Why", "Events"]
    assert rows[3] == ["Set aside", "22P05", "The database cannot keep one of its values.", "5000"]
    assert sum(int(row[3]) for row in rows[1:]) == 15_000


def test_the_graphs_csv_is_the_table_beside_it(people: Cast) -> None:
    kept(people.site, "dropped", "bot", 4)
    answer = people.bob.get(f"/sites/{people.site.key}/not-counted/chart.csv?period=24h")
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert (rows[0], len(rows), rows[-1][2]) == (["From", "Until", "Dropped"], 25, "4")


# --- Samples, bots and rules ------------------------------------------------------------------------------


def test_the_samples_are_those_of_the_chosen_reason(people: Cast) -> None:
    kept(people.site, "dropped", "bot", 9)
    kept(people.site, "rejected", "too_old", 1)
    sample(people.site, "bot", page="shop.example.com/tea", user_agent="GPTBot/1.2")
    sample(people.site, "too_old", "rejected", name="signup", detail="timestamp is over 7 days old.", event='{"a": 1}')
    assert "shop.example.com/tea" in page(people)
    chosen = page(people, "period=24h&reason=rejected:too_old")
    assert "timestamp is over 7 days old." in chosen
    assert "{&quot;a&quot;: 1}" in chosen
    assert "shop.example.com/tea" not in chosen


def test_what_a_sender_wrote_is_shown_as_text(people: Cast) -> None:
    kept(people.site, "dropped", "bot", 9)
    sample(people.site, "bot", name="<b>x</b>", page="x/<script>alert(1)</script>", user_agent="<img src=x onerror=y>")
    text = page(people)
    assert "&lt;script&gt;alert(1)" in text
    assert not any(tag in text for tag in ("<script>alert", "<img src=x", "<b>x</b>"))


def test_who_may_only_view_sees_reasons_and_bots_but_no_sample_and_no_rule(people: Cast) -> None:
    rule = Shield.objects.create(site=people.site, kind="address", value="203.0.113.9")
    kept(people.site, "dropped", "blocked_address", 9)
    hit(people.site, rule.pk, 9)
    bot(people.site, "search", "Googlebot", 1)
    sample(people.site, "blocked_address", page="shop.example.com/secret")
    text = page(people, who="bob")
    assert "The site blocks the sender" in text
    assert "Googlebot" in text
    assert not any(word in text for word in ("203.0.113.9", "shop.example.com/secret", "Newest samples", "#samples"))


def test_ai_crawlers_stand_apart_and_first() -> None:
    ai = [Bots("ai-crawler", "gptbot", 4, 6), Bots("ai-crawler", "claudebot", 2, 6)]
    found = [Bots("search", "googlebot", 9, 9), *ai]
    groups = uncounted.bot_groups(found)
    assert [(group["label"], group["value"]) for group in groups] == [("AI crawlers", "6"), ("Search engines", "9")]
    assert [row["label"] for row in groups[0]["rows"]] == ["gptbot", "claudebot"]


def test_every_kind_of_bot_has_its_words_and_no_other() -> None:
    assert set(uncounted.BOT_KINDS) == KINDS


def test_a_bot_without_a_name_is_counted_by_its_kind_alone() -> None:
    [group] = uncounted.bot_groups([Bots("other", "other", 3, 4), Bots("other", "", 1, 4)])
    assert (group["label"], group["value"], group["rows"]) == ("Other bots", "4", [])


def test_own_rules_are_listed_by_hits_and_deleted_ones_together(people: Cast) -> None:
    site = people.site
    office = Shield.objects.create(site=site, kind="address", value="203.0.113.0/24")
    drafts = Shield.objects.create(site=site, kind="path", value="/preview/**")
    for number, events in ((drafts.pk, 2), (office.pk, 5), (drafts.pk + 100, 9)):
        hit(site, number, events)
    kept(site, "dropped", "blocked_path", 16)
    rules = uncounted.context(asked(site, "period=24h", now=datetime.now(UTC)))["rules"]
    assert [(row["label"], row["value"]) for row in rules["rows"]] == [
        ("Address 203.0.113.0/24", "5"), ("Path /preview/**", "2"), ("Rules that were deleted", "9"),
    ]  # fmt: skip


# --- States -----------------------------------------------------------------------------------------------


def test_a_site_without_any_event_is_led_to_the_set_up(people: Cast) -> None:
    assert "Waiting for the first event" in page(people)


def test_a_period_without_any_event_says_so(people: Cast) -> None:
    store(Sitting((Hit(at("2026-11-01 10:00")),), site_id=people.site.pk))
    text = page(people, "period=custom&from=2026-11-02&to=2026-11-03")
    assert "No event of shop.example.com arrived between 2 and 3 Nov 2026." in text


def test_a_period_in_which_all_was_counted_says_so(people: Cast) -> None:
    kept(people.site, "stored", "", 12)
    text = page(people)
    assert "Every event of this period was counted." in text
    assert "Why events were not counted" not in text


def test_counts_that_take_too_long_leave_the_page_standing(
    people: Cast, settings: Settings, another: psycopg.Connection
) -> None:
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_count IN ACCESS EXCLUSIVE MODE")
        text = page(people)
        exported = people.alice.get(f"/sites/{people.site.key}/not-counted.csv")
    assert "This took longer than 1 s" in text
    assert all(outcome.label in text for outcome in OUTCOMES)
    assert exported.status_code == 503


def test_a_panel_that_takes_too_long_leaves_the_others_standing(
    people: Cast, settings: Settings, another: psycopg.Connection
) -> None:
    kept(people.site, "dropped", "bot", 12)
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_bot_count IN ACCESS EXCLUSIVE MODE")
        text = page(people)
    assert "This took longer than 1 s" in text
    assert "The user agent is a crawler" in text


def test_a_period_that_is_none_is_refused_in_words(people: Cast) -> None:
    answer = people.alice.get(f"/sites/{people.site.key}/not-counted?period=soon")
    assert (answer.status_code, "period=soon: is not a period" in answer.content.decode()) == (400, True)


# --- The way there ----------------------------------------------------------------------------------------


def test_the_overview_leads_here_when_something_was_not_counted(people: Cast) -> None:
    kept(people.site, "dropped", "bot", 212)
    text = people.bob.get(f"/sites/{people.site.key}?period=24h").content.decode()
    assert f'<a href="/sites/{people.site.key}/not-counted?period=24h">212 events were not counted</a>' in text


def test_the_overview_says_nothing_when_all_was_counted(people: Cast) -> None:
    kept(people.site, "stored", "", 212)
    kept(people.site, "dropped", "bot", 1, this_hour() - timedelta(days=3))
    assert "not counted</a>" not in people.bob.get(f"/sites/{people.site.key}?period=24h").content.decode()


def test_one_event_is_one(people: Cast) -> None:
    kept(people.site, "rejected", "too_old", 1)
    text = people.alice.get(f"/sites/{people.site.key}/parts/figures?period=24h").content.decode()
    assert "1 event was not counted" in text
