"""The clock of a store."""

from __future__ import annotations

import pytest

from tests.store.build import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
