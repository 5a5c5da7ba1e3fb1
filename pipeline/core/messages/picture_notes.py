"""The notes about saved pictures that are not as they should be, as `row_notes` has the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from pipeline.core.language import NOTHING, Said, message, said_again, say, together
from pipeline.core.messages.reasons import look_again
from pipeline.core.messages.row_notes import in_a_list
from pipeline.core.picture_findings import Findings
from pipeline.core.text import quoted

#: Which picture another one is the same as, as the store keeps it; one that names more comes first.
_OF_NAMED_ROW: Final = message("that of the row {name} ({row})")
_OF_ROW: Final = message("that of the row {row}")
_OF_TAKE: Final = message("that of take {take}")
_OF_ATTEMPT: Final = message("picture {picture} of attempt {attempt}")
_PICTURE: Final = message("picture {picture}")
_OF_GENERATION: Final = message("that of {generation}")
_TWINS: Final = (_OF_NAMED_ROW, _OF_ROW, _OF_TAKE, _OF_ATTEMPT, _PICTURE, _OF_GENERATION)
#: The same after more than one picture.
_THOSE: Final = (
    message("those of the row {name} ({row})"),
    message("those of the row {row}"),
    message("those of take {take}"),
    _OF_ATTEMPT,
    _PICTURE,
    message("those of {generation}"),
)


def in_a_few_words(found: Findings) -> Said:
    """What is wrong with one picture; empty if nothing is."""
    size = say("{size} instead of {asked}", size=found.size, asked=found.asked)
    same = say("the same as {other}", other=said_again(found.same, *_TWINS))
    look = look_again(found.look)
    return together((look, size if found.asked else "", same if found.same else ""), ", ")


def about(found: Mapping[int, Findings], of: int, api: str, redo: str) -> Said:
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
    return together(said)


def damaged(numbers: list[int], of: int, api: str, redo: str) -> Said:
    """The files of these pictures cannot be read as pictures."""
    which = _which(numbers, of)
    if len(numbers) == 1:
        return say(
            "{picture} is damaged: ask {api} for a refund, and {redo} to pay for another.",
            picture=which,
            api=api,
            redo=redo,
        )
    return say(
        "{pictures} are damaged: ask {api} for a refund, and {redo} to pay for another.",
        pictures=which,
        api=api,
        redo=redo,
    )


def blank(numbers: list[int], of: int, api: str, redo: str) -> Said:
    """These pictures have one colour only."""
    which = _which(numbers, of)
    if len(numbers) == 1:
        return say(
            "{picture} is blank: ask {api} for a refund, and {redo} to pay for another.",
            picture=which,
            api=api,
            redo=redo,
        )
    return say(
        "{pictures} are blank: ask {api} for a refund, and {redo} to pay for another.",
        pictures=which,
        api=api,
        redo=redo,
    )


def other_shape(numbers: list[int], of: int, size: str, asked: str, redo: str) -> Said:
    """These pictures have another shape than the row asked for."""
    which = _which(numbers, of)
    if len(numbers) == 1:
        return say(
            "{picture} has {size} pixels, but the row asked for {shape}: check its cells; to pay "
            "for another, {redo}.",
            picture=which,
            size=size,
            shape=asked,
            redo=redo,
        )
    return say(
        "{pictures} have {size} pixels, but the row asked for {shape}: check its cells; to pay "
        "for another, {redo}.",
        pictures=which,
        size=size,
        shape=asked,
        redo=redo,
    )


def same_picture(numbers: list[int], of: int, same: str, redo: str) -> Said:
    """These pictures have the same content as another one; `same` as `twin_of` gives it."""
    which = _which(numbers, of)
    if len(numbers) == 1:
        return say(
            "{picture} is the same as {other}: change the prompt or the seed, and {redo} to pay "
            "for another.",
            picture=which,
            other=said_again(same, *_TWINS),
            redo=redo,
        )
    return say(
        "{pictures} are the same as {others}: change the prompt or the seed, and {redo} to pay "
        "for another.",
        pictures=which,
        others=said_again(same.replace("that of", "those of", 1), *_THOSE),
        redo=redo,
    )


def to_be_made_again(why: str) -> Said:
    """Every picture of the row was of no use, so it is made again. Empty without a reason."""
    if not why:
        return NOTHING
    return say("Made again because every picture was {why}.", why=look_again(why))


def not_better(why: str, reason: str) -> Said:
    """Every picture of the row was of no use, and making it again failed for this reason."""
    return say(
        "It was made again because every picture was {why}, and that failed: {reason}.",
        why=look_again(why),
        reason=quoted(reason),
    )


def waiting_for_check(name: str) -> Said:
    """The pictures of the parent are not checked yet, or are made again."""
    return say("Waiting until the pictures of the row {row} are checked.", row=quoted(name, 40))


def twin_of(
    *,
    row: str = "",
    name: str = "",
    take: int = 0,
    generation: str = "",
    picture: int = 0,
    attempt: int = 0,
) -> str:
    """Which picture another one is the same as, in English, as the store keeps it."""
    if row:
        named = _OF_NAMED_ROW.format(name=quoted(name, 40), row=row)
        return named if name else _OF_ROW.format(row=row)
    if take:
        return _OF_TAKE.format(take=take)
    if generation:
        return _OF_GENERATION.format(generation=generation)
    if attempt:
        return _OF_ATTEMPT.format(picture=picture, attempt=attempt)
    return _PICTURE.format(picture=picture)


def _which(numbers: list[int], of: int) -> Said:
    """These pictures, as the subject of a sentence."""
    if of == 1:
        return say("The picture")
    if len(numbers) == of:
        return say("All {all} pictures", all=of)
    if len(numbers) == 1:
        return say("Picture {number} of {all}", number=numbers[0], all=of)
    return say("Pictures {numbers} of {all}", numbers=in_a_list(numbers), all=of)
