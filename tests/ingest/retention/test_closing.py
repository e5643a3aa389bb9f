"""Days counted for the last time."""

import threading
from datetime import date, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from ingest import writer
from ingest.models import DailyTotal, DirtyHour, Site
from ingest.retention import closing
from ingest.retention.cuts import midnight
from ingest.rollups import rebuild
from ingest.rollups.buckets import Day, day_of
from ingest.sites import KnownSite
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.retention.examples import LATER, MONDAY, at, change, count, count_of, one, some_days, write
from tests.ingest.writers import wait_for, with_own_connection

CUT = midnight(date(2001, 3, 1))
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%ingest_rollup_state%%'"


def known(site: Site) -> KnownSite:
    return KnownSite.of(Site.objects.get(pk=site.pk))


def dates(found: list[Day]) -> list[date]:
    return [day.date for day in found]


def close(site: Site, cut: datetime = CUT, held: tuple[date, ...] = ()) -> closing.Closed:
    return closing.close(known(site), closing.due(known(site), cut, held), LATER, CUT)


def test_it_works(old: Site) -> None:
    some_days(old, 3)
    assert close(old) == (3, [])
    assert rows("SELECT is_final, events FROM ingest_daily_total ORDER BY day") == [(True, 6)] * 3


def test_a_day_that_begins_before_the_cut_is_due_though_it_ends_after_it(old: Site) -> None:
    change(old, timezone="America/New_York")
    write(old, at(MONDAY, 3), at(MONDAY, 7))  # of Sunday and Monday there
    count(old)
    assert dates(closing.due(known(old), midnight(MONDAY), ())) == [date(2000, 12, 31)]
    later = midnight(MONDAY) + timedelta(hours=6)
    assert dates(closing.due(known(old), later, ())) == [date(2000, 12, 31), MONDAY]


def test_days_that_share_a_day_of_utc_are_all_due_also_the_empty_one(old: Site) -> None:
    """No import may come into it while the partition goes."""
    change(old, timezone="Asia/Kathmandu")
    write(old, at(MONDAY, 3))
    found = closing.due(known(old), CUT, [MONDAY])
    assert dates(found) == [MONDAY, MONDAY + timedelta(days=1)]


def test_a_day_that_nobody_has_counted_yet_is_counted(old: Site) -> None:
    write(old, at(MONDAY), at(MONDAY, visitor=8))
    assert close(old, held=(MONDAY,)).days == 1
    assert rows("SELECT visitors, is_final FROM ingest_daily_total") == [(2, True)]
    assert DirtyHour.objects.count() == 0


def test_a_final_day_is_not_due(old: Site) -> None:
    some_days(old, 2)
    close(old)
    assert closing.due(known(old), CUT, [MONDAY]) == []


def test_a_final_day_is_never_built_again(old: Site) -> None:
    some_days(old, 1)
    close(old)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    with pytest.raises(rebuild.Final, match="2001-01-01: its raw rows are gone"):
        rebuild.day(known(old), day_of(known(old).zone, MONDAY), LATER)
    assert one("SELECT events FROM ingest_daily_total") == 6


def test_figures_stay_where_somebody_took_the_raw_rows_away(old: Site) -> None:
    """Counted again they would be zero, and what was counted is all that is left."""
    some_days(old, 1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    assert close(old) == (1, [])
    assert rows("SELECT events, is_final FROM ingest_daily_total") == [(6, True)]


def test_a_day_that_a_rule_has_emptied_is_counted_again(old: Site) -> None:
    """That leaves marks, and the figures are to follow."""
    some_days(old, 1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    DirtyHour.objects.create(site_id=old.pk, hour=midnight(MONDAY) + timedelta(hours=10))
    close(old)
    assert rows("SELECT events, is_final FROM ingest_daily_total") == [(0, True)]


def test_a_day_that_somebody_else_is_building_waits_and_keeps_no_other(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 2)
    with another.transaction():
        another.execute("SELECT pg_advisory_xact_lock(%s)", [old.pk << rebuild.DAY_BITS | MONDAY.toordinal()])
        found = close(old)
    assert (found.days, found.failed) == (1, [f"Site {old.pk}, 2001-01-01: is being built."])
    assert close(old) == (1, [])


def test_a_day_that_fails_is_named(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 2)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ingest_daily_events ADD CONSTRAINT broken CHECK (day <> '2001-01-01') NOT VALID")
    try:
        found = close(old)
    finally:
        another.execute("ALTER TABLE ingest_daily_events DROP CONSTRAINT broken")
    assert found.days == 1
    assert found.failed[0].startswith(f"Site {old.pk}, 2001-01-01: new row for relation")
    assert rows("SELECT is_final FROM ingest_daily_total ORDER BY day") == [(False,), (True,)]


def test_an_import_that_is_writing_is_waited_for_and_counted(old: Site, another: psycopg.Connection) -> None:
    """Its rows would go with the day, uncounted."""
    some_days(old, 1)
    closer = threading.Thread(target=with_own_connection, args=[lambda: close(old)])
    with writer.connected().transaction():
        write(old, at(MONDAY, 11, 99))
        closer.start()
        wait_for(lambda: another.execute(WAITS.replace("%%", "%")).fetchone() == (1,))
    closer.join()
    assert rows("SELECT visitors, events, is_final FROM ingest_daily_total") == [(4, 7, True)]


def test_what_an_import_is_writing_into_a_day_without_rows_is_counted(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
    closer = threading.Thread(target=with_own_connection, args=[lambda: close(old)])
    with writer.connected().transaction():
        write(old, at(MONDAY, 11, 99))
        closer.start()
        wait_for(lambda: not closer.is_alive() or another.execute(WAITS.replace("%%", "%")).fetchone() == (1,))
    closer.join()
    assert rows("SELECT events, is_final FROM ingest_daily_total") == [(1, True)]


def test_an_import_that_comes_later_is_refused(old: Site) -> None:
    some_days(old, 2)
    close(old, cut=midnight(MONDAY + timedelta(days=1)))
    events = [at(MONDAY, 11, 99), at(MONDAY + timedelta(days=1), 11, 99)]
    assert writer.write([batch(old, *events, is_import=True)]) == (1, 0, 1)


def test_an_import_that_waits_for_the_closing_is_refused(old: Site, another: psycopg.Connection) -> None:
    some_days(old, 1)
    written: list[writer.Written] = []
    late = batch(old, at(MONDAY, 11, 99), is_import=True)
    importer = threading.Thread(target=with_own_connection, args=[lambda: written.append(writer.write([late]))])
    conn = writer.connected()
    with conn.transaction():
        conn.execute(closing.HOLD_IMPORTS, (old.pk,))
        importer.start()
        wait_for(lambda: another.execute(WAITS.replace("%%", "%")).fetchone() == (1,))
        DailyTotal.objects.update(is_final=True)
    importer.join()
    assert written == [(0, 0, 1)]
    assert count_of("event") == 6


def test_rows_may_go_when_their_days_are_final_and_no_mark_waits(old: Site) -> None:
    some_days(old, 2)
    conn = writer.connected()
    assert not closing.is_closed(conn, known(old), MONDAY)
    close(old)
    assert closing.is_closed(conn, known(old), MONDAY)
    DirtyHour.objects.create(site_id=old.pk, hour=midnight(MONDAY) + timedelta(hours=23))
    assert not closing.is_closed(conn, known(old), MONDAY)
    assert closing.is_closed(conn, known(old), MONDAY + timedelta(days=1))
    count(old, LATER + timedelta(hours=1))  # which finds that it cannot be counted again
    assert closing.is_closed(conn, known(old), MONDAY)
