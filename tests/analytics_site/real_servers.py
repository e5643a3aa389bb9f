"""Real servers of a data folder, for the length of a `with`."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics_site.child import PARENT
from analytics_site.embedded import account, folder, ports, postgres, redis_server
from analytics_site.embedded.postgres import Cluster
from analytics_site.embedded.redis_server import Store
from analytics_site.embedded.server import Server, wait_ready


class Servers:
    """A PostgreSQL and a Redis over one home; `start` and `kill` as often as a test likes."""

    def __init__(self, data: Path) -> None:
        self.account = account.current()
        self.home = folder.home(folder.open_data(data), self.account)
        free = ports.kept(self.home, ["postgres", "redis"])
        self.cluster = Cluster(self.home, self.account, free["postgres"], {"fsync": "off", "shared_buffers": "16MB"})
        self.store = Store(self.home, self.account, free["redis"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for server in (postgres.lay_out(self.cluster), redis_server.lay_out(self.store)):
            self.processes[server.name] = self._run(server)
            wait_ready(server, self.is_lost(server.name), 30)

    def _run(self, server: Server) -> subprocess.Popen[bytes]:
        environment = {**os.environ, PARENT: str(os.getpid())}
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(server.command, env=environment, stdout=log, stderr=log)

    def is_lost(self, name: str) -> Callable[[], str | None]:
        process = self.processes[name]
        return lambda: None if process.poll() is None else (self.home / "log").read_text()[-500:]

    def end(self, number: int) -> None:
        for process in self.processes.values():
            process.send_signal(number)
        for process in self.processes.values():
            process.wait()
        self.processes = {}


@contextmanager
def servers(data: Path) -> Iterator[Servers]:
    running = Servers(data)
    try:
        running.start()
        yield running
    finally:
        running.end(signal.SIGKILL)
        folder.remove(running.home)
