"""Files of what goes: every column as it was, told from damaged ones, and nobody in them who was erased."""

import os
import stat
import sys
import threading
import uuid
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pyarrow import parquet as plain_parquet
from pytest_django import Settings

from ingest import partitions, writer
from ingest.alone import Taken, alone
from ingest.models import Site
from ingest.retention import archive, parquet
from ingest.retention.unusable import Unusable
from ingest.store.events import COLUMNS
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.retention.examples import MONDAY, at, change, clean, count, count_of, one, some_days, write
from tests.ingest.writers import with_own_connection

ALL = f"SELECT {', '.join(COLUMNS)} FROM ingest_event ORDER BY site_id, ts, id"
EDGE: dict[str, Any] = {
    "label": "", "title": "tab\there, \\N, ünïcødé \U0001f600\nnew line", "value": 0.1 + 0.2, "currency": "EUR",
    "properties": {"a": {"b": [1, 2.50, None, "x"]}, "empty": "", "big": 12345678901234567890},
    "engaged_ms": 0, "scroll": 100, "user_id": "u'1\"", "query": "utm_source=a", "sent_ts": 978350400.000001,
}  # fmt: skip


@pytest.fixture
def folder(old: Site, settings: Settings, tmp_path: Path) -> Path:
    settings.INGEST_ARCHIVE_DIR = str(tmp_path / "archive")
    return tmp_path / "archive"


def archived(*sites: Site) -> Path:
    found = archive.write(writer.connected(), MONDAY, [site.pk for site in sites] or None)
    assert found is not None
    return found


def restore(*paths: Path, **options: Any) -> str:
    told = StringIO()
    call_command("restore_archive", *map(str, paths), stdout=told, **options)
    return told.getvalue()


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ingest_event")


def test_it_works(old: Site, folder: Path) -> None:
    some_days(old, 2)
    before = rows(ALL)
    assert clean().partitions == 2
    assert [path.name for path in archive.files()] == ["events-2001-01-01.parquet", "events-2001-01-02.parquet"]
    assert count_of("event") == 0
    restore(*archive.files())
    assert rows(ALL) == before


def test_every_column_of_the_table_is_archived() -> None:
    assert set(parquet.NAMES) == set(COLUMNS)


def test_every_value_comes_back_as_it_was(old: Site, folder: Path) -> None:
    write(old, at(MONDAY, 1.23456789, **EDGE), at(MONDAY, 2, name="bare", path=None, hostname=None))
    writer.write([batch(old, at(MONDAY, 3, correlation_id="c"), batch_id=uuid.uuid4(), is_import=True)])
    with connection.cursor() as cursor:  # what only the database can hold
        cursor.execute("UPDATE ingest_event SET value = 'Infinity', properties = '1.10' WHERE name = 'bare'")
    before = rows(ALL)
    path = archived()
    empty()
    restore(path)
    assert rows(ALL) == before
    assert one("SELECT properties::text FROM ingest_event WHERE name = 'bare'") == "1.10"


def test_a_file_is_its_owners_alone(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    assert stat.S_IMODE(archived().stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_other_programs_read_it(old: Site, folder: Path) -> None:
    write(old, at(MONDAY, path="/tea"))
    table = plain_parquet.read_table(archived())
    assert table.column("path").to_pylist() == ["/tea"]
    assert table.column("ts").to_pylist() == [datetime(2001, 1, 1, 12, tzinfo=UTC)]
    assert table.schema.field("id").type == pa.uuid()


def test_large_days_are_written_a_part_at_a_time(old: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP", 4)
    write(old, *(at(MONDAY, minute / 60, minute) for minute in range(10)))
    path = archived()
    assert plain_parquet.ParquetFile(path).num_row_groups == 3
    assert parquet.verified(path).rows == 10


def test_the_same_rows_again_are_the_same_file(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    assert archived() == archived()
    assert len(archive.files()) == 1


def test_other_rows_of_the_day_are_another_file(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    archived()
    write(old, at(MONDAY, 13))
    assert archived().name == "events-2001-01-01-2.parquet"


def test_rows_that_go_before_their_day_are_archived_too(old: Site, folder: Path) -> None:
    change(old, events_days=400, sessions_days=400)
    brief = Site.objects.create(name="Brief", domain="brief.example.com")
    write(old, at(MONDAY))
    write(brief, at(MONDAY), at(MONDAY))
    count(old)
    count(brief)
    assert clean().events == 2
    [path] = archive.files()
    assert parquet.said(path).rows == 2


def test_an_empty_day_leaves_no_file(old: Site, folder: Path) -> None:
    partitions.ensure(writer.connected(), [MONDAY])
    assert archive.write(writer.connected(), MONDAY) is None
    assert list(folder.iterdir()) == []


def test_what_cannot_be_archived_stays(old: Site, folder: Path) -> None:
    some_days(old, 1)
    folder.write_text("a file where the folder should be")
    done = clean()
    assert done.partitions == 0
    assert done.failed[0].startswith("Events of 2001-01-01: ")
    folder.unlink()
    assert clean().partitions == 1
    assert parquet.said(archive.files()[0]).rows == 6


def test_without_pyarrow_nothing_goes(old: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_days(old, 1)
    monkeypatch.delitem(sys.modules, "ingest.retention.parquet")
    monkeypatch.delattr("ingest.retention.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    done = clean()
    assert (done.partitions, "pip install -r requirements-archive.txt" in done.failed[0]) == (0, True)


# --- Restoring --------------------------------------------------------------------------------------------


def test_it_says_what_becomes_of_the_rows(old: Site, folder: Path) -> None:
    some_days(old, 1)
    clean()
    told = restore(*archive.files())
    assert told.startswith("2001-01-01: 6 of 6 events put back.\nFigures stay as they were counted")
    assert "unless their site keeps events as old as those of 2001-01-01 by then" in told
    assert "0 of 6 events put back, 6 were there already." in restore(*archive.files())


def test_figures_are_not_counted_again(old: Site, folder: Path) -> None:
    some_days(old, 1)
    clean()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ingest_session")
    restore(*archive.files())
    assert count_of("dirty_hour") == 0
    count(old)
    assert rows("SELECT events, is_final FROM ingest_daily_total") == [(6, True)]


def test_the_next_cleanup_takes_them_away_and_keeps_one_file(old: Site, folder: Path) -> None:
    some_days(old, 1)
    clean()
    restore(*archive.files())
    assert clean().events == 6
    assert len(archive.files()) == 1


def test_one_site_of_a_file_is_put_back(old: Site, folder: Path) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(old, at(MONDAY))
    write(other, at(MONDAY), at(MONDAY))
    path = archived()
    empty()
    assert "2 of 2 events put back." in restore(path, site=other.key)
    assert rows("SELECT DISTINCT site_id FROM ingest_event") == [(other.pk,)]


def test_rows_of_a_site_that_is_gone_are_left(old: Site, folder: Path) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(old, at(MONDAY))
    write(other, at(MONDAY), at(MONDAY))
    path = archived()
    empty()
    other.delete()
    assert "1 of 3 events put back, 2 are of sites that do not exist here." in restore(path)


def test_rows_of_another_installation_are_left_though_a_site_has_the_same_number(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    path = archived()
    empty()
    change(old, key="ff_ofAnotherInstallati")
    assert "0 of 1 events put back, 1 are of sites that do not exist here." in restore(path)
    assert count_of("event") == 0


def test_a_file_still_tells_whose_it_is_when_somebody_was_erased(old: Site, folder: Path) -> None:
    write(old, at(MONDAY, visitor=1), at(MONDAY, visitor=2))
    path = archived()
    archive.erase(old.pk, [1])
    empty()
    assert parquet.said(path).sites == {old.pk: old.key}
    assert "1 of 1 events put back." in restore(path)


def test_nothing_is_put_back_while_somebody_is_erased(old: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rows would come back from a file that is open already."""
    monkeypatch.setattr(archive, "PATIENCE", 0.0)
    write(old, at(MONDAY))
    path = archived()
    empty()
    with alone("archive"), pytest.raises(CommandError, match="archive: is running already"):
        restore(path)
    assert count_of("event") == 0


def broken(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_file_is_told_and_nothing_of_it_stored(old: Site, folder: Path) -> None:
    write(old, *(at(MONDAY, minute / 60, path=f"/{minute}") for minute in range(50)))
    path = archived()
    empty()
    broken(path, 40)
    with pytest.raises(CommandError, match=str(path)):
        restore(path)
    assert count_of("event") == 0


def test_a_byte_that_is_changed_anywhere_is_noticed_or_changes_nothing(old: Site, folder: Path) -> None:
    """Some bytes of a Parquet file, such as page statistics, say nothing that we read."""
    write(old, *(at(MONDAY, minute / 60, path=f"/{minute}") for minute in range(50)))
    path = archived()
    whole, said = list(parquet.groups(path)), parquet.said(path)
    noticed = 0
    for place in range(0, path.stat().st_size, 97):
        broken(path, place)
        try:
            assert (parquet.verified(path), list(parquet.groups(path))) == (said, whole)
        except Unusable:
            noticed += 1
        broken(path, place)
    assert noticed > 50


def test_a_cut_off_file_is_told(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    path = archived()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CommandError, match="is damaged, or no Parquet"):
        restore(path)


def test_a_file_of_somebody_else_is_told(old: Site, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    plain_parquet.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(CommandError, match="is no archive of events that this version has written"):
        restore(path)


def test_rows_that_were_changed_by_hand_are_told(old: Site, folder: Path) -> None:
    write(old, at(MONDAY, path="/a"))
    path = archived()
    table = plain_parquet.read_table(path)
    changed = table.set_column(table.schema.get_field_index("path"), "path", pa.array(["/b"]))
    plain_parquet.write_table(changed.replace_schema_metadata(plain_parquet.ParquetFile(path).metadata.metadata), path)
    with pytest.raises(CommandError, match="its rows are not those that were written"):
        restore(path)


def test_a_file_that_is_not_there_is_told(old: Site) -> None:
    with pytest.raises(CommandError, match=r"none.parquet: No such file or directory"):
        restore(Path("none.parquet"))


def test_a_site_that_nobody_has_is_told(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    with pytest.raises(CommandError, match="--site ff_none: no site has this key"):
        restore(archived(), site="ff_none")


# --- Erasing ----------------------------------------------------------------------------------------------


def visitors_in(path: Path) -> list[int]:
    return sorted(set(plain_parquet.read_table(path).column("visitor_id").to_pylist()))


def test_who_is_erased_is_in_no_file(old: Site, folder: Path) -> None:
    some_days(old, 2)
    clean()
    assert archive.erase(old.pk, [2]) == 4
    assert [visitors_in(path) for path in archive.files()] == [[1, 3], [1, 3]]
    assert [parquet.verified(path).rows for path in archive.files()] == [4, 4]
    assert archive.erase(old.pk, [2]) == 0
    restore(*archive.files())
    assert rows("SELECT DISTINCT visitor_id FROM ingest_event ORDER BY 1") == [(1,), (3,)]


def test_a_visitor_of_another_site_with_the_same_number_stays(old: Site, folder: Path) -> None:
    other = Site.objects.create(name="Other", domain="other.example.com")
    write(old, at(MONDAY, visitor=7))
    write(other, at(MONDAY, visitor=7), at(MONDAY, visitor=8))
    path = archived()
    assert archive.erase(other.pk, [7]) == 1
    assert plain_parquet.read_table(path).select(["site_id", "visitor_id"]).to_pylist() == [
        {"site_id": old.pk, "visitor_id": 7},
        {"site_id": other.pk, "visitor_id": 8},
    ]


def test_a_file_of_nobody_else_is_deleted(old: Site, folder: Path) -> None:
    write(old, at(MONDAY))
    archived()
    assert archive.erase(old.pk, [7]) == 1
    assert archive.files() == []


def test_days_on_their_way_to_the_archive_are_looked_at(old: Site, folder: Path) -> None:
    some_days(old, 1)
    partitions.detach(writer.connected(), MONDAY)
    (folder / "x").parent.mkdir()
    (folder / ".events-2001-01-01.parquet.partial").write_text("the half of a file")
    assert archive.erase(old.pk, [1]) == 2
    assert list(folder.iterdir()) == []
    clean()
    assert visitors_in(archive.files()[0]) == [2, 3]


def test_without_archives_there_is_nothing_to_erase(old: Site) -> None:
    assert archive.erase(old.pk, [1]) == 0


def test_erasing_waits_for_an_archive_that_is_being_written(old: Site, folder: Path) -> None:
    write(old, at(MONDAY, visitor=1), at(MONDAY, visitor=2))
    taken: list[int] = []
    eraser = threading.Thread(target=with_own_connection, args=[lambda: taken.append(archive.erase(old.pk, [1]))])
    with alone("archive"):
        eraser.start()
        path = archived()
    eraser.join()
    assert taken == [1]
    assert visitors_in(path) == [2]


def test_who_waits_too_long_is_told(old: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PATIENCE", 0.0)
    with alone("archive"), pytest.raises(Taken):
        archive.erase(old.pk, [1])


def test_an_erasure_that_is_interrupted_leaves_whole_files(
    old: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_days(old, 1)
    clean()
    [path] = archive.files()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        archive.erase(old.pk, [1])
    monkeypatch.undo()
    assert parquet.verified(path).rows == 6


def test_a_disk_that_gives_back_something_else_is_noticed(
    old: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_days(old, 1)
    sync = os.fsync

    def spoil(handle: int) -> None:
        sync(handle)
        os.pwrite(handle, b"\xff\xff\xff\xff", 60)

    monkeypatch.setattr(os, "fsync", spoil)
    done = clean()
    assert (done.partitions, len(done.failed)) == (0, 1)
    assert archive.files() == []
