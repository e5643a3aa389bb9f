"""A Redis that would lose what it takes is refused, at the start of every process."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from analytics_site import launch
from analytics_site.embedded import account, folder
from ingest import keeping
from tests.conftest import Silence
from tests.product import ROOT


def test_it_works() -> None:
    assert keeping.shortcomings() == []
    keeping.check()


SHORT = [
    ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ("maxmemory-policy", "volatile-ttl", "noeviction"),
    ("appendonly", "no", "must be yes"),
    ("appendfsync", "no", "must be everysec"),
]


@pytest.mark.parametrize(("name", "value", "rule"), SHORT)
def test_a_redis_that_loses_entries_is_refused(own_redis: redis.Redis, name: str, value: str, rule: str) -> None:
    own_redis.config_set(name, value)
    with pytest.raises(keeping.Unfit, match=rf"{name} {value}: .*{rule}"):
        keeping.check()


def test_what_the_operator_asks_of_the_disk_is_compared(own_redis: redis.Redis, settings: Settings) -> None:
    settings.INGEST_FSYNC = "always"
    with pytest.raises(keeping.Unfit, match="appendfsync everysec: must be always, as INGEST_FSYNC says"):
        keeping.check()
    own_redis.config_set("appendfsync", "always")
    keeping.check()


def test_more_than_was_asked_is_fine(own_redis: redis.Redis) -> None:
    own_redis.config_set("appendfsync", "always")
    keeping.check()


# --- What cannot be found out -----------------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture) -> str:
    with caplog.at_level(logging.WARNING):
        keeping.check()
    return " ".join(caplog.messages)


def test_without_config_it_goes_on_and_says_what_it_could_not_see(
    own_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """As managed servers have it."""
    own_redis.acl_setuser("default", enabled=True, commands=["-config"])
    assert said(caplog) == "Redis does not tell appendfsync: see that it is everysec, as INGEST_FSYNC says."


def test_without_config_a_redis_that_evicts_is_refused_all_the_same(own_redis: redis.Redis) -> None:
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    own_redis.acl_setuser("default", enabled=True, commands=["-config"])
    with pytest.raises(keeping.Unfit, match="allkeys-lru"):
        keeping.check()


def test_a_redis_that_tells_nothing_is_used(own_redis: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    own_redis.acl_setuser("default", enabled=True, commands=["-config", "-info"])
    assert said(caplog).startswith("Redis does not tell its settings")


def test_an_absent_redis_is_no_reason_not_to_start(no_redis: Silence, caplog: pytest.LogCaptureFixture) -> None:
    with no_redis():
        assert said(caplog).startswith("Redis is away (ConnectionError)")


# --- The processes that refuse ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["write_events", "prepare"])
def test_a_command_does_not_start(own_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    own_redis.config_set("appendonly", "no")
    monkeypatch.setenv("REDIS_URL", django_settings.REDIS_URL)
    with pytest.raises(CommandError, match="Redis has appendonly no: must be yes"):
        call_command(command)


def test_the_web_process_ends_with_the_reason(own_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    monkeypatch.setenv("REDIS_URL", django_settings.REDIS_URL)
    server = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", "0"]
    run = subprocess.run([*server, "analytics_site.rsgi:app"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert "maxmemory-policy allkeys-lru: must be noeviction" in run.stderr


def test_the_embedded_redis_keeps_what_the_operator_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_FSYNC", "always")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.delenv("REDIS_URL")
    data = folder.open_data(tmp_path / "data")
    home = folder.home(data, account.current())
    launch.lay_out_servers(data)
    assert "appendfsync always\n" in (home / "redis" / "redis.conf").read_text()
    folder.remove(home)
