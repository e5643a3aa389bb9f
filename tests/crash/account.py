"""What the senders were told, read from the files they left behind."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


class Account:
    """`accepted`, `rejected`, `dropped`: ids by the last answer to them. `told`: events by outcome over all
    answers. `unclear`: events of requests without an answer, or with one that promises nothing: any part of
    them may have been taken all the same. `alone`: events of requests of which none was accepted; by nothing is
    it known that these were counted already, when Redis took them and its answer was lost."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.accepted: set[str] = set()
        self.rejected: set[str] = set()
        self.dropped: set[str] = set()
        self.told: Counter[str] = Counter()
        self.unclear = self.alone = 0
        self.failures: Counter[str] = Counter()  # requests by status

    @property
    def answered(self) -> int:
        return len(self.accepted | self.rejected | self.dropped)

    @classmethod
    def of(cls, files: Iterable[Path]) -> "Account":
        account = cls()
        for file in files:
            account._read(_lines(file))
        return account

    def _read(self, lines: Iterator[dict[str, Any]]) -> None:
        for line in lines:
            ids = set(line["sends"])
            self.sent |= ids
            heard = next(lines, None)
            if heard is None or heard["status"] != 202:
                self.unclear += len(ids)
                self.failures[str(heard["status"]) if heard else "none"] += 1
                continue
            self._take(ids, set(heard["rejected"]), set(heard["dropped"]))

    def _take(self, ids: set[str], rejected: set[str], dropped: set[str]) -> None:
        self.rejected |= rejected
        self.dropped |= dropped
        self.accepted |= ids - rejected - dropped
        self.alone += len(ids) if ids == rejected | dropped else 0
        self.told["rejected"] += len(rejected)
        self.told["dropped"] += len(dropped)
        self.told["accepted"] += len(ids - rejected - dropped)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The last one may be half of one: its sender still writes."""
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            return
