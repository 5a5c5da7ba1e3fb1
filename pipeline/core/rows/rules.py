"""The part of the configuration that decisions about rows depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.core.api.accounts import Api, SentTo, endpoint_of, model_of, price_at, reading
from pipeline.core.api.cell_files import Files
from pipeline.core.api.fields import IMAGE, Titles, as_texts
from pipeline.core.api.protocol import is_key_for
from pipeline.core.api.provider import MARGIN, Endpoint, Provider
from pipeline.core.credits import Credits, total
from pipeline.core.inputs import PROMPT, canonical, parsed
from pipeline.core.language import ENGLISH, Catalogue
from pipeline.core.model import Attempt, State
from pipeline.core.pictures.cell_links import CellLinks
from pipeline.core.pictures.remakes import RemakeRule
from pipeline.core.prompts.checks import ANY_SIGN, doubts
from pipeline.core.prompts.reference_images import Cells, by_field, field_for
from pipeline.core.prompts.revisions import USUAL, is_revised, revision_in, unrevised, with_feedback
from pipeline.core.prompts.templates import FinishedPrompt, Prompts
from pipeline.core.rows.generations import has_several, several


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one sheet."""

    sheet: str
    provider: Provider
    endpoint: str
    defaults: Mapping[str, object] = field(default_factory=dict)
    settle: timedelta = timedelta(0)
    approval: bool = False
    #: The words of `approved` that mean yes in this team; empty: the usual ones.
    approved_words: tuple[str, ...] = ()
    #: So many new rows are sent before a person must look at them; 0: all.
    sample: int = 0
    #: The columns of which each value has a budget.
    budgeted: tuple[str, ...] = ()
    #: The columns that the names of saved files are made of.
    file_columns: tuple[str, ...] = ()
    #: True if a prompt that looks like a mistake is not sent (see `prompts.checks`).
    strict_prompts: bool = False
    give_up_after: timedelta = timedelta(minutes=60)
    saves_files: bool = False
    #: Which addresses cells show: those of saved files, or those of the API.
    links: CellLinks = field(default_factory=CellLinks)
    #: The language of the sheet's notes.
    catalogue: Catalogue = ENGLISH
    #: What separates the cells of the sheet's file; empty where cells need no quoting.
    delimiter: str = ""
    #: The address of the API, and a digest of the account there.
    base_url: str = ""
    account: str = ""
    #: Model -> the most that it costs, by the API's own price list.
    prices: Mapping[str, Credits] = field(default_factory=dict)
    #: Model -> what that price is for (see `Api.modes`).
    modes: Mapping[str, str] = field(default_factory=dict)
    #: Which results are made again; None: none.
    remake: RemakeRule | None = None
    #: The files that cells may name; None: none. Its repr differs if they have changed.
    files: Files | None = None
    #: How prompts are made of columns; None: the cell is the prompt.
    prompts: Prompts | None = None
    #: How the prompt of a take that is made with feedback is put together.
    feedback: str = USUAL
    #: Other APIs: those that rows name, and those that may still have open tasks.
    others: tuple[Api, ...] = ()

    @property
    def api(self) -> Api:
        """The API of rows that name no other."""
        return Api(self.provider, self.base_url, self.account, prices=self.prices, modes=self.modes)

    @property
    def apis(self) -> tuple[Api, ...]:
        """Every API, the sheet's own first."""
        return (self.api, *self.others)

    def endpoint_of(self, name: str) -> Endpoint | None:
        """The endpoint of this name in the sheet, such as `imagine` or `replicate/flux`."""
        if (endpoint := self.provider.endpoints.get(name)) is not None:
            return endpoint
        api = self.api_named(name)
        return api.provider.endpoints.get(name.removeprefix(api.prefix))

    def api_named(self, name: str) -> Api:
        """The API whose endpoint has this name in the sheet."""
        for one in self.others:
            if one.prefix and one.sends and name.startswith(one.prefix):
                return one
        return self.api

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The addresses of all APIs; they may be private."""
        return tuple(one.base_url for one in self.apis)

    @property
    def endpoint_names(self) -> list[str]:
        """The names of all endpoints that rows may use."""
        return [
            f"{one.prefix}{name}"
            for one in self.apis
            if one.sends
            for name in one.provider.endpoints
        ]

    def api_of(self, attempt: SentTo) -> Api | None:
        """The API that has the attempt's task; None if its key is not configured any more."""
        apis = self.apis
        same = [one for one in apis if one.account and one.account == attempt.account]
        # One account may be configured twice, with different provider files. Stand-ins of several
        # vendors on this machine are one account, too, if their keys are equal.
        exact = [one for one in same if one.has(attempt)]
        alike = [one for one in same if one.provider.name == attempt.provider]
        if found := exact or alike or same:
            return found[0]
        return next((one for one in apis if one.has(attempt)), None)

    def has_other_key(self, attempt: SentTo) -> bool:
        """True if the attempt was sent with another key than the one its task is polled with."""
        api = self.api_of(attempt)
        if api is None or not api.account or not attempt.account:
            return False
        return api.account != attempt.account

    def title_of(self, attempt: Attempt) -> str:
        """The title of the API that the attempt was sent to."""
        api = self.api_of(attempt)
        return api.title if api else attempt.provider

    def may_be_resent(self, attempt: Attempt, now: datetime) -> bool:
        """True if a lost submission may be sent again: its key still stands for the same task."""
        if attempt.state is not State.UNKNOWN or not attempt.resend_key:
            return False
        api = self.api_of(attempt)
        # A key belongs to an account: under another one, the API would make a second task.
        if api is None or api.account != attempt.account:
            return False
        once = api.provider.once
        if once is None or self.is_endpoint_gone(attempt):
            return False
        endpoint = endpoint_of(api.provider, attempt.endpoint, api.prefix)
        if not is_key_for(attempt.resend_key, api.provider, endpoint):
            return False
        return once.is_alive(attempt.sent_at, now)

    def is_key_useless(self, attempt: Attempt, now: datetime) -> bool:
        """True if it is not known how old the attempt's key is: it was sent ahead of now.

        The clock was set back since. Once it has reached that moment, the key would look new.
        """
        return bool(attempt.resend_key) and attempt.sent_at - now > MARGIN

    def is_endpoint_gone(self, attempt: Attempt) -> bool:
        """True if the API that has the attempt's task is there, but not its endpoint."""
        api = self.api_of(attempt) if attempt.endpoint else None
        return api is not None and not reading(api.provider, attempt.endpoint, api.prefix).is_known

    def endpoint_name(self, inputs: str) -> str:
        """The endpoint that a row names in its inputs (canonical text), else that of the sheet."""
        # Few rows name one; within a text each quotation mark has a backslash before it.
        return parsed(inputs)["endpoint"] if '"endpoint":' in inputs else self.endpoint

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """The columns that prompts are made of; empty: the cell `prompt` is the prompt."""
        return self.prompts.columns if self.prompts else ()

    def cells(self, inputs: str) -> Cells:
        """What the cells of a row say (canonical text) and the defaults, each under its field."""
        wrote, defaults = self.written(inputs), as_texts(self.defaults)
        if IMAGE not in wrote and IMAGE not in defaults:
            return Cells(wrote, defaults)
        endpoint = self.endpoint_of(self.endpoint_name(inputs))
        return by_field(endpoint, wrote, defaults) if endpoint else Cells(wrote, defaults)

    def written(self, inputs: str) -> dict[str, str]:
        """What the cells of a row say (canonical text).

        Pictures that a take starts from are in the place of what `image` says.
        """
        wrote, _, pictures = revision_in(inputs)
        endpoint = self.endpoint_of(self.endpoint_name(inputs)) if pictures else None
        if endpoint is not None:
            wrote[IMAGE] = pictures
            name = field_for(endpoint, {**as_texts(self.defaults), **wrote})
            if name != IMAGE:
                wrote.pop(name, None)
        return wrote

    def values(self, inputs: str) -> dict[str, str]:
        """What the cells of a row say (canonical text), with the defaults for empty ones."""
        cells = self.cells(inputs)
        return {**cells.defaults, **cells.wrote}

    def given(self, inputs: str, take: int) -> dict[str, str]:
        """The same with the finished prompt, where prompts are made of columns."""
        given = self.values(inputs)
        if (finished := self.finished(inputs, take)) is not None:
            given[PROMPT] = finished.prompt
        return given

    def finished(
        self, inputs: str, take: int, columns: Titles | None = None
    ) -> FinishedPrompt | None:
        """The prompt that is made of a row's columns or with feedback; None if it is its cell.

        `columns` are those of the sheet, for sentences about them.
        """
        if self.prompts is None and not is_revised(inputs):
            return None
        made = self._of_columns(unrevised(inputs), take, columns) if self.prompts else None
        feedback = revision_in(inputs).feedback
        if not feedback or (made and made.problems):
            return made
        prompt = made.prompt if made else self.values(inputs).get(PROMPT, "")
        return FinishedPrompt(with_feedback(prompt, feedback, self.feedback))

    def _of_columns(self, inputs: str, take: int, columns: Titles | None) -> FinishedPrompt | None:
        assert self.prompts is not None, "without a template there is nothing to make"
        given, endpoint = self.values(inputs), self.endpoint_of(self.endpoint_name(inputs))
        if endpoint is None or PROMPT not in endpoint.fields:
            return None
        return self.prompts.finished(
            given, inputs, take, columns, is_required=endpoint.fields[PROMPT].required
        )

    def price(self, inputs: str) -> Credits | None:
        """Listed credits of one submission of these inputs (canonical text); None: no price."""
        endpoint = self.endpoint_of(self.endpoint_name(inputs))
        if endpoint is None:
            return None
        if endpoint.credits is not None and not (endpoint.prices or endpoint.credits_times):
            return endpoint.credits
        return price_at(self.api_named(self.endpoint_name(inputs)), endpoint, self.values(inputs))

    def price_of_row(self, inputs: str) -> Credits:
        """Listed credits of all generations that a row asks for; 0 if there is no price."""
        if not has_several(inputs):
            return self.price(inputs) or 0
        return total(self.price(one.inputs) or 0 for one in several(inputs).generations)

    def awaits_prices(self, inputs: str) -> bool:
        """True if the row has no price yet only because its API's price list was never read."""
        api = self.api_named(self.endpoint_name(inputs))
        has_list = api.provider.account is not None and api.provider.account.prices
        return bool(has_list) and not api.prices and self.price(inputs) is None

    def model(self, inputs: str) -> str:
        """The model that these inputs (canonical text) are for; empty if they name none."""
        endpoint = self.endpoint_of(self.endpoint_name(inputs))
        return model_of(endpoint, self.values(inputs)) if endpoint else ""

    def doubts(self, inputs: str, take: int = 1) -> list[str]:
        """Possible mistakes in inputs (see `prompts.checks.doubts`)."""
        if (finished := self.finished(inputs, take)) is not None:
            inputs = canonical({**parsed(unrevised(inputs)), PROMPT: finished.prompt})
        # Most inputs have none of the signs, and this one search is much faster than the rest.
        if not ANY_SIGN.search(inputs, 1):
            return []
        endpoint = self.endpoint_of(self.endpoint_name(inputs))
        return doubts(inputs, endpoint) if endpoint else []
