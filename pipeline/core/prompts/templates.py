"""Prompts made of columns: a template such as `{product}, {scene}. {style}`, styles, choices.

    {product}      the cell of the column `product` in this row
    {red|blue}     one of these, another one with each take
    {{ and }}      a brace as it is

A column is only replaced by its text: what a cell says is never read as a template. Choices also
work in cells and in styles. A row whose columns are not all filled has no prompt: half a prompt is
never sent. Pure.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pipeline.core.api.fields import Titles
from pipeline.core.inputs import PROMPT
from pipeline.core.language import Said, say
from pipeline.core.sheet.header import folded
from pipeline.core.text import quoted

#: Most characters of a template; each row is filled in at each look that plans it.
MOST: Final = 10_000
#: As many styles are named in a sentence about an unknown one.
MOST_STYLES: Final = 8

#: The folded name of a style -> its name, and its text.
Styles = Mapping[str, tuple[str, str]]

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}|]*)\}|[{}|]")
_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Column:
    """A place for the text of a cell."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A place for one of several texts."""

    options: tuple[tuple[Piece, ...], ...]


#: A part of a template.
Piece = str | Column | Choice


class _Turns:
    """Chooses: equal numbers choose the same, and following numbers go through all combinations."""

    def __init__(self, number: int) -> None:
        self._number = number

    def of(self, many: int) -> int:
        """Which one of `many`, counted from 0."""
        self._number, turn = divmod(self._number, many)
        return turn


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A template that was checked. Made by `template`."""

    pieces: tuple[Piece, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, in their order."""
        return tuple(dict.fromkeys(_columns_in(self.pieces)))

    def named(self, names: Mapping[str, str]) -> PromptTemplate:
        """The same with other names for some columns: as written -> name."""
        return PromptTemplate(tuple(_renamed(self.pieces, names)))


class FinishedPrompt(NamedTuple):
    """A prompt that was made of columns."""

    #: Empty if there are problems.
    prompt: str
    #: Why the row has no prompt, a phrase each.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """How the prompts of a sheet are made."""

    template: PromptTemplate
    #: Folded name -> the name as it was written, and the text; empty: `style` is plain text.
    styles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: The column whose cells name a style.
    style_column: str = "style"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template names."""
        return self.template.columns

    def finished(
        self,
        given: Mapping[str, str],
        inputs: str,
        take: int,
        columns: Titles | None = None,
        *,
        is_required: bool = True,
    ) -> FinishedPrompt | None:
        """The prompt of a row with these values; None if it has one of its own, or needs none.

        `inputs` (canonical text) and `take` decide about its choices: rows with equal inputs get
        the same ones, and the next take gets the next ones. `columns` are those of the sheet, for
        sentences about them.
        """
        if PROMPT not in self.columns and given.get(PROMPT):
            return None
        if not is_required and not any(given.get(name) for name in self.columns):
            return None
        problems = [
            problem
            for name in self.columns
            if (problem := self._problem(name, given.get(name, ""), columns))
        ]
        return FinishedPrompt(
            "" if problems else self._prompt(given, inputs, take), tuple(problems)
        )

    def _problem(self, name: str, text: str, columns: Titles | None) -> str:
        title = columns.title(name) if columns else name
        if not text:
            if columns is None or columns.has(name):
                return say(
                    "{column} is empty, and [prompt] text needs it: fill it in", column=title
                )
            return say(
                "there is no column {column}, which [prompt] text needs: add it and fill it in",
                column=title,
            )
        if name == self.style_column and self.styles and folded(text) not in self.styles:
            return self._no_style(title, text)
        return ""

    def _no_style(self, title: str, text: str) -> Said:
        if near := difflib.get_close_matches(folded(text), self.styles, n=1, cutoff=0.6):
            return say(
                "{column} is {text}, and there is no such style; perhaps {style} is meant",
                column=title,
                text=quoted(text, 40),
                style=quoted(self.styles[near[0]][0], 40),
            )
        names = [quoted(name, 40) for name, _ in self.styles.values()]
        more = " …" if len(names) > MOST_STYLES else ""
        return say(
            "{column} is {text}, and there is no such style: there is {styles}",
            column=title,
            text=quoted(text, 40),
            styles=f"{', '.join(names[:MOST_STYLES])}{more}",
        )

    def _prompt(self, given: Mapping[str, str], inputs: str, take: int) -> str:
        turns = _Turns(zlib.crc32(inputs.encode("utf-8", "surrogatepass")) + take - 1)
        return "".join(self._filled(self.template.pieces, given, turns)).strip()

    def _filled(
        self, pieces: Sequence[Piece], given: Mapping[str, str], turns: _Turns
    ) -> Iterator[str]:
        for piece in pieces:
            match piece:
                case Column(name):
                    yield chosen(self._text(name, given.get(name, "")), turns)
                case Choice(options):
                    yield from self._filled(options[turns.of(len(options))], given, turns)
                case _:
                    yield piece

    def _text(self, name: str, cell: str) -> str:
        if name == self.style_column and (style := self.styles.get(folded(cell))):
            return style[1]
        return cell


def chosen(text: str, turns: _Turns) -> str:
    """The text with one option of each choice in it."""
    while found := _CHOICE.search(text):
        options = found[1].split("|")
        text = text[: found.start()] + options[turns.of(len(options))] + text[found.end() :]
    return text


def template(text: str) -> PromptTemplate:
    """A template as a configuration has it. Raises ValueError that says what is wrong."""
    if len(text) > MOST:
        raise ValueError(f"it has {len(text)} characters; the most are {MOST}")
    #: The choices that are open, the innermost last: the finished options, then the one at work.
    open_: list[list[list[Piece]]] = [[[]]]
    done = 0
    for found in _TOKEN.finditer(text):
        open_[-1][-1] += [text[done : found.start()]] if found.start() > done else []
        done = found.end()
        _take_in(open_, found)
    open_[-1][-1] += [text[done:]] if done < len(text) else []
    if len(open_) > 1:
        raise ValueError("a { is never closed; write {{ for a brace as it is")
    made = PromptTemplate(tuple(open_[0][0]))
    if not made.columns:
        raise ValueError("it names no column, such as {product}")
    return made


def _take_in(open_: list[list[list[Piece]]], found: re.Match[str]) -> None:
    """Add one sign of a template to what was read before."""
    sign = found[0]
    if found[1] is not None:
        if not (name := found[1].strip()):
            raise ValueError("there is nothing between { and }")
        open_[-1][-1].append(Column(name))
    elif len(open_) == 1 and sign in ("{{", "}}", "|"):
        open_[-1][-1].append(sign[0])
    elif sign == "|":
        open_[-1].append([])
    else:
        # Within a choice, two braces are the ends of two choices.
        for brace in sign:
            if brace == "{":
                open_.append([[]])
            else:
                _close(open_)


def _close(open_: list[list[list[Piece]]]) -> None:
    if len(open_) == 1:
        raise ValueError("a } is never opened; write }} for a brace as it is")
    options = open_.pop()
    if len(options) == 1:
        raise ValueError("a choice needs two or more texts, as in {red|blue}")
    open_[-1][-1].append(Choice(tuple(map(tuple, options))))


def _columns_in(pieces: Sequence[Piece]) -> Iterator[str]:
    for piece in pieces:
        match piece:
            case Column(name):
                yield name
            case Choice(options):
                for option in options:
                    yield from _columns_in(option)


def _renamed(pieces: Sequence[Piece], names: Mapping[str, str]) -> Iterator[Piece]:
    for piece in pieces:
        match piece:
            case Column(name):
                yield Column(names.get(name, name))
            case Choice(options):
                yield Choice(tuple(tuple(_renamed(option, names)) for option in options))
            case _:
                yield piece
