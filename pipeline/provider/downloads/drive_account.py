"""The account that saves files in Google Drive, and what to do when Google refuses it.

A file in Google Drive needs an owner with storage. A service account has none: it can save only in
a shared drive, or act for a person of its domain. A person can also give consent.
Sources: https://developers.google.com/workspace/drive/api/guides/about-shareddrives,
https://developers.google.com/identity/protocols/oauth2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import google.auth
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from google.oauth2 import credentials as people
from google.oauth2 import service_account

from pipeline.core.errors import NoPlace, NotSaved
from pipeline.core.messages import reasons
from pipeline.core.text import quoted
from pipeline.google_session import words

#: All files of the account. A service account sees only those that people share with it.
DRIVE: Final = "https://www.googleapis.com/auth/drive"
#: Only files that the program made itself: the least that people can agree to.
DRIVE_FILE: Final = "https://www.googleapis.com/auth/drive.file"

_OWNERS: Final = (
    "the key of a service account, or a person's consent (`promptsheet init --drive`), as "
    '"file:PATH"'
)


@dataclass(frozen=True, slots=True)
class DriveAccount:
    """The account that owns the files, or that saves them in a shared drive."""

    #: `service`: a service account; `delegated`: one that acts for a person; `person`: a consent.
    kind: Literal["service", "delegated", "person"]
    #: Its e-mail address, or what it is where that is not known.
    called: str
    credentials: Any = field(repr=False)

    @property
    def owns_files(self) -> bool:
        """False: its files must be in a shared drive."""
        return self.kind != "service"

    @property
    def how_to_share(self) -> str:
        """What a person does so that the account can save in a folder."""
        if self.kind == "person":
            return (
                "With a person's consent, only folders that Promptsheet made can be used: take the "
                "one that `promptsheet init --drive` made."
            )
        if self.kind == "delegated":
            return f"Share it with {self.called} as Editor."
        return f"Add {self.called} to the shared drive as Content manager."

    def refused(self, error: RefreshError) -> NotSaved:
        """The error for a token that Google does not give."""
        why = words(error)
        if error.retryable:
            return NotSaved(reasons.DRIVE_NO_TOKEN.format(why=why))
        if self.kind == "person":
            return NoPlace(
                f"The consent of {self.called} to save in Google Drive has ended ({why}). Run "
                "`promptsheet init --drive` again. If this happens every 7 days, the consent "
                "screen of your Google Cloud project is in Testing: publish it."
            )
        if self.kind == "delegated":
            return NoPlace(
                f"Google does not let the service account act for {self.called} ({why}). In the "
                "Google Admin console (Security, API controls, Domain-wide delegation), add its "
                f"client ID with the scope {DRIVE}; or correct [media] as_user."
            )
        return NoPlace(
            f"Google does not accept the key of {self.called}: {why}. Make a new key in the Google "
            "Cloud console and name it in [media] credentials."
        )


def account_of(text: str | None, as_user: str = "", scope: str = DRIVE) -> DriveAccount:
    """The account of a JSON text, or of this machine's own credentials if there is none.

    `as_user` is the person for whom a service account acts, `scope` what it asks to be allowed.
    Raises NoPlace if it cannot be used.
    """
    if text is None:
        return _of_this_machine(as_user, scope)
    try:
        info = json.loads(text)
        kind = info.get("type", "")
        if "installed" in info or "web" in info:
            raise NoPlace(
                "[media] credentials is the key of an OAuth client. That is not enough to save "
                "files: run `promptsheet init --drive` with it, which asks a person for consent."
            )
        make: Any
        if kind == "service_account":
            make = service_account.Credentials.from_service_account_info
            return _service(make(info, scopes=[scope]), as_user)
        if kind == "authorized_user" or "refresh_token" in info:
            if as_user:
                raise NoPlace(
                    "[media] as_user is only for a service account. Remove it: the files belong to "
                    "the person who gave consent."
                )
            make = people.Credentials.from_authorized_user_info
            who = str(info.get("account") or "") or "the person who gave consent"
            return DriveAccount("person", who, make(info))
    except (ValueError, TypeError, AttributeError, KeyError):
        pass
    raise NoPlace(
        "[media] credentials is no key with which files can be saved in Google Drive. Name "
        f"{_OWNERS}."
    )


def _of_this_machine(as_user: str, scope: str) -> DriveAccount:
    try:
        found, _ = google.auth.default(scopes=[scope])
    except (DefaultCredentialsError, ValueError, TypeError):
        raise NoPlace(
            f"There are no credentials for Google Drive. Set [media] credentials to {_OWNERS}."
        ) from None
    if isinstance(found, service_account.Credentials):
        return _service(found, as_user)
    return DriveAccount("person", "the account of the Application Default Credentials", found)


def _service(credentials: Any, as_user: str) -> DriveAccount:
    if as_user:
        return DriveAccount("delegated", as_user, credentials.with_subject(as_user))
    return DriveAccount("service", str(credentials.service_account_email), credentials)


#: Reasons of Google that say: too fast, or too much for now.
_BUSY: Final = frozenset(
    {
        *("userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded"),
        *("quotaExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"),
    }
)
#: Seconds without a request after Google asks to slow down and does not say for how long.
SLOW_DOWN: Final = 10.0
_OTHER_FOLDER: Final = "set [media] save_to to another folder"
#: Reason -> what to do; `{who}` and `{share}` are filled in.
_CURES: Final = {
    "teamDriveFileLimitExceeded": (
        "The shared drive holds as many files as Google allows. Delete some there, or "
        f"{_OTHER_FOLDER}."
    ),
    "numChildrenInNonRootLimitExceeded": (
        f"The folder holds as many files as Google allows. Make a new one, and {_OTHER_FOLDER}."
    ),
    "activeItemCreationLimitExceeded": (
        "{who} owns as many files as Google allows. Delete some, or " + _OTHER_FOLDER + "."
    ),
    "teamDriveHierarchyTooDeep": (
        f"The folder is inside too many others. Make one nearer to the top, and {_OTHER_FOLDER}."
    ),
    "myDriveHierarchyDepthLimitExceeded": (
        f"The folder is inside too many others. Make one nearer to the top, and {_OTHER_FOLDER}."
    ),
    "domainPolicy": (
        "The administrator of the domain does not allow apps in Google Drive. Ask for permission, "
        "or set [media] save_to to another place."
    ),
    "insufficientPermissions": (
        "The consent of {who} does not include Google Drive. Run `promptsheet init --drive` again, "
        "and leave the box for Google Drive ticked."
    ),
    **dict.fromkeys(
        (
            *("insufficientFilePermissions", "insufficientParentPermissions", "forbidden"),
            *("teamDriveMembershipRequired", "cannotAddParent", "appNotAuthorizedToFile"),
        ),
        "{who} may not save files in the folder that [media] save_to names. {share}",
    ),
}
_LIBRARY: Final = "https://console.cloud.google.com/apis/library/drive.googleapis.com"


def refusal(account: DriveAccount, status: int, reason: str, message: str, wait: float) -> NotSaved:
    """The error for an answer of Google Drive that is a refusal.

    `reason` is the word that Google gives, `message` its sentence, and `wait` the seconds after
    which it allows another request, 0 if it does not say so.
    Source: https://developers.google.com/workspace/drive/api/guides/handle-errors.
    """
    who = account.called
    if status == 429 or (status == 403 and reason in _BUSY):
        return NotSaved(reasons.DRIVE_BUSY.format(who=who), wait or SLOW_DOWN)
    if status == 401:
        return NoPlace(
            f"Google Drive does not accept the token of {who}. If this stays so, name other "
            "[media] credentials."
        )
    if status == 404:
        return NoPlace(
            f"The folder that [media] save_to names does not exist, or {who} cannot see it. "
            f"{account.how_to_share}"
        )
    if status == 403 and reason == "storageQuotaExceeded":
        return (
            no_storage(account)
            if not account.owns_files
            else NoPlace(
                f"The Google Drive of {who} is full. Make room there, or set [media] save_to to "
                "another place."
            )
        )
    if status == 403 and reason in ("accessNotConfigured", "SERVICE_DISABLED"):
        return NoPlace(
            f"The Google Drive API is not enabled in the Google Cloud project of {who}. Enable it "
            f"at {_LIBRARY}, wait a minute, and run again."
        )
    if status == 403 and (cure := _CURES.get(reason)):
        return NoPlace(cure.format(who=who, share=account.how_to_share))
    if status == 403:
        return NoPlace(
            f"Google Drive does not let {who} save files: {quoted(message or reason)}. Correct "
            "that, or set [media] save_to to another place."
        )
    if status == 408 or status >= 500:
        return NotSaved(reasons.DRIVE_BROKEN.format(status=status), wait)
    return NotSaved(reasons.DRIVE_REFUSED.format(why=quoted(message or str(status))))


def no_storage(account: DriveAccount) -> NoPlace:
    """The error for a service account whose folder is not in a shared drive."""
    return NoPlace(
        f"{account.called} is a service account, which has no storage in Google Drive and cannot "
        "own files. Set [media] save_to to a folder in a shared drive of which it is Content "
        "manager; or set [media] credentials to a person's consent (`promptsheet init --drive`)."
    )
