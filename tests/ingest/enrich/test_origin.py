from ingest import writer
from ingest.event import Context, Hints
from ingest.models import Site
from tests.conftest import rows
from tests.ingest.examples import CHROME, batch, event

ON_WINDOWS = CHROME.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64")


def with_what() -> tuple[object, ...]:
    return rows("SELECT browser, browser_version, os, os_version, device FROM ingest_session")[0]


def test_it_works(site: Site) -> None:
    writer.write([batch(site, event(referrer="https://www.bing.com/"), context=Context(user_agent=ON_WINDOWS))])
    assert with_what() == ("Chrome", "126", "Windows", "10", "desktop")
    assert rows("SELECT source, channel FROM ingest_session") == [("Bing", "Organic Search")]


def test_a_session_has_what_the_hints_tell(site: Site) -> None:
    hints = Hints("Brave/127", "Windows", "15.0.0")
    writer.write([batch(site, event(), context=Context(user_agent=ON_WINDOWS, hints=hints))])
    assert with_what() == ("Brave", "127", "Windows", "11", "desktop")


def test_what_an_import_states_wins_over_what_is_found(site: Site) -> None:
    stated = Context(user_agent=ON_WINDOWS, hints=Hints("Brave/127"), browser="Netscape", device="phone")
    writer.write([batch(site, event(), context=stated)])
    assert with_what() == ("Netscape", "127", "Windows", "10", "phone")
