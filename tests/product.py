"""The whole product, started as an operator starts it, for tests that need all of its processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

ROOT = Path(__file__).resolve().parent.parent
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
OWNER, PASSWORD = "owner@example.com", "a-long-enough-password"
HEALTH_TOKEN = "behind-a-proxy-the-token-alone-counts"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """`manage.py up` on a free port over a data folder of its own. Use as a context manager."""

    def __init__(self, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="footfall-test-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        clean = {name: value for name, value in os.environ.items() if not name.endswith(("DATABASE_URL", "REDIS_URL"))}
        self.environment = {
            **clean,
            "FOOTFALL_DATA": str(self.data),
            "FOOTFALL_OWNER_EMAIL": OWNER,
            "FOOTFALL_OWNER_PASSWORD": PASSWORD,
            "PYTHONUNBUFFERED": "1",
            "INGEST_ADDRESS_RATE": "0",  # all senders of a test have one address
            **environment,
        }

    def __enter__(self) -> "Product":
        self.log = (self.folder / "up.log").open("wb")
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            wait_for(lambda: b"Stop it with Ctrl-C" in self.output() or self.process.poll() is not None, 150)
            assert self.process.poll() is None, self.output().decode()
            self.kept = {self.folder, self.servers_folder()}
            self.key = self.manage("create_site", "--domain", "shop.example.com", "--json")["key"]
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        for folder in self.kept:
            shutil.rmtree(folder, ignore_errors=True)  # one may lie in the other

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(150)
        self.log.close()
        return code

    def output(self) -> bytes:
        return (self.folder / "up.log").read_bytes()

    def manage(self, *arguments: str) -> Any:
        """A command's JSON, or its text."""
        answer = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout) if "--json" in arguments else answer.stdout

    def processes(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in self.manage("servers", "--json")["processes"]}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.manage("servers", "--json")["database_url"]) as conn:
            return conn.execute(query).fetchall()

    def servers_folder(self) -> Path:
        """Where PostgreSQL and Redis keep their files; elsewhere than the data folder when run as root."""
        with redis.Redis.from_url(self.manage("servers", "--json")["redis_url"]) as client:
            return Path(client.config_get("dir")["dir"]).parent

    def post(
        self, document: dict[str, Any], timeout: float = 10, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.base}/api/v1/events",
            json.dumps(document).encode(),
            {"Content-Type": "application/json", "User-Agent": BROWSER, **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def batch(self, count: int, **fields: Any) -> dict[str, Any]:
        page = {"name": "pageview", "url": "https://shop.example.com/"}
        return {"site": self.key, "events": [{"id": str(uuid.uuid4()), **page, **fields} for _ in range(count)]}


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """One product for all tests of the group `whole`; they run one after the other, in one process."""
    with Product(INGEST_TRUSTED_PROXIES="1", HEALTH_TOKEN=HEALTH_TOKEN) as running:
        yield running


def wait_for(done: Callable[[], bool], seconds: float) -> float:
    """Returns how long it took; fails when it takes longer."""
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started
