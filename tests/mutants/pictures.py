"""Faults in the checks of saved pictures."""

from __future__ import annotations

from tests.mutants.fault import Fault

FAULTS = (
    Fault(
        "saved pictures are not looked at",
        "use",
        "pipeline/provider/downloads/media.py",
        "if self._checks and file.is_picture:",
        "if not self._checks and file.is_picture:",
        "tests/cli/test_picture_checks.py",
    ),
    Fault(
        "the checksums of a PNG are not compared",
        "use",
        "pipeline/provider/downloads/looking.py",
        """if zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:""",
        "if False:",
        "tests/provider/downloads/test_looking.py",
    ),
    Fault(
        "a white page with a small thing on it is blank",
        "use",
        "pipeline/provider/downloads/looking.py",
        "STILL: Final = 2.0",
        "STILL: Final = 60.0",
        "tests/provider/downloads/test_looking.py",
    ),
    Fault(
        "a portrait is no other shape than a landscape",
        "use",
        "pipeline/core/picture_checks.py",
        "low * (1 - RATIO_ROOM) <= ratio <=",
        "0 <= ratio <=",
        "tests/core/test_picture_checks.py",
    ),
    Fault(
        "a picture with a label is never the same as another one",
        "use",
        "pipeline/sync/file_keeper.py",
        "            if file.original:\n",
        "            if not file.original:\n",
        "tests/cli/test_picture_checks.py",
    ),
)
