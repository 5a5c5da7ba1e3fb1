"""A CSV file on disk: what is kept, what is refused, and which files are left afterwards."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import pytest

from pipeline.core.errors import SheetError
from pipeline.core.model import Claim, Grid, Patch
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.files.swap import Exchange, exchange, exchange_by_link, swap_names

TEXT = "prompt,status\na fox,\nan owl,\n"
DONE = "prompt,status\na fox,done\nan owl,\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes accounts")


def unable_to_swap(incoming: Path, target: Path) -> None:
    raise OSError(errno.EINVAL, "this file system cannot")


def exchange_without_swap(incoming: Path, target: Path) -> Path:
    return exchange(incoming, target, swap=unable_to_swap)


WAYS: dict[str, Exchange] = {"swap": exchange, "link": exchange_without_swap}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Exchange:
    return WAYS[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text(TEXT)
    return path


def sheet_of(path: Path, way: Exchange = exchange) -> CsvSheet:
    return CsvSheet(path, exchange=way, pause=lambda _: None)


def done(grid: Grid) -> Patch:
    return {(1, 1): "done"}


def names(path: Path) -> list[str]:
    return sorted(beside.name for beside in path.parent.iterdir())


def save_by_rename(path: Path, text: str) -> None:
    fresh = path.with_name("a person's editor")
    fresh.write_text(text)
    fresh.replace(path)


def save_in_place(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture(params=[save_by_rename, save_in_place])
def save(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    return request.param  # type: ignore[no-any-return]


# Kept properties of the file


def test_after_a_write_only_the_file_and_its_original_exist(path: Path, way: Exchange) -> None:
    sheet_of(path, way).write(done)

    assert path.read_text() == DONE
    assert path.with_name("prompts.csv.before-promptsheet").read_text() == TEXT
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


def test_the_original_is_kept_only_once(path: Path, way: Exchange) -> None:
    sheet_of(path, way).write(done)
    sheet_of(path, way).write(lambda grid: {(2, 1): "done"})

    assert path.with_name("prompts.csv.before-promptsheet").read_text() == TEXT


def test_reading_and_empty_patches_create_no_files(path: Path) -> None:
    sheet_of(path).read()
    sheet_of(path).write(lambda grid: {})

    assert names(path) == ["prompts.csv"]


def test_byte_order_mark_line_ends_and_unusual_quoting_are_kept(path: Path, way: Exchange) -> None:
    path.write_bytes(b'\xef\xbb\xbfprompt;status\r\n"a "b ; \r\n\r\n"x"";y"')

    grid = sheet_of(path, way).write(lambda grid: {(3, 1): "done", (1, 2): "a;b"})

    assert path.read_bytes() == (b'\xef\xbb\xbfprompt;status\r\n"a "b ; ;"a;b"\r\n\r\n"x"";y";done')
    assert grid == (("prompt", "status"), ("a b ", " ", "a;b"), (), ('x";y', "done"))


def test_a_tsv_file_has_tabs_whatever_its_header(path: Path) -> None:
    tsv = path.rename(path.with_suffix(".tsv"))
    tsv.write_text("prompt, in English\na fox\n")

    sheet_of(tsv).write(lambda grid: {(1, 1): "done"})

    assert tsv.read_text() == "prompt, in English\na fox\tdone\n"


def test_the_file_mode_is_kept(path: Path, way: Exchange) -> None:
    path.chmod(0o640)

    sheet_of(path, way).write(done)

    kept = path.with_name("prompts.csv.before-promptsheet")
    assert [file.stat().st_mode & 0o7777 for file in (path, kept)] == [0o640, 0o640]


@needs_root
def test_the_owner_is_kept(path: Path, way: Exchange) -> None:
    os.chown(path, 1234, 2345)

    sheet_of(path, way).write(done)

    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


@contextmanager
def account(user: int, group: int) -> Iterator[None]:
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(group, group, 0)
    os.setresuid(user, user, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@pytest.fixture
def shared() -> Iterator[Path]:
    """The file of one account in a folder that every account can write and open."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder, "prompts.csv")
        path.write_text(TEXT)
        os.chown(path, 1234, 2345)
        path.chmod(0o664)
        yield path


@needs_root
def test_if_the_owner_cannot_be_kept_the_group_is_kept(shared: Path) -> None:
    with account(999, 2345):
        sheet_of(shared).write(done)

    stat = shared.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (999, 2345, 0o664)


@needs_root
def test_if_not_even_the_group_can_be_kept_nothing_is_written(shared: Path) -> None:
    shared.chmod(0o666)

    with account(999, 999), pytest.raises(SheetError, match="belongs to another account"):
        sheet_of(shared).write(done)

    assert shared.read_text() == TEXT
    assert names(shared) == ["prompts.csv"]


@needs_root
def test_a_file_of_another_account_is_refused_with_a_clear_sentence(shared: Path) -> None:
    shared.chmod(0o600)

    with account(999, 999), pytest.raises(SheetError, match="not open to the account"):
        sheet_of(shared).read()


@needs_root
def test_a_file_that_only_others_may_write_is_not_reported_as_read_only(shared: Path) -> None:
    shared.chmod(0o644)

    with account(999, 999), pytest.raises(SheetError, match="not open to the account that runs"):
        sheet_of(shared).write(done)

    assert shared.read_text() == TEXT


def test_a_symbolic_link_is_kept(path: Path, way: Exchange, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.csv"
    link.parent.mkdir()
    link.symlink_to(path)
    sheet = sheet_of(link, way)

    sheet.write(done)
    sheet.write_claim(CLAIM, None)

    assert link.is_symlink()
    assert path.read_text() == DONE
    assert sheet.key == str(path.resolve())
    assert names(link) == ["link.csv"]


def test_the_configured_id_is_the_key(path: Path) -> None:
    assert CsvSheet(path, key="spring campaign").key == "spring campaign"
    assert CsvSheet(path).title == "prompts.csv"


# Saves by people


def saving(way: Exchange, *saves: Callable[[], object]) -> Exchange:
    """An exchange; just before each one, a person does the next of `saves`."""
    left = iter(saves)

    def exchange_late(incoming: Path, target: Path) -> Path:
        next(left, lambda: None)()
        return way(incoming, target)

    return exchange_late


def test_a_save_just_before_the_exchange_is_merged(
    path: Path, way: Exchange, save: Callable[[Path, str], None]
) -> None:
    late = saving(way, lambda: save(path, "prompt,status\na wolf,\n"))

    grid = sheet_of(path, late).write(done)

    assert grid == (("prompt", "status"), ("a wolf", "done"))
    assert path.read_text() == "prompt,status\na wolf,done\n"
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


def test_of_several_saves_while_the_first_is_restored_the_last_is_kept(path: Path) -> None:
    drafts = [f"prompt,status\na wolf of draft {draft},\n" for draft in range(5)]
    late = saving(exchange, *[lambda text=text: save_by_rename(path, text) for text in drafts])

    sheet_of(path, late).write(done)

    assert path.read_text() == "prompt,status\na wolf of draft 4,done\n"
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


def test_a_slow_save_that_ends_during_its_restore_does_not_hide_the_next_one(
    path: Path, way: Exchange
) -> None:
    opened: list[TextIO] = []

    def begin() -> None:
        opened.append(path.open("w"))
        opened[0].write("prompt,status\na slow")
        opened[0].flush()

    def end_and_save_again() -> None:
        with opened.pop() as slow:
            slow.write(" worm,\n")
        save_by_rename(path, "prompt,status\na swift,\n")

    sheet_of(path, saving(way, begin, end_and_save_again)).write(done)

    assert path.read_text() == "prompt,status\na swift,done\n"
    aside = path.with_name("prompts.csv.conflict")
    assert aside.read_text() == "prompt,status\na slow worm,\n"


def test_of_two_overlapping_saves_the_later_one_is_kept(path: Path, way: Exchange) -> None:
    opened: list[TextIO] = []
    swift = "prompt,status\na swift,\n"

    def end() -> None:
        with opened.pop() as slow:
            slow.write("prompt,status\na slow worm,\n")
        os.utime(path, (2**31, 2**31))  # clearly later, however coarse this disk's clock is

    late = saving(
        way,
        lambda: opened.append(path.open("w")),
        lambda: save_by_rename(path, swift),
        end,
    )
    sheet_of(path, late).write(done)

    assert path.read_text() == "prompt,status\na slow worm,done\n"
    assert path.with_name("prompts.csv.conflict").read_text() == swift


def test_a_save_into_the_restored_file_is_the_newest_version(path: Path, way: Exchange) -> None:
    texts = [f"prompt,status\n{animal},\n" for animal in ("an ant", "a bee", "a cat")]
    late = saving(
        way,
        lambda: save_by_rename(path, texts[0]),
        lambda: save_by_rename(path, texts[1]),
        lambda: save_in_place(path, texts[2]),
    )

    sheet_of(path, late).write(done)

    assert path.read_text() == "prompt,status\na cat,done\n"
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


def test_a_late_save_that_cannot_be_read_is_kept_as_the_file(path: Path, way: Exchange) -> None:
    late = saving(way, lambda: path.write_bytes(b"caf\xc3,\x81\x01\n"))

    with pytest.raises(SheetError, match="is not text that we know"):
        sheet_of(path, late).write(done)

    assert path.read_bytes() == b"caf\xc3,\x81\x01\n"


def test_a_save_is_not_lost_when_its_file_is_deleted_afterwards(path: Path) -> None:
    late = saving(exchange, lambda: save_by_rename(path, "prompt,status\nan elk,\n"), path.unlink)

    sheet_of(path, late).write(done)

    assert path.read_text() == "prompt,status\nan elk,done\n"


def test_a_file_that_is_deleted_before_the_exchange_stays_deleted(path: Path) -> None:
    with pytest.raises(SheetError, match="does not exist"):
        sheet_of(path, saving(exchange, path.unlink)).write(done)

    assert names(path) == ["prompts.csv.before-promptsheet"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_file_that_a_program_has_open_for_writing_is_left_unchanged(path: Path) -> None:
    with path.open("r+"), pytest.raises(SheetError, match="open for writing in another program"):
        sheet_of(path).write(done)
    assert path.read_text() == TEXT

    with path.open():  # a program that only reads does no harm
        sheet_of(path).write(done)
    assert path.read_text() == DONE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_save_by_a_program_that_opened_the_old_file_reaches_the_sheet(path: Path) -> None:
    opened: list[TextIO] = []
    late = saving(exchange, lambda: opened.append(path.open("r+")))

    def save_while_we_wait(_: float) -> None:
        if opened:
            with opened.pop() as file:
                file.write("prompt,status\nan elk,\nan owl,\n")

    CsvSheet(path, exchange=late, pause=save_while_we_wait).write(done)

    assert path.read_text() == "prompt,status\nan elk,done\nan owl,\n"


# A kill

KILLED = """
import os, sys
from pathlib import Path
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.sheets.files.swap import exchange, exchange_by_link
path, moment, way = Path(sys.argv[1]), sys.argv[2], {"swap": exchange, "link": exchange_by_link}
def killed(incoming, target):
    if moment == "before": os._exit(9)
    if moment == "late save":
        path.with_name("saved").write_text("prompt,status\\nan elk,\\n")
        path.with_name("saved").replace(path)
    way[sys.argv[3]](incoming, target)
    os._exit(9)
CsvSheet(path, exchange=killed).write(lambda grid: {(1, 1): "done"})
"""


def kill_a_write(path: Path, moment: str, way: str) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, path, moment, way], check=False)
    assert child.returncode == 9


@pytest.mark.parametrize("way", ["swap", "link"])
@pytest.mark.parametrize(
    ("moment", "content"),
    [("before", TEXT), ("after", DONE), ("late save", "prompt,status\nan elk,\n")],
)
def test_after_a_kill_the_next_start_finds_an_intact_file_and_removes_leftovers(
    path: Path, moment: str, content: str, way: str
) -> None:
    kill_a_write(path, moment, way)
    assert len(names(path)) == 3

    sheet_of(path).read()

    assert path.read_text() == content
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


def test_a_late_save_older_than_the_file_is_kept_as_a_separate_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for animal in ("a hare", "a newt"):
        path.write_text(TEXT)
        kill_a_write(path, "late save", "swap")
        save_by_rename(path, f"prompt,status\n{animal},\n")
        sheet_of(path).write(done)

    assert path.read_text() == "prompt,status\na newt,done\n"
    for name in ("prompts.csv.conflict", "prompts.csv.conflict-2"):
        assert path.with_name(name).read_text() == "prompt,status\nan elk,\n"
        assert f"kept as {name}: compare both" in caplog.text


def test_partial_files_of_a_killed_start_are_removed_and_those_of_others_kept(path: Path) -> None:
    for name in (".prompts.csv.promptsheet-0123abcd.part", ".prompts.csv.promptsheet-mine"):
        path.with_name(name).write_text("x")

    sheet_of(path).read()

    assert names(path) == [".prompts.csv.promptsheet-mine", "prompts.csv"]


# Refusals, each with a clear sentence


def refused(path: Path) -> str:
    sheet = sheet_of(path)
    with pytest.raises(SheetError) as error:
        sheet.write(done)
    assert ".part" not in "".join(names(path))
    return str(error.value).replace(str(path.parent), "…")


def test_a_missing_file_is_refused(path: Path) -> None:
    path.unlink()

    assert refused(path) == "…/prompts.csv does not exist. Put it back, or correct [sheet] source."


def test_a_folder_is_refused(path: Path) -> None:
    path.unlink()
    path.mkdir()

    assert refused(path) == "…/prompts.csv is a folder. Set [sheet] source to the file in it."


def test_a_pipe_is_refused(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)

    assert refused(path) == "…/prompts.csv is not a regular file. Set [sheet] source to one."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"prompt\nun\x81\x01\n", "is not text that we know (byte 0x81 in line 2)"),
        (b"PK\x03\x04\x14", "is an Excel workbook, whatever its name says"),
    ],
)
def test_a_file_that_is_not_text_is_refused(path: Path, content: bytes, sentence: str) -> None:
    path.write_bytes(content)

    assert refused(path) == f'…/prompts.csv {sentence}. Save it again as "CSV UTF-8".'


def test_a_column_name_that_the_encoding_lacks_is_refused(path: Path) -> None:
    path.write_bytes("prompt\ncafé\n".encode("cp1252"))

    with pytest.raises(SheetError) as error:
        sheet_of(path).write(lambda grid: {(0, 1): "状態"})

    assert str(error.value) == (
        f"{path} is Windows-1252 text, which has no letters for the column 状態."
        ' Save it again as "CSV UTF-8".'
    )
    assert names(path) == ["prompts.csv"]


def test_a_read_only_file_is_refused_even_for_root(path: Path) -> None:
    path.chmod(0o444)

    assert refused(path).startswith("…/prompts.csv is read-only. Make it writable.")
    assert sheet_of(path).read()[1] == ("a fox", "")
    assert names(path) == ["prompts.csv"]


def test_a_read_only_folder_is_refused_even_for_root(path: Path) -> None:
    path.parent.chmod(0o555)

    assert refused(path).startswith("The folder of …/prompts.csv is read-only.")
    with pytest.raises(SheetError, match="is read-only"):
        sheet_of(path).write_claim(CLAIM, None)
    assert names(path) == ["prompts.csv"]


def test_an_empty_file_is_an_empty_grid(path: Path) -> None:
    path.write_bytes(b"")

    assert sheet_of(path).read() == ()


FULL = """
import resource, sys
from pathlib import Path
from pipeline.core.errors import SheetError
from pipeline.sheets.csv.sheet import CsvSheet
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    CsvSheet(Path(sys.argv[1])).write(lambda grid: {(1, 1): "x" * 30_000})
except SheetError as error:
    print(error)
"""


def test_a_full_disk_is_refused(path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL, path], check=True, capture_output=True, text=True
    )

    assert child.stdout.startswith(f"{path} would be larger than this system allows.")
    assert path.read_text() == TEXT
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "No space is left on the disk of …/prompts.csv. Free some."),
        (errno.EBUSY, "…/prompts.csv is a mount point of its own, so it cannot be replaced."),
        (errno.EIO, "…/prompts.csv cannot be used: Input/output error."),
    ],
)
def test_a_system_error_becomes_a_clear_sentence(path: Path, number: int, sentence: str) -> None:
    def failing(incoming: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number))

    with pytest.raises(SheetError) as error:
        sheet_of(path, failing).write(done)

    assert str(error.value).replace(str(path.parent), "…").startswith(sentence)
    assert path.read_text() == TEXT
    assert names(path) == ["prompts.csv", "prompts.csv.before-promptsheet"]


# The ways to exchange


def test_the_kernel_exchanges_the_files_where_it_can(path: Path) -> None:
    incoming = path.with_name("incoming")
    incoming.write_text(DONE)
    inodes = path.stat().st_ino, incoming.stat().st_ino

    assert exchange(incoming, path) == incoming

    assert (incoming.stat().st_ino, path.stat().st_ino) == inodes


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL, errno.ENOTSUP])
def test_a_second_name_is_used_where_the_kernel_cannot_exchange(path: Path, number: int) -> None:
    def unable(incoming: Path, target: Path) -> None:
        raise OSError(number, "no")

    incoming = path.with_name("incoming-1")
    incoming.write_text(DONE)
    inode = path.stat().st_ino

    came_out = exchange(incoming, path, swap=unable)

    assert came_out.stat().st_ino == inode
    assert names(path) == sorted([came_out.name, "prompts.csv"])
    assert path.read_text() == DONE


@pytest.mark.parametrize("way", [swap_names, exchange_by_link])
def test_no_exchange_creates_a_file_that_was_missing(
    path: Path, way: Callable[[Path, Path], object]
) -> None:
    with pytest.raises(FileNotFoundError):
        way(path, path.with_name("missing.csv"))

    assert names(path) == ["prompts.csv"]


# The claim

CLAIM = Claim(sheet="/x/prompts.csv", store="store-1", counter=3, word="amber")


def test_the_claim_is_a_small_file_with_an_explanation(path: Path) -> None:
    sheet_of(path).write_claim(CLAIM, None)

    fields = json.loads(path.with_name("prompts.csv.promptsheet").read_text())
    assert "Do not delete" in fields.pop("about")
    assert fields == {"sheet": CLAIM.sheet, "store": "store-1", "counter": 3, "word": "amber"}
    assert names(path) == ["prompts.csv", "prompts.csv.promptsheet"]


@pytest.mark.parametrize("content", ["", "[]", '{"sheet": "s"}', "\xff", '{"counter": "1"}'])
def test_the_error_for_a_damaged_claim_says_what_to_do(path: Path, content: str) -> None:
    path.with_name("prompts.csv.promptsheet").write_text(content, "latin-1")

    with pytest.raises(SheetError, match=r"is damaged.*doctor --adopt"):
        sheet_of(path).read_claim()


def test_a_save_in_place_during_the_sync_of_the_folder_is_kept(
    path: Path, way: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A program opened the file before we replaced it, and saves after our first reading of it.
    saves = iter(["prompt,status\na fox,\nan owl,\na wolf,\n"])
    with path.open("r+") as theirs:

        def slow(folder: Path) -> None:
            if text := next(saves, ""):
                theirs.write(text)
                theirs.flush()

        monkeypatch.setattr("pipeline.sheets.files.replace.fsync_folder", slow)
        monkeypatch.setattr("pipeline.sheets.files.replace.being_written", lambda path: False)
        monkeypatch.setattr("pipeline.sheets.files.recovery.being_written", lambda path: False)
        sheet_of(path, way).write(done)

    assert next(saves, None) is None
    assert path.read_text() == "prompt,status\na fox,done\nan owl,\na wolf,\n"


@pytest.mark.parametrize("name", ["prompts.tsv", "PROMPTS.TSV", "Prompts.Tsv"])
def test_a_tsv_file_is_read_with_tabs_whatever_its_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("prompt\tprice,net,gross\na fox, red\t4\n")

    assert sheet_of(path).read() == (("prompt", "price,net,gross"), ("a fox, red", "4"))
