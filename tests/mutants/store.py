"""Faults of store."""

from __future__ import annotations

from tests.mutants.fault import Fault

FAULTS: tuple[Fault, ...] = ()
