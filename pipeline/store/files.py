"""What is known of the pictures of each job: where they were saved, or why they were not.

Only this module changes the table `files`; each change raises the version of the sheet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from pipeline.core.model import JobKey, Unsaved
from pipeline.store.column_types import escaped, to_number, unescaped
from pipeline.store.event_lines import Noted
from pipeline.store.event_lines import note as log_note
from pipeline.store.jobs import raise_jobs
from pipeline.store.outbox_messages import release
from pipeline.store.prepared import Prepared
from pipeline.store.saved_files import NewFile, SavedFile, Twin
from pipeline.store.schema import files, jobs
from pipeline.store.transactions import StorePart, digest, number_of, raise_versions

# Built once: building a statement takes longer than running it.
_JOB = Prepared(
    select(jobs.c.id).where(
        jobs.c.sheet == bindparam("its_sheet"),
        jobs.c.row_id == bindparam("its_row"),
        jobs.c.take == bindparam("its_take"),
        jobs.c.part == bindparam("its_part"),
    ),
    "its_sheet",
    "its_row",
    "its_take",
    "its_part",
)
_PICTURE = and_(files.c.job == bindparam("its_job"), files.c.digest == bindparam("its_digest"))
_is_saved = files.c.path != literal_column("''")
_FILE = (files.c.path, files.c.link, files.c.sha256)
_SAVED = Prepared(
    select(*_FILE).where(_PICTURE, _is_saved),
    "its_job",
    "its_digest",
)
_EMPTY = literal_column("''", String)


def _same(column: ColumnElement[str]) -> Prepared:
    """The pictures of a sheet with this digest."""
    its = select(*_FILE, jobs.c.row_id, jobs.c.take, jobs.c.part, files.c.number, files.c.url)
    return Prepared(
        its.select_from(files.join(jobs))
        .where(
            jobs.c.sheet == bindparam("its_sheet"),
            _is_saved,
            column == bindparam("its_sha256"),
            # Without this term, no index is used: each new file would cost a look at all.
            column != _EMPTY,
        )
        .order_by(files.c.job, files.c.number),
        "its_sheet",
        "its_sha256",
    )


_SAME_CONTENT, _SAME_ORIGINAL = _same(files.c.sha256), _same(files.c.original)


class _Note:
    """A change of some columns of a picture's line, which is added if it is new.

    PostgreSQL and SQLite spell one statement for both differently; the sheet is locked meanwhile.
    """

    def __init__(self, *names: str, at_first: Mapping[str, object] | None = None) -> None:
        self._first = tuple((at_first or {}).values())
        its = {name: f"its_{name}" for name in ("number", *names)}
        change = update(files).where(_PICTURE)
        change = change.values({name: bindparam(value) for name, value in its.items()})
        self._change = Prepared(change, *its.values(), "its_job", "its_digest")
        self._new = Prepared(
            insert(files).inline(), "number", *names, "job", "digest", "url", *(at_first or {})
        )

    def write(
        self, connection: Connection, job: int, number: int, url: str, values: tuple[object, ...]
    ) -> None:
        """Write them for a picture of this attempt."""
        name = digest(url)
        if not self._change.each(connection, [(number, *values, job, name)]):
            line = (number, *values, job, name, escaped(url), *self._first)
            self._new.each(connection, [line])


_WHY = ("reason", "tries", "next_at", "lost")
_KEPT = _Note("path", "link", "sha256", "original", "findings", *_WHY)
_MISSED = _Note("path", *_WHY)
_RESERVED = _Note("reserved", at_first={"path": ""})


class Files(StorePart):
    """The pictures of each job."""

    def save(self, new: Iterable[NewFile]) -> int:
        """Note where pictures were saved, in one transaction. Returns how many jobs exist."""
        by_sheet: defaultdict[str, list[NewFile]] = defaultdict(list)
        for one in new:
            by_sheet[one.key.sheet].append(one)
        with self._database.writing() as connection:
            return sum(
                self._saved(connection, sheet, by_sheet[sheet]) for sheet in sorted(by_sheet)
            )

    def _saved(self, connection: Connection, key: str, new: Iterable[NewFile]) -> int:
        sheet = number_of(connection, key)
        if not sheet:
            return 0
        version, changed = raise_versions(connection, [sheet])[sheet], {}
        noted, told = 0, list[Noted]()
        for one in new:
            if job := _job(connection, sheet, one.key):
                changed[job] = version
                path, link, sha256 = one.file
                content = sha256, one.original, escaped(one.findings.to_text())
                values = escaped(path), escaped(link), *content, "", 0, None, False
                _KEPT.write(connection, job, one.number, one.url, values)
                release(connection, sheet, job, one.key.generation, one.number)
                noted += 1
                told.append(Noted(job, one.number, self._database.now(), "downloaded"))
        raise_jobs(connection, changed)
        log_note(connection, told)
        return noted

    def miss(self, key: JobKey, number: int, url: str, why: Unsaved) -> bool:
        """Note why a picture could not be saved. Returns whether the job exists."""

        def note(connection: Connection, sheet: int, job: int) -> None:
            reasons = escaped(why.reason), why.tries, to_number(why.next_at), why.lost
            _MISSED.write(connection, job, number, url, ("", *reasons))
            log_note(connection, [Noted(job, number, self._database.now(), "not_downloaded")])
            release(connection, sheet, job, key.generation, number)

        return self._change(key, note)

    def reserve(self, key: JobKey, number: int, url: str, reserved: str) -> bool:
        """Note the id under which a picture is about to be saved. Returns whether the job exists.

        It stays with the picture until `forget`.
        """

        def note(connection: Connection, sheet: int, job: int) -> None:
            _RESERVED.write(connection, job, number, url, (escaped(reserved),))

        return self._change(key, note)

    def forget(self, key: JobKey, url: str) -> bool:
        """Delete the note about a picture, to save it again. Returns whether there was one."""
        found = 0

        def note(connection: Connection, sheet: int, job: int) -> None:
            nonlocal found
            its = (files.c.job == job) & (files.c.digest == digest(url))
            found = connection.execute(delete(files).where(its)).rowcount

        return self._change(key, note) and found == 1

    def _change(self, key: JobKey, note: Callable[[Connection, int, int], None]) -> bool:
        """Note something about a picture of a job, if that exists. Returns whether it does."""
        with self._database.writing() as connection:
            sheet = number_of(connection, key.sheet)
            if not sheet:
                return False
            version = raise_versions(connection, [sheet])[sheet]
            if job := _job(connection, sheet, key):
                raise_jobs(connection, {job: version})
                note(connection, sheet, job)
            return job is not None

    def get(self, key: JobKey, url: str) -> SavedFile | None:
        """The saved file of this picture; None if it is not saved."""
        with self._database.reading() as connection:
            job = _job(connection, number_of(connection, key.sheet), key)
            return _file(_SAVED.first(connection, job, digest(url)))

    def with_content(self, sheet: str, sha256: str) -> Twin | None:
        """The first picture of this sheet whose saved file has this content; None if none has."""
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            return _twin(sheet, _SAME_CONTENT.first(connection, number, sha256))

    def with_original(self, sheet: str, sha256: str) -> Twin | None:
        """The first one that had this content when it was downloaded; None if none had."""
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            found = _SAME_ORIGINAL.first(connection, number, sha256)
            return _twin(sheet, found or _SAME_CONTENT.first(connection, number, sha256))

    def digests(self, sheet: str) -> list[tuple[JobKey, str, str, str]]:
        """Job, URL, path and SHA-256 of each saved file of which the content is known."""
        key = jobs.c.row_id, jobs.c.take, jobs.c.part
        wanted = select(*key, files.c.url, files.c.path, files.c.sha256)
        with self._database.reading() as connection:
            here = jobs.c.sheet == number_of(connection, sheet)
            rows = connection.execute(
                wanted.select_from(files.join(jobs)).where(here, _is_saved, files.c.sha256 != "")
            )
            return [(JobKey(sheet, *row[:3]), *row[3:]) for row in rows]

    def shared_on_purpose(self, sheet: str) -> set[str]:
        """Paths of files that several pictures share because their content is the same."""
        with self._database.reading() as connection:
            paths = select(files.c.path).select_from(files.join(jobs))
            paths = paths.where(jobs.c.sheet == number_of(connection, sheet), _is_saved)
            paths = paths.group_by(files.c.path).having(
                func.count() > 1,
                func.min(files.c.sha256) != "",
                func.min(files.c.sha256) == func.max(files.c.sha256),
            )
            return set(connection.execute(paths).scalars())


def _job(connection: Connection, sheet: int, key: JobKey) -> int | None:
    """The number of a job inside the store; None if it does not exist."""
    found = _JOB.first(connection, sheet, escaped(key.row_id), key.take, key.part)
    return int(found[0]) if found else None


def _file(found: Sequence[Any] | None) -> SavedFile | None:
    return SavedFile(unescaped(found[0]), unescaped(found[1]), found[2]) if found else None


def _twin(sheet: str, found: Sequence[Any] | None) -> Twin | None:
    if found is None:
        return None
    path, link, sha256, row_id, take, part, number, url = found
    file = SavedFile(unescaped(path), unescaped(link), sha256)
    return Twin(file, JobKey(sheet, unescaped(row_id), take, part), number, unescaped(url))
