"""`manage.py up`: its start, its refusals, its end. What happens to events meanwhile: test_whole_product.py."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_site.embedded.state import CLONE
from analytics_site.launch import Plan, is_healthy
from tests.analytics_site.test_embedded import modes
from tests.product import PASSWORD, Product, free_port, wait_for

NAMES = {"postgres", "redis", "web", "writer", "worker", "beat"}
pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("whole")]


@pytest.fixture
def another() -> Iterator[Product]:
    """A product to stop, kill and start again."""
    with Product() as running:
        yield running


@pytest.fixture(scope="module")
def sturdy() -> Iterator[Product]:
    """A product whose processes are killed one by one."""
    with Product() as running:
        yield running


def up(product: Product, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """One more `up` that is expected to refuse."""
    command = [sys.executable, "manage.py", "up", *arguments]
    return subprocess.run(command, cwd=CLONE, env=product.environment, capture_output=True, text=True, timeout=60)


def pids(product: Product, home: Path) -> list[int]:
    """Every process of the product: by its environment, or, as PostgreSQL writes over that, by its folder."""
    mark = f"FOOTFALL_DATA={product.data}".encode()
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _is_one(path, mark, home)]


def _is_one(path: Path, mark: bytes, home: Path) -> bool:
    try:
        if path.joinpath("stat").read_text().split(") ")[1].startswith("Z"):
            return False
        return mark in path.joinpath("environ").read_bytes() or home in path.joinpath("cwd").readlink().parents
    except OSError:
        return False  # gone meanwhile, or another user's


def again(product: Product) -> str:
    """Start once more over the same data; what it said."""
    command = [sys.executable, "manage.py", "up", "--port", str(product.port)]
    product.log.close()
    product.log = (product.folder / "up.log").open("wb")
    product.process = subprocess.Popen(
        command,
        cwd=CLONE,
        env=product.environment,
        stdout=product.log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    wait_for(lambda: b"Stop it with Ctrl-C" in product.output() or product.process.poll() is not None, 60)
    return product.output().decode()


def test_it_works(product: Product) -> None:
    assert set(product.processes()) == NAMES
    assert is_healthy(product.base)
    last = product.output().decode()
    last = last[last.index("Footfall runs.") :]
    assert product.base in last
    assert "owner@example.com" in last
    assert PASSWORD in last


def test_each_line_names_its_process(product: Product) -> None:
    names = {line.split("|")[0].strip() for line in product.output().decode().splitlines() if "| " in line}
    assert names >= {"postgres", "prepare", "web", "writer", "worker", "beat", "supervisor"}


def test_the_demo_site_is_there_from_the_start(product: Product) -> None:
    assert "shop.example.com" in [site["domain"] for site in product.manage("sites", "--json")]


def test_a_second_start_over_the_same_data_names_the_first(product: Product) -> None:
    answer = up(product, "--port", "0")
    assert answer.returncode == 1
    assert f"(process {product.process.pid}, {product.base})" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_port_in_use_is_named(product: Product, tmp_path: Path) -> None:
    answer = up(product, "--data", str(tmp_path), "--port", str(product.port))
    assert answer.returncode == 1
    assert f"127.0.0.1:{product.port} cannot be used (Address already in use)" in answer.stderr


def test_a_data_folder_that_is_a_file_is_named(product: Product, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    answer = up(product, "--data", str(tmp_path / "data"))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"CommandError: {tmp_path}/data is a file.")


def test_servers_that_were_given_are_not_started(product: Product, tmp_path: Path) -> None:
    """With an address where nothing is, the start ends, and with that address."""
    given = {"DATABASE_URL": "postgresql://x@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0"}
    product_of_ones_own = {**product.environment, **given}
    command = [sys.executable, "manage.py", "up", "--data", str(tmp_path), "--port", str(free_port())]
    answer = subprocess.run(command, cwd=CLONE, env=product_of_ones_own, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert "PostgreSQL at 127.0.0.1:9 did not answer within 10 s" in answer.stderr
    assert "postgres  |" not in answer.stdout


def test_the_second_start_is_quick_and_keeps_the_password_to_itself(another: Product) -> None:
    before = modes(CLONE), modes(another.folder)
    another.stop()
    started = time.monotonic()
    said = again(another)
    assert time.monotonic() - started < 15  # measured: 2.5 s; a busy machine is not a fault
    assert PASSWORD not in said
    assert "manage.py changepassword owner@example.com" in said
    assert (modes(CLONE), modes(another.folder)) == before


def test_ctrl_c_stops_all_in_order(another: Product) -> None:
    home = another.servers_folder()
    assert len(pids(another, home)) > len(NAMES)
    assert another.stop() == 0
    assert pids(another, home) == []
    said = another.output().decode()
    order = [said.index(f"stopped: {name}") for name in ("web", "writer", "worker", "redis", "postgres")]
    assert order[:3] == sorted(order[:3])
    assert max(order[:3]) < min(order[3:])
    assert said.rstrip().endswith("Stopped.")


def test_a_closed_terminal_stops_all(another: Product) -> None:
    home = another.servers_folder()
    another.process.send_signal(signal.SIGHUP)
    assert another.process.wait(30) == 0
    assert pids(another, home) == []


@pytest.mark.parametrize("victims", [["up"], ["supervisord"], ["up", "supervisord"]])
def test_nothing_is_left_when_its_parents_are_killed(another: Product, victims: list[str]) -> None:
    home = another.servers_folder()
    known = {"up": another.process.pid, "supervisord": int((another.data / "run" / "supervisor.pid").read_text())}
    for victim in victims:
        os.kill(known[victim], signal.SIGKILL)
    another.process.wait(60)
    wait_for(lambda: pids(another, home) == [], 35)


def test_it_starts_again_after_a_kill_of_everything(another: Product) -> None:
    home = another.servers_folder()
    for pid in pids(another, home):
        with contextlib.suppress(ProcessLookupError):  # it has followed its parent
            os.kill(pid, signal.SIGKILL)
    another.process.wait(10)
    assert "Footfall runs." in again(another)
    assert is_healthy(another.base)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_killed_is_back_within_5_seconds(sturdy: Product, name: str) -> None:
    before = sturdy.processes()[name]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: sturdy.processes().get(name) not in (before, None) and is_healthy(sturdy.base), 5)


def test_a_web_worker_that_is_killed_is_back_within_5_seconds(sturdy: Product) -> None:
    main = sturdy.processes()["web"]
    (worker,) = [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: is_healthy(sturdy.base), 5)
    assert sturdy.processes()["web"] == main


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("stats.example.com", "http://stats.example.com:8000"),
    ],
)
def test_the_address_is_one_that_a_browser_here_can_open(host: str, address: str) -> None:
    assert Plan(Path("/data"), host, 8000).address == address
