"""Why a picture was not saved, an answer did not come, or a file cannot be read, in our own words.

The store keeps such a reason in English. `told` makes a message of it again, for notes in other
languages: the first one here that fits. What an API says itself is no message, and stays as it is.
Pure.
"""

from __future__ import annotations

from functools import lru_cache
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
NOT_NOW: Final = message("The file could not be saved in {place} now ({why}).")
DRIVE_DAMAGED: Final = message("Google Drive received a damaged file. A later run sends it again.")
DRIVE_OWN_ID: Final = message("Google Drive did not accept an id of its own.")
DRIVE_NO_IDS: Final = message("Google Drive gave no ids for new files. A later run tries again.")
DRIVE_NO_PLACE: Final = message("Google Drive did not say where to send the file.")
DRIVE_FORGOT: Final = message(
    "Google Drive no longer knows the upload. A later run begins it again."
)
DRIVE_UNREADABLE: Final = message(
    "The answer of Google Drive cannot be read. A later run tries again."
)
DRIVE_NO_TOKEN: Final = message("Google issued no token: {why}. A later run tries again.")
DRIVE_BUSY: Final = message("Google Drive asks {who} to slow down. A later run tries again.")
DRIVE_BROKEN: Final = message(
    "Google Drive reports an internal error ({status}). A later run tries again."
)
DRIVE_REFUSED: Final = message("Google Drive refused the file: {why}.")
NOTHING_THERE: Final = message("nothing answers there")
NOT_REACHED: Final = message("it cannot be reached")
NAME_UNKNOWN: Final = message("its name is not known")
NO_ANSWER: Final = message("no answer came in time")
TOOK_LONGER: Final = message("it took longer than {seconds} s")
# Why there is no connection to an API.
NOT_TRUSTED: Final = message("its certificate is not trusted")
NO_TLS: Final = message("no TLS connection could be made")
NAME_NOT_FOUND: Final = message("its name was not found (DNS)")
NOT_CONNECTED: Final = message("no connection in time")
NO_CONNECTION: Final = message("no connection ({why})")
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
ANSWER_UNREADABLE: Final = message("the answer cannot be read ({error})")
ANSWER_TOO_LARGE: Final = message("the answer is larger than {size} MB")
UNFORESEEN: Final = message("unforeseen: {error}")
ENDPOINT_GONE: Final = message("its endpoint is not known any more")
OTHER_REQUEST: Final = message("its key belongs to another request")
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
FILES_TOO_SLOW: Final = message("its files took longer than {seconds} s")
FILES_UNREADABLE: Final = message("its files cannot be read ({error})")
NOT_UPLOADED: Final = message("{name} was not uploaded: {why}")
NOT_TAKEN_AND_SAYS: Final = message(
    '{api} did not take {name}: it answers {status} and says "{words}"'
)
NOT_TAKEN: Final = message("{api} did not take {name}: it answers {status}")
ONLY_ADDRESSES: Final = message("this API takes no files, only addresses")
NO_FOLDER: Final = message("set [media] inputs to the folder of that file")
NOT_GIVEN: Final = message("Google Drive did not give the file ({status})")
LATER: Final = message("{why}: request it again later, with retry")
KEY_REFUSED: Final = message("Google does not accept the key of {who}: {why}")
DRIVE_ODD: Final = message("that file in Google Drive is no picture, video or sound that is known")
DRIVE_HIDDEN: Final = message(
    "{who} cannot see that file in Google Drive: share it with that address, or with everyone who "
    "has the link"
)
DRIVE_REFUSED_IT: Final = message("Google Drive refused that file ({status})")
DRIVE_EXTRA: Final = message(
    'a link to Google Drive needs more libraries: pip install "promptsheet[google]"'
)
DRIVE_CREDENTIALS: Final = message("the credentials for Google cannot be used to read files")
NO_DRIVE: Final = say(
    "there are no credentials for Google: those of a Google Sheet or of [media] save_to in Google "
    "Drive are used. Or save the picture in the folder of [media] inputs, and write its name"
)
DRIVE_SERVICE: Final = message("a link to Google Drive needs the key of a service account")
GONE_FROM: Final = message("The file is no longer in {place}")
SAVED_ELSEWHERE: Final = message("The file was saved elsewhere, not in {place}")
CANNOT_READ_NOW: Final = message("Pictures cannot be read from {place} now ({why})")
#: A cell, and what is wrong with the file that it names. The last one: it fits many texts.
OF_A_CELL: Final = message('"{text}": {why}')

#: All of them.
ALL: Final = tuple(text for name, text in [*globals().items()] if name.isupper())


#: Why a picture is of no use.
_LOOKS: Final = (message("blank"), message("damaged"), message("blank or damaged"))


def look_again(kept: str) -> str:
    """What is wrong with how a picture looks, as a message if it is one of these."""
    return said_again(kept, *_LOOKS)


@lru_cache(maxsize=1000)  # many rows may have the same
def told(reason: str) -> str:
    """A reason that the store kept, as a message if it is one of these."""
    return said_again(reason, *ALL, values=told)


def in_quotes(reason: str) -> str:
    """The same in quotation marks, on one line."""
    known = told(reason)
    return say('"{reason}"', reason=known) if isinstance(known, Said) else quoted(reason)
