"""Holding aggregates and sessions to what is stored: each kind of difference is found, told and mended."""

import gzip
import io
import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from pyroaring import BitMap

from ingest import shields_past
from ingest.clock import DAY, HOUR
from ingest.event import Event
from ingest.management.commands import verify as command_module
from ingest.models import JobRun, Shield, Site
from ingest.rollups import backfill, drain, mend_sessions, raw, recount, sets, verify
from ingest.rollups.verify import Report
from ingest.sites import KnownSite
from tests.conftest import no_postgres, rows
from tests.ingest.rollups.days import MIDNIGHT, NOW, YESTERDAY, at, write
from tests.ingest.rollups.test_backfill import command as run_backfill

REAL_LOG = Path(__file__).resolve().parents[2] / "data" / "access.log.gz"
SOME_LINES = 1_500  # of it
BEFORE = YESTERDAY - DAY
PATHS = ("/", "/a", "/b")


@pytest.fixture
def built(site: Site) -> Site:
    """Two days with sessions of three visitors, today's hours included, and aggregates that agree."""
    for day in (-24, 0):
        write(site, *pages(day + 9, 1), *pages(day + 23.9, 2), at(day + 12, "signup", visitor_id=3, label="x"))
        write(
            site,
            at(day + 10, "order", visitor_id=1, value=9.99, currency="EUR"),
            at(day + 9.2, "identify", visitor_id=1),
        )
    write(site, *pages(24, 1, user_id="u1"))
    backfill.site(KnownSite.of(site), None, None, NOW)
    return site


def pages(hour: float, visitor: int, **fields: Any) -> list[Event]:
    """Three pages, six minutes apart, and a sign of life."""
    shown = [at(hour + step / 10, path=path, visitor_id=visitor, **fields) for step, path in enumerate(PATHS)]
    return [*shown, at(hour + 0.25, "engagement", visitor_id=visitor, engaged_ms=12_000, scroll=80)]


def found(site: Site, **options: Any) -> Report:
    return verify.site(KnownSite.of(site), None, None, NOW, **options)


def told(site: Site, *options: str) -> dict[str, Any]:
    """The command's JSON of one site, whether it differs or not."""
    out = StringIO()
    with suppress(CommandError):
        call_command("verify", "--site", site.key, "--json", *options, stdout=out)
    [answer] = json.loads(out.getvalue())
    assert isinstance(answer, dict)
    return answer


def change(query: str, *values: Any) -> int:
    """By hand. Returns how many rows."""
    return len(rows(f"{query} RETURNING 1", *values))


def differences(site: Site) -> list[tuple[str, ...]]:
    """Table, dimension, value, figure, stored and recounted; the bucket left out."""
    return [(one.table.removeprefix("ingest_"), *one[2:]) for one in found(site).drifts]


def repaired(site: Site) -> dict[str, Any]:
    answer = told(site, "--repair")
    assert answer["differences"] == 0
    assert answer["before"]["differences"] > 0
    assert told(site)["differences"] == 0
    return answer


def test_it_works(built: Site) -> None:
    report = found(built)
    assert (report.drifts, report.pending, report.gone) == ([], [], [])
    assert report.events == len(rows("SELECT 1 FROM ingest_event WHERE ts < %s", NOW.replace(minute=0)))
    assert str(report) == f"No difference on 3 days with {report.events:,} events."


# --- An aggregate that was changed by hand ----------------------------------------------------------------


def test_a_figure_of_a_total_is_found_and_repaired(built: Site) -> None:
    change("UPDATE ingest_daily_total SET page_views = page_views + 5 WHERE day = %s", YESTERDAY)
    assert differences(built) == [("daily_total", "", "", "page_views", "11", "6")]
    assert repaired(built)["repaired"] == {"days": [f"{YESTERDAY}"], "sessions": 0, "failed": []}


@pytest.mark.parametrize("table", ["daily_total", "hourly_total", "daily_breakdown", "hourly_breakdown"])
def test_every_figure_of_every_table_is_compared(built: Site, table: str) -> None:
    figures = [figure for figure in recount.FIGURES if figure != "members"]
    count = change(f"UPDATE ingest_{table} SET {', '.join(f'{figure} = {figure} + 1' for figure in figures)}")
    report = found(built)
    assert report.drifted == count * len(figures)
    assert {one.figure for one in report.drifts} == set(figures)


@pytest.mark.parametrize("table", ["daily_events", "hourly_events"])
def test_every_figure_of_named_events_is_compared(built: Site, table: str) -> None:
    count = change(f"UPDATE ingest_{table} SET events = events + 1, visitors = visitors + 1, sessions = sessions + 1")
    report = found(built)
    assert (report.drifted, {one.figure for one in report.drifts}) == (3 * count, {"events", "visitors", "sessions"})


def test_a_member_in_place_of_another_is_found_and_repaired(built: Site) -> None:
    """The number of members stays."""
    wrong = sets.stored(BitMap([1, 2, 77]))
    change("UPDATE ingest_daily_total SET members = %s WHERE day = %s", wrong, YESTERDAY)
    assert differences(built) == [
        ("daily_total", "", "", "members", "3 visitors, 1 too many and 1 missing", "3 visitors")
    ]
    repaired(built)


@pytest.mark.parametrize(("stored", "said"), [(None, "none"), (b"", "unreadable"), (b"no bitmap", "unreadable")])
def test_a_set_that_cannot_be_read_is_found_and_repaired(built: Site, stored: bytes | None, said: str) -> None:
    change(
        "UPDATE ingest_daily_breakdown SET members = %s WHERE day = %s AND dimension = 'page' AND value = '/b'",
        stored, YESTERDAY,
    )  # fmt: skip
    assert differences(built) == [("daily_breakdown", "page", "/b", "members", said, "2 visitors")]
    repaired(built)


def test_a_row_that_is_missing_is_found_and_repaired(built: Site) -> None:
    change("DELETE FROM ingest_daily_breakdown WHERE day = %s AND dimension = 'page' AND value = '/b'", YESTERDAY)
    assert ("daily_breakdown", "page", "/b", "row", "0", "1") in differences(built)
    repaired(built)


def test_a_day_without_its_total_is_found_and_repaired(built: Site) -> None:
    change("DELETE FROM ingest_daily_total WHERE day = %s", BEFORE)
    assert differences(built) == [("daily_total", "", "", "row", "0", "1")]
    repaired(built)


def test_a_row_too_many_is_found_and_repaired(built: Site) -> None:
    change(
        """
        INSERT INTO ingest_daily_breakdown
        SELECT (jsonb_populate_record(b, '{"place": 99, "value": "/made-up"}')).* FROM ingest_daily_breakdown b
        WHERE day = %s AND dimension = 'page' AND place = 0
        """,
        YESTERDAY,
    )
    assert differences(built) == [("daily_breakdown", "page", "/made-up", "row", "1", "0")]
    repaired(built)


def test_a_value_that_is_there_twice_is_found(built: Site) -> None:
    change("UPDATE ingest_daily_breakdown SET value = '/' WHERE day = %s AND dimension = 'page'", YESTERDAY)
    assert ("daily_breakdown", "page", "/", "row", "3", "1") in differences(built)
    repaired(built)


def test_a_dimension_that_there_is_not_is_found_and_repaired(built: Site) -> None:
    change("UPDATE ingest_daily_breakdown SET dimension = 'weather' WHERE day = %s AND dimension = 'os'", YESTERDAY)
    assert {one[1] for one in differences(built)} == {"weather", "os"}
    repaired(built)


def test_places_that_were_swapped_are_found_and_repaired(built: Site) -> None:
    change("UPDATE ingest_daily_events SET place = place + 100 WHERE day = %s", YESTERDAY)
    change("UPDATE ingest_daily_events SET place = 105 - place WHERE day = %s", YESTERDAY)
    assert {one[3] for one in differences(built)} == {"place"}
    repaired(built)


def test_borders_and_capped_dimensions_are_compared(built: Site) -> None:
    change("UPDATE ingest_daily_total SET starts_at = starts_at + interval '1 minute', capped = '{page}'")
    change(
        "UPDATE ingest_hourly_total SET ends_at = ends_at - interval '1 minute' WHERE hour = %s", MIDNIGHT - 15 * HOUR
    )
    assert {one[3] for one in differences(built)} == {"starts_at", "capped", "ends_at"}
    repaired(built)


def test_rows_of_an_hour_that_is_none_are_found_and_repaired(built: Site) -> None:
    change(
        "INSERT INTO ingest_hourly_total SELECT (jsonb_populate_record(t, jsonb_build_object('hour', %s::text))).* "
        "FROM ingest_hourly_total t WHERE hour = %s",
        (MIDNIGHT - 5.5 * HOUR).isoformat(), MIDNIGHT - 15 * HOUR,
    )  # fmt: skip
    assert differences(built) == [("hourly_total", "", "", "row", "1", "0")]
    repaired(built)


@pytest.mark.parametrize("table", ["daily_total", "daily_breakdown", "daily_events"])
def test_daily_rows_of_a_day_that_is_not_over_are_found_and_repaired(built: Site, table: str) -> None:
    change(f"UPDATE ingest_{table} SET day = %s WHERE day = %s", NOW.date(), YESTERDAY)
    assert repaired(built)["repaired"]["days"] == [f"{YESTERDAY}", f"{NOW.date()}"]


def test_hours_to_come_have_no_rows(built: Site) -> None:
    change(
        "UPDATE ingest_hourly_total SET hour = %s, ends_at = ends_at WHERE hour = %s",
        NOW.replace(minute=0),
        MIDNIGHT - 15 * HOUR,
    )
    assert {one[3:] for one in differences(built)} == {("row", "1", "0"), ("row", "0", "1")}
    repaired(built)


def test_a_fault_of_the_recount_is_found(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aggregates that are counted wrongly agree with themselves, but not with plain SQL."""
    monkeypatch.setattr(raw, "ENGAGED_MS", 1_000_000)
    run_backfill(built)
    assert {one[3] for one in differences(built) if one[0] == "daily_total"} == {"engaged_sessions"}


# --- Events and sessions that were changed by hand --------------------------------------------------------


def test_an_event_that_was_deleted_is_found_and_repaired(built: Site) -> None:
    change("DELETE FROM ingest_event WHERE path = '/b' AND ts < %s AND ts > %s", MIDNIGHT, MIDNIGHT - 15 * HOUR)
    figures = {one[3] for one in differences(built) if one[0] == "session"}
    assert figures == {"page_views", "events", "last_activity", "exit_page"}
    assert repaired(built)["repaired"]["sessions"] == 1


def test_a_path_that_was_changed_is_found_and_repaired(built: Site) -> None:
    change("UPDATE ingest_event SET path = '/other' WHERE path = '/b' AND ts < %s", MIDNIGHT - DAY)
    assert ("daily_breakdown", "page", "/other", "row", "0", "1") in differences(built)
    repaired(built)
    assert rows(
        "SELECT DISTINCT exit_page FROM ingest_session WHERE started_at < %s AND page_views > 0", MIDNIGHT - DAY
    )


def test_figures_of_a_session_are_found_and_repaired(built: Site) -> None:
    counted = ("page_views", "events", "interactive", "impressions", "interactions", "errors")
    figures = {*counted, "engaged_ms", "scroll", "revenue"}
    changed = ", ".join(f"{figure} = {figure} + 3" for figure in sorted(figures))
    change(f"UPDATE ingest_session SET {changed} WHERE started_at = %s", MIDNIGHT - 15 * HOUR)
    assert {one[3] for one in differences(built) if one[0] == "session"} == figures
    assert repaired(built)["repaired"]["sessions"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"entry_page": "'/x'", "exit_page": "NULL", "is_bounce": "NOT is_bounce"},
        {"started_at": "started_at - interval '1 hour'", "last_activity": "last_activity + interval '1 hour'"},
        {"seen_from": "seen_from + interval '1 second'", "seen_until": "seen_until - interval '1 second'"},
    ],
)
def test_pages_and_times_of_a_session_are_found_and_repaired(built: Site, changed: dict[str, str]) -> None:
    values = ", ".join(f"{column} = {value}" for column, value in changed.items())
    change(f"UPDATE ingest_session SET {values} WHERE started_at = %s", MIDNIGHT - 15 * HOUR)
    assert {one[3] for one in differences(built) if one[0] == "session"} == set(changed)
    repaired(built)


def test_what_a_session_came_from_stays_when_it_is_folded_again(built: Site) -> None:
    change("UPDATE ingest_session SET source = 'Newsletter', country = 'NZ', page_views = 9 WHERE is_new_visitor")
    repaired(built)
    kept = rows("SELECT DISTINCT source, country FROM ingest_session WHERE is_new_visitor")
    assert kept == [("Newsletter", "NZ")]


def test_who_is_new_stays_right_when_sessions_are_folded_again(built: Site) -> None:
    before = rows("SELECT id, is_new_visitor FROM ingest_session ORDER BY 1")
    change("UPDATE ingest_session SET page_views = 9")
    repaired(built)
    assert rows("SELECT id, is_new_visitor FROM ingest_session ORDER BY 1") == before


def test_a_session_without_events_goes(built: Site) -> None:
    change("DELETE FROM ingest_event WHERE visitor_id = 3 AND ts > %s", MIDNIGHT - DAY)
    assert ("session", "row", "1", "0") in {(one[0], *one[3:]) for one in differences(built)}
    repaired(built)
    assert len(rows("SELECT 1 FROM ingest_session WHERE visitor_id = 3")) == 1


def test_events_without_a_session_get_one(built: Site) -> None:
    change("DELETE FROM ingest_session WHERE visitor_id = 1")
    assert "events without session" in {one[3] for one in differences(built)}
    repaired(built)
    assert len(rows("SELECT 1 FROM ingest_session WHERE visitor_id = 1")) > 1


def test_a_visitor_that_is_missing_is_made_again(built: Site) -> None:
    change("DELETE FROM ingest_visitor WHERE id = 2")
    assert "events without visitor" in {one[3] for one in differences(built)}
    repaired(built)
    assert rows("SELECT id FROM ingest_visitor ORDER BY 1") == [(1,), (2,), (3,)]


def test_an_event_of_another_time_than_its_session_is_found_and_repaired(built: Site) -> None:
    change(
        "UPDATE ingest_event SET ts = ts - interval '2 hours' WHERE path = '/b' AND ts < %s AND ts > %s",
        MIDNIGHT,
        MIDNIGHT - 15 * HOUR,
    )
    assert "events outside their session" in {one[3] for one in differences(built)}
    repaired(built)


def test_a_derived_session_falls_apart_where_nothing_holds_it_together(built: Site) -> None:
    write(built, *(at(1 + step * 0.4, visitor_id=9) for step in range(3)))
    run_backfill(built)
    change("DELETE FROM ingest_event WHERE visitor_id = 9 AND ts = %s", MIDNIGHT - 22.6 * HOUR)
    repaired(built)
    assert rows("SELECT page_views FROM ingest_session WHERE visitor_id = 9") == [(1,), (1,)]


def test_sessions_that_outlived_their_events_are_left_alone(built: Site) -> None:
    change("UPDATE ingest_daily_total SET is_final = true WHERE day = %s", BEFORE)
    change("DELETE FROM ingest_event WHERE ts < %s", MIDNIGHT - DAY)
    before = rows("SELECT * FROM ingest_session WHERE seen_from < %s ORDER BY id", MIDNIGHT - DAY)
    change("UPDATE ingest_session SET events = events + 1 WHERE seen_from > %s", MIDNIGHT - DAY)
    repaired(built)
    assert rows("SELECT * FROM ingest_session WHERE seen_from < %s ORDER BY id", MIDNIGHT - DAY) == before


def test_a_session_that_outlived_its_first_events_is_told_and_not_folded(built: Site) -> None:
    """It began on the evening of a day whose events are gone, and went on after midnight."""
    change("UPDATE ingest_daily_total SET is_final = true WHERE day = %s", BEFORE)
    change("DELETE FROM ingest_event WHERE ts < %s", MIDNIGHT - DAY)
    evening = (MIDNIGHT - DAY - HOUR, MIDNIGHT - DAY)
    change("UPDATE ingest_session SET seen_until = seen_from WHERE seen_from > %s AND seen_from < %s", *evening)
    [difference] = told(built, "--repair")["first_differences"]
    assert difference["figure"] == "events outside their session"
    assert rows("SELECT page_views FROM ingest_session WHERE seen_from > %s AND seen_from < %s", *evening) == [(3,)]


def test_folding_is_begun_again_when_somebody_was_quicker(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    change("UPDATE ingest_session SET page_views = 9")
    real, failures = mend_sessions.removal.mend_visitors, iter([psycopg.errors.DeadlockDetected()])

    def fail_once(*given: Any) -> Any:
        for error in failures:
            raise error
        return real(*given)

    monkeypatch.setattr(mend_sessions.removal, "mend_visitors", fail_once)
    repaired(built)


# --- What is no difference --------------------------------------------------------------------------------


def test_what_is_marked_is_pending(built: Site) -> None:
    write(built, at(9.3, path="/late", visitor_id=4))
    report = found(built)
    assert (report.drifts, report.pending) == ([], [f"{MIDNIGHT - 15 * HOUR:%Y-%m-%d %H:%M%z}", f"{YESTERDAY}"])
    assert str(report).endswith("2 buckets wait to be built.")


def test_what_is_marked_is_a_difference_when_strict(built: Site) -> None:
    write(built, at(9.3, path="/late", visitor_id=4))
    assert ("daily_breakdown", "page", "/late", "row", "0", "1") in {
        (one.table.removeprefix("ingest_"), *one[2:]) for one in found(built, is_strict=True).drifts
    }
    assert told(built, "--strict", "--repair")["differences"] == 0


def test_what_no_run_has_reached_is_pending(site: Site) -> None:
    write(site, *pages(9, 1))
    change("DELETE FROM ingest_dirty_hour")
    drain.state.of(KnownSite.of(site), NOW - 2 * DAY)
    report = found(site)
    assert (report.drifts, f"{YESTERDAY}" in report.pending) == ([], True)


def test_days_of_another_zone_are_pending(built: Site) -> None:
    built.timezone = "Asia/Kathmandu"
    built.save()
    report = found(built)
    assert (report.drifts, len(report.pending) > 20) == ([], True)
    run_backfill(built)
    assert told(built, "--strict")["differences"] == 0


def test_a_day_that_another_zone_has_opened_again_is_pending(site: Site) -> None:
    """Until the next drain it has the row that it had when it was over."""
    write(site, at(9, visitor_id=1))
    backfill.site(KnownSite.of(site), None, None, MIDNIGHT + HOUR)
    site.timezone = "America/New_York"
    site.save()
    report = verify.site(KnownSite.of(site), None, None, MIDNIGHT + HOUR)
    assert (report.drifts, f"{YESTERDAY}" in report.pending) == ([], True)


def test_hours_of_long_ago_are_not_missed(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are folded into days."""
    monkeypatch.setattr(verify.check_day, "HOURLY_DAYS", 1)
    change("DELETE FROM ingest_hourly_total WHERE hour < %s", MIDNIGHT - DAY)
    change("DELETE FROM ingest_hourly_events WHERE hour < %s", MIDNIGHT - DAY)
    assert found(built).drifts == []


def test_days_whose_events_are_gone_are_told_and_never_repaired(built: Site) -> None:
    change("UPDATE ingest_daily_total SET is_final = true, events = 0 WHERE day = %s", BEFORE)
    assert (found(built).drifts, found(built).gone) == ([], [BEFORE])
    assert f"Left as they are, since their events are gone: {BEFORE}." in str(found(built))


def test_events_that_somebody_took_away_take_no_aggregate_with_them(built: Site) -> None:
    change("DELETE FROM ingest_event WHERE ts < %s", MIDNIGHT - DAY)
    before = rows("SELECT * FROM ingest_daily_breakdown WHERE day = %s ORDER BY dimension, place", BEFORE)
    answer = told(built, "--repair")
    assert (answer["differences"], answer["gone"]) == (0, [f"{BEFORE}"])
    assert rows("SELECT * FROM ingest_daily_breakdown WHERE day = %s ORDER BY dimension, place", BEFORE) == before


def test_a_rule_that_took_events_away_leaves_no_difference(built: Site) -> None:
    shield = Shield.objects.create(site=built, kind="path", value="/")
    shields_past.apply(built, shield, datetime.now(UTC) - timedelta(days=5))
    assert found(built).drifts == []
    run_backfill(built)
    assert (found(built).drifts, found(built).pending) == ([], [])


# --- Real data --------------------------------------------------------------------------------------------


def test_the_demo_site_agrees(db: None) -> None:
    out = StringIO()
    call_command("demo", "--days", "3", "--visitors-per-day", "40", stdout=out)
    demo = Site.objects.get()
    run_backfill(demo)
    assert (told(demo, "--strict")["differences"], found(demo).events > 200) == (0, True)


def test_an_imported_access_log_agrees(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with gzip.open(REAL_LOG, "rt") as log, path.open("w") as some:
        shutil.copyfileobj(io.StringIO("".join(next(log) for _ in range(SOME_LINES))), some)
    call_command("import_events", str(path), format="access-log", site=site.key, stdout=StringIO())
    run_backfill(site)
    answer = told(site, "--strict")
    assert (answer["differences"], answer["pending"], answer["events"] > 100) == (0, [], True)


# --- The command ------------------------------------------------------------------------------------------


def command(site: Site, *options: str) -> str:
    out = StringIO()
    call_command("verify", "--site", site.key, *options, stdout=out)
    return out.getvalue()


def test_a_property_that_was_just_chosen_waits_for_a_backfill(built: Site) -> None:
    built.property_dimensions = ["plan"]
    built.save()
    assert found(built).drifted == 0
    assert f"property:plan of {YESTERDAY}" in found(built).pending
    assert found(built, is_strict=True).drifted > 0


def test_one_that_is_chosen_no_longer_is_no_difference(built: Site) -> None:
    built.property_dimensions = ["plan"]
    backfill.site(KnownSite.of(built), None, None, NOW)
    built.property_dimensions = []
    assert found(built).drifted == 0


def test_a_range_that_has_not_begun_is_refused(built: Site) -> None:
    with pytest.raises(CommandError, match=r"--from 2199-01-01: must be .* or earlier, which is today") as error:
        command(built, "--from", "2199-01-01")
    assert error.value.returncode == command_module.FAILED


def test_it_tells_a_sentence_when_everything_agrees(built: Site) -> None:
    assert command(built) == f"shop.example.com ({built.key}): {found(built)}\n"


def test_it_ends_with_one_when_something_differs(built: Site) -> None:
    change("UPDATE ingest_daily_total SET events = 9 WHERE day = %s", YESTERDAY)
    out = StringIO()
    with pytest.raises(CommandError, match="Aggregates differ from what is stored") as ended:
        call_command("verify", "--site", built.key, stdout=out)
    assert ended.value.returncode == 1
    assert f"  ingest_daily_total {YESTERDAY}: events is 9, recounted 8" in out.getvalue()


def test_it_tells_what_was_repaired(built: Site) -> None:
    change("UPDATE ingest_daily_total SET events = 9 WHERE day = %s", YESTERDAY)
    lines = command(built, "--repair").splitlines()
    assert lines[2] == "Built 1 days and 0 sessions again."
    assert lines[3].startswith("Now: No difference on 1 days with ")


def test_a_long_list_is_cut_and_counted(built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "MOST_SHOWN", 5)
    monkeypatch.setattr(verify.check_day, "MOST", 20)
    count = change("UPDATE ingest_daily_breakdown SET events = events + 1 WHERE day = %s", YESTERDAY)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify", "--site", built.key, stdout=out)
    assert f"  and {count - 5} more" in out.getvalue()
    assert (told(built)["differences"], len(told(built)["first_differences"])) == (count, 20)


def test_a_range_is_checked_and_no_more(built: Site) -> None:
    change("UPDATE ingest_daily_total SET events = 9 WHERE day = %s", BEFORE)
    assert told(built, f"--from={YESTERDAY}")["differences"] == 0
    assert told(built, f"--to={BEFORE}")["days_that_differ"] == [f"{BEFORE}"]


def test_a_run_is_written_down(built: Site) -> None:
    found(built)
    run = JobRun.objects.get(task="verify")
    assert (run.done, run.total, run.detail, run.error) == (3, 3, str(found(built)), "")


def test_a_run_that_finds_something_has_failed(built: Site) -> None:
    change("UPDATE ingest_daily_total SET events = 9 WHERE day = %s", YESTERDAY)
    found(built)
    assert JobRun.objects.get(task="verify").error.startswith("1 differences on 1 of 3 days with ")


def test_a_site_without_anything_agrees(site: Site) -> None:
    assert command(site) == f"shop.example.com ({site.key}): No difference on 0 days with 0 events.\n"


@pytest.mark.parametrize(
    "options", [[], ["--site", "nobody"], ["--site", "\udcff"], ["--all", "--from=2026-03-02", "--to=2026-03-01"]]
)
def test_what_cannot_run_ends_with_two(site: Site, options: list[str]) -> None:
    with pytest.raises(CommandError) as ended:
        call_command("verify", *options)
    assert ended.value.returncode == 2


def test_a_day_that_cannot_be_counted_ends_with_two(built: Site) -> None:
    change("UPDATE ingest_visitor SET number = %s WHERE number = 1", 1 << 40)
    with pytest.raises(CommandError, match="OverflowError: visitor number 1099511627776") as ended:
        call_command("verify", "--all")
    assert ended.value.returncode == 2


def test_a_database_that_is_away_ends_with_two(committed: Site) -> None:
    with no_postgres(), pytest.raises(CommandError, match="PostgreSQL says: ") as ended:
        call_command("verify", "--all")
    assert ended.value.returncode == 2
