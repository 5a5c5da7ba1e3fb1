"""The table `[prompt]`: how prompts are made of columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from pipeline.config.problems import nearest
from pipeline.config.schema import PromptTable
from pipeline.config.secrets import resolved
from pipeline.config.settings import GoogleSource, PromptSettings
from pipeline.config.sources import TAB
from pipeline.core.inputs import PROMPT
from pipeline.core.prompts.templates import PromptTemplate, template
from pipeline.core.sheet.header import CONTROLS, OURS, folded

#: Kinds of file that may hold styles.
WORKBOOKS = (".xlsx", ".xlsm")
STYLE_FILES = (".csv", ".tsv", *WORKBOOKS)


def prompt_settings(
    table: PromptTable, path: Path, fields: Collection[str], problems: list[str]
) -> PromptSettings | None:
    """The checked table; None if prompts are not made of columns.

    `fields` are the names of all input columns of the provider files: a column of the template is
    the same as one of these, in any spelling.
    """
    if not table.text.strip():
        if table.styles:
            problems.append("prompt.styles: is only used with prompt.text. Set it, too.")
        return None
    try:
        made = template(table.text)
    except ValueError as why:
        problems.append(f"prompt.text: {why}")
        return None
    named = _named(made, fields)
    refused = [name for name in named.columns if name in _NEVER or name in OURS]
    problems += [f"prompt.text: {{{name}}} is a column of Promptsheet itself" for name in refused]
    if PROMPT not in fields:
        problems.append("prompt.text: no endpoint of this provider takes a prompt. Remove it.")
    own_tab = table.styles[len(TAB) :].strip() if table.styles.startswith(TAB) else ""
    has_file = bool(table.styles) and not table.styles.startswith(TAB)
    if table.styles.startswith(TAB) and (not own_tab or table.styles_tab):
        problems.append(f'prompt.styles: write the name of the tab here, such as "{TAB}Styles"')
    styles = resolved(path, table.styles) if has_file else None
    column = _spelled(table.style_column, named.columns)
    if table.styles and column not in named.columns:
        problems.append(
            f"prompt.styles: text has no {{{table.style_column}}} to put a style into"
            + nearest(table.style_column, list(named.columns))
            + ". Set prompt.style_column if the column has another name."
        )
    if styles is not None and styles.suffix.casefold() not in STYLE_FILES:
        problems.append(f"prompt.styles: write the name of a file: {', '.join(STYLE_FILES)}")
    return PromptSettings(named, styles, table.styles_tab, own_tab, column)


def of_sheet(
    its: PromptSettings | None, source: Path | GoogleSource, problems: list[str]
) -> PromptSettings | None:
    """The same for this sheet: a tab of its own workbook is in the file of the sheet."""
    if its is None or not its.own_tab or not isinstance(source, Path):
        return its
    if source.suffix.casefold() not in WORKBOOKS:
        problems.append(
            f"prompt.styles: {source.name} has no tabs. Write the name of a file: "
            f"{', '.join(STYLE_FILES)}"
        )
    return replace(its, styles=source, styles_tab=its.own_tab, own_tab="")


#: Controls whose cells say nothing about the picture.
_NEVER = frozenset(CONTROLS) - {"name"}


def _named(made: PromptTemplate, fields: Collection[str]) -> PromptTemplate:
    """The template with our names for its columns, and one spelling for each of the others."""
    names: dict[str, str] = {}
    known = [*OURS, *CONTROLS, *fields]
    for written in made.columns:
        names[written] = _spelled(written, known)
        known.append(names[written])
    return made.named(names)


def _spelled(name: str, known: Collection[str]) -> str:
    """The known name that is the same in another spelling; else the name."""
    return next((one for one in known if folded(one) == folded(name)), name)
