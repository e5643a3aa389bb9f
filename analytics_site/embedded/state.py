"""What runs for a data folder: a file that `manage.py up` writes and every other command reads.

The file counts only while the folder's lock is held, so nothing that a kill left behind is believed.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from analytics_site import env
from analytics_site.embedded.errors import EmbeddedError

CLONE = Path(__file__).resolve().parent.parent.parent
# Readers test the lock by taking it for an instant: a starter that meets one tries again.
READER_SECONDS = 0.5


@dataclass(frozen=True)
class State:
    """`supervisor` is the path of its socket; a URL is empty when that server is not ours."""

    pid: int
    address: str
    supervisor: str
    database_url: str = ""
    redis_url: str = ""


def data_dir() -> Path:
    """FOOTFALL_DATA, or `var` in the clone."""
    return Path(os.environ.get("FOOTFALL_DATA") or CLONE / "var").resolve()


def database_url() -> str:
    """DATABASE_URL, or that of the running embedded server, or nothing."""
    return env.text("DATABASE_URL") or _running("database_url")


def redis_url() -> str:
    """REDIS_URL, or that of the running embedded server, or nothing."""
    return env.text("REDIS_URL") or _running("redis_url")


def not_running(server: str, variable: str) -> str:
    """Why a command finds no server: `not_running("PostgreSQL", "DATABASE_URL")`."""
    return (
        f"{server} is not running for the data folder {data_dir()}. "
        f"Start it with bin/up, or set {variable} to the address of your own."
    )


def _running(name: str) -> str:
    state = read(data_dir())
    return getattr(state, name) if state else ""


def read(data: Path) -> State | None:
    """What runs for the folder, or None. A folder whose state is another user's is as good as none."""
    try:
        if not is_locked(data):
            return None
        return State(**json.loads(_file(data).read_text()))
    except (OSError, ValueError, TypeError):
        return None  # not there yet, or half of another version's


def write(data: Path, state: State) -> None:
    """Replace the state in one step; it holds passwords, so it is the owner's alone."""
    draft = _file(data).with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file)
    draft.replace(_file(data))


def forget(data: Path) -> None:
    _file(data).unlink(missing_ok=True)


def _file(data: Path) -> Path:
    return data / "servers.json"


def _lock_file(data: Path) -> Path:
    return data / "lock"


def lock(data: Path) -> int:
    """The descriptor of the folder's lock, held until its last holder ends.

    Raises EmbeddedError, naming who runs, when another `manage.py up` holds it.
    """
    try:
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise EmbeddedError(_not_ours(data)) from error
    end = time.monotonic() + READER_SECONDS
    while not _take(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > end:
            os.close(descriptor)
            raise EmbeddedError(_already_running(data))
        time.sleep(0.02)
    return descriptor


def is_locked(data: Path) -> bool:
    with _lock_file(data).open() as file:
        return not _take(file.fileno(), fcntl.LOCK_SH)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _not_ours(data: Path) -> str:
    return (
        f"The data folder {data} is used by the user with id {_lock_file(data).stat().st_uid}. "
        "Start Footfall as that user, or choose another folder with --data."
    )


def _already_running(data: Path) -> str:
    state = read(data)
    who = f"process {state.pid}, {state.address}" if state else "a process that is starting or ending"
    return (
        f"Footfall already runs for the data folder {data} ({who}). "
        "Stop that one with Ctrl-C, or choose another folder with --data and another port with --port."
    )
