"""One run: senders at work, a fault among them at a random moment, and what is left when all is quiet again."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.crash.account import Account
from tests.crash.faults import KINDS, Fault
from tests.crash.promises import Run
from tests.crash.sender import Plan
from tests.crash.target import PATIENCE, Target
from tests.product import ROOT, wait_for

SENDERS = 4


class Load(NamedTuple):
    """Over all senders: events in a run, events a second, and between which shares of them the fault comes."""

    events: int
    rate: float
    moment: tuple[float, float] = (0.05, 0.6)


def once(target: Target, kind: str, seed: int, load: Load, fault: Fault | None = None) -> Run:
    """Runs KIND, or FAULT under that name, once; the same SEED breaks the same things at the same point of the
    same traffic."""
    random = Random(f"{kind} {seed}")
    site, key = target.new_site()
    word = f"{random.getrandbits(64):016x}"
    with tempfile.TemporaryDirectory(prefix="footfall-test-") as folder:
        copies = 3 if kind == "resent batches" else 1
        plans = plans_for(target.product.port, key, word, load, random, Path(folder), copies)
        files = [Path(plan.account) for plan in plans]
        with sending(plans) as senders:
            moment = random.uniform(*load.moment) * load.events
            wait_for(lambda: Account.of(files).answered >= moment or _all_done(senders), PATIENCE)
            (fault or KINDS[kind])(target, random)
            wait_for(lambda: _all_done(senders), PATIENCE + 2 * load.events / load.rate)
        assert [sender.returncode for sender in senders] == [0] * SENDERS, f"{kind} {seed}: a sender gave up"
        drained = wait_for(target.is_drained, PATIENCE + load.events / 1_000)
        is_replayed = kind in ("replayed stream", "mixed")
        return Run(target, site, key, word, Account.of(files), is_replayed, drained)


def plans_for(port: int, key: str, word: str, load: Load, random: Random, folder: Path, copies: int = 1) -> list[Plan]:
    return [
        Plan(
            port=port,
            key=key,
            account=str(folder / f"{number}.jsonl"),
            events=load.events // SENDERS,
            seed=random.getrandbits(32),
            rate=load.rate / SENDERS,
            word=word,
            copies=copies,
        )
        for number in range(SENDERS)
    ]


@contextlib.contextmanager
def sending(plans: list[Plan]) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "tests.crash.sender"]
    senders = [subprocess.Popen([*command, plan.argument], cwd=ROOT) for plan in plans]
    try:
        yield senders
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()


def _all_done(senders: list[subprocess.Popen[bytes]]) -> bool:
    return all(sender.poll() is not None for sender in senders)
