"""The whole program without the network: people who edit a sheet, and an API that counts.

A pass is divided into its steps, so that anything can happen between two of them: a gesture, a
crash, another pass, a late answer. After each step the world is compared with what people wrote and
with the requests to the API. The program's own store is never used to judge its success.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from pipeline.core.api.accounts import Api as NamedApi
from pipeline.core.api.fields import columns_of
from pipeline.core.api.protocol import poll_answer, task_event, verdict
from pipeline.core.api.provider import Provider
from pipeline.core.api.task_list import page_answers, page_of
from pipeline.core.errors import ColumnsError
from pipeline.core.model import JobKey, Request, Response, State
from pipeline.core.planning.lines import Line as Planned
from pipeline.core.rows.forgetting import stays_by
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import Header
from pipeline.core.states import Event, Failed, Lost, Postponed, Succeeded, state_of
from pipeline.store import Fact, Lease, Limits, Store, Terms
from pipeline.sync import clock as pass_clock
from pipeline.sync.sheet_sync import SheetSync
from pipeline.sync.submissions import Sending, Submissions
from tests.system.whole import stores
from tests.system.whole.api import (
    DAY,
    Answer,
    Api,
    Sent,
    Task,
    Turn,
    described,
    listed,
    provider,
    response,
    told,
)
from tests.system.whole.at_rest import AtRest
from tests.system.whole.chains import Wish
from tests.system.whole.desks import SHEET, Desk, FileDesk, GoogleDesk, Watched
from tests.system.whole.line import PARENT, PROMPT, TAKE
from tests.system.whole.resending import Resends
from tests.system.whole.sheet import Team

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
#: The store in use, one of another team, and a backup of the first.
MAIN, OTHER, COPY = "main", "other", "copy"
_HELD_ROWS = ("owner", "columns", "config")


class Killed(BaseException):
    """The program was killed: no more of it runs."""


@dataclass
class Clock:
    """A clock that changes only when the test moves it."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def on(self, seconds: float) -> None:
        """Move the time forward by this number of seconds."""
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Shape:
    """The kind of a sheet and the options of its configuration."""

    titles: tuple[str, ...] = (PROMPT, "remark", TAKE)
    ours: tuple[str, ...] = ()
    settle: timedelta = timedelta(0)
    per_run: int | None = None
    per_day: int | None = None
    #: The file, or "google".
    place: str = "prompts.csv"
    #: The version of the API, and whether the team's account may move from version 1 to 2.
    version: int = 1
    moves: bool = False

    @property
    def chains(self) -> bool:
        """True if rows can follow other rows."""
        return PARENT in self.titles


@dataclass
class Pass:
    """One start of the program, between two of its steps."""

    store_name: str
    store: Store
    sheet: Watched
    sync: SheetSync
    submissions: Submissions
    run: str
    lease: Lease | None
    resends: Resends | None = None
    #: It is killed before it hears the answer to a request that it sends again.
    dies: bool = False
    queue: list[Planned] = field(default_factory=list)
    ready: list[Sending] = field(default_factory=list)
    answers: list[Fact] = field(default_factory=list)
    #: It is inside a sync and can do nothing else.
    busy: bool = False


class World:
    """Sheet, people, program and API, and what must always be true of them."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.folder = stores.emptied()
        self.shape = shape
        self.chance = Random(seed)
        self.clock = Clock()
        self.api = Api()
        self.team = Team(self._desk(), list(shape.titles), list(shape.ours), self.api.has_received)
        self.passes: list[Pass] = []
        self.mail: list[tuple[str, Fact]] = []
        #: The recorded successes in their order, by store and job.
        self.recorded: dict[tuple[str, JobKey], dict[int, tuple[str, ...]]] = {}
        #: Attempts asked for by `retry`.
        self.retried: Counter[JobKey] = Counter()
        self.retried_words: Counter[str] = Counter()
        #: Jobs with a lost answer or a crashed start.
        self.uncertain: set[JobKey] = set()
        #: Rows whose words and results left the store.
        self.forgotten: set[str] = set()
        self.paused = False
        self.version = shape.version
        #: Idempotency key -> the submission that was begun with it.
        self.begun_with: dict[str, Sent] = {}
        #: The attempts of each job that were begun.
        self.begun_for: dict[JobKey, list[Sent]] = defaultdict(list)
        #: The outcomes of the next requests that are sent again.
        self._outcomes: list[Answer] = []
        self.counts: Counter[str] = Counter()
        #: A line for each event, to help find the cause of a failure.
        self.story: list[str] = []
        self._starts = 0
        #: The claim when the store was copied, and whether anything was begun under it since.
        self._copied_at = 0
        self._begun_since_copy = False
        shutil.copy(stores.blank(MAIN), self._file(MAIN))
        shutil.copy(stores.blank(OTHER), self._file(OTHER))

    def close(self) -> None:
        """Close and delete everything."""
        for one in list(self.passes):
            self._drop(one)
        stores.emptied()

    # -- starts of the program -------------------------------------------------------------------

    def start(self, name: str = MAIN, leased: bool = False) -> Pass | None:
        """Start a pass on a store; None if another one has the lease."""
        self._starts += 1
        run = f"start {self._starts}"
        store = self._open(name)
        lease = store.leases.take(SHEET, run, 45.0) if leased else None
        if leased and lease is None:
            store.close()
            self.counts["kept out by a lease"] += 1
            return None
        watched = self.team.desk.watched(self.clock)
        clock = pass_clock.Clock(self.clock)
        sync = SheetSync(
            watched.sheet,
            store,
            self._rules(),
            Header(self._columns),
            self._limits(run, self.version),
            config="promptsheet.toml",
            clock=clock,
            chance=self.chance,
            more_limits=[self._limits(run, 1)] if self.has_moved else [],
        )
        submissions = Submissions(sync, clock=clock, chance=self.chance)
        started = Pass(name, store, watched, sync, submissions, run, lease)
        if sync.rules.provider.once:
            started.resends = Resends(
                sync,
                submissions,
                sync.rules.api,
                clock,
                answer=partial(self._sent_again, started),
                on_event=lambda key, number, event: self._note_recorded(
                    name, [Fact(key, number, event)]
                ),
            )
        self.passes.append(started)
        self.counts[f"start on {name}"] += 1
        self._tell(f"{run} begins on {name}")
        return started

    @property
    def has_moved(self) -> bool:
        """True if the account was one of another version before."""
        return self.version != self.shape.version

    @property
    def _columns(self) -> frozenset[str]:
        return columns_of(provider(1, self.shape.chains).endpoints["imagine"])

    def _rules(self) -> Rules:
        api = self._named_api(self.version)
        return Rules(
            sheet=SHEET,
            provider=api.provider,
            endpoint="imagine",
            settle=self.shape.settle,
            base_url=api.base_url,
            account=api.account,
            others=(self._named_api(1, sends=False),) if self.has_moved else (),
        )

    def _named_api(self, version: int, sends: bool = True) -> NamedApi:
        its = provider(version, self.shape.chains)
        return NamedApi(its, its.base_url, f"account {version}", sends=sends)

    def _limits(self, run: str, version: int) -> Limits:
        return Limits(
            api_key=f"account {version}",
            run=run,
            day=self.clock().date().isoformat(),
            per_run=self.shape.per_run,
            per_day=self.shape.per_day,
        )

    @property
    def may_move(self) -> bool:
        """True if the account can move to version 2."""
        return self.shape.moves and not self.has_moved

    def move(self) -> None:
        """The team gets an account of version 2, and names the old one as the former one."""
        self._tell("the account moves")
        self.counts["moved"] += 1
        self.version = 2

    def end(self, one: Pass) -> None:
        """End a pass: the answers it received are recorded."""
        if one.ready:
            self.crash(one)
            return
        self.record(one)
        if one.lease:
            one.store.leases.release(one.lease)
        self._drop(one)

    def crash(self, one: Pass) -> None:
        """Crash a pass: everything that it had not recorded is lost."""
        if one not in self.passes:
            return  # it crashed inside another pass
        self._tell(f"{one.run} dies")
        self.counts["crash"] += 1
        self.counts["crash with something in hand"] += bool(one.ready or one.answers)
        self.uncertain |= {sending.key for sending in one.ready}
        self.uncertain |= {fact.key for fact in one.answers}
        self._drop(one)

    def _drop(self, one: Pass) -> None:
        self.passes.remove(one)
        one.store.close()

    # -- steps of a pass -------------------------------------------------------------------------

    def look(
        self,
        one: Pass,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Sync: read, note, write, read back; other events can happen in between."""
        self.counts["look"] += 1
        one.sheet.before, one.sheet.after, one.sheet.disturbed = before, after, False
        one.busy = True
        one.queue = []
        try:
            one.sync.look()
        except ColumnsError as refusal:
            self._tell(f"{one.run} refused the sheet: {refusal}")
            self._assert_may_refuse(one)
            return
        except Killed:
            self.counts["crash inside a look"] += 1
            self.crash(one)
            return
        finally:
            one.busy = False
        self.team.assert_untouched()
        hold = one.sync.last.hold
        self._tell(f"{one.run} looked: {hold.kind if hold else ''}{self._sheet_as_text()}")
        if hold:
            self.counts[f"held: {hold.kind}"] += 1
        else:
            one.queue = [line for line in one.sync.last.plan.to_send if line.job]
        if one.resends:
            one.resends.take_all()
        self.team.is_served |= hold is None and bool(one.sync.last.plan.statuses)
        if not one.sheet.disturbed and (hold is None or hold.kind not in _HELD_ROWS):
            self.assert_rows_are_true(one)
            for line in self.team.lines if hold is None else ():
                line.raw = False

    def begin(self, one: Pass, most: int = 20) -> None:
        """Start attempts for the first lines of the queue."""
        lines, one.queue = one.queue[:most], one.queue[most:]
        if not lines:
            return
        self.team.look_round(self.clock())
        batch = one.submissions.commit_batch((), lines)
        begun, refused = batch.begun, batch.refused
        self.counts["refused to begin"] += len(refused)
        assert not (begun and one.sync.last.hold), (
            "an attempt was started although the sheet is held"
        )
        assert not (begun and self.paused and one.store_name == MAIN), (
            "an attempt was started while paused"
        )
        for sending in begun:
            wish = self._wish(sending)
            is_recent = self.team.was_asked(wish, self.clock() - timedelta(seconds=60))
            assert is_recent, f"{wish} was started, and no row asks for it any more"
            sent = self._sent(one, sending)
            self.begun_for[sent.key].append(sent)
            if sent.once:
                assert sent.once not in self.begun_with, f"{sent.once} is used for two attempts"
                self.begun_with[sent.once] = sent
        one.ready += begun
        if begun and one.store_name == MAIN and self._claim_counter() == self._copied_at:
            self._begun_since_copy = True

    def leave(self, one: Pass, how: Answer) -> None:
        """Send the next request, with this outcome."""
        if not one.ready:
            return
        sending = one.ready.pop(0)
        key, number = sending.key, sending.attempt.number
        if sending.attempt.deadline <= self.clock():
            self.counts["too late to leave"] += 1
            self.uncertain.add(key)  # others may have recorded it as lost by now
            one.answers.append(Fact(key, number, Postponed("its time was over")))
            return
        sent = self._sent(one, sending)
        words = sent.words
        self._tell(f"{one.run} sent {words!r} for {key.row_id}/{key.take}/{number}: {how}")
        task = self.api.asked(sent, how, self.clock())
        back = response(how, task)
        event: Event
        if back is not None:
            api = one.sync.rules.provider
            event = verdict(api, api.endpoints["imagine"], back, self.clock()).event
        elif how is Answer.NEVER_LEFT:
            event = Postponed("no way to the API")
        else:
            event = Lost("no answer in time")
        if isinstance(event, Failed):
            self.team.failed[words] += 1
        one.answers.append(Fact(key, number, event))
        self.assert_nothing_paid_twice()

    def record(self, one: Pass) -> None:
        """Record the answers."""
        facts, one.answers = one.answers, []
        if facts:
            self.clock.on(0.001)
            self._tell(f"{one.run} recorded {[(f.key.row_id, f.event) for f in facts]}")
            one.submissions.record(facts)
            self._note_recorded(one.store_name, facts)
            if one.resends:
                one.resends.take_all()

    def resend(self, one: Pass, outcomes: Sequence[Answer], dies: bool = False) -> None:
        """Let a pass send its lost submissions again; with `dies`, it is killed before the answer.

        Version 1 has no key for that: nothing is sent again.
        """
        if one.resends is None or one not in self.passes:
            return
        self.clock.on(1.1)
        self._outcomes = list(outcomes)
        one.dies = dies
        try:
            one.resends.round()
        except Killed:
            self.crash(one)
        self.assert_nothing_paid_twice()

    def _sent_again(self, one: Pass, request: Request) -> Response | None:
        """Receive a request that is sent again."""
        self.counts["sent again"] += 1
        once = request.headers.get("Idempotency-Key", "")
        assert once in self.begun_with, "a submission was sent again under a new key"
        sent, now = self.begun_with[once], self.clock()
        assert request.body == sent.body, f"{sent.key} was sent again with another body"
        assert now - sent.when < DAY, f"{sent.key} was sent again after a day"
        how = self._outcomes[self.counts["sent again"] % len(self._outcomes)]
        if how is Answer.REFUSED and once in self.api.kept:
            how = Answer.ACCEPTED
        if how is Answer.REFUSED:
            self.team.failed[sent.words] += 1
        self._tell(f"{one.run} sent {sent.words!r} for {sent.key} again: {how}")
        # It is paid by the start and the day that its price is held for.
        task = self.api.asked(sent, how, now)
        if "parent_task_id" in sent.body:
            self.counts["child sent again"] += 1
        if one.dies:
            self.counts["died while sending again"] += 1
            raise Killed
        return response(how, task)

    def ask_after(self, one: Pass, pick: int, turns: Sequence[Turn]) -> None:
        """Poll open tasks; each has moved on by then."""
        known, rules = self.api.tasks, one.sync.rules
        attempts = [
            (k, a)
            for k, a in one.sync.state.jobs.open_attempts()
            if a.task_id in known and rules.api_of(a)
        ]
        if not attempts:
            return
        first = pick % len(attempts)
        asked = (attempts[first:] + attempts[:first])[: max(1, len(turns))]
        bodies: dict[str, list[dict[str, Any]]] = {}
        for n, (_, attempt) in enumerate(asked):
            task, api = known[attempt.task_id], rules.api_of(attempt)
            assert api is not None
            assert api.provider.name == task.at, f"{task.id} was polled at another API"
            self.counts["polled at the former account"] += api != rules.api
            turn = turns[n % len(turns)] if turns else Turn.PROGRESS
            bodies.setdefault(task.at, []).append(self._turn(task, turn))
        by_task = {attempt.task_id: (key, attempt.number) for key, attempt in asked}
        for at, its in bodies.items():
            one.answers += [Fact(*by_task[task], event) for task, event in self._polled(at, its)]
        self.counts["poll"] += 1

    def _polled(self, at: str, bodies: list[dict[str, Any]]) -> Iterator[tuple[str, Event]]:
        """The events behind the answers to polls at one API: task id and event."""
        its = self._provider(at)
        first = its.task.id[-1]
        endpoint_of = {body[first]: its.endpoints["imagine"] for body in bodies}
        if its.poll.many:
            yield from poll_answer(its, endpoint_of, described(bodies), self.clock()).events.items()
            return
        page = page_of(its, listed(bodies))
        assert page is not None
        answers = page_answers(its, endpoint_of, page)
        yield from answers.events.items()
        for body in (body for body in bodies if body[first] in answers.missing):
            about = {body[first]: endpoint_of[body[first]]}
            yield from poll_answer(its, about, told(body), self.clock()).events.items()

    def _provider(self, name: str) -> Provider:
        return next(its for n in (1, 2) if (its := provider(n, self.shape.chains)).name == name)

    # -- what happens elsewhere ------------------------------------------------------------------

    def task_moves(self, pick: int, what: Turn) -> None:
        """Move a task on at the API, which calls back; the call arrives at another time."""
        tasks = list(self.api.tasks.values())
        task = tasks[pick % len(tasks)]
        event = self._event(task, what)
        self.mail = [*self.mail[-30:], (task.store, Fact(task.key, task.attempt, event))]

    def _event(self, task: Task, what: Turn) -> Event:
        its = self._provider(task.at)
        return task_event(its, its.endpoints["imagine"], self._turn(task, what), task.id)

    def change_of_mind(self, pick: int) -> None:
        """The API calls back to say that a finished task failed."""
        done = [task for task in self.api.tasks.values() if task.status == "finished"]
        if done:
            task = done[pick % len(done)]
            event = self._event(task, Turn.CONTRADICT)
            self.mail.append((task.store, Fact(task.key, task.attempt, event)))
            self.callback(len(self.mail) - 1)

    def callback(self, pick: int) -> None:
        """Deliver a call of the API: late, out of order, perhaps repeated."""
        name, fact = self.mail[pick % len(self.mail)]
        self.counts["callback"] += 1
        self.clock.on(0.001)
        with self._opened(name) as store:
            self._tell(f"callback on {name}: {fact.key.row_id}/{fact.number} {fact.event}")
            store.attempts.record([fact])
        self._note_recorded(name, [fact])

    def gesture(self, pick: int) -> None:
        """Do one gesture in the sheet."""
        possible = self.team.possible()
        if possible:
            name = possible[pick % len(possible)]
            self._tell(f"somebody: {name}")
            self.team.do(name, pick // len(possible), self.clock())

    def pause(self) -> None:
        """Pause or resume the sheet."""
        self.paused = not self.paused
        self.counts["pause"] += 1
        with self._opened(MAIN) as store:
            store.sheets.update(SHEET, paused=self.paused)

    def retry(self, pick: int) -> None:
        """Retry: request another attempt for failed or lost jobs that a row asks for."""
        asking = {
            cells.get("row_id", "")
            for line, cells in zip(self.team.lines, self.team.written(), strict=True)
            if line.words
        }
        with self._opened(self.owner()) as store:
            jobs = [
                job
                for job in store.jobs.all(SHEET).values()
                if state_of(job) in (State.FAILED, State.UNKNOWN) and job.key.row_id in asking
            ]
            if jobs:
                job = jobs[pick % len(jobs)]
                if store.jobs.ask(job.key, job.asked + 1):
                    self.counts["retry"] += 1
                    self._tell(f"retry of {job.key}")
                    self.retried[job.key] += 1
                    # The row may go back to the prompt of an attempt that was lost.
                    sent = {sent.words for sent in self.begun_for[job.key]}
                    self.retried_words.update(sent | {line.words for line in self.team.lines})

    def press(self, pick: int) -> None:
        """Request on the page that a finished row is made again."""
        with self._opened(self.owner()) as store:
            again, jobs = store.rows.extra_takes(SHEET), store.jobs.all(SHEET)
            pressable = {
                mark: job
                for line, cells in zip(self.team.lines, self.team.written(), strict=True)
                if line.words and (mark := cells.get("row_id", ""))
                if (job := jobs.get(JobKey(SHEET, mark, line.take_number + again.get(mark, 0))))
                and state_of(job) in (State.SUCCEEDED, State.FAILED)
            }
            if not pressable:
                return
            mark, job = list(pressable.items())[pick % len(pressable)]
            if store.rows.ask_again(SHEET, mark, again.get(mark, 0)):
                self.counts["made again"] += 1
                self._tell(f"somebody presses that {mark} be made again")
                # It asks for the prompt that the row has when it is sent.
                sent = {sent.words for sent in self.begun_for[job.key]}
                self.retried_words.update(sent | {line.words for line in self.team.lines})

    def forget(self) -> None:
        """Remove the words and results of all finished rows from the store."""
        rules = self._rules()
        with self._opened(self.owner()) as store:
            self.clock.on(1)
            old = store.forgetting.old(SHEET, self.clock())
            store.forgetting.forget(SHEET, old.row_ids, Terms(stays_by(rules), rules.links))
            again = store.forgetting.old(SHEET, self.clock())
        self._tell(f"forgotten: {old.row_ids}")
        assert not again.rows, "what was forgotten is there again"
        self.forgotten.update(old.row_ids)
        self.counts["forgotten"] += old.rows
        self.counts["results forgotten"] += old.results

    def back_up(self) -> None:
        """Copy the store, at any moment."""
        if self.has_backup and self.owner() == COPY:
            return  # that would destroy the store in use
        for one in [one for one in self.passes if one.store_name == COPY]:
            self.end(one)
        self.counts["backup"] += 1
        self._tell("the store is backed up")
        self._copied_at, self._begun_since_copy = self._claim_counter(), False
        stores.forget(self._file(COPY))
        with (
            closing(sqlite3.connect(self._file(MAIN))) as source,
            closing(sqlite3.connect(self._file(COPY))) as copied,
        ):
            source.backup(copied)

    @property
    def has_backup(self) -> bool:
        """True if there is a copy of the store."""
        return self._file(COPY).exists()

    def may_restore(self) -> bool:
        """True if a backup may be used: no pass of the original is running.

        A backup made in the minute between a sync and the requests after it can be distinguished
        from the original only after a later sync has raised the claim. Until then it may not be
        used.
        """
        is_distinct = not self._begun_since_copy or self._claim_counter() != self._copied_at
        alone = not any(one.store_name == MAIN for one in self.passes)
        return self.has_backup and alone and is_distinct

    def _claim_counter(self) -> int:
        claim = self.team.desk.claim()
        return claim.counter if claim else 0

    def owner(self) -> str:
        """The store that the sheet belongs to, according to its claim."""
        claim = self.team.desk.claim()
        if claim is None:
            return MAIN
        names = (MAIN, OTHER, COPY) if self.has_backup else (MAIN, OTHER)
        for name in names:
            with self._opened(name) as store:
                record = store.sheets.get(SHEET)
                mine = store.id == claim.store
                if mine and (record.counter, record.word) == (claim.counter, claim.word):
                    return name
        # A claim that was raised in a store and never written exists nowhere else.
        return next(name for name in names if self._id(name) == claim.store)

    # -- what must be true -----------------------------------------------------------------------

    def assert_nothing_paid_twice(self) -> None:
        """Check the API's counts for each prompt, for each job, and in credits."""
        api, team = self.api, self.team
        for words, count in api.received.items():
            asked = len(team.wishes[words]) + team.granted[words] + self.retried_words[words]
            assert count <= asked, f"{words!r} was sent {count} times, and asked for {asked} times"
        for key, count in api.received_for.items():
            asked = 1 + self.retried[key] + api.failed_for[key]
            assert count <= asked, f"{key} was sent {count} times, and asked for {asked} times"
        for name, spent in api.charged.items():
            cap = self.shape.per_run if name.startswith("run") else self.shape.per_day
            assert cap is None or spent <= cap, f"{spent} credits in {name}, allowed: {cap}"

    def assert_what_was_heard_is_kept(self) -> None:
        """Check that every recorded success is still in its store."""
        for name in {name for name, _ in self.recorded}:
            with self._opened(name) as store:
                jobs = store.jobs.all(SHEET)
            for (where, key), successes in self.recorded.items():
                for number, urls in successes.items() if where == name else ():
                    attempt = next(a for a in jobs[key].attempts if a.number == number)
                    kept = attempt.state, attempt.result.urls
                    if its := attempt.forgotten:
                        kept = attempt.state, urls if len(its.urls) == len(urls) else ()
                    assert kept == (State.SUCCEEDED, urls), f"{key} had {urls}, now {kept}"

    def assert_rows_are_true(self, one: Pass) -> None:
        """After a quiet sync: check that every result is in its own row, and only there."""
        lines = {line.seen.place: line for line in one.sync.last.plan.lines}
        resting, again = (
            frozenset(one.sync.last.unchanged.values()),
            one.store.rows.extra_takes(SHEET),
        )
        shown: dict[str, int] = {}
        ids: set[str] = set()
        for place, (line, cells) in enumerate(
            zip(self.team.lines, self.team.written(), strict=True), start=1
        ):
            planned = lines.get(place)
            known = place in resting or (planned is not None and not planned.foreign)
            if not line.words or not known:
                continue
            urls = cells.get("image_urls", "").split()
            status = cells.get("status", "")
            for url in urls:
                task = self.api.by_url.get(url)
                assert task, f"line {place} shows {url}, which the API never gave"
                assert url not in shown, f"lines {shown[url]} and {place} both show {url}"
                shown[url] = place
                # After a mistake in take, the row shows earlier pictures, and its note says so.
                is_explained = "when these pictures were made" in cells.get("note", "")
                is_explained |= status in ("edited", "check needed")
                assert task.words == line.words or is_explained, (
                    f"line {place} says {line.words!r} and shows {task.words!r} as {status}"
                )
            mark = cells.get("row_id", "")
            assert mark, f"line {place} has no id"
            assert mark not in ids, f"{mark} stands twice"
            ids.add(mark)
            take = line.take_number and line.take_number + again.get(mark, 0)
            if successes := self.recorded.get((one.store_name, JobKey(SHEET, mark, take))):
                first = next(iter(successes.values()))
                is_shown = tuple(urls) == first
                if mark in self.forgotten:  # what people remove from the cells is nowhere else
                    self.counts["forgotten, and shown"] += is_shown
                    is_shown = {*urls} <= {*first}
                assert is_shown, f"line {place} shows {urls} and not {first}"

    def peace(self) -> None:
        """Without disturbances, and with an API that answers, every row ends or says what it waits
        for.
        """
        self._tell("left in peace")
        self.counts["left in peace"] += 1
        for one in list(self.passes):
            self.end(one)
        for name in ("put all back", "put the columns back"):
            if name in self.team.possible():
                self.team.do(name, 0, self.clock())
        if self.paused:
            self.pause()
        name = self.owner()
        for _ in range(30):
            if not self._peaceful_pass(name):
                break
        else:
            raise AssertionError("it never comes to rest")
        self.assert_what_was_heard_is_kept()

    def _peaceful_pass(self, name: str) -> bool:
        """A pass without disturbances; whether anything is left to do."""
        self.clock.on(61)
        for task in self.api.tasks.values():
            self.api.turn(task, Turn.PROGRESS if task.status == "failed" else Turn.FINISH)
            if task.status == "failed":
                self.team.failed[task.words] += 1
        one = self.start(name)
        assert one
        self.look(one)
        if hold := one.sync.last.hold:
            emptied = hold.kind == "columns" and not any(line.words for line in self.team.lines)
            assert emptied, f"held: {hold}"
        self.begin(one)
        busy = bool(one.ready)
        while one.ready:
            self.leave(one, Answer.ACCEPTED)
        self.record(one)
        while one.resends and not one.resends.is_idle:
            busy = True
            self.clock.on(60)
            self.resend(one, [Answer.ACCEPTED])
        while attempts := [
            a for _, a in one.sync.state.jobs.open_attempts() if a.task_id in self.api.tasks
        ]:
            busy = True
            self.ask_after(one, 0, [Turn.FINISH] * len(attempts))
            self.record(one)
        self.look(one)
        waiting = [
            line.status
            for line in one.sync.last.plan.lines
            if line.status == "waiting" and not line.waits_for_parent
        ]
        if not busy and not waiting:
            self.counts += AtRest(self, one).check()
            self.end(one)
            return False
        self.end(one)
        return True

    # -- parts -----------------------------------------------------------------------------------

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.clock():%H:%M:%S} {what}")

    def _sheet_as_text(self) -> str:
        lines = []
        for line, cells in zip(self.team.lines, self.team.written(), strict=True):
            tasks = {
                t.id for u in cells.get("image_urls", "").split() if (t := self.api.by_url.get(u))
            }
            said = " ".join((cells.get("row_id", ""), cells.get("status", ""), *sorted(tasks)))
            lines.append(f"\n        #{line.token} {line.words!r} take {line.take}: {said}")
        return "".join(lines)

    def _turn(self, task: Task, what: Turn) -> dict[str, Any]:
        body = self.api.turn(task, what)
        if body.get("status") == "failed":
            self.team.failed[task.words] += 1
        return body

    def _sent(self, one: Pass, sending: Sending) -> Sent:
        body = sending.request.body
        assert body is not None
        return Sent(
            key=sending.key,
            attempt=sending.attempt.number,
            words=str(body["prompt"]),
            store=one.store_name,
            at=sending.attempt.provider,
            once=sending.request.headers.get("Idempotency-Key", ""),
            body=body,
            when=self.clock(),
            payers=self._payers(one),
        )

    def _payers(self, one: Pass) -> tuple[str, str]:
        own, name = one.sync.spending.own, one.store_name
        return f"run {one.run}", f"day {own.day} {name} {own.api_key}"

    def _wish(self, sending: Sending) -> Wish:
        """What a request asks for. A row that follows another one is checked with the API.

        It carries the task of a row that is done, and one of the pictures of that task.
        """
        body = sending.request.body or {}
        words, origin, image = str(body["prompt"]), body.get("parent_task_id"), body.get("image")
        if origin is None and image is None:
            return Wish(words)
        parent = self.api.tasks.get(str(origin))
        assert parent, f"{words!r} follows {origin}, which the API never made"
        assert parent.status == "finished", f"{words!r} was begun before {origin} was done"
        assert image in parent.urls, f"{words!r} has the picture {image}, not one of {origin}"
        self.counts["child begun"] += 1
        self.counts["grandchild begun"] += "parent_task_id" in parent.body_sent
        return Wish(words, parent.words, parent.urls.index(str(image)) + 1)

    def _note_recorded(self, name: str, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact.event, Succeeded):
                successes = self.recorded.setdefault((name, fact.key), {})
                successes.setdefault(fact.number, fact.event.result.urls)
            elif isinstance(fact.event, Lost):
                self.uncertain.add(fact.key)

    def _assert_may_refuse(self, one: Pass) -> None:
        """A sheet is refused only without its prompts, or by a store that never wrote into it."""
        mine = one.store_name == self.owner()
        assert PROMPT not in self.team.titles or not mine, "the sheet was refused without a reason"

    def _desk(self) -> Desk:
        if self.shape.place == "google":
            return GoogleDesk()
        return FileDesk(self.folder / self.shape.place)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def _id(self, name: str) -> str:
        with self._opened(name) as store:
            return store.id

    @contextmanager
    def _opened(self, name: str) -> Iterator[Store]:
        for one in self.passes:
            if one.store_name == name:
                yield one.store
                return
        with self._open(name) as store:
            yield store

    def _open(self, name: str) -> Store:
        return Store(f"sqlite:///{self._file(name)}", now=self.clock)
