"""`manage.py export_person` and `manage.py erase_person`."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ingest.models import PersonRequest, Site
from ingest.people import stream
from ingest.writer import write
from tests.conftest import Silence, rows
from tests.ingest.examples import batch
from tests.ingest.past import at
from tests.ingest.writers import publish, stored


@pytest.fixture
def shop(site: Site) -> Site:
    write([batch(site, at(0, user_id="jo"), at(1), at(0, visitor_id=8, user_id="kim"))])
    return site


def run(command: str, site: Site, *options: Any) -> tuple[str, str]:
    """What was said on standard output and beside it."""
    out, beside = StringIO(), StringIO()
    call_command(command, "--site", site.key, *options, stdout=out, stderr=beside)
    return out.getvalue().strip(), beside.getvalue().strip()


def answering(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    def told(question: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", told)


# --- export_person ----------------------------------------------------------------------------------------


def test_it_works(shop: Site, tmp_path: Path) -> None:
    file = tmp_path / "jo.json"
    _, beside = run("export_person", shop, "--user", "jo", "--output", str(file))
    assert beside.startswith("1 visitors, 1 sessions, 2 events, from 20")
    assert len(json.loads(file.read_text())["events"]) == 2
    assert PersonRequest.objects.values_list("kind", "asked_by", "events").get() == ("export", "export_person", 2)


def test_the_file_is_its_owners_alone(shop: Site, tmp_path: Path) -> None:
    file = tmp_path / "jo.json"
    run("export_person", shop, "--user", "jo", "--output", str(file))
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_without_a_file_it_goes_to_standard_output(shop: Site, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run("export_person", shop, "--visitor", "8")
    assert json.loads(capsysbinary.readouterr().out)["events"][0]["user_id"] == "kim"


def test_a_file_that_exists_is_left_alone(shop: Site, tmp_path: Path) -> None:
    file = tmp_path / "jo.json"
    file.write_text("of somebody else")
    with pytest.raises(CommandError, match=r"--output .*jo\.json: File exists\."):
        run("export_person", shop, "--user", "jo", "--output", str(file))
    assert (file.read_text(), PersonRequest.objects.count()) == ("of somebody else", 0)


def test_half_a_file_is_not_left_behind(committed: Site, tmp_path: Path) -> None:
    file, column = tmp_path / "jo.json", "ALTER TABLE ingest_visitor RENAME COLUMN {} TO {}"
    connection.cursor().execute(column.format("first_seen", "elsewhere"))
    try:
        with pytest.raises(CommandError, match="PostgreSQL says: "):
            run("export_person", committed, "--user", "jo", "--output", str(file))
    finally:
        connection.cursor().execute(column.format("elsewhere", "first_seen"))
    assert not file.exists()


def test_somebody_who_is_not_known_is_told_so(shop: Site, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run("export_person", shop, "--user", "nobody")[1] == "Nothing is stored of this person."


# --- erase_person -----------------------------------------------------------------------------------------


def test_it_erases_when_told_so(shop: Site) -> None:
    told, _ = run("erase_person", shop, "--user", "jo", "--yes")
    assert told == "Erased 1 visitors, 1 sessions, 2 events."
    assert rows("SELECT user_id FROM ingest_event") == [("kim",)]
    assert PersonRequest.objects.values_list("kind", "asked_by", "events").get() == ("erasure", "erase_person", 2)


def test_a_second_run_says_that_there_is_nothing(shop: Site) -> None:
    run("erase_person", shop, "--user", "jo", "--yes")
    told, _ = run("erase_person", shop, "--user", "jo", "--yes")
    assert told == "Nothing is stored of this person: there was nothing to erase."


def test_a_dry_run_tells_and_erases_nothing(shop: Site) -> None:
    told, _ = run("erase_person", shop, "--visitor", "7", "--dry-run")
    assert told.startswith("Dry run: 1 visitors, 1 sessions, 2 events, from 20")
    assert (stored(), PersonRequest.objects.count()) == (3, 0)


def test_it_asks_for_the_sites_name(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "Shop")
    told, beside = run("erase_person", shop, "--user", "jo")
    assert (told, beside[:10]) == ("Erased 1 visitors, 1 sessions, 2 events.", "1 visitors")


@pytest.mark.parametrize(
    ("answer", "error"),
    [("yes", r"yes: is not Shop\. Nothing was erased\."), (None, r"Nobody answers\. Add --yes to erase")],
)
def test_another_answer_erases_nothing(
    shop: Site, monkeypatch: pytest.MonkeyPatch, answer: str | None, error: str
) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(CommandError, match=error):
        run("erase_person", shop, "--user", "jo")
    assert (stored(), PersonRequest.objects.count()) == (3, 0)


def test_it_waits_for_the_stream(committed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WAIT_SECONDS", 0.05)
    publish(committed)
    with pytest.raises(CommandError, match=r"Is the writer running.* Run the same command again"):
        run("erase_person", committed, "--user", "jo", "--yes")
    assert not PersonRequest.objects.exists()


def test_without_redis_it_says_what_to_do(committed: Site, no_redis: Silence) -> None:
    with no_redis(), pytest.raises(CommandError, match="Run the same command again: what is gone stays gone"):
        run("erase_person", committed, "--user", "jo", "--yes")


# --- Both -------------------------------------------------------------------------------------------------

COMMANDS = ("export_person", "erase_person")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_site_that_is_none_is_refused(db: None, command: str) -> None:
    with pytest.raises(CommandError, match=r"--site ff_x: no site has this key"):
        call_command(command, "--site", "ff_x", "--user", "jo")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("options", [(), ("--user", "jo", "--visitor", "7")])
def test_a_person_is_told_in_one_way(site: Site, command: str, options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"one of the arguments|not allowed with"):
        run(command, site, *options)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_id_is_refused(site: Site, command: str) -> None:
    with pytest.raises(CommandError, match="user_id: is empty, or a word such as null"):
        run(command, site, "--user", "null")
