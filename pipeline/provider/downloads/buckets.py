"""Buckets of S3, Google Cloud Storage and Azure, through fsspec's file systems.

The libraries' own retries are switched off: a later pass repeats what failed.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.config.remote import RemotePlace
from pipeline.core.errors import NoPlace, NotRead, NotSaved
from pipeline.provider.downloads.uploads import PROBE, Uploads

log = logging.getLogger("promptsheet")

#: Uploads at one time.
AT_ONCE: Final = 16
#: The name of the object that `check` writes and deletes.
TEST: Final = ".promptsheet-test"


class Bucket(Uploads):
    """A `Destination` in a bucket or a container."""

    def __init__(self, remote: RemotePlace) -> None:
        self._service = SERVICES[remote.kind]
        super().__init__(remote, extra=self._service.extra, at_once=AT_ONCE)
        self._lock = threading.Lock()
        self._system: Any = None

    def put(self, file: Path, key: str, media_type: str) -> None:
        """See `Uploads.put`."""
        arguments, address = self._service.type_of(media_type), f"{self.address}/{key}"
        try:
            self._opened().put_file(str(file), address, **arguments)
        except Exception as error:
            # Its name has the digest of its content, so it is the same file.
            if not self._service.says_it_is_there(error):
                raise

    def length(self, path: str) -> int:
        """See `Uploads.length`."""
        return int(self._opened().size(path) or 0)

    def piece(self, path: str, start: int, length: int) -> bytes:
        """See `Uploads.piece`."""
        return bytes(self._opened().cat_file(path, start=start, end=start + length))

    def probe(self) -> None:
        """See `Uploads.probe`."""
        address = f"{self.address}/{TEST}"
        with tempfile.TemporaryDirectory(prefix="promptsheet-") as folder:
            file = Path(folder) / TEST
            file.write_bytes(PROBE)
            self.put(file, TEST, "text/plain")
        try:
            self.piece(address, 0, len(PROBE))
        except Exception as error:  # to save files, no permission to read is needed
            self.note_unread(error)
        try:
            self._opened().rm_file(address)
        except Exception as error:  # to save files, no permission to delete is needed
            log.info("%s stays there: %s", address, type(error).__name__)

    def _opened(self) -> Any:
        with self._lock:
            if self._system is None:
                self._system = self._service.opened(self.remote)
            return self._system

    def trouble(self, error: Exception) -> NoPlace | NotSaved:
        """See `Uploads.trouble`."""
        causes, service = _causes(error), self._service
        codes = {_code(one) for one in causes} - {""}
        names = {type(one).__name__ for one in causes}
        container = f"{service.container} {self.address.split('/')[2]}"
        if names & _NO_KEY:
            return self.no_place(f"this machine has no key for {service.title}", service.key)
        if any(isinstance(one, PermissionError) for one in causes) or codes & _REFUSED:
            cure = f"Give it the permission to create objects ({service.permission})"
            return self.no_place("the key may not write there", cure)
        if any(isinstance(one, FileNotFoundError) for one in causes) or "404" in codes:
            return self.no_place(f"there is no {container}", "Create it")
        if codes & _ELSEWHERE:
            cure = "Set AWS_DEFAULT_REGION to its region"
            return self.no_place(f"the {container} is in another region", cure)
        if isinstance(error, ValueError | TypeError | KeyError):
            return self.no_place("the key cannot be read", service.key)
        return self.not_now(", ".join(sorted(codes)) or type(causes[-1]).__name__)

    def unread(self, error: Exception) -> NotRead:
        """See `Uploads.unread`."""
        causes, service = _causes(error), self._service
        codes = {_code(one) for one in causes} - {""}
        if {type(one).__name__ for one in causes} & _NO_KEY:
            return self.cannot_read(f"this machine has no key for {service.title}", service.key)
        if any(isinstance(one, PermissionError) for one in causes) or codes & _REFUSED:
            cure = f"Give it the permission to read objects ({service.reading})"
            return self.cannot_read("the key may not read there", cure)
        if any(isinstance(one, FileNotFoundError) for one in causes) or "404" in codes:
            return self.gone()
        return self.not_read_now(", ".join(sorted(codes)) or type(causes[-1]).__name__)


class _Service:
    """What is special about one service."""

    title = container = extra = key = permission = reading = ""

    def opened(self, remote: RemotePlace) -> Any:
        """The file system of fsspec. Raises ImportError without its libraries."""
        raise NotImplementedError

    def type_of(self, media_type: str) -> Mapping[str, object]:
        """The argument of `put_file` for the type of a file."""
        raise NotImplementedError

    def says_it_is_there(self, error: Exception) -> bool:
        """True if an upload was refused because there is a file of this name."""
        return False


class _S3(_Service):
    title, container, extra = "S3", "bucket", "s3"
    permission, reading = "s3:PutObject", "s3:GetObject"
    key = "Set [media] credentials to KEY_ID:SECRET, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

    def opened(self, remote: RemotePlace) -> Any:
        import s3fs

        key: dict[str, str] = {}
        if remote.credentials:
            names = ("key", "secret", "token")
            key = dict(zip(names, remote.credentials.reveal().split(":", 2), strict=False))
            if len(key) < 2:
                raise ValueError("not KEY_ID:SECRET")
        config: dict[str, object] = {
            # Its own retries and those of s3fs multiply: one upload could take a minute.
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": AT_ONCE,
        }
        if remote.base_url:
            # Some services that resemble S3 refuse the newer checksums.
            config["request_checksum_calculation"] = "when_required"
        system = s3fs.S3FileSystem(
            **key,
            endpoint_url=remote.base_url or None,
            config_kwargs=config,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        system.retries = 1
        return system

    def type_of(self, media_type: str) -> Mapping[str, object]:
        return {"ContentType": media_type}


class _Google(_Service):
    title, container, extra = "Google Cloud Storage", "bucket", "gcs"
    permission = "the role Storage Object Creator"
    reading = "the role Storage Object Viewer"
    key = (
        "Set [media] credentials to the key file of a service account, or run "
        "gcloud auth application-default login"
    )

    def opened(self, remote: RemotePlace) -> Any:
        from gcsfs.core import GCSFileSystem

        # It logs each error with its traceback.
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL + 1)
        # Without its own retries, which last half a minute.
        once = type("Once", (GCSFileSystem,), {"_request": GCSFileSystem._request.__wrapped__})
        return once(
            token=json.loads(remote.credentials.reveal()) if remote.credentials else None,
            endpoint_url=remote.base_url or None,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def type_of(self, media_type: str) -> Mapping[str, object]:
        return {"content_type": media_type}

    def says_it_is_there(self, error: Exception) -> bool:
        # A key that may only create objects cannot replace one, and Google names the right that is
        # missing: https://cloud.google.com/storage/docs/access-control/iam-permissions
        return "storage.objects.delete" in " ".join(map(str, _causes(error)))


class _Azure(_Service):
    title, container, extra = "Azure Blob Storage", "container", "azure"
    permission = "Storage Blob Data Contributor"
    reading = "Storage Blob Data Reader"
    key = "Set [media] credentials to a connection string, or AZURE_STORAGE_CONNECTION_STRING"

    def opened(self, remote: RemotePlace) -> Any:
        from adlfs import AzureBlobFileSystem

        # The client logs each request at INFO.
        logging.getLogger("azure").setLevel(logging.WARNING)
        return AzureBlobFileSystem(
            connection_string=remote.credentials.reveal() if remote.credentials else None,
            # Otherwise an upload to a container that does not exist never ends (adlfs 2026.8).
            assume_container_exists=False,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def type_of(self, media_type: str) -> Mapping[str, object]:
        return {"content_settings": {"content_type": media_type}, "retry_total": 0}


SERVICES: Final[Mapping[str, _Service]] = {"s3": _S3(), "gs": _Google(), "az": _Azure()}
_REFUSED: Final = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_ELSEWHERE: Final = {"301", "PermanentRedirect", "AuthorizationHeaderMalformed"}
_NO_KEY: Final = {"NoCredentialsError", "DefaultCredentialsError", "CredentialUnavailableError"}


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and what caused it, the first cause last."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found


def _code(error: BaseException) -> str:
    """The error code in an exception of one of the libraries, as text; empty if there is none."""
    answer = getattr(error, "response", None)
    if isinstance(answer, Mapping):  # botocore
        return str(answer.get("Error", {}).get("Code", ""))
    for name in ("status_code", "status", "code"):  # azure-core, aiohttp, gcsfs
        code = getattr(error, name, None)
        if isinstance(code, int | str) and code:
            return str(code)
    return "403" if type(error) is OSError and str(error).startswith("Forbidden") else ""
