"""A file system of 2 MB that a test can fill and free."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A small file system; the test can fill it and free it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, process: int = 0) -> None:
        """Use all the space that is left. `process` is the one that writes there, if another."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            for size in (65536, 4096, 512, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Free the space."""
        (self.folder / "ballast").unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path, otherwise: type[SmallDisk]) -> Iterator[SmallDisk]:
    """A file system of 2 MB; if it cannot be mounted, `otherwise`, which needs no rights."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    try:
        refused = subprocess.run(mount, check=False, capture_output=True).returncode
    except OSError:
        refused = 1
    try:
        yield otherwise(folder) if refused else SmallDisk(folder)
    finally:
        if not refused:
            subprocess.run(["umount", str(folder)], check=True)
