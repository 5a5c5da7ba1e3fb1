"""Imports of modules that only the notebook extra installs, on first use."""

from __future__ import annotations

import importlib
from typing import Any

from pipeline.core.errors import ConfigError, PromptsheetError


def needed(module: str) -> Any:
    """A module of the notebook extra. Raises ConfigError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        error = ConfigError(
            f"Tables and charts need {missing.name}, which is not installed. "
            'Install "promptsheet[notebook]" with pip, uv or pipx.'
        )
        raise as_sentence(error) from None


def as_sentence(error: PromptsheetError) -> PromptsheetError:
    """The same error, changed so that Jupyter shows only its text and no traceback."""
    # IPython calls this method of an exception instead of printing its own traceback.
    error._render_traceback_ = lambda: [str(error)]  # type: ignore[attr-defined]
    return error
