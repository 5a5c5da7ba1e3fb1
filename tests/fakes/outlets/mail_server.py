"""A mail server on a real socket, which takes mail by SMTP with a password.

`mails` holds what was accepted. `answers` replaces the answer to a command, once or for ever.
"""

from __future__ import annotations

import email
import email.message
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MailServer:
    """What the server has accepted, and what it answers instead of the usual."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.port = 0
        #: Beginning of a line from the client -> the answer; empty: the connection is closed.
        self.answers: dict[str, str] = {}
        #: True: the connection is closed after a mail was accepted, without an answer.
        self.loses_answers = False


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server on a free loopback port."""
    made = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 mail.test ESMTP")
            while line := self.rfile.readline().decode().strip():
                line = line[:4].upper() + line[4:]
                special = next((a for c, a in made.answers.items() if line.startswith(c)), None)
                if special == "":
                    return
                if special:
                    self._say(special)
                elif line.startswith("EHLO"):
                    self._say("250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN")
                elif line.startswith("AUTH"):
                    self._say("235 welcome")
                elif line == "DATA":
                    self._say("354 go on")
                    if not self._data():
                        return
                elif line == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _data(self) -> bool:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            if answer := made.answers.get("<data>"):
                self._say(answer)
                return True
            whole = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            made.mails.append(whole)
            if made.loses_answers:
                return False
            self._say("250 accepted")
            return True

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client may go away at any time."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
