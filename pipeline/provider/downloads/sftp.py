"""A folder on a server that is reached by SFTP, with paramiko.

paramiko is used directly and not through fsspec, whose SFTP accepts any host key. A file is
uploaded under a temporary name and then renamed, so that no part of it ever has its name.
"""

from __future__ import annotations

import io
import logging
import posixpath
import secrets
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pipeline.config.remote import RemotePlace
from pipeline.core.errors import NoPlace, NotRead, NotSaved
from pipeline.provider.downloads.uploads import PROBE, WITHIN, Uploads

if TYPE_CHECKING:
    import paramiko

T = TypeVar("T")

#: Uploads at one time: most servers allow ten channels in a connection.
AT_ONCE: Final = 8
#: Seconds between signs of life, without which routers forget a connection.
KEEP_ALIVE: Final = 30
#: Seconds for a connection.
CONNECT: Final = 15.0


class Sftp(Uploads):
    """A `Destination` on an SFTP server."""

    def __init__(self, remote: RemotePlace) -> None:
        super().__init__(remote, extra="sftp", at_once=AT_ONCE)
        parts = urlsplit(remote.address)
        self._host, self._port = parts.hostname or "", parts.port or 22
        self._user = unquote(parts.username) if parts.username else None
        self._folder = unquote(parts.path).rstrip("/") or "/"
        self._lock = threading.Lock()
        self._client: paramiko.SSHClient | None = None
        #: Each thread has a channel of its own: paramiko's cannot be shared.
        self._own = threading.local()

    def put(self, file: Path, key: str, media_type: str) -> None:
        """See `Uploads.put`."""
        target = posixpath.join(self._folder, key)
        sftp = self._channel()
        if self._has(sftp, target, file.stat().st_size):
            return
        folder = posixpath.dirname(target)
        self._make_folders(sftp, folder)
        part = posixpath.join(folder, f".{secrets.token_hex(8)}.part")
        try:
            sftp.put(str(file), part)
            self._rename(sftp, part, target)
        except BaseException:
            with suppress(Exception):
                sftp.remove(part)
            raise

    def length(self, path: str) -> int:
        """See `Uploads.length`."""
        return self._repeated(lambda sftp: int(sftp.stat(self._place(path)).st_size or 0))

    def piece(self, path: str, start: int, length: int) -> bytes:
        """See `Uploads.piece`."""

        def read(sftp: paramiko.SFTPClient) -> bytes:
            with sftp.open(self._place(path), "rb") as file:
                # Asks for all parts at once; a plain read would wait for each 32 KB.
                return b"".join(file.readv([(start, length)]))

        return self._repeated(read)

    def _repeated(self, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """The result of `work`, which only reads. A connection that was kept may have ended."""
        was_kept = self._client is not None
        try:
            return work(self._channel())
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:
            if not was_kept:
                raise
        self.disconnect()
        return work(self._channel())

    def _place(self, path: str) -> str:
        """Where the file with this address is on the server."""
        if path.startswith(f"{self.address}/"):
            return posixpath.join(self._folder, path.removeprefix(f"{self.address}/"))
        return unquote(urlsplit(path).path)  # saved in another folder, earlier

    def probe(self) -> None:
        """See `Uploads.probe`."""
        sftp = self._channel()
        self._make_folders(sftp, self._folder)
        part = posixpath.join(self._folder, f".{secrets.token_hex(8)}.part")
        sftp.putfo(io.BytesIO(PROBE), part)
        try:
            with sftp.open(part, "rb") as file:
                file.read(1)
        except OSError as error:
            self.note_unread(error)
        sftp.remove(part)

    def disconnect(self) -> None:
        """See `Uploads.disconnect`."""
        if self._client is not None:
            self._client.close()

    @staticmethod
    def _has(sftp: paramiko.SFTPClient, path: str, size: int) -> bool:
        """True if the whole file is there; its name has the digest of its content."""
        try:
            return bool(sftp.stat(path).st_size == size)
        except FileNotFoundError:
            return False

    @staticmethod
    def _rename(sftp: paramiko.SFTPClient, part: str, target: str) -> None:
        try:
            sftp.posix_rename(part, target)
        except OSError:
            sftp.rename(part, target)  # a server without OpenSSH's extension

    def _make_folders(self, sftp: paramiko.SFTPClient, folder: str) -> None:
        try:
            mode = sftp.stat(folder).st_mode
        except FileNotFoundError:
            self._make_folders(sftp, posixpath.dirname(folder))
            try:
                sftp.mkdir(folder)
            except OSError:
                sftp.stat(folder)  # another upload has made it meanwhile
            return
        if mode is not None and not stat.S_ISDIR(mode):
            raise NotADirectoryError(folder)

    def _channel(self) -> paramiko.SFTPClient:
        with self._lock:
            client = self._client
            transport = client.get_transport() if client else None
            if client is None or transport is None or not transport.is_active():
                client = self._client = self._connected()
        own: tuple[paramiko.SSHClient, paramiko.SFTPClient] | None
        own = getattr(self._own, "sftp", None)
        if own is None or own[0] is not client:
            own = client, client.open_sftp()
            self._own.sftp = own
        own[1].get_channel().settimeout(WITHIN)
        return own[1]

    def _connected(self) -> paramiko.SSHClient:
        import paramiko

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs what it also raises
        client = paramiko.SSHClient()
        client.load_system_host_keys()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        secret = self.remote.credentials.reveal() if self.remote.credentials else ""
        is_key = secret.startswith("-----BEGIN")
        client.connect(
            self._host,
            self._port,
            self._user,
            password=secret if secret and not is_key else None,
            pkey=paramiko.PKey.from_private_key(io.StringIO(secret)) if is_key else None,
            timeout=CONNECT,
            banner_timeout=CONNECT,
            auth_timeout=CONNECT,
            allow_agent=not secret,
            look_for_keys=not secret,
        )
        if transport := client.get_transport():
            transport.set_keepalive(KEEP_ALIVE)
        return client

    def trouble(self, error: Exception) -> NoPlace | NotSaved:
        """See `Uploads.trouble`."""
        if why := self._no_login(error):
            return self.no_place(*why)
        if isinstance(error, PermissionError):
            return self.no_place("the user may not write there", "Give that permission")
        if isinstance(error, NotADirectoryError | FileNotFoundError):
            return self.no_place("that is no folder", "Make it a folder")
        return self.not_now(type(error).__name__)

    def unread(self, error: Exception) -> NotRead:
        """See `Uploads.unread`."""
        if why := self._no_login(error):
            return self.cannot_read(*why)
        if isinstance(error, PermissionError):
            return self.cannot_read("the user may not read there", "Give that permission")
        if isinstance(error, FileNotFoundError):
            return self.gone()
        return self.not_read_now(type(error).__name__)

    def _no_login(self, error: Exception) -> tuple[str, str] | None:
        """Why the server cannot be used, and the cure; None if that is not the reason."""
        names = {one.__name__ for one in type(error).__mro__}
        where = f"{self._host}:{self._port}"
        if "BadHostKeyException" in names:
            return f"{where} shows another host key than before", "Ask its owner why"
        if "not found in known_hosts" in str(error):
            cure = f"Run ssh once with that host, or ssh-keyscan -p {self._port} {self._host}"
            return f"the host key of {where} is not known", cure
        if names & {"AuthenticationException", "PasswordRequiredException"}:
            return f"{where} refuses the login", "Check the user and [media] credentials"
        if isinstance(error, ValueError) or "UnknownKeyType" in names:
            return "the key cannot be read", "Check [media] credentials"
        return None
