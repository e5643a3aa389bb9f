"""The embedded PostgreSQL and Redis, started for real."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from analytics_site.embedded import EmbeddedError, account, folder, ports, postgres, redis_server, server
from analytics_site.embedded.account import Account
from analytics_site.embedded.state import CLONE
from tests.analytics_site.real_servers import Servers, servers
from tests.product import wait_for

OURSELVES = Account(None, os.geteuid(), os.getegid())
pytestmark = pytest.mark.xdist_group("embedded")


def modes(path: Path) -> list[tuple[Path, str, int, int]]:
    """Permissions and owner of a folder and of all above it."""
    found = [(one, one.stat()) for one in (path, *path.parents)]
    return [(one, stat.filemode(facts.st_mode), facts.st_uid, facts.st_gid) for one, facts in found]


BEFORE = modes(CLONE)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("embedded") / "data") as found:
        yield found


def asked(servers: Servers, question: str) -> object:
    with psycopg.connect(servers.cluster.url) as connection:
        ((answer,),) = connection.execute(question).fetchall()
    return answer


def test_it_works(running: Servers) -> None:
    assert asked(running, "SELECT current_user || ' of ' || current_database()") == "footfall of footfall"
    assert redis.Redis.from_url(running.store.url).ping()


def test_no_permission_of_the_clone_or_above_it_changes(running: Servers) -> None:
    assert modes(CLONE) == BEFORE


def test_no_permission_around_the_data_folder_changes(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = modes(private)
    with servers(private / "data"):
        assert modes(private) == before


def test_the_database_is_18_in_unicode_and_never_sorted_by_the_machines_language(running: Servers) -> None:
    facts = (
        "SELECT datlocprovider::text || datlocale || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = "
    )
    assert asked(running, f"{facts} 'footfall'") == "bC.UTF-8UTF8"
    assert str(asked(running, "SHOW server_version")).startswith(f"{postgres.MAJOR}.")


def test_the_owner_is_no_superuser_and_makes_neither_roles_nor_databases(running: Servers) -> None:
    rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = 'footfall'"
    assert asked(running, rights) is False


def test_the_owner_owns_the_database(running: Servers) -> None:
    assert asked(running, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'footfall'") == "footfall"


@pytest.mark.parametrize("user", ["footfall", "postgres"])
def test_a_wrong_password_is_refused(running: Servers, user: str) -> None:
    url = urlsplit(running.cluster.url)._replace(netloc=f"{user}:wrong@127.0.0.1:{running.cluster.port}").geturl()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_passwords_are_hashed_with_scram(running: Servers) -> None:
    assert asked(running, "SHOW password_encryption") == "scram-sha-256"
    rules = (running.cluster.data / "pg_hba.conf").read_text().splitlines()
    methods = {line.split()[-1] for line in rules if line and not line.startswith("#")}
    assert methods == {"scram-sha-256"}


def test_postgresql_listens_to_this_machine_alone(running: Servers) -> None:
    _, _, _, port, sockets, address, *_ = (running.cluster.data / "postmaster.pid").read_text().splitlines()
    assert (int(port), sockets, address) == (running.cluster.port, "", "127.0.0.1")


def test_a_failing_row_is_not_written_to_the_log(running: Servers) -> None:
    assert asked(running, "SHOW log_error_verbosity") == "terse"
    assert asked(running, "SHOW log_parameter_max_length_on_error") == "0"


def test_redis_refuses_strangers(running: Servers) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=running.store.port, retry=Retry(NoBackoff(), 0)).ping()


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "yes"), ("appendfsync", "everysec"), ("maxmemory-policy", "noeviction"), ("bind", "127.0.0.1")],
)
def test_redis_keeps_what_it_has_taken(running: Servers, name: str, value: str) -> None:
    assert redis.Redis.from_url(running.store.url).config_get(name) == {name: value}


def test_secrets_are_their_owners_alone(running: Servers) -> None:
    for path in (running.home / "passwords.json", running.store.data / "redis.conf", running.cluster.data):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_password_stays_in_the_file_for_initdb(running: Servers) -> None:
    assert not list(running.home.glob("initdb*"))


def test_the_servers_run_without_root(running: Servers) -> None:
    for process in running.processes.values():
        assert Path(f"/proc/{process.pid}").stat().st_uid == running.account.uid != 0


def put(servers: Servers) -> None:
    with psycopg.connect(servers.cluster.url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
    redis.Redis.from_url(servers.store.url).set("kept", "yes")


def is_kept(servers: Servers) -> bool:
    return asked(servers, "SELECT to_regclass('kept') IS NOT NULL") is True and bool(
        redis.Redis.from_url(servers.store.url).exists("kept")
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restart_finds_the_data(tmp_path: Path, number: int) -> None:
    with servers(tmp_path / "data") as running:
        put(running)
        running.end(number)
        running.start()
        assert is_kept(running)


@contextmanager
def zombie() -> Iterator[int]:
    """A process that has ended and that nobody has asked about."""
    with subprocess.Popen(["true"]) as ended:
        wait_for(lambda: Path(f"/proc/{ended.pid}/stat").read_text().split(") ")[1].startswith("Z"), 5)
        yield ended.pid


def test_a_pid_file_whose_number_is_another_programs_is_no_obstacle(tmp_path: Path) -> None:
    with servers(tmp_path / "data") as running, zombie() as ended:
        running.end(signal.SIGKILL)
        file = running.cluster.data / "postmaster.pid"
        rest = file.read_text().splitlines()[1:]
        for pid in (ended, os.getpid()):
            file.write_text("\n".join([str(pid), *rest]))
            running.start()
            running.end(signal.SIGKILL)


def test_the_next_start_waits_for_servers_that_are_still_ending(tmp_path: Path) -> None:
    with servers(tmp_path / "data") as running:
        ending = list(running.processes.values())
        for process in ending:
            process.send_signal(signal.SIGINT)
        running.start()
        assert [process.wait(0) for process in ending] == [0, 0]


def test_another_server_at_its_port_is_told_apart(running: Servers) -> None:
    stranger = postgres.Cluster(running.home / "elsewhere", running.account, running.cluster.port)
    stranger.home.mkdir()
    with pytest.raises(EmbeddedError, match="Another PostgreSQL than that of"):
        postgres.is_ready(stranger)


def test_another_redis_at_its_port_is_told_apart(running: Servers, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="Another Redis than that of"):
        redis_server.is_ready(redis_server.Store(tmp_path, running.account, running.store.port))


def test_a_cluster_of_another_version_is_refused(tmp_path: Path) -> None:
    cluster = postgres.Cluster(tmp_path, account.current(), 5432)
    cluster.data.mkdir()
    (cluster.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 17, and this Footfall brings 18\. Dump it"):
        postgres.lay_out(cluster)


def test_a_folder_that_holds_no_cluster_is_refused(tmp_path: Path) -> None:
    cluster = postgres.Cluster(tmp_path, account.current(), 5432)
    cluster.data.mkdir()
    with pytest.raises(EmbeddedError, match="holds no PostgreSQL cluster"):
        postgres.lay_out(cluster)


def test_an_older_redis_does_not_start_empty_over_newer_data(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(EmbeddedError, match=r"was written by Redis 7 or newer, and redis-server \(6\.2\) cannot"):
        redis_server.check_version(tmp_path, Path("redis-server"), (6, 2))
    redis_server.check_version(tmp_path, Path("redis-server"), (7, 4))


def test_a_redis_below_the_floor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"too old: 6\.2 is the oldest"):
        redis_server.check_version(tmp_path, Path("redis-server"), (6, 0))


def test_a_program_that_is_no_redis_is_refused() -> None:
    with pytest.raises(EmbeddedError, match="is that Redis or Valkey"):
        redis_server.version_of(Path("/bin/echo"))


def test_a_server_that_ends_is_not_waited_for(running: Servers) -> None:
    never = server.Server("x", "X", [], "TERM", "", is_ready=lambda: False)
    with pytest.raises(EmbeddedError, match="X did not start: its last word"):
        server.wait_ready(never, lambda: "its last word")


def test_a_server_that_does_not_answer_is_given_up() -> None:
    never = server.Server("x", "X", [], "TERM", "", is_ready=lambda: False)
    with pytest.raises(EmbeddedError, match="X did not answer within 0 s"):
        server.wait_ready(never, lambda: None, seconds=0.1)


def test_ports_are_kept_while_they_are_free(tmp_path: Path) -> None:
    first = ports.kept(tmp_path, ["postgres", "redis"])
    assert ports.kept(tmp_path, ["postgres", "redis"]) == first
    assert first["postgres"] != first["redis"]


def test_a_port_that_was_taken_meanwhile_is_replaced(running: Servers, tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(f'{{"redis": {running.store.port}}}')
    assert ports.kept(tmp_path, ["redis"])["redis"] != running.store.port


def test_a_broken_list_of_ports_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("[")
    assert ports.kept(tmp_path, ["redis"])["redis"] > 1023


def test_a_port_in_use_is_named(running: Servers) -> None:
    with pytest.raises(EmbeddedError, match=rf"127.0.0.1:{running.store.port} cannot be used .* another port with"):
        ports.check("127.0.0.1", running.store.port)


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_an_impossible_port_is_named(port: int) -> None:
    with pytest.raises(EmbeddedError, match=f"--port {port}: must be from 1 to 65535"):
        ports.check("127.0.0.1", port)


def test_passwords_are_kept(tmp_path: Path) -> None:
    first = folder.passwords(tmp_path, ["one"])
    both = folder.passwords(tmp_path, ["one", "two"])
    assert both["one"] == first["one"] != both["two"]
