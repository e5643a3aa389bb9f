"""A person's data as a file: complete, theirs alone, readable, written without holding it."""

import io
import json
import tracemalloc
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from ingest.models import PersonRequest, Site
from ingest.people.export import export, recorded
from ingest.people.find import Who, by_user
from ingest.people.found import Found
from ingest.writer import write
from tests.ingest.examples import batch
from tests.ingest.past import NOON, at
from tests.ingest.people.test_aside import set_aside
from tests.reports.ledger_rows import sample

pytestmark = pytest.mark.django_db


def text_of(site: Site, who: Who) -> str:
    into = io.BytesIO()
    export(site, who, into)
    return into.getvalue().decode()


def read(site: Site, who: Who) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text_of(site, who))
    return told


def test_it_works(site: Site) -> None:
    said = at(0, "/tea", user_id="jo", properties={"size": "L"}, user_properties={"plan": "pro"})
    write([batch(site, said, at(5, "/cart"), at(0, visitor_id=8))])
    told = read(site, by_user("jo"))
    assert told["site"] == {"key": site.key, "name": "Shop", "domain": "shop.example.com", "timezone": "UTC"}
    assert (told["found_by"], told["user_id"]) == ("user id", "jo")
    assert [one["properties"] for one in told["visitors"]] == [{"plan": "pro"}]
    assert [(one["entry_page"], one["exit_page"], one["browser"]) for one in told["sessions"]] == [
        ("/tea", "/cart", "Chrome")
    ]
    assert [(one["path"], one.get("properties")) for one in told["events"]] == [
        ("/tea", {"size": "L"}),
        ("/cart", None),
    ]


def test_it_is_indented_and_keeps_its_letters(site: Site) -> None:
    write([batch(site, at(0, "/straße", title="Käse 茶", user_id="jo"))])
    text = text_of(site, by_user("jo"))
    assert '\n      "path": "/straße"' in text
    assert '"title": "Käse 茶"' in text
    assert text.endswith("]\n}\n")


def test_times_are_iso_with_their_zone(site: Site) -> None:
    write([batch(site, at(0, user_id="jo"))])
    [one] = read(site, by_user("jo"))["events"]
    assert datetime.fromisoformat(one["ts"]) == NOON
    assert one["ts"].endswith("+00:00")


def test_events_are_in_order_of_time_over_all_sessions(site: Site) -> None:
    write([batch(site, *(at(minute, visitor_id=minute % 3, user_id="jo") for minute in (9, 2, 7, 1, 4, 3)))])
    moments = [one["ts"] for one in read(site, by_user("jo"))["events"]]
    assert (len(moments), moments) == (6, sorted(moments))


def test_somebody_who_is_not_known_gets_a_file_that_says_so(site: Site) -> None:
    told = read(site, by_user("jo"))
    assert told["summary"] == "Nothing is stored of this person."
    assert [told[name] for name in ("visitors", "sessions", "events", "set_aside", "not_counted")] == [[]] * 5


def test_of_a_shared_device_others_are_not_told(site: Site) -> None:
    both = [at(0, "/kims", session_id=1, user_id="kim"), at(1, "/jos", session_id=1, user_id="jo")]
    alone = [at(200, "/alone", session_id=2, user_id="jo"), at(201, "/too", session_id=2)]
    write([batch(site, *both, *alone, at(400, session_id=3, user_id="kim", user_properties={"mail": "kim@mail"}))])
    told = read(site, by_user("jo"))
    assert "kim" not in json.dumps(told)
    assert [one["path"] for one in told["events"]] == ["/jos", "/alone", "/too"]
    assert ([one["id"] for one in told["sessions"]], told["visitors"]) == ([2], [])


def test_what_was_set_aside_and_sampled_is_in_it(site: Site) -> None:
    set_aside(site, at(0, "/aside", user_id="jo", scroll=40_000))
    sample(site, "bad_type", "rejected", event='{"user_id": "jo"}')
    told = read(site, by_user("jo"))
    assert [one["path"] for one in told["set_aside"]] == ["/aside"]
    assert [one["reason"] for one in told["not_counted"]] == ["bad_type"]


def test_a_visitor_is_told_by_the_ids_it_was_looked_for(site: Site) -> None:
    write([batch(site, at(0))])
    told = read(site, Who(visitors=(7,)))
    assert (told["found_by"], told["visitor_ids"], len(told["events"])) == ("visitor id", [7], 1)


def test_many_events_take_no_memory(site: Site) -> None:
    """Ten thousand: as objects some 15 MB, as the file 4."""
    events = [at(0, f"/{number}", visitor_id=7, session_id=5, title="x" * 50) for number in range(500)]
    write([batch(site, *events)])
    columns = "site_id, ts, session_id, visitor_id, name, path, title, received_at, processed_at"
    with connection.cursor() as cursor:
        cursor.execute(f"""
            INSERT INTO ingest_event (id, {columns})
            SELECT gen_random_uuid(), {columns} FROM ingest_event, generate_series(1, 19)
        """)

    class Nowhere(io.BytesIO):
        written = 0

        def write(self, content: Any) -> int:
            self.written += len(content)
            return len(content)

    nowhere = Nowhere()
    tracemalloc.start()
    found = export(site, Who(visitors=(7,)), nowhere)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.events == 10_000
    assert (nowhere.written > 3_500_000, most < 5_000_000) == (True, True), (nowhere.written, most)


def test_an_export_is_recorded_without_the_person(site: Site) -> None:
    recorded(site.pk, "alice@example.com", Found(1, 2, 3, others=4))
    one = PersonRequest.objects.get()
    assert (one.kind, one.asked_by, one.visitors, one.sessions, one.events, one.others) == (
        "export", "alice@example.com", 1, 2, 3, 4,
    )  # fmt: skip
    assert one.done_at is not None
