"""The shell part of bin/up and bin/test: which Python, and when packages are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analytics_site.embedded.state import CLONE

BASH = shutil.which("bash") or "/bin/bash"
RECORDER = f"""#!{BASH}
if [ "$1 $2" = "-m pip" ]; then echo "$@" >>"$CALLS"; else exec {sys.executable} "$@"; fi
"""


def shell(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [BASH, "-uc", f". {CLONE}/bin/lib/environment.sh; {script}"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with nothing on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def test_it_works(path: Path) -> None:
    (path / "python3").symlink_to(sys.executable)
    assert shell("find_python", PATH=str(path)).stdout == "python3\n"


def test_a_launcher_of_a_version_that_is_not_there_is_passed_over(path: Path) -> None:
    program(path, "python3.12", f"#!{BASH}\nexit 127\n")
    (path / "python3").symlink_to(sys.executable)
    assert shell("find_python", PATH=str(path)).stdout == "python3\n"


def test_a_python_that_is_too_old_is_named(path: Path) -> None:
    program(path, "python3", f'#!{BASH}\n[ "$1" = --version ] && echo Python 3.9.2 || exit 1\n')
    answer = shell("find_python", PATH=str(path))
    assert answer.returncode == 1
    assert "no usable Python: Python 3.9.2 was found, and Footfall needs 3.11 or newer" in answer.stderr


def test_no_python_is_named(path: Path) -> None:
    answer = shell("find_python", PATH=str(path))
    assert answer.returncode == 1
    assert "no usable Python: none was found" in answer.stderr


def install(tmp_path: Path) -> list[str]:
    """What pip was asked for, over all calls so far."""
    program(tmp_path, "python", RECORDER)
    script = f"cd {tmp_path}; python=./python; install {tmp_path} requirements.txt"
    answer = shell(script, CALLS=str(tmp_path / "calls"))
    assert answer.returncode == 0, answer.stderr
    return (tmp_path / "calls").read_text().splitlines()


def test_packages_are_installed_once(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one==1\n")
    assert len(install(tmp_path)) == 1
    assert install(tmp_path) == ["-m pip install -qq --disable-pip-version-check --no-input -r requirements.txt"]


def test_packages_are_installed_again_when_the_file_changes(tmp_path: Path) -> None:
    for text in ("one==1\n", "one==2\n"):
        (tmp_path / "requirements.txt").write_text(text)
        calls = install(tmp_path)
    assert len(calls) == 2


def test_a_failure_of_pip_is_tried_again_the_next_time(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one==1\n")
    program(tmp_path, "python", RECORDER.replace('echo "$@" >>"$CALLS"', "exit 1"))
    answer = shell(f"cd {tmp_path}; python=./python; install {tmp_path} requirements.txt")
    assert answer.returncode == 1
    assert "pip could not install the packages of requirements.txt" in answer.stderr
    assert len(install(tmp_path)) == 1


def test_an_active_environment_that_does_not_work_is_named(tmp_path: Path) -> None:
    answer = shell("environment requirements.txt", VIRTUAL_ENV=str(tmp_path))
    assert answer.returncode == 1
    assert f"The active environment {tmp_path} has no usable Python" in answer.stderr


@pytest.mark.parametrize("name", ["bin/up", "bin/test", ".ci/run"])
def test_the_scripts_can_be_run(name: str) -> None:
    assert os.access(CLONE / name, os.X_OK)
    assert subprocess.run([BASH, "-n", CLONE / name]).returncode == 0
