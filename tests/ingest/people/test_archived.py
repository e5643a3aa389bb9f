"""Archives of days that are gone: a person's rows go out of the files, or a restore would bring them back."""

from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from ingest.models import Site
from ingest.people.find import Who, by_user
from ingest.retention import archive
from ingest.retention.parquet import NAMES, groups
from ingest.sites import KnownSite
from ingest.writer import connected, write
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


def test_another_sites_rows_stay(file: Path) -> None:
    other = Site.objects.create(name="Blog", domain="blog.example.com")
    assert not any(erased(KnownSite.of(other), by_user("jo")))
    assert len(pages(file)) == 5
