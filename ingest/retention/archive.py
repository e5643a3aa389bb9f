"""Files of events that expire, one a day, in the folder INGEST_ARCHIVE_DIR; nothing is kept while that is empty.

A day whose rows go at different times, since its sites keep events for different times, has several files.
"""

import itertools
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg import sql

from ingest import partitions
from ingest.alone import Taken, alone
from ingest.models import Site
from ingest.retention.unusable import Unusable
from ingest.store import copying
from ingest.store.events import COLUMNS
from ingest.writer import connected

log = logging.getLogger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNFINISHED = ".events-"  # before a file has its name
PATIENCE, TURN = 600.0, 0.1  # seconds

READ = "SELECT {columns} FROM {table} WHERE {which} ORDER BY site_id, ts, id"
AS_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint"
DELETE_PERSON = "DELETE FROM {table} WHERE site_id = %s AND (visitor_id = ANY(%s::bigint[]) OR user_id = %s)"
STAGE = "CREATE TEMP TABLE restored (LIKE ingest_event) ON COMMIT DROP"
PUT_BACK = sql.SQL("""
INSERT INTO ingest_event ({columns}) SELECT {columns} FROM restored WHERE site_id = ANY(%s) ON CONFLICT DO NOTHING
""").format(columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))


def is_on() -> bool:
    return bool(settings.INGEST_ARCHIVE_DIR)


def files() -> list[Path]:
    return sorted(Path(settings.INGEST_ARCHIVE_DIR).glob("events-*.parquet")) if is_on() else []


def parquet() -> ModuleType:
    """Imported where it is needed: pyarrow is not part of the product. Raises Unusable."""
    try:
        from ingest.retention import parquet as found
    except ImportError as error:
        raise Unusable(f"Archives need pyarrow ({error}): pip install -r requirements-archive.txt.") from error
    return found


@contextmanager
def exclusively() -> Iterator[None]:
    """Nobody else archives, restores or erases meanwhile. Waits for its turn. Raises Taken after PATIENCE."""
    with ExitStack() as stack:
        _take_turn(stack)
        yield


def _take_turn(stack: ExitStack) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            stack.enter_context(alone("archive"))
            return
        except Taken:
            if time.monotonic() > until:
                raise
            time.sleep(TURN)


# --- Writing ----------------------------------------------------------------------------------------------


def write(conn: psycopg.Connection, day: date, site_ids: Collection[int] | None = None) -> Path | None:
    """A file of what the day's partition holds, of these sites or of all; None when archives are off or it is empty.

    The same rows again, after a run that was interrupted, are found to be there already. Raises Unusable, OSError.
    """
    if not is_on():
        return None
    file = parquet()
    folder = Path(settings.INGEST_ARCHIVE_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = folder / f"{UNFINISHED}{day}.parquet"
    keys = dict(Site.objects.values_list("pk", "key"))
    said = file.write(new, day, _groups(conn, day, site_ids, file), keys)
    kept = _name(folder, day, said, file) if said.rows else None
    if kept is None:
        new.unlink()
        return None
    new.rename(kept)
    file.sync(folder)
    log.info("Archived %d events of %s in %s.", said.rows, day, kept)
    return kept


def _name(folder: Path, day: date, said: Any, file: ModuleType) -> Path:
    """The first that is free, or that of a file of the same content."""
    for number in itertools.count(1):
        path = folder / (f"events-{day}.parquet" if number == 1 else f"events-{day}-{number}.parquet")
        if not path.exists() or file.said(path) == said:
            return path
    raise AssertionError("unreachable")


def _groups(
    conn: psycopg.Connection, day: date, site_ids: Collection[int] | None, file: ModuleType
) -> Iterator[list[list[Any]]]:
    query = sql.SQL(READ).format(
        columns=sql.SQL(", ").join(_expression(name, file) for name in file.NAMES),
        table=sql.Identifier(partitions.name_of(day)),
        which=sql.SQL("true") if site_ids is None else sql.SQL("site_id = ANY({})").format(sql.Literal(list(site_ids))),
    )
    with conn.transaction(), psycopg.ServerCursor(conn, "archived") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(file.GROUP):
            columns = [list(column) for column in zip(*rows, strict=True)]
            for name in file.UUIDS:
                place = file.NAMES.index(name)
                columns[place] = [value and value.bytes for value in columns[place]]
            yield columns


def _expression(name: LiteralString, file: ModuleType) -> sql.Composable:
    if name in file.TIMES:
        return sql.SQL(AS_MICROSECONDS).format(sql.Identifier(name))
    return sql.SQL("properties::text") if name == "properties" else sql.Identifier(name)


# --- Reading ----------------------------------------------------------------------------------------------


class Restored(NamedTuple):
    day: date
    rows: int  # of the file, or of the one site in it
    stored: int
    gone: int  # of sites that do not exist here

    @property
    def repeated(self) -> int:
        return self.rows - self.stored - self.gone


def restore(path: Path, keys: Mapping[int, str], only: int | None = None) -> Restored:
    """Puts the rows of existing sites back, of ONLY one of them if it is named; what is stored already stays.

    KEYS are those of the sites that exist, by their ids. Nothing is marked: the day's figures were counted while it was
    whole. Raises Taken, Unusable, OSError, psycopg.Error.
    """
    file, conn = parquet(), connected()
    with exclusively():  # who is erased meanwhile would come back from a file that is open already
        said = file.verified(path)
        partitions.ensure(conn, [said.day])
        ours = {site_id for site_id, key in said.sites.items() if keys.get(site_id) == key}
        place, done = file.NAMES.index("site_id"), Restored(said.day, 0, 0, 0)
        for columns in file.groups(path):
            here = [site_id for site_id in columns[place] if only is None or site_id == only]
            wanted = set(here) & ours
            stored = _put_back(conn, file.NAMES, columns, wanted) if wanted else 0
            gone = sum(site_id not in ours for site_id in here)
            done = Restored(said.day, done.rows + len(here), done.stored + stored, done.gone + gone)
        return done


def _put_back(conn: psycopg.Connection, names: tuple[str, ...], columns: list[list[Any]], wanted: set[int]) -> int:
    readable = [_read(name, column) for name, column in zip(names, columns, strict=True)]
    with conn.transaction():
        conn.execute(STAGE)
        lines = [copying.line(row) for row in zip(*readable, strict=True)]
        copying.rows(conn, copying.into("restored", names), lines)
        return conn.execute(PUT_BACK, (sorted(wanted),)).rowcount


def _read(name: str, column: list[Any]) -> list[Any]:
    file = parquet()
    if name in file.TIMES:
        return [None if value is None else EPOCH + timedelta(microseconds=value) for value in column]
    if name in file.UUIDS:
        return [value and UUID(bytes=value) for value in column]
    return column


# --- Erasing ----------------------------------------------------------------------------------------------


def erase(site_id: int, visitor_ids: Collection[int], user_id: str | None = None) -> int:
    """Takes all rows of these visitors, and those that carry the user id, out of the files, and out of days that are
    on their way there.

    Call it after their events are deleted: what is archived from then on does not hold them. Each file is written anew
    and then takes the old one's place; one without any other row is deleted. Returns how many rows went. Safe to
    repeat. Raises Taken, Unusable, OSError.
    """
    taken, conn = 0, connected()
    with exclusively():
        for day in partitions.detached(conn):
            query = sql.SQL(DELETE_PERSON).format(table=sql.Identifier(partitions.name_of(day)))
            # Bound by the server: a statement's text may be logged.
            with psycopg.Cursor(conn) as cursor:
                taken += cursor.execute(query, (site_id, list(visitor_ids), user_id)).rowcount
        if is_on():
            for left in Path(settings.INGEST_ARCHIVE_DIR).glob(f"{UNFINISHED}*"):
                left.unlink()
        for path in files():
            taken += _erased(path, site_id, set(visitor_ids), user_id)
    return taken


def _erased(path: Path, site_id: int, visitor_ids: set[int], user_id: str | None) -> int:
    file = parquet()
    found = int(file.holds(path, site_id, sorted(visitor_ids), user_id))
    if found:
        before = file.verified(path)
        if before.rows == found:
            path.unlink()
        else:
            file.write(path, before.day, file.without(path, site_id, visitor_ids, user_id), before.sites)
    return found
