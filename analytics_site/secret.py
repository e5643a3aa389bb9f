"""The signing key of an installation that names none, and what follows from its address."""

import contextlib
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit


def kept_key(folder: Path) -> str:
    """The key kept in FOLDER/secret_key, made at first use, readable by its owner alone.

    Two processes that start at once agree: the file appears whole, under its name, or not at all.
    """
    path = folder / "secret_key"
    try:
        return path.read_text()
    except OSError:
        return _make(path)


def _make(path: Path) -> str:
    key = secrets.token_urlsafe(64)
    draft = path.with_name(f"secret_key.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(key)
        os.link(draft, path)
    except FileExistsError:
        key = path.read_text()
    except OSError:
        return key  # a read-only folder: the key lives as long as the process; `check --deploy` says so
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return key


def host_of(address: str) -> str:
    return urlsplit(address).hostname or "localhost"
