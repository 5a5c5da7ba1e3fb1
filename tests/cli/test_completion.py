"""Completion: what a word may become, and real shells that ask for it at a Tab."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from pipeline.cli.completion import CONFIGS, SHEETS, Files, candidates
from tests.fakes.program import ROOT


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [
        ([], "re", {"receipt", "report", "resume", "retry"}),
        (["outlets"], "f", {"fill", "forget"}),
        (["run", "a.toml"], "--st", {"--strict"}),
        (["run", "--limit", "3"], "--wa", {"--wait"}),
        (["init", "--endpoint"], "flux-i", {"flux-imagine"}),
        (["init"], "--endpoint=flux-i", {"--endpoint=flux-imagine"}),
        (["init", "--endpoint"], "replicate/flux-s", {"replicate/flux-schnell"}),
        (["endpoints"], "upscale-1", {"upscale-1x"}),
        (["endpoints", "--provider"], "rep", {"replicate"}),
        (["watch", "--log-format"], "", {"text", "json"}),
        (["outlets", "test"], "", {"slack", "team"}),
        (["outlets", "test", "team"], "--", {"--help"}),
        (["no-such-command"], "", set()),
        (["store", "copy", "a", "b"], "", set()),
    ],
)
def test_a_word_may_become(
    words: list[str],
    last: str,
    expected: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("promptsheet.toml").write_text(
        '[[outlets]]\nkind = "slack"\n[[outlets]]\nkind = "http"\nname = "team"\n'
    )

    found = candidates(words, last)

    assert not isinstance(found, Files)
    assert found.keys() == expected


def test_the_only_vendor_that_begins_so_is_completed_to_its_endpoints() -> None:
    one, all_of_them = candidates(["init", "--endpoint"], "replic"), candidates(["endpoints"], "")

    assert isinstance(one, Mapping)
    assert isinstance(all_of_them, Mapping)
    assert "replicate/flux-schnell" in one
    assert all(name.startswith("replicate/") and name != "replicate/" for name in one)
    assert "imagine" in all_of_them


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["run"], CONFIGS),
        (["run", "a.toml"], CONFIGS),
        (["doctor"], CONFIGS),
        (["retry"], CONFIGS),
        (["init", "--config"], CONFIGS),
        (["init"], SHEETS),
        (["run", "--output"], Files()),
    ],
)
def test_where_a_file_is_named_its_kind_is_known(words: list[str], files: Files) -> None:
    assert candidates(words, "") == files


def test_an_answer_loads_neither_pydantic_nor_rich() -> None:
    program = (
        "import sys; from pipeline.cli.completion import candidates\n"
        "candidates(['init', '--endpoint'], 'flux'); candidates(['run'], '')\n"
        "print(sorted({'pydantic', 'rich', 'sqlalchemy', 'asyncio'} & sys.modules.keys()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert said.stdout == "[]\n"


class Tab:
    """A real shell at a terminal, in which a person presses Tab."""

    def __init__(self, screen: int) -> None:
        self._screen = screen
        self._shown = b""

    def types(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def shows(self, text: str) -> None:
        end = monotonic() + 30
        while text.encode() not in self._shown:
            ready, _, _ = select.select([self._screen], [], [], max(end - monotonic(), 0))
            assert ready, f"{text!r} was not shown; it shows {self._shown!r}"
            self._shown += os.read(self._screen, 10_000)
        self._shown = b""


@contextmanager
def shell(home: Path, *words: str) -> Iterator[Tab]:
    """This shell in a new home, with the program on its PATH."""
    known = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SHELL": shutil.which(words[0]) or "",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
    }
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, 200))
    process = subprocess.Popen(
        words,
        cwd=home,
        env=known,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(its)
    try:
        yield Tab(ours)
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)


@pytest.mark.parametrize(
    ("name", "options"), [("bash", ("--norc",)), ("zsh", ("-f",)), ("fish", ("--no-config",))]
)
def test_a_tab_completes_in_a_real_shell(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    if shutil.which(name) is None:  # `make servers`, which `make test` calls, installs all three.
        pytest.skip(f"{name} is not installed here")
    (tmp_path / "spring plan.toml").touch()
    (tmp_path / "spring.csv").touch()
    scripts = {
        "bash": ". ~/.bash_completions/promptsheet.sh",
        "zsh": "fpath+=~/.zfunc; autoload -Uz compinit; compinit -u",
        "fish": "source ~/.config/fish/completions/promptsheet.fish",
    }
    with shell(tmp_path, name, *options) as tab:
        tab.types("promptsheet --install-completion\n")
        tab.shows("completion installed in")
        tab.types(f"{scripts[name]}; echo rea''dy\n")
        tab.shows("ready")
        tab.types("promptsheet rec\t")
        tab.shows("receipt ")
        tab.types("--si\t")
        tab.shows("--since ")
        tab.types("\x15promptsheet run spr\t")
        tab.shows("spring\\ plan.toml")
        tab.types("\x15promptsheet run 'spr\t")
        tab.shows("'spring plan.toml'")
        tab.types('\x15promptsheet run "spr\t')
        tab.shows('"spring plan.toml"')
