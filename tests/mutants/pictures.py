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
        "pipeline/core/pictures/shapes.py",
        "low * (1 - RATIO_ROOM) <= ratio <=",
        "0 <= ratio <=",
        "tests/core/pictures/test_shapes.py",
    ),
    Fault(
        "a picture with a label is never the same as another one",
        "use",
        "pipeline/sync/file_keeper.py",
        "            if file.original:\n",
        "            if not file.original:\n",
        "tests/cli/test_picture_checks.py",
    ),
    Fault(
        "results are made again without a limit",
        "P1",
        "pipeline/store/jobs.py",
        "done >= limit",
        "done < 0",
        "tests/store/test_remakes.py",
    ),
    Fault(
        "the plan makes results again without a limit",
        "P1",
        "pipeline/core/pictures/remakes.py",
        "if attempt is None or attempt.remade or remakes_in([job]) + others >= rule.limit:",
        "if attempt is None or attempt.remade:",
        "tests/core/pictures/test_remakes.py",
    ),
    Fault(
        "results are made again although no person wants it",
        "P1",
        "pipeline/config/remake.py",
        "if not rules.remake:",
        "if rules.remake_limit < 1:",
        "tests/config/test_remake.py",
    ),
    Fault(
        "a result is made again although one of its pictures is good",
        "P1",
        "pipeline/core/pictures/remakes.py",
        "if not looks or not {*looks} <= {*rule.looks}:",
        "if not looks or not {*looks} & {*rule.looks}:",
        "tests/core/pictures/test_remakes.py",
    ),
    Fault(
        "a row follows a picture that is made again",
        "P1",
        "pipeline/core/rows/following.py",
        "if is_awaited(followed.job, followed.remade, rules.remake, now):",
        "if False:",
        "tests/cli/test_remakes.py",
    ),
)
