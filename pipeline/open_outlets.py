"""Opens the outlets of a configuration. Only this module names their classes."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.config import OutletSettings
from pipeline.core.errors import ConfigError, MissingExtra
from pipeline.outlets import Outlet


def open_outlet(settings: OutletSettings, link: str = "") -> Outlet:
    """The outlet of an `[[outlets]]` table. Nothing is connected yet.

    `link` is the address of the page, for messages to people; empty if people cannot reach it.
    Raises MissingExtra if its libraries are not installed, and ConfigError if a secret of its table
    is not set.
    """
    if settings.missing:
        raise ConfigError(
            f'The outlet "{settings.name}" cannot be used here: {"; ".join(settings.missing)}.'
        )
    # Each kind is imported where it is needed: most configurations have none, or one.
    match settings.kind:
        case "slack" | "teams" | "discord":
            return _chat(settings, link)
        case "apprise":
            return _apprise(settings, link)
        case "airtable":
            return _airtable(settings)
        case "notion":
            return _notion(settings)
        case "sql":
            return _sql(settings)
        case "push":
            return _push(settings)
    raise NotImplementedError(settings.kind)


def _chat(settings: OutletSettings, link: str) -> Outlet:
    from pipeline.config.outlets import AddressTable
    from pipeline.outlets.chat import Chat
    from pipeline.outlets.chat_services import SERVICES

    table = settings.table
    assert isinstance(table, AddressTable)
    return Chat(
        SERVICES[settings.kind],
        settings.secrets["url"].reveal(),
        send=table.send,
        pictures=table.pictures,
        link=link,
    )


def _apprise(settings: OutletSettings, link: str) -> Outlet:
    from pipeline.config.outlets import AppriseTable
    from pipeline.outlets.apprise import AppriseOutlet

    # The library is loaded with the first message: it takes a second.
    if find_spec("apprise") is None:
        raise MissingExtra("An outlet of the kind apprise", "chat")
    table = settings.table
    assert isinstance(table, AppriseTable)
    return AppriseOutlet(
        settings.secrets["url"].reveal(),
        send=table.send,
        pictures=table.pictures,
        attach=table.attach,
        link=link,
    )


def _push(settings: OutletSettings) -> Outlet:
    from pipeline.config.outlets import PushTable
    from pipeline.outlets.push import Push

    table = settings.table
    assert isinstance(table, PushTable)
    secrets = {key: secret.reveal() for key, secret in settings.secrets.items()}
    return Push(
        secrets["url"],
        secret=secrets.get("secret", ""),
        headers={name: secrets[f"headers.{name}"] for name in table.headers},
        fields=table.fields,
        at_once=table.at_once,
        allow_private=table.allow_private,
    )


def _airtable(settings: OutletSettings) -> Outlet:
    from pipeline.config.outlets import AirtableTable
    from pipeline.core.outlets.table_addresses import airtable_place
    from pipeline.outlets.airtable import AirtableOutlet

    # The library is loaded with the first message.
    if find_spec("pyairtable") is None:
        raise MissingExtra("An outlet of the kind airtable", "airtable")
    its = settings.table
    assert isinstance(its, AirtableTable)
    base, table = airtable_place(its.base, its.table)
    token = settings.secrets["token"].reveal()
    return AirtableOutlet(token, base, table, its.key, its.fields, its.base_url)


def _notion(settings: OutletSettings) -> Outlet:
    from pipeline.config.outlets import NotionTable
    from pipeline.core.outlets.table_addresses import notion_id
    from pipeline.outlets.notion import NotionOutlet

    if find_spec("notion_client") is None:
        raise MissingExtra("An outlet of the kind notion", "notion")
    its = settings.table
    assert isinstance(its, NotionTable)
    token = settings.secrets["token"].reveal()
    return NotionOutlet(token, notion_id(its.database), its.key, its.fields, its.base_url)


def _sql(settings: OutletSettings) -> Outlet:
    from pipeline.config.outlets import SqlTable
    from pipeline.outlets.sql import SqlOutlet

    its = settings.table
    assert isinstance(its, SqlTable)
    try:
        return SqlOutlet(settings.secrets["url"].reveal(), its.table, its.key, its.fields)
    except ModuleNotFoundError as missing:
        extra = {"psycopg": "postgresql", "pymysql": "mysql"}.get(missing.name or "")
        if extra:
            raise MissingExtra("An outlet of the kind sql for this database", extra) from None
        raise ConfigError(
            f"The outlet {settings.name} needs the library {missing.name} for its database. "
            "Install it where promptsheet is installed."
        ) from None
