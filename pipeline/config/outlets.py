"""The `[[outlets]]` tables of a configuration: one class for each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.config.problems import nearest, sentences
from pipeline.config.secrets import Secret, kept
from pipeline.config.settings import OutletSettings
from pipeline.config.values import OptionalReference, Reference, Wait
from pipeline.core.chat_addresses import problem_with
from pipeline.core.outbox import ROW_KINDS, MessageKind

#: What an outlet is told if `when` is left out: tables the rows, and people everything.
_ROWS: Final = tuple(ROW_KINDS)
_ALL: Final = tuple(kind for kind in MessageKind if kind is not MessageKind.TEST)


def _name(value: str) -> str:
    if not all(c.isalnum() or c in "-_" for c in value) or len(value) > 40:
        raise ValueError('write a short name of letters, digits, "-" and "_"')
    return value


def _when(value: MessageKind) -> MessageKind:
    if value is MessageKind.TEST:
        raise ValueError(f"write {', '.join(kind.value for kind in _ALL)}")
    return value


Name = Annotated[str, AfterValidator(_name)]
When = Annotated[MessageKind, AfterValidator(_when)]


class OutletTable(BaseModel):
    """What all outlets have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    #: The name for `promptsheet outlets test NAME`; without one, the kind.
    name: Name = ""
    when: tuple[When, ...] = _ROWS

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """What is wrong with it beyond its types, as `key: sentence`; secrets are never quoted."""
        yield from ()


class ChatTable(OutletTable):
    """What outlets for people have."""

    when: tuple[When, ...] = _ALL
    #: One message for each batch, or one for each row.
    send: Literal["digest", "rows"] = "digest"
    #: The least time between two digests.
    every: Wait = timedelta(minutes=5)
    #: Most pictures in one message.
    pictures: Annotated[int, Field(ge=0, le=4)] = 4


class AddressTable(ChatTable):
    """A chat with a secret address."""

    kind: str
    url: Reference

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See `OutletTable`. The address must be one of the kind."""
        url = secrets.get("url")
        if url and (problem := problem_with(self.kind, url.reveal())):
            yield f"url: {problem}"


class SlackTable(AddressTable):
    """A channel in Slack, by an incoming webhook."""

    kind: Literal["slack"]


class TeamsTable(AddressTable):
    """A channel in Microsoft Teams, by a workflow."""

    kind: Literal["teams"]


class DiscordTable(AddressTable):
    """A channel in Discord, by a webhook."""

    kind: Literal["discord"]


class AppriseTable(AddressTable):
    """Any service that apprise knows, by its address."""

    kind: Literal["apprise"]
    #: Attach saved pictures, up to `pictures`.
    attach: bool = False


class AirtableTable(OutletTable):
    """A table in Airtable."""

    kind: Literal["airtable"]
    token: Reference
    #: Ids, such as appX and tblX, or the table's name.
    base: str
    table: str
    #: The column that identifies the row.
    key: str = "row_id"
    #: Their column -> our field.
    fields: dict[str, str] = {}
    base_url: str = ""


class NotionTable(OutletTable):
    """A data source in Notion."""

    kind: Literal["notion"]
    token: Reference
    #: The id of the database or of the data source, or the page's address.
    database: str
    key: str = "row_id"
    #: Their property -> our field.
    fields: dict[str, str] = {}
    base_url: str = ""


class SqlTable(OutletTable):
    """A table in any SQL database that SQLAlchemy knows."""

    kind: Literal["sql"]
    url: Reference
    table: str
    key: str = "row_id"
    #: Their column -> our field.
    fields: dict[str, str] = {}


class PushTable(OutletTable):
    """Signed JSON to an address."""

    kind: Literal["push"]
    url: Reference
    #: What the messages are signed with, as Standard Webhooks writes it: whsec_ and base64.
    secret: OptionalReference = ""
    #: Further headers, such as a fixed key that n8n checks. Each is a reference.
    headers: dict[str, Reference] = {}
    #: True if the address may be on this machine or in a private network.
    allow_private: bool = False


#: Kind -> its class.
KINDS: Final[dict[str, type[OutletTable]]] = {
    "slack": SlackTable,
    "teams": TeamsTable,
    "discord": DiscordTable,
    "apprise": AppriseTable,
    "airtable": AirtableTable,
    "notion": NotionTable,
    "sql": SqlTable,
    "push": PushTable,
}


def references_of(table: OutletTable) -> Iterator[tuple[str, str]]:
    """Each key of a table that names a secret, with its reference."""
    for key in ("url", "token", "secret"):
        if reference := getattr(table, key, ""):
            yield key, reference
    for header, reference in getattr(table, "headers", {}).items():
        yield f"headers.{header}", reference


def read_outlets(
    raw: Sequence[Mapping[str, object]],
    path: Path,
    environ: Mapping[str, str],
    problems: list[str],
    needed: bool,
) -> tuple[OutletSettings, ...]:
    """The outlets of a configuration. What is wrong is added to `problems`.

    With `needed` a missing secret is a problem.
    """
    found: dict[str, OutletSettings] = {}
    for number, one in enumerate(raw, start=1):
        place, kind = f"outlets (entry {number})", one.get("kind")
        known = KINDS.get(kind) if isinstance(kind, str) else None
        if known is None:
            near = nearest(str(kind), list(KINDS)) if kind else f"; there is {', '.join(KINDS)}"
            what = f'there is no "{kind}"' if kind else "is missing"
            problems.append(f"{place}.kind: {what}{near}")
            continue
        try:
            table = known.model_validate(one)
        except ValidationError as e:
            problems += [f"{place}.{problem}" for problem in sentences(e, known, one)]
            continue
        name = table.name or str(kind)
        if name in found:
            problems.append(f'{place}.name: another outlet is called "{name}". Choose another name')
        secrets = {}
        for key, reference in references_of(table):
            if secret := kept(reference, path, environ):
                secrets[key] = secret
            elif needed:
                problems.append(f'{place}.{key}: "{reference}" is not set, missing or empty')
        problems += [f"{place}.{problem}" for problem in table.problems(secrets)]
        found[name] = OutletSettings(name, str(kind), table, secrets)
    return tuple(found.values())
