"""Read a configuration file and the environment into Settings; report all problems in one error.

Each problem is a sentence that says what to write instead. For an unknown key it names the nearest
known one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.addresses import address_problems
from pipeline.config.budgets import budget_problems
from pipeline.config.languages import catalogue_of
from pipeline.config.page import page_settings
from pipeline.config.problems import nearest, sentences
from pipeline.config.prompt import of_sheet as prompt_of_sheet
from pipeline.config.prompt import prompt_settings
from pipeline.config.provider_files import base_url_of, key_problems, read_provider, with_prices
from pipeline.config.remake import remake_of
from pipeline.config.remote import remote_of
from pipeline.config.schema import (
    BudgetTable,
    Document,
    FormerTable,
    OtherTable,
    PaceTable,
    WebhookTable,
)
from pipeline.config.secrets import Secret, exposed, kept, resolved, text_of
from pipeline.config.settings import (
    ApiSettings,
    GoogleSource,
    OutletSettings,
    PromptSettings,
    Settings,
    WebhookSettings,
)
from pipeline.config.sheet_source import sheet_source
from pipeline.config.sources import configs, sources_of
from pipeline.config.store import is_reference, store_url
from pipeline.config.trigger import schedule_settings, trigger_settings
from pipeline.core.api.fields import IMAGE, as_texts, columns_of, fields_of, problem_with
from pipeline.core.api.provider import Provider
from pipeline.core.errors import ConfigError
from pipeline.core.pictures.name_templates import template
from pipeline.core.prompts.revisions import problem_with_template
from pipeline.core.sheet.header import ALWAYS, CONTROLS, OURS, folded

#: The least length of a webhook secret, so that it cannot be guessed by trying.
SECRET_LENGTH = 24


def load(
    path: Path,
    need_key: bool = False,
    providers: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of a configuration file. Raises ConfigError with all problems.

    `providers` is the folder of the provider files that come with the program. A file of the same
    name in a folder `providers` beside the configuration takes precedence. With `need_key` a
    missing secret is a problem.
    """
    # Before anything is read: what changes meanwhile is noticed by the next run.
    sources = sources_of(path, environ)
    document = _document(path)
    providers = providers or configs() / "providers"
    problems: list[str] = []
    key = _secret(document.provider.api_key, path, environ, problems, need_key)
    try:
        provider = read_provider(document.provider.name, key, path.parent / "providers", providers)
    except ConfigError as e:
        raise ConfigError(*(_about(path, problem) for problem in e.problems)) from None
    problems += [
        f"provider.api_key: {problem}"
        for problem in key_problems(provider, key, path.parent / "providers")
    ]
    provider, prices = with_prices(provider, document.provider.credits, problems)
    if document.provider.credit_price:
        provider = replace(provider, credit_price=document.provider.credit_price)
    others = _others(document, path, providers, environ, problems, need_key)
    fields = _fields(provider, others)
    prompt = prompt_settings(document.prompt, path, fields, problems)
    if problem := problem_with_template(document.prompt.feedback):
        problems.append(f"prompt.feedback: {problem}")
    fields |= {*(prompt.template.columns if prompt else ())}
    fields |= {IMAGE for e in provider.endpoints.values() if e.image}
    titles, ignore = _columns(document.columns, fields, problems)
    problems += _ignored_problems(titles, ignore)
    problems += _provider_problems(document, provider, prompt)
    problems += budget_problems(provider, document.budget, others)
    store = store_url(document.store.url, path, environ, problems)
    if document.schedule.cron and "every" in document.schedule.model_fields_set:
        problems.append("schedule: cron and every are both set. Remove one of them.")
    catalogue = catalogue_of(document.sheet.language, path, configs() / "messages", problems)
    source = sheet_source(document.sheet, path, environ, problems)
    prompt = prompt_of_sheet(prompt, source, problems)
    webhook = _webhook(document.webhook, path, environ, problems, need_key)
    page = page_settings(document, path, environ, problems, need_key)
    trigger = trigger_settings(document.trigger, path, environ, problems, need_key)
    schedule = schedule_settings(document, path, environ, source, problems, need_key)
    vendor_secret = _optional(document.provider.webhook_secret, path, environ)
    if webhook.public_url and need_key:
        problems += _unsigned(provider, vendor_secret, "provider")
        for one in others:
            problems += _unsigned(one.provider, one.vendor_secret, f"providers.{one.prefix[:-1]}")
    if webhook.public_url and provider.webhook is None:
        problems.append(f"webhook.public_url: {provider.title} sends no webhooks. Remove it.")
    outlets = _outlets(document, path, environ, problems, need_key)
    remote = remote_of(document.media, path, environ, problems)
    remake = remake_of(document, problems)
    if problems:
        raise ConfigError(*(f"{path.name}: {problem}" for problem in problems))
    settle, pace = document.sheet.settle, document.pace
    if isinstance(source, GoogleSource):
        # People type while it is read, and Google allows an account 60 requests a minute.
        if "settle" not in document.sheet.model_fields_set:
            settle = timedelta(seconds=30)
        if "write_every" not in pace.model_fields_set:
            pace = pace.model_copy(update={"write_every": timedelta(seconds=10)})
    return Settings(
        path=path.resolve(),
        sources=sources,
        source=source,
        tab=document.sheet.tab,
        encoding=document.sheet.encoding,
        sheet_id=document.sheet.id,
        settle=settle,
        catalogue=catalogue,
        titles=titles,
        ignore=ignore,
        provider=provider,
        endpoint=document.provider.endpoint,
        base_url=base_url_of(provider, document.provider.base_url),
        api_key=key,
        prices=prices,
        vendor_secret=vendor_secret,
        others=others,
        prompt=prompt,
        feedback=document.prompt.feedback,
        defaults=document.defaults,
        pace=pace,
        budget=document.budget,
        rules=document.rules,
        store_url=store,
        media=_local(path, document.media.save_to),
        remote=remote,
        public_url=document.media.public_url.strip().rstrip("/"),
        file_name=template(document.media.file_name) if document.media.file_name else None,
        own_links=document.media.links == "ours",
        alt_text=document.media.alt_text,
        checks_pictures=document.media.check,
        remake=remake,
        inputs=resolved(path, document.media.inputs) if document.media.inputs else None,
        schedule=schedule,
        webhook=webhook,
        page=page,
        trigger=trigger,
        timezone=document.schedule.timezone,
        outlets=outlets,
        warnings=tuple(exposed(_references(document), path)),
    )


def _local(path: Path, save_to: str) -> Path | None:
    """The local folder that `[media] save_to` names, if it names one."""
    return None if not save_to.strip() or "://" in save_to else resolved(path, save_to)


def _references(document: Document) -> Iterator[str]:
    """Each `env:NAME` and `file:PATH` of a configuration, and those that are left out as ""."""
    yield document.provider.api_key
    if is_reference(document.store.url):
        yield document.store.url.strip()
    if document.provider.former:
        yield document.provider.former.api_key
    yield from (one.api_key for one in document.providers.values())
    yield document.sheet.credentials
    yield document.media.credentials
    yield document.webhook.secret
    yield document.webhook.previous_secret
    yield document.page.token
    yield from document.page.people.values()
    yield document.trigger.token
    yield document.schedule.ping_url
    for table in document.outlets:
        headers = table.get("headers")
        named = headers if isinstance(headers, dict) else {}
        places = (*(table.get(key) for key in ("url", "token", "secret")), *named.values())
        yield from (str(one) for one in places if one)


def _document(path: Path) -> Document:
    if path.suffix.casefold() in (".csv", ".tsv", ".xlsx", ".xlsm"):
        raise ConfigError(
            f"{path} is a sheet. Give its configuration instead, such as promptsheet.toml. "
            f"promptsheet init {path} makes one."
        )
    try:
        raw = tomllib.loads(text_of(path))
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {path}. Run promptsheet init to make a configuration."
        ) from None
    except OSError as e:
        raise ConfigError(f"{path} cannot be read: {e.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path.name}: this is not TOML: {e}.") from None
    if isinstance(raw.get("outlets"), dict):
        raise ConfigError(
            f"{path.name}: outlets: write [[outlets]] in double brackets: there may be several."
        )
    try:
        return Document.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(*(f"{path.name}: {p}" for p in sentences(e, Document, raw))) from None


def _secret(
    reference: str,
    path: Path,
    environ: Mapping[str, str],
    problems: list[str],
    needed: bool,
    table: str = "provider",
) -> Secret | None:
    key = kept(reference, path, environ)
    if key is None and needed:
        kind, place = reference.split(":", 1)
        missing = (
            f"the environment variable {place} is not set"
            if kind == "env"
            else f"the file {place} is missing, empty or cannot be read"
        )
        problems.append(f"{table}.api_key: {missing}. Put your API key there.")
    return key


def _others(
    document: Document,
    path: Path,
    shipped: Path,
    environ: Mapping[str, str],
    problems: list[str],
    needed: bool,
) -> tuple[ApiSettings, ...]:
    """The APIs besides the sheet's own: other vendors, then the former one."""

    def read(table: OtherTable | FormerTable, place: str, name: str) -> Iterator[ApiSettings]:
        key = _secret(table.api_key, path, environ, problems, needed, place)
        try:
            provider = read_provider(name, key, path.parent / "providers", shipped)
        except ConfigError as e:
            problems.extend(one.replace("provider.name", f"{place}.name", 1) for one in e.problems)
            return
        wrong = key_problems(provider, key, path.parent / "providers")
        problems.extend(f"{place}.api_key: {problem}" for problem in wrong)
        base_url = base_url_of(provider, table.base_url)
        problems.extend(address_problems(f"{place}.base_url", base_url, "https://api.example.com"))
        yield ApiSettings(provider, base_url, key, PaceTable(), BudgetTable())

    found = [
        replace(
            one,
            provider=replace(
                one.provider, credit_price=table.credit_price or one.provider.credit_price
            ),
            prefix=f"{name}/",
            pace=table.pace,
            budget=table.budget,
            vendor_secret=_optional(table.webhook_secret, path, environ),
        )
        for name, table in document.providers.items()
        for one in read(table, f"providers.{name}", table.name or name)
    ]
    if former := document.provider.former:
        found += [replace(one, sends=False) for one in read(former, "provider.former", former.name)]
    return tuple(found)


def _optional(reference: str, path: Path, environ: Mapping[str, str]) -> Secret | None:
    return kept(reference, path, environ) if reference else None


def _unsigned(provider: Provider, secret: Secret | None, place: str) -> Iterator[str]:
    """What is missing if the vendor signs its webhooks with a secret of its own."""
    if provider.webhook and provider.webhook.needs_vendor_secret and secret is None:
        yield (
            f"{place}.webhook_secret: is missing. {provider.title} signs its webhooks with a "
            'secret of its own: copy it from your account, and name it here as "env:NAME".'
        )


def _webhook(
    table: WebhookTable, path: Path, environ: Mapping[str, str], problems: list[str], needed: bool
) -> WebhookSettings:
    problems += address_problems(
        "webhook.public_url", table.public_url.strip(), "https://hooks.example.com"
    )
    if table.public_url and not table.secret:
        problems.append(
            "webhook.secret: is missing: without it anybody could send results. Write "
            '"env:PROMPTSHEET_WEBHOOK_SECRET", and put a secret there that nobody can guess.'
        )
    secrets: dict[str, Secret | None] = {}
    for name in ("secret", "previous_secret"):
        reference = getattr(table, name)
        secrets[name] = secret = kept(reference, path, environ) if reference else None
        if reference and secret is None and needed:
            problems.append(
                f'webhook.{name}: "{reference}" is not set, missing or empty. Put a secret there '
                f"that nobody can guess, of {SECRET_LENGTH} characters or more."
            )
        if secret and len(secret.reveal()) < SECRET_LENGTH:
            problems.append(
                f"webhook.{name}: is too short to be safe. Take one of {SECRET_LENGTH} characters "
                "or more, such as `openssl rand -hex 32` prints."
            )
    if table.previous_secret and not table.secret:
        problems.append(
            "webhook.previous_secret: is only used together with secret. Set secret, too."
        )
    return WebhookSettings(
        public_url=table.public_url.strip().rstrip("/"),
        secret=secrets["secret"],
        previous_secret=secrets["previous_secret"],
        listen=table.listen,
        trusted_proxies=tuple(table.trusted_proxies),
    )


def _outlets(
    document: Document, path: Path, environ: Mapping[str, str], problems: list[str], needed: bool
) -> tuple[OutletSettings, ...]:
    if not document.outlets:
        return ()
    # Building its classes costs each start several milliseconds.
    from pipeline.config.outlets import read_outlets

    return read_outlets(document.outlets, path, environ, problems, needed)


def _fields(provider: Provider, others: Sequence[ApiSettings]) -> set[str]:
    """The names of all columns that can be inputs of some endpoint."""
    providers = (provider, *(one.provider for one in others))
    return {name for p in providers for e in p.endpoints.values() for name in columns_of(e)}


def _columns(
    table: Mapping[str, str | list[str]],
    fields: set[str],
    problems: list[str],
) -> tuple[dict[str, str], tuple[str, ...]]:
    names = [*OURS, *CONTROLS, *sorted(fields - {*CONTROLS})]
    titles: dict[str, str] = {}
    ignore: tuple[str, ...] = ()
    for name, value in table.items():
        if name == "ignore":
            ignore = tuple(value) if isinstance(value, list) else (value,)
        elif name not in names:
            problems.append(f"columns.{name}: there is no such column{nearest(name, names)}")
        elif not isinstance(value, str) or not value.strip():
            problems.append(f"columns.{name}: write the title of one column")
        else:
            titles[name] = value
    return titles, ignore


def _ignored_problems(titles: Mapping[str, str], ignore: tuple[str, ...]) -> Iterator[str]:
    """A column that we always write needs another title where its own is ignored."""
    for title in ignore:
        for name in ALWAYS:
            if folded(title) == folded(titles.get(name, name)):
                yield (
                    f'columns.ignore: "{title}" is the title of a column that we write. '
                    f'Set {name} = "Image {name.replace("_", " ")}" instead.'
                )


def _provider_problems(
    document: Document, provider: Provider, prompt: PromptSettings | None
) -> Iterator[str]:
    table = document.provider
    endpoint = provider.endpoints.get(table.endpoint)
    if endpoint is None:
        near = nearest(table.endpoint, list(provider.endpoints))
        yield f'provider.endpoint: there is no "{table.endpoint}"{near}'
    yield from address_problems(
        "provider.base_url", table.base_url or provider.base_url, "https://api.apiframe.pro"
    )
    fields = {name for e in provider.endpoints.values() for name in e.columns}
    fields |= {*(prompt.template.columns if prompt else ())}
    for name in document.defaults:
        if name not in fields:
            known = sorted(endpoint.columns if endpoint else fields)
            yield f"defaults.{name}: no endpoint has such a field{nearest(name, known)}"
    if endpoint is None:
        return
    given = as_texts(document.defaults)
    for name, one in fields_of(endpoint, given).items():
        # What has ended is said in the notes of the rows: open tasks are collected all the same.
        text = given.get(name)
        if text and (problem := problem_with(name, one, text, date.min)):
            yield f"defaults: {problem}"


def _about(path: Path, problem: str) -> str:
    return f"{path.name}: {problem}" if problem.startswith("provider.") else problem
