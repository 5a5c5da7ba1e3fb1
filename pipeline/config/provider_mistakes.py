"""Mistakes in a provider file that the types of its values do not show, as sentences.

Each begins with the place in the file, such as `endpoints.image.fields.ratio.to`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Final

from pipeline.config.addresses import address_problems
from pipeline.config.field_mistakes import (
    NUMBERS,
    mistakes_in_field,
    mistakes_in_names,
    mistakes_in_place,
)
from pipeline.core.api.paths import READ
from pipeline.core.api.provider import CURSOR, Account, Endpoint, Field, Poll, Provider, TaskFields
from pipeline.core.api.webhook import Webhook
from pipeline.core.credits import Credits
from pipeline.core.money.currency import credit_price

#: The name of a header (RFC 9110, section 5.1).
_HEADER: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
#: What follows the address of the API in a request; only that of a poll may hold a query.
_PATH: Final = re.compile(r"/[^\s?#\\]*")
_POLL_PATH: Final = re.compile(r"/[^\s#\\]*")
_ENDPOINT: Final = re.compile(r"[^\s/]+")
_CODE: Final = re.compile(r"[1-5](?:\d\d|xx)")
_HOST: Final = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)+", re.ASCII)


def mistakes_in(provider: Provider) -> Iterator[str]:
    """The mistakes of a file whose values all have the right type."""
    yield from _general(provider)
    yield from _key(provider)
    yield from _task(provider.task)
    yield from _poll(provider.poll)
    if provider.webhook:
        yield from _webhook(provider.webhook)
    if provider.account:
        yield from _account(provider.account)
        yield from _price_times(provider, provider.account)
    if upload := provider.upload:
        yield from _path("upload.path", upload.path)
        yield from _read("upload.url", upload.url)
    if once := provider.once:
        yield from _header("once.header", once.header)
        if once.hours <= 0:
            yield "once.hours: must be more than 0"
    if not provider.endpoints:
        yield "endpoints: is empty: write a table [endpoints.NAME] for each thing to request"
    for name, endpoint in provider.endpoints.items():
        yield from _endpoint(name, endpoint, provider)


# -- the API ---------------------------------------------------------------------------------------


def _general(provider: Provider) -> Iterator[str]:
    if not provider.title.strip() or not provider.title.isprintable():
        yield "title: write a name on one line"
    if not provider.base_url:
        yield "base_url: is empty"
    yield from address_problems("base_url", provider.base_url, "https://api.example.com/v2")
    if not provider.unit.strip() or not provider.unit.isprintable():
        yield 'unit: write one of what prices are in, such as "US cent"'
    try:
        credit_price(provider.credit_price)
    except ValueError as e:
        yield f"credit_price: {e}"
    if provider.links is not None and provider.links <= timedelta(0):
        yield "links: must be more than 0"
    for name, value in provider.headers.items():
        yield from _header(f"headers.{name}", name)
        yield from _header_value(f"headers.{name}", value)
    yield from _header_value("user_agent", provider.user_agent)
    for code in provider.meanings:
        if not _CODE.fullmatch(code):
            yield f"meanings.{code}: write a status code, such as 409 or 5xx"


def _key(provider: Provider) -> Iterator[str]:
    key = provider.key
    yield from _header("key.header", key.header)
    yield from _header_value("key.value", key.value)
    if "{key}" not in key.value:
        yield "key.value: needs {key} where the key belongs"
    if key.header.casefold() in {name.casefold() for name in provider.headers}:
        yield f"headers.{key.header}: is the header of the key: remove it here or in [key]"


def _task(task: TaskFields) -> Iterator[str]:
    for key in ("id", "status"):
        if not getattr(task, key):
            yield f"task.{key}: is empty"
    for key in ("id", "status", "percent", "reason", "credits"):
        yield from _read(f"task.{key}", getattr(task, key))
    if not task.finished:
        yield "task.finished: is empty: no task would ever be done"
    both = {word.casefold() for word in task.finished} & {word.casefold() for word in task.failed}
    for word in sorted(both):
        yield f'task.failed: "{word}" is in finished too: write it in one of them'
    if task.percent_of not in (1, 100):
        yield "task.percent_of: write 1 or 100"


def _poll(poll: Poll) -> Iterator[str]:
    yield from _path("poll.one", poll.one, _POLL_PATH)
    if poll.method == "GET":
        if "{id}" not in poll.one:
            yield "poll.one: with GET it needs {id}, the place of the task id"
        if poll.one_field:
            yield "poll.one_field: is only for POST: remove it, or write method"
    elif not poll.one_field:
        yield "poll.one_field: is missing: with POST it names the field of the task id"
    yield from mistakes_in_place("poll.one_field", poll.one_field)
    if poll.many:
        yield from _path("poll.many", poll.many)
    together = {"many": poll.many, "many_field": poll.many_field, "many_tasks": poll.many_tasks}
    if any(together.values()):
        for key in (name for name, value in together.items() if not value):
            yield f"poll.{key}: is missing: many, many_field and many_tasks belong together"
    yield from _read("poll.many_tasks", filter(None, [poll.many_tasks]))
    listed = {"list": poll.list, "list_tasks": poll.list_tasks, "list_next": poll.list_next}
    if any(listed.values()):
        for key in (name for name, value in listed.items() if not value):
            yield f"poll.{key}: is missing: list, list_tasks and list_next belong together"
        yield from _path("poll.list", poll.list or "/", _POLL_PATH)
        if poll.list and not CURSOR.search(poll.list):
            yield "poll.list: must end with a parameter for the page, such as &cursor={cursor}"
        if poll.many:
            yield "poll.list: is not used with many: remove one of them"
        for key in ("list_tasks", "list_next"):
            yield from _read(f"poll.{key}", filter(None, [listed[key]]))
    if poll.list_made and not poll.list:
        yield "poll.list_made: is only for a list: remove it, or write list"
    yield from _read("poll.list_made", filter(None, [poll.list_made]))
    if poll.least < 1 or poll.most < poll.least:
        yield "poll.most: must not be less than least, and least must be 1 or more"
    yield from _read("poll.address", poll.address)
    if poll.hosts and not poll.address:
        yield "poll.address: is missing: hosts is only for addresses that an answer names"
    for host in poll.hosts:
        if not _HOST.fullmatch(host):
            yield f'poll.hosts: "{host}" is not a host: write one such as "*.example.com"'


def _webhook(webhook: Webhook) -> Iterator[str]:
    if not webhook.url_field:
        yield "webhook.url_field: is empty"
    for key in ("url_field", "secret_field"):
        yield from mistakes_in_place(f"webhook.{key}", getattr(webhook, key))
    for place in webhook.fields:
        yield from mistakes_in_place("webhook.fields", place)
    if webhook.proof in ("secret", "signature", "body"):
        if not webhook.header:
            yield f"webhook.header: is missing: with proof {webhook.proof} it proves a call"
        else:
            yield from _header("webhook.header", webhook.header)
    if webhook.is_proved_by_submission and not webhook.secret_field:
        yield (
            f"webhook.secret_field: is missing: with proof {webhook.proof} it says where a "
            "submission holds the secret"
        )
    elif webhook.secret_field and not webhook.is_proved_by_submission:
        yield f"webhook.secret_field: is not used with proof {webhook.proof}: remove it"


def _account(account: Account) -> Iterator[str]:
    yield from _path("account.path", account.path)
    for key in ("credits", "at_once"):
        yield from _read(f"account.{key}", getattr(account, key))
    names = ("prices", "price_items", "price_id", "price_most")
    if any(getattr(account, name) for name in names):
        for name in names:
            if not getattr(account, name):
                yield f"account.{name}: is missing: {', '.join(names)} belong together"
    if account.prices:
        yield from _path("account.prices", account.prices)
    for name in names[1:]:
        yield from _read(f"account.{name}", filter(None, [getattr(account, name)]))


def _price_times(provider: Provider, account: Account) -> Iterator[str]:
    """The mistakes in what a price of the list is multiplied by."""
    yield from _read("account.price_mode", filter(None, [account.price_mode]))
    if bool(account.price_mode) != bool(account.price_times):
        missing = "price_times" if account.price_mode else "price_mode"
        yield f"account.{missing}: is missing: price_mode and price_times belong together"
    if account.price_times and not account.prices:
        yield "account.price_times: is only for a price list: prices is missing"
    fields = {name for one in provider.endpoints.values() for name in one.fields}
    for word, names in account.price_times.items():
        for name in names:
            if name not in fields:
                yield f"account.price_times.{word}: no endpoint has a field {name}"


# -- endpoints -------------------------------------------------------------------------------------


def _endpoint(name: str, one: Endpoint, provider: Provider) -> Iterator[str]:
    place = f"endpoints.{name}"
    if not _ENDPOINT.fullmatch(name):
        yield f"{place}: write a name without spaces and slashes"
    yield from _path(f"{place}.path", one.path)
    if not (one.urls or one.text):
        yield f"{place}.urls: is missing, and so is text: one of them says where the result is"
    for key in ("urls", "grid_url", "text", "ids"):
        yield from _read(f"{place}.{key}", getattr(one, key))
    for path in one.send:
        yield from mistakes_in_place(f"{place}.send", path)
    if one.deadline <= 0:
        yield f"{place}.deadline: must be more than 0"
    for parent in one.parents:
        if parent not in provider.endpoints:
            yield f"{place}.parents: there is no endpoint {parent}"
    yield from _prices(place, one)
    yield from _choices(place, one)
    yield from mistakes_in_names(place, one.fields)
    for field_name, field in one.fields.items():
        its = f"{place}.fields.{field_name}"
        for number, each in enumerate((field, *field.variants)):
            yield from mistakes_in_field(
                f"{its}.variants (entry {number})" if number else its, each, provider
            )
        if field.parent == "id" and not any(_parents(one, provider)):
            yield f"{its}.parent: no endpoint that the row may follow has ids"
    yield from _body(place, one, provider)


def _parents(one: Endpoint, provider: Provider) -> Iterator[tuple[str, ...]]:
    """The paths to the ids of the results, of each endpoint that a parent may be of."""
    for name in one.parents or provider.endpoints:
        if name in provider.endpoints:
            yield provider.endpoints[name].ids


def _prices(place: str, one: Endpoint) -> Iterator[str]:
    if one.credits is not None and not _is_price(one.credits):
        yield f"{place}.credits: write a price, 0 or more"
    for number, price in enumerate(one.prices, start=1):
        its = f"{place}.prices (entry {number})"
        if not _is_price(price.credits):
            yield f"{its}.credits: write a price, 0 or more"
        for name, value in price.when.items():
            field = one.fields.get(name)
            if field is None:
                yield f"{its}.when: there is no field {name}"
            elif value and (may := _allowed(field)) and value.casefold() not in may:
                yield f'{its}.when: {name} cannot be "{value}": it is not in its one_of'
    if times := one.credits_times:
        if times not in one.fields:
            yield f"{place}.credits_times: there is no field {times}"
        elif one.fields[times].type not in NUMBERS:
            yield f"{place}.credits_times: {times} is no number: give it type integer or number"


def _is_price(amount: Credits) -> bool:
    return 0 <= amount < math.inf


def _allowed(one: Field | None) -> set[str] | None:
    """The values that a field may have in any of its variants, in lower case; None: any."""
    fields = [one, *one.variants] if one else []
    if one is None or one.type == "boolean" or any(not each.one_of for each in fields):
        return None
    return {word.casefold() for each in fields for word in (*each.one_of, *each.ended)}


def _choices(place: str, one: Endpoint) -> Iterator[str]:
    """The mistakes in what refers to fields of the endpoint."""
    if one.select and one.select not in one.fields:
        yield f"{place}.select: there is no field {one.select}"
    for name in one.image:
        if name not in one.fields:
            yield f"{place}.image: there is no field {name}"
        elif one.fields[name].type not in ("address", "addresses", "file"):
            yield f"{place}.image: {name} is no picture: give it type address, addresses or file"
    for group in one.one_of:
        if not group:
            yield f"{place}.one_of: a group is empty"
        for name in group:
            if name not in one.fields:
                yield f"{place}.one_of: there is no field {name}"
    may = _allowed(one.fields.get(one.select))
    for name, field in one.fields.items():
        its = f"{place}.fields.{name}"
        if (field.only or field.variants) and not one.select:
            yield f"{its}.only: needs `select` in {place}, the field whose values it names"
        if any(not each.only for each in field.variants):
            yield f"{its}.variants: each needs only, the values that it is for"
        for value in {word: None for each in (field, *field.variants) for word in each.only}:
            if may and value.casefold() not in may:
                yield f'{its}.only: {one.select} cannot be "{value}": it is not in its one_of'


def _body(place: str, one: Endpoint, provider: Provider) -> Iterator[str]:
    """The mistakes in where values go in the body: two that need the same place."""
    ours = _ours(provider.webhook) if provider.webhook and one.webhook else ()
    for path in one.send:
        if (its := _clash(path, ours)) is not None:
            yield f'{place}.send: "{path}" is where [webhook] puts "{its}": remove it'
    taken: dict[str, str] = {}
    always: dict[str, str] = {}
    for name, field in one.fields.items():
        for each in (field, *field.variants) if field.send else ():
            path = each.to or name
            its = f"{place}.fields.{name}.to"
            if (hook := _clash(path, ours)) is not None:
                yield f'{its}: "{path}" is where [webhook] puts "{hook}"'
            outer = next((way for way in _ways(path) if way in always), "")
            if path in taken or outer:
                inner, other = (path, outer) if outer else (taken[path], path)
                yield f'{its}: "{inner}" is within "{other}", the value of another field'
            elif path in always and always[path] != name and not field.only:
                yield f'{its}: "{path}" is where {always[path]} goes too: they need two places'
            if not (field.only or field.variants):
                always[path] = name
                taken |= dict.fromkeys(_ways(path), path)


def _ways(path: str) -> Iterator[str]:
    """The objects that a path leads through."""
    names = path.split(".")
    return (".".join(names[:end]) for end in range(1, len(names)))


def _ours(webhook: Webhook) -> tuple[str, ...]:
    return tuple(filter(None, (webhook.url_field, webhook.secret_field)))


def _clash(path: str, others: Collection[str]) -> str | None:
    """The one of the places that this one is, is within or contains; None if there is none."""
    for one in others:
        if one[:1] == path[:1] and (f"{one}.".startswith(f"{path}.") or path.startswith(f"{one}.")):
            return one
    return None


# -- single values ---------------------------------------------------------------------------------


def _path(place: str, path: str, shape: re.Pattern[str] = _PATH) -> Iterator[str]:
    if not shape.fullmatch(path):
        yield f'{place}: "{path}" must begin with /, without spaces, ? and #'


def _read(place: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not READ.fullmatch(path):
            yield f'{place}: "{path}" is not a path: write names with dots, such as result.images[]'


def _header(place: str, name: str) -> Iterator[str]:
    if not _HEADER.fullmatch(name):
        yield f"{place}: write the name of a header, such as X-API-Key"


def _header_value(place: str, value: str) -> Iterator[str]:
    if not (value.isascii() and value.isprintable()):
        yield f"{place}: a header holds printable ASCII characters only"
