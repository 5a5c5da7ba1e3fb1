"""The settings that a configuration results in: frozen, with resolved paths and read secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.remote import RemotePlace
from pipeline.config.schema import BudgetTable, PaceTable, RulesTable
from pipeline.config.secrets import Secret
from pipeline.config.sources import Sources
from pipeline.config.store import SQLITE, beside
from pipeline.core.api.fields import columns_of
from pipeline.core.api.provider import Provider
from pipeline.core.credits import Credits
from pipeline.core.language import ENGLISH, Catalogue
from pipeline.core.outlets.outbox import MessageKind
from pipeline.core.pictures.name_templates import NameTemplate
from pipeline.core.pictures.remakes import RemakeRule
from pipeline.core.prompts.templates import PromptTemplate
from pipeline.core.sheet.header import Header

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """When passes are due: a cron line, or else an interval."""

    cron: str
    every: timedelta | None
    #: `watch` notices an edit within this time; None: it waits for the next pass.
    react: timedelta | None = None
    #: False if edits are to wait, even where `watch` could be told of them at no cost.
    wants_edits: bool = True
    #: After this time without a pass, outlets get a message; None: after three times of `cron`.
    silent_after: timedelta | None = timedelta(hours=24)
    #: The address that is called after each pass; None: none is.
    ping_url: Secret | None = None


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where the API sends webhooks, and how they are verified (`[webhook]`)."""

    #: Our address as the API reaches it, without a slash at its end; empty: polling only.
    public_url: str = ""
    #: The secret of each attempt is derived from it. None if it is not set.
    secret: Secret | None = None
    #: The earlier secret; webhooks of attempts that were sent with it are still accepted.
    previous_secret: Secret | None = None
    #: HOST:PORT where `run --wait` and `watch` listen; empty: they do not.
    listen: str = ""
    #: Addresses and networks of our own proxies: only their word counts for who calls.
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The settings of the page: access and addresses (`[page]`)."""

    #: True if the configuration asks for a page at all.
    wanted: bool = False
    #: What people type to sign in. None: only the one-time link printed at the start works.
    token: Secret | None = None
    #: HOST:PORT.
    listen: str = "127.0.0.1:8640"
    #: Its address in browsers, if it is behind a proxy or a tunnel; else empty.
    public_url: str = ""
    #: Name -> the token of this person alone.
    people: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its address for people on other machines; empty if that is not known."""
        if self.public_url or not self.wanted:
            return self.public_url
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            ip = ip_address(host)
        except ValueError:
            is_open = host not in ("", "localhost")
        else:
            is_open = not (ip.is_loopback or ip.is_unspecified)
        return f"http://{self.listen}" if is_open else ""


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """How callers start a pass by HTTP (`[trigger]`)."""

    #: What callers prove themselves with. None: there is no such address.
    token: Secret | None = None
    #: The reference of the token, such as `env:RUN_TOKEN`; for log lines.
    token_name: str = ""
    #: The name of the sheet in addresses.
    name: str = ""
    #: HOST:PORT.
    listen: str = "127.0.0.1:8642"
    #: Its address as others reach it, behind a proxy or a tunnel; else empty.
    public_url: str = ""
    #: The least time between two passes that callers start.
    apart: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class GoogleSource:
    """A tab of a Google Sheet, with the credentials for it."""

    spreadsheet: str
    #: The tab's title, or its number from the address; neither: the first tab.
    tab: str
    gid: int | None
    #: None: the Application Default Credentials.
    credentials: Secret | None
    #: Where requests go instead of to Google; empty: to Google.
    base_url: str

    @property
    def name(self) -> str:
        """Its name before it has been opened."""
        return self.tab or "Google Sheet"

    @property
    def place(self) -> str:
        """Its address, as one text."""
        tab = f"tab={self.tab}" if self.tab or self.gid is None else f"gid={self.gid}"
        return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet}#{tab}"


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """One API with its account: the sheet's own, another vendor's, or one with only open tasks."""

    provider: Provider
    base_url: str
    #: None if the key is missing and was not required.
    api_key: Secret | None
    pace: PaceTable
    budget: BudgetTable
    #: What the names of its endpoints begin with in the sheet.
    prefix: str = ""
    #: False: nothing new is sent there.
    sends: bool = True
    #: What its webhooks are signed with, where the vendor chose that secret.
    vendor_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How prompts are made of columns (`[prompt]`)."""

    template: PromptTemplate
    #: The file of the styles: names in its first column, texts in the second.
    styles: Path | None
    #: The tab of that file, if it is a workbook; empty: the first.
    styles_tab: str
    #: The tab of the sheet itself that has the styles; empty: they are in a file, or nowhere.
    own_tab: str
    #: The column whose cells name a style.
    style_column: str


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """One checked `[[outlets]]` table, with its secrets."""

    name: str
    kind: str
    #: One of the classes of `config.outlets`.
    table: BaseModel
    #: Key of the table (`url`, `token`, `secret`, `headers.NAME`) -> what its reference leads to.
    secrets: Mapping[str, Secret]
    #: What it is told of.
    kinds: tuple[MessageKind, ...] = ()
    #: Their column -> our field, or a column of the sheet.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: The least time between two digests; None: it gets no digests.
    digest_every: timedelta | None = None
    #: True if saved pictures are attached to its messages.
    attaches: bool = False
    #: A sentence for each reference that leads to nothing, so that its secret is missing.
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One checked configuration: paths resolved, provider file and key read."""

    path: Path
    #: What all of this was read from, on this machine.
    sources: Sources = field(repr=False)
    source: Path | GoogleSource
    #: The tab of a workbook; empty: the first.
    tab: str
    #: The code page of a CSV file that is not Unicode; empty: Western, if that is certain.
    encoding: str
    sheet_id: str
    settle: timedelta
    titles: dict[str, str]
    ignore: tuple[str, ...]
    provider: Provider
    endpoint: str
    base_url: str
    #: None if the key is missing and was not required.
    api_key: Secret | None
    #: Model -> credits, as the configuration says.
    prices: Mapping[str, Credits] = field(default_factory=dict)
    #: What the API's webhooks are signed with, where the vendor chose that secret.
    vendor_secret: Secret | None = None
    #: Other vendors (`[providers.NAME]`), and the former API (`[provider.former]`).
    others: tuple[ApiSettings, ...] = ()
    #: The language of notes.
    catalogue: Catalogue = ENGLISH
    #: None: the column `prompt` is the prompt.
    prompt: PromptSettings | None
    #: How the prompt of a take that is made with feedback is put together.
    feedback: str
    defaults: dict[str, str | int | float | bool]
    pace: PaceTable
    budget: BudgetTable
    rules: RulesTable
    #: The address of the store. That of a database holds a password, so it is shown nowhere.
    store_url: str = field(repr=False)
    #: The local folder in which pictures are saved; None if they are saved elsewhere or not at all.
    media: Path | None
    #: The place on another machine where they are saved, if there is one.
    remote: RemotePlace | None = None
    #: The web address of the local folder; empty: it has none.
    public_url: str = ""
    #: How saved files are named; None: as usual.
    file_name: NameTemplate | None = None
    #: True if cells show the addresses of saved files instead of those of the API.
    own_links: bool = False
    #: True if the prompt is written into saved pictures.
    alt_text: bool = False
    #: True if saved pictures are looked at.
    checks_pictures: bool = True
    #: Which results are made again; None: none.
    remake: RemakeRule | None = None
    #: The folder of the files that cells may name; None: they may name none.
    inputs: Path | None = None
    schedule: ScheduleSettings
    webhook: WebhookSettings
    page: PageSettings
    trigger: TriggerSettings = TriggerSettings()
    timezone: str
    #: Where results are told of (`[[outlets]]`).
    outlets: tuple[OutletSettings, ...] = ()
    #: Sentences about what is unsafe and yet no error, such as a secret that others can read.
    warnings: tuple[str, ...]

    @property
    def file(self) -> Path:
        """The path of the sheet. Only for a sheet in a file."""
        assert isinstance(self.source, Path), "a Google Sheet is no file"
        return self.source

    @property
    def apis(self) -> tuple[ApiSettings, ...]:
        """All APIs, the sheet's own first."""
        own = ApiSettings(
            self.provider,
            self.base_url,
            self.api_key,
            self.pace,
            self.budget,
            vendor_secret=self.vendor_secret,
        )
        return (own, *self.others)

    @property
    def saves_files(self) -> bool:
        """True if pictures are saved somewhere."""
        return self.media is not None or self.remote is not None

    @property
    def work(self) -> Path:
        """The folder for downloads on their way to another machine: beside the store."""
        return self._beside_store("downloads")

    @property
    def previews(self) -> Path:
        """The folder for previews of pictures on another machine: beside the store."""
        return self._beside_store("previews")

    @property
    def store_file(self) -> Path | None:
        """The file of the store; None if it is a database on a server."""
        return beside(self.store_url, self.path) if self.store_url.startswith(SQLITE) else None

    @property
    def has_store(self) -> bool:
        """False if the file of the store does not exist yet. A server is not asked."""
        return self.store_file is None or self.store_file.is_file()

    @property
    def rescue_file(self) -> Path:
        """The file that takes what is reported while the store cannot."""
        return Path(f"{beside(self.store_url, self.path)}.rescue")

    def _beside_store(self, what: str) -> Path:
        store = beside(self.store_url, self.path)
        return store.parent / f".{store.stem}-{what}"

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """The columns that prompts are made of; empty: the column `prompt` is the prompt."""
        return self.prompt.template.columns if self.prompt else ()

    @property
    def header(self) -> Header:
        """The configured columns."""
        own = self.provider.endpoints
        endpoints = dict(own) | {
            f"{other.prefix}{name}": one
            for other in self.others
            if other.sends
            for name, one in other.provider.endpoints.items()
        }
        made_of = frozenset(self.prompt_columns)
        return Header(
            columns_of(own[self.endpoint]) | made_of,
            self.titles,
            self.ignore,
            {name: columns_of(one) | made_of for name, one in endpoints.items()},
            gives_text=bool(own[self.endpoint].text),
            text_endpoints=frozenset(name for name, one in endpoints.items() if one.text),
        )
