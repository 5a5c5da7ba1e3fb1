"""An SFTP server on a loopback port, with paramiko's server side, over a folder."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

USER, PASSWORD = "team", "a password"


@dataclass
class SftpServer:
    """What the server has, and how it behaves."""

    folder: Path
    port: int
    host_key: paramiko.PKey
    #: False: it answers "permission denied" to everything that writes.
    is_writable: bool = True
    #: The connection breaks after so many bytes of a file.
    breaks_after: int | None = None
    connections: int = 0
    transports: list[paramiko.Transport] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    def known_hosts(self, home: Path) -> None:
        """Make its host key known to the user with this home."""
        (home / ".ssh").mkdir(exist_ok=True)
        (home / ".ssh" / "known_hosts").write_text(
            f"[127.0.0.1]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}\n"
        )


@contextmanager
def sftp_server(folder: Path) -> Iterator[SftpServer]:
    folder.mkdir()
    listener = socket.create_server(("127.0.0.1", 0))
    key = paramiko.ECDSAKey.generate()
    server = SftpServer(folder, listener.getsockname()[1], key)
    transports = server.transports

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.connections += 1
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, server)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_Login())

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for transport in transports:
            transport.close()


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    def check_auth_password(self, username: str, password: str) -> int:
        is_right = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class _Handle(paramiko.SFTPHandle):  # type: ignore[misc]
    def __init__(self, flags: int, its: SftpServer) -> None:
        super().__init__(flags)
        self._its = its

    def write(self, offset: int, data: bytes) -> int:
        if (most := self._its.breaks_after) is not None:
            self.writefile.write(data[:most])
            self.writefile.flush()
            for transport in self._its.transports:
                transport.close()
        return int(super().write(offset, data))


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    def __init__(self, server: paramiko.ServerInterface, its: SftpServer) -> None:
        super().__init__(server)
        self._its = its

    def _path(self, path: str) -> Path:
        return self._its.folder / path.lstrip("/")

    def _done(self, work: object) -> int:
        if not self._its.is_writable:
            return int(paramiko.SFTP_PERMISSION_DENIED)
        try:
            work()  # type: ignore[operator]
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno or 0))
        return int(paramiko.SFTP_OK)

    def stat(self, path: str) -> object:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def mkdir(self, path: str, attr: object) -> int:
        return self._done(self._path(path).mkdir)

    def remove(self, path: str) -> int:
        return self._done(self._path(path).unlink)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._done(lambda: self._path(oldpath).replace(self._path(newpath)))

    def open(self, path: str, flags: int, attr: object) -> object:
        if not self._its.is_writable and flags & (os.O_WRONLY | os.O_RDWR):
            return paramiko.SFTP_PERMISSION_DENIED
        try:
            descriptor = os.open(self._path(path), flags, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = _Handle(flags, self._its)
        file = os.fdopen(descriptor, "wb" if flags & os.O_WRONLY else "r+b")
        handle.writefile = handle.readfile = file
        return handle
