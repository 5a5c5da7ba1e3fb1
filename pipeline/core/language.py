"""Sentences that can be said in another language.

`say` returns a `Said`: a text in English that remembers the message and the values that it was made
from. All of the program works with the English text. Only where a text is written into a sheet or
shown on the page, `Catalogue.text` says it in the language of that sheet. So there is no current
language anywhere, and logs, JSON, the store and outlets stay English.

The English message is its own id, as with gettext. `tests/language` collects the ids: the first
argument of `say`, and the messages of `say_counted`, are written out where they are used. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from string import Formatter
from typing import Final, NamedTuple

from pipeline.core.credits import Credits


class _Message(NamedTuple):
    #: The message in English; with a second one for other numbers than 1.
    forms: tuple[str, ...]
    values: Mapping[str, object]
    #: The number that decides which form is said; None if there is only one.
    number: Credits | None = None


class _Figures(NamedTuple):
    #: A number as it is written in English.
    text: str


class _Listed(NamedTuple):
    between: str
    parts: tuple[str, ...]


class Said(str):
    """A text of ours in English, which a `Catalogue` can say in another language."""

    __slots__ = ("_made_of",)

    _made_of: _Message | _Listed | _Figures

    @staticmethod
    def _of(text: str, made_of: _Message | _Listed | _Figures) -> Said:
        said = Said(text)
        said._made_of = made_of
        return said


#: An empty text.
NOTHING: Final = Said._of("", _Listed(" ", ()))


def say(message: str, /, **values: object) -> Said:
    """The message with its values, such as `say("Task {task} is done.", task=3)`.

    A value may be a `Said` itself, which is then said in the same language.
    """
    return Said._of(message.format(**values), _Message((message,), values))


def say_counted(number: Credits, one: str, more: str, /, **values: object) -> Said:
    """The same for a message with a number of things; it stands where `{number}` is.

    `one` is the message for 1, `more` that for other numbers. A value `number` is how to show it.
    """
    values = {"number": number, **values}
    text = (one if number == 1 else more).format(**values)
    return Said._of(text, _Message((one, more), values, number))


def figures(number: str) -> Said:
    """A number as it is written in English, such as 1,234.5; other languages have other marks."""
    return Said._of(number, _Figures(number))


def together(parts: Iterable[str], between: str = " ") -> Said:
    """The texts that are not empty, one after the other."""
    made_of = tuple([part for part in parts if part])
    if not made_of:
        return NOTHING
    if len(made_of) == 1 and isinstance(made_of[0], Said):
        return made_of[0]
    return Said._of(between.join(made_of), _Listed(between, made_of))


def message(text: str) -> str:
    """The text as a message: for texts that the store keeps, and `said_again` reads."""
    return text


def of_units(number: Credits, unit: str, shown: Said) -> Said:
    """An amount in a unit that a provider file names, such as "US cent"."""
    forms = (f"{{number}} {unit}", f"{{number}} {unit}s")
    text = f"{shown} {unit}{'' if number == 1 else 's'}"
    return Said._of(text, _Message(forms, {"number": shown}, number))


#: A translation of it shows how the language writes numbers.
_NUMBER: Final = message("1,234.5")


def of_a_file(text: str) -> Said:
    """A text that is written in a provider file, as a message without values."""
    if isinstance(text, Said):
        return text
    return Said._of(text, _Message((text.replace("{", "{{").replace("}", "}}"),), {}))


def said_again(text: str, *messages: str, values: Callable[[str], str] = str) -> str:
    """A text that the store kept, as the message that it was made from; else as it is.

    Values take as much of the text as they can, the first ones first. `values` makes messages of
    them, too.
    """
    for one in messages:
        if found := _pattern(one).fullmatch(text):
            its = {name: values(value) for name, value in found.groupdict().items()}
            return Said._of(text, _Message((one,), its))
    return text


@cache
def _pattern(message: str) -> re.Pattern[str]:
    parts = (
        re.escape(words) + (f"(?P<{name}>.+)" if name else "")
        for words, name, _, _ in Formatter().parse(message)
    )
    return re.compile("".join(parts), re.DOTALL)


def fields_of(message: str) -> frozenset[str]:
    """The names of the values in a message. Raises ValueError if it is not written as one."""
    names = set()
    for _, name, form, conversion in Formatter().parse(message):
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise ValueError(message)
        names.add(name)
    return frozenset(names)


def is_translation(message: tuple[str, ...], text: str) -> bool:
    """True if the text has the values of the message, no others, and can be filled in.

    One form of a message with a number need not show the number.
    """
    wanted = fields_of(message[-1])
    try:
        its = fields_of(text)
    except ValueError:
        return False
    return its == wanted or (len(message) > 1 and its | {"number"} == wanted | {"number"})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """How messages are said in one language."""

    #: Its name, such as `de`.
    language: str
    #: The forms of a message in English -> those in this language. One, unless a number decides.
    messages: Mapping[tuple[str, ...], tuple[str, ...]] = field(repr=False, compare=False)
    #: A digest of all messages.
    version: str = ""
    #: Number -> which form of the plural.
    form_of: Callable[[int], int] = field(
        default=lambda number: int(number != 1), repr=False, compare=False
    )

    def text(self, said: str) -> str:
        """The text in this language. A message that has no translation stays English."""
        if not self.messages or not isinstance(said, Said):
            return said
        made_of = said._made_of
        if isinstance(made_of, _Listed):
            return made_of.between.join(map(self.text, made_of.parts))
        if isinstance(made_of, _Figures):
            return self._figures(made_of.text)
        values = {name: self._value(value) for name, value in made_of.values.items()}
        return self._form(made_of.forms, made_of.number).format(**values)

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        return self._figures(str(value)) if isinstance(value, float) else value

    def _figures(self, number: str) -> str:
        (sample,) = self.messages.get((_NUMBER,), (_NUMBER,))
        found = re.fullmatch(r"1(\D*)234(\D+)5", sample)
        thousands, point = found.groups() if found else (",", ".")
        return number.translate(str.maketrans({",": thousands, ".": point}))

    def _form(self, forms: tuple[str, ...], number: Credits | None) -> str:
        translated = self.messages.get(forms, forms)
        if number is None:
            return translated[0]
        if translated is forms:
            return forms[number != 1]
        try:
            # A part of a credit is said as in English: like more than one.
            form = self.form_of(int(number) if number == int(number) else 2)
        except ArithmeticError:  # the rule is that of a file
            form = 0
        return translated[min(form, len(translated) - 1)]


#: Messages as they are in the code.
ENGLISH: Final = Catalogue("en", {})
