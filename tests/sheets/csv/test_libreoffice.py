"""A real LibreOffice opens, sorts, extends and saves the sheet between two passes.

Not in the default run: `pytest -m office`. Needs LibreOffice Calc and a Python with `uno`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import wiring
from pipeline.config import load
from pipeline.sandbox import running
from pipeline.sandbox.server import Sandbox
from pipeline.server import event_loop
from pipeline.sync.outcome import Asked, Outcome
from tests.fakes.program import until
from tests.wild import slow_reader

pytestmark = [pytest.mark.office, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).parents[2] / "wild" / "in_libreoffice.py"
INSTALL = "Install it: apt-get install --no-install-recommends libreoffice-calc python3-uno"
PROMPTS = ["a fox, asleep", 'an owl that says "hoo"', "un café; à l'été", "a bear\nin two lines"]
LATER = ["a wolf at dawn", "=SUM of all parts, as a poster", "zwei Löwen, «groß»"]
CONFIG = """
[sheet]
source = "{name}"
[provider]
name = "apiframe"
endpoint = "imagine"
api_key = "env:OFFICE_TEST_KEY"
base_url = "{url}"
[pace]
poll_every = "50ms"
[store]
url = "sqlite:///store.db"
[media]
save_to = ""
"""


@dataclass(frozen=True)
class Format:
    """A kind of CSV: its first content, and LibreOffice's options to open and save it."""

    name: str
    codec: str
    delimiter: str
    options: str
    lead: str = ""


FORMATS = (
    Format("utf-8.csv", "utf-8", ",", "44,34,76,1"),
    Format("marked.csv", "utf-8-sig", ";", "59,34,76,1,,0,true,false,true"),
    Format("western.csv", "cp1252", ";", "59,34,1,1"),
    Format("unicode.tsv", "utf-16", "\t", "9,34,65535,1"),
    # LibreOffice treats that line as a row, so people begin at the second.
    Format("said.csv", "utf-8", ";", "59,34,76,{first}", "sep=;\r\n"),
)


class Office:
    """LibreOffice without a window, controlled by a script."""

    def __init__(self, folder: Path) -> None:
        self._python = python_with_uno()
        self._pipe = f"promptsheet-{os.getpid()}"
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        accept = f"--accept=pipe,name={self._pipe};urp"
        self.process = subprocess.Popen(
            [needed("soffice"), "--headless", "--norestore", "--nologo", profile, accept],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: self._gesture("look").returncode == 0, "LibreOffice starts", within=60)

    def __call__(self, *words: str | Path) -> None:
        done = self._gesture(*map(str, words))
        assert done.returncode == 0, done.stderr

    def _gesture(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self._python, str(SCRIPT), self._pipe, *words]
        return subprocess.run(command, check=False, capture_output=True, text=True)


def needed(program: str) -> str:
    where = shutil.which(program)
    if not where:
        pytest.fail(f"{program} is not here. {INSTALL}")
    return where


def python_with_uno() -> str:
    beside = Path(needed("soffice")).resolve().with_name("python")
    for python in (str(beside), "/usr/bin/python3", shutil.which("python3") or ""):
        if Path(python).is_file():
            asked = subprocess.run([python, "-c", "import uno"], check=False, capture_output=True)
            if asked.returncode == 0:
                return python
    return pytest.fail(f"No Python here knows uno. {INSTALL}")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    try:
        yield office
    finally:
        office("quit")
        office.process.wait(30)


@dataclass(frozen=True)
class Desk:
    """A sheet in a folder, and the API with its counts."""

    folder: Path
    format: Format
    sandbox: Sandbox

    @property
    def path(self) -> Path:
        return self.folder / self.format.name

    @property
    def options(self) -> str:
        said = self.path.read_bytes().startswith(self.format.lead.encode() or b"sep=")
        return self.format.options.format(first=2 if said else 1)

    def a_pass(self, wait: bool = True) -> Outcome:
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(name=self.format.name, url=self.sandbox.url), "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OFFICE_TEST_KEY", self.sandbox.key)
            settings = load(config, need_key=True)
        outcome = event_loop.run(wiring.run(settings, Asked(wait=wait)))
        assert isinstance(outcome, Outcome)
        return outcome

    def rows(self) -> list[dict[str, str]]:
        """The sheet as an independent reader reads it, in its current encoding."""
        content = self.path.read_bytes()
        codec = self.format.codec
        text = content.decode("utf-8-sig" if codec.startswith("utf-8") else codec)
        text = text.removeprefix(self.format.lead)
        header, *records = slow_reader.slowly(text, self.format.delimiter)
        return [dict(zip(header.values, record.values, strict=False)) for record in records]

    def assert_in_their_own_rows(self, prompts: list[str]) -> None:
        """Check that every prompt is there once, is done, has its own task, and was paid once."""
        rows, state = self.rows(), self.sandbox.state(ids=True)
        assert sorted(row["prompt"] for row in rows) == sorted(prompts)
        assert {row["status"] for row in rows} == {"done"}
        for row in rows:
            assert state["ids"][row["task_id"]] == row["prompt"]
            assert row["image_urls"].count("\n") == 3
            assert row["task_id"] in row["image_urls"]
        assert state["tasks"] == dict.fromkeys(prompts, 1)


@pytest.fixture(params=FORMATS, ids=lambda form: form.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    form: Format = request.param
    quoted = ['"' + prompt.replace('"', '""') + '"' for prompt in PROMPTS]
    lines = [form.delimiter.join(cells) for cells in [("nr", "prompt"), *enumerated(quoted)]]
    text = form.lead + "".join(f"{line}\r\n" for line in lines)
    (tmp_path / form.name).write_bytes(text.encode(form.codec))
    with running("office", task_seconds=0.5, plain_pictures=True) as sandbox:
        yield Desk(tmp_path, form, sandbox)


def enumerated(prompts: list[str]) -> list[tuple[str, str]]:
    return [(str(number), prompt) for number, prompt in enumerate(prompts, start=1)]


def test_results_from_while_the_file_was_open_follow_their_rows_after_sort_and_save(
    office: Office, desk: Desk
) -> None:
    desk.a_pass(wait=False)
    office("open", desk.path, desk.options)
    before = desk.path.read_bytes()

    meanwhile = desk.a_pass()

    assert meanwhile.code == 3
    assert f"{desk.format.name} is open in LibreOffice" in " ".join(meanwhile.sentences)
    assert desk.path.read_bytes() == before
    office("sort", "prompt")
    office("add", *LATER)
    office("save")
    assert desk.a_pass().code == 3
    assert len(desk.sandbox.state()["tasks"]) == len(PROMPTS), "new rows wait for their ids"
    office("close")

    after = desk.a_pass()

    assert after.code == 0, after.sentences
    desk.assert_in_their_own_rows(PROMPTS + LATER)


def test_repeated_sorting_and_saving_pays_nothing_twice(office: Office, desk: Desk) -> None:
    desk.a_pass()
    for column in ("prompt", "row_id", "task_id", "nr"):
        office("open", desk.path, desk.options)
        office("sort", column)
        office("save")
        office("close")

        assert desk.a_pass().code == 0

        desk.assert_in_their_own_rows(PROMPTS)
        written = desk.path.read_bytes()
        desk.a_pass()
        assert desk.path.read_bytes() == written
