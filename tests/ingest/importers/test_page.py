import pytest

from ingest.importers.line import Outcome
from ingest.importers.page import left_as, left_for

PAGES = [
    ("/", None),
    ("/pricing", None),
    ("/index.html", None),
    ("/docs/guide.xhtml", "page=2"),
    ("/shop.php", "id=7"),
    ("/releases/v1.2", None),
    ("/@jo.doe", None),
    ("/blog/feeding-cats/", None),
    ("/blog/cats.html", "utm_source=feedburner&utm_medium=feed"),
    ("/blog/cats.html", "source=rss20"),
    ("/about.us", "x=feeds-and-speeds"),
]
STATIC = ["/a.css", "/js/app.MJS", "/favicon.ico", "/logo.svg?v=2", "/f.woff2", "/clip.mp4", "/site.webmanifest"]
NO_PAGES = [
    ("/robots.txt", None),
    ("/sitemap.xml", None),
    ("/files/report.PDF", None),
    ("/download/tool-1.2.tar.gz", None),
    ("/blog/feed/", None),
    ("/feed", None),
    ("/rss", None),
    ("/blog", "flav=rss20"),
    ("/", "feed=atom"),
    ("/xmlrpc.php", None),
    ("/.well-known/change-password", None),
    ("/api/items.json", None),
]


def test_it_works() -> None:
    assert left_for("/pricing", None) is None
    assert left_for("/logo.png", None) is Outcome.STATIC


@pytest.mark.parametrize(("path", "query"), PAGES)
def test_a_page_is_recorded(path: str, query: str | None) -> None:
    assert left_for(path, query) is None


@pytest.mark.parametrize("path", STATIC)
def test_what_belongs_to_a_page_is_static(path: str) -> None:
    assert left_for(*path.partition("?")[::2]) is Outcome.STATIC


@pytest.mark.parametrize(("path", "query"), NO_PAGES)
def test_feeds_and_files_are_no_pages(path: str, query: str | None) -> None:
    assert left_for(path, query) is Outcome.NOT_A_PAGE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, None),
        (203, None),
        (304, None),
        (204, Outcome.NOT_A_PAGE),
        (206, Outcome.NOT_A_PAGE),
        (101, Outcome.NOT_A_PAGE),
        (301, Outcome.REDIRECT),
        (302, Outcome.REDIRECT),
        (400, Outcome.ERROR_STATUS),
        (404, Outcome.ERROR_STATUS),
        (499, Outcome.ERROR_STATUS),
        (503, Outcome.ERROR_STATUS),
    ],
)
def test_the_status_tells_whether_something_was_shown(status: int, outcome: Outcome | None) -> None:
    assert left_as(status) is outcome
