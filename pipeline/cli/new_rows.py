"""The columns and the sample rows of a new sheet, for one endpoint of an API.

The header has the columns of the endpoint: those that it needs, then all others that exist for the
sample row. An endpoint with a column `model` has other columns for other models. If the endpoint
needs the result of another row, the sample is a chain: each row is the parent of the next one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.core.api.fields import INDEX, PARENT, fields_of, price_of, problem_with
from pipeline.core.api.provider import Endpoint, Field, Kind, Provider
from pipeline.core.credits import Credits
from pipeline.core.sheet.header import ALWAYS, RATIO, TEXT
from pipeline.sheets.choices import Choices

#: The file that a sample row names, in the folder `INPUTS`. Only masks are needed as files.
MASK: Final = "mask.png"
INPUTS: Final = "inputs/"
#: Common aspect ratios for the drop-down list. Others are accepted too.
RATIOS: Final = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4")
_USUAL_RATIO: Final = "16:9"
#: The length of a video or song. Without one, the price of the longest is held for a row.
LENGTH: Final = "duration"
_NAMES: Final = ("first", "second", "third", "fourth", "fifth")
_LIGHTHOUSE: Final = "a lighthouse on a cliff at dawn, soft light, wide shot"
#: What an endpoint gives -> a sample prompt.
_PROMPTS: Final[Mapping[Kind, str]] = {
    "image": _LIGHTHOUSE,
    "text": _LIGHTHOUSE,
    "video": "waves break below a lighthouse at dawn, slow camera movement",
    "audio": "a calm piano melody for an early morning at the sea",
}
#: Texts to try for a column that does not say its values.
_TEXTS: Final = (_USUAL_RATIO, "1:1")
_NUMBERS: Final = ("1", "2", "3", "4", "5", "10", "3.5")


@dataclass(frozen=True, slots=True)
class NewSheet:
    """The content of a new sheet."""

    #: The header, then the sample rows; the last one is for the endpoint itself.
    rows: list[list[str]]
    #: Title -> the drop-down list of its column.
    choices: dict[str, Choices]
    #: True if a sample row names the file MASK.
    needs_mask: bool
    #: What to change in the sample, one sentence each.
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    """A row for one endpoint: its cells, and the fields that exist with them."""

    name: str
    endpoint: Endpoint
    cells: dict[str, str]
    fields: dict[str, Field]

    @property
    def needs_parent(self) -> bool:
        return any(one.parent and one.required for one in self.fields.values())


def new_sheet(
    provider: Provider, name: str, *, approval: bool, aspect_ratio: str, prompt: str = ""
) -> NewSheet:
    """The sheet for an endpoint. `approval` adds the column `approved`.

    `aspect_ratio` and `prompt` are for the sample; empty means a usual one. Raises KeyError if the
    API has no such endpoint.
    """
    chain = _chain(provider, name)
    own = chain[-1]
    if prompt:
        _with_prompt(chain)["prompt"] = prompt
    columns = [*_columns(own)]
    if RATIO in columns and not own.cells.get(RATIO):
        own.cells[RATIO] = _allowed(own.fields[RATIO], (aspect_ratio, _USUAL_RATIO))
    is_chain = len(chain) > 1
    header = ["name"]
    header += ["endpoint"] * is_chain
    header += [PARENT] * is_chain
    asked = [title for title in columns if title != PARENT or not is_chain]
    header += dict.fromkeys([*asked, *(title for one in chain for title in one.cells)])
    header += ["take", *["approved"] * approval, "skip", *ALWAYS]
    header += [TEXT] * any(one.endpoint.text for one in chain)
    rows = [header]
    for number, one in enumerate(chain):
        cells = one.cells | {"name": _NAMES[number], "endpoint": one.name}
        if number:
            cells[PARENT] = _NAMES[number - 1]
        rows.append([cells.get(title, "") for title in header])
    return NewSheet(
        rows,
        _choices(own, columns, is_chain),
        any(field.type == "file" and cell for _, field, cell in _cells(chain)),
        tuple(dict.fromkeys(_hints(chain))),
    )


def sample_prompt(provider: Provider, name: str) -> str:
    """The prompt of the sample for an endpoint; empty if no row of it has one."""
    return _with_prompt(_chain(provider, name)).get("prompt", "")


def _with_prompt(chain: list[_Sample]) -> dict[str, str]:
    """The cells of the last row that has a prompt; none if no row has one."""
    cells = (one.cells for one in reversed(chain) if one.cells.get("prompt"))
    return next(cells, {})


def listed_price(provider: Provider, name: str) -> Credits | None:
    """Listed credits of the sample row of an endpoint; None if there is no price."""
    own = _sample(provider, name)
    return price_of(own.endpoint, own.cells)


def sample_mask() -> bytes:
    """A PNG of 1024 x 1024 pixels: black, with a white square in the middle."""
    from PIL import Image

    picture = Image.new("L", (1024, 1024))
    picture.paste(255, (256, 256, 768, 768))
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


# The rows ----------------------------------------------------------------------------------------


def _chain(provider: Provider, name: str) -> list[_Sample]:
    """The sample row of an endpoint after the rows that it needs, in their order."""
    chain = [_sample(provider, name)]
    while chain[0].needs_parent and len(chain) < len(_NAMES):
        used = {one.name for one in chain}
        known = [one for one in _parents(provider, chain[0]) if one not in used]
        if not known:
            break
        chain.insert(0, _sample(provider, known[0]))
    return chain


def _parents(provider: Provider, child: _Sample) -> list[str]:
    """The endpoints whose rows the parent of this row may be, the best one first."""
    if child.endpoint.parents:
        return [*child.endpoint.parents]
    taken = [title for title, one in child.fields.items() if one.parent and one.required]
    kind = "video" if any("video" in title for title in taken) else "image"
    return [
        name
        for name, one in provider.endpoints.items()
        if one.kind == kind and not one.ended and not _sample(provider, name).needs_parent
    ]


def _sample(provider: Provider, name: str) -> _Sample:
    """A row for the endpoint with a value in each cell that it needs, if one can be chosen."""
    endpoint = provider.endpoints[name]
    cells: dict[str, str] = {}
    if endpoint.select and endpoint.fields[endpoint.select].required:
        cells[endpoint.select] = _value(endpoint, endpoint.select, endpoint.fields[endpoint.select])
    fields = fields_of(endpoint, cells)
    for title, one in fields.items():
        if one.required and not one.parent and title not in cells:
            cells[title] = _value(endpoint, title, one)
    length = fields.get(LENGTH)
    if length and LENGTH not in cells and (length.one_of or length.least is not None):
        cells[LENGTH] = _value(endpoint, LENGTH, length)
    for group in endpoint.one_of:
        if not any(cells.get(title) for title in group):
            cells[group[0]] = _value(endpoint, group[0], endpoint.fields[group[0]])
    return _Sample(name, endpoint, cells, fields)


def _value(endpoint: Endpoint, title: str, one: Field) -> str:
    """An allowed value for a cell; empty if only a person can know one."""
    if title == "prompt":
        return _PROMPTS[endpoint.kind]
    if one.one_of:
        return next(iter(_words(one)), "")
    match one.type:
        case "integer" | "number":
            return _allowed(one, (_middle(title, one), *_NUMBERS))
        case "file":
            return MASK
        case "address":
            return _address(title)
        case "addresses":
            least = max(one.items[0], 1) if one.items else 1
            return "\n".join(_address(f"{title}-{number + 1}") for number in range(least))
        case "boolean":
            return "no"
    if title.endswith("_id"):
        return ""  # The vendor gave it to the person.
    return _allowed(one, (*_TEXTS, "")) if one.pattern else _PROMPTS[endpoint.kind]


def _middle(title: str, one: Field) -> str:
    """A number in the middle of its range; the least one if that is short or a choice of a result.

    The least is the cheapest where the number multiplies the price.
    """
    if one.least is None:
        return ""
    is_wide = one.most is not None and one.most - one.least > 20
    if one.most is None or title == INDEX or (one.type == "integer" and not is_wide):
        return f"{one.least:g}"
    middle = (one.least + one.most) / 2
    return f"{round(middle) if one.type == 'integer' else middle:g}"


def _allowed(one: Field, texts: tuple[str, ...]) -> str:
    """The first of these texts that the column may hold; empty if it may hold none."""
    return next((text for text in texts if text and not problem_with("", one, text)), "")


def _address(title: str) -> str:
    return f"https://example.com/{title}.{'mp4' if 'video' in title else 'png'}"


def _words(one: Field) -> list[str]:
    return [word for word in one.one_of if word not in one.ended]


# The columns -------------------------------------------------------------------------------------


def _columns(own: _Sample) -> Iterator[str]:
    """The columns of an endpoint: those that it needs, then the others that exist for this row."""
    needed = {title for title, one in own.fields.items() if one.required and one.is_column}
    needed |= own.cells.keys()
    yield from (title for title in own.endpoint.fields if title in needed)
    others = [title for title, one in own.fields.items() if one.is_column and title not in needed]
    # The ratio is what most people use; `parent` and `index` are for rows that follow another.
    others += [PARENT] * own.endpoint.takes_parent
    last = (PARENT, INDEX)
    yield from sorted((t for t in others if t not in last), key=lambda title: title != RATIO)
    yield from (title for title in last if title in others)


def _choices(own: _Sample, columns: list[str], is_chain: bool) -> dict[str, Choices]:
    """The drop-down lists. They accept other words where these may be right in another row."""
    endpoint = own.endpoint
    found = {}
    for title, one in own.fields.items():
        if title not in columns:
            continue
        varies = is_chain or (bool(endpoint.select) and title != endpoint.select)
        if words := _words(one):
            found[title] = Choices(tuple(words), closed=not varies)
        elif one.type == "boolean":
            found[title] = Choices(("yes", "no"), closed=False)
        elif title == RATIO and _allowed(one, (_USUAL_RATIO,)):
            found[title] = Choices(RATIOS, closed=False)
    return found


class _Cell(NamedTuple):
    title: str
    field: Field
    text: str


def _cells(chain: list[_Sample]) -> Iterator[_Cell]:
    """Each cell of the sample that is needed."""
    for one in chain:
        for title, text in one.cells.items():
            yield _Cell(title, one.fields[title], text)


def _hints(chain: list[_Sample]) -> Iterator[str]:
    for title, field, text in _cells(chain):
        if field.type in ("address", "addresses") and text:
            yield f"The address in the column {title} is only an example: replace it."
        elif field.type == "file" and text:
            yield f"{INPUTS}{MASK} is a sample mask: its white part is painted again."
        elif not text and field.required:
            yield f"Write into the column {title} what the vendor gave you; init cannot know it."
