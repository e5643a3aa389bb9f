"""Throw-away PostgreSQL and Redis for a test run, there before the settings are read.

Loaded with `-p tests.servers_plugin`. TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead. Under
pytest-xdist the first process starts them and its workers share them: each has a database of its own from
pytest-django, and a Redis database of its own by its number.
"""

import atexit
import os
import secrets
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from analytics_site.child import PARENT
from analytics_site.embedded import account, folder, ports, postgres, redis_server
from analytics_site.embedded.server import Server, wait_ready

PREFIX = "footfall-tests-"
REDIS_DATABASES = 64
STOP_SECONDS = 10


def start() -> None:
    """Set DATABASE_URL, REDIS_URL and FOOTFALL_DATA for this process and what it starts."""
    user = account.current()
    around = Path(tempfile.gettempdir())
    home = folder.throw_away(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}", user, around)
    sweep(home.parent)
    atexit.register(folder.remove, home)
    os.environ["FOOTFALL_DATA"] = str(folder.open_data(home / "data"))
    free = ports.kept(home, ["postgres", "redis"])
    servers = {
        "DATABASE_URL": given("TEST_DATABASE_URL") or _postgres(home, user, free["postgres"]),
        "REDIS_URL": given("TEST_REDIS_URL") or _redis(home, user, free["redis"]),
    }
    running = [_run(home, server) for server in servers.values() if isinstance(server, Server)]
    for server, process in running:
        wait_ready(server, lambda process=process: _ended(home, process))  # type: ignore[misc]
    os.environ.update({name: found if isinstance(found, str) else found.url for name, found in servers.items()})


def given(name: str) -> str:
    return os.environ.get(name, "")


def _postgres(home: Path, user: account.Account, port: int) -> Server:
    settings = postgres.THROW_AWAY
    return postgres.lay_out(postgres.Cluster(home, user, port, settings, may_create_databases=True))


def _redis(home: Path, user: account.Account, port: int) -> Server:
    return redis_server.lay_out(redis_server.Store(home, user, port, {"databases": str(REDIS_DATABASES)}))


def _run(home: Path, server: Server) -> tuple[Server, subprocess.Popen[bytes]]:
    """Start the server as a child that ends with this process, however that ends."""
    with (home / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            server.command,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is pytest's, which still needs its servers to clean up
            env={**os.environ, PARENT: str(os.getpid())},
        )
    atexit.register(_stop, process, signal.Signals[f"SIG{server.stop_signal}"])
    return server, process


def _ended(home: Path, process: subprocess.Popen[bytes]) -> str | None:
    return None if process.poll() is None else (home / "servers.log").read_text()[-500:]


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def sweep(parent: Path) -> None:
    """Remove what test runs left that were killed."""
    for path in parent.glob(f"{PREFIX}*"):
        pid = int(path.name.removeprefix(PREFIX).split("-")[0])
        if not _lives(pid):
            folder.remove(path)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def redis_database(url: str, worker: str) -> str:
    """`redis://host:port/0` with the database of worker `gw3`: 4. 0 stays for a run without workers."""
    number = int(worker.removeprefix("gw")) % (REDIS_DATABASES - 1) + 1
    return urlsplit(url)._replace(path=f"/{number}").geturl()


if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["REDIS_URL"] = redis_database(os.environ["REDIS_URL"], os.environ["PYTEST_XDIST_WORKER"])
else:
    start()
