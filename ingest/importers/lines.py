"""The lines of a file or of standard input, packed or not, however long."""

import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

LONGEST = 1 << 20  # characters; what is longer is no line of a log, and is not taken into memory
GZIP = b"\x1f\x8b"


class Line(NamedTuple):
    """`text` is None for a line that is longer than LONGEST."""

    number: int
    text: str | None


class Lines:
    """Lines one after another, and how far in the file they are: bytes as they lie on the disk, packed or not."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self.raw = raw
        # Looked at, not believed from its name: rotated logs are called .1, .gz or anything.
        self.content: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == GZIP else raw
        self.seen = 0

    @property
    def size(self) -> int | None:
        """None when it has no end that is known, as standard input."""
        try:
            return os.fstat(self.raw.fileno()).st_size or None
        except (OSError, io.UnsupportedOperation):
            return None

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self.raw.tell() if self.raw.seekable() else self.seen

    def __iter__(self) -> Iterator[Line]:
        number = 0
        for number, line in enumerate(self._pieces(), 1):
            if line is None:
                yield Line(number, None)
            else:
                yield Line(number, line.rstrip(b"\r\n").decode("utf-8", "replace"))

    def _pieces(self) -> Iterator[bytes | None]:
        while line := self.content.readline(LONGEST):
            self.seen += len(line)
            if len(line) < LONGEST or line.endswith(b"\n"):
                yield line
                continue
            while (rest := self.content.readline(LONGEST)) and not rest.endswith(b"\n"):
                self.seen += len(rest)
            yield None


@contextmanager
def opened(name: str) -> Iterator[Lines]:
    """NAME is a path, or "-" for standard input. Raises OSError."""
    if name == "-":
        yield Lines(cast(io.BufferedReader, sys.stdin.buffer))
        return
    with open(name, "rb") as raw:
        yield Lines(raw)
