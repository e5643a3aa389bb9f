"""What a sender waits for when Redis is away, and what made-up keys cost."""

import logging

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from ingest import limits, queue
from ingest.models import Site
from ingest.pipeline import collect
from tests.conftest import Silence, counts
from tests.ingest.examples import arrival, document, waiting


def test_rows_that_somebody_holds_are_not_waited_for_without_end(
    committed: Site, another: psycopg.Connection, no_redis: Silence
) -> None:
    one = document(committed, {"name": "a", "visitor_id": "v-1"})
    with no_redis():
        assert collect(arrival(one)).status == 202
        with another.transaction():
            another.execute("SELECT FROM ingest_visitor FOR UPDATE")
            assert collect(arrival(one | {"events": [{"name": "b", "visitor_id": "v-1"}]})).status == 503
        assert collect(arrival(one | {"events": [{"name": "b", "visitor_id": "v-1"}]})).status == 202
    assert counts() == {("stored", ""): 2}


def test_the_limits_of_the_direct_road_are_its_own(committed: Site, no_redis: Silence) -> None:
    with no_redis():
        assert collect(arrival(document(committed, {"name": "a"}))).status == 202
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_made_up_keys_cost_their_sender_tokens(db: None, settings: Settings) -> None:
    settings.INGEST_ADDRESS_RATE, settings.INGEST_ADDRESS_BURST = 1, 20
    statuses = [
        collect(arrival({"site": f"made-up-{number}", "events": [{"name": "a"}]})).status for number in range(60)
    ]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    limits.memory.cache_clear()


def test_made_up_server_keys_cost_their_sender_tokens(site: Site, settings: Settings) -> None:
    settings.INGEST_ADDRESS_RATE, settings.INGEST_ADDRESS_BURST = 1, 20
    one = document(site, {"name": "a"})
    statuses = [collect(arrival(one, server_key=f"made-up-{number}")).status for number in range(60)]
    assert statuses[1] == 401
    assert statuses[-1] == 429


def test_a_known_site_costs_no_more_than_its_events(site: Site, settings: Settings) -> None:
    settings.INGEST_ADDRESS_RATE, settings.INGEST_ADDRESS_BURST = 1, 20
    assert collect(arrival(document(site, {"name": "a"}))).status == 202
    spent = [collect(arrival(document(site, {"name": "a"}))).status for _ in range(18)]
    assert spent.count(202) == 18
    assert len(waiting()) == 19
    assert queue.backlog() == 19


def test_the_log_says_seldom_that_redis_is_away(
    committed: Site, no_redis: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    with no_redis(), caplog.at_level(logging.WARNING, "ingest.pipeline"):
        for _ in range(5):
            assert collect(arrival(document(committed, {"name": "a"}))).status == 202
    assert [record.name for record in caplog.records].count("ingest.pipeline") == 1
