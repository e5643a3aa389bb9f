"""The processes of the product, as `manage.py up` runs them."""

import sys
from dataclasses import dataclass
from pathlib import Path

from analytics_site import child
from analytics_site.embedded.server import Server

CLONE = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(CLONE / "manage.py")]


@dataclass(frozen=True)
class Program:
    """`priority`: lower starts first and stops last. `steady`: seconds after which a start counts as done;
    one that ends sooner is tried again after 1, 2, 3 … seconds, one that ends later at once."""

    name: str
    command: list[str]
    priority: int
    stop_signal: str = "TERM"
    steady: int = 5


def of_server(server: Server) -> Program:
    """Servers start before everything else and stop after it."""
    return Program(server.name, server.command, priority=10, stop_signal=server.stop_signal, steady=1)


def of_product(host: str, port: int) -> list[Program]:
    """In stopping order: first nothing new comes in, then what came in is written."""
    return [
        Program("web", bound([sys.executable, "-m", "granian", *web(host, port)]), priority=50),
        Program("writer", bound([*MANAGE, "write_events"]), priority=40),
        Program("worker", bound([*celery("worker"), "--concurrency", WORKER_THREADS, *WORKER]), priority=30),
        Program("beat", bound([*celery("beat"), "--pidfile=", *BEAT]), priority=30),
    ]


def web(host: str, port: int) -> list[str]:
    """granian's arguments: one worker, back within half a second when it dies."""
    listen = ["--interface", "rsgi", "--host", host, "--port", str(port), "--http", "1", "--no-ws"]
    workers = ["--workers", "1", "--respawn-failed-workers", "--respawn-interval", "0.5"]
    # An address never reaches a log, so there is no access log.
    return [*listen, *workers, "--workers-kill-timeout", "20", "--no-access-log", "analytics_site.rsgi:app"]


# Started by root, everything but the servers is root's: the clone may be where nobody else can read.
NO_ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
# More than there are tasks that may take hours (figures of a site built or checked again, a cleanup), as a rule: what
# is due every minute must not wait for them.
WORKER_THREADS = "4"
# Threads, not processes: no pool that a killed worker could leave behind.
WORKER = ["--pool", "threads", "--without-gossip", "--without-mingle"]
BEAT = ["--scheduler", "django_celery_beat.schedulers:DatabaseScheduler"]


def celery(part: str) -> list[str]:
    celery_of_ours = ["-m", "celery", "--quiet", "--app", "analytics_site.celery"]
    return [sys.executable, "-W", NO_ROOT_WARNING, *celery_of_ours, part, "--loglevel", "info"]


def bound(command: list[str], folder: Path = CLONE) -> list[str]:
    """`command` in a folder, ending with whoever starts it."""
    return [sys.executable, "-I", "-S", child.__file__, "--folder", str(folder), "--", *command]
