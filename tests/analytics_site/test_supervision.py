"""supervisord as a child, with small programs of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_site.embedded import folder
from analytics_site.programs import CLONE, Program, bound, of_product
from analytics_site.supervision import Process, Supervisor, answers, end_groups, processes, socket_path
from tests.product import wait_for

SLEEP = Program("sleeper", bound(["sleep", "60"]), priority=10)
LOUD = Program("loud", bound(["echo", "one ; two # three %d"]), priority=20)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Under a name in which every sign has a meaning in supervisord's file."""
    return folder.open_data(tmp_path / "my data ;#%s")


@pytest.fixture
def supervisor(data: Path) -> Iterator[Supervisor]:
    with (data / "lock").open("w") as lock:
        running = Supervisor.launch(data, socket_path(data), [SLEEP, LOUD], lock.fileno(), {"EXTRA": "1"})
    try:
        wait_for(lambda: answers(running.path), 10)
        yield running
    finally:
        running.stop()
        running.process.wait(10)
        running.close()


def found(supervisor: Supervisor, name: str) -> Process:
    return next(process for process in supervisor.processes() if process.name == name)


def asleep(supervisor: Supervisor) -> int | None:
    """The program's pid once it has come through the wrapper."""
    pid = found(supervisor, "sleeper").pid
    comm = Path(f"/proc/{pid}/comm")
    return pid if comm.exists() and comm.read_text() == "sleep\n" else None


def start(supervisor: Supervisor) -> int:
    supervisor.start("sleeper")
    wait_for(lambda: asleep(supervisor) is not None, 5)
    return asleep(supervisor) or 0


def test_it_works(supervisor: Supervisor) -> None:
    assert [(process.name, process.pid, process.state) for process in supervisor.processes()] == [
        ("loud", None, "stopped"),
        ("sleeper", None, "stopped"),
    ]
    pid = start(supervisor)
    assert Path(f"/proc/{pid}/cwd").readlink() == CLONE
    assert b"EXTRA=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_what_is_killed_starts_again(supervisor: Supervisor) -> None:
    before = start(supervisor)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: asleep(supervisor) not in (before, None), 5)


def test_signs_in_a_command_and_in_the_folder_are_only_signs(supervisor: Supervisor, data: Path) -> None:
    supervisor.start("loud")
    log = data / "log" / "loud.log"
    wait_for(lambda: log.exists() and log.read_text() == "one ; two # three %d\n", 5)


def test_what_ends_at_once_is_tried_with_pauses(supervisor: Supervisor) -> None:
    supervisor.start("loud")
    wait_for(lambda: found(supervisor, "loud").state == "backoff", 5)


def test_its_end_is_the_end_of_all(supervisor: Supervisor) -> None:
    pid = start(supervisor)
    supervisor.process.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 5)
    assert supervisor.process.wait(1) == -signal.SIGKILL


def test_a_supervisor_that_has_ended_has_no_processes(tmp_path: Path) -> None:
    assert processes(tmp_path / "none") == []
    assert not answers(tmp_path / "none")


def test_only_we_may_talk_to_it(supervisor: Supervisor) -> None:
    assert supervisor.path.stat().st_mode & 0o077 == 0


def test_a_socket_that_would_be_too_deep_is_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    path = socket_path(deep)
    assert deep not in path.parents
    assert path.parent.stat().st_mode & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(path))
    path.unlink()
    path.parent.rmdir()


def test_groups_that_do_not_end_are_killed() -> None:

    command = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, process_group=0) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        stubborn.terminate()
        end_groups([stubborn.pid], 0.2)
        assert stubborn.wait(5) == -signal.SIGKILL


def test_the_web_process_stops_first_and_the_tasks_last() -> None:
    order = sorted(of_product("127.0.0.1", 8000), key=lambda program: -program.priority)
    assert [program.name for program in order] == ["web", "writer", "worker", "beat"]


def test_the_web_process_keeps_no_access_log() -> None:
    web = of_product("127.0.0.1", 8000)[0]
    assert "--no-access-log" in web.command
