"""The options of all commands, as `--help` of each one shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from docs.tools.blocks import code, plain, table
from pipeline.cli.commands import app
from pipeline.sandbox.__main__ import _parser as sandbox_parser

#: Options that every command has.
_EVERYWHERE = {"--help"}


def options() -> str:
    """Each command with its usage, its purpose, and its arguments and options."""
    return "\n\n".join(_section(name, one) for name, one in commands())


def commands() -> Iterator[tuple[str, Any]]:
    """All commands with their names, such as `outlets list`, in the order of the help."""
    group: Any = typer.main.get_command(app)
    for name in group.list_commands(None):
        command = group.commands[name]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {word}", one) for word, one in inner.items())


def _section(name: str, command: Any) -> str:
    usage = " ".join(["promptsheet", name, *_pieces(command)])
    parts = [f"### `{name}`", f"{' '.join(command.help.split())}\n\n`{usage}`"]
    rows = [*_rows(command)] if name != "sandbox" else [*_sandbox()]
    if rows:
        parts.append(table(["argument, option", "meaning"], rows))
    return "\n\n".join(parts)


def _pieces(command: Any) -> Iterator[str]:
    if command.params:
        yield "[OPTIONS]"
    for one in command.params:
        if one.param_type_name == "argument":
            word = f"{one.metavar or one.name.upper()}{'…' if one.nargs == -1 else ''}"
            yield word if one.required else f"[{word}]"


def _rows(command: Any) -> Iterator[list[str]]:
    for one in command.params:
        if one.param_type_name == "argument":
            yield [code(one.metavar or one.name.upper()), plain(one.help or "")]
        elif not _EVERYWHERE & {*one.opts}:
            value = "" if one.is_flag else f" {one.metavar or 'VALUE'}"
            names = ", ".join(code(name) for name in [f"{one.opts[0]}{value}", *one.opts[1:]])
            yield [names, plain(one.help or "")]


def _sandbox() -> Iterator[list[str]]:
    for one in sandbox_parser()._actions:
        if one.help and not _EVERYWHERE & {*one.option_strings}:
            choices = "|".join(map(str, one.choices)) if one.choices else ""
            value = "" if one.nargs == 0 else f" {choices or one.metavar or one.dest.upper()}"
            yield [code(f"{one.option_strings[0]}{value}"), plain(one.help.replace("%%", "%"))]
