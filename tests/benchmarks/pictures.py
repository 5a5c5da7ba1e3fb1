"""The CPU that the look at one saved picture costs: the median of 15, for formats and sizes.

python -m tests.benchmarks.pictures
"""

from __future__ import annotations

import io
import resource
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from PIL import Image

from pipeline.provider.downloads.looking import looked_at
from tests.provider.downloads.test_looking import FORMATS, photo

TIMES = 15


def cpu(look: Callable[[], object]) -> float:
    """Milliseconds of CPU of this process for one call."""
    costs = []
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_SELF)
        look()
        after = resource.getrusage(resource.RUSAGE_SELF)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(costs) * 1000


def main() -> None:
    """Print one line for each format, size and kind of picture."""
    with tempfile.TemporaryDirectory() as folder:
        for side in (1024, 2048):
            blank = Image.new("RGB", (side, side), "white")
            for name, picture in (("photo", photo(side)), ("blank", blank)):
                for ending, (kind, options) in FORMATS.items():
                    content, file = io.BytesIO(), Path(folder) / f"picture.{ending}"
                    picture.save(content, kind, **options)
                    file.write_bytes(content.getvalue())
                    milliseconds = cpu(partial(looked_at, file, ending))
                    size = len(content.getvalue()) / 1e6
                    print(f"{ending:5}{side:5} {name} {size:6.2f} MB {milliseconds:6.1f} ms")


if __name__ == "__main__":
    main()
