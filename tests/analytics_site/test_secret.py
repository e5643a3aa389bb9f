"""The signing key of an installation that names none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analytics_site import secret


def test_it_works(tmp_path: Path) -> None:
    key = secret.kept_key(tmp_path / "data")
    assert len(key) >= 64
    assert secret.kept_key(tmp_path / "data") == key
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secret.kept_key(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_every_installation_has_its_own(tmp_path: Path) -> None:
    assert secret.kept_key(tmp_path / "a") != secret.kept_key(tmp_path / "b")


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = f"import pathlib; from analytics_site import secret; print(secret.kept_key(pathlib.Path({str(tmp_path)!r})))"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    keys = {process.communicate()[0].strip() for process in processes}
    assert len(keys) == 1
    assert keys == {(tmp_path / "secret_key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_what_a_killed_start_left_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / f"secret_key.{os.getpid()}").write_text("half")
    key = secret.kept_key(tmp_path)
    assert len(key) >= 64
    assert secret.kept_key(tmp_path) == key


def test_a_folder_that_cannot_be_written_costs_no_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(secret.kept_key(tmp_path / "file" / "data")) >= 64


@pytest.mark.parametrize(
    ("address", "host"),
    [("https://stats.example.com", "stats.example.com"), ("http://127.0.0.1:8000", "127.0.0.1"), ("", "localhost"),
     ("http://[::1]:80/x", "::1")],
)  # fmt: skip
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert secret.host_of(address) == host
