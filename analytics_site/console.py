"""The log files of all processes as one stream of lines, each with its process in front."""

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

COLOURS = [36, 32, 33, 35, 34, 96, 92, 95]  # of ANSI terminals; red is left to errors
WIDTH = 10
NOISE = "entered RUNNING state"  # supervisord on each program, seconds after the program itself has spoken


class Follower:
    """Shows what is added to `<folder>/<name>.log`, across the files' rotation."""

    def __init__(self, folder: Path, names: list[str], out: TextIO = sys.stdout) -> None:
        self.out = out
        self.logs = {name: _Log(folder / f"{name}.log") for name in names}
        self.prefixes = {name: self._prefix(name, number) for number, name in enumerate(names)}

    def _prefix(self, name: str, number: int) -> str:
        text = f"{name:<{WIDTH}}| "
        return f"\033[{COLOURS[number % len(COLOURS)]}m{text}\033[0m" if self.out.isatty() else text

    def show(self) -> bool:
        """Print the new lines; whether there were any."""
        found = [(name, line) for name, log in self.logs.items() for line in log.new_lines()]
        lines = [self.prefixes[name] + line for name, line in found if NOISE not in line]
        if lines:
            with contextlib.suppress(OSError):  # whoever read our output has gone: work on
                print("\n".join(lines), file=self.out, flush=True)
        return bool(lines)

    def skip(self, name: str) -> None:
        """Leave out what `name` has said so far."""
        self.logs[name].new_lines()

    def have_spoken(self, names: list[str]) -> bool:
        return all(self.logs[name].last for name in names)

    def close(self) -> None:
        for log in self.logs.values():
            log.close()

    def last_line(self, name: str) -> str:
        """The end of the log, for a message about why a process is gone."""
        self.show()
        return self.logs[name].last or "its log is empty"


class _Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO | None = None
        self.rest = b""
        self.last = ""
        if path.exists():
            self.file = path.open("rb")
            self.file.seek(0, 2)  # what a former start said was shown by it

    def new_lines(self) -> list[str]:
        lines = self._read()
        if self._has_rotated():
            self.close()
            self.file = self.path.open("rb")
            lines += self._read()
        self.last = lines[-1] if lines else self.last
        return lines

    def close(self) -> None:
        if self.file:
            self.file.close()

    def _read(self) -> list[str]:
        if self.file is None:
            return []
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def _has_rotated(self) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        return self.file is None or now.st_ino != os.fstat(self.file.fileno()).st_ino
