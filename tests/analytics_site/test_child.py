"""The wrapper that binds a program's life to its parent's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analytics_site import child

# A parent that starts `sleep` through the wrapper, prints its pid, and then waits to be killed.
PARENT = f"""
import os, subprocess, sys
environment = {{**os.environ, {child.PARENT!r}: str(os.getpid())}}
command = [sys.executable, "-I", "-S", {child.__file__!r}, *sys.argv[1:], "--", "sleep", "60"]
process = subprocess.Popen(command, env=environment)
print(process.pid, flush=True)
process.wait()
"""


def wrapped(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-S", child.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=20)


def state_of(pid: int) -> str:
    """`sleep` while it runs, `python` before, nothing when it is gone (a zombie counts as gone)."""
    try:
        name, state = Path(f"/proc/{pid}/stat").read_text().split("(")[1].split(") ")
    except FileNotFoundError:
        return ""
    return "" if state.startswith("Z") else name


def await_state(pid: int, wanted: str) -> None:
    end = time.monotonic() + 5
    while state_of(pid) != wanted:
        assert time.monotonic() < end, f"{state_of(pid)!r} instead of {wanted!r}"
        time.sleep(0.02)


def test_it_works() -> None:
    assert wrapped("--", "echo", "a word").stdout == "a word\n"


def test_it_passes_the_exit_code_on() -> None:
    assert wrapped("--", "sh", "-c", "exit 7").returncode == 7


def test_it_starts_the_program_in_its_folder(tmp_path: Path) -> None:
    assert wrapped("--folder", str(tmp_path), "--", "pwd").stdout.strip() == str(tmp_path)


@pytest.mark.parametrize("options", [(), ("--signal", "INT"), ("--signal", "KILL")])
def test_the_program_ends_with_its_parent(options: tuple[str, ...]) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, *options], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        await_state(pid, "sleep")
        parent.kill()
    await_state(pid, "")


def test_a_signal_that_was_ignored_reaches_the_program() -> None:
    """As in the background of a shell, where SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer = wrapped("--", sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT) is None or"
                         " signal.getsignal(signal.SIGINT) == signal.SIG_IGN)")  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    assert answer.stdout == "False\n"


def test_the_program_outlives_nothing_when_its_parent_was_faster() -> None:
    answer = wrapped("--", "echo", "started", **{child.PARENT: "1"})
    assert (answer.returncode, answer.stdout) == (1, "")


def test_the_programs_own_children_know_their_parent() -> None:
    answer = wrapped("--", "sh", "-c", f"echo $$ ${child.PARENT}", **{child.PARENT: str(os.getpid())})
    own, told = answer.stdout.split()
    assert own == told


def test_nothing_is_bound_outside_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(child.PARENT, raising=False)
    child.die_with_parent()  # the parent of this process is unknown, and it goes on


def test_a_lock_is_held_as_long_as_the_program_lives(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    first = subprocess.Popen([sys.executable, "-I", "-S", child.__file__, "--lock", lock, "--", "sleep", "1"])
    await_state(first.pid, "sleep")
    started = time.monotonic()
    assert wrapped("--lock", lock, "--", "true").returncode == 0
    assert first.wait(0) == 0
    assert time.monotonic() - started > 0.5


def test_a_lock_that_is_never_given_back_is_named(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-I", "-S", child.__file__, "--lock", lock, "--", "sleep", "60"]) as first:
        await_state(first.pid, "sleep")
        with pytest.raises(SystemExit, match="is held by processes that did not end within 0 s"):
            child.hold(lock, seconds=0.1)
        first.send_signal(signal.SIGKILL)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match=r"--colour: no such option\. Allowed: --folder, --lock, --signal, --user"):
        child.parse(["--colour", "red", "--", "true"])


def test_becoming_oneself_needs_no_right() -> None:
    import pwd

    child.become(pwd.getpwuid(os.geteuid()).pw_name)
