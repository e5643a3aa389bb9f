"""The data folder: what can be used, and what is said when it cannot."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analytics_site.embedded import EmbeddedError, State, account, folder, state
from analytics_site.embedded.account import SYSTEM_FOLDER, Account

OURSELVES = Account(None, os.geteuid(), os.getegid())
RUNNING = State(
    pid=4711, address="http://127.0.0.1:8000", supervisor="/s", database_url="postgresql://x", redis_url="r"
)


@contextmanager
def without_root() -> Iterator[None]:
    """As root, become the servers' user for a moment: root may write anywhere."""
    uid = os.geteuid()
    os.seteuid(account.current().uid)
    try:
        yield
    finally:
        os.seteuid(uid)


def test_it_works(tmp_path: Path) -> None:
    data = folder.open_data(tmp_path / "deep" / "data")
    assert {path.name for path in data.iterdir()} == {"log", "run"}
    assert data.stat().st_mode & 0o077 == 0


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(EmbeddedError, match=r"data is a file\. Choose another data folder with --data"):
        folder.open_data(tmp_path / "data")


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"cannot be written to \(Not a directory\)"):
        folder.open_data(tmp_path / "file" / "data")


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(EmbeddedError, match=r"The data folder /proc/footfall cannot be written to"):
        folder.open_data(Path("/proc/footfall"))


@pytest.fixture
def shown() -> Iterator[Path]:
    """A folder that every user can look into; pytest's own are private."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_a_folder_that_cannot_be_written_to_is_refused(shown: Path) -> None:
    data = folder.open_data(shown / "data")
    data.chmod(0o500)
    with without_root(), pytest.raises(EmbeddedError, match=r"Permission denied.* Give it to the user who starts"):
        folder.open_data(data)
    data.chmod(0o700)


def test_an_ordinary_users_servers_are_in_the_data_folder(tmp_path: Path) -> None:
    assert folder.home(tmp_path, OURSELVES) == tmp_path / "servers"


def test_roots_data_is_refused_to_others(tmp_path: Path) -> None:
    (tmp_path / "servers.id").touch()
    with pytest.raises(EmbeddedError, match=r"were made by root\. Start Footfall as root"):
        folder.home(tmp_path, OURSELVES)


def test_an_ordinary_users_data_is_refused_to_root(tmp_path: Path) -> None:
    folder.home(tmp_path, OURSELVES)
    with pytest.raises(EmbeddedError, match=f"belong to the user with id {os.geteuid()}"):
        folder.home(tmp_path, Account("footfall", 999, 999))


def test_a_broken_pointer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "servers.id").write_text("../../etc")
    with pytest.raises(EmbeddedError, match=r"holds '\.\./\.\./etc' instead of an id"):
        folder.home(tmp_path, Account("footfall", 999, 999))


def test_servers_of_a_test_run_are_beside_its_other_files(tmp_path: Path) -> None:
    user = account.current()
    home = folder.throw_away("run-1", user, tmp_path)
    assert home == (SYSTEM_FOLDER / "tmp" / "run-1" if user.name else tmp_path / "run-1")
    folder.remove(home)


def test_nothing_runs_in_a_new_folder(tmp_path: Path) -> None:
    assert state.read(tmp_path) is None
    assert state.read(tmp_path / "none") is None


def test_what_runs_is_found_while_the_lock_is_held(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    state.write(tmp_path, RUNNING)
    assert state.read(tmp_path) == RUNNING
    os.close(held)
    assert state.read(tmp_path) is None


def test_the_state_is_its_owners_alone(tmp_path: Path) -> None:
    state.write(tmp_path, RUNNING)
    assert (tmp_path / "servers.json").stat().st_mode & 0o777 == 0o600


def test_a_state_of_another_version_is_as_good_as_none(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    (tmp_path / "servers.json").write_text('{"unknown": 1}')
    assert state.read(tmp_path) is None
    os.close(held)


def test_a_second_start_learns_who_runs(tmp_path: Path) -> None:
    held = state.lock(tmp_path)
    state.write(tmp_path, RUNNING)
    with pytest.raises(EmbeddedError, match=r"already runs .* \(process 4711, http://127.0.0.1:8000\)\. Stop that one"):
        state.lock(tmp_path)
    os.close(held)


def test_a_lock_of_another_user_is_named(shown: Path) -> None:
    os.close(state.lock(shown))
    (shown / "lock").chmod(0)
    with without_root(), pytest.raises(EmbeddedError, match=f"is used by the user with id {os.getuid()}"):
        state.lock(shown)


def test_the_environment_comes_before_what_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOOTFALL_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL")
    held = state.lock(tmp_path)
    state.write(tmp_path, RUNNING)
    assert (state.database_url(), state.redis_url()) == ("postgresql://x", os.environ["REDIS_URL"])
    os.close(held)


def test_the_data_folder_is_var_in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOOTFALL_DATA")
    assert state.data_dir() == state.CLONE / "var"
