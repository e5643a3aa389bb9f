"""What an older version wrote as text in JSON is made an object again."""

from importlib import import_module

from django.db import connection

from ingest.models import Site
from tests.conftest import rows
from tests.ingest.rollups.days import at, write

UNWRAP = import_module("ingest.migrations.0005_click_ids").UNWRAP


def unwrapped(site: Site, stored: str | None) -> object:
    write(site, at(9, visitor_id=1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingest_session SET click_ids = %s::jsonb", [stored])
        cursor.execute(UNWRAP)
    return rows("SELECT click_ids::text FROM ingest_session")[0][0]


def test_text_becomes_an_object_however_often_it_was_wrapped(site: Site) -> None:
    assert unwrapped(site, r'"\"{\\\"gclid\\\": \\\"x\\\"}\""') == '{"gclid": "x"}'


def test_an_object_stays(site: Site) -> None:
    assert unwrapped(site, '{"gclid": "x"}') == '{"gclid": "x"}'


def test_nothing_stays_nothing(site: Site) -> None:
    assert unwrapped(site, None) is None
