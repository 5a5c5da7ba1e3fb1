"""All exceptions, grouped by who has to act.

    PromptsheetError
    ├── ConfigError       the configuration or the command line: exit 2; all problems at once
    │   └── MissingExtra  libraries of an extra are not installed
    ├── SheetError        the sheet cannot be reached or written: exit 3
    │   ├── ColumnsError  its header cannot be used: exit 2
    │   └── UnclearText   the configuration must name its encoding: exit 2
    ├── StoreError        the store cannot be reached, is full, or newer than this program: exit 3
    │   └── StoreFull     no space is left: events go to the rescue file
    ├── NotSaved          a picture was not saved; the note of its row says so: exit 0
    │   ├── DeadLink      its link no longer leads to a picture
    │   ├── BadLink       its link, or the file behind it, is never saved
    │   └── NoPlace       nothing can be saved in the folder: exit 3
    ├── NotRead           a saved file cannot be read again: exit 3
    │   └── FileGone      it is no longer where it was saved
    ├── ListenError       the program cannot listen on an address: exit 3
    └── WireError         one request failed; the kinds differ in what may have been paid
        ├── NotSent       the request was certainly not sent: nothing is paid
        │   └── PartUnread  a file that belongs to it cannot be read
        └── NoAnswer      the API may have accepted it, but no answer arrived

A refused prompt, a lost answer and a failed task are not exceptions. They are events, and their
text goes into the row.
"""

from __future__ import annotations

from pipeline.core.text import one_line, printable


class PromptsheetError(Exception):
    """An error with a one-line message for people; `exit_code` is the exit code of the command."""

    exit_code = 3


class ConfigError(PromptsheetError):
    """The configuration cannot be used; `problems` holds one sentence for each problem.

    A sentence may quote the file. Control characters are replaced by "?".
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(printable(problem, "?").replace("\n", "?") for problem in problems)
        super().__init__(_listed(self.problems))


class MissingExtra(ConfigError):
    """The command needs the libraries of an extra that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f'{what} needs more libraries. Install "promptsheet[{extra}]" with pip, uv or pipx.'
        )


class SheetError(PromptsheetError):
    """The sheet cannot be reached, or cannot be written now."""


class MaybeWritten(SheetError):
    """No answer came to a change of the sheet: it may have been carried out all the same."""


class ColumnsError(SheetError):
    """The header cannot be used; nothing was written."""

    exit_code = 2


class UnclearText(SheetError):
    """The file can be read in several ways; the configuration must say which is right."""

    exit_code = 2


class StoreError(PromptsheetError):
    """The store cannot be reached, or this program cannot use it."""


class StoreFull(StoreError):
    """No space is left for the store; `kept`: the events were saved in the rescue file."""

    def __init__(self, sentence: str, kept: bool = False) -> None:
        self.kept = kept
        super().__init__(sentence)


class NotSaved(PromptsheetError):
    """A file was not saved; the message says why. Nothing has its name.

    `wait` is the seconds after which the server allows another try, if it says so.
    """

    #: The note of the row reports it; the row needs attention once the link is dead.
    exit_code = 0

    def __init__(self, sentence: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(sentence)


class DeadLink(NotSaved):
    """The server says that the file no longer exists, or sends something else instead."""


class BadLink(NotSaved):
    """The link is never followed, or the file is never kept; trying again does not help."""


class NoPlace(NotSaved):
    """No file can be saved in the folder until a person acts."""

    exit_code = 3


class NotRead(PromptsheetError):
    """A saved file cannot be read now; the message says why."""


class FileGone(NotRead):
    """There is no such file of ours any more. Other files may still be there."""


class ListenError(PromptsheetError):
    """The program cannot listen on an address: it is in use or not available."""


class WireError(PromptsheetError):
    """A request failed; the message gives the reason in a few words, without address or key."""


class NotSent(WireError):
    """The request was certainly not sent, so the API cannot have accepted it."""


class PartUnread(NotSent):
    """A file or an address that belongs to the request cannot be read; the API is not at fault."""


class NoAnswer(WireError):
    """The request may have arrived, but no complete answer came back."""


def unforeseen(error: Exception) -> str:
    """A sentence about an unexpected exception."""
    said = one_line(str(error))
    return f"Unexpected error: {type(error).__name__}{f' ({said})' if said else ''}."


def _listed(problems: tuple[str, ...]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems in the configuration:" + "".join(
        f"\n  - {problem}" for problem in problems
    )
