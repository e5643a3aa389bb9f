"""Ports of 127.0.0.1: kept from start to start while they are free."""

import json
import socket
from pathlib import Path

from analytics_site.embedded.errors import EmbeddedError

LOCAL = "127.0.0.1"


def kept(home: Path, names: list[str]) -> dict[str, int]:
    """A free port for each name, the one of the last start where possible."""
    file = home / "ports.json"
    before = _read(file)
    ports: dict[str, int] = {}
    for name in names:
        last = before.get(name)
        if last is None or last in ports.values() or not is_free(LOCAL, last):
            last = _new(set(ports.values()))
        ports[name] = last
    file.write_text(json.dumps({**before, **ports}))
    return ports


def _read(file: Path) -> dict[str, int]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _new(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOCAL, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def is_free(host: str, port: int) -> bool:
    try:
        _bind(host, port)
    except (OSError, OverflowError):  # in use, or no port at all
        return False
    return True


def check(host: str, port: int) -> None:
    """Raise EmbeddedError unless a server could listen there."""
    if not 1 <= port <= 65_535:
        raise EmbeddedError(f"--port {port}: must be from 1 to 65535.")
    try:
        _bind(host, port)
    except OSError as error:
        raise EmbeddedError(
            f"{host}:{port} cannot be used ({error.strerror}). "
            "Choose another port with --port, another address with --host, or end what listens there."
        ) from error


def _bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: the remains of closed connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
