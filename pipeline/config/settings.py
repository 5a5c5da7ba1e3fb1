"""What a configuration comes to: frozen, with every path resolved and every secret at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.config.secrets import Secret
from pipeline.config.written import BudgetTable, PaceTable, RulesTable
from pipeline.core.endpoint import Provider


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """When passes are due: a cron line, or else a span."""

    cron: str
    every: timedelta | None


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where the API calls back, and how it is known for the API (`[webhook]`)."""

    #: Address that leads to us from outside, without a slash at its end; empty: polling only.
    public_url: str = ""
    #: What the secret of each attempt is derived from. None where it was not asked for.
    secret: Secret | None = None
    #: The one before it: what was sent with it is still believed.
    previous_secret: Secret | None = None
    #: HOST:PORT where `run --wait` and `watch` listen; empty: not there.
    listen: str = ""
    #: Addresses and networks of our own proxies: only they are believed about who calls.
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Who may look at the page, and where it is (`[page]`)."""

    #: Whether the configuration asks for a page at all.
    wanted: bool = False
    #: What people type to get in. None: only the one-time link that is printed at the start.
    token: Secret | None = None
    #: HOST:PORT.
    listen: str = "127.0.0.1:8640"
    #: What people's browsers call it where it lies behind a proxy or a tunnel; else empty.
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class GoogleSource:
    """A tab of a Google Sheet, and what gives access to it."""

    spreadsheet: str
    #: The tab's title, or its number from the address; neither: the first tab.
    tab: str
    gid: int | None
    #: None: the Application Default Credentials.
    credentials: Secret | None
    #: Another address than Google's; empty: Google's.
    base_url: str

    @property
    def name(self) -> str:
        """What to call it before it has been opened."""
        return self.tab or "Google Sheet"

    @property
    def place(self) -> str:
        """Where it lies, as one text."""
        tab = f"tab={self.tab}" if self.tab or self.gid is None else f"gid={self.gid}"
        return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet}#{tab}"


class Settings(BaseModel):
    """One configuration, checked: every path resolved, the provider file read, the key at hand."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    path: Path
    source: Path | GoogleSource
    #: Which tab of a workbook; the first where it is empty.
    tab: str
    sheet_id: str
    settle: timedelta
    titles: dict[str, str]
    ignore: tuple[str, ...]
    provider: Provider
    endpoint: str
    base_url: str
    #: None if the key was not asked for and is not there.
    api_key: Secret | None
    defaults: dict[str, str | int | float | bool]
    pace: PaceTable
    budget: BudgetTable
    rules: RulesTable
    store_url: str
    media: Path | None
    schedule: ScheduleSettings
    webhook: WebhookSettings
    page: PageSettings
    timezone: str
    #: Sentences about what is unsafe and yet no error, such as a secret that others can read.
    warnings: tuple[str, ...]

    @property
    def file(self) -> Path:
        """The file that the sheet lies in. Only for a sheet in a file."""
        assert isinstance(self.source, Path), "a Google Sheet lies in no file"
        return self.source

    @property
    def fields(self) -> frozenset[str]:
        """Every field that a column can be named after."""
        return frozenset(name for e in self.provider.endpoints.values() for name in e.fields)
