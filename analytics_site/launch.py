"""The start, the life and the end of everything that `manage.py up` runs."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from analytics_site import child, env
from analytics_site.console import Follower
from analytics_site.embedded import EmbeddedError, State, account, folder, ports, postgres, redis_server, state
from analytics_site.embedded.server import START_SECONDS, Server
from analytics_site.programs import MANAGE, bound, of_product, of_server
from analytics_site.supervision import Supervisor, answers, end_groups, socket_path

TURN_SECONDS = 0.1
WEB_SECONDS = 60
GIVEN_SECONDS = 10  # a server that is ours starts now, one that was given should run
QUIET_TURNS = 3
STOP_SECONDS = 120  # four stages of up to 30 s each


@dataclass(frozen=True)
class Plan:
    """What to start and where. `host` and `port` are the web process's."""

    data: Path
    host: str
    port: int

    @property
    def address(self) -> str:
        """For a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def lay_out_servers(data: Path) -> list[Server]:
    """The servers that no variable names, their files made."""
    fsync = env.choice("INGEST_FSYNC", default="everysec", allowed={"always", "everysec"})
    makers: dict[str, Callable[[Path, account.Account, int], Server]] = {
        "DATABASE_URL": lambda *at: postgres.lay_out(postgres.Cluster(*at)),
        "REDIS_URL": lambda home, user, port: redis_server.lay_out(
            redis_server.Store(home, user, port, {"appendfsync": fsync})
        ),
    }
    missing = [name for name in makers if not env.text(name)]
    if not missing:
        return []
    user = account.current()
    home = folder.home(data, user)
    free = ports.kept(home, missing)
    return [makers[name](home, user, free[name]) for name in missing]


class Launch:
    """`with Launch(plan) as launch: …`: at the end everything is stopped, in order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        folder.open_data(plan.data)
        self.lock = state.lock(plan.data)
        ports.check(plan.host, plan.port)
        self.servers = lay_out_servers(plan.data)
        self.product = of_product(plan.host, plan.port)
        self.programs = [*map(of_server, self.servers), *self.product]
        names = [*(program.name for program in self.programs), "prepare", "supervisor"]
        self.log = Follower(plan.data / "log", names)
        self.helpers: list[subprocess.Popen[Any]] = []
        self.supervisor = self._launch_supervisor()

    def _launch_supervisor(self) -> Supervisor:
        path = socket_path(self.plan.data)
        urls = {server.name: server.url for server in self.servers}
        found = State(
            pid=os.getpid(),
            address=self.plan.address,
            supervisor=str(path),
            database_url=urls.get("postgres", ""),
            redis_url=urls.get("redis", ""),
        )
        state.write(self.plan.data, found)
        return Supervisor.launch(self.plan.data, path, self.programs, self.lock, self.environment())

    def environment(self) -> dict[str, str]:
        """For every process of ours."""
        return {
            "FOOTFALL_DATA": str(self.plan.data),
            "BASE_URL": env.text("BASE_URL") or self.plan.address,
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # --- Start --------------------------------------------------------------------------------------------

    def start_servers(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not answers(self.supervisor.path) and time.monotonic() < end:
            self._check_supervisor()
            time.sleep(TURN_SECONDS / 5)
        self.log.skip("supervisor")  # so far it spoke about itself
        for server in self.servers:
            self.supervisor.start(server.name)

    def prepare(self, demo: bool) -> dict[str, str | None]:
        """Run `manage.py prepare` while the servers start; what it prints."""
        wait = START_SECONDS if any(server.name == "postgres" for server in self.servers) else GIVEN_SECONDS
        with (self.plan.data / "log" / "prepare.log").open("ab") as log:
            process = self._manage(
                ["prepare", "--wait", str(wait), *(["--demo"] if demo else [])], stdout=subprocess.PIPE, stderr=log
            )
        for server in self.servers:
            self.until(server.is_ready, server.title, START_SECONDS, self._loss(server.name))
        self.until(lambda: process.poll() is not None, "manage.py prepare")
        if process.returncode:
            raise EmbeddedError(f"manage.py prepare failed: {self.log.last_line('prepare')}")
        assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
        found: dict[str, str | None] = json.load(process.stdout)
        return found

    def fill(self, site: str, days: int) -> None:
        """Run `manage.py demo`, whose progress bar has the terminal to itself."""
        process = self._manage(["demo", "--days", str(days), "--site", site])
        while process.poll() is None:
            self._check_supervisor()
            time.sleep(TURN_SECONDS)
        if process.returncode:
            raise EmbeddedError(f"manage.py demo ended with code {process.returncode}; see above.")

    def _manage(self, arguments: list[str], **streams: Any) -> subprocess.Popen[Any]:
        environment = {**os.environ, **self.environment(), child.PARENT: str(os.getpid())}
        process = subprocess.Popen(bound([*MANAGE, *arguments]), env=environment, start_new_session=True, **streams)
        self.helpers.append(process)
        return process

    def start_product(self) -> None:
        """Start the rest; return when the web process answers."""
        for program in self.product:
            self.supervisor.start(program.name)
        self.until(lambda: is_healthy(self.plan.address), "The web process", WEB_SECONDS, self._loss("web"))

    def _loss(self, name: str) -> Callable[[], str | None]:
        """Tells when a program that should be starting has ended: the last line it wrote."""
        first: list[int] = []

        def reason() -> str | None:
            found = {process.name: process for process in self.supervisor.processes()}.get(name)
            if found is None or (found.pid is None and found.state == "starting"):
                return None
            first.extend([found.pid] if found.pid and not first else [])
            is_same = found.state in ("starting", "running") and [found.pid] == first
            return None if is_same else self.log.last_line(name)

        return reason

    # --- Life ---------------------------------------------------------------------------------------------

    def until(
        self,
        is_done: Callable[[], bool],
        what: str,
        seconds: float | None = None,
        loss: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Show the logs until `is_done`. Raises EmbeddedError at a loss or after `seconds`."""
        end = time.monotonic() + (seconds or float("inf"))
        while not is_done():
            self._turn()
            if reason := loss():
                raise EmbeddedError(f"{what} did not start: {reason}")
            if time.monotonic() > end:
                raise EmbeddedError(f"{what} did not answer within {seconds} s. Look at {self.plan.data / 'log'}.")
        self.log.show()

    def quieten(self, seconds: float = 2) -> None:
        """Show the logs until every program has said that it starts, so that what is printed next stays in sight."""
        end = time.monotonic() + seconds
        names = [program.name for program in self.product]
        quiet = 0
        while (quiet < QUIET_TURNS or not self.log.have_spoken(names)) and time.monotonic() < end:
            quiet = 0 if self.log.show() else quiet + 1
            time.sleep(TURN_SECONDS)

    def serve(self) -> None:
        """Show the logs for ever; supervisord starts again what dies."""
        while True:
            self._turn()

    def _turn(self) -> None:
        self.log.show()
        self._check_supervisor()
        time.sleep(TURN_SECONDS)

    def _check_supervisor(self) -> None:
        if not self.supervisor.is_alive():
            raise EmbeddedError("supervisord has ended, and with it everything else. Start again with bin/up.")

    # --- End ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all in order; at a second Ctrl-C at once."""
        pids = [process.pid for process in self.supervisor.processes() if process.pid]
        pids += [helper.pid for helper in self.helpers if helper.poll() is None]
        patience: float = STOP_SECONDS
        try:
            self._stop_in_order()
        except KeyboardInterrupt:
            patience = 0
            self.supervisor.process.kill()
        finally:
            end_groups(pids, patience if self.supervisor.is_alive() else min(patience, 35))
            self.supervisor.process.kill()
            for process in (*self.helpers, self.supervisor.process):
                process.wait()
            self.log.show()
            self.log.close()
            self.supervisor.close()
            state.forget(self.plan.data)

    def _stop_in_order(self) -> None:
        for helper in self.helpers:
            helper.terminate()
        self.supervisor.stop()
        end = time.monotonic() + STOP_SECONDS
        while self.supervisor.is_alive() and time.monotonic() < end:
            self.log.show()
            answers(self.supervisor.path)  # its loop turns once a second, and at once when somebody calls
            time.sleep(TURN_SECONDS)


def is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310 (our own http)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def say(text: str) -> None:
    print(text, file=sys.stdout, flush=True)  # noqa: T201
