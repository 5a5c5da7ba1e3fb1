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
from collections.abc import Mapping
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
#: The stand-in forgets what the pages before have asked of it.
AS_NEW = "curl --silent --fail --output /dev/null --data {} http://127.0.0.1:8900/_sandbox/reset"
#: Whatever runs in the background ends with its page.
ENDED = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
PREPARED = f"""\
set -euo pipefail
{ENDED}
listening() {{ awk '$4 == "0A"' /proc/net/tcp | wc -l; }}
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


def run(homes: Mapping[str, Path]) -> str:
    """Run the blocks of pages one after the other, each page in a folder of its own. Returns what
    went wrong, or nothing.

    Where a page needs a stand-in for the API, one is started for all of them.
    """
    lines = [] if EMPTY.issuperset(homes) else [STAND_IN, "export APIFRAME_API_KEY=afk_test"]
    again = [AS_NEW] if lines else []
    for page, home in homes.items():
        own = ["(", ENDED, f": {page}", f"cd {home}", f"export HOME={home}", *PAGES[page], ")"]
        lines += [*again, *own]
    typed = [BACKGROUND.format(command=one) if SERVERS.match(one) else one for one in lines]
    folder = next(iter(homes.values()))
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--net", "bash", "-c", "\n".join([PREPARED, *typed])],
        cwd=folder,
        env={"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    is_right = ended.returncode == 0 and "Traceback" not in ended.stdout
    return "" if is_right else ended.stdout


@pytest.mark.timeout(300)
def test_the_commands_of_each_page_can_be_typed_in_their_order(tmp_path: Path) -> None:
    after_tutorial = tmp_path / "tutorial"
    after_tutorial.mkdir()
    assert run({TUTORIAL: after_tutorial}) == ""
    assert len([*(after_tutorial / "media").glob("*.png")]) == 4
    others = {
        page: tmp_path / str(number)
        for number, page in enumerate(name for name, its in PAGES.items() if its)
        if page != TUTORIAL
    }
    for page in others.keys() - EMPTY:
        shutil.copytree(after_tutorial, others[page])
    assert run({page: home for page, home in others.items() if page not in EMPTY}) == ""
    for page in others.keys() & EMPTY:
        others[page].mkdir()
        assert run({page: others[page]}) == ""
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
