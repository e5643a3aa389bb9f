"""supervisord as a child: its configuration, its socket, and what it says of its programs."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

from analytics_site import child
from analytics_site.programs import Program, bound

SOCKET_BYTES = 95  # a socket's path may have 107, and supervisord makes it under a longer name first
STOP_SECONDS = 30
TRIES = 1_000  # with one second more between each two: days
BASE = """
[supervisord]
nodaemon=true
silent=true
{user}
logfile=log/supervisor.log
logfile_maxbytes=1MB
logfile_backups=2
pidfile=run/supervisor.pid

[unix_http_server]
file=%(ENV_FOOTFALL_SOCKET)s
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command=%(ENV_FOOTFALL_COMMAND_{name})s
priority={priority}
autostart=false
autorestart=true
startsecs={steady}
startretries={tries}
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=log/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True)
class Process:
    """`pid` is None while it does not run; `state` is supervisord's word in lower case."""

    name: str
    pid: int | None
    state: str


def configuration(programs: list[Program]) -> str:
    """The file for supervisord. Commands come by the environment: in the file `;`, `#` and `%` have meanings."""
    sections = [
        PROGRAM.format(
            name=program.name,
            priority=program.priority,
            steady=program.steady,
            tries=TRIES,
            stop_signal=program.stop_signal,
            stop_seconds=STOP_SECONDS,
        )
        for program in programs
    ]
    return BASE.format(user="user=root" if os.geteuid() == 0 else "") + "".join(sections)


def socket_path(data: Path) -> Path:
    """In the data folder, or where that is too deep for a socket, in a private one of the system's."""
    path = data / "run" / "supervisor.sock"
    if len(os.fsencode(path)) <= SOCKET_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="footfall-")) / "s"


class Supervisor:
    """A running supervisord. It ends, with all its programs in order, when this process does."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process = process
        self.path = path

    @classmethod
    def launch(cls, data: Path, path: Path, programs: list[Program], lock: int, extra: dict[str, str]) -> "Supervisor":
        """`lock` is a descriptor that stays open as long as supervisord lives; `extra` goes into the environment."""
        file = data / "run" / "supervisord.conf"
        file.write_text(configuration(programs))
        path.unlink(missing_ok=True)  # a killed one's
        environment = {
            **os.environ,
            **extra,
            **{f"FOOTFALL_COMMAND_{program.name}": shlex.join(program.command) for program in programs},
            child.PARENT: str(os.getpid()),
            "FOOTFALL_SOCKET": str(path),
        }
        # A session of its own, or Ctrl-C in the terminal would reach every program at once, in no order.
        process = subprocess.Popen(
            bound([sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(file)], data),
            env=environment,
            pass_fds=[lock],
            start_new_session=True,
        )
        return cls(process, path)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def start(self, name: str) -> None:
        with rpc(self.path) as server:
            server.supervisor.startProcess(name, False)

    def processes(self) -> list[Process]:
        return processes(self.path)

    def stop(self) -> None:
        """Ask for the orderly end; returns at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        if self.path.parent.name != "run":
            shutil.rmtree(self.path.parent, ignore_errors=True)


def processes(path: Path) -> list[Process]:
    """What supervisord says of its programs; [] when it does not answer."""
    if not answers(path):
        return []
    try:
        with rpc(path) as server:
            found: Any = server.supervisor.getAllProcessInfo()
    except (OSError, RpcError):
        return []  # it is ending
    return [Process(row["name"], row["pid"] or None, row["statename"].lower()) for row in found]


def rpc(path: Path) -> ServerProxy:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from supervisor.xmlrpc import SupervisorTransport
    return ServerProxy("http://supervisor", transport=SupervisorTransport(None, None, f"unix://{path}"))


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def end_groups(pids: list[int], seconds: float) -> None:
    """Wait for process groups to end; kill what has not after `seconds`."""
    end = time.monotonic() + seconds
    while (pids := [pid for pid in pids if _lives(pid)]) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    """Zombies do not: nobody may be there to bury them."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
