"""The jobs of each sheet, with their attempts, their files and what happened to them.

Only this module and `picks` change the table `jobs`; each change raises the version of the sheet.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    select,
    update,
)

from pipeline.core.model import Attempt, Job, JobKey, State, Unsaved
from pipeline.core.picture_findings import Findings
from pipeline.core.planning.causes import WITH_REMAKE
from pipeline.store.attempt_events import event_text
from pipeline.store.column_types import escaped
from pipeline.store.history import HistoryLine, asked_line, history_line, write_history
from pipeline.store.prepared import Prepared
from pipeline.store.schema import attempts, events, files, jobs, sheets
from pipeline.store.serialization import ATTEMPT_PLAIN, NEW_ATTEMPT, from_plain, to_plain
from pipeline.store.transactions import (
    StorePart,
    Versions,
    chunks,
    made,
    number_of,
    raise_versions,
    upsert,
)

_RAISED = Prepared(
    update(jobs).where(jobs.c.id == bindparam("its_id")).values(version=bindparam("its")),
    "its",
    "its_id",
)


class _Questions(NamedTuple):
    """The statements that load some jobs. Built once: building takes longer than running."""

    jobs: Select[Any]
    attempts: Select[Any]
    files: Select[Any]


def _questions(*where: ColumnElement[bool]) -> _Questions:
    named = [jobs.c.id, sheets.c.key, jobs.c.row_id, jobs.c.take, jobs.c.part]
    named += [jobs.c.asked, jobs.c.made_at, jobs.c.dismissed, jobs.c.picked]
    tried = select(attempts.c.job, *ATTEMPT_PLAIN).select_from(attempts.join(jobs)).where(*where)
    columns = [files.c.job, files.c.url, files.c.path]
    columns += [
        files.c.link,
        files.c.reserved,
        files.c.reason,
        files.c.tries,
        files.c.next_at,
        files.c.lost,
        files.c.findings,
    ]
    saved = select(*columns).select_from(files.join(jobs))
    return _Questions(
        select(*named).select_from(jobs.join(sheets)).where(*where),
        tried.order_by(attempts.c.job, attempts.c.number),
        saved.where(*where),
    )


_HERE = jobs.c.sheet == bindparam("sheet")
#: The jobs of some rows of a sheet; `_among` says what to ask with.
_SOME = and_(_HERE, jobs.c.row_id.in_(bindparam("ids", expanding=True)))
_ALL_JOBS = _questions(_HERE)
_VERSION = Prepared(
    select(sheets.c.id, sheets.c.version).where(sheets.c.key == bindparam("its_key")), "its_key"
)
_CHANGED = select(jobs.c.row_id, jobs.c.take, jobs.c.part).where(
    _HERE, jobs.c.version > bindparam("since"), jobs.c.version <= bindparam("now")
)
_SOME_JOBS = _questions(_SOME)


class ChangedJobs(NamedTuple):
    """The present version of a sheet's jobs, and the jobs that were changed."""

    version: int
    keys: set[JobKey]


class Jobs(StorePart):
    """The jobs: one for each generation of each take of each row."""

    def all(self, sheet: str, only: Collection[JobKey] | None = None) -> dict[JobKey, Job]:
        """All jobs of a sheet, or those of `only` that exist."""
        with self._database.reading() as connection:
            if only is not None:
                return {job.key: job for job in found(connection, only).values()}
            about = {"sheet": number_of(connection, sheet)}
            return {job.key: job for job in _load(connection, _ALL_JOBS, about).values()}

    def newest(self, sheet: str, most: int | None = None) -> list[JobKey]:
        """The keys of all jobs, or of this number of them, the newest first."""
        with self._database.reading() as connection:
            here = jobs.c.sheet == number_of(connection, sheet)
            last = select(jobs.c.row_id, jobs.c.take, jobs.c.part).where(here)
            last = last.order_by(jobs.c.made_at.desc(), jobs.c.id)
            return [JobKey(sheet, *row) for row in connection.execute(last.limit(most))]

    def of_rows(self, sheet: str, row_ids: Collection[str]) -> dict[JobKey, Job]:
        """All jobs of some rows of a sheet."""
        with self._database.reading() as connection:
            number = number_of(connection, sheet)
            return {job.key: job for job in jobs_of(connection, number, row_ids).values()}

    def get(self, key: JobKey) -> Job | None:
        """The job of this take; None if there is none."""
        return self.all(key.sheet, [key]).get(key)

    def add(self, keys: Iterable[JobKey]) -> dict[str, Versions]:
        """Add these jobs, where they are new: sheet -> its versions."""
        by_sheet = defaultdict(list)
        for key in keys:
            by_sheet[key.sheet].append(key)
        with self._database.writing() as connection:
            return {
                sheet: _add(connection, sheet, by_sheet[sheet], self._database.now())
                for sheet in sorted(by_sheet)
            }

    def ask(self, key: JobKey, asked: int, by: str = "") -> bool:
        """Allow the job `asked` attempts, if it had one less until now. Returns whether it did.

        `by` is who or what requested it, for the history.
        """
        with self._database.writing() as connection:
            version = raised(connection, key)
            before = and_(is_job(connection, key), jobs.c.asked == asked - 1)
            asking = update(jobs).where(before).values(asked=asked, version=version)
            number = connection.execute(asking.returning(jobs.c.id)).scalar()
            if number is not None and by:
                line = asked_line(number, asked, self._database.now(), by)
                write_history(connection, [line])
            return number is not None

    def make_again(self, key: JobKey, number: int, asked: int, why: str, limit: int) -> bool:
        """Set the result of an attempt aside, and allow the job one more attempt, `asked` in all.

        Nothing is changed if `limit` results of the row, in all its takes, were set aside before,
        or if the job has changed. Returns whether it was done. `why` is a word such as "blank".
        """
        of_row = (
            select(func.count())
            .select_from(attempts.join(jobs))
            .where(jobs.c.row_id == key.row_id, attempts.c.remade != "")
        )
        with self._database.writing() as connection:
            version = raised(connection, key)  # this locks the sheet
            here = jobs.c.sheet == number_of(connection, key.sheet)
            done = connection.execute(of_row.where(here)).scalar_one()
            before = and_(is_job(connection, key), jobs.c.asked + 1 == asked)
            job = connection.execute(select(jobs.c.id).where(before)).scalar()
            its = and_(
                attempts.c.job == job,
                attempts.c.number == number,
                attempts.c.state == State.SUCCEEDED,
                attempts.c.remade == "",
            )
            if (
                done >= limit
                or job is None
                or not connection.execute(update(attempts).where(its).values(remade=why)).rowcount
            ):
                return False
            now = {"asked": asked, "version": version}
            connection.execute(update(jobs).where(jobs.c.id == job).values(now))
            by = WITH_REMAKE.format(why=why)
            write_history(connection, [asked_line(job, asked, self._database.now(), by)])
            return True

    def dismiss(self, key: JobKey, away: bool) -> bool:
        """Dismiss the job on the page, or take that back. Returns whether the job exists."""
        at = self._database.now() if away else None
        with self._database.writing() as connection:
            version = raised(connection, key)
            putting = (
                update(jobs).where(is_job(connection, key)).values(dismissed=at, version=version)
            )
            return connection.execute(putting).rowcount == 1

    def adopt(self, key: JobKey, attempt: Attempt) -> bool:
        """Note an attempt that this store did not begin, unless the job has one of that number.

        Returns whether it did. A new job is added. An adopted attempt is never charged here.
        """
        adopted = replace(attempt, price=0)
        with self._database.writing() as connection:
            _add(connection, key.sheet, [key], self._database.now())
            version = raised(connection, key)
            job = connection.execute(select(jobs.c.id).where(is_job(connection, key))).scalar_one()
            tried = select(attempts.c.number).where(
                attempts.c.job == job, attempts.c.number == attempt.number
            )
            if connection.execute(tried).first():
                return False
            NEW_ATTEMPT.each(connection, [(job, *to_plain(adopted), "null", "", "", 0, "", "", "")])
            connection.execute(update(jobs).where(jobs.c.id == job).values(version=version))
            write_history(connection, [history_line(job, adopted, self._database.now(), "adopted")])
            return True

    def asked(self, places: Collection[tuple[JobKey, int]]) -> None:
        """Note that these attempts' tasks were polled now. The version does not change."""
        self._note(places, "asked_at")

    def sent_again(self, places: Collection[tuple[JobKey, int]]) -> None:
        """Note that these attempts were sent again now; a task of theirs is polled at once.

        The version does not change.
        """
        self._note(places, "early_poll")

    def _note(self, places: Collection[tuple[JobKey, int]], name: str) -> None:
        """Set this moment of these attempts to now."""
        with self._database.writing() as connection:
            for key, number in places:
                job = select(jobs.c.id).where(is_job(connection, key)).scalar_subquery()
                one = and_(attempts.c.job == job, attempts.c.number == number)
                connection.execute(update(attempts).where(one).values({name: self._database.now()}))

    def history(self, key: JobKey) -> list[HistoryLine]:
        """The events of the job, the oldest first."""
        wanted = select(events.c.at, events.c.number, events.c.kind, events.c.body)
        with self._database.reading() as connection:
            lines = connection.execute(
                wanted.select_from(events.join(jobs))
                .where(is_job(connection, key))
                .order_by(events.c.id)
            ).all()
        return [
            HistoryLine(at, number, kind, event_text(kind, json.loads(body)))
            for at, number, kind, body in lines
        ]

    def run_of(self, key: JobKey) -> dict[int, str]:
        """Number of each attempt -> which start of the program sent it; empty if none of ours."""
        wanted = select(attempts.c.number, attempts.c.run).select_from(attempts.join(jobs))
        with self._database.reading() as connection:
            found = connection.execute(wanted.where(is_job(connection, key)))
            return {row.number: row.run for row in found}

    def version(self, sheet: str) -> int:
        """The version of a sheet's jobs. Read it before the jobs, then ask what `changed` since.

        It is raised by every change of a job of the sheet.
        """
        with self._database.reading() as connection:
            _, version = _VERSION.first(connection, escaped(sheet)) or (0, 0)
            return version

    def changed(self, sheet: str, since: int) -> ChangedJobs:
        """The jobs that any process has added or changed since that version."""
        with self._database.reading() as connection:
            number, now = _VERSION.first(connection, escaped(sheet)) or (0, 0)
            if now <= since:
                return ChangedJobs(now, set())
            about = {"sheet": number, "since": since, "now": now}
            rows = connection.execute(_CHANGED, about)
            return ChangedJobs(now, {JobKey(sheet, *row) for row in rows})


def jobs_of(connection: Connection, sheet: int, row_ids: Collection[str]) -> dict[int, Job]:
    """Number inside the store -> job, for all jobs of some rows of a sheet."""
    return {
        number: job
        for chunk in chunks(sorted(row_ids))
        for number, job in _load(connection, _SOME_JOBS, {"sheet": sheet, "ids": chunk}).items()
    }


def found(connection: Connection, keys: Iterable[JobKey]) -> dict[int, Job]:
    """Number inside the store -> job, for those of the keys that there are."""
    wanted = set(keys)
    return {
        number: job
        for about in _among(connection, wanted)
        for number, job in _load(connection, _SOME_JOBS, about).items()
        if job.key in wanted
    }


def _among(connection: Connection, keys: Iterable[JobKey]) -> Iterator[dict[str, object]]:
    """The parameters of _SOME for the jobs of these keys (and other jobs of their rows)."""
    by_sheet = defaultdict(set)
    for key in keys:
        by_sheet[key.sheet].add(key.row_id)
    for sheet, ids in by_sheet.items():
        number = number_of(connection, sheet)
        for chunk in chunks(sorted(ids)):
            yield {"sheet": number, "ids": chunk}


def raise_jobs(connection: Connection, versions: Mapping[int, int]) -> None:
    """Note that these jobs changed: number inside the store -> the version of its sheet."""
    _RAISED.each(connection, [(now, number) for number, now in versions.items()])


def _add(connection: Connection, sheet: str, keys: Sequence[JobKey], at: datetime) -> Versions:
    number = made(connection, sheet)
    version = raise_versions(connection, [number])[number]
    same = {"sheet": number, "asked": 1, "made_at": at, "version": version}
    lines = [{**same, "row_id": key.row_id, "take": key.take, "part": key.part} for key in keys]
    connection.execute(upsert(connection, jobs).on_conflict_do_nothing(), lines)
    return Versions(version - 1, version)


def raised(connection: Connection, key: JobKey) -> int:
    """Raise the version of the job's sheet, which locks the sheet, and return it."""
    number = number_of(connection, key.sheet)
    return raise_versions(connection, [number])[number] if number else 0


def is_job(connection: Connection, key: JobKey) -> ColumnElement[bool]:
    """The condition that a line of the table is this job."""
    return and_(
        jobs.c.sheet == number_of(connection, key.sheet),
        jobs.c.row_id == key.row_id,
        jobs.c.take == key.take,
        jobs.c.part == key.part,
    )


def _load(connection: Connection, ask: _Questions, about: Mapping[str, object]) -> dict[int, Job]:
    """Number inside the store -> job, in three questions however many there are."""
    tried: dict[int, list[Attempt]] = defaultdict(list)
    for number, *fields in connection.execute(ask.attempts, about):
        tried[number].append(from_plain(fields))
    saved: dict[int, dict[str, str]] = defaultdict(dict)
    unsaved: dict[int, dict[str, Unsaved]] = defaultdict(dict)
    reserved: dict[int, dict[str, str]] = defaultdict(dict)
    links: dict[int, dict[str, str]] = defaultdict(dict)
    findings: dict[int, dict[str, Findings]] = defaultdict(dict)
    for number, url, path, link, its_id, *why, wrong in connection.execute(ask.files, about):
        if path:
            saved[number][url] = path
            if link:
                links[number][url] = link
            if wrong:
                findings[number][url] = Findings.from_text(wrong)
        elif (missed := Unsaved(*why)).tries:
            unsaved[number][url] = missed
        if its_id and not path:
            reserved[number][url] = its_id
    return {
        number: Job(
            JobKey(sheet, row_id, take, part),
            asked,
            mine := tuple(tried.get(number, ())),
            made_at,
            _in_order(saved.get(number, {}), mine),
            unsaved.get(number, {}),
            dismissed,
            reserved.get(number, {}),
            links.get(number, {}),
            findings.get(number, {}),
            numbers_in(picked),
        )
        for number, sheet, row_id, take, part, asked, made_at, dismissed, picked in (
            connection.execute(ask.jobs, about)
        )
    }


def numbers_in(picked: str) -> tuple[int, ...]:
    """The numbers of picked pictures, as they are kept."""
    return tuple(map(int, picked.split(","))) if picked else ()


def _in_order(saved: dict[str, str], tried: Sequence[Attempt]) -> dict[str, str]:
    """Saved files in the order of the URLs, then those of no URL that is known."""
    if not saved:
        return saved
    urls = [url for one in tried for url in (*one.result.urls, one.result.grid_url)]
    return {url: saved[url] for url in (*urls, *sorted(saved)) if url in saved}
