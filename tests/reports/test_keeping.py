"""The page "Keeping": how long, what would go, how far the figures go, what ran."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.http import QueryDict
from django.test import Client
from pytest_django import Settings

from ingest import partitions, sites, writer
from ingest.models import DailyTotal, DirtyHour, JobRun, RollupState, Site
from ingest.retention import cuts
from ingest.rollups import recount
from reports import formats, keeping, stored
from reports.forms import KeepingForm
from tests.broker import NOWHERE, broker_at, handed_on
from tests.ingest.examples import batch, event
from tests.reports.cast import Cast, cast
from tests.reports.exclusion_pages import words_of

pytestmark = pytest.mark.django_db
__all__ = ["handed_on"]  # a fixture
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def people(site: Site) -> Cast:
    return cast(site)


def address(site: Site, *rest: str) -> str:
    return "/".join(["/sites", site.key, "keeping", *rest])


def page(people: Cast, query: str = "") -> str:
    return words_of(people.alice.get(f"{address(people.site)}{query}"))


def sent(people: Cast, what: str, **told: object) -> Any:
    return people.alice.post(address(people.site, what), told)


def days(people: Cast, events: object = 90, sessions: object = 365, aggregates: object = "", **more: object) -> Any:
    return sent(people, "days", events_days=events, sessions_days=sessions, aggregates_days=aggregates, **more)


def kept(site: Site) -> tuple[int, int, int | None]:
    return Site.objects.values_list("events_days", "sessions_days", "aggregates_days").get(pk=site.pk)


def happened(site: Site, at: datetime) -> None:
    partitions.ensure(writer.connected(), [at.date()])
    writer.write([batch(site, event(ts=at.timestamp(), session_id=1), is_import=True)])


def day_of_figures(site: Site, day: date) -> None:
    start = datetime.combine(day, datetime.min.time(), UTC)
    about = {"starts_at": start, "ends_at": start + DAY, "built_at": start, "took_ms": 1}
    figures = {name: figure for name, figure in recount.NOTHING._asdict().items() if name != "value"}
    DailyTotal.objects.create(site_id=site.pk, day=day, **about, **figures)


def test_it_works(people: Cast) -> None:
    answer = days(people, 30, 60, 400)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{address(people.site)}?done=saved")
    assert kept(people.site) == (30, 60, 400)
    assert "Saved. The next cleanup, in the coming night, goes by it." in page(people, "?done=saved")


# --- The form ---------------------------------------------------------------------------------------------


def test_it_shows_what_is_kept_and_what_each_is_for(people: Cast) -> None:
    html = people.alice.get(address(people.site)).content.decode()
    assert re.findall(r'name="(\w+_days)" value="(\d*)"', html) == [
        ("events_days", "90"), ("sessions_days", "365"), ("aggregates_days", ""),
    ]  # fmt: skip
    assert "Every single event with its properties" in html
    assert "Empty: for ever." in html


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"events": ""}, "Write for how many days events are kept."),
        ({"events": "ten"}, "Write a whole number of days."),
        ({"events": "1"}, "1: must be a number of days from 2 to 36,500."),
        ({"aggregates": "99999"}, "99999: must be a number of days from 2 to 36,500."),
        ({"sessions": "89"}, "89: must be 90 or more, the days of events."),
        ({"aggregates": "300"}, "300: must be 365 or more, the days of sessions, or empty for ever."),
    ],
)
def test_a_number_that_cannot_be_is_refused_beside_its_field(people: Cast, told: dict[str, str], said: str) -> None:
    answer = days(people, **told)
    assert (answer.status_code, kept(people.site)) == (422, (90, 365, None))
    assert said in words_of(answer)
    [(field, value)] = told.items()
    assert f'name="{field}_days" value="{value}"' in answer.content.decode()


def test_figures_may_be_kept_for_ever_again(people: Cast) -> None:
    days(people, aggregates=400)
    days(people, aggregates="")
    assert kept(people.site) == (90, 365, None)


def test_a_change_is_known_to_the_writer_of_this_process_at_once(people: Cast) -> None:
    known = sites.by_id(people.site.pk)
    assert known is not None
    assert known.events_days == 90
    days(people, 120)
    known = sites.by_id(people.site.pk)
    assert known is not None
    assert known.events_days == 120


def test_nothing_else_of_the_site_is_written(people: Cast) -> None:
    """Somebody may pause it at the same moment."""
    form = keeping_form(people.site, events_days="30", sessions_days="60")
    Site.objects.update(is_paused=True)
    form.save()
    assert Site.objects.get().is_paused


def keeping_form(site: Site, **told: str) -> Any:
    form = KeepingForm(site, QueryDict("&".join(f"{name}={value}" for name, value in told.items())))
    assert form.is_valid()
    return form


# --- What would go ----------------------------------------------------------------------------------------


def test_what_would_go_is_told_and_the_sites_name_asked_for(people: Cast) -> None:
    happened(people.site, datetime.now(UTC) - 8 * DAY)
    answer = days(people, 3)
    assert (answer.status_code, kept(people.site)) == (200, (90, 365, None))
    said = words_of(answer)
    assert "The next cleanup, in the coming night, deletes for good: Events from before" in said
    assert "Write Shop to go on" in said
    hidden = re.findall(r'type="hidden" name="(\w+_days)" value="(\d*)"', answer.content.decode())
    assert hidden == [("events_days", "3"), ("sessions_days", "365"), ("aggregates_days", "")]


def test_the_name_lets_it_pass(people: Cast) -> None:
    happened(people.site, datetime.now(UTC) - 8 * DAY)
    assert days(people, 3, name=" Shop ").status_code == 302
    assert kept(people.site) == (3, 365, None)


@pytest.mark.parametrize(("name", "said"), [("", "Nothing: is not the name."), ("shop", "shop: is not the name.")])
def test_another_name_does_not(people: Cast, name: str, said: str) -> None:
    happened(people.site, datetime.now(UTC) - 8 * DAY)
    answer = days(people, 3, name=name)
    assert (answer.status_code, kept(people.site)) == (422, (90, 365, None))
    assert f"{said} Write Shop." in words_of(answer)


def changed(site: Site, **more: object) -> Site:
    values = {"events_days": site.events_days, "sessions_days": site.sessions_days, "aggregates_days": None, **more}
    return Site(pk=site.pk, timezone=site.timezone, **values)


def test_each_tier_says_from_which_day_it_goes(site: Site) -> None:
    happened(site, AT - 8 * DAY)
    day_of_figures(site, date(2026, 8, 1))
    after = changed(site, events_days=3, sessions_days=3, aggregates_days=20)
    cut = cuts.of(after, AT + DAY)
    assert cut.aggregates is not None
    before, days_of_events = formats.day(cut.events.date()), (cut.events.date() - (AT - 8 * DAY).date()).days
    events, sessions, figures = keeping.going(site, after, AT)
    assert events == f"Events from before {before} ({days_of_events} days). Their sessions and figures stay."
    assert sessions.startswith(f"Sessions from before {before} ({days_of_events} days), and visitors")
    assert figures.startswith(f"Figures from before {formats.day(cut.aggregates)} (9")


@pytest.mark.parametrize("more", [{"events_days": 100}, {"events_days": 89}, {"aggregates_days": 400}])
def test_what_nothing_stored_is_old_enough_for_needs_no_asking(site: Site, more: dict[str, int]) -> None:
    happened(site, AT - 8 * DAY)
    day_of_figures(site, AT.date() - 300 * DAY)
    assert keeping.going(site, changed(site, **more), AT) == []


def test_what_goes_anyway_is_not_told_of_another_tier(site: Site) -> None:
    """Its events are too old already: keeping sessions shorter does not change that."""
    happened(site, AT - 200 * DAY)
    [told] = keeping.going(site, changed(site, sessions_days=100), AT)
    assert told.startswith("Sessions from before")


def test_an_empty_site_needs_no_asking(people: Cast) -> None:
    assert days(people, 2, 2, 2).status_code == 302


def test_it_asks_where_it_cannot_be_told_how_old_the_oldest_is(
    people: Cast, settings: Settings, another: psycopg.Connection
) -> None:
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_session IN ACCESS EXCLUSIVE MODE")
        [told] = keeping.going(people.site, changed(people.site, events_days=3), AT)
    before = formats.day(cuts.of(changed(people.site, events_days=3), AT + DAY).events.date())
    assert told == f"Events from before {before}. Their sessions and figures stay."


# --- Properties -------------------------------------------------------------------------------------------


def test_properties_are_kept_as_they_are_written_one_a_line(people: Cast) -> None:
    answer = sent(people, "properties", words="  plan \r\n\r\ncart, total\nplan\n")
    assert answer.headers["Location"] == f"{address(people.site)}?done=properties"
    assert Site.objects.get().property_dimensions == ["plan", "cart, total"]
    html = people.alice.get(address(people.site)).content.decode()
    assert ">\nplan\ncart, total</textarea>" in html


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("\n".join(map(str, range(21))), "21 are too many: at most 20 may be listed."),
        ("x" * 65, f"{'x' * 40}…: has 65 characters, 64 are the most."),
    ],
)
def test_too_many_or_too_long_properties_are_refused(people: Cast, words: str, said: str) -> None:
    answer = sent(people, "properties", words=words)
    assert (answer.status_code, Site.objects.get().property_dimensions) == (422, [])
    assert said in words_of(answer)
    assert words in answer.content.decode()


def test_counting_again_without_a_worker_says_so(people: Cast) -> None:
    with broker_at(NOWHERE):
        answer = sent(people, "again")
    assert answer.status_code == 503
    assert "No worker can be reached just now." in words_of(answer)


def test_counting_again_is_handed_to_a_worker(people: Cast, handed_on: Callable[[], Any]) -> None:
    assert sent(people, "again").headers["Location"] == f"{address(people.site)}?done=again"
    task = handed_on()
    assert (task.headers["task"], task.headers["argsrepr"]) == ("ingest.tasks.backfill_site", f"({people.site.pk},)")
    assert "Handed to a worker." in page(people, "?done=again")


def test_while_a_worker_counts_nothing_is_added(people: Cast, handed_on: Callable[[], Any]) -> None:
    JobRun.objects.create(task="backfill", site_id=people.site.pk, total=40, done=12)
    sent(people, "again")
    assert handed_on() is None
    said = page(people)
    assert "Being counted again" in said
    assert "Running, 12 of 40" in said


# --- How far the figures go -------------------------------------------------------------------------------


def rows_of(site: Site, now: datetime = AT) -> dict[str, str]:
    return dict(keeping.facts(site, now)["rows"])


def test_a_site_that_was_never_counted_says_when_it_will_be(site: Site) -> None:
    assert rows_of(site) == {
        "Counted": "Nothing yet. The first run comes within a minute.",
        "Events since": "—", "Sessions since": "—", "Figures since": "—", "Time zone": "UTC",
    }  # fmt: skip


def test_it_tells_how_far_days_and_hours_were_counted_and_what_waits(site: Site) -> None:
    RollupState.objects.create(site_id=site.pk, zone="UTC", hours_until=AT - 30 * HOUR / 60, days_until=AT.date())
    for back in (5, 5, 9, 0):
        DirtyHour.objects.create(site_id=site.pk, hour=AT.replace(minute=0) - back * HOUR)
    found = rows_of(site)
    assert found["Days counted"] == "to Thu 19 Nov 2026"
    assert found["Hours counted"] == "to Fri 20 Nov, 12:00"
    assert found["Waits to be counted"] == "2 hours with newer events"


def test_it_tells_how_far_back_each_tier_goes_in_the_sites_days(site: Site) -> None:
    Site.objects.update(timezone="Asia/Tokyo")
    site.refresh_from_db()
    happened(site, datetime(2026, 11, 13, 20, tzinfo=UTC))
    day_of_figures(site, date(2025, 3, 1))
    found = rows_of(site)
    assert (found["Events since"], found["Sessions since"]) == ("Sat 14 Nov 2026", "Sat 14 Nov 2026")
    assert found["Figures since"] == "Sat 1 Mar 2025"


def test_a_changed_time_zone_is_told_until_the_figures_follow(people: Cast) -> None:
    RollupState.objects.create(site_id=people.site.pk, zone="Europe/Berlin", hours_until=AT, days_until=AT.date())
    assert "The time zone was changed from Europe/Berlin to UTC." in page(people)
    RollupState.objects.update(zone="UTC")
    assert "The time zone was changed" not in page(people)


def test_a_database_that_is_slow_leaves_the_forms_standing(
    people: Cast, settings: Settings, another: psycopg.Connection
) -> None:
    settings.REPORTS_QUERY_SECONDS = 1
    with another.transaction():
        another.execute("LOCK TABLE ingest_session IN ACCESS EXCLUSIVE MODE")
        answer = people.alice.get(address(people.site))
    assert "Not known just now" in words_of(answer)
    assert 'name="events_days"' in answer.content.decode()


# --- What ran ---------------------------------------------------------------------------------------------


def run(task: str, **more: Any) -> None:
    values = {"started_at": AT, "seen_at": AT, "ended_at": AT + timedelta(seconds=65), **more}
    JobRun.objects.create(task=task, **values)


def test_the_last_run_of_each_task_for_all_sites_is_told(site: Site) -> None:
    for hours in (3, 2, 1):
        run("drain_hours", started_at=AT - hours * HOUR, ended_at=AT - hours * HOUR)
    run("cleanup")
    assert [(row["task"], row["when"], row["took"], row["state"]) for row in keeping.ran(site, AT)] == [
        ("Cleanup", "Fri 20 Nov, 12:30", "1m 05s", "Done"),
        ("Hours counted", "Fri 20 Nov, 11:30", "0s", "Done"),
    ]


def test_what_a_run_for_all_sites_says_is_not_for_one_of_them(site: Site) -> None:
    """An error may name another site."""
    run("cleanup", error="Site 99 cannot be cleaned.")
    run("backfill", site_id=site.pk, error="Day 3 is broken.")
    found = {row["task"]: (row["state"], row["told"]) for row in keeping.ran(site, AT)}
    assert found == {"Cleanup": ("Failed", ""), "Days counted again": ("Failed", "Day 3 is broken.")}


def test_runs_of_another_site_are_not_told(site: Site) -> None:
    run("backfill", site_id=site.pk + 1)
    assert stored.runs(site.pk) == []


def test_a_run_whose_process_died_is_told_as_failed(site: Site) -> None:
    run("backfill", site_id=site.pk, ended_at=None)
    [row] = keeping.ran(site, datetime.now(UTC))
    assert (row["state"], row["took"]) == ("Failed", "0s")
    assert row["told"].startswith("Its process is gone")
    assert not keeping.is_counting_again(site)


def test_every_task_of_a_site_has_words_of_its_own(site: Site) -> None:
    for task in ("backfill", "verify", "erase_person", "cleanup"):
        run(task, site_id=site.pk)
    found = {row["task"] for row in keeping.ran(site, datetime.now(UTC))}
    assert found == {"Days counted again", "Figures checked", "Person erased", "Cleanup"}


def test_a_site_for_which_nothing_ran_says_so(people: Cast) -> None:
    assert "Nothing ran yet" in page(people)


# --- Who may --------------------------------------------------------------------------------------------


def test_who_may_only_view_reads_it_and_changes_nothing(people: Cast) -> None:
    Site.objects.update(property_dimensions=["plan"])
    html = people.bob.get(address(people.site)).content.decode()
    assert "90 days" in html
    assert "for ever" in html
    assert "Empty:" not in html
    assert "<code>plan</code>" in html
    assert f'action="{address(people.site)}' not in html
    assert f'href="/sites/{people.site.key}/exclusions"' not in html


@pytest.mark.parametrize("what", ["days", "properties", "again"])
def test_who_may_not_is_refused(people: Cast, what: str) -> None:
    told = {"events_days": 2, "sessions_days": 2, "words": "plan"}
    statuses = [client.post(address(people.site, what), told).status_code for client in (people.bob, people.charlie)]
    assert (statuses, kept(people.site)) == ([403, 404], (90, 365, None))
    assert Site.objects.get().property_dimensions == []


def test_a_form_of_another_page_is_refused(people: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = people.alice.cookies
    assert strict.post(address(people.site, "days"), {"events_days": 2, "sessions_days": 2}).status_code == 403


def test_every_member_is_led_here(people: Cast) -> None:
    for client in (people.alice, people.bob):
        assert f'href="{address(people.site)}"' in client.get(f"/sites/{people.site.key}").content.decode()
