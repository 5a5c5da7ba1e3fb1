"""What `doctor` says about the file of the sheet and the store, before either is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.cli.doctor.case import Case, Finding
from pipeline.open_sheet import refuse_read_only


def configuration(case: Case) -> Iterator[Finding]:
    """The configuration was read; it is wrong otherwise before doctor begins."""
    yield Finding("ok", f"{case.settings.path.name} can be used.")


def read_only(case: Case) -> Iterator[Finding]:
    """Whether the sheet's file can be written."""
    if isinstance(case.settings.source, Path) and case.settings.source.is_file():
        refuse_read_only(case.settings.source)
    yield from ()


def store(case: Case) -> Iterator[Finding]:
    """Whether the store can be opened, and is not damaged."""
    if case.store_trouble:
        yield Finding("reach", case.store_trouble)
