"""Each kind of outlet with a server of its own, for the suite that all kinds pass.

A new kind is one function here: it starts its server, and yields a `Trial`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from sqlite3 import connect
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pipeline.outlets import Outlet
from pipeline.outlets.airtable import AirtableOutlet
from pipeline.outlets.apprise import AppriseOutlet
from pipeline.outlets.chat import Chat
from pipeline.outlets.discord import DISCORD
from pipeline.outlets.notion import NotionOutlet
from pipeline.outlets.push import Push
from pipeline.outlets.slack import SLACK
from pipeline.outlets.sql import SqlOutlet
from pipeline.outlets.teams import TEAMS
from tests.fakes.outlets.airtable import BASE, TABLE, TOKEN, Airtable
from tests.fakes.outlets.chat_services import channel
from tests.fakes.outlets.messages import POISON
from tests.fakes.outlets.notion import DATABASE, Notion
from tests.fakes.outlets.notion import TOKEN as NOTION_TOKEN
from tests.fakes.outlets.receiver import SECRET, Receiver
from tests.fakes.web_service import Call, Reply, Service, serving


@dataclass(frozen=True)
class Trial:
    """An outlet and its server."""

    #: Opens the outlet.
    open: Callable[[], Outlet]
    #: The server; None for a place that is none, such as a file of SQLite.
    service: Service | None
    #: All texts that the place holds now, as a person or a program sees them.
    texts: Callable[[], str]
    #: How many messages, lines or pages the place holds.
    count: Callable[[], int]
    #: Parts of the address and of keys that no reason and no repr may show.
    secrets: Sequence[str]


@contextmanager
def _push() -> Iterator[Trial]:
    receiver = Receiver()
    with serving(receiver) as service:
        yield Trial(
            lambda: Push(
                f"{service.url}/hook/s3cr3t?key=s3cr3t",
                secret=SECRET,
                headers={"X-Key": "s3cr3t"},
                allow_private=True,
            ),
            service,
            lambda: "\n".join(one["data"]["prompt"] for one in receiver.accepted.values()),
            lambda: len(receiver.accepted),
            ("s3cr3t", SECRET, service.url),
        )


@contextmanager
def _chat(kind: str) -> Iterator[Trial]:
    known = {"slack": SLACK, "teams": TEAMS, "discord": DISCORD}[kind]
    with channel(kind) as (place, service, url):
        yield Trial(
            lambda: Chat(known, url, send="rows"),
            service,
            place.shown,
            lambda: len(place.posted),
            ("s3cr3t", service.url),
        )


@contextmanager
def _apprise() -> Iterator[Trial]:
    bodies: list[dict[str, str]] = []

    def accept(call: Call) -> Reply:
        if POISON.encode() in call.body:
            return Reply(400)
        bodies.append(json.loads(call.body))
        return Reply(200)

    with serving(accept) as service:
        # pytest listens to the library's log, which reaches nobody else and holds its address.
        url = f"json://us:s3cr3t@{service.url.removeprefix('http://')}/"
        yield Trial(
            lambda: AppriseOutlet(url, send="rows"),
            service,
            lambda: "\n".join(one["message"] for one in bodies),
            lambda: len(bodies),
            ("s3cr3t",),
        )


@contextmanager
def _airtable() -> Iterator[Trial]:
    texts = {"row_id": "singleLineText", "Name": "singleLineText", "Prompt": "multilineText"}
    base = Airtable(texts)
    base.per_second = 10_000
    with patch("pipeline.outlets.airtable_client.EVERY", 0.0), serving(base) as service:
        yield Trial(
            lambda: AirtableOutlet(TOKEN, BASE, TABLE, base_url=service.url),
            service,
            lambda: "\n".join(one.get("Prompt", "") for one in base.by_name()),
            lambda: len(base.records),
            (TOKEN,),
        )


@contextmanager
def _notion() -> Iterator[Trial]:
    workspace = Notion({"Name": "title", "row_id": "rich_text", "Prompt": "rich_text"})
    pace = patch.multiple("pipeline.outlets.notion", EVERY=0.0, SETTLE=0.01)
    with pace, serving(workspace) as service:
        yield Trial(
            lambda: NotionOutlet(NOTION_TOKEN, DATABASE, base_url=service.url),
            service,
            lambda: "\n".join(page["Prompt"] for page in workspace.texts()),
            lambda: len(workspace.pages),
            (NOTION_TOKEN,),
        )


@contextmanager
def _sql() -> Iterator[Trial]:
    with TemporaryDirectory() as folder, closing(connect(f"{folder}/s3cr3t.db")) as file:
        file.execute(
            "CREATE TABLE pictures (row_id TEXT PRIMARY KEY, name TEXT, prompt TEXT, "
            f"CHECK (prompt NOT LIKE '%{POISON}%'))"
        )
        yield Trial(
            lambda: SqlOutlet(f"sqlite:///{folder}/s3cr3t.db", "pictures", ("row_id",)),
            None,
            lambda: "\n".join(one for (one,) in file.execute("SELECT prompt FROM pictures")),
            lambda: int(file.execute("SELECT count(*) FROM pictures").fetchone()[0]),
            ("s3cr3t",),
        )


TRIALS: dict[str, Callable[[], AbstractContextManager[Trial]]] = {
    "push": _push,
    "airtable": _airtable,
    "notion": _notion,
    "sql": _sql,
    "apprise": _apprise,
    "slack": partial(_chat, "slack"),
    "teams": partial(_chat, "teams"),
    "discord": partial(_chat, "discord"),
}
