"""Programs that fetch pages without a reader: told by their user agent, from words and from a list of names."""

import functools
import re
from pathlib import Path

LIST = Path(__file__).parent / "data" / "bots.tsv"
CRAWLER, LIBRARY = "crawler", "library"  # kinds; the list has finer ones, such as "ai-crawler"

# "Cubot" makes telephones.
WORDS = re.compile(
    r"(?<!cu)bots?(?![a-z])|crawl|spider|scraper|slurp|monitor(?![a-z])|archiver|uptime|link ?check|preview"
    r"|feed ?(?:er|fetcher|parser|reader)|(?<![a-z])rss(?![a-z])|validator|lighthouse|pagespeed"
)
# Only programs say where to complain; the one exception is a toolbar of old Internet Explorers.
ADDRESS = re.compile(r"(?<!browser from: )https?://|[\w.+-]@[\w-]+\.[a-z]")
BROWSER = re.compile(
    r"(?:mozilla|opera)/[\d.]+ ?\((?!compatible;?\)$)"
    r"|(?:lynx|links|elinks|w3m|midori|ucweb|nokia|blackberry|samsung|sonyericsson|docomo|lg|mot)"
)


def _listed() -> dict[str, str]:
    rows = LIST.read_text(encoding="utf-8").splitlines()
    return dict(row.split("\t") for row in rows if not row.startswith("#"))


KINDS = _listed()


def _any_of(names: list[str]) -> re.Pattern[str]:
    # At the beginning of words only: safe for short names, and ten times faster than anywhere.
    return re.compile(r"(?<![a-z0-9])(?:" + "|".join(map(re.escape, sorted(names, reverse=True))) + ")")


NAMED = _any_of([name for name, kind in KINDS.items() if kind != LIBRARY])
LIBRARIES = _any_of([name for name, kind in KINDS.items() if kind == LIBRARY])


def is_bot(user_agent: str | None, libraries: bool = True) -> bool:
    """Whether nobody reads behind the agent.

    LIBRARIES says what to make of programs that merely speak HTTP (curl, python-requests, no agent at all): bots
    among the lines of an access log, but where events are sent on purpose, perhaps a site's own server. Headless
    browsers pass: tests of people's own pages use them.
    """
    kind = kind_of((user_agent or "")[:512])
    return libraries if kind == LIBRARY else kind is not None


@functools.lru_cache(maxsize=20_000)
def kind_of(user_agent: str) -> str | None:
    """The program's kind, a word of the list; None for what people read with."""
    agent = user_agent.lower()
    if named := NAMED.search(agent):
        return KINDS[named.group()]
    if WORDS.search(agent):
        return CRAWLER
    if LIBRARIES.search(agent):
        return LIBRARY
    if ADDRESS.search(agent):
        return CRAWLER
    return None if BROWSER.match(agent) else LIBRARY
