"""Why apprise could not notify, from what it logs.

Its result says only that it failed. Each log line comes to a function of ours while the exception
is still being handled, so its class is known; the HTTP status is in the line as `error=429`.
Nothing of a line is repeated, because lines hold addresses and tokens.
"""

from __future__ import annotations

import re
import smtplib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pipeline.core.model import Response
from pipeline.core.outlets.outbox import Trouble, Undelivered
from pipeline.outlets.http import verdict

if TYPE_CHECKING:
    from apprise import NotifyBase
    from apprise.logger import NotifyLogEntry

_STATUS: Final = re.compile(r"\berror=(\d{3})\b")
_WAIT: Final = re.compile(r"""["']retry_after["']\s*:\s*(\d{1,6}(?:\.\d+)?)""")
_MOVED: Final = re.compile(r"""["']migrate_to_chat_id["']\s*:\s*(-?\d+)""")
#: What of several troubles counts: first what a person must mend.
_ORDER: Final = (Trouble.CLOSED, Trouble.REFUSED, Trouble.UNSURE, Trouble.LATER)
#: Each is raised before there is a connection.
_NEVER_LEFT: Final = (
    *("NewConnectionError", "ConnectTimeoutError", "NameResolutionError"),
    "SSLCertVerificationError",
)


class Failures:
    """What one notification says about its failures.

    `service` is the service's name for people. `parts` is how many requests it may take: with more
    than one, some may have arrived when another fails.
    """

    def __init__(self, service: str, parts: int) -> None:
        self._service = service
        self._has_parts = parts > 1
        self._found: list[Undelivered] = []
        self._seen: list[BaseException] = []
        self._wait = 0.0

    def heard(self, entry: NotifyLogEntry, _service: NotifyBase | None) -> None:
        """Look at a line of the log, at the time when it is written."""
        error = sys.exc_info()[1]
        # The same exception is logged twice; the first line says what was being done.
        if error is not None and error not in self._seen:
            self._seen.append(error)
            is_connecting = "while submitting email" in entry.message
            self._found.append(self._of_exception(error, is_connecting))
        if entry.level in ("WARNING", "ERROR"):
            for status in _STATUS.findall(entry.message):
                self._found += self._of_status(int(status))
        if wait := _WAIT.search(entry.message):
            self._wait = max(self._wait, float(wait[1]))
        if moved := _MOVED.search(entry.message):
            self._found.append(
                self._closed(
                    f"The group of {self._service} has become a supergroup. Its id is now "
                    f"{moved[1]}: write that into the address."
                )
            )

    def meaning(self) -> Undelivered:
        """What the failures mean together."""
        if not self._found:
            return Undelivered(
                Trouble.UNSURE,
                f"{self._service} did not confirm the message. It may have arrived all the same.",
            )
        worst = min(self._found, key=lambda one: _ORDER.index(one.trouble))
        if worst.trouble is Trouble.LATER and self._has_parts:
            worst = Undelivered(Trouble.UNSURE, f"{worst.reason} Parts of it may have arrived.")
        return Undelivered(worst.trouble, worst.reason, max(worst.wait, self._wait))

    def _of_status(self, status: int) -> Iterator[Undelivered]:
        trouble = verdict(Response(status, {}, b""))
        if trouble is None:
            return
        match trouble.trouble:
            case Trouble.LATER:
                what = "cannot take the message now. It is sent later"
            case Trouble.UNSURE:
                what = "failed. The message may have arrived"
            case Trouble.REFUSED:
                what = "refused the message. It is not sent again"
            case Trouble.CLOSED:
                what = "does not accept the address, or the token in it. Correct it"
        if 300 <= status < 400:
            what = "answered with a redirect, so nothing was sent. Correct the address"
        yield Undelivered(trouble.trouble, f"{self._service} {what} (HTTP {status}).")

    def _of_exception(self, error: BaseException, is_connecting: bool) -> Undelivered:
        match error:
            case smtplib.SMTPAuthenticationError():
                return self._closed(
                    "The mail server refuses the user or the password. Gmail and many others need "
                    "an app password; Microsoft 365 accepts none by default since the end of 2026 "
                    "(use azure:// of apprise, or a mail service)."
                )
            case smtplib.SMTPRecipientsRefused():
                codes = [code for code, _ in error.recipients.values()]
                if all(400 <= code < 500 for code in codes):
                    return self._later("The mail server does not take mail for this person now")
                return self._closed("The mail server refuses a recipient. Correct the address.")
            case smtplib.SMTPSenderRefused() if error.smtp_code >= 500:
                return self._closed(
                    "The mail server refuses the sender. Set from= in the address to one that "
                    "belongs to the account."
                )
            case smtplib.SMTPDataError() if error.smtp_code >= 500:
                return Undelivered(
                    Trouble.REFUSED,
                    f"The mail server refused the message (SMTP {error.smtp_code}). It is not "
                    "sent again.",
                )
            case smtplib.SMTPResponseException() if 400 <= error.smtp_code < 500:
                return self._later("The mail server cannot take mail now")
            case smtplib.SMTPResponseException() | smtplib.SMTPNotSupportedError():
                return self._closed(
                    "The mail server does not work with these settings. Check mode= (ssl or "
                    "starttls) and the port in the address."
                )
            case ConnectionRefusedError():
                return self._later(f"{self._service} refused the connection")
            case _ if is_connecting or _never_left(error):
                return self._later(f"There was no connection to {self._service}")
        return Undelivered(
            Trouble.UNSURE,
            f"{self._service} gave no answer that can be read. The message may have arrived.",
        )

    def _closed(self, sentence: str) -> Undelivered:
        return Undelivered(Trouble.CLOSED, sentence)

    def _later(self, what: str) -> Undelivered:
        return Undelivered(Trouble.LATER, f"{what}. The message is sent later.")


def _never_left(error: BaseException) -> bool:
    """True if requests or urllib3 prove that there was no connection."""
    causes: list[object] = [error]
    for cause in causes:
        if type(cause).__name__ in _NEVER_LEFT:
            return True
        inner = [*getattr(cause, "args", ()), getattr(cause, "reason", None)]
        causes += [one for one in inner if isinstance(one, BaseException) and one not in causes]
    return False
