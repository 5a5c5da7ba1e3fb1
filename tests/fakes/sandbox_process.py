"""The sandbox in its own process, for tests that count charges or kill the program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import ProxyHandler, build_opener

from pipeline.sandbox import Sandbox
from pipeline.sandbox.pictures import code_of, read_code
from tests.fakes.nursery import Child


@contextmanager
def sandbox_process(
    key: str = "sandbox", *, seed: int = 0, **switches: object
) -> Iterator[Sandbox]:
    """A sandbox on a free loopback port; its process is ended at the end."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in switches.items()]
    words = ["--port=0", f"--key={key}", f"--seed={seed}", "--print-url", *flags]
    process = Child("pipeline.sandbox.__main__", words, os.environ)
    try:
        url = process.stdout.readline().strip()
        if not url.startswith("http"):
            raise RuntimeError(
                f"the sandbox ended at once, with exit code {process.wait(10)}: {url}"
            )
        yield Sandbox(url, key)
    finally:
        process.kill()  # it keeps nothing, and a clean end takes as long as many tests
        process.close()


def shows(words: str, urls: str) -> bool:
    """True if the first picture of a cell was made from this prompt."""
    # Ignore a proxy from the environment.
    with build_opener(ProxyHandler({})).open(urls.splitlines()[0], timeout=20) as answer:
        code, _ = read_code(answer.read())
    return code == code_of(words)
