"""How well `ingest.enrich.bots` tells programs from people, on lists of user agents.

    python bench/bots.py --programs crawlers.txt more.json --people devices.txt

A list is text with one agent a line, or JSON: agents, or objects with `instances` (crawler-user-agents) or
`userAgent` (user-agents). Prints, for each list, the share that was found and what the door would drop of events
that name no visitor; then the first misses of each, and the time of one agent seen for the first time.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest.enrich import bots


def agents(path: Path) -> list[str]:
    """Each once, in the file's order."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _of_json(json.loads(text)) if path.suffix == ".json" else text.split("\n")
    return list(dict.fromkeys(agent.strip() for agent in found if agent.strip()))


def _of_json(items: list[Any]) -> list[str]:
    found: list[str] = []
    for item in items:
        if isinstance(item, str):
            found.append(item)
        else:
            found += item.get("instances", [item["userAgent"]] if "userAgent" in item else [])
    return found


def measure(path: Path, *, are_programs: bool, shown: int) -> None:
    told = [(agent, bots.identify(agent)) for agent in agents(path)]
    found = [(agent, bot) for agent, bot in told if bot]
    dropped = [(agent, bot) for agent, bot in found if bot.kind != bots.LIBRARY]
    kinds = Counter(bot.kind for _, bot in found)
    print(f"{path.name}: {len(told):,} agents, {'programs' if are_programs else 'people'}")
    print(f"  found {len(found) / len(told):.2%}, dropped at the door {len(dropped) / len(told):.2%}")
    print("  " + ", ".join(f"{kind} {number:,}" for kind, number in kinds.most_common()))
    wrong = [agent for agent, bot in told if bot is None] if are_programs else [agent for agent, _ in dropped]
    for agent in wrong[:shown]:
        print(f"  {'missed' if are_programs else 'flagged'}: {agent[:160]}")


def seconds_each(sample: list[str]) -> float:
    bots._identify.cache_clear()
    start = time.perf_counter()
    for agent in sample:
        bots.identify(agent)
    return (time.perf_counter() - start) / len(sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="*", type=Path, default=[])
    parser.add_argument("--people", nargs="*", type=Path, default=[])
    parser.add_argument("--shown", type=int, default=10, help="how many misses of each list are printed")
    options = parser.parse_args()
    for path in options.programs:
        measure(path, are_programs=True, shown=options.shown)
    for path in options.people:
        measure(path, are_programs=False, shown=options.shown)
    for path in [*options.programs, *options.people]:
        print(f"{path.name}: {seconds_each(agents(path)[:20_000]) * 1e6:.1f} us an agent")


if __name__ == "__main__":
    main()
