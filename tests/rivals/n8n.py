"""A real n8n with a Google Sheet. It is a server: a run is one execution of its workflow."""

from __future__ import annotations

import atexit
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread

import httpx

from pipeline.sandbox import Sandbox
from tests.compat.n8n_server import N8n
from tests.rivals.measure import PATIENCE
from tests.rivals.n8n_nodes import PATH, Node, credentials
from tests.rivals.sheets import GoogleTab, Results

#: The key of n8n's database: the same in all copies.
_KEY = {"N8N_ENCRYPTION_KEY": secrets.token_hex(16)}


class N8nRunner:
    """n8n with the workflow that `workflow` makes of three things: the address of the API, the id
    of the spreadsheet and the address of n8n itself.
    """

    def __init__(
        self,
        installed: Path,
        workflow: Callable[[str, str, str], Node],
        folder: Path,
        api: Sandbox,
        sheet: GoogleTab,
    ) -> None:
        self._sheet = sheet
        routed = {
            "NODE_OPTIONS": f"--require={Path(__file__).with_name('to_the_stand_in.js')}",
            "GOOGLE_STAND_IN_PORT": sheet.google.url.rpartition(":")[2],
        }
        self.n8n = N8n(installed, _home(installed, folder / "n8n"), routed | _KEY)
        made = workflow(api.url, sheet.book.id, self.n8n.url)
        self.n8n.load(made, credentials(api.key, sheet.google.key))
        self._answers: list[int] = []
        self._asking = Thread()

    @property
    def pid(self) -> int:
        assert self.n8n.process is not None
        return self.n8n.process.pid

    def open(self) -> None:
        """Start the server, unless it runs."""
        if self.n8n.process is None:
            self.n8n.start(_is_up)

    def begin(self) -> None:
        """Start an execution. It is answered at its end."""
        self._answers.clear()
        self._asking = Thread(target=self._ask)
        self._asking.start()

    def is_over(self) -> bool:
        """True if the execution has ended."""
        if self._asking.is_alive():
            return False
        if self._answers != [200]:
            raise RuntimeError(f"the workflow failed: {self._answers}\n{self.n8n.log()}")
        return True

    def kill(self) -> None:
        """End n8n and its task runner by SIGKILL."""
        self.n8n.stop(signal.SIGKILL)
        self._asking.join(30)

    def results(self) -> Results:
        """The sheet itself."""
        return self._sheet.results()

    def close(self) -> None:
        """End n8n."""
        self.n8n.stop()

    def _ask(self) -> None:
        try:
            answer = httpx.post(f"{self.n8n.url}/webhook/{PATH}", timeout=PATIENCE)
            self._answers.append(answer.status_code)
        except httpx.HTTPError:
            self._answers.append(0)


def _home(installed: Path, home: Path) -> Path:
    """A folder for n8n whose database has its tables and nothing else."""
    shutil.copytree(_empty(installed), home)
    return home


@cache
def _empty(installed: Path) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    N8n(installed, folder, _KEY).prepare()
    return folder


def _is_up(url: str) -> bool:
    # A GET says 404 in any case; its text names POST once the workflow listens.
    answer = httpx.get(f"{url}/webhook/{PATH}", timeout=10)
    return answer.status_code == 404 and "POST" in answer.text
