"""What the inputs of a take hold besides what the person wrote in the inputs of its row.

A take after the first one may be made with feedback, and from pictures of an earlier take. Both are
kept in the canonical text of its inputs, under names that no field has. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from pipeline.core.inputs import canonical, parsed

#: The names have spaces, so that no field has them.
FEEDBACK: Final = "feedback of the take"
PICTURES: Final = "pictures to start from"
ADDED: Final = (FEEDBACK, PICTURES)
#: How canonical text names them; within a text each quotation mark has a backslash before it.
_HAS: Final = tuple(f'"{name}":' for name in ADDED)
#: How prompt and feedback are put together, if `[prompt] feedback` does not say it.
USUAL: Final = "{prompt}. {feedback}"
_PLACES: Final = re.compile(r"\{(prompt|feedback)\}")
#: Parameters of Midjourney, which come last in a prompt.
_PARAMETERS: Final = re.compile(r"(?:^|\s+)--[A-Za-z].*\Z", re.DOTALL)
_ENDS: Final = (".", "!", "?", "…", "。", "！", "？", ",", ";", ":")


class Revision(NamedTuple):
    """The inputs of a take in their parts."""

    #: What the person wrote in the inputs of the row.
    wrote: dict[str, str]
    feedback: str = ""
    #: Addresses, one per line.
    pictures: str = ""


def is_revised(inputs: str) -> bool:
    """True if inputs (canonical text) hold feedback or pictures to start from."""
    return _HAS[0] in inputs or _HAS[1] in inputs


def revised(inputs: str, feedback: str, pictures: str = "") -> str:
    """The inputs (canonical text) of a take that is made with this feedback and these pictures."""
    added = {FEEDBACK: feedback, PICTURES: pictures}
    return canonical({**parsed(inputs), **{name: text for name, text in added.items() if text}})


def revision_in(inputs: str) -> Revision:
    """The parts of inputs (canonical text)."""
    wrote = parsed(inputs)
    if not is_revised(inputs):
        return Revision(wrote)
    return Revision(wrote, wrote.pop(FEEDBACK, ""), wrote.pop(PICTURES, ""))


def unrevised(inputs: str) -> str:
    """The inputs (canonical text) without feedback and pictures."""
    return canonical(revision_in(inputs).wrote) if is_revised(inputs) else inputs


def with_feedback(prompt: str, feedback: str, how: str = USUAL) -> str:
    """The prompt of a take that is made with feedback.

    The feedback comes before the parameters of Midjourney, which must be last. `how` has {prompt}
    and {feedback}. A full stop after a sentence that has ended is left out.
    """
    found = _PARAMETERS.search(prompt)
    words, parameters = (prompt[: found.start()], found[0]) if found else (prompt, "")
    words = words.strip()
    if not words:
        return (
            f"{feedback}{parameters}"
            if parameters[:1].isspace()
            else (f"{feedback} {parameters}".strip())
        )
    first, name, middle, _, last = _PLACES.split(how)
    before, after = (words, feedback) if name == "prompt" else (feedback, words)
    if middle.startswith(".") and before.endswith(_ENDS):
        middle = middle[1:]
    return f"{first}{before}{middle}{after}{last}{parameters}".strip()


def problem_with_template(how: str) -> str:
    """What is wrong with `[prompt] feedback`, as the end of a sentence; empty if nothing is."""
    places: Sequence[str] = _PLACES.findall(how)
    if sorted(places) == ["feedback", "prompt"]:
        return ""
    return 'write {prompt} and {feedback} once each, as in "{prompt}. {feedback}"'
