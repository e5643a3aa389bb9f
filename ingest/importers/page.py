"""Which requests of a web server were pages that somebody looked at. docs/import.md lists the rules."""

import re
from urllib.parse import parse_qsl

from ingest.enrich import source
from ingest.importers.line import Outcome

STATIC_ENDINGS = """
css js mjs map wasm gif jpg jpeg jfif png apng webp avif bmp ico cur svg svgz tif tiff ttf otf eot woff woff2
webmanifest class swf mp3 m4a ogg oga opus wav flac aac mp4 m4v webm ogv mov avi mkv flv ts m3u8 vtt
"""
FILE_ENDINGS = """
xml xsl xsd rss atom rdf json jsonld geojson txt log csv tsv yaml yml toml ini conf cfg sql bak md tex ps
pdf epub mobi doc docx xls xlsx ppt pptx odt ods odp rtf ics vcf zip gz tgz bz2 tbz xz txz zst 7z rar tar iso img
dmg exe msi pkg deb rpm apk ipa jar war gem whl egg bin so dll pcap patch diff c h cc cpp hpp cs go rs java py
pyc rb sh pl lua m4 mk spec vim
"""
STATIC, FILES = frozenset(STATIC_ENDINGS.split()), frozenset(FILE_ENDINGS.split())
EXTENSION = re.compile(r"\.([a-z][a-z0-9]{0,10})$")
FEEDS = {"feed", "feeds", "rss", "rss2", "rss20", "rss10", "rss.php", "atom", "atom10", "rdf", "xmlrpc.php"}
# Shown: everything else that is 2xx, and 304, where the browser had the page already.
NOTHING_SHOWN = {204, 205, 206}


def left_as(status: int) -> Outcome | None:
    """None when a request that was answered with STATUS showed something."""
    if status >= 400:
        return Outcome.ERROR_STATUS
    if status == 304 or (200 <= status < 300 and status not in NOTHING_SHOWN):
        return None
    return Outcome.REDIRECT if status >= 300 else Outcome.NOT_A_PAGE


def left_for(path: str, query: str | None) -> Outcome | None:
    """None when PATH is a page's. An unknown ending is a page's: dots also stand in names and versions."""
    lower = path.lower()
    found = EXTENSION.search(lower)
    ending = found[1] if found else ""
    if ending in STATIC:
        return Outcome.STATIC
    is_file = ending in FILES or lower.startswith("/.well-known/")
    return Outcome.NOT_A_PAGE if is_file or _is_feed(lower, query or "") else None


def _is_feed(path: str, query: str) -> bool:
    # "?feed=rss2" asks for one; "?utm_medium=feed" on a page says that its reader came from one.
    asked = {value.lower() for name, value in parse_qsl(query) if name.lower() not in source.KEPT}
    return not FEEDS.isdisjoint({path.rstrip("/").rpartition("/")[2], *asked})
