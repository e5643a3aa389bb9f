"""`manage.py servers` and `prepare`, and what commands say while nothing runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from analytics_site.embedded.state import CLONE
from analytics_site.management.commands import prepare, servers, up
from ingest.models import Site
from reports.models import User

URLS = ("DATABASE_URL", "REDIS_URL")
Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """`manage.py` with an empty data folder and no server named."""
    environment = {name: value for name, value in os.environ.items() if name not in URLS}
    environment["FOOTFALL_DATA"] = str(tmp_path)

    def run(*arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=CLONE, env=environment | extra, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("command", [["sites"], ["migrate"], ["dbshell"], ["partitions"]])
def test_a_command_without_a_database_says_what_to_do(manage: Manage, tmp_path: Path, command: list[str]) -> None:
    answer = manage(*command)
    assert answer.returncode == 1
    assert answer.stderr.strip().endswith(
        f"PostgreSQL is not running for the data folder {tmp_path}. "
        "Start it with bin/up, or set DATABASE_URL to the address of your own."
    )
    assert "Traceback" not in answer.stderr


def test_a_command_that_needs_no_database_works_without(manage: Manage) -> None:
    assert manage("check").returncode == 0


def test_servers_says_that_nothing_runs(manage: Manage, tmp_path: Path) -> None:
    answer = manage("servers", "--json")
    assert answer.returncode == 1
    assert answer.stderr == f"CommandError: Nothing runs for the data folder {tmp_path}. Start it with bin/up.\n"


def test_servers_are_shown_as_a_table() -> None:
    processes = [{"name": "web", "pid": 12, "state": "running"}, {"name": "writer", "pid": None, "state": "backoff"}]
    lines = servers.table({"address": "http://127.0.0.1:8000", "pid": 7, "processes": processes}).splitlines()
    assert lines[0] == "Dashboard at http://127.0.0.1:8000"
    assert [line.split() for line in lines[2:]] == [
        ["process", "pid", "state"],
        ["up", "7", "running"],
        ["web", "12", "running"],
        ["writer", "backoff"],
    ]


def test_a_database_that_does_not_answer_is_named(manage: Manage) -> None:
    answer = manage("prepare", "--wait", "0", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert answer.returncode == 1
    assert "PostgreSQL at 127.0.0.1:9 did not answer within 0 s" in answer.stderr
    assert "Check DATABASE_URL." in answer.stderr


def test_prepare_waits_until_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([OperationalError("starting up"), OperationalError("starting up"), None])

    def connect() -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr(prepare.connection, "ensure_connection", connect)
    prepare.wait_for_database(5)
    assert list(answers) == []


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_OWNER_EMAIL", "ada@example.com")
    monkeypatch.delenv("FOOTFALL_OWNER_PASSWORD", raising=False)


def prepared(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str | None]:
    call_command("prepare", *arguments)
    found: dict[str, str | None] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody")
class TestPrepare:
    def test_the_first_start_makes_an_owner_and_a_site(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = prepared(capsys)
        owner, site = User.objects.get(), Site.objects.get()
        assert found == {"email": "ada@example.com", "password": found["password"], "site": site.key}
        assert owner.check_password(found["password"] or "")
        assert owner.memberships.get().site == site

    def test_the_second_start_makes_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        first = prepared(capsys)
        assert prepared(capsys) == {**first, "password": None}
        assert (User.objects.count(), Site.objects.count()) == (1, 1)

    def test_a_password_of_the_environment_is_used(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FOOTFALL_OWNER_PASSWORD", "correct horse")
        prepared(capsys)
        assert User.objects.get().check_password("correct horse")

    def test_the_demo_site_stays_away_where_there_are_sites(self, capsys: pytest.CaptureFixture[str]) -> None:
        Site.objects.create(name="Mine", domain="mine.example")
        assert prepared(capsys)["site"] is None

    def test_the_demo_site_is_made_beside_others_when_wanted(self, capsys: pytest.CaptureFixture[str]) -> None:
        Site.objects.create(name="Mine", domain="mine.example")
        assert prepared(capsys, "--demo")["site"] == Site.objects.get(domain="shop.example.com").key


@pytest.mark.django_db
def test_no_migration_is_left_after_migrating() -> None:
    assert not prepare.has_migrations()


def test_a_new_password_is_shown() -> None:
    last = up.welcome("http://127.0.0.1:8000", "ada@example.com", "secret").rstrip().splitlines()[-3:]
    assert [line.split(maxsplit=1) for line in last] == [
        ["Dashboard", "http://127.0.0.1:8000"],
        ["E-mail", "ada@example.com"],
        ["Password", "secret"],
    ]


def test_an_old_password_can_be_replaced() -> None:
    assert "manage.py changepassword ada@example.com" in up.welcome("http://127.0.0.1:8000", "ada@example.com", None)


def test_an_unknown_option_of_up_is_refused() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments: --colour"):
        call_command("up", "--colour")
