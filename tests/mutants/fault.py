"""A fault, and the tests that must find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """One replacement of text in one file of the program.

    `old` occurs exactly once in `file`. `tests` are files or test ids, separated by spaces: at
    least one of them must fail once `new` is in its place.
    """

    name: str
    #: The promise that it threatens: P1 paid once, P2 in its own row, P3 nothing lost, P4 never
    #: over budget, P5 people's cells stay, P6 few requests, P7 no one gets in; "use" where only the
    #: usefulness of the program suffers.
    promise: str
    file: str
    old: str
    new: str
    tests: str

    def plant(self, root: Path) -> None:
        """Make the replacement in the tree at `root`. Raises ValueError if the text is not unique.

        The file is changed in place.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: its text occurs {times} times in {self.file}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
