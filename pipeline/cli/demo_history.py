"""`demo --history DAYS`: a sheet with a past, to try the notebook and the reports on.

It writes a sheet, tells the store what happened to each row and when, as the program would have,
and lets one pass write the results into the sheet. The history ends with yesterday (UTC). Asked for
on the same day, the same number of days gives the same history. Returns an exit code. Raises
ConfigError if the folder cannot be used or has such a history already, and StoreError.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from math import exp
from pathlib import Path
from random import Random
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from pipeline import wiring
from pipeline.cli import run as running
from pipeline.config import Settings, configs, load
from pipeline.core.errors import ConfigError
from pipeline.core.model import JobKey, KnownRow, Result
from pipeline.core.rows.known import new_id
from pipeline.core.rows.rules import Rules
from pipeline.core.sheet.header import ALWAYS, Marked, believed
from pipeline.core.states import Accepted, Failed, Succeeded
from pipeline.core.text import counted
from pipeline.open_sheet import open_sheet
from pipeline.server import event_loop
from pipeline.sheets import Sheet
from pipeline.store import Fact, Intent, Limits, NewFile, SavedFile, Store, utc_now
from pipeline.sync.lease import Busy
from pipeline.sync.outcome import Asked

CONFIG: Final = "history.toml"
TITLES: Final = ("campaign", "subject", "style", "aspect_ratio", "endpoint", "owner", "pick")
STYLES: Final = (
    "studio photograph",
    "oil painting",
    "paper cutout",
    "clay figures",
    "line drawing",
)
RATIOS: Final = ("1:1", "16:9", "9:16", "4:5")
SUBJECTS: Final = (
    "A red sneaker on wet asphalt",
    "A teapot on a mossy stone at first light",
    "Two friends share a blanket at a lake",
    "A backpack beside a tent, snow on the peaks",
    "A kitchen window full of herbs",
    "A bicycle against a yellow wall",
    "A cap on a stack of books",
    "Paper boats with lanterns on a river",
)
#: The filter of an image API takes these for violence more often than not.
RISKY: Final = ("A knight and a shattered shield after the battle", "A boxer with a bleeding lip")
#: Endpoint -> its share of the rows, how long it takes (in seconds, half of the tasks), the spread
#: of that, and how many pictures it makes.
ENDPOINTS: Final = {
    "imagine": (60, 44.0, 0.35, 4),
    "flux-imagine": (25, 9.0, 0.25, 1),
    "ideogram-imagine": (15, 17.0, 0.5, 1),
}
#: Campaign -> its owner, and how many of ten rows get a pick.
CAMPAIGNS: Final = {"Spring": ("brand", 5), "Outlet": ("shop", 2), "Stories": ("social", 4)}
#: Pictures drawn for each subject and ratio; the rows share them.
DRAWN: Final = 2
#: Rows that a team adds at once.
ROWS: Final = (12, 30)


@dataclass(slots=True)
class _Told:
    """A row of the history: its cells, when it was sent, and what became of it."""

    cells: dict[str, str]
    sent_at: datetime
    end: timedelta
    refusal: str = ""
    failure: str = ""
    row_id: str = ""
    urls: list[str] = field(default_factory=list)


def demo_history(console: Console, folder: Path, program: str, days: int) -> int:
    """Make a history of so many days in a folder. Returns the exit code of the pass at its end."""
    config = _copied(folder)
    os.environ.setdefault("PROMPTSHEET_DEMO_KEY", "demo")
    settings = load(config)
    now = utc_now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    chance = Random(days)  # noqa: S311 (not for secrets)
    told = list(_told(chance, midnight - timedelta(days=days), days))
    _fill(settings, told)
    # Nothing is sent: every row has its job. The pass writes what the store knows into the sheet.
    outcome = event_loop.run(wiring.run(settings, Asked(limit=0)))
    if isinstance(outcome, Busy):
        return running.report_outcome(outcome, console, settings)
    words = f"{counted(len(told), 'row', ',')} of {counted(days, 'day')}, with their pictures."
    console.print(Text(f"{words} Nothing was paid, and no API was asked.\n", style="bold"))
    console.print(f"Sheet     {settings.source}", markup=False, soft_wrap=True)
    console.print(f"Store     {settings.store_file}", markup=False, soft_wrap=True)
    console.print("\nTo analyse it, open notebooks/02_results.ipynb in Jupyter, or see it with:\n")
    console.print(Text(f"    {program} status {config}", style="bold"), soft_wrap=True)
    for sentence in outcome.sentences:
        console.print(Text(sentence, style="yellow"))
    return outcome.code if outcome.code > 1 else 0


def _copied(folder: Path) -> Path:
    config = folder / CONFIG
    if config.exists():
        raise ConfigError(
            f"{folder} has a history already, in {config.name}. Give another --folder, or delete "
            "history.toml, history.csv, history.db and history.csv.promptsheet there."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(configs() / CONFIG, config)
    except OSError as e:
        raise ConfigError(f"{folder} cannot be used: {e.strerror}.") from e
    return config


# What happened -----------------------------------------------------------------------------------


def _told(chance: Random, first: datetime, days: int) -> Iterator[_Told]:
    """The rows of all days, in the order in which they were sent."""
    for day in range(days):
        midnight = first + timedelta(days=day)
        quiet = midnight.weekday() >= 5
        for _ in range(chance.randint(1, 2) if quiet else chance.randint(5, 10)):
            # Before noon and after it, people add some rows at once.
            hour = min(max(chance.gauss(*chance.choice([(10, 1.0), (15, 1.5)])), 0.0), 23.5)
            campaign = chance.choice(tuple(CAMPAIGNS))
            style, subjects = chance.choice(STYLES), SUBJECTS if chance.random() < 0.85 else RISKY
            sent_at = midnight + timedelta(hours=round(hour, 2))
            for number in range(chance.randint(*ROWS)):
                sent = sent_at + timedelta(seconds=number // 5)
                yield _row(chance, campaign, style, chance.choice(subjects), sent)


def _row(chance: Random, campaign: str, style: str, subject: str, sent_at: datetime) -> _Told:
    shares = [share for share, *_ in ENDPOINTS.values()]
    (endpoint,) = chance.choices(tuple(ENDPOINTS), shares)
    _, typical, spread, pictures = ENDPOINTS[endpoint]
    owner, picks = CAMPAIGNS[campaign]
    seconds = typical * exp(spread * chance.gauss(0, 1)) * (1 + (sent_at.hour in (14, 15)) / 2)
    told = _Told(
        {
            "campaign": campaign,
            "subject": subject,
            "style": style,
            "aspect_ratio": chance.choice(RATIOS),
            "endpoint": "" if endpoint == "imagine" else endpoint,
            "owner": owner,
            "pick": "",
        },
        sent_at,
        timedelta(seconds=round(seconds) or 1),
    )
    refused = 0.6 if subject in RISKY else 0.03 if style == "oil painting" else 0.004
    if chance.random() < refused:
        told.refusal, told.end = "banned word in the prompt: blood", timedelta(seconds=1)
    elif chance.random() < 0.02:
        told.failure = "No available capacity"
    elif chance.random() < picks / 10:
        told.cells["pick"] = str(chance.randint(1, pictures))
    return told


# Into the sheet and the store --------------------------------------------------------------------


class _Clock:
    """The clock of a store whose past is written at once."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


def _fill(settings: Settings, told: Sequence[_Told]) -> None:
    """Write the sheet, and tell the store what happened, in the order in which it did."""
    chance = Random(len(told))  # noqa: S311 (not for secrets)
    titles = (*TITLES, *ALWAYS)
    for one in told:
        one.row_id = new_id(chance)
    lines = [_cells(one, titles) for one in told]
    with Path(str(settings.source)).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([titles, *lines])
    clock = _Clock()
    with Store(settings.store_url, now=clock) as store:
        sheet = open_sheet(settings, store)
        columns = settings.header.read_line(titles)
        seen = list(columns.rows((titles, *map(tuple, lines))))
        _claim(sheet, store, settings)
        store.rows.note(sheet.key, (_known(row, one) for row, one in zip(seen, told, strict=True)))
        store.rows.note(sheet.key, (), ["", *(one.row_id for one in told)], believed(columns))
        past = _Past(store, sheet.key, settings, wiring.rules(settings, sheet.key, store))
        past.tell(clock, seen, told, columns.inputs)
        store.files.save(_drawn(settings, sheet.key, told))


def _cells(one: _Told, titles: Sequence[str]) -> list[str]:
    return [{**one.cells, "row_id": one.row_id}.get(title, "") for title in titles]


def _claim(sheet: Sheet, store: Store, settings: Settings) -> None:
    """Make the store the owner of its sheet, and the columns that it fills its own."""
    store.sheets.update(sheet.key, ours=frozenset(ALWAYS), config=str(settings.path.resolve()))
    sheet.write_claim(store.sheets.raise_claim(sheet.key, "history"), sheet.read_claim())


def _known(row: Marked, one: _Told) -> KnownRow:
    return KnownRow(row.mark, row.inputs, 1, since=one.sent_at, others=row.others, pick=row.pick)


class _Past:
    """Tells a store of each submission and each answer, at its moment."""

    def __init__(self, store: Store, key: str, settings: Settings, rules: Rules) -> None:
        self._store, self._key, self._settings, self._rules = store, key, settings, rules
        self._account = wiring.limits(settings).api_key

    def tell(
        self, clock: _Clock, seen: Sequence[Marked], told: Sequence[_Told], columns: tuple[str, ...]
    ) -> None:
        """All of it. Each second in which something happened is one transaction."""
        sent: dict[datetime, list[Intent]] = defaultdict(list)
        facts: dict[datetime, list[Fact]] = defaultdict(list)
        for row, one in zip(seen, told, strict=True):
            sent[one.sent_at].append(self._intent(row, columns))
            key = JobKey(self._key, one.row_id, 1)
            for at, event in _events(one):
                facts[at].append(Fact(key, 1, event))
        for moment in sorted({*sent, *facts}):
            clock.now, intents = moment, sent.get(moment, [])
            if intents:
                self._store.jobs.add(intent.key for intent in intents)
            limits = Limits(self._account, f"history {moment}", f"{moment:%Y-%m-%d}")
            self._store.attempts.commit_batch(facts.get(moment, []), intents, limits)

    def _intent(self, row: Marked, columns: tuple[str, ...]) -> Intent:
        endpoint = self._rules.endpoint_name(row.inputs)
        given = self._rules.given(row.inputs, 1)
        return Intent(
            JobKey(self._key, row.mark, 1),
            1,
            row.inputs,
            columns,
            endpoint,
            self._rules.price(row.inputs) or 0,
            60,
            body={},
            provider=self._settings.provider.name,
            base_url=self._settings.base_url,
            prompt=given.get("prompt", ""),
            by="history",
        )


def _events(one: _Told) -> Iterator[tuple[datetime, Any]]:
    task = f"task-{one.row_id[2:]}"
    if one.refusal:
        yield one.sent_at + one.end, Failed(one.refusal, refused=True)
        return
    yield one.sent_at + timedelta(seconds=1), Accepted(task)
    ended = one.sent_at + timedelta(seconds=1) + one.end
    if one.failure:
        yield ended, Failed(one.failure, task)
        return
    pictures = ENDPOINTS[one.cells["endpoint"] or "imagine"][-1]
    one.urls = [f"https://cdn.example/{task}/{at}.png" for at in range(1, pictures + 1)]
    yield ended, Succeeded(Result(tuple(one.urls)), task)


def _drawn(settings: Settings, key: str, told: Sequence[_Told]) -> Iterator[NewFile]:
    """Draw the pictures, and say which of them each result is."""
    from pipeline.sandbox import pictures

    assert settings.media is not None
    settings.media.mkdir(parents=True, exist_ok=True)
    drawn: dict[tuple[str, str, int], SavedFile] = {}
    for one in told:
        subject, ratio = one.cells["subject"], one.cells["aspect_ratio"]
        for at, url in enumerate(one.urls):
            which = subject, ratio, at % DRAWN
            if which not in drawn:
                content = pictures.draw(subject, ratio, 1, at % DRAWN + 1)
                name = f"{len(drawn) + 1}.png"
                (settings.media / name).write_bytes(content)
                drawn[which] = SavedFile(name, "", sha256(content).hexdigest())
            yield NewFile(JobKey(key, one.row_id, 1), 1, url, drawn[which])
