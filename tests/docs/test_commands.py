"""The commands of the documentation are run as they stand there.

A block with the tag `console` is what a person types, and is run here, in a fresh home folder and a
network of its own that has nothing but the loopback. A block with the tag `sh` needs what is not
there (a person's key, root, an index of packages), and is only read by `tests/system/test_docs.py`.
The pages that are no tutorial begin where the tutorial ends.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fakes.program import ROOT

DOCS = ROOT / "docs"
TUTORIAL = "tutorial/first-sheet.md"
#: Pages that begin in an empty folder, without a stand-in for the API.
EMPTY = {TUTORIAL, "how-to/providers.md", "how-to/sandbox.md", "reference/endpoints.md"}
#: A block that begins with one of these runs until it is stopped, "in another terminal".
SERVERS = re.compile(r"promptsheet (sandbox|watch|serve)\b")
STAND_IN = "promptsheet sandbox --port 8900 --key test"
#: Starts a server, and waits until it listens, or until its log says something.
BACKGROUND = """\
{{ before=$(listening); set +x; }} 2>/dev/null
{command} &
until [ "$(listening)" -gt "$before" ] || [ -s promptsheet.log ]; do kill -0 $!; sleep 0.05; done
set -x
"""
PREPARED = """\
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
listening() { awk '$4 == "0A"' /proc/net/tcp | wc -l; }
ip link set lo up
set -x
"""


def blocks(page: str) -> list[str]:
    """The blocks of commands of a page that are run."""
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(r"(?ms)^( *)```console\n(.*?)^ *```$", text)
    return [textwrap.dedent(block).strip() for _, block in found]


PAGES = {
    name: blocks(name)
    for name in sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
}


def run(page: str, home: Path) -> str:
    """Run the blocks of a page one after the other. Returns what went wrong, or nothing."""
    first = [] if page in EMPTY else [STAND_IN, "export APIFRAME_API_KEY=afk_test"]
    lines = [
        BACKGROUND.format(command=block) if SERVERS.match(block) else block
        for block in [*first, *PAGES[page]]
    ]
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--net", "bash", "-c", "\n".join([PREPARED, *lines])],
        cwd=home,
        env={"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    is_right = ended.returncode == 0 and "Traceback" not in ended.stdout
    return "" if is_right else f"{page}:\n{ended.stdout}"


@pytest.mark.timeout(300)
def test_the_commands_of_each_page_can_be_typed_in_their_order(tmp_path: Path) -> None:
    after_tutorial = tmp_path / "tutorial"
    after_tutorial.mkdir()
    assert run(TUTORIAL, after_tutorial) == ""
    assert len([*(after_tutorial / "media").glob("*.png")]) == 4
    wrong = []
    for number, page in enumerate(name for name, its in PAGES.items() if its and name != TUTORIAL):
        home = tmp_path / str(number)
        if page in EMPTY:
            home.mkdir()
        else:
            shutil.copytree(after_tutorial, home)
        wrong.append(run(page, home))

    assert "\n".join(filter(None, wrong)) == ""
    assert sum(len(its) for its in PAGES.values()) >= 20


def test_no_page_has_a_block_of_commands_that_is_neither_run_nor_read() -> None:
    """Every block says what it is, and commands have no prompt, so that they can be copied."""
    untagged = {
        page: body
        for page in PAGES
        for tag, body in re.findall(
            r"(?ms)^ *```(\w*)\n(.*?)^ *```$", (DOCS / page).read_text("utf-8")
        )
        if tag in ("", "bash", "shell") or (tag != "text" and body.lstrip().startswith("$ "))
    }

    assert untagged == {}
