"""The tables and keys of a configuration file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.config.sources import USUAL_FOLDER, USUAL_KEY, USUAL_STORE
from pipeline.config.values import (
    BudgetCap,
    CodePage,
    ColumnTitle,
    CreditPrice,
    CronLine,
    FileName,
    ListenAddress,
    OptionalCap,
    OptionalReference,
    OptionalWait,
    Price,
    Proxy,
    Reference,
    Span,
    TimeZone,
    UrlName,
    Wait,
)
from pipeline.core.money.currency import Cap
from pipeline.core.prompts.revisions import USUAL


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class SheetTable(_Table):
    """Where the rows are."""

    source: str
    tab: str = ""
    encoding: CodePage = ""
    id: str = ""
    settle: Span = timedelta(0)
    language: str = "en"
    credentials: OptionalReference = ""
    base_url: str = ""


class FormerTable(_Table):
    """An API that still has open tasks; nothing new is sent there."""

    name: str = "apiframe"
    api_key: Reference
    base_url: str = ""


class ProviderTable(_Table):
    """The API that generates the pictures."""

    name: str = "apiframe"
    endpoint: str = "imagine"
    api_key: Reference = USUAL_KEY
    base_url: str = ""
    webhook_secret: OptionalReference = ""
    credits: dict[str, Price] = {}
    credit_price: CreditPrice = ""
    former: FormerTable | None = None


class PromptTable(_Table):
    """How prompts are made of columns."""

    text: str = ""
    styles: str = ""
    styles_tab: str = ""
    style_column: str = "style"
    feedback: str = USUAL


class PaceTable(_Table):
    """How fast requests are sent, at most."""

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 20
    in_flight: Annotated[int, Field(ge=1)] = 50
    per_minute: Annotated[int, Field(ge=0)] = 300
    poll_every: OptionalWait = None
    write_every: Wait = timedelta(seconds=5)
    give_up_after: Wait = timedelta(minutes=60)


class BudgetTable(_Table):
    """The most to spend, in listed credits or in money."""

    per_run: BudgetCap | None = 2000
    per_day: BudgetCap | None = 10000
    per_month: OptionalCap = None
    per: dict[ColumnTitle, BudgetCap] = {}
    warn_below: Price = 0

    def caps(self) -> dict[str, Cap | None]:
        """The caps by their keys."""
        own = {"per_run": self.per_run, "per_day": self.per_day, "per_month": self.per_month}
        return own | {f"per.{name}": cap for name, cap in self.per.items()}


class OtherTable(_Table):
    """Another vendor: rows name its endpoints as NAME/ENDPOINT."""

    name: str = ""
    api_key: Reference
    base_url: str = ""
    webhook_secret: OptionalReference = ""
    credit_price: CreditPrice = ""
    pace: PaceTable = PaceTable()
    budget: BudgetTable = BudgetTable()


class RulesTable(_Table):
    """When to stop, and whether rows need approval."""

    stop_after: Annotated[int, Field(ge=1)] = 5
    approval: bool = False
    approved_words: list[Annotated[str, Field(pattern=r"\S")]] = []
    sample: Annotated[int, Field(ge=0)] = 0
    strict_prompts: bool = False
    remake: list[Literal["blank", "damaged"]] = []
    remake_limit: Annotated[int, Field(ge=1, le=10)] = 1


class StoreTable(_Table):
    """Where the store is."""

    url: str = USUAL_STORE


class MediaTable(_Table):
    """Where pictures are saved, and which files cells may name."""

    save_to: str = USUAL_FOLDER
    credentials: OptionalReference = ""
    as_user: str = ""
    base_url: str = ""
    public_url: str = ""
    file_name: FileName = ""
    links: Literal["api", "ours"] = "api"
    alt_text: bool = False
    check: bool = True
    inputs: str = ""


class WebhookTable(_Table):
    """Where the API sends webhooks."""

    public_url: str = ""
    secret: OptionalReference = ""
    previous_secret: OptionalReference = ""
    listen: ListenAddress = ""
    trusted_proxies: list[Proxy] = []


class PageTable(_Table):
    """The settings of the page: access and addresses."""

    token: OptionalReference = ""
    people: dict[str, Reference] = {}
    listen: ListenAddress = "127.0.0.1:8640"
    public_url: Annotated[str, AfterValidator(lambda value: value.strip().rstrip("/"))] = ""


class TriggerTable(_Table):
    """Starting passes by HTTP."""

    token: OptionalReference = ""
    name: UrlName = ""
    listen: ListenAddress = "127.0.0.1:8642"
    public_url: Annotated[str, AfterValidator(lambda value: value.strip().rstrip("/"))] = ""
    apart: Wait = timedelta(seconds=10)


class ScheduleTable(_Table):
    """When passes are due, and when a day begins."""

    cron: CronLine = ""
    every: Wait = timedelta(minutes=1)
    react: OptionalWait = timedelta(seconds=2)
    timezone: TimeZone = "UTC"
    silent_after: OptionalWait = None
    ping_url: str = ""


class Document(_Table):
    """The whole file."""

    sheet: SheetTable
    columns: dict[str, str | list[str]] = {}
    provider: ProviderTable = ProviderTable()
    prompt: PromptTable = PromptTable()
    providers: dict[str, OtherTable] = {}
    defaults: dict[str, str | int | float | bool] = {}
    pace: PaceTable = PaceTable()
    budget: BudgetTable = BudgetTable()
    rules: RulesTable = RulesTable()
    store: StoreTable = StoreTable()
    media: MediaTable = MediaTable()
    webhook: WebhookTable = WebhookTable()
    page: PageTable = PageTable()
    trigger: TriggerTable = TriggerTable()
    schedule: ScheduleTable = ScheduleTable()
    #: Each with the keys of its kind (`config.outlets`).
    outlets: list[dict[str, Any]] = []
