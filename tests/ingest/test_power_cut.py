"""The end of the power: Redis' file may end in the middle of a command."""

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from analytics_site.embedded import account, folder, ports
from analytics_site.embedded.server import Server, wait_ready
from ingest import queue
from ingest.drain import Drain
from ingest.models import Site
from tests import servers_plugin
from tests.conftest import forget
from tests.ingest.writers import publish, stored
from tests.product import wait_for

pytestmark = pytest.mark.usefixtures("quick_turns")


class Store:
    """A Redis that can be started again over the same file."""

    def __init__(self, home: Path) -> None:
        user = account.current()
        self.home = home
        self.server: Server = servers_plugin._redis(home, user, ports.kept(home, ["redis"])["redis"])
        self.start()

    def start(self) -> None:
        _, self.process = servers_plugin._run(self.home, self.server)
        wait_ready(self.server, lambda: servers_plugin._ended(self.home, self.process))

    def cut(self, lost: int) -> None:
        """The power ends, and LOST bytes at the end of the file were not on the disk."""
        wait_for(self._has_written, 30)
        self.process.kill()
        self.process.wait()
        (file,) = [path for path in (self.home / "redis").rglob("*.aof") if path.stat().st_size]
        with file.open("r+b") as opened:
            opened.truncate(file.stat().st_size - lost)
        self.start()

    def _has_written(self) -> bool:
        """While its disk is busy Redis keeps what is new in memory, for up to two seconds."""
        told = queue.client().info("persistence")
        return told["aof_buffer_length"] == 0 and told["aof_pending_bio_fsync"] == 0


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    name = f"{servers_plugin.PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    home = folder.throw_away(name, account.current(), Path(tempfile.gettempdir()))
    running = Store(home)
    settings.REDIS_URL = running.server.url
    forget()
    yield running
    servers_plugin._stop(running.process, signal.SIGTERM)
    folder.remove(home)


@pytest.fixture
def three(store: Store, committed: Site) -> Store:
    for _ in range(3):
        publish(committed)
    return store


def test_what_was_on_the_disk_is_written(three: Store) -> None:
    three.cut(lost=0)
    Drain().turn()
    assert (stored(), queue.backlog()) == (3, 0)


def test_half_a_command_at_the_end_costs_that_one_alone(three: Store) -> None:
    three.cut(lost=20)
    Drain().turn()
    assert (stored(), queue.backlog()) == (2, 0)


def test_it_takes_events_again(three: Store, committed: Site) -> None:
    three.cut(lost=20)
    publish(committed)
    Drain().turn()
    assert stored() == 3
