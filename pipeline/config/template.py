"""The text of a new configuration, as `init` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Credits for a day, if no other number was requested.
PER_DAY: Final = 1000
#: The port of `promptsheet sandbox`, as `init` prints its command.
SANDBOX_PORT: Final = 8900
SANDBOX: Final = f"http://127.0.0.1:{SANDBOX_PORT}"

_CONFIG: Final = """\
# Promptsheet: fill the sheet, run this, get the pictures back in the same rows.
# configs/example.toml shows every key with its meaning.

[sheet]
{sheet}{columns}
[provider]
name = {name}
endpoint = {endpoint}
{api_key}{sandbox}{defaults}
[budget]                            # in {units}{price}
per_run = {per_day}
per_day = {per_day}
{rules}
[media]
save_to = {save_to}
{inputs}
# [[outlets]]                       # a chat, a table or a program that gets results:
# kind = "slack"                    # delete the # of these lines (docs/how-to/outlets.md)
# url = "env:SLACK_URL"
"""
_KEY: Final = """\
api_key = {reference}    # {where}, never the key itself
"""
_GOOGLE: Final = """\
source = {source}
credentials = {credentials}    # where the key is, never the key itself
"""
_COLUMNS: Final = """
[columns]
prompt = {title}
"""
_STAND_IN: Final = """\
base_url = "{sandbox}"  # the stand-in on this machine; delete this line to use {vendor}
"""
_INPUTS: Final = """\
inputs = "{inputs}"                  # cells may name files in this folder
"""
_DEFAULTS: Final = """
[defaults]                          # for rows that leave the cell empty
aspect_ratio = {aspect_ratio}
"""
_RULES: Final = """
[rules]
approval = true                     # a row is sent once it is approved in the column `approved`
"""
_IN_VARIABLE: Final = "the name of an environment variable"
_IN_FILE: Final = "the file with the key"
_SAVED: Final = '"media/"                  # every picture is saved here'
_NOT_SAVED: Final = '""                        # pictures are not saved, only their addresses are'


@dataclass(frozen=True, slots=True)
class Target:
    """The API and the endpoint of a new configuration."""

    name: str = "apiframe"
    endpoint: str = "imagine"
    #: The environment variable for the key.
    variable: str = "APIFRAME_API_KEY"
    #: Its name for people.
    vendor: str = "Apiframe"
    #: What the address of its stand-in ends with.
    path: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requested values of a new configuration; None means the default."""

    aspect_ratio: str | None = None
    per_day: int | None = None
    approval: bool | None = None
    save: bool | None = None
    sandbox: bool | None = None
    target: Target = Target()
    #: The folder of the files that cells may name; empty: none.
    inputs: str = ""
    #: The title of the column with the prompts, if it is not `prompt`.
    prompt_column: str = ""
    #: The file with the key; empty: it is in an environment variable.
    key_file: str = ""


def new_config(sheet: str, wanted: Wanted, price: str = "", unit: str = "credit") -> str:
    """The text of a configuration. `sheet` holds the lines of its first table.

    `price` says what a row costs; empty leaves it out. `unit` is that of prices and budgets.
    """
    per_day = PER_DAY if wanted.per_day is None else wanted.per_day
    ratio, target = wanted.aspect_ratio, wanted.target
    variable = f"env:{target.variable}"
    stand_in = _STAND_IN.format(sandbox=SANDBOX + target.path, vendor=target.vendor)
    return _CONFIG.format(
        sheet=sheet,
        columns=_COLUMNS.format(title=quoted(wanted.prompt_column)) if wanted.prompt_column else "",
        name=quoted(target.name),
        endpoint=quoted(target.endpoint),
        api_key=_KEY.format(
            reference=quoted(f"file:{wanted.key_file}" if wanted.key_file else variable),
            where=_IN_FILE if wanted.key_file else _IN_VARIABLE,
        ),
        sandbox=stand_in if wanted.sandbox else "",
        defaults=_DEFAULTS.format(aspect_ratio=quoted(ratio)) if ratio else "",
        units=f"{unit}s",
        price=f"; {price}" if price else "",
        per_day=per_day,
        rules=_RULES if wanted.approval else "",
        save_to=_NOT_SAVED if wanted.save is False else _SAVED,
        inputs=_INPUTS.format(inputs=wanted.inputs) if wanted.inputs else "",
    )


def without_stand_in(text: str, target: Target, key_file: str) -> str:
    """The configuration that `init` wrote for the stand-in, for the API itself; else empty.

    With `key_file`, the key is in that file. All other lines stay as they are.
    """
    stand_in = _STAND_IN.format(sandbox=SANDBOX + target.path, vendor=target.vendor)
    if text.count(stand_in) != 1 or not (in_file := with_key_file(text, target, key_file)):
        return ""
    return (in_file if key_file else text).replace(stand_in, "")


def with_key_file(text: str, target: Target, key_file: str) -> str:
    """The configuration with its key in a file, if its line about the key is as `init` wrote it.

    Else empty. All other lines stay as they are.
    """
    in_variable = _KEY.format(reference=quoted(f"env:{target.variable}"), where=_IN_VARIABLE)
    in_file = _KEY.format(reference=quoted(f"file:{key_file}"), where=_IN_FILE)
    if text.count(in_file) == 1:
        return text
    return text.replace(in_variable, in_file) if text.count(in_variable) == 1 else ""


def file_lines(source: str, tab: str = "") -> str:
    """The lines that name a sheet in a file, and its tab if that is not the first."""
    return f"source = {quoted(source)}\n" + (f"tab = {quoted(tab)}\n" if tab else "")


def google_lines(address: str, credentials: str, base_url: str) -> str:
    """The lines that name a Google Sheet and the reference to its key."""
    lines = _GOOGLE.format(source=quoted(address), credentials=quoted(credentials))
    return lines + (f"base_url = {quoted(base_url)}\n" if base_url else "")


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
