"""The file of one day's events: Parquet, readable by DuckDB, pandas, Spark and the like; every column as it was stored.

Numbers and texts as such, times in microseconds of UTC, ids as UUIDs, properties as the text of their JSON. The footer
says which day it is, how many rows there are, a digest of their content and the keys of their sites, so that a file
that was damaged, or is another installation's, is told from a whole one of ours. Importing this needs pyarrow.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ingest.retention.unusable import Unusable

TIMES = ("ts", "sent_ts", "received_at", "processed_at")
UUIDS = ("id", "batch_id")
NUMBERS = {
    "site_id": pa.int64(), "session_id": pa.int64(), "visitor_id": pa.int64(), "value": pa.float64(),
    "engaged_ms": pa.int32(), "scroll": pa.int16(),
}  # fmt: skip
TEXTS = (
    "name", "category", "label", "hostname", "path", "query", "title", "referrer", "currency", "user_id",
    "correlation_id", "properties",
)  # fmt: skip
SCHEMA = pa.schema(
    [
        *NUMBERS.items(),
        *((name, pa.timestamp("us", "UTC")) for name in TIMES),
        *((name, pa.uuid()) for name in UUIDS),
        *((name, pa.string()) for name in TEXTS),
    ]
)
NAMES = tuple(SCHEMA.names)
FORMAT = "footfall events 1"
GROUP = 20_000  # rows that are held at a time
PARTIAL = ".partial"
# What a byte that is wrong may lead to, in the library and behind it.
BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, ArithmeticError)

# A group's columns in the order of NAMES: times as microseconds since 1970, UUIDs as 16 bytes, the rest as they are.
Columns = list[list[Any]]


class Said(NamedTuple):
    """What the footer tells."""

    day: date
    rows: int
    digest: str
    sites: dict[int, str]  # their keys by their ids: another installation's sites have the same ids


def write(path: Path, day: date, groups: Iterable[Columns], keys: Mapping[int, str]) -> Said:
    """The whole file under a name of its own, on the disk, and read back: only then it is called PATH.

    KEYS are those of the sites, of more than the file holds if need be. One that was deleted has none.
    """
    partial = path.with_name(path.name + PARTIAL)
    said = _written(partial, day, groups, keys)
    if verified(partial) != said:
        raise Unusable(f"{partial}: reads back otherwise than it was written. Is the disk sound?")
    os.replace(partial, path)
    sync(path.parent)
    return said


def _written(path: Path, day: date, groups: Iterable[Columns], keys: Mapping[int, str]) -> Said:
    digest, rows, site_ids = hashlib.blake2b(digest_size=16), 0, set[int]()
    # Events are about people: the file is its owner's alone.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with parquet.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
            for columns in groups:
                writer.write_table(_table(columns))
                digest.update(repr(columns).encode())
                rows += len(columns[0])
                site_ids.update(columns[NAMES.index("site_id")])
            sites = {site_id: keys[site_id] for site_id in sorted(site_ids) if site_id in keys}
            said = Said(day, rows, digest.hexdigest(), sites)
            writer.add_key_value_metadata(
                {"footfall.format": FORMAT, "footfall.day": str(day), "footfall.rows": str(rows),
                 "footfall.digest": said.digest, "footfall.sites": json.dumps(sites)}
            )  # fmt: skip
        file.flush()
        os.fsync(file.fileno())
    return said


def sync(folder: Path) -> None:
    """A new name is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def said(path: Path) -> Said:
    """Raises Unusable, OSError."""
    with _opened(path) as file, _sound(path):
        return _said(path, file)


def verified(path: Path) -> Said:
    """After reading all of it. Raises Unusable, OSError."""
    digest, rows = hashlib.blake2b(digest_size=16), 0
    found = said(path)
    for columns in groups(path):
        digest.update(repr(columns).encode())
        rows += len(columns[0])
    if (rows, digest.hexdigest()) != (found.rows, found.digest):
        raise Unusable(f"{path}: is damaged: its rows are not those that were written. Restore it from a copy.")
    return found


def groups(path: Path) -> Iterator[Columns]:
    """Raises Unusable, OSError."""
    with _opened(path) as file:
        for number in range(file.num_row_groups):
            table = _group(path, file, number, NAMES)
            with _sound(path):
                columns = [_plain(table.column(name)) for name in NAMES]
            yield columns


def holds(path: Path, site_id: int, visitor_ids: list[int], user_id: str | None = None) -> int:
    """How many rows there are of these visitors, or with this user id. Reads three columns."""
    found = 0
    with _opened(path) as file:
        for number in range(file.num_row_groups):
            table = _group(path, file, number, ("site_id", "visitor_id", "user_id"))
            theirs = pc.is_in(table["visitor_id"], pa.array(visitor_ids, pa.int64()))
            if user_id is not None:
                theirs = pc.or_(theirs, pc.fill_null(pc.equal(table["user_id"], user_id), False))
            found += pc.sum(pc.and_(pc.equal(table["site_id"], site_id), theirs)).as_py() or 0
    return found


def without(path: Path, site_id: int, visitor_ids: set[int], user_id: str | None = None) -> Iterator[Columns]:
    """The groups of the file, with the rows left off that `holds` counts."""
    site, visitor, user = (NAMES.index(name) for name in ("site_id", "visitor_id", "user_id"))
    for columns in groups(path):
        kept = [
            place
            for place, (of_site, who, said) in enumerate(
                zip(columns[site], columns[visitor], columns[user], strict=True)
            )
            if of_site != site_id or (who not in visitor_ids and (user_id is None or said != user_id))
        ]
        if kept:
            yield [[column[place] for place in kept] for column in columns]


def _group(path: Path, file: parquet.ParquetFile, number: int, names: tuple[str, ...]) -> pa.Table:
    with _sound(path):
        return file.read_row_group(number, columns=list(names))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise Unusable(f"{path}: is damaged, or no Parquet: {_first_line(error)}. Restore it from a copy.") from error


def _opened(path: Path) -> parquet.ParquetFile:
    path.stat()  # says better what is wrong with a name
    with _sound(path):
        return parquet.ParquetFile(path, page_checksum_verification=True)


def _said(path: Path, file: parquet.ParquetFile) -> Said:
    told = {
        key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items() if key[:8] == b"footfall"
    }
    if told.get("footfall.format") != FORMAT or set(NAMES) - set(file.schema_arrow.names):
        raise Unusable(f"{path}: is no archive of events that this version has written.")
    sites = {int(site_id): key for site_id, key in json.loads(told["footfall.sites"]).items()}
    return Said(date.fromisoformat(told["footfall.day"]), int(told["footfall.rows"]), told["footfall.digest"], sites)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _table(columns: Columns) -> pa.Table:
    return pa.Table.from_arrays(
        [_array(field.type, column) for field, column in zip(SCHEMA, columns, strict=True)], schema=SCHEMA
    )


def _array(kind: pa.DataType, column: list[Any]) -> pa.Array:
    if kind == pa.uuid():
        return pa.ExtensionArray.from_storage(kind, pa.array(column, kind.storage_type))
    if pa.types.is_timestamp(kind):
        return pa.array(column, pa.int64()).cast(kind)
    return pa.array(column, kind)


def _plain(column: pa.ChunkedArray) -> list[Any]:
    if column.type == pa.uuid():
        return [value for chunk in column.chunks for value in chunk.storage.to_pylist()]
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    return column.to_pylist()
