"""The data folder, and the home of the servers' own data.

    ordinary user   <data>/servers/                     postgres/ redis/ passwords.json ports.json
    root            /var/lib/footfall/data/<id>/        the same; <data>/servers.id holds the id

As root the servers run as another user, who need not be able to reach the data folder: no permission of it
or of its parents is changed. Without `servers.id` the next start begins with empty databases.
"""

import json
import os
import re
import secrets
import shutil
from pathlib import Path
from tempfile import TemporaryFile

from analytics_site.embedded.account import SYSTEM_FOLDER, Account
from analytics_site.embedded.errors import EmbeddedError

POINTER, OWN = "servers.id", "servers"


def open_data(data: Path) -> Path:
    """The data folder, made if need be, with `log` and `run` in it. Raises EmbeddedError if it is unusable."""
    try:
        for folder in (data, data / "log", data / "run"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()
    except FileExistsError as error:
        raise EmbeddedError(f"{error.filename} is a file. Choose another data folder with --data.") from error
    except OSError as error:
        raise EmbeddedError(_unusable(data, error)) from error
    return data


def _unusable(data: Path, error: OSError) -> str:
    return (
        f"The data folder {data} cannot be written to ({error.strerror}). "
        "Give it to the user who starts Footfall, or choose another folder with --data."
    )


def home(data: Path, account: Account) -> Path:
    """Where the servers keep their data, made if need be. Raises EmbeddedError if they are another user's."""
    _check_owner(data, account)
    if account.name is None:
        return _own(data / OWN)
    pointer = data / POINTER
    if not pointer.exists():
        _write_new(pointer, secrets.token_hex(8))
    path = shared("data", _id_in(pointer))
    (path / "belongs-to").write_text(f"{data}\n")  # for whoever tidies up by hand
    return path


def _check_owner(data: Path, account: Account) -> None:
    if account.name is None and (data / POINTER).exists():
        raise EmbeddedError(
            f"The servers of the data folder {data} were made by root. "
            "Start Footfall as root, or choose another folder with --data."
        )
    if account.name is not None and (data / OWN).exists():
        raise EmbeddedError(
            f"The servers of the data folder {data} belong to the user with id {(data / OWN).stat().st_uid}. "
            "Start Footfall as that user, or choose another folder with --data."
        )


def _own(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def shared(*names: str) -> Path:
    """A folder under /var/lib/footfall, which its user may pass through but not list."""
    path = SYSTEM_FOLDER
    for name in ("", *names):
        path = path / name
        if not path.exists():
            path.mkdir(mode=0o711, parents=True)
            path.chmod(0o711)  # whatever the umask is
    return path


def _id_in(pointer: Path) -> str:
    text = pointer.read_text().strip()
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        raise EmbeddedError(f"{pointer}: holds {text[:40]!r} instead of an id. Put the file back from a backup.")
    return text


def throw_away(name: str, account: Account, around: Path) -> Path:
    """An empty home for servers that live as long as a test run: in `around`, or where root's may live."""
    return _own(around / name) if account.name is None else shared("tmp", name)


def remove(home_folder: Path) -> None:
    """Delete the home of servers that have ended."""
    shutil.rmtree(home_folder, ignore_errors=True)


def passwords(home_folder: Path, names: list[str]) -> dict[str, str]:
    """A password for each name, made at first use and kept in a file of its owner alone."""
    file = home_folder / "passwords.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: secrets.token_urlsafe(24) for name in names if name not in found}
    if missing:
        draft = file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        _write_new(draft, json.dumps(found | missing))
        draft.replace(file)
    return found | missing


def _write_new(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
