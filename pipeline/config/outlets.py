"""The `[[outlets]]` tables of a configuration: one class for each kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.config.addresses import address_problems
from pipeline.config.problems import nearest, sentences
from pipeline.config.secrets import Secret, kept
from pipeline.config.settings import OutletSettings
from pipeline.config.values import OptionalReference, Reference, Wait
from pipeline.core.outlets.chat_addresses import problem_with
from pipeline.core.outlets.outbox import ROW_KINDS, MessageKind
from pipeline.core.outlets.table_addresses import airtable_place, notion_id

#: What an outlet is told if `when` is left out: tables the rows, and people everything.
_ROWS: Final = tuple(ROW_KINDS)
_ALL: Final = tuple(kind for kind in MessageKind if kind is not MessageKind.TEST)


def _name(value: str) -> str:
    if not all(c.isalnum() or c in "-_" for c in value) or len(value) > 40:
        raise ValueError('write a short name of letters, digits, "-" and "_"')
    return value


def _when(value: object) -> MessageKind:
    if value not in _ALL:
        *names, last = (f'"{kind}"' for kind in _ALL)
        raise ValueError(f"write {', '.join(names)} or {last}")
    return MessageKind(str(value))


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_name)]
When = Annotated[MessageKind, BeforeValidator(_when)]


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


class FieldsTable(OutletTable):
    """What outlets have that are tables, with a line for each row of the sheet."""

    #: Their columns that identify a line.
    key: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ("row_id",)
    #: Their column -> our field, or a column of the sheet.
    fields: dict[str, str] = {}

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See OutletTable. A table can only hold rows, and needs a key."""
        if not set(self.when) <= {*ROW_KINDS}:
            kinds = ", ".join(one.value for one in ROW_KINDS)
            yield f"when: a table holds rows only. Write {kinds}"
        if not self.key or not all(one.strip() for one in self.key):
            yield "key: write the name of the column that identifies a row, such as row_id"


class AirtableTable(FieldsTable):
    """A table in Airtable."""

    kind: Literal["airtable"]
    token: Reference
    #: Ids, or the address of the table in the browser; the table may be a name.
    base: str
    table: str = ""
    base_url: str = ""

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See OutletTable."""
        yield from super().problems(secrets)
        yield from address_problems("base_url", self.base_url, "https://api.airtable.com")
        try:
            airtable_place(self.base, self.table)
        except ValueError as problem:
            yield f"{'table' if 'tbl' in str(problem) else 'base'}: {problem}"
        token = secrets.get("token")
        if token and re.fullmatch(r"key\w{14}", token.reveal()):
            yield (
                "token: Airtable ended API keys in 2024. Create a token at "
                "airtable.com/create/tokens"
            )
        if len(self.key) > 3:
            yield "key: Airtable merges by three columns at most"


class NotionTable(FieldsTable):
    """A data source in Notion."""

    kind: Literal["notion"]
    token: Reference
    #: The id of the database or of the data source, or its address in the browser.
    database: str
    base_url: str = ""

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See OutletTable."""
        yield from super().problems(secrets)
        yield from address_problems("base_url", self.base_url, "https://api.notion.com")
        try:
            notion_id(self.database)
        except ValueError as problem:
            yield f"database: {problem}"


class SqlTable(FieldsTable):
    """A table in any SQL database that SQLAlchemy knows."""

    kind: Literal["sql"]
    url: Reference
    #: Its name, or `schema.name`.
    table: str

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See OutletTable."""
        yield from super().problems(secrets)
        if not self.table.strip():
            yield "table: write the name of the table"
        url = secrets.get("url")
        if url and not COMMON_DATABASE.fullmatch(url.reveal().strip()):
            from pipeline.outlets.sql_table import usable

            try:
                usable(url.reveal())
            except ValueError as problem:
                yield f"url: {problem}"


#: Addresses that need no check by SQLAlchemy: loading it costs each start 0.2 s.
COMMON_DATABASE: Final = re.compile(
    r"(postgres(ql)?|mysql|mariadb)://[^\s@/?#]+@[\w.-]+(:\d{1,5})?/[\w-]+(\?[\w=&.-]*)?"
    r"|sqlite:///[\w./~-][^?#]*",
    re.ASCII,
)


class PushTable(OutletTable):
    """Signed JSON to an address."""

    kind: Literal["push"]
    url: Reference
    #: What the messages are signed with, as Standard Webhooks writes it: whsec_ and base64.
    secret: OptionalReference = ""
    #: Further headers, such as a fixed key that n8n checks. Each is a reference.
    headers: dict[str, Reference] = {}
    #: Further values in `columns`: their name -> our field, or a column of the sheet.
    fields: dict[str, str] = {}
    #: Most messages under way at one time.
    at_once: Annotated[int, Field(ge=1, le=50)] = 50
    #: True if the address may be on this machine or in a private network.
    allow_private: bool = False

    def problems(self, secrets: Mapping[str, Secret]) -> Iterator[str]:
        """See OutletTable: the address, the secret, and each header."""
        from pipeline.core.api.webhook import standard_keys

        given = {key: secret.reveal() for key, secret in secrets.items()}
        if "url" in given and (problem := _problem_of_address(given["url"], self.allow_private)):
            yield f"url: {problem}"
        try:
            standard_keys(given.get("secret", ""))
        except ValueError:
            yield (
                "secret: it must be whsec_ and the base64 of at least 24 random bytes. Make one "
                "with: echo \"whsec_$(openssl rand -hex 32 | tr -d '\\n' | openssl base64 -A)\""
            )
        for name in self.headers:
            if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
                yield f"headers.{name}: that is no name of a header"
            elif _OUR_HEADERS.fullmatch(name.lower()):
                yield f"headers.{name}: this header is set by the push itself. Choose another name"
            value = given.get(f"headers.{name}", "")
            if not (value.isascii() and value.isprintable()):
                yield f"headers.{name}: its value must be one line of ASCII characters"


#: Headers that the push itself sets, or that belong to the connection.
_OUR_HEADERS: Final = re.compile(
    r"webhook-.*|content-.*|transfer-encoding|accept-encoding|host|connection|expect|upgrade|te"
)


def _problem_of_address(url: str, allow_private: bool) -> str:
    """Why messages cannot be pushed to an address; "" if they can. The address is not quoted."""
    try:
        address = urlsplit(url)
        host, has_user = address.hostname, "@" in address.netloc
        _ = address.port
    except ValueError:
        host, has_user = "", False
    if not host or address.scheme not in ("http", "https") or re.search(r"\s", url):
        return "it leads to no web address, which begins with https://"
    if has_user:
        return "it holds a user name. Leave that out, and set headers = { Authorization = … }"
    if address.scheme == "http" and not allow_private:
        return (
            "it begins with http://, so others could read the messages on their way. Use https://, "
            "or allow_private = true for an address in your own network"
        )
    return ""


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
            near = nearest(str(kind), list(KINDS)) if kind else f". Write {', '.join(KINDS)}"
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
        secrets, missing = {}, []
        for key, reference in references_of(table):
            if secret := kept(reference, path, environ):
                secrets[key] = secret
            else:
                missing.append(f'{key}: "{reference}" is not set, missing or empty')
        if needed:
            problems += [f"{place}.{problem}" for problem in missing]
        problems += [f"{place}.{problem}" for problem in table.problems(secrets)]
        found[name] = OutletSettings(
            name,
            str(kind),
            table,
            secrets,
            kinds=table.when,
            fields=table.fields if isinstance(table, FieldsTable | PushTable) else {},
            digest_every=table.every
            if isinstance(table, ChatTable) and table.send == "digest"
            else None,
            attaches=isinstance(table, AppriseTable) and table.attach,
            missing=tuple(missing),
        )
    return tuple(found.values())
