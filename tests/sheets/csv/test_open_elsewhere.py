"""A file that is open in a spreadsheet program is written only after it is closed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid, Patch
from pipeline.sheets.csv.sheet import CsvSheet

TEXT = "prompt,status\na fox,\n"
HERE = socket.gethostname()
WAIT = "Results wait; the first run after it is closed there writes them."
DELETE = "If it is open nowhere, delete {} beside it."
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what runs")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text(TEXT)
    return path


def open_in_libreoffice(path: Path, who: str, hours: float = 0) -> Path:
    mark = path.with_name(".~lock.prompts.csv#")
    mark.write_text(f"{who},22.11.2026 14:23,file:///home/ann/.config/libreoffice/4;", "utf-8")
    os.utime(mark, (time.time() - hours * 3600,) * 2)
    return mark


def open_in_excel(path: Path, who: str) -> Path:
    mark = path.with_name("~$prompts.csv")
    name = who.encode("cp1252")
    mark.write_bytes(bytes([len(name)]) + name.ljust(54) + who.encode("utf-16-le").ljust(110))
    return mark


def done(grid: Grid) -> Patch:
    return {(1, 1): "done"}


def refused(path: Path) -> str:
    with pytest.raises(SheetError) as error:
        CsvSheet(path, pause=lambda _: None).write(done)
    assert path.read_text() == TEXT
    return str(error.value)


@pytest.mark.parametrize(
    ("who", "by"),
    [
        ("Ann Bee,desk-3/ann,desk-3", " (by Ann Bee on desk-3)"),
        (r"Bee\, Ann,ann,desk-3", " (by Bee, Ann on desk-3)"),
        (",ann,desk-3", " (by ann on desk-3)"),
        (",desk-3/ann,", " (by ann)"),
        (",,", ""),
        ("Zoë\x07,,", " (by Zoë)"),
    ],
)
def test_the_error_names_the_person_who_has_it_open_in_libreoffice(
    path: Path, who: str, by: str
) -> None:
    mark = open_in_libreoffice(path, who)

    sentence = refused(path)

    assert sentence == f"prompts.csv is open in LibreOffice{by}. {WAIT} {DELETE.format(mark.name)}"


def test_the_error_names_the_person_who_has_it_open_in_excel(path: Path) -> None:
    mark = open_in_excel(path, "Zoë B.")

    sentence = refused(path)

    assert (
        sentence == f"prompts.csv is open in Excel (by Zoë B.). {WAIT} {DELETE.format(mark.name)}"
    )


@pytest.mark.parametrize("name", [".~lock.prompts.csv#", "~$prompts.csv"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0\0", b"\\,;;;,", b"\xff" * 5_000])
def test_an_empty_lock_file_also_counts(path: Path, name: str, content: bytes) -> None:
    path.with_name(name).write_bytes(content)

    assert WAIT in refused(path)


def test_an_open_file_can_be_read_and_equal_content_is_no_write(path: Path) -> None:
    open_in_libreoffice(path, f",ann,{HERE}")
    sheet = CsvSheet(path)

    assert sheet.read() == (("prompt", "status"), ("a fox", ""))
    assert sheet.write(lambda grid: {(1, 1): ""}) == sheet.read()


def test_a_later_pass_writes_the_closed_file(path: Path) -> None:
    mark = open_in_libreoffice(path, f",ann,{HERE}")
    refused(path)

    mark.unlink()

    assert CsvSheet(path).write(done)[1] == ("a fox", "done")


@contextmanager
def running(name: str) -> Iterator[None]:
    """A process with this name."""
    script = "import sys, time; open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True)"
    command = [sys.executable, "-c", f"{script}; time.sleep(60)", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@only_linux
def test_a_day_old_lock_file_of_a_dead_libreoffice_is_stale(path: Path) -> None:
    mark = open_in_libreoffice(path, f",ann,{HERE}", hours=25)

    with running("soffice.bin"):
        assert WAIT in refused(path)
    if not any_office_runs():
        CsvSheet(path).write(done)
        assert path.read_text() == "prompt,status\na fox,done\n"
    assert mark.exists(), "it is not ours to delete"


def any_office_runs() -> bool:
    return "soffice.bin\n" in [file.read_text() for file in Path("/proc").glob("[0-9]*/comm")]


@only_linux
@pytest.mark.parametrize(("host", "hours"), [(HERE, 23), ("another-desk", 1_000)])
def test_a_newer_lock_file_or_one_of_another_machine_counts(
    path: Path, host: str, hours: float
) -> None:
    open_in_libreoffice(path, f",ann,{host}", hours)

    assert "is open in LibreOffice (by ann on " in refused(path)
