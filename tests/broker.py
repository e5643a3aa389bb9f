"""Where tasks go in tests: nowhere, or into the memory of the test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analytics_site.celery import app

NOWHERE = "redis://127.0.0.1:1/0"
AT_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}  # it is away, or it is not


@contextmanager
def broker_at(url: str) -> Iterator[Any]:
    """Tasks go there instead; gives a channel to it."""
    amqp: Any = app.amqp  # which keeps its connections for as long as it lives
    app.conf.update(broker_write_url=url, task_publish_retry=False, broker_transport_options=AT_ONCE)
    amqp._producer_pool = None
    try:
        with app.connection_for_write() as connection:
            yield connection
    finally:
        app.conf.update(broker_write_url=app.conf.broker_url, task_publish_retry=True, broker_transport_options={})
        amqp._producer_pool = None


@pytest.fixture
def handed_on() -> Iterator[Callable[[], Any]]:
    """The next task that was handed on, or None; of this process alone."""
    with broker_at("memory://") as connection:
        connection.default_channel.queue_purge("celery")
        yield lambda: connection.default_channel.basic_get("celery", no_ack=True)
