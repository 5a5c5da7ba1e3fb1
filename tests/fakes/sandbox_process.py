"""The sandbox as a process of its own, for tests that count money or kill what they test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import ProxyHandler, build_opener

from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import code_of, read_code


@contextmanager
def sandbox_process(
    key: str = "sandbox", *, seed: int = 0, **switches: object
) -> Iterator[Sandbox]:
    """A sandbox on a free loopback port; its process is ended at the end."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in switches.items()]
    command = [sys.executable, "-m", "pipeline.sandbox", "--port=0", f"--key={key}"]
    with subprocess.Popen(
        [*command, f"--seed={seed}", "--print-url", *flags], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the sandbox ended at once, with exit code {process.wait(10)}")
            yield Sandbox(url, key)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def shows(words: str, urls: str) -> bool:
    """Whether the first picture of a cell was made from these words."""
    # Without the proxy that the environment may name.
    with build_opener(ProxyHandler({})).open(urls.splitlines()[0], timeout=20) as answer:
        code, _ = read_code(answer.read())
    return code == code_of(words)
