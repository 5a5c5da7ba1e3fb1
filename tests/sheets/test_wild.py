"""Files from other programs: every row gets its picture, and no other byte changes.

The manifest of `tests/wild/files` lists each file, its program and the expected result. A second,
slow reader that shares no code with the product checks the results.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest

from pipeline import wiring
from pipeline.config import Settings, load
from pipeline.core.errors import SheetError
from pipeline.core.inputs import parsed
from pipeline.core.model import Result
from pipeline.core.sheet.header import OURS
from pipeline.core.states import Accepted, Succeeded
from pipeline.open_sheet import open_sheet
from pipeline.sheets.csv.sheet import CsvSheet
from pipeline.store import Fact
from pipeline.sync.sheet_sync import SheetSync
from tests.fakes.cases import each
from tests.wild.manifest import FILES, Wild, corpus
from tests.wild.slow_reader import Record, slowly

CORPUS = corpus()
READABLE = [wild for wild in CORPUS if not wild.refused]
REFUSED = [wild for wild in CORPUS if wild.refused]
OUR_NAMES = {name.replace("_", "") for name in OURS}
CONFIG = """
[sheet]
source = "{name}"
[columns]
ignore = ["aspect_ratio"]  # some programs make times of them, which the endpoint refuses
[provider]
name = "apiframe"
endpoint = "imagine"
api_key = "env:NO_KEY"
[store]
url = "sqlite:///store.db"
[media]
save_to = ""
"""


def copied(wild: Wild, folder: Path) -> Settings:
    """The file in its own folder, with a configuration."""
    shutil.copy(wild.path, folder)
    config = folder / "config.toml"
    config.write_text(CONFIG.format(name=wild.name), "utf-8")
    return load(config)


def picture_of(prompt: str) -> str:
    """The address of the picture for exactly this prompt."""
    return f"https://pictures.example/{crc32(prompt.encode()):08x}.png"


def a_pass(settings: Settings) -> SheetSync:
    """Sync, send all rows, finish every picture, and sync again."""
    with wiring.open_store(settings) as store:
        sync = wiring.open_sync(settings, store, open_sheet(settings, store))
        sync.look()
        submissions = wiring.submissions(settings, sync)
        begun = submissions.commit_batch((), sync.last.plan.to_send).begun
        for sending in begun:
            name = f"task-{sending.key.row_id}"
            result = Result((picture_of(parsed(sending.attempt.inputs)["prompt"]),))
            events = (Accepted(name), Succeeded(result))
            submissions.record(
                [Fact(sending.key, sending.attempt.number, event) for event in events]
            )
        if begun:
            sync.look()
        return sync


def records(wild: Wild, content: bytes) -> list[Record]:
    """The file as the slow reader reads it."""
    text = content.decode(wild.codec)
    assert text.startswith(wild.lead)
    return slowly(text.removeprefix(wild.lead), wild.delimiter)


def places(header: Record) -> dict[str, int]:
    """The position of each name, in its own normalisation."""
    folded = [re.sub(r"[^a-z0-9]", "", title.lower()) for title in header.values]
    return {title: at for at, title in reversed(list(enumerate(folded)))}


def cells(record: Record, at: dict[str, int]) -> dict[str, str]:
    """The cells, by normalised name."""
    wide = len(record.values)
    return {name: record.values[place] if place < wide else "" for name, place in at.items()}


def words(cell: str) -> str:
    """A prompt as it is sent to the API."""
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip()


@dataclass(frozen=True)
class Filled:
    """A file after its pass, with the outcome."""

    wild: Wild
    settings: Settings
    sync: SheetSync

    @property
    def content(self) -> bytes:
        return self.settings.file.read_bytes()


@pytest.fixture(scope="module", params=READABLE, ids=lambda wild: wild.name)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    settings = copied(request.param, tmp_path_factory.mktemp("filled"))
    return Filled(request.param, settings, a_pass(settings))


def test_every_row_gets_its_picture(filled: Filled) -> None:
    wild, made = filled.wild, 0
    header, *after = records(wild, filled.content)
    at = places(header)

    assert filled.sync.last.hold is None
    for old, new in zip(records(wild, wild.path.read_bytes())[1:], after, strict=True):
        prompt, shown = words(cells(old, at)["prompt"]), cells(new, at)
        if prompt and not prompt.startswith("Err:") and "quotation marks" not in shown["note"]:
            assert shown["imageurls"] == picture_of(prompt)
            assert shown["taskid"] == f"task-{shown['rowid']}"
            assert shown["status"] == "done"
            made += 1
    assert made == wild.asked


def test_no_other_byte_changes(filled: Filled) -> None:
    wild, content = filled.wild, filled.wild.path.read_bytes()
    after = records(wild, filled.content)
    ours = {at for name, at in places(after[0]).items() if name in OUR_NAMES}

    assert filled.content[:3] == content[:3]
    for old, new in zip(records(wild, content), after, strict=True):
        assert new.end == old.end
        assert theirs(new, ours) == theirs(old, ours)


def test_a_second_pass_writes_nothing(filled: Filled) -> None:
    content, before = filled.content, filled.settings.file.stat()

    sync = a_pass(filled.settings)

    after = filled.settings.file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert filled.content == content
    assert not sync.last.plan.to_send


def theirs(record: Record, ours: set[int]) -> list[str]:
    """People's cells as they are in the file."""
    raw = [field for at, field in enumerate(record.raw) if at not in ours]
    while raw and not raw[-1]:
        raw.pop()  # a row that grows has empty cells before ours
    return raw


@each("wild", READABLE)
def test_the_product_reads_the_same_as_the_slow_reader(wild: Wild) -> None:
    found = [record.values for record in records(wild, wild.path.read_bytes())]
    if wild.name == "marks.csv":  # of two marks the first is none of the text
        found[0] = (found[0][0][1:], *found[0][1:])

    assert list(CsvSheet(wild.path).read()) == found


@pytest.mark.parametrize("wild", REFUSED, ids=lambda wild: wild.name)
def test_unusable_files_are_refused_in_a_clear_sentence_and_left_unchanged(
    wild: Wild, tmp_path: Path
) -> None:
    settings = copied(wild, tmp_path)

    try:
        hold = a_pass(settings).last.hold
    except SheetError as error:
        sentence = str(error)
    else:
        assert hold, "neither refused nor held"
        sentence = hold.sentence

    sentence = sentence.removeprefix(f"{settings.source} ")
    assert sentence.startswith(wild.refused)
    assert sentence.endswith(".")
    assert settings.file.read_bytes()[: wild.path.stat().st_size] == wild.path.read_bytes()


def test_the_corpus_is_small_and_from_many_programs() -> None:
    programs = {wild.program.split()[0] for wild in CORPUS} - {"bytes"}
    made = [wild for wild in CORPUS if not wild.program.startswith("bytes")]

    assert {wild.name for wild in CORPUS} == {path.name for path in FILES.iterdir()}
    assert len(made) >= 60
    assert len(programs) >= 5
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 300_000
