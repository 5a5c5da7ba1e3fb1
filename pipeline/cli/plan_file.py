"""The file of a plan: `run --plan -o FILE` writes it, `run --from-plan FILE` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import ConfigError
from pipeline.core.planning.files import PlannedSheet, of_text, to_text


def check_options(
    plan: bool, output: Path | None, from_plan: Path | None, *, is_narrowed: bool
) -> None:
    """Raises ConfigError if the options contradict each other, or the file cannot take a plan."""
    if output and not plan:
        raise ConfigError("-o writes a plan: use it together with --plan.")
    if from_plan and (plan or is_narrowed):
        raise ConfigError("--from-plan sends exactly a plan: leave out --plan, --row and --limit.")
    if output:
        _check_place(output)


def _check_place(file: Path) -> None:
    """Raises ConfigError if a plan must not be written there: only a plan is ever replaced."""
    if not file.parent.is_dir():
        raise ConfigError(f"There is no folder {file.parent}. Make it, or name another file.")
    if not file.exists():
        return
    try:
        of_text(file.read_text("utf-8"))
    except (ValueError, OSError):
        raise ConfigError(f"{file} exists, and is not a plan. Name another file.") from None


def write(file: Path, sheets: Sequence[PlannedSheet]) -> None:
    """Write the plans, instead of earlier ones in that file. Raises OSError."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(to_text(sheets), encoding="utf-8")
    beside.replace(file)


def read(file: Path) -> dict[str, PlannedSheet]:
    """The plans of a file, by the key of their sheet. Raises ConfigError."""
    try:
        return {plan.key: plan for plan in of_text(file.read_text("utf-8"))}
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {file}. Make a plan with run --plan -o {file}."
        ) from None
    except OSError as e:
        raise ConfigError(f"{file} cannot be read: {e.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} cannot be used: it is not UTF-8 text.") from None
    except ValueError as e:
        raise ConfigError(f"{file} cannot be used: {e}.") from None
