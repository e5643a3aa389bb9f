"""A proxy as one stands in front of several web processes: a connection for each request, and the next process
when one cannot be reached. A request that one has taken is not sent to another."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import cycle


class Proxy:
    """`with Proxy(ports).running() as port:` requests to PORT go to one of PORTS in turn."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.turns = cycle(range(len(ports)))
        self.unreachable = 0  # times that the next process was tried

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        port: Future[int] = Future()
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(port, stop)))
        thread.start()
        try:
            yield port.result(10)
        finally:
            stop.set()
            thread.join()

    async def _run(self, port: "Future[int]", stop: threading.Event) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port.set_result(int(server.sockets[0].getsockname()[1]))
        await asyncio.to_thread(stop.wait)
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One sender's connection, request after request; closed when a web process breaks off an answer."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(await self._ask(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body))
                await writer.drain()
        writer.close()

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await self._connect()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(_length(head))
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        first = next(self.turns)
        for step in range(len(self.ports)):
            try:
                return await asyncio.open_connection("127.0.0.1", self.ports[(first + step) % len(self.ports)])
            except OSError:
                self.unreachable += 1
        raise ConnectionRefusedError("no web process can be reached")


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
