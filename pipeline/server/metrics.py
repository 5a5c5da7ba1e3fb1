"""The metrics for Prometheus at `/metrics`: counts and durations, and nothing about single rows.

    promptsheet_jobs{sheet,state}              jobs by state, from the store
    promptsheet_submissions_total{sheet}       attempts that were started, from the store
    promptsheet_credits_today{account}         held or spent on the day of the budget, by API key
    promptsheet_money_today{account,currency}  the same, where [budget] per_day is in money
    promptsheet_last_pass_seconds{sheet}       when the last pass ended, as a Unix time
    promptsheet_held{sheet}                    1 while a hold, pause or stop keeps rows unsent
    promptsheet_outbox{sheet,outlet,state}     messages: waiting, set aside, or sent in 30 days
    promptsheet_outlet_closed{sheet,outlet}    1 while an outlet accepts nothing
    promptsheet_webhooks_total{outcome}        webhook calls, by outcome
    promptsheet_webhook_commits_total          commits that recorded them
    promptsheet_result_seconds{sheet}          from a submission to its result (histogram)
    promptsheet_cells_seconds{sheet}           from a result to its cells in the sheet (histogram)

The store is read when the metrics are requested. Jobs are counted again only after a change, and
only events since the last request are read. Histograms and webhook counts start at 0 with each
start of the program. The page token is required, because behind a reverse proxy every caller seems
to come from this machine.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline import wiring
from pipeline.core.errors import StoreError
from pipeline.core.model import State
from pipeline.core.money.currency import Money
from pipeline.server.webhook_recorder import CallCounts
from pipeline.store import Limits, Store
from pipeline.sync.configured_sheet import Campaign
from pipeline.sync.last_pass import why_not_sent

PATH = "/metrics"
BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


class TokenCheck(Protocol):
    """The part of the page's `Authenticator` that checks tokens and counts the tries."""

    def begin_try(self, request: Request) -> bool:
        """Count a try. Returns whether the token may be checked."""

    def is_token(self, text: str) -> bool:
        """Returns whether the text is the page token."""

    def try_succeeded(self, request: Request) -> None:
        """Remove the last try from the count: its token was right."""


class Metrics:
    """The metrics of these sheets, for callers who send the page token."""

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        #: The webhook counts of each receiver.
        self.tallies: list[CallCounts] = []
        self._titles = dict(
            zip(
                (one.key for one in campaigns),
                _distinct(one.settings.source.name for one in campaigns),
                strict=True,
            )
        )
        self._campaigns = campaigns
        #: All of them.
        self.registry = CollectorRegistry()
        self._result = self._histogram("result", "Seconds from a submission to its result.")
        self._cells = self._histogram("cells", "Seconds from a result to its cells in the sheet.")
        self._store = _StoreCollector(campaigns, self._titles, self._result)
        self.registry.register(self._store)
        self.registry.register(_WebhookCollector(self.tallies))

    def route(self, auth: TokenCheck) -> Route:
        """The route of the metrics; `auth` checks the token."""

        async def answer(request: Request) -> Response:
            return await self._answer(request, auth)

        return Route(PATH, answer, methods=["GET"])

    def shown(self, campaign: Campaign, seconds: float) -> None:
        """Record how many seconds after its result a row was written."""
        self._cells.labels(self._titles[campaign.key]).observe(seconds)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        full = f"promptsheet_{name}_seconds"
        return Histogram(full, help_text, ["sheet"], buckets=BUCKETS, registry=self.registry)

    async def _answer(self, request: Request, auth: TokenCheck) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_try = scheme.casefold() == "bearer"
        if is_try and not auth.begin_try(request):
            return PlainTextResponse("Too many wrong tokens.", 429, {"retry-after": "1"})
        if not (is_try and auth.is_token(token)):
            help_text = "Send the page token: Authorization: Bearer TOKEN"
            return PlainTextResponse(help_text, 401, {"www-authenticate": "Bearer"})
        auth.try_succeeded(request)
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        try:
            text = await asyncio.to_thread(encode, self.registry)
        except StoreError as trouble:
            return PlainTextResponse(f"{trouble}\n", 503)
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})


class _StoreCollector(Collector):
    """Metrics from the stores, read on request."""

    def __init__(
        self, campaigns: Sequence[Campaign], titles: dict[str, str], result: Histogram
    ) -> None:
        self._campaigns, self._titles, self._result = campaigns, titles, result
        self._events = {one.store: one.store.stats.last_event() for one in campaigns}
        #: Sheet -> the store's change counter at the last count, and the counts.
        self._counted: dict[str, tuple[int, Counter[str], int]] = {}

    def describe(self) -> Iterable[Metric]:
        return []  # Nothing is read at registration.

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("promptsheet_jobs", "Jobs by state.", labels=["sheet", "state"])
        sent = _counter("submissions", "Attempts that were started.", "sheet")
        ended = _gauge("last_pass_seconds", "When the last pass ended, as a Unix time.", "sheet")
        held = _gauge("held", "1 while a hold, pause or stop keeps rows from being sent.", "sheet")
        box = _gauge("outbox", "Messages to outlets.", "sheet", "outlet", "state")
        closed = _gauge("outlet_closed", "1 while an outlet accepts nothing.", "sheet", "outlet")
        self._load_events()
        for one in self._campaigns:
            title = self._titles[one.key]
            states, attempts = self._numbers(one)
            for state in (s for s in State if s is not State.RETURNED):
                jobs.add_metric([title, state.value], states[state.value])
            sent.add_metric([title], attempts)
            record = one.store.sheets.get(one.key)
            stop = why_not_sent(one.store, one.key, one.settings)
            held.add_metric([title], bool(record.hold or record.paused or stop))
            for outlet in one.store.outbox.states(one.key):
                closed.add_metric([title, outlet.name], bool(outlet.closed))
                numbers = {
                    "waiting": outlet.waiting,
                    "set aside": outlet.parked,
                    "sent": outlet.sent,
                }
                for name, number in numbers.items():
                    box.add_metric([title, outlet.name, name], number)
            if record.passed_at:
                ended.add_metric([title], record.passed_at.timestamp())
        yield from (jobs, sent, ended, held, box, closed, *self._spent())

    def _numbers(self, one: Campaign) -> tuple[Counter[str], int]:
        version = one.store.jobs.version(one.key)
        if one.key not in self._counted or self._counted[one.key][0] != version:
            self._counted[one.key] = (version, *one.store.stats.numbers(one.key))
        return self._counted[one.key][1:]

    def _load_events(self) -> None:
        for store, since in self._events.items():
            until = store.stats.last_event()
            for one in self._campaigns:
                if one.store is store:
                    seen = self._result.labels(self._titles[one.key])
                    for seconds in store.stats.took(one.key, since, until):
                        seen.observe(seconds)
            self._events[store] = until

    def _spent(self) -> Iterator[Metric]:
        help_text = "Held or spent on the day of the budget, by API key, in its own unit."
        gauge = _gauge("credits_today", help_text, "account")
        its_money = "The same, for accounts whose budget of the day is in money."
        money = _gauge("money_today", its_money, "account", "currency")
        by_key: dict[str, tuple[str, Store, Limits]] = {}
        for one in reversed(self._campaigns):
            its, now = one.settings, one.store.now()
            for api, limits in zip(its.apis, wiring.all_limits(its, at=now), strict=True):
                if api.sends and api.api_key:
                    by_key[limits.api_key] = api.provider.title, one.store, limits
        names = _distinct(title for title, _, _ in by_key.values())
        for name, (api_key, (_, store, limits)) in zip(names, by_key.items(), strict=True):
            gauge.add_metric([name], store.stats.credits(api_key, limits.day))
            used = limits.spent_today(store.budget)
            if isinstance(used, Money):
                money.add_metric([name, used.currency], float(used.amount))
        yield from (gauge, money)


class _WebhookCollector(Collector):
    """Counts of webhooks since the start."""

    def __init__(self, tallies: Sequence[CallCounts]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        help_text = "Webhook calls, by outcome."
        calls = _counter("webhooks", help_text, "outcome")
        commits = _counter("webhook_commits", "Commits that recorded webhook calls.")
        outcomes = Counter({"recorded": 0, "known": 0, "proof": 0})
        for tally in self._tallies:
            taken = {
                result: n for result, n in tally.calls.items() if result in ("recorded", "known")
            }
            outcomes.update({str(result): n for result, n in taken.items()})
            outcomes.update(tally.refused)
        for outcome, number in sorted(outcomes.items()):
            calls.add_metric([outcome], number)
        commits.add_metric([], sum(tally.commits for tally in self._tallies))
        yield from (calls, commits)


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"promptsheet_{name}", help_text, labels=labels)


def _counter(name: str, help_text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"promptsheet_{name}", help_text, labels=labels)


def _distinct(names: Iterable[str]) -> list[str]:
    """The names; repeated ones get a number."""
    met: defaultdict[str, int] = defaultdict(int)
    distinct = []
    for name in names:
        met[name] += 1
        distinct.append(name if met[name] == 1 else f"{name} #{met[name]}")
    return distinct
