"""Redis, or Valkey, with an append-only file and no eviction: what it has taken it keeps."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from analytics_site.embedded import binaries, folder
from analytics_site.embedded.account import Account
from analytics_site.embedded.errors import EmbeddedError
from analytics_site.embedded.ports import LOCAL
from analytics_site.embedded.server import Server

USER = "redis"
FLOOR = (6, 2)
SETTINGS = {
    "bind": LOCAL,
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",  # the half command of a crash is cut off, not a reason to stay down
    "maxmemory-policy": "noeviction",
    "save": '""',  # the append-only file is the store
    "logfile": '""',
    "loglevel": "warning",
}


@dataclass(frozen=True)
class Store:
    """`settings` goes on top of SETTINGS."""

    home: Path
    account: Account
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.home / "redis"

    @property
    def password(self) -> str:
        return folder.passwords(self.home, [USER])[USER]

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOCAL}:{self.port}/0"


def lay_out(store: Store) -> Server:
    """Make or check the files; the server is not started. Raises EmbeddedError."""
    program = binaries.redis(store.account)
    store.account.make_folder(store.data)
    check_version(store.data, program, version_of(program))
    _configure(store)
    return Server(
        name="redis",
        title="Redis",
        command=store.account.command(
            [str(program), str(store.data / "redis.conf")], folder=store.data, lock=store.home / "redis.lock"
        ),
        stop_signal="TERM",
        url=store.url,
        is_ready=lambda: is_ready(store),
    )


def version_of(program: Path) -> tuple[int, int]:
    run = subprocess.run([program, "--version"], capture_output=True, text=True)
    match = re.search(r"v=(\d+)\.(\d+)", run.stdout)
    if match is None:
        raise EmbeddedError(f"{program} --version says {run.stdout.strip()[:80]!r}: is that Redis or Valkey?")
    return int(match[1]), int(match[2])


def check_version(data: Path, program: Path, version: tuple[int, int]) -> None:
    """Refuse what is too old for us, or for what is in the folder.

    Redis 7 keeps its file in a folder that 6.2 does not look into: 6.2 would start empty, without a word.
    """
    name = f"{program} ({version[0]}.{version[1]})"
    if version < FLOOR:
        raise EmbeddedError(
            f"{name} is too old: 6.2 is the oldest Redis that serves. Install a newer one, or set REDIS_URL."
        )
    if version < (7, 0) and (data / "appendonlydir").exists():
        raise EmbeddedError(
            f"{data} was written by Redis 7 or newer, and {name} cannot read it. "
            "Put the newer redis-server on the PATH, or choose another folder with --data."
        )


def _configure(store: Store) -> None:
    ours = {**SETTINGS, "port": str(store.port), "dir": _quoted(store.data), "requirepass": store.password}
    lines = [f"{name} {value}\n" for name, value in (ours | store.settings).items()]
    draft = store.data / "redis.conf.draft"
    draft.touch(mode=0o600)
    draft.write_text("".join(lines))
    store.account.give(draft)
    draft.replace(store.data / "redis.conf")


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_ready(store: Store) -> bool:
    """Whether the server answers, its file read."""
    try:
        with redis.Redis.from_url(store.url, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
            _check_place(store, client)
    except redis.AuthenticationError as error:
        raise EmbeddedError(_foreign(store)) from error
    except redis.RedisError:
        return False  # not listening yet, or loading
    return True


def _check_place(store: Store, client: redis.Redis) -> None:
    found = client.config_get("dir")
    if Path(str(found["dir"])) != store.data:
        raise EmbeddedError(_foreign(store))


def _foreign(store: Store) -> str:
    return f"Another Redis than that of {store.data} answers at {LOCAL}:{store.port}. Start again."
