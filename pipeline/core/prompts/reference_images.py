"""The column `image`: a picture to start from, whatever the endpoint calls its field.

A cell holds an address, the name of a file, a link to Google Drive, or the name of another row with
the number of one of its pictures: `fox` or `fox#2`. A row that is named so is followed like one in
`parent`. What the person wrote stays as it is in the inputs; `by_field` says what is meant. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pipeline.core.api.cell_files import ADDRESS, file_or_addresses
from pipeline.core.api.fields import IMAGE, INDEX, PARENT, Titles, fields_of
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.language import Said, say
from pipeline.core.pictures.filetypes import MEDIA_TYPES

#: How canonical text names a filled cell of the column.
HAS_IMAGE: Final = f'"{IMAGE}":'
_NUMBERED = re.compile(r"(.*\S)#([1-9]\d{0,8})", re.DOTALL)
#: A text with one of these endings is the name of a file, though not of one that can be sent.
_OTHER_ENDINGS: Final = (
    *("jpeg", "jfif", "heic", "heif", "tif", "tiff", "bmp", "svg", "ico", "raw", "dng", "psd"),
    *("ai", "eps", "pdf", "doc", "docx", "ppt", "pptx", "xls", "xlsx", "csv", "txt", "zip"),
    *("m4v", "avi", "mkv", "mpg", "mpeg"),
)
_ENDINGS: Final = frozenset((*MEDIA_TYPES, *_OTHER_ENDINGS))


class NamedPicture(NamedTuple):
    """A picture of another row: the row's name or row_id, and the number as it is written."""

    row: str
    #: Empty: the first.
    number: str = ""


class Cells(NamedTuple):
    """What the cells of a row say, and the defaults for empty ones, each under its field."""

    wrote: dict[str, str]
    defaults: dict[str, str]


def picture_in(text: str) -> NamedPicture | None:
    """The picture of another row that a cell names; None if it holds addresses or files."""
    if not text or "/" in text or "\\" in text:
        return None
    parts = file_or_addresses(text)
    if any(ADDRESS.fullmatch(one) or _is_file(one) for one in parts):
        return None
    found = _NUMBERED.fullmatch(text)
    return NamedPicture(found[1], found[2]) if found else NamedPicture(text)


def _is_file(text: str) -> bool:
    _, dot, ending = text.rpartition(".")
    return bool(dot) and ending.casefold() in _ENDINGS


def named_row(wrote: Mapping[str, str]) -> str:
    """The row that the cells of a row name in `parent` or in `image`; empty if they name none."""
    if name := wrote.get(PARENT, ""):
        return name
    picture = picture_in(wrote.get(IMAGE, ""))
    return picture.row if picture else ""


def field_for(endpoint: Endpoint, given: Mapping[str, str]) -> str:
    """The field that the column `image` fills in a row with these values; empty if there is none.

    If the endpoint has one, but not for the model of the row, it is that one.
    """
    if not (endpoint.image or IMAGE in endpoint.fields):
        return ""
    return _field_among(endpoint, fields_of(endpoint, given), picture_in(given.get(IMAGE, "")))


def _field_among(
    endpoint: Endpoint, there: Mapping[str, Field], picture: NamedPicture | None
) -> str:
    names = [IMAGE, *endpoint.image] if IMAGE in there else [*endpoint.image]
    its = [name for name in names if name in there]
    if picture:
        # The picture of another row goes where the endpoint takes one.
        its.sort(key=lambda name: there[name].parent != "url")
    return next(iter(its or names), "")


def by_field(endpoint: Endpoint, wrote: Mapping[str, str], defaults: Mapping[str, str]) -> Cells:
    """The cells of a row and its defaults, with `image` under the name of its field.

    The picture of another row becomes `parent` and `index`, where the field can be filled so.
    """
    own, others = dict(wrote), dict(defaults)
    if not (endpoint.image or IMAGE in endpoint.fields):
        return Cells(own, others)
    there, picture = fields_of(endpoint, {**defaults, **wrote}), picture_in(wrote.get(IMAGE, ""))
    name = _field_among(endpoint, there, picture)
    if not name:
        return Cells(own, others)
    field = there.get(name)
    if own.get(IMAGE):
        others.pop(IMAGE, None)
        others.pop(name, None)
        if picture and field is not None and field.parent == "url" and PARENT not in own:
            del own[IMAGE]
            own[PARENT] = picture.row
            if picture.number:
                own[INDEX] = picture.number
        elif name not in own:
            own[name] = own.pop(IMAGE)
    elif name != IMAGE and others.get(IMAGE):
        others.setdefault(name, others[IMAGE])
        del others[IMAGE]
    return Cells(own, others)


def contradictions(wrote: Mapping[str, str], name: str, columns: Titles) -> Iterator[Said]:
    """What `image` says twice, a phrase each. `name` is the field that it fills."""
    if not wrote.get(IMAGE):
        return
    title = columns.title(IMAGE)
    if name and name != IMAGE and wrote.get(name):
        yield say(
            "{column} and {other} are one input: clear one of them",
            column=title,
            other=columns.title(name),
        )
    if picture_in(wrote[IMAGE]) and wrote.get(PARENT):
        yield say(
            "{column} and {other} both name a row: clear one of them",
            column=title,
            other=columns.title(PARENT),
        )


class Titled(NamedTuple):
    """The columns of a sheet for sentences about a row whose `image` fills the field `name`."""

    columns: Titles
    name: str

    def title(self, name: str) -> str:
        """What the column of this field is called in the sheet."""
        return self.columns.title(self._column(name))

    def has(self, name: str) -> bool:
        """True if the sheet has that column."""
        return self.columns.has(self._column(name))

    def _column(self, name: str) -> str:
        is_there = self.columns.has(name) or not self.columns.has(IMAGE)
        return name if name != self.name or is_there else IMAGE
