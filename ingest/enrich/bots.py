"""Programs that fetch pages without a reader: told by their user agent, from a list of names and from words.

What is found is named by our own words only, so that what can be counted is bounded whatever is sent.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).parent / "data" / "bots.tsv"
LONGEST = 512  # characters of an agent that are looked at
LIBRARY, UNKNOWN, OTHER = "library", "unknown", "other"  # kinds beside those of the list


class Bot(NamedTuple):
    """`kind` is a word of KINDS; `name` one of the list or of this module, never the sender's."""

    kind: str
    name: str


NO_AGENT, UNKNOWN_PROGRAM = Bot(UNKNOWN, "no agent"), Bot(UNKNOWN, "unknown program")
BARE_ADDRESS, SQL_INJECTION = Bot(OTHER, "bare address"), Bot(OTHER, "SQL injection")

# Every choice of these patterns begins with a letter that is no choice: they are sought four times as fast.
# "Cubot" makes telephones; others call theirs "M bot 60" and "POWER BOT"; Safari has a Technology Preview.
WORDS = re.compile(
    r"monitor(?![a-z])|uptime|feed ?(?:er|fetcher|parser|reader)|rss(?<![a-z]rss)(?![a-z])"
    r"|preview(?<!technology.preview)(?<!technology%20preview)|bot(?<!cubot)s?(?![a-z]|[ \w+]{0,9} build/)"
    r"|crawl|spider|scraper|slurp|archiver|link ?check|validator|lighthouse|pagespeed"
)
KIND_OF_WORD = {"monitor": "monitor", "uptime": "monitor", "feed": "feed", "rss": "feed", "preview": "preview"}
# Words of work that libraries (node-fetch) have in their names too: asked after those.
LABOUR = re.compile(
    r"(?:scann?|check|fetch|prob|verifi|index|aggregat)(?:er|or|ing)?(?![a-z])|analy[sz]er|extract|resolver|harvest"
    r"|audit|survey|grabb|sitemap|screen-?shot|thumb(?:nail|s)|web-?(?:thumb|snap|capture)"
)
# Only programs say where to complain; the exceptions are a toolbar of old Internet Explorers and its own page.
ADDRESS = re.compile(
    r"https?://(?<!browser from: http://)(?!(?:www\.)?bsalsa)|@(?<=[\w.+-]@)[\w-]+\.[a-z]|www\.(?<!//www\.)[a-z]"
)
# "Mozilla/5.0 (compatible; Name/1.0)": what browsers write there names their engine or system.
COMPATIBLE = re.compile(r"compatible; ?(?!.*(?:msie|trident|konqueror|gecko/|presto|windows|opera))[a-z]")
BARE = re.compile(
    r"(?:[a-z]+://)?(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*\]?|(?:[\w-]+\.)+[a-z]{2,})"
    r"(?::\d+)?(?:/\S*)?"
)
SQL = re.compile(
    r"union[\s+/*(]+(?:all[\s+/*(]+)?select\b|select\b[^;]{1,80}\bfrom\b|sleep\(|benchmark\(|waitfor\s+delay"
    r"|extractvalue\(|updatexml\(|dbms_pipe|xp_cmdshell|information_schema|load_file\(|drop\s+table|insert\s+into"
    r"|['\"]\s*(?:or|and|\|\|)\s*['\"(\d]|or\s+1=1|['\"];?\s*--(?:\s|$)"
)
BROWSER = re.compile(
    r"[\"']?m?ozilla/[\d.]+ *[(\[;](?!compatible;?\)$)|(?:0 )?opera/[\d.]+ ?\("
    r"|(?:lynx|links|elinks|w3m|midori|ucweb|nokia|blackberry|samsung|sonyericsson|docomo|lg|mot)"
    r"|[^(]{0,80}(?:\((?:windows|x11|macintosh|iphone|ipad|(?:linux; )?(?:u; )?android)|midp|up\.browser"
    r"|browser/applewebkit)"
)


def _listed() -> dict[str, str]:
    rows = LIST.read_text(encoding="utf-8").splitlines()
    return dict(row.split("\t") for row in rows if not row.startswith("#"))


LISTED = _listed()
KINDS = {*LISTED.values(), UNKNOWN, OTHER}
KEY = 3  # no listed name is shorter
PLACES = re.compile(rf"(?<![a-z0-9])(?=([a-z0-9].{{{KEY - 1}}}))")


def _by_beginning() -> dict[str, list[str]]:
    """The listed names by their first characters, longer ones first."""
    found = defaultdict(list)
    for name in sorted(LISTED, key=len, reverse=True):
        found[name[:KEY]].append(name)
    return dict(found)


BY_BEGINNING = _by_beginning()


def is_bot(user_agent: str | None) -> bool:
    """Whether nobody reads behind the agent, programs that merely speak HTTP included: of a line in an access log."""
    return identify(user_agent) is not None


def identify(user_agent: str | None) -> Bot | None:
    """The program behind the agent; None for what people read with.

    The kind LIBRARY is a program's way to speak HTTP (curl, python-requests), UNKNOWN what is neither listed nor
    looks like a browser, or no agent at all: what becomes of these two is for the caller to say. Headless
    browsers pass: tests of people's own pages use them.
    """
    return _identify((user_agent or "")[:LONGEST].strip().lower())


@functools.lru_cache(maxsize=20_000)
def _identify(agent: str) -> Bot | None:
    if not agent:
        return NO_AGENT
    if SQL.search(agent):
        return SQL_INJECTION
    library, named = _named(agent)
    found = named or _by_word(agent) or library
    if found:
        return found
    if BARE.fullmatch(agent):
        return BARE_ADDRESS
    if ADDRESS.search(agent) or COMPATIBLE.search(agent) or LABOUR.search(agent):
        return Bot(OTHER, OTHER)
    return None if BROWSER.match(agent) else UNKNOWN_PROGRAM


def _by_word(agent: str) -> Bot | None:
    word = WORDS.search(agent)
    if word is None:
        return None
    return Bot(next((kind for part, kind in KIND_OF_WORD.items() if word[0].startswith(part)), OTHER), OTHER)


def _named(agent: str) -> tuple[Bot | None, Bot | None]:
    """The first listed library and the first of the others, each at the beginning of a word."""
    library = None
    for place in PLACES.finditer(agent):
        found = _at(agent, place.start(), BY_BEGINNING.get(place[1], ()))
        if found and found.kind != LIBRARY:
            return library, found
        library = library or found
    return library, None


def _at(agent: str, place: int, names: Iterable[str]) -> Bot | None:
    name = next((name for name in names if agent.startswith(name, place)), None)
    return Bot(LISTED[name], name.rstrip("/ (:)")) if name else None
