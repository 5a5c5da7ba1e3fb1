"""The notes about saved pictures that are not as they should be, as `messages` has the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from pipeline.core.messages import listed
from pipeline.core.picture_findings import Findings
from pipeline.core.text import quoted


def about(found: Mapping[int, Findings], of: int, api: str, redo: str) -> str:
    """All that is wrong with the pictures of a task: number -> findings, out of `of` pictures.

    `redo` says how to ask for the next take. Empty if nothing is wrong.
    """
    looks: defaultdict[str, list[int]] = defaultdict(list)
    shapes: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    twins: defaultdict[str, list[int]] = defaultdict(list)
    for number, one in found.items():
        if one.look:
            looks[one.look].append(number)
        if one.asked:
            shapes[one.size, one.asked].append(number)
        if one.same:
            twins[one.same].append(number)
    said = []
    if its := looks.get("damaged"):
        said.append(damaged(its, of, api, redo))
    if its := looks.get("blank"):
        said.append(blank(its, of, api, redo))
    said += [other_shape(its, of, size, asked, redo) for (size, asked), its in shapes.items()]
    said += [same_picture(its, of, same, redo) for same, its in twins.items()]
    return " ".join(said)


def damaged(numbers: list[int], of: int, api: str, redo: str) -> str:
    """The files of these pictures cannot be read as pictures."""
    what = _which(numbers, of, "is damaged", "are damaged")
    return f"{what}: ask {api} for a refund, and {redo} to pay for another."


def blank(numbers: list[int], of: int, api: str, redo: str) -> str:
    """These pictures have one colour only."""
    what = _which(numbers, of, "is blank", "are blank")
    return f"{what}: ask {api} for a refund, and {redo} to pay for another."


def other_shape(numbers: list[int], of: int, size: str, asked: str, redo: str) -> str:
    """These pictures have another shape than the row asked for."""
    what = _which(numbers, of, f"has {size} pixels", f"have {size} pixels")
    return f"{what}, but the row asked for {asked}: check its cells; to pay for another, {redo}."


def same_picture(numbers: list[int], of: int, same: str, redo: str) -> str:
    """These pictures have the same content as another one."""
    those = same.replace("that of", "those of", 1)
    what = _which(numbers, of, f"is the same as {same}", f"are the same as {those}")
    return f"{what}: change the prompt or the seed, and {redo} to pay for another."


def to_be_made_again(why: str) -> str:
    """Every picture of the row was of no use, so it is made again. Empty without a reason."""
    return f"Made again because every picture was {why}." if why else ""


def not_better(why: str, reason: str) -> str:
    """Every picture of the row was of no use, and making it again failed for this reason."""
    return f"It was made again because every picture was {why}, and that failed: {quoted(reason)}."


def waiting_for_check(name: str) -> str:
    """The pictures of the parent are not checked yet, or are made again."""
    return f"Waiting until the pictures of the row {quoted(name, 40)} are checked."


def twin_of(
    *,
    row: str = "",
    name: str = "",
    take: int = 0,
    generation: str = "",
    picture: int = 0,
    attempt: int = 0,
) -> str:
    """Which picture another one is the same as, as the end of a sentence."""
    if row:
        return f"that of the row {quoted(name, 40)} ({row})" if name else f"that of the row {row}"
    if take or generation:
        return f"that of take {take}" if take else f"that of {generation}"
    return f"picture {picture} of attempt {attempt}" if attempt else f"picture {picture}"


def _which(numbers: list[int], of: int, one: str, more: str) -> str:
    if of == 1:
        return f"The picture {one}"
    if len(numbers) == of:
        return f"All {of} pictures {more}"
    if len(numbers) == 1:
        return f"Picture {numbers[0]} of {of} {one}"
    return f"Pictures {listed(numbers)} of {of} {more}"
