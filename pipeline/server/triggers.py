"""Starts passes by HTTP: `POST /run/{sheet}` with a token, and `GET` for the state of the sheet.

A caller can only ask for what the command line can do, so budgets, approvals and holds apply. The
answers are JSON with a sentence in `message`. `Triggers` owns the recent plans. Raises ConfigError
if two sheets have the same name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline import wiring
from pipeline.callers import caller_of, limited_logger
from pipeline.core.errors import ConfigError, PromptsheetError, StoreError
from pipeline.core.planning.named_rows import find_rows, no_row
from pipeline.core.statuses import Status
from pipeline.core.text import counted, one_line, rounded
from pipeline.reports.plan import PlanFigures, figures, narrowed
from pipeline.server.pass_requests import PassControl, PassRequest, Taken
from pipeline.server.trigger_access import TriggerAccess
from pipeline.server.trigger_orders import Refused, TriggerOrder, body_of, trigger_order_of
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.last_pass import STOPPED, LastPass, last_pass_of, stop_of_rule
from pipeline.sync.lease import is_dead, this_process

log = limited_logger("trigger")

PATH: Final = "/run/"
#: Seconds to wait for the plan; after that, the pass starts without its figures in the answer.
PLAN_WITHIN: Final = 10.0
#: Seconds for which a plan is used again.
PLAN_KEPT: Final = 0.5
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PAUSED: Final = "The sheet is paused: results are collected, and nothing is sent until it resumes."
_NO_PASSES: Final = (
    "No runs start here: this is promptsheet serve. Use promptsheet watch, or let cron start "
    "promptsheet run."
)

Say = Callable[[str, str], None]
#: The name of a sheet, the request, and whether accounts are asked for their balance.
_Asked = tuple[str, PassRequest, bool]


class Triggers:
    """The addresses that start passes over these sheets.

    `passes` has the passes of each sheet, by its key; None if no passes run in this process. `say`
    is called with the title of a sheet and a sentence about what a caller did.
    """

    def __init__(
        self, campaigns: Sequence[Campaign], passes: Mapping[str, PassControl] | None, say: Say
    ) -> None:
        self._passes, self._say = passes, say
        self._sheets = _by_name(campaigns)
        tokens = {name: one.settings.trigger.token for name, one in self._sheets.items()}
        self._access = TriggerAccess(tokens)
        #: What was asked for -> the plan, and until when it is used.
        self._plans: dict[_Asked, tuple[float, asyncio.Future[PlanFigures]]] = {}
        # Threads of their own: a plan may wait a minute for Google.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="plan")

    def routes(self) -> list[BaseRoute]:
        """The routes for the app of these sheets."""
        return [
            Route(f"{PATH}{{name}}", _Endpoint(self.answer)),
            Route(f"{PATH}{{name}}/edited", self.edited, methods=["POST"]),
        ]

    def lines(self, address: str) -> list[str]:
        """A line about each sheet, for the terminal."""
        begin = "Runs of {} start with POST {}"
        if self._passes is None:
            begin = "The state of {}, and a pause, by HTTP at {} (no runs start here)"
        return [
            begin.format(
                one.title,
                f"{one.settings.trigger.public_url or address}{PATH}{quote(name)}",
            )
            for name, one in self._sheets.items()
        ]

    async def answer(self, request: Request) -> Response:
        """The answer to a request: JSON with a sentence, whatever happens."""
        try:
            name = self._access.sheet_of(request)
            if request.method == "GET":
                return _json(200, await asyncio.to_thread(self._state, name))
            if request.method != "POST":
                raise Refused(405, "Use POST to start a run, or GET.", Allow="GET, POST")
            order = trigger_order_of(await body_of(request))
            status, said = await self._done(name, order, request)
            return _json(status, said)
        except Refused as refused:
            return _json(refused.status, {"message": str(refused)}, refused.headers)
        except StoreError as trouble:
            return _json(503, {"message": str(trouble)}, {"Retry-After": "5"})
        except ClientDisconnect:
            return Response(status_code=400)

    async def edited(self, request: Request) -> Response:
        """The answer to Google Drive, which calls after a sheet has changed.

        A wrong token gets the same answer as an unknown address. The body is not read.
        """
        name = request.path_params["name"]
        token = request.headers.get("x-goog-channel-token", "")
        control = self._control(name) if name in self._sheets else None
        if control is None or not control.is_told_of_edit(token):
            return PlainTextResponse("Not Found", 404, {"Connection": "close"})
        return Response()

    # -- what is asked for -----------------------------------------------------------------------

    async def _done(
        self, name: str, order: TriggerOrder, request: Request
    ) -> tuple[int, dict[str, object]]:
        """Status and answer, once it is done."""
        if order.action in ("pause", "resume"):
            is_paused = order.action == "pause"
            await asyncio.to_thread(self._set_paused, name, is_paused)
            self._plans.clear()
            self._tell(name, f"{order.action}d", request)
            said = "Paused. Results still arrive, and nothing more is sent."
            if not is_paused:
                said = "Resumed. The next run sends again."
            state = await asyncio.to_thread(self._state, name)
            return 200, {**state, "message": said}
        if order.action == "plan":
            try:
                plan = await self._plan(name, order.request, ask_balance=True)
            except StoreError:
                raise
            except PromptsheetError as e:
                raise Refused(409, str(e)) from e
            if plan is None:
                raise Refused(503, "The sheet is still being read. Try again in a minute.")
            state = await asyncio.to_thread(self._state, name)
            return 200, {**state, "message": plan.sentence, "plan": plan.as_json()}
        return await self._run(name, order, request)

    async def _run(
        self, name: str, order: TriggerOrder, request: Request
    ) -> tuple[int, dict[str, object]]:
        control = self._control(name)
        if control is None:
            raise Refused(409, _NO_PASSES)
        asked_at = self._sheets[name].store.now().isoformat()
        plan, trouble = None, ""
        if control.running_since is None and not order.is_quick:
            try:
                plan = await self._plan(name, order.request)
            except StoreError:
                raise
            except PromptsheetError as e:
                trouble = str(e)  # the pass meets it, too, and still collects results
        other = await asyncio.to_thread(self._other_run, name)
        taken = control.ask(order.request)
        if taken is Taken.REFUSED:
            raise Refused(
                409,
                "Another run is working or planned, and it does not keep to your limit or row. "
                "Ask again when it has ended.",
            )
        if taken is Taken.STARTED:
            self._tell(name, "a run was started", request)
        else:
            log.info("a run was asked for again; the caller was %s", _caller(request))
        state = await asyncio.to_thread(self._state, name)
        return 202, {
            **state,
            "state": self._word(name, Taken.PLANNED if other else taken, plan, state),
            "message": one_line(self._sentence(name, taken, plan, trouble, state, other)),
            "asked_at": asked_at,
            "plan": plan.as_json() if plan else None,
        }

    def _word(
        self, name: str, taken: Taken, plan: PlanFigures | None, state: Mapping[str, object]
    ) -> str:
        """What a run means for the sheet now, as one word."""
        control = self._control(name)
        if (plan and plan.is_paused) or state["paused"]:
            return "paused"
        if (plan and plan.hold) or state["hold"] or (control and control.is_stopped):
            return "held"
        return taken.value

    def _sentence(
        self,
        name: str,
        taken: Taken,
        plan: PlanFigures | None,
        trouble: str,
        state: Mapping[str, object],
        other: str,
    ) -> str:
        control = self._control(name)
        if other:
            begun = f"Another run ({other}) is working on the sheet. Yours begins after it."
        elif taken is Taken.RUNNING:
            begun = "A run is working on the sheet. It reads the sheet again and sends what is new."
        elif taken is Taken.PLANNED and control and (wait := control.waits()):
            begun = f"A run is planned, and starts in {wait:.0f} s."
        elif taken is Taken.PLANNED:
            begun = "A run is already planned, and starts now."
        else:
            begun = "A run has started."
        if (plan and plan.is_paused) or state["paused"]:
            return f"{begun} {_PAUSED}"
        if control and control.is_stopped:
            return f"{begun} {STOPPED}"
        if plan or trouble:
            return f"{begun} {trouble or (plan.sentence if plan else '')}"
        return f"{begun} {state['hold']}"

    def _set_paused(self, name: str, paused: bool) -> None:
        one = self._sheets[name]
        one.store.set_paused(one.key, paused)

    async def _plan(
        self, name: str, request: PassRequest, *, ask_balance: bool = False
    ) -> PlanFigures | None:
        """The plan of a run; None if the sheet is not read within PLAN_WITHIN.

        Callers who ask at the same time share one. Raises Refused if there is no such row, and
        PromptsheetError if there is no plan.
        """
        now = time.monotonic()
        self._plans = {
            what: kept for what, kept in self._plans.items() if kept[0] > now or not kept[1].done()
        }
        asked = name, request, ask_balance
        if asked not in self._plans:
            loop = asyncio.get_running_loop()
            sheet = self._sheets[name]
            made = loop.run_in_executor(self._threads, _figures, sheet, request, ask_balance)
            made.add_done_callback(_looked_at)
            self._plans[asked] = now + PLAN_KEPT, made
        _, task = self._plans[asked]
        done, _ = await asyncio.wait({task}, timeout=PLAN_WITHIN)
        return task.result() if done else None

    # -- the state -------------------------------------------------------------------------------

    def _control(self, name: str) -> PassControl | None:
        return self._passes.get(self._sheets[name].key) if self._passes is not None else None

    def _state(self, name: str) -> dict[str, object]:
        """The state of a sheet, for programs: see the docs. Reads the store."""
        one, control = self._sheets[name], self._control(name)
        record, now = one.store.sheets.get(one.key), one.store.now()
        since = control.running_since if control else None
        if since is None and self._other_run(name):
            lease = one.store.leases.of(one.key)
            since = lease.since if lease else None
        hold = "" if record.paused else record.hold
        waits = control.waits() if control else None
        state, message = "idle", "No run is working on the sheet."
        if since:
            began = f"It began {_ago(since, now)}."
            state, message = "running", f"A run is working on the sheet. {began}"
        elif waits is not None:
            state, message = "planned", f"A run starts in {waits:.0f} s."
        elif record.paused:
            state, message = "paused", _PAUSED
        elif why := hold or stop_of_rule(one.store, one.key, one.settings):
            state, message = "held", why
        last = last_pass_of(one.store, one.key)
        if last and state in ("idle", "paused"):
            message = f"{message} {_sentence_of(last, now)}"
        return {
            "sheet": name,
            "title": one.title,
            "state": state,
            "message": one_line(message),
            "paused": record.paused,
            "hold": one_line(hold),
            "running_since": since.isoformat() if since else None,
            "last_pass": last.as_json() if last else None,
            "passes": control.passes if control else None,
        }

    def _other_run(self, name: str) -> str:
        """The process that works on the sheet, if it is not this one; else empty."""
        one = self._sheets[name]
        lease = one.store.leases.of(one.key)
        if lease is None or one.store.leases.has_ended(lease) or is_dead(lease.holder):
            return ""
        return "" if lease.holder == this_process() else lease.holder

    def _tell(self, name: str, what: str, request: Request) -> None:
        one = self._sheets[name]
        who = f"{_caller(request)} ({one.settings.trigger.token_name})"
        self._say(one.title, f"{what} over HTTP by {who}.")


class _Endpoint:
    """A handler that starlette calls for every method, so that it can refuse one in our words."""

    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self._answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)


def _figures(campaign: Campaign, request: PassRequest, ask_balance: bool) -> PlanFigures:
    """The plan of a run. Raises Refused if there is no such row, or several."""
    settings = campaign.settings
    has_key = settings.api_key is not None
    # Any row can be named, also one that is done.
    with wiring.previewing(settings, ask_prices=has_key, whole=bool(request.row)) as sync:
        plan = sync.last.plan
        try:
            if request.row and not find_rows(plan.lines, request.row):
                raise Refused(400, no_row(request.row))
        except ConfigError as e:
            raise Refused(400, str(e)) from e
        sync.restrict(narrowed(sync, request.row, request.limit))
        return figures(sync, settings, ask_balance=ask_balance)


def _looked_at(task: asyncio.Future[PlanFigures]) -> None:
    """Look at the error of a plan, which would be logged if nobody waited for it any more."""
    if not task.cancelled():
        task.exception()


def _ago(moment: datetime, now: datetime) -> str:
    return f"{rounded((now - moment).total_seconds())} ago"


def _sentence_of(last: LastPass, now: datetime) -> str:
    """When the last pass ended, why it stopped sending, and how the rows are."""
    counts = last.counts["rows"]
    rows = ", ".join(f"{counts[one]} {one}" for one in Status if counts.get(one))
    said = f"The last run ended {_ago(last.ended_at, now)}."
    if last.stop:
        said += f" {last.stop}"
    if rows:
        said += f" Rows: {rows}."
    if number := last.counts["need_a_person"]:
        need, its = ("needs", "its note") if number == 1 else ("need", "their notes")
        said += f" {counted(number, 'row')} {need} attention: see {its}."
    return said


def _by_name(campaigns: Sequence[Campaign]) -> dict[str, Campaign]:
    found: dict[str, Campaign] = {}
    for one in campaigns:
        name = one.settings.trigger.name
        if other := found.get(name):
            raise ConfigError(
                f"{other.settings.path} and {one.settings.path} would both be started at "
                f"{PATH}{name}. Set another [trigger] name in one of them."
            )
        found[name] = one
    return found


def _json(status: int, said: object, more: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(said, status, {**_HEADERS, **(more or {})})


def _caller(request: Request) -> str:
    return caller_of(request.client.host if request.client else "")
