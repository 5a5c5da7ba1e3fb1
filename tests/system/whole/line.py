"""One line of the sheet, as people see it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field

from pipeline.core.inputs import normalise

#: Titles of the columns that people fill; the others of the file are ours.
PROMPT, TAKE, APPROVED, SKIP, REMARK = "prompt", "take", "approved", "skip", "remark"
NAME, PARENT, INDEX = "name", "parent", "index"


@dataclass
class Line:
    """What people wrote into a line, and what they did with it."""

    #: The same for a line and its full copies, until one of them is changed.
    token: int
    cells: dict[str, str]
    #: Made as a full copy of another line, and not changed since.
    copied: bool = False
    #: People edited our cells of this line, so that it may be unrecognized or count as a copy.
    odd: bool = False
    #: Since the last sync without editing, our cells of this line may be wrong or empty.
    raw: bool = True
    #: The prompt of this line was changed after the first one.
    reworded: bool = False
    earlier: list[str] = field(default_factory=list)
    #: The number dragged into the take cell of a row that was sent: it is not a request.
    jumped: str = ""

    @property
    def words(self) -> str:
        """The prompt as it is compared and sent."""
        return normalise(self.cells.get(PROMPT, ""))

    @property
    def parent(self) -> str:
        """The content of the cell that names the row which this one follows."""
        return self.cells.get(PARENT, "")

    @property
    def asks(self) -> tuple[str, str, str]:
        """All that is sent for it."""
        return self.words, self.parent, self.cells.get(INDEX, "")

    @property
    def take(self) -> str:
        """The content of the take cell; empty means the first take."""
        return self.cells.get(TAKE, "").strip() or "1"

    @property
    def take_number(self) -> int:
        """The number in the take cell; 0 where there is none."""
        return int(self.take) if self.take.isdecimal() else 0

    def twin(self) -> Line:
        """A copy that shares no state with this line."""
        new = copy(self)
        new.cells, new.earlier = dict(self.cells), list(self.earlier)
        return new
