"""The user the servers run as: ourselves, or a system user where we are root, whom PostgreSQL refuses."""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from analytics_site import child
from analytics_site.embedded.errors import EmbeddedError

SYSTEM_USER = "footfall"
SYSTEM_FOLDER = Path("/var/lib/footfall")


@dataclass(frozen=True)
class Account:
    """`name` is None for ourselves."""

    name: str | None
    uid: int
    gid: int

    def command(self, program: list[str], folder: Path, stop: str = "TERM", lock: Path | None = None) -> list[str]:
        """`program` as this user, bound to its parent's life (see child.py)."""
        options = ["--signal", stop, "--folder", str(folder)]
        options += ["--user", self.name] if self.name else []
        options += ["--lock", str(lock)] if lock else []
        return [sys.executable, "-I", "-S", child.__file__, *options, "--", *program]

    def give(self, path: Path) -> None:
        """Make `path` this user's."""
        if self.name:
            os.chown(path, self.uid, self.gid)

    def make_folder(self, path: Path) -> Path:
        """`path`, made if need be, for this user alone."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path


def current() -> Account:
    """The account for the servers; as root, makes the system user at first use."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    found = _find() or _create()
    return Account(SYSTEM_USER, found.pw_uid, found.pw_gid)


def _find() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd:
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not program:
        raise EmbeddedError(_cannot_create("there is no useradd"))
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_FOLDER)]
    run = subprocess.run(
        [program, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, text=True
    )
    found = _find()  # a start beside us may have been the one that made it
    if found is None:
        raise EmbeddedError(_cannot_create(run.stderr.strip()))
    return found


def _cannot_create(reason: str) -> str:
    return (
        f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER} cannot be made ({reason}). "
        "Make it yourself, run bin/up as another user, or set DATABASE_URL and REDIS_URL."
    )
