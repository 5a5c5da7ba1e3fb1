"""Formulas that occur in sheets of prompts: arithmetic, references, a few functions.

An unknown function gives `#NAME?`, as in Google; a function in `Book.loading` is still
`Loading...`. References follow their cells as rows and columns move.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fakes.google import a1
from tests.fakes.google.entering import Value, shown

LOADING = "Loading..."
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<text>"(?:[^"]|"")*")
    |(?P<name>[A-Za-z_][A-Za-z0-9_.]*(?=\s*\())
    |(?P<cell>(?:(?:'(?:[^']|'')*'|[A-Za-z_]\w*)!)?\$?[A-Za-z]{1,3}\$?\d+(?::\$?[A-Za-z]{1,3}\$?\d+)?)(?![\w(])
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign><>|<=|>=|[-+*/^&=<>(),;%]))""",
    re.VERBOSE,
)
_REFERENCE = re.compile(
    r"""("(?:[^"]|"")*")|((?:'(?:[^']|'')*'|[A-Za-z_]\w*)!)?(?<![\w$])(\$?)([A-Za-z]{1,3})(\$?)([1-9]\d*)(?![\w(!])"""
)

#: Looks a reference up: the sheet's title before `!` or None, row and column.
Look = Callable[[str | None, int, int], Value]


class _Error(Exception):
    """The formula's value is this error."""


class _Reader:
    def __init__(self, text: str, look: Look, separator: str, loading: frozenset[str]) -> None:
        self.look, self.separator, self.loading = look, separator, loading
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if not found:
                raise _Error("#ERROR!")
            assert found.lastgroup
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *signs: str) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign" and self.next in signs:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return ""

    def whole(self) -> Value:
        value = self.comparison()
        if self.at < len(self.tokens):
            raise _Error("#ERROR!")
        return value

    def comparison(self) -> Value:
        left = self.joined()
        while sign := self.take("=", "<>", "<", ">", "<=", ">="):
            left = _compare(left, sign, self.joined())
        return left

    def joined(self) -> Value:
        left = self.sum()
        while self.take("&"):
            left = shown(left) + shown(self.sum())
        return left

    def sum(self) -> Value:
        left = self.product()
        while sign := self.take("+", "-"):
            right = _number(self.product())
            left = _tidy(_number(left) + (right if sign == "+" else -right))
        return left

    def product(self) -> Value:
        left = self.power()
        while sign := self.take("*", "/"):
            right = _number(self.power())
            if sign == "/" and not right:
                raise _Error("#DIV/0!")
            left = _tidy(_number(left) * right if sign == "*" else _number(left) / right)
        return left

    def power(self) -> Value:
        left = self.signed()
        while self.take("^"):
            left = _tidy(_number(left) ** _number(self.signed()))
        return left

    def signed(self) -> Value:
        if sign := self.take("+", "-"):
            value = self.signed()
            return _tidy(-_number(value)) if sign == "-" else value
        value = self.atom()
        while self.take("%"):
            value = _tidy(_number(value) / 100)
        return value

    def atom(self) -> Value:
        if self.at >= len(self.tokens):
            raise _Error("#ERROR!")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return _tidy(float(text))
        if kind == "text":
            return text[1:-1].replace('""', '"')
        if kind == "cell":
            cells = self.cells(text)
            return cells[0]
        if kind == "word" and text.upper() in ("TRUE", "FALSE"):
            return text.upper() == "TRUE"
        if kind == "name":
            return self.function(text.upper())
        if text == "(":
            value = self.comparison()
            if not self.take(")"):
                raise _Error("#ERROR!")
            return value
        raise _Error("#NAME?" if kind == "word" else "#ERROR!")

    def cells(self, text: str) -> list[Value]:
        title, where = a1.split_title(text)
        area = a1.cells(where.replace("$", ""))
        if area is None or area.bottom is None or area.right is None:
            raise _Error("#REF!")
        values = [
            self.look(title, row, column)
            for row in range(area.top, area.bottom)
            for column in range(area.left, area.right)
        ]
        for value in values:
            if isinstance(value, str) and (value == LOADING or is_error(value)):
                raise _Error(value)
        return values

    def function(self, name: str) -> Value:
        self.take("(")
        arguments: list[list[Value]] = []
        while not self.take(")"):
            if arguments and not self.take(self.separator):
                raise _Error("#ERROR!")
            at_cells = self.at < len(self.tokens) and self.tokens[self.at][0] == "cell"
            if at_cells and ":" in self.next:
                arguments.append(self.cells(self.next))
                self.at += 1
            else:
                arguments.append([self.comparison()])
        if name in self.loading:
            raise _Error(LOADING)
        if name not in _FUNCTIONS:
            raise _Error("#NAME?")
        try:
            return _FUNCTIONS[name](arguments)
        except IndexError:
            raise _Error("#N/A") from None


def _numbers(arguments: list[list[Value]]) -> list[float]:
    flat = [one for argument in arguments for one in argument]
    return [one for one in flat if isinstance(one, (int, float)) and not isinstance(one, bool)]


_FUNCTIONS: dict[str, Callable[[list[list[Value]]], Value]] = {
    "SUM": lambda given: _tidy(float(sum(_numbers(given)))),
    "MAX": lambda given: max(_numbers(given), default=0),
    "COUNT": lambda given: len(_numbers(given)),
    "CONCATENATE": lambda given: "".join(shown(one) for each in given for one in each),
    "UPPER": lambda given: shown(given[0][0]).upper(),
    "LOWER": lambda given: shown(given[0][0]).lower(),
    "TRIM": lambda given: " ".join(shown(given[0][0]).split()),
    "LEN": lambda given: len(shown(given[0][0])),
    "IF": lambda given: given[1][0] if given[0][0] else (given[2][0] if given[2:] else False),
    "HYPERLINK": lambda given: given[1][0] if given[1:] else given[0][0],
    "IMAGE": lambda given: given[0][0],
}


def evaluate(formula: str, look: Look, separator: str, loading: frozenset[str]) -> Value:
    """The value that the cell shows; `formula` begins with `=`."""
    try:
        return _Reader(formula[1:], look, separator, loading).whole()
    except _Error as error:
        return str(error)
    except (RecursionError, OverflowError, ZeroDivisionError):
        return "#REF!"


#: What the API calls the error that a cell shows.
ERROR_TYPES = {
    "#NULL!": "NULL_VALUE",
    "#DIV/0!": "DIVIDE_BY_ZERO",
    "#VALUE!": "VALUE",
    "#REF!": "REF",
    "#NAME?": "NAME",
    "#NUM!": "NUM",
    "#N/A": "N_A",
    "#ERROR!": "ERROR",
}


def is_error(value: str) -> bool:
    """True if it is one of the error values."""
    return value in ERROR_TYPES


def is_image(formula: str) -> bool:
    return bool(re.match(r"=\s*IMAGE\s*\(", formula, re.IGNORECASE))


def _number(value: Value) -> float:
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise _Error("#VALUE!") from None
    return value


def _tidy(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _compare(left: Value, sign: str, right: Value) -> bool:
    if left is None or right is None or isinstance(left, str) != isinstance(right, str):
        one, other = shown(left).lower(), shown(right).lower()
    elif isinstance(left, str) and isinstance(right, str):
        one, other = left.lower(), right.lower()
    else:
        return _ordered(_number(left), sign, _number(right))
    return _ordered((one > other) - (one < other), sign, 0)


def _ordered(left: float, sign: str, right: float) -> bool:
    return {
        "=": left == right,
        "<>": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }[sign]


#: Where a cell is now: (title or None, row, column) to (row, column), None if it is gone.
Moved = Callable[[str | None, int, int], tuple[int, int] | None]


def rewritten(formula: str, moved: Moved) -> str:
    """The formula whose references follow the cells that have moved."""

    def follow(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        title = a1.split_title(found[2] + "A1")[0] if found[2] else None
        place = moved(title, int(found[6]) - 1, a1.number(found[4]))
        if place is None:
            return "#REF!"
        row, column = place
        return f"{found[2] or ''}{found[3]}{a1.letters(column)}{found[5]}{row + 1}"

    return _REFERENCE.sub(follow, formula)


def displaced(formula: str, down: int, right: int) -> str:
    """The formula as it is pasted elsewhere: references without `$` move along."""

    def move(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        column = a1.number(found[4]) + (0 if found[3] else right)
        row = int(found[6]) + (0 if found[5] else down)
        if column < 0 or row < 1:
            return "#REF!"
        return f"{found[2] or ''}{found[3]}{a1.letters(column)}{found[5]}{row}"

    return _REFERENCE.sub(move, formula)
