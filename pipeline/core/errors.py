"""What can go wrong, by whose turn it is to act.

    PromptsheetError
    ├── ConfigError       the configuration or the command line: exit 2; all problems at once
    │   └── MissingExtra  libraries of an extra are not installed
    ├── SheetError        the sheet is out of reach or cannot be written: exit 3
    │   ├── ColumnsError  its header cannot be used as it is: exit 2
    │   └── UnclearText   the configuration must say how to read its letters: exit 2
    ├── StoreError        the store is out of reach, full or newer than this program: exit 3
    │   └── StoreFull     no room: what was to be recorded goes to the rescue file
    ├── NotSaved          a picture was not saved, as the note of its row will say: exit 0
    │   ├── DeadLink      its link leads to no picture, and probably never will again
    │   ├── BadLink       its link, or the file behind it, is of a kind that is never saved
    │   └── NoPlace       nothing can be saved in the folder: exit 3
    ├── ListenError       an address cannot be listened at: exit 3
    └── WireError         one request came to nothing; the difference is money
        ├── NotSent       proof that it never left: nothing was taken
        └── NoAnswer      it may have been taken, and no answer says so

A refused prompt, a lost answer or a failed task is none of these: it is an event with a sentence,
and the sentence goes into the row.
"""

from __future__ import annotations


class PromptsheetError(Exception):
    """Something to tell a person in one line; `exit_code` is what the command ends with."""

    exit_code = 3


class ConfigError(PromptsheetError):
    """The configuration cannot be used; `problems` holds one sentence each.

    A sentence may quote the file. Characters that would control a terminal are shown as "?".
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(
            "".join(c if c.isprintable() else "?" for c in problem) for problem in problems
        )
        super().__init__(_listed(self.problems))


class MissingExtra(ConfigError):
    """Something was asked for that needs libraries of an extra that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f'{what} needs more than is installed. Run pip install "promptsheet[{extra}]".'
        )


class SheetError(PromptsheetError):
    """The sheet is out of reach, or cannot be written now."""


class ColumnsError(SheetError):
    """The header cannot be used as it is; nothing was written."""

    exit_code = 2


class UnclearText(SheetError):
    """The file can be read in several ways, and the configuration must say which."""

    exit_code = 2


class StoreError(PromptsheetError):
    """The store is out of reach, or not to be used by this program."""


class StoreFull(StoreError):
    """There is no room left where the store lies; `kept`: what was told lies in the rescue file."""

    def __init__(self, sentence: str, kept: bool = False) -> None:
        self.kept = kept
        super().__init__(sentence)


class NotSaved(PromptsheetError):
    """A file was not saved; says why in a sentence for people. Nothing of it is left behind."""

    #: The row's note says so, and the row needs attention once the link is dead.
    exit_code = 0


class DeadLink(NotSaved):
    """The server says that the file does not exist (any more), or sends something else instead."""


class BadLink(NotSaved):
    """The link is not followed, or the file is not kept; no later try can change that."""


class NoPlace(NotSaved):
    """No file can be saved in the folder until a person has acted."""

    exit_code = 3


class ListenError(PromptsheetError):
    """Nobody can listen at an address: it is taken, or not to be had."""


class WireError(PromptsheetError):
    """A request came to nothing; says why in a few words, without address or key."""


class NotSent(WireError):
    """The request provably never left, so that nothing can have been taken."""


class NoAnswer(WireError):
    """The request may have arrived, and no whole answer came back."""


def unforeseen(error: Exception) -> str:
    """A sentence about an exception that no part of the program expects."""
    said = " ".join(str(error).split())
    return f"Unforeseen error: {type(error).__name__}{f' ({said})' if said else ''}."


def _listed(problems: tuple[str, ...]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems in the configuration:" + "".join(
        f"\n  - {problem}" for problem in problems
    )
