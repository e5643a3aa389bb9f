"""The crash tests at length: `python bench/soak.py [--runs 20] [--events 20000] [--rate 2000] [--kind NAME …]`.

Starts a product of its own in a folder that it removes, breaks it at random moments under load, and prints a table:
of every kind the runs, events answered, lost, stored twice, and the slowest drain. Every promise that was not kept
is printed with the seed that shows it again. `--outage-minutes 15` takes PostgreSQL away for that long at 500
events a second instead.

`--agreement 5000` runs so many generated histories of `tests/test_agreement.py` in its place, 200 with each seed from
`--seed` on; a seed that fails shows the same failure again.
"""

import argparse
import functools
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.crash import faults, run
from tests.crash.promises import Run, broken
from tests.crash.target import Target
from tests.product import Product

ROOT = Path(__file__).resolve().parent.parent
OUTAGE_RATE = 500
EXAMPLES = 200  # with one seed
AGREEMENT = "tests/test_agreement.py"
MOST_SAID = 6_000  # characters of a failure
KINDS = {**faults.KINDS, "mixed": faults.mixed}
HEAD = f"{'kind':<18}{'runs':>6}{'answered':>11}{'accepted':>11}{'unclear':>9}{'broken':>8}{'slowest drain':>15}"


def soak(target: Target, kind: str, runs: int, first_seed: int, load: run.Load) -> bool:
    """Whether every promise was kept in all runs of one kind."""
    over: list[Run] = []
    sentences: list[str] = []
    for seed in range(first_seed, first_seed + runs):
        over.append(run.once(target, kind, seed, load, KINDS[kind]))
        sentences += [f"  seed {seed}: {sentence}" for sentence in broken(over[-1])]
    answered, accepted = (sum(column) for column in zip(*(_answered(one) for one in over), strict=True))
    unclear, slowest = sum(one.account.unclear for one in over), max(one.drain_seconds for one in over)
    print(f"{kind:<18}{runs:>6}{answered:>11,}{accepted:>11,}{unclear:>9,}{len(sentences):>8}{slowest:>13.1f} s")
    print(*sentences, sep="\n", end="\n" if sentences else "", flush=True)
    return not sentences


def _answered(one: Run) -> tuple[int, int]:
    return one.account.answered, len(one.account.accepted)


def load_of(kind: str, options: argparse.Namespace) -> run.Load:
    """Slower where several faults follow each other: all of them should meet senders at work."""
    return run.Load(options.events, options.rate / (3 if kind == "mixed" else 1))


def outage(target: Target, minutes: float) -> bool:
    """PostgreSQL away for MINUTES under load; prints what the senders saw and how long the rest took."""
    load = run.Load(int(OUTAGE_RATE * (minutes * 60 + 10)), OUTAGE_RATE, moment=(0.0, 0.001))
    started = time.monotonic()
    over = run.once(target, "outage", 1, load, functools.partial(faults.no_postgres, minutes * 60))
    sentences = broken(over)
    print(f"{time.monotonic() - started:.0f} s in all; PostgreSQL away for {minutes * 60:.0f} s at {OUTAGE_RATE}/s")
    print(f"{over.account.answered:,} events answered, {len(over.account.accepted):,} accepted")
    print(f"requests that were not answered 202, by status: {dict(over.account.failures)}")
    print(f"drained {over.drain_seconds:.1f} s after the last answer (a third of the outage: {minutes * 20:.0f} s)")
    print(*sentences or ["every promise kept"], sep="\n")
    return not sentences


def agreement(examples: int, seed: int) -> bool:
    """Whether the aggregates were the recount of raw rows in all of them. Goes on after a seed that failed."""
    failed = []
    for number in range(seed, seed + -(-examples // EXAMPLES)):
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={number}"]
        run = subprocess.run([*command, AGREEMENT], cwd=ROOT, capture_output=True, text=True, env=_environment())
        failed += [number] if run.returncode else []
        said = "" if run.returncode == 0 else f"\n{run.stdout[-MOST_SAID:]}{run.stderr[-MOST_SAID:]}"
        outcome = "FAILED" if run.returncode else "agreed"
        print(f"seed {number}: {EXAMPLES} examples {outcome}, {time.monotonic() - started:.0f} s{said}", flush=True)
    print(f"failed: seeds {failed}" if failed else "all agreed")
    return not failed


def _environment() -> dict[str, str]:
    return {**os.environ, "AGREEMENT_EXAMPLES": str(EXAMPLES)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="of each kind (20)")
    parser.add_argument("--events", type=int, default=20_000, help="in each run (20,000)")
    parser.add_argument("--rate", type=float, default=2_000, help="events a second that are sent (2,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (1)")
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=list(KINDS), help="only these")
    parser.add_argument("--outage-minutes", type=float, help="PostgreSQL away for so long, at 500 events/s")
    parser.add_argument("--agreement", type=int, metavar="N", help="N generated histories in place of the crashes")
    options = parser.parse_args()
    if options.agreement:
        return 0 if agreement(options.agreement, options.seed) else 1
    logging.disable(logging.WARNING)
    with Product(INGEST_TRUSTED_PROXIES="1", HEALTH_TOKEN="soak") as product:  # noqa: S106 (of a throw-away product)
        target = Target(product)
        if options.outage_minutes:
            return 0 if outage(target, options.outage_minutes) else 1
        print(HEAD)
        kept = [soak(target, kind, options.runs, options.seed, load_of(kind, options)) for kind in options.kind]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
