"""A mail server that keeps what it is sent, on a port of its own."""

import socketserver
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


class MailServer(socketserver.ThreadingTCPServer):
    """`refused` recipients are answered 550; a `silent` one takes connections and says nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, refused: tuple[str, ...] = (), is_silent: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.refused, self.is_silent = refused, is_silent
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[list[str]] = []
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Talk(socketserver.StreamRequestHandler):
    """As much of RFC 5321 and 4954 as a sender needs."""

    server: MailServer

    def handle(self) -> None:
        if self.server.is_silent:
            self.server.closing.wait(10)
            return
        self._say("220 mail.example.com")
        for line in self.rfile:
            verb, _, rest = line.decode().strip().partition(" ")
            self._say(self._answer(verb.upper(), rest))
            if verb.upper() == "QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _answer(self, verb: str, rest: str) -> str:
        match verb:
            case "EHLO":
                return "250-mail.example.com\r\n250 AUTH PLAIN"
            case "AUTH":
                self.server.logins.append(b64decode(rest.split()[1]).decode().split("\0")[1:])
                return "235 Welcome"
            case "RCPT":
                return self._recipient(rest.partition("<")[2].partition(">")[0])
            case "DATA":
                self._say("354 Go on")
                self.server.mails.append(message_from_bytes(self._data(), EmailMessage, policy=default))
        return "250 OK"

    def _recipient(self, address: str) -> str:
        if address in self.server.refused:
            return "550 Nobody here by that name"
        self.server.recipients.append(address)
        return "250 OK"

    def _data(self) -> bytes:
        return b"".join(iter(self.rfile.readline, b".\r\n"))


@contextmanager
def mail_server(*, refused: tuple[str, ...] = (), is_silent: bool = False) -> Iterator[MailServer]:
    with MailServer(refused=refused, is_silent=is_silent) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
