"""A proxy as one stands in front of several web processes: a connection for each request, and the next process
when one cannot be reached or closes without a byte of an answer.

The latter happens to a connection that the kernel had taken and the process had not yet when it stopped listening.
To send the request to another is right for this API: events are known by their ids.
"""

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
        """One sender's connection, request after request; closed when no web process answers."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(await self._ask(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body))
                await writer.drain()
        writer.close()

    async def _ask(self, request: bytes) -> bytes:
        first = next(self.turns)
        for step in range(len(self.ports)):
            port = self.ports[(first + step) % len(self.ports)]
            with contextlib.suppress(OSError):
                if answer := await _answer(port, request):
                    return answer
        raise ConnectionRefusedError("no web process answers")


async def _answer(port: int, request: bytes) -> bytes:
    """Nothing when the process closes without a byte. Raises IncompleteReadError when it stops in the middle."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        start = await reader.read(1)
        if not start:
            return b""
        head = start + await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(_length(head))
    finally:
        writer.close()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
