"""Why a picture was not saved, an answer did not come, or a file cannot be read, in our own words.

The store keeps such a reason in English. `told` makes a message of it again, for notes in other
languages: the first one here that fits. What an API says itself is no message, and stays as it is.
Pure.
"""

from __future__ import annotations

from typing import Final

from pipeline.core.language import Said, message, said_again, say
from pipeline.core.text import quoted

# Why a picture is not saved.
TOO_SLOW: Final = message("The file took longer than {seconds} s.")
PRIVATE: Final = message("The link points into a private network ({host}).")
NO_ADDRESS: Final = message("The link is not a web address.")
UNREACHABLE: Final = message("The server behind the link cannot be reached.")
BROKE: Final = message("The connection broke before the whole file had arrived.")
UNREADABLE: Final = message("The link cannot be read.")
REDIRECTS: Final = message("The link redirects more than {times} times.")
DEAD: Final = message("The link is dead: it answers {status}.")
ANSWERS: Final = message("The server behind the link answers {status}.")
TOO_LARGE: Final = message("The file is larger than {size} MB.")
EMPTY: Final = message("The file behind the link is empty.")
A_PAGE: Final = message("The link shows a page or a message instead of a picture.")
ODD: Final = message("The link leads to no picture, video or sound of a known kind ({kind}).")
# Why it is not known if a task was accepted.
NOT_READABLE: Final = message("HTTP {status} without a readable answer")
NO_TASK: Final = message("HTTP {status} without a task id")
NOT_IN_TIME: Final = message("no whole answer within {seconds} s")
STOPPED: Final = message("the program stopped")
WAS_STOPPED: Final = message("the program was stopped")
CLOSED: Final = message("the connection was closed without an answer")
CONNECTION_BROKE: Final = message("the connection broke")
BROKE_OFF: Final = message("the answer broke off, or cannot be unpacked")
NOT_HTTP: Final = message("the answer is not HTTP")
# Why a task failed.
NO_REASON: Final = message("{api} gave no reason")
SAID_AND_NO_RESULT: Final = message("{api} says {status} and: {reason}, but sent no result")
NO_RESULT: Final = message("{api} says {status}, but sent no result")
# Why it failed, once that was forgotten.
FORGOTTEN: Final = message("the reason was forgotten")
# Why a file that a cell names cannot be sent.
NO_NAME: Final = message("that does not name a file in the folder of [media] inputs")
NO_FILE: Final = message("there is no such file in {folder}")
FILE_TOO_LARGE: Final = message("that file is larger than {size} MB")
FILE_UNREADABLE: Final = message("that file cannot be read; a link is never followed")
FILE_ODD: Final = message("that file is no picture, video or sound of a known kind")
NO_PICTURE: Final = message("that file is no picture")
NO_INPUTS: Final = message("set [media] inputs to a folder in which that file is")

#: All of them.
ALL: Final = tuple(text for name, text in [*globals().items()] if name.isupper())


def told(reason: str) -> str:
    """A reason that the store kept, as a message if it is one of these."""
    return said_again(reason, *ALL)


def in_quotes(reason: str) -> str:
    """The same in quotation marks, on one line."""
    known = told(reason)
    return say('"{reason}"', reason=known) if isinstance(known, Said) else quoted(reason)
