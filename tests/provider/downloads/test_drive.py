"""Saved files in Google Drive: each one once; each refusal says what to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipeline.core.errors import NoPlace, NotSaved
from pipeline.provider.downloads.drive import Drive
from pipeline.provider.downloads.drive_account import DRIVE_FILE, account_of
from pipeline.provider.downloads.drive_api import MOST_AT_ONCE, PART
from pipeline.server import event_loop
from tests.fakes.cases import each
from tests.fakes.google.account import EMAIL
from tests.fakes.google.drive_accounts import OUR_CLIENT
from tests.fakes.google.drive_files import File, only
from tests.fakes.google.faults import Fault
from tests.fakes.google_drive import TOO_FAST, DriveRefused, GoogleDrive, google_drive
from tests.fakes.google_sheets import Asked

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
ANNA = "anna@example.com"

_T = TypeVar("_T")


class Desk:
    """A fake Google Drive with a shared folder, and a file on this machine."""

    def __init__(self, google: GoogleDrive, tmp_path: Path) -> None:
        self.google, self._tmp_path = google, tmp_path
        self.drive = google.files.shared_drive("Campaigns", fileOrganizer=EMAIL)
        self.folder = google.files.by_hand("Spring", parent=self.drive.id, drive=self.drive.id)

    def opened(self, folder: File | None = None, key: Any = None, as_user: str = "") -> Drive:
        """The place, as a new process opens it."""
        account = account_of(json.dumps(key or self.google.key), as_user)
        return Drive((folder or self.folder).id, account, base=self.google.url)

    def file(self, content: bytes = PNG) -> Path:
        path = self._tmp_path / f"{len(list(self._tmp_path.iterdir()))}.part"
        path.write_bytes(content)
        return path

    def save(
        self,
        name: str = "fox.png",
        content: bytes = PNG,
        number: str = "",
        place: Callable[[], Drive] | None = None,
    ) -> str:
        """The link of a file that a new process saves."""

        async def use(drive: Drive) -> str:
            reserved = number or await drive.reserve()
            return (await drive.keep(self.file(content), name, "image/png", reserved)).link

        return used(place or self.opened, use)

    def reserve(self) -> str:
        return used(self.opened, Drive.reserve)

    def refused(self, place: Callable[[], Drive] | None = None, number: str = "") -> NotSaved:
        """The error of an attempt to save a file."""
        with pytest.raises(NotSaved) as refusal:
            self.save(place=place, number=number)
        return refusal.value


def used(opened: Callable[[], Drive], use: Callable[[Drive], Awaitable[_T]]) -> _T:
    async def run() -> _T:
        drive = opened()
        try:
            return await use(drive)
        finally:
            await drive.close()

    return event_loop.run(run())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with google_drive() as google:
        yield Desk(google, tmp_path)


def is_upload(asked: Asked) -> bool:
    return asked.path.startswith("/upload/")


def test_a_saved_file_has_its_type_its_name_and_a_link(desk: Desk) -> None:
    link = desk.save("fox.png")

    saved = only(desk.google.files.children(desk.folder))
    assert (saved.name, saved.mime, saved.content) == ("fox.png", "image/png", PNG)
    assert link == f"https://drive.google.com/file/d/{saved.id}/view?usp=drivesdk"


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.INTERNAL_AFTER, Fault.HANG_AFTER])
def test_an_upload_whose_answer_was_lost_makes_no_second_file(
    desk: Desk, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.provider.downloads.drive_api.TIMEOUT", (5.0, 0.5))
    number = desk.reserve()
    desk.google.faults.when(is_upload, fault, times=1)
    error = desk.refused(number=number)
    desk.google.files.lists_are_late = True

    link = desk.save(number=number)

    assert not isinstance(error, NoPlace)
    assert desk.google.paths(desk.folder) == {"fox.png": 1}
    assert number in link
    assert only(desk.google.files.children(desk.folder)).revisions == 1


def test_if_the_link_delivers_other_bytes_the_next_time_the_file_gets_them(desk: Desk) -> None:
    number = desk.reserve()
    desk.google.faults.when(is_upload, Fault.RESET_AFTER, times=1)
    desk.refused(number=number)

    link = desk.save(content=PNG + b"again", number=number)

    saved = only(desk.google.files.children(desk.folder))
    assert (saved.content, saved.revisions) == (PNG + b"again", 2)
    assert saved.id in link


def test_after_the_store_is_lost_a_saved_file_is_found_and_not_saved_again(desk: Desk) -> None:
    first = desk.save("spring/fox.png")

    assert desk.save("spring/fox.png") == first
    assert desk.google.paths(desk.folder) == {"spring/fox.png": 1}


def test_a_file_that_people_moved_or_renamed_is_not_saved_again(desk: Desk) -> None:
    first = desk.save()
    saved = only(desk.google.files.children(desk.folder))
    saved.name, saved.parent = "The chosen one.png", desk.drive.id

    assert desk.save() == first
    assert desk.google.paths(desk.folder) == {}


def test_a_file_that_was_deleted_for_good_before_it_was_recorded_is_saved_again(desk: Desk) -> None:
    number = desk.reserve()
    desk.save(number=number)
    desk.google.files.all[number].shared.clear()
    desk.google.files.all[number].parent = desk.google.files.all[number].drive = ""
    desk.google.files.all[number].owner = "elsewhere"

    assert number not in desk.save(number=number)
    assert desk.google.paths(desk.folder) == {"fox.png": 1}


def test_an_id_that_was_reserved_by_another_account_is_replaced(desk: Desk) -> None:
    foreign = used(lambda: desk.opened(key=desk.google.tokens.user_file(ANNA)), new_id)

    desk.save(number=foreign)

    assert desk.google.paths(desk.folder) == {"fox.png": 1}


async def new_id(drive: Drive) -> str:
    return drive._fresh_id()


LARGE = PNG + bytes(2 * PART + MOST_AT_ONCE)


def sent(desk: Desk) -> int:
    """How many parts of uploads were sent, without the questions about how far they are."""
    return len(desk.google.asked("PUT"))


def test_a_large_file_is_sent_in_parts(desk: Desk) -> None:
    desk.save(content=LARGE)

    assert desk.google.contents(desk.folder) == {"fox.png": LARGE}
    assert sent(desk) == -(-len(LARGE) // PART)


def test_a_large_upload_that_breaks_off_is_continued_where_it_stopped(desk: Desk) -> None:
    parts = lambda asked: asked.method == "PUT"  # noqa: E731
    desk.google.faults.when(parts, Fault.RESET_MIDWAY, times=1)

    desk.save(content=LARGE)

    assert desk.google.contents(desk.folder) == {"fox.png": LARGE}
    assert len(desk.google.asked("POST", "/upload/")) == 1


def test_a_large_upload_that_google_forgot_is_begun_again_by_a_later_run(desk: Desk) -> None:
    def forget(asked: Asked) -> None:
        if sent(desk) == 2:
            desk.google.sessions.clear()

    number = desk.reserve()
    desk.google.between(forget)
    with pytest.raises(NotSaved, match="A later run begins it again"):
        desk.save(content=LARGE, number=number)
    desk.google.between(None)
    desk.save(content=LARGE, number=number)

    assert desk.google.contents(desk.folder) == {"fox.png": LARGE}


def test_a_large_upload_without_any_progress_ends(desk: Desk) -> None:
    desk.google.faults.when(lambda asked: asked.method == "PUT", Fault.UNAVAILABLE)

    with pytest.raises(NotSaved, match="internal error"):
        desk.save(content=LARGE)
    assert sent(desk) == 2


def test_a_large_upload_whose_last_answer_was_lost_is_recognised(desk: Desk) -> None:
    last = lambda asked: asked.method == "PUT" and sent(desk) == -(-len(LARGE) // PART)  # noqa: E731
    desk.google.faults.when(last, Fault.RESET_AFTER, times=1)

    desk.save(content=LARGE)

    assert desk.google.contents(desk.folder) == {"fox.png": LARGE}


# ---------------------------------------------------------------------- folders


def test_two_processes_make_a_subfolder_once_or_use_the_same(desk: Desk) -> None:
    names = [f"spring/{n}.png" for n in range(6)]

    async def run() -> None:
        drives = [desk.opened() for _ in range(3)]

        async def save(drive: Drive, name: str) -> None:
            number = await drive.reserve()
            file = desk.file(PNG + name.encode())
            await drive.keep(file, name, "image/png", number)

        await asyncio.gather(*(save(drives[at % 3], name) for at, name in enumerate(names)))
        for drive in drives:
            await drive.close()

    event_loop.run(run())

    assert desk.google.paths(desk.folder) == dict.fromkeys(names, 1)
    filled = {one.parent for one in desk.google.files.all.values() if not one.is_folder}
    assert len(filled) == 1


def test_a_subfolder_whose_answer_was_lost_is_used(desk: Desk) -> None:
    made = lambda asked: (asked.method, asked.path) == ("POST", "/drive/v3/files")  # noqa: E731
    desk.google.faults.when(made, Fault.RESET_AFTER, times=1)
    desk.google.files.lists_are_late = True

    async def use(drive: Drive) -> None:
        with pytest.raises(NotSaved):
            await drive.keep(desk.file(), "spring/1.png", "image/png", await drive.reserve())
        await drive.keep(desk.file(), "spring/1.png", "image/png", await drive.reserve())

    used(desk.opened, use)

    assert desk.google.paths(desk.folder) == {"spring/1.png": 1}
    assert [one.name for one in desk.google.files.children(desk.folder)] == ["spring"]


def test_a_folder_of_people_with_that_name_is_used_and_so_is_ours_under_a_new_name(
    desk: Desk,
) -> None:
    theirs = desk.google.files.by_hand("O'Neill", parent=desk.folder.id, drive=desk.drive.id)
    desk.save("O'Neill/1.png")
    desk.save("autumn/1.png")
    (ours,) = (one for one in desk.google.files.children(desk.folder) if one.name == "autumn")
    ours.name = "Autumn 2026"

    desk.save("autumn/2.png", content=PNG + b"2")

    assert [one.name for one in desk.google.files.children(theirs)] == ["1.png"]
    assert sorted(desk.google.paths(desk.folder)) == [
        "Autumn 2026/1.png",
        "Autumn 2026/2.png",
        "O'Neill/1.png",
    ]


# ---------------------------------------------------------------------- whose files they are


def test_a_service_account_is_told_of_shared_drives_before_anything_is_sent(desk: Desk) -> None:
    own = desk.google.files.by_hand("Mine", owner=ANNA, writer=EMAIL)

    error = desk.refused(lambda: desk.opened(own))

    assert isinstance(error, NoPlace)
    assert str(error) == (
        f"{EMAIL} is a service account, which has no storage in Google Drive and cannot own files. "
        "Set [media] save_to to a folder in a shared drive of which it is Content manager; or set "
        "[media] credentials to a person's consent (`promptsheet init --drive`)."
    )
    assert not any(map(is_upload, desk.google.log))


def test_a_person_saves_in_a_folder_that_the_program_made(desk: Desk) -> None:
    key = desk.google.tokens.user_file(ANNA)
    folder = desk.google.files.by_hand("Promptsheet", owner=ANNA)
    folder.client = OUR_CLIENT

    desk.save(place=lambda: desk.opened(folder, key))

    assert only(desk.google.files.children(folder)).owner == ANNA


def test_with_a_persons_consent_other_folders_are_not_visible(desk: Desk) -> None:
    key = desk.google.tokens.user_file(ANNA, DRIVE_FILE, account=ANNA)
    folder = desk.google.files.by_hand("By hand", owner=ANNA)

    error = desk.refused(lambda: desk.opened(folder, key))

    assert isinstance(error, NoPlace)
    assert str(error) == (
        f"The folder that [media] save_to names does not exist, or {ANNA} cannot see it. With a "
        "person's consent, only folders that Promptsheet made can be used: take the one that "
        "`promptsheet init --drive` made."
    )


def test_a_service_account_saves_for_a_person_of_its_domain(desk: Desk) -> None:
    desk.google.tokens.delegated.add(ANNA)
    folder = desk.google.files.by_hand("Mine", owner=ANNA)

    desk.save(place=lambda: desk.opened(folder, as_user=ANNA))

    assert only(desk.google.files.children(folder)).owner == ANNA


def test_a_missing_delegation_is_explained(desk: Desk) -> None:
    error = desk.refused(lambda: desk.opened(as_user=ANNA))

    assert isinstance(error, NoPlace)
    assert "Domain-wide delegation" in str(error)
    assert "[media] as_user" in str(error)


# ---------------------------------------------------------------------- refusals

REASONS = {
    "storageQuotaExceeded": "shared drive of which it is Content manager",
    "teamDriveFileLimitExceeded": "as many files as Google allows",
    "numChildrenInNonRootLimitExceeded": "as many files as Google allows",
    "insufficientFilePermissions": f"Add {EMAIL} to the shared drive as Content manager.",
    "insufficientParentPermissions": f"Add {EMAIL} to the shared drive as Content manager.",
    "accessNotConfigured": "console.cloud.google.com/apis/library/drive.googleapis.com",
    "domainPolicy": "administrator of the domain",
    "teamDriveHierarchyTooDeep": "inside too many others",
    "insufficientPermissions": "init --drive` again",
    "someNewReason": '"Google\'s words"',
}


@pytest.mark.parametrize(("reason", "cure"), REASONS.items())
def test_each_refusal_says_what_to_do_and_blames_no_picture(
    desk: Desk, reason: str, cure: str
) -> None:
    def refuse(asked: Asked) -> None:
        if is_upload(asked):
            raise DriveRefused(403, reason, "Google's words")

    desk.google.between(refuse)
    error = desk.refused()

    assert isinstance(error, NoPlace)
    assert cure in str(error)


@pytest.mark.parametrize(
    ("refusal", "wait"),
    [
        (TOO_FAST, 10.0),
        (DriveRefused(403, "rateLimitExceeded", "Rate Limit Exceeded"), 10.0),
        (DriveRefused(429, "rateLimitExceeded", "Rate Limit Exceeded", Retry_After="7"), 7.0),
        (DriveRefused(503, "backendError", "Backend Error", Retry_After="30"), 30.0),
        (DriveRefused(500, "internalError", "Internal Error"), 0.0),
    ],
    ids=lambda value: str(getattr(value, "reason", value)),
)
def test_a_busy_google_is_tried_again_later_and_not_before_it_allows(
    desk: Desk, refusal: DriveRefused, wait: float
) -> None:
    def refuse(asked: Asked) -> None:
        if is_upload(asked):
            raise refusal

    desk.google.between(refuse)
    number = desk.reserve()
    error = desk.refused(number=number)
    desk.google.between(None)
    desk.save(number=number)

    assert not isinstance(error, NoPlace)
    assert error.wait == wait
    assert desk.google.paths(desk.folder) == {"fox.png": 1}


def test_a_refusal_that_concerns_all_files_is_asked_for_once(desk: Desk) -> None:
    def refuse(asked: Asked) -> None:
        if is_upload(asked):
            raise DriveRefused(429, "rateLimitExceeded", "Slow down", Retry_After="900")

    desk.google.between(refuse)

    async def use(drive: Drive) -> list[float]:
        waits = []
        for n in range(5):
            try:
                await drive.keep(desk.file(), f"{n}.png", "image/png", await drive.reserve())
            except NotSaved as error:
                waits.append(error.wait)
        return waits

    assert used(desk.opened, use) == [900.0] * 5
    assert len([one for one in desk.google.log if is_upload(one)]) == 1


def test_a_person_who_is_only_a_reader_is_told_to_share_the_folder(desk: Desk) -> None:
    folder = desk.google.files.shared_drive("Archive", reader=EMAIL)

    error = desk.refused(lambda: desk.opened(folder))

    assert isinstance(error, NoPlace)
    assert str(error) == (
        f'{EMAIL} may not save files in the folder "Archive" of [media] save_to. '
        f"Add {EMAIL} to the shared drive as Content manager."
    )


def test_a_file_instead_of_a_folder_is_refused(desk: Desk) -> None:
    desk.save()
    picture = only(desk.google.files.children(desk.folder))

    assert '"fox.png" is no folder' in str(desk.refused(lambda: desk.opened(picture)))


# ---------------------------------------------------------------------- tokens and secrets


def test_a_token_that_expires_during_an_upload_is_renewed_once(
    desk: Desk,
) -> None:
    def expire(asked: Asked) -> None:
        if is_upload(asked) and len(desk.google.token_log) == 1:
            desk.google.tokens.revoke()

    desk.google.between(expire)
    desk.save()

    assert desk.google.contents(desk.folder) == {"fox.png": PNG}
    assert len(desk.google.token_log) == 2


def test_a_token_that_is_refused_again_and_again_is_not_renewed_for_ever(desk: Desk) -> None:
    desk.google.faults.when(is_upload, Fault.UNAUTHENTICATED)

    error = desk.refused()

    assert isinstance(error, NoPlace)
    assert f"does not accept the token of {EMAIL}" in str(error)
    assert len(desk.google.token_log) == 2


def test_an_ended_consent_is_explained_with_the_seven_days(desk: Desk) -> None:
    key = desk.google.tokens.user_file(ANNA, account=ANNA)
    desk.google.tokens.grants.clear()

    error = desk.refused(lambda: desk.opened(key=key))

    assert isinstance(error, NoPlace)
    assert f"The consent of {ANNA} to save in Google Drive has ended" in str(error)
    assert "every 7 days" in str(error)
    assert key["refresh_token"] not in str(error)


@each(
    ("key", "cure"),
    [
        ("[]", "Name the key of a service account"),
        ("{}", "Name the key of a service account"),
        ("no JSON", "Name the key of a service account"),
        ('{"type": "service_account", "private_key": "x"}', "Name the key of a service account"),
        ('{"type": "authorized_user"}', "Name the key of a service account"),
        ('{"installed": {}}', "run `promptsheet init --drive` with it"),
    ],
)
def test_a_wrong_key_is_refused_with_what_to_name_instead(key: str, cure: str) -> None:
    with pytest.raises(NoPlace) as refusal:
        account_of(key)

    assert cure in str(refusal.value)


def test_no_secret_is_in_a_repr_or_in_a_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    key = desk.google.tokens.user_file(ANNA)
    account = account_of(json.dumps(key))
    with caplog.at_level(0):
        desk.save()
    tokens = [*desk.google.tokens.given, key["refresh_token"], key["client_secret"]]

    shown = f"{account!r} {account} {desk.opened()!r} {caplog.text}"
    assert not [one for one in tokens if one in shown]
