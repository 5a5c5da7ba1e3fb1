"""Runs the script of the Google Sheet's menu in a real JavaScript engine, without Google.

The engine is the node that comes with Playwright, which the tests of the page need anyway. The
services of Google are the small fakes of `apps_script.js`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import playwright

from tests.fakes.program import ROOT

FOLDER = ROOT / "configs" / "deploy" / "apps-script"
NODE = Path(playwright.__file__).parent / "driver" / "node"
ADDRESS = "https://runs.example.com/run/pipeline"


@dataclass(frozen=True)
class Seen:
    """What the person saw, and where requests went."""

    toasts: list[list[str]]
    alerts: list[list[str]]
    menu: list[list[str]]
    logged: list[str]
    requests: list[str]


def chosen(function: str, base: str, properties: Mapping[str, str]) -> Seen:
    """Call a function of the script; requests to any host go to the server at `base`."""
    done = subprocess.run(
        [
            NODE,
            ROOT / "tests" / "fakes" / "apps_script.js",
            FOLDER / "Code.gs",
            function,
            base,
            json.dumps(dict(properties)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return Seen(**seen)
