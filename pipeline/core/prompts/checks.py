"""Signs that a prompt is not what its writer meant: it is sent as it is, with a warning.

For example: a placeholder that was not filled in, a dash that a word processor made of two hyphens,
or a command copied from a chat. With `[rules] strict_prompts` such a row is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline.core.api.provider import Endpoint
from pipeline.core.inputs import parsed
from pipeline.core.language import Said, say
from pipeline.core.text import quoted

#: Parameters that follow two hyphens in a prompt for Midjourney, and what comes after them.
#: Source: its documentation's list of parameters.
_RATIO = r"(?:ar|aspect)(?=\s+\d)"
_NUMBERED = (
    r"(?:v|version|s|stylize|c|chaos|q|quality|seed|stop|niji|iw|cw|sw|ow|w|weird|r|repeat|exp)"
    r"(?=\s+[\d.])"
)
_WITH_WORD = (
    r"(?:style|sref|cref|oref|profile)(?=\s+\S)|(?:tile|raw|fast|relax|turbo|draft)(?=\s|$)"
)
# A dash that a word processor makes of hyphens; also two dashes, or one next to a hyphen.
_DASH = r"(?:-?[\u2010-\u2015\u2212]-?|[\u2010-\u2015\u2212]{2})"
_DASHED = re.compile(
    rf"(?<!\S)(?:{_DASH}(?:{_RATIO}|{_NUMBERED}|{_WITH_WORD})|-{_RATIO})", re.IGNORECASE
)
#: `no` is a word in many languages, in which a dash may begin a line.
_DASHED_NO = re.compile(rf"(?<=\s){_DASH}no(?=\s+\S)")
_COMMAND = re.compile(r"\s*/imagine\b(?:\s+prompt\s*:?)?", re.IGNORECASE)

_NOT_FILLED = re.compile(
    r"""
      \{\{[^{}]{0,80}\}\}               # {{product}}
    | <%[^%]{0,80}%>                    # <%= product %>
    | [$\#]\{[^{}]{0,80}\}              # ${product}, #{product}
    | \{[^\W\d][\w .-]{0,40}\}          # {product}; {red, green} asks for variants
    | %\(\w{1,40}\)[sd]                 # %(product)s
    | (?<![\w%])%[sd](?!\w)             # %s
    | \[object\ \w{1,20}\]              # [object Object]
    | <(?:insert|enter|your|add|fill\ in)\b[^<>]{0,60}>
    | \[(?:insert|enter|your|fill\ in)\b[^\[\]]{0,60}\]
    | (?:\b(?:of|for|by|from|to|in|on|at|named|called)\s+)(?-i:undefined|null|None|NaN)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: As in a line of a CSV that was torn: the rest of a cell with several addresses.
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
#: What a program writes for a value that is missing, as the whole cell.
_MISSING = frozenset(
    ("nan", "none", "null", "nil", "undefined", "n/a", "na", "<na>", "nat", "tbd", "todo", "0")
)
#: Canonical inputs without any of these signs raise no doubt.
ANY_SIGN: Final = re.compile(
    r'[{<\[%\u2010-\u2015\u2212]|-[aA]|undefined|null|None|NaN|"(?:/|(?i:https?:|(?:'
    + "|".join(map(re.escape, sorted(_MISSING)))
    + r'|0\.0)"))'
)


def is_missing(text: str) -> bool:
    """Returns whether a text is what a program writes for a missing value, or 0."""
    return text.casefold() in _MISSING or text == "0.0"


def doubts(inputs: str, endpoint: Endpoint) -> list[str]:
    """Possible mistakes in the free texts of inputs (canonical text), one phrase each."""
    return [
        phrase
        for name, text in parsed(inputs).items()
        if (field := endpoint.fields.get(name)) and field.type == "text"
        if not (field.pattern or field.one_of)
        for phrase in _phrases(name, text)
    ]


def _phrases(name: str, text: str) -> Iterator[Said]:
    if is_missing(text):
        yield say('{column} says "{text}", as if the value were missing', column=name, text=text)
    elif found := _NOT_FILLED.search(text):
        yield say(
            "{column} has {text}, a placeholder that was not filled in",
            column=name,
            text=quoted(found[0]),
        )
    if _ADDRESS.fullmatch(text):
        yield say("{column} is only the address {text}", column=name, text=quoted(text))
    if found := _COMMAND.match(text):
        yield say(
            "{column} begins with {text}, which belongs only in a chat",
            column=name,
            text=quoted(found[0]),
        )
    if found := _DASHED.search(text) or _DASHED_NO.search(text):
        right = "--" + found[0].lstrip("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
        yield say(
            "{column} has {text} where {right} is probably meant",
            column=name,
            text=quoted(found[0]),
            right=quoted(right),
        )
