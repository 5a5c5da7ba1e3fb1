"""The names under which pictures are saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pipeline.core.inputs import parsed
from pipeline.core.model import Attempt, JobKey
from pipeline.core.pictures.filenames import comparable, picture_stem
from pipeline.core.pictures.name_templates import NameTemplate
from pipeline.core.sheet.header import RATIO
from pipeline.sync.look import Look
from pipeline.sync.sheet_sync import SheetSync


class FileNames:
    """Names by a template, or the usual ones if it is None.

    By a template, two rows may get one name. Then the row id is added to both. That follows from
    the sheet and the store alone, so that a pass after a kill finds the same names.
    """

    def __init__(self, sync: SheetSync, names: NameTemplate | None) -> None:
        self._sync, self._names = sync, names
        self._look: Look | None = None
        self._places: dict[str, int] = {}
        #: Name of a row, as a file system may compare it -> how many rows have it.
        self._rows: Counter[str] = Counter()
        #: Name of a saved file without its ending -> the row that has it.
        self._saved: dict[str, str] | None = None

    @property
    def is_ready(self) -> bool:
        """False as long as a name needs a reading of the sheet, and there was none."""
        has_look = self._look is not None or self._sync.last.began_at is not None
        return self._names is None or has_look

    def stem(self, key: JobKey, attempt: Attempt, number: int, *, beside: bool) -> str:
        """The name of a picture without its ending; `beside`: an earlier attempt has the names."""
        if self._names is None:
            name = self._sync.last.name_of(key)
            return picture_stem(name, key, number, attempt.number if beside else None)
        self._read()
        n = f"attempt{attempt.number}-{number}" if beside else str(number)
        date = attempt.sent_at.astimezone().date().isoformat()
        fixed = {"row_id": key.row_id, "take": str(key.take), "n": n, "date": date}
        if key.part and (one := parsed(attempt.inputs).get(RATIO)):
            fixed[RATIO] = one
        stem = self._names.stem(self._values(key.row_id, attempt.endpoint, fixed))
        if key.part:
            stem = f"{stem}-{key.part}"
        assert self._saved is not None, "_read makes it"
        is_shared = self._rows[self._of_row(key.row_id)] > 1
        if is_shared or self._saved.get(comparable(stem), key.row_id) != key.row_id:
            return f"{stem}-{key.row_id}"
        return stem

    def saved(self, key: JobKey, path: str) -> None:
        """Note that a picture of this row was saved there."""
        if self._saved is not None:
            self._saved[comparable(path.rpartition(".")[0])] = key.row_id

    def _values(self, row_id: str, endpoint: str, fixed: dict[str, str]) -> Callable[[str], str]:
        look, place = self._look or self._sync.last, self._places.get(row_id)
        known = {**fixed, "endpoint": endpoint}

        def value(field: str) -> str:
            return known.get(field) or ("" if place is None else look.text_at(place, field))

        return value

    def _of_row(self, row_id: str) -> str:
        """What the names of all pictures of a row have in common."""
        assert self._names is not None, "asked only of a template"
        same = {"row_id": row_id, "take": "1", "n": "1", "date": "1"}
        return comparable(self._names.stem(self._values(row_id, "endpoint", same)))

    def _read(self) -> None:
        # While a look is under way, the last one has no lines.
        if self._look is not self._sync.last and self._sync.last.began_at is not None:
            self._look = self._sync.last
            self._places = self._look.places()
            self._rows = Counter(map(self._of_row, self._places))
        if self._saved is None:
            jobs = self._sync.state.jobs.all.values()
            self._saved = {
                comparable(path.rpartition(".")[0]): job.key.row_id
                for job in jobs
                for path in job.files.values()
            }
