"""The servers of a test run, seen from inside it."""

import os
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection

from tests import servers_plugin


def test_it_works() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.info.server_version >= 150000
    assert redis.Redis.from_url(os.environ["REDIS_URL"]).ping()


def test_the_settings_use_the_servers_of_the_run() -> None:
    assert str(connection.settings_dict["PORT"]) in os.environ["DATABASE_URL"]
    assert os.environ["REDIS_URL"] == settings.REDIS_URL


@pytest.mark.parametrize(("worker", "number"), [("gw0", 1), ("gw1", 2), ("gw62", 63), ("gw63", 1)])
def test_each_worker_has_a_redis_database_of_its_own(worker: str, number: int) -> None:
    url = servers_plugin.redis_database("redis://:secret@127.0.0.1:6400/0", worker)
    assert url == f"redis://:secret@127.0.0.1:6400/{number}"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    ended = tmp_path / f"{servers_plugin.PREFIX}4194304-ab"  # one above the kernel's highest process id
    running = tmp_path / f"{servers_plugin.PREFIX}{os.getpid()}-ab"
    for path in (ended, running, tmp_path / "another"):
        path.mkdir()
    servers_plugin.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", running.name]
