"""Archives of days that are gone: a person's rows go out of the files, or a restore would bring them back."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from ingest.models import DailyTotal, Site
from ingest.people import export
from ingest.people.find import Who, by_user, resolve
from ingest.people.found import find
from ingest.retention import archive
from ingest.retention.parquet import NAMES, groups
from ingest.rollups import drain
from ingest.sites import KnownSite
from ingest.writer import connected, write
from tests.conftest import rows
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.ingest.people.stored import erased

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.INGEST_ARCHIVE_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def file(site: Site, folder: Path) -> Path:
    """Of a day with three visitors: one is jo's, one both jo and kim used, one is nobody's."""
    shared = [at(0, "/jos", visitor_id=2, session_id=20, user_id="jo"), at(0, "/kims", visitor_id=2, user_id="kim")]
    write([batch(site, at(0, "/jo", visitor_id=1), at(1, "/jo", visitor_id=1, user_id="jo"), *shared, at(0, "/3"))])
    made = archive.write(connected(), NOON.date())
    assert made is not None
    gone("event")
    return made


def gone(*tables: str) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM ingest_{table}")


def pages(file: Path) -> list[str]:
    return sorted(page for columns in groups(file) for page in columns[NAMES.index("path")])


def test_it_works(file: Path, known: KnownSite) -> None:
    assert pages(file) == ["/3", "/jo", "/jo", "/jos", "/kims"]
    assert erased(known, by_user("jo")).events == 3
    assert pages(file) == ["/3", "/kims"]


def test_what_carries_the_user_id_goes_when_nothing_else_tells_who_it_was(file: Path, known: KnownSite) -> None:
    gone("session", "visitor")
    assert erased(known, by_user("jo")) == (0, 0, 2, 0)
    assert pages(file) == ["/3", "/jo", "/kims"]


def test_a_visitor_goes_by_its_number(file: Path, known: KnownSite) -> None:
    gone("session", "visitor")
    erased(known, Who(visitors=(7,)))
    assert pages(file) == ["/jo", "/jo", "/jos", "/kims"]


def test_a_file_of_theirs_alone_is_deleted(file: Path, known: KnownSite) -> None:
    for visitors in ((1, 2), (7,)):
        erased(known, Who(visitors=visitors))
    assert list(file.parent.iterdir()) == []


def test_a_second_run_leaves_the_files_as_they_are(file: Path, known: KnownSite) -> None:
    erased(known, by_user("jo"))
    before = file.read_bytes()
    assert not any(erased(known, by_user("jo")))
    assert file.read_bytes() == before


# --- Put back when the sessions are gone ------------------------------------------------------------------


@pytest.fixture
def put_back(site: Site, file: Path, tmp_path: Path) -> None:
    """From a copy: of the events in the table nothing but themselves tells whose they are."""
    gone("session", "visitor", "dirty_hour")
    archive.restore(file.rename(tmp_path / "copy.parquet"), {site.pk: site.key})


@pytest.mark.usefixtures("put_back")
class TestPutBack:
    def test_it_is_found(self, known: KnownSite) -> None:
        assert find(known, by_user("jo"))[:6] == (0, 0, 3, NOON, NOON.replace(minute=1), 1)
        assert find(known, Who(visitors=(7,))).events == 1

    def test_it_is_handed_out(self, site: Site) -> None:
        into = BytesIO()
        export.export(site, by_user("jo"), into)
        assert sorted(event["path"] for event in json.loads(into.getvalue())["events"]) == ["/jo", "/jo", "/jos"]

    def test_it_is_erased_and_what_another_user_said_stays(self, known: KnownSite) -> None:
        assert erased(known, by_user("jo")).events == 3
        assert rows("SELECT path FROM ingest_event ORDER BY 1") == [("/3",), ("/kims",)]
        assert not any(erased(known, by_user("jo")))

    def test_it_goes_by_the_visitors_number(self, known: KnownSite) -> None:
        assert erased(known, Who(visitors=(1,))).events == 2
        assert rows("SELECT path FROM ingest_event ORDER BY 1") == [("/3",), ("/jos",), ("/kims",)]


def test_no_older_events_are_read_than_those_whose_sessions_have_expired(site: Site, known: KnownSite) -> None:
    """That a look takes no longer on account of what is so rare."""
    write([batch(site, at(0, visitor_id=1), at(-2000, visitor_id=1))])
    drain.closed_days(datetime.now(UTC))
    first, second = (moment for (moment,) in rows("SELECT starts_at FROM ingest_daily_total ORDER BY day"))
    assert resolve(connected(), known.id, Who(visitors=(1,))).loose_before == first
    DailyTotal.objects.filter(starts_at=first).update(is_sealed=True)
    assert first < resolve(connected(), known.id, Who(visitors=(1,))).loose_before <= second


def test_another_sites_rows_stay(file: Path) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    assert not any(erased(KnownSite.of(other), by_user("jo")))
    assert len(pages(file)) == 5
