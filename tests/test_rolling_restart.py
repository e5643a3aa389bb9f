"""A new release without a failed request: of two web processes behind a proxy one is replaced at a time."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from analytics_site.launch import is_healthy
from analytics_site.programs import web
from tests.crash.account import Account
from tests.crash.promises import Run, broken
from tests.crash.proxy import Proxy
from tests.crash.run import Load, plans_for, sending
from tests.crash.target import PATIENCE, Target
from tests.product import BROWSER, ROOT, Product, free_port, wait_for

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("whole")]
ROUNDS = 3
WORD = "rolling-restart-d41d8cd9"


class Web:
    """A web process on a port of its own, of the running product."""

    def __init__(self, product: Product) -> None:
        self.product, self.port = product, free_port()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.product.data / "log" / "another-web.log").open("ab") as log:
            command = [sys.executable, "-m", "granian", *web("127.0.0.1", self.port)]
            return subprocess.Popen(command, cwd=ROOT, env=self.product.environment, stdout=log, stderr=log)

    def await_start(self) -> None:
        wait_for(lambda: is_healthy(f"http://127.0.0.1:{self.port}"), PATIENCE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def replace(self) -> None:
        assert self.stop() == 0
        self.process = self._start()
        self.await_start()


@contextlib.contextmanager
def two_webs(product: Product) -> Iterator[list[Web]]:
    webs = [Web(product), Web(product)]
    try:
        for one in webs:
            one.await_start()
        yield webs
    finally:
        for one in webs:
            one.stop()


def test_no_request_fails_while_each_is_replaced_in_turn(product: Product, tmp_path: Path) -> None:
    target, random = Target(product), Random(1)
    site, key = target.new_site()
    with two_webs(product) as webs, Proxy([one.port for one in webs]).running() as port:
        plans = plans_for(port, key, WORD, Load(1_000_000, 600), random, tmp_path)
        with sending(plans):
            for _ in range(ROUNDS):
                for one in webs:
                    one.replace()
    account = Account.of(Path(plan.account) for plan in plans)
    assert account.answered > 0
    # Senders are ended in the middle of what they do: one request of each may have no line for its answer.
    assert set(account.failures) <= {"none"}
    wait_for(target.is_drained, PATIENCE)
    assert broken(Run(target, site, key, WORD, account)) == []


def test_a_request_that_has_begun_is_answered_and_no_other_is_taken(product: Product) -> None:
    one = Web(product)
    one.await_start()
    with socket.create_connection(("127.0.0.1", one.port), timeout=PATIENCE) as sender:
        body = json.dumps(product.batch(1)).encode()
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        sender.sendall(f"{head}Content-Type: application/json\r\nUser-Agent: {BROWSER}\r\n\r\n".encode() + body[:9])
        wait_for(lambda: takes_connections(one.port), PATIENCE)
        one.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not takes_connections(one.port), PATIENCE)
        sender.sendall(body[9:])
        assert sender.recv(1000).startswith(b"HTTP/1.1 202")
    assert one.process.wait(PATIENCE) == 0


def takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
