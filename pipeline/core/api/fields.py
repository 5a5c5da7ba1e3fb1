"""The fields of an endpoint: what is wrong with a row's cells, what they cost, how they are sent.

In: the tables of `provider`, and a row's inputs as text. Out: sentences, credits, a body. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from pipeline.core.api.cell_files import (
    ADDRESS,
    Files,
    addresses,
    cell_elements,
    elements,
    names_files,
    problem_of_addresses,
    problem_of_files,
)
from pipeline.core.api.objects import lines_of, parts_of, written_as
from pipeline.core.api.paths import put
from pipeline.core.api.provider import Endpoint, Field, is_over
from pipeline.core.credits import Credits, exact
from pipeline.core.inputs import written_ratio
from pipeline.core.language import Said, of_a_file, say, together
from pipeline.core.model import Part
from pipeline.core.text import all_of, one_of, quoted

#: The column that names another row, and the one that chooses one of that row's results.
PARENT: Final = "parent"
INDEX: Final = "index"
#: The column for a picture to start from, whatever the endpoint calls it (see
#: `prompts.reference_images`).
IMAGE: Final = "image"
#: As many choices are named in a sentence about an empty cell.
MOST_CHOICES: Final = 10
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_WANTED: Mapping[str, str] = {
    "integer": say("a whole number"),
    "number": say("a number"),
    "boolean": say("yes or no"),
    "address": say("an address that begins with https://"),
    "addresses": say("addresses that begin with https://"),
}


class Titles(Protocol):
    """The columns of a sheet, as sentences about its cells need them."""

    def title(self, name: str) -> str:
        """What the column of this name is called in the sheet."""

    def has(self, name: str) -> bool:
        """True if the sheet has that column."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The values that a follow-up needs from the task that it follows."""

    task_id: str
    urls: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def columns_of(endpoint: Endpoint) -> frozenset[str]:
    """The names of cells that say what a row for the endpoint asks for.

    These are its fields, `image` if it takes a picture under another name and, where it can follow
    another row, `parent` and `index`.
    """
    columns = endpoint.columns | {IMAGE} if endpoint.image else endpoint.columns
    return columns | {PARENT, INDEX} if endpoint.takes_parent else columns


def fields_of(endpoint: Endpoint, given: Mapping[str, str]) -> dict[str, Field]:
    """The fields that exist for a row with these values: name -> field.

    Where the endpoint has a `select` field, its value decides; without a value, every field that
    is not a variant exists.
    """
    choice = _choice(endpoint, given)
    found = {}
    for name, one in endpoint.fields.items():
        for each in (*one.variants, one):
            if not each.only or (not choice and not one.variants) or choice in _folded(each.only):
                found[name] = each
                break
    return found


def _choice(endpoint: Endpoint, given: Mapping[str, str]) -> str:
    return given.get(endpoint.select, "").casefold() if endpoint.select else ""


def _folded(words: Iterable[str]) -> set[str]:
    return {word.casefold() for word in words}


def problems_with(
    endpoint: Endpoint,
    inputs: Mapping[str, str],
    defaults: Mapping[str, str] | None = None,
    *,
    has_parent: bool = False,
    files: Files | None = None,
    takes_uploads: bool = False,
    columns: Titles | None = None,
    today: date = date.max,
    picture: str = "",
    allowed: Collection[str] = (),
) -> list[str]:
    """The problems of a row's inputs, one sentence each; empty if they can be sent.

    `defaults` stand for cells that are empty. With `has_parent`, the row names another row, and
    that fills the fields which take something of it. `files` are those that cells may name;
    `takes_uploads` is whether the API gives a file an address. `columns` are those of the sheet;
    without them, each field has a column of its name. `today` decides which values have ended;
    without it, every value that has an end. `picture` is a field whose files must be pictures.
    `allowed` are base URLs that may be private.
    """
    given = {**(defaults or {}), **inputs}
    there = fields_of(endpoint, given)
    title = columns.title if columns else str
    problems = []
    for name, one in there.items():
        text = given.get(name, "")
        if one.parent and not text:
            if one.required and not has_parent:
                problems.append(_parent_missing(one, title(name), title("parent")))
        elif not text:
            if one.required:
                problems.append(_missing(one, title(name), not columns or columns.has(name), today))
        elif problem := (
            problem_of_addresses(title(name), one, text, allowed, takes_uploads=takes_uploads)
            or _problem_of_files(title(name), one, text, files, "image" * (name == picture))
            if names_files(one, text) and (takes_uploads or one.type == "file")
            else problem_of_addresses(title(name), one, text, allowed, takes_uploads=takes_uploads)
            or problem_with(title(name), one, text, today)
        ):
            problems.append(problem)
    problems += [
        _not_for(name, title(name), endpoint, given)
        for name, text in inputs.items()
        if text and name in endpoint.fields and name not in there
    ]
    problems += [
        say("{columns} are empty: write one of them", columns=all_of([*map(title, group)]))
        for group in endpoint.one_of
        if not any(given.get(name) for name in group)
    ]
    return problems


def _parent_missing(one: Field, title: str, parent: str) -> str:
    if one.parent == "task":
        return say(
            "{column} is empty: write the name of the row that this one follows", column=parent
        )
    return say(
        "{column} is empty: write one, or name another row in {parent}",
        column=title,
        parent=parent,
    )


def _missing(one: Field, title: str, is_there: bool, today: date) -> str:
    """A required cell is empty, or the sheet has no column for it."""
    wanted = _wanted(one, today)
    if not is_there:
        return say(
            "there is no column {column}: add it, and write {wanted} in this row",
            column=title,
            wanted=wanted,
        )
    return say("{column} is empty: write {wanted}", column=title, wanted=wanted)


def _wanted(one: Field, today: date) -> str:
    """What a cell may hold, such as "720p, 1080p or 4k"; "one" for any text."""
    choices = one.choices(today)
    if len(choices) > MOST_CHOICES:
        return say("one of {choices} …", choices=", ".join(choices[:MOST_CHOICES]))
    if choices:
        return one_of(choices)
    wanted = one.says or (written_as(one) if one.line else _WANTED.get(one.type) or say("one"))
    if one.type in ("integer", "number") and (one.least is not None or one.most is not None):
        return together((of_a_file(wanted), _range(one.least, one.most)), ", ")
    return of_a_file(wanted)


def _not_for(name: str, title: str, endpoint: Endpoint, given: Mapping[str, str]) -> str:
    one = endpoint.fields[name]
    known = [word for each in (*one.variants, one) for word in each.only]
    model = given[endpoint.select]
    if 0 < len(known) <= 8:
        return say(
            "{model} has no {column}; it is for {models}: clear that cell",
            model=model,
            column=title,
            models=", ".join(known),
        )
    return say("{model} has no {column}: clear that cell", model=model, column=title)


def problem_with(name: str, one: Field, text: str, today: date = date.max) -> str:
    """The problem of the text of a cell, as a sentence; empty if there is none.

    `name` is what the column is called in the sheet. `today` as in `problems_with`.
    """
    if is_over(end := one.end_of(text), today):
        return _ended(name, text, end, one.choices(today))
    if one.type == "objects":
        return _problem_of_objects(name, one, text)
    sent = written_ratio(one.ratio, text)
    words = elements(text) if one.type == "list" else [sent]
    if one.one_of and not _folded(words) <= _folded(one.one_of):
        return say(
            "{column} is {text}; it can be {choices}",
            column=name,
            text=quoted(text, 40),
            choices=", ".join(one.choices(today)),
        )
    if one.pattern and not re.fullmatch(one.pattern, sent):
        return _must_be(name, text, one.says or one.pattern)
    if one.longest is not None and len(text) > one.longest:
        return say(
            "{column} has {number} characters; the most are {most}",
            column=name,
            number=len(text),
            most=one.longest,
        )
    try:
        value = value_of(one, text)
    except ValueError:
        return _must_be(name, text, one.says or _WANTED.get(one.type, one.type))
    return _out_of_range(name, one, text, value)


def _problem_of_objects(name: str, one: Field, text: str) -> str:
    """The first problem of a list of objects, with the number of its line."""
    lines = lines_of(text)
    for number, line in enumerate(lines, start=1):
        place = (
            say("line {number} of {column}", number=number, column=name) if len(lines) > 1 else name
        )
        parts = parts_of(one, line)
        if parts is None:
            return _must_be(place, line, one.says or written_as(one))
        for part, its in parts.items():
            where = say("{part} in {column}", part=part, column=place)
            if problem := problem_with(where, one.parts[part], its):
                return problem
    return _out_of_range(name, one, text, lines)


def _must_be(name: str, text: str, wanted: str) -> Said:
    return say(
        "{column} is {text}; it must be {wanted}",
        column=name,
        text=quoted(text, 40),
        wanted=of_a_file(wanted),
    )


def _problem_of_files(name: str, one: Field, text: str, files: Files | None, kind: str) -> str:
    problem = problem_of_files(name, one, text, files, kind)
    return problem or _out_of_range(name, one, text, cell_elements(one, text))


def _ended(name: str, text: str, end: date | None, others: Sequence[str]) -> Said:
    if not others:
        return say(
            "{text} ended on {day}: choose another {column}",
            text=quoted(text, 40),
            day=end,
            column=name,
        )
    return say(
        "{text} ended on {day}: choose another {column}, such as {examples}",
        text=quoted(text, 40),
        day=end,
        column=name,
        examples=", ".join(others[:3]),
    )


def _out_of_range(name: str, one: Field, text: str, value: object) -> str:
    if one.items and isinstance(value, list):
        least, most = one.items
        if not least <= len(value) <= most:
            return say(
                "{column} holds {number}; it must hold {least} to {most}, one on each line",
                column=name,
                number=len(value),
                least=least,
                most=most,
            )
    if one.type in ("integer", "number") and (one.least is not None or one.most is not None):
        number = float(text)
        low = -math.inf if one.least is None else one.least
        high = math.inf if one.most is None else one.most
        if not low <= number <= high:
            return _must_be(name, text, _range(one.least, one.most))
    return ""


def _range(least: float | None, most: float | None) -> Said:
    if least is None:
        return say("at most {most}", most=f"{most:g}")
    if most is None:
        return say("at least {least}", least=f"{least:g}")
    return say("from {least} to {most}", least=f"{least:g}", most=f"{most:g}")


def value_of(one: Field, text: str) -> object:
    """The value that is sent for a text. Raises ValueError if there is none."""
    spelled = {word.casefold(): word for word in one.one_of}
    text = written_ratio(one.ratio, text)
    text = spelled.get(text.casefold(), text)
    match one.type:
        case "integer":
            number = int(text)
            return str(number) if one.as_text else number
        case "number":
            if not math.isfinite(amount := float(text)):
                raise ValueError(text)  # JSON has no word for it.
            return text if one.as_text else amount
        case "boolean":
            if (word := text.casefold()) not in (*_YES, *_NO):
                raise ValueError(text)
            return str(word in _YES).lower() if one.as_text else word in _YES
        case "list":
            return [spelled.get(part.casefold(), part) for part in elements(text)]
        case "address":
            if not ADDRESS.fullmatch(text):
                raise ValueError(text)
            return text
        case "addresses":
            parts = addresses(text)
            if not all(map(ADDRESS.fullmatch, parts)):
                raise ValueError(text)
            return parts
        case "objects":
            objects = [_object(one, line) for line in lines_of(text)]
            return json.dumps(objects, ensure_ascii=False) if one.as_text else objects
    return text


def _object(one: Field, line: str) -> dict[str, object]:
    """The object that a line of a cell stands for. Raises ValueError if it is not written so."""
    if (parts := parts_of(one, line)) is None:
        raise ValueError(line)
    body: dict[str, object] = {}
    for name, text in parts.items():
        put(body, one.parts[name].to or name, value_of(one.parts[name], text))
    return body


def price_of(endpoint: Endpoint, given: Mapping[str, str]) -> Credits | None:
    """The listed credits of a row with these values; None if there is no price.

    A number that multiplies the price and cannot be read counts as 1: the row is not sent then.
    """
    price = endpoint.credits
    for row in endpoint.prices:
        there = endpoint.fields
        if all(_is_same(there.get(n), given.get(n, ""), v) for n, v in row.when.items()):
            price = row.credits
            break
    if price is None or not endpoint.credits_times:
        return price
    try:
        times = float(given.get(endpoint.credits_times) or 1)
    except ValueError:
        times = 1
    return exact(price * max(times, 1)) if math.isfinite(times) else price


def _is_same(one: Field | None, text: str, wanted: str) -> bool:
    """True if a cell says what a price is for, in any spelling that sends the same.

    In a boolean, `TRUE` and `yes` are the same; in a number, `010` and `10`.
    """
    if one is not None and one.type == "boolean" and text:
        return text.casefold() in _YES if wanted in _YES else text.casefold() in _NO
    if one is not None and one.type in ("integer", "number"):
        with suppress(ValueError):
            return float(text) == float(wanted)
    return text.casefold() == wanted.casefold()


def body_of(
    endpoint: Endpoint, given: Mapping[str, str], parent: Parent | None
) -> tuple[dict[str, object], tuple[Part, ...]]:
    """The body of a submission, and the parts of it that are read when it is sent.

    The values must be without problems. Fields without a value are left out.
    """
    body: dict[str, object] = {}
    for path, value in endpoint.send.items():
        put(body, path, value)
    parts = []
    for name, one in fields_of(endpoint, given).items():
        if not one.send:
            continue
        to = one.to or name
        if text := given.get(name, "") or from_parent(one, given, parent):
            if one.type == "file":
                parts.append(Part(to, text, one.encode))
            elif names_files(one, text):
                parts.append(Part(to, text, "uploads" if one.type == "addresses" else "upload"))
            else:
                put(body, to, value_of(one, text))
    return body, tuple(parts)


def from_parent(one: Field, given: Mapping[str, str], parent: Parent | None) -> str:
    """What a field takes of the parent; "" if it takes nothing, or there is nothing to take."""
    if parent is None or not one.parent:
        return ""
    if one.parent == "task":
        return parent.task_id
    return chosen(parent.urls if one.parent == "url" else parent.ids, given)


def chosen(results: tuple[str, ...], given: Mapping[str, str]) -> str:
    """The one of the parent's results that `index` names, by default the first; "" if none is."""
    text = given.get(INDEX, "") or "1"
    # No task has so many results; Python refuses to read a number with thousands of digits.
    number = int(text[:9]) if text.isdecimal() else 0
    return next(iter(results[number - 1 : number]), "") if number else ""


def as_texts(defaults: Mapping[str, object]) -> dict[str, str]:
    """Values of `[defaults]` as people would write them in cells."""
    return {name: _as_text(value) for name, value in defaults.items()}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
