"""The column `feedback`: what the next take of a row should have that the last one did not have.

It never causes anything to be sent. A person asks for the next take, and that is made from the
prompt and the feedback, and from the picked picture where the endpoint takes one. What is sent so
is the *revision* of the row's inputs (see `prompts.revisions`). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pipeline.core.api.cell_files import SAVED, file_or_addresses
from pipeline.core.api.fields import IMAGE, Titles, fields_of
from pipeline.core.api.provider import Endpoint, Field
from pipeline.core.cell_errors import is_value
from pipeline.core.inputs import PROMPT, canonical, parsed
from pipeline.core.messages import feedback_notes
from pipeline.core.model import Job, KnownRow
from pipeline.core.pictures.picks import PICK, Picked, Picture
from pipeline.core.prompts.reference_images import field_for
from pipeline.core.prompts.revisions import FEEDBACK, PICTURES, revised, revision_in
from pipeline.core.rows.rules import Rules
from pipeline.core.states import shown
from pipeline.core.text import time_limit

NAME: Final = "feedback"


def on_page(take: int, text: str) -> str:
    """Feedback that a person writes on the page for one take, as the store keeps it."""
    return f"{take} {text}" if text else ""


def of_page(kept: str, take: int) -> str:
    """The feedback of the page for this take, from what the store keeps; empty if there is none."""
    number, _, text = kept.partition(" ")
    return text if number == str(take) else ""


def is_old(row: KnownRow) -> bool:
    """True if the cell holds what it held before the program read that column."""
    return bool(row.feedback) and row.feedback == row.old_feedback


def feedback_for(row: KnownRow, take: int | None) -> str:
    """The feedback that a take of the row is made with. Empty for its first take."""
    if take is None or take <= row.first_take:
        return ""
    return of_page(row.feedback_on_page, take) or ("" if is_old(row) else row.feedback)


def wrote_for(row: KnownRow, take: int | None, picked: Picked) -> str:
    """All that a person wants of this take, as canonical text: an approval is for that.

    `picked` is what is picked of the pictures of the take before, by the cell or on the page.
    """
    if not (feedback := feedback_for(row, take)):
        return row.inputs
    pictures = "\n".join(one.name for one in picked.pictures) or row.pick or "none"
    return canonical({**parsed(row.inputs), FEEDBACK: feedback, PICTURES: pictures})


def wrote_before(row: KnownRow, take: int | None) -> str:
    """The same as `wrote_for`, as the program noted it before it noted pictures."""
    if not (feedback := feedback_for(row, take)):
        return row.inputs
    pick = {PICK: row.pick} if row.pick else {}
    return canonical({**parsed(row.inputs), FEEDBACK: feedback, **pick})


def columns_in(inputs: str) -> list[str]:
    """The names of the columns that these inputs (canonical text) of a take come from."""
    wrote, feedback, pictures = revision_in(inputs)
    return [*wrote, *[NAME] * bool(feedback), *[PICK] * bool(pictures)]


class Revised(NamedTuple):
    """The inputs of a take with its feedback."""

    #: Canonical text; empty: those of the row.
    inputs: str = ""
    #: Why they cannot be sent, a phrase each.
    problems: tuple[str, ...] = ()


def revision_of(
    row: KnownRow,
    inputs: str,
    take: int | None,
    part: str,
    picked: Picked,
    rules: Rules,
    columns: Titles,
    now: datetime,
) -> Revised:
    """The inputs (canonical text) of this take of a generation, if it is made with feedback.

    `inputs` are those of the row. `picked` are the picked pictures of the take before.
    """
    feedback = feedback_for(row, take)
    if not feedback or take is None:
        is_held = take is not None and take > row.first_take and is_old(row)
        return Revised(
            problems=(feedback_notes.old_feedback(columns.title(NAME), take or 1),)
            if is_held
            else ()
        )
    name = rules.endpoint_name(inputs)
    if (endpoint := rules.endpoint_of(name)) is None or not is_value(feedback):
        return Revised()
    if PROMPT not in fields_of(endpoint, rules.values(inputs)):
        return Revised(problems=(feedback_notes.takes_no_feedback(name, columns.title(NAME)),))
    if picked.is_wrong:
        return Revised(problems=(feedback_notes.pick_to_start_from(columns.title(PICK), take),))
    start, problems = _to_start_from(picked.pictures, endpoint, name, inputs, part, rules, now)
    return Revised(revised(inputs, feedback, "\n".join(start)), problems)


def as_made(inputs: str, job: Job) -> Revised:
    """The inputs (canonical text) with the feedback and pictures of the job's last attempt.

    `inputs` are those of the row.
    """
    _, feedback, pictures = revision_in(job.attempts[-1].inputs)
    return Revised(revised(inputs, feedback, pictures) if feedback else "")


def _to_start_from(
    picked: Sequence[Picture],
    endpoint: Endpoint,
    name: str,
    inputs: str,
    part: str,
    rules: Rules,
    now: datetime,
) -> tuple[list[str], tuple[str, ...]]:
    """The addresses of the pictures that a take starts from, and what is wrong with them."""
    field = _field_of(endpoint, rules, inputs)
    pictures = [one for one in picked if _is_picture(one, rules)]
    # Of a row with several generations, each starts from its own picture, if one is picked.
    pictures = [one for one in pictures if one.job.key.part == part] or pictures
    if field is None or not pictures:
        return [], ()
    if len(pictures) > 1 and field.type != "addresses":
        return [], (feedback_notes.too_many_picked(name, len(pictures)),)
    start = []
    takes_files = field.type == "file" or rules.api_named(name).provider.upload is not None
    for one in pictures:
        owner, ended = rules.api_of(one.attempt), one.attempt.ended_at
        life = owner.provider.links if owner else None
        address = one.url
        if life and ended and now - ended >= life:
            address = _saved(one, rules) if takes_files else ""
            if not address:
                return [], (feedback_notes.picked_is_gone(time_limit(life)),)
        start.append(address)
    return start, ()


def _saved(one: Picture, rules: Rules) -> str:
    """The name of the picture's file where it was saved; empty if that cannot be sent."""
    path = one.job.files.get(one.url, "")
    name = f"{SAVED}{path}"
    if not path or file_or_addresses(name) != [name] or rules.files is None:
        return ""
    return "" if rules.files.problem(name, "image") else name


def _field_of(endpoint: Endpoint, rules: Rules, inputs: str) -> Field | None:
    """The field of a picture to start from; None if such a row has none."""
    given = {**rules.values(inputs), IMAGE: "https://"}
    return fields_of(endpoint, given).get(field_for(endpoint, given))


def _is_picture(one: Picture, rules: Rules) -> bool:
    endpoint = rules.endpoint_of(one.attempt.endpoint)
    return endpoint is not None and endpoint.kind == "image"


def is_unused(row: KnownRow, job: Job) -> bool:
    """True if the row has feedback that its take, which is finished, was not made with."""
    attempt = shown(job)
    if attempt is None or not row.feedback or is_old(row) or not is_value(row.feedback):
        return False
    return revision_in(attempt.inputs).feedback != row.feedback
