"""/healthz and /readyz: what is wrong is said, to those who may know."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from django.test import Client
from pytest_django import Settings

from analytics_site import health
from ingest import lease, partitions, queue, writer
from ingest.models import Shard, Site
from tests.conftest import Silence, no_postgres


def ready(status: int, **extra: Any) -> dict[str, str]:
    """The problems by check; the fine ones left out."""
    answer = Client().get("/readyz", **extra)
    told = json.loads(answer.content)
    assert (answer.status_code, answer["Cache-Control"], told["ready"]) == (status, "no-store", status == 200)
    assert set(told["checks"]) == set(health.CHECKS)
    return {name: said for name, said in told["checks"].items() if said != "ok"}


@pytest.fixture
def written(db: None) -> None:
    """Every shard has a writer."""
    assert lease.take(writer.connected(), 0)


def test_it_works(written: None) -> None:
    assert ready(200) == {}
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_is_read_only(written: None, path: str) -> None:
    assert Client().post(path).status_code == 405
    assert Client().head(path).status_code == 200


def test_rates_that_are_open_are_noted_and_nobody_is_sent_away(written: None, own_redis: redis.Redis) -> None:
    assert json.loads(Client().get("/readyz").content)["notes"] == {}
    own_redis.acl_setuser("default", enabled=True, commands=["-evalsha"])
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert json.loads(answer.content)["notes"]["rates"].startswith("Rates are not limited, Redis cannot be asked")


def test_figures_that_are_behind_are_noted_and_nobody_is_sent_away(written: None) -> None:
    Site.objects.create(name="Shop", domain="shop.example.com", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert json.loads(answer.content)["notes"]["freshness"].startswith("Figures stop too early: 1 site (number ")


# --- Who may look -----------------------------------------------------------------------------------------

ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.mark.parametrize(
    "extra",
    [ELSEWHERE, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {**ELSEWHERE, "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
     {**ELSEWHERE, "HTTP_AUTHORIZATION": "Bearer "}, {**ELSEWHERE, "HTTP_AUTHORIZATION": "Bearer x"}],
)  # fmt: skip
def test_from_elsewhere_there_is_nothing(db: None, extra: dict[str, str]) -> None:
    assert Client().get("/readyz", **extra).status_code == 404  # type: ignore[arg-type]


def test_from_elsewhere_a_token_opens_it(written: None, settings: Settings) -> None:
    settings.HEALTH_TOKEN = "t0ken-é"
    for header, status in (("Bearer t0ken-é", 200), ("Bearer t0ken", 404), ("Bearer ", 404), ("", 404)):
        assert Client().get("/readyz", HTTP_AUTHORIZATION=header, **ELSEWHERE).status_code == status  # type: ignore[arg-type]


def test_this_machine_needs_no_token(written: None, settings: Settings) -> None:
    settings.HEALTH_TOKEN = "t0ken"
    assert ready(200, REMOTE_ADDR="127.0.0.1") == ready(200, REMOTE_ADDR="::1") == {}


@pytest.mark.parametrize(("name", "value"), [("HTTPS", True), ("INGEST_TRUSTED_PROXIES", 1)])
def test_behind_a_proxy_the_token_alone_counts(written: None, settings: Settings, name: str, value: object) -> None:
    """One on this machine may pass on the requests of everybody without saying for whom."""
    setattr(settings, name, value)
    settings.HEALTH_TOKEN = "t0ken"
    assert Client().get("/readyz", REMOTE_ADDR="127.0.0.1").status_code == 404
    assert ready(200, REMOTE_ADDR="127.0.0.1", HTTP_AUTHORIZATION="Bearer t0ken") == {}


# --- What is wrong ----------------------------------------------------------------------------------------


def test_a_missing_writer_is_said(db: None) -> None:
    assert ready(503) == {"writer": "No writer for shard 0. Start manage.py write_events."}


def test_a_writer_that_went_silent_is_missing(written: None) -> None:
    Shard.objects.update(until=datetime.now(UTC) - timedelta(seconds=1))
    assert set(ready(503)) == {"writer"}


def test_every_shard_needs_a_writer(written: None, settings: Settings) -> None:
    settings.INGEST_SHARDS = 3
    assert ready(503) == {"writer": "No writer for shard 1, 2. Start manage.py write_events."}


def test_missing_days_are_said(written: None) -> None:
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    writer.connected().execute(f"DROP TABLE {partitions.name_of(day)}")
    assert ready(503) == {"partitions": f"No partition for {day}. Run manage.py partitions."}


def test_a_redis_that_may_lose_entries_is_said(written: None, own_redis: redis.Redis) -> None:
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    own_redis.config_set("appendonly", "no")
    said = ready(503)
    assert set(said) == {"redis"}
    assert "maxmemory-policy allkeys-lru: must be noeviction" in said["redis"]
    assert "appendonly no: must be yes" in said["redis"]


def test_a_backlog_is_said(written: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BACKLOG_MOST", 1)
    for _ in range(2):
        queue.client().xadd(queue.key_of(0), {"b": b""})
    assert ready(503) == {"stream": "2 batches wait in the stream: at most 1 are normal."}


def test_an_absent_redis_is_said(written: None, no_redis: Silence) -> None:
    with no_redis():
        assert ready(503) == dict.fromkeys(("redis", "stream"), "ConnectionError: not reachable.")


def test_an_absent_postgres_is_said(committed: Site) -> None:
    with no_postgres():
        said = ready(503)
    assert said == dict.fromkeys(("postgresql", "partitions", "writer"), "OperationalError: not reachable.")


def test_a_connection_that_breaks_in_the_middle_is_said(another: psycopg.Connection) -> None:
    def broken() -> Iterator[str]:
        another.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        yield "never"

    assert health.problem_of(broken) == "AdminShutdown: not reachable."


def test_a_redis_that_does_not_tell_its_settings_is_reachable(written: None, own_redis: redis.Redis) -> None:
    """Managed ones allow INFO and not CONFIG; what cannot be checked at all is said."""
    own_redis.acl_setuser("default", enabled=True, commands=["-config"])
    assert ready(200) == {}
    own_redis.acl_setuser("default", enabled=True, commands=["-info"])
    assert ready(503) == {"redis": "The settings of Redis cannot be read (NoPermissionError): allow INFO."}
