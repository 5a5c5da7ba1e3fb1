"""The API key in `init`: it is checked at once, which costs nothing, and typed if there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from pipeline.cli.doctor.accounts import asked
from pipeline.cli.init_google import tick
from pipeline.cli.init_questions import trial_settings
from pipeline.cli.questions import confirm, in_lines
from pipeline.cli.stand_in import has_stand_in, is_stand_in
from pipeline.config import Settings, load
from pipeline.config.secrets import kept
from pipeline.config.template import SANDBOX, Target, Wanted, with_key_file, without_stand_in
from pipeline.core.errors import ConfigError
from pipeline.core.text import one_line
from pipeline.plain_files import create_whole, write_whole
from pipeline.reports.summary import here
from pipeline.server import event_loop


def with_key(console: Console, wanted: Wanted, config: Path) -> tuple[Wanted, str]:
    """Where the key of a new configuration is, and the key itself if it is in a file, or will be.

    A key in the environment, or in a file that an earlier `init` wrote, is checked first. If no key
    is typed, the sandbox is wanted, if there is one.
    """
    variable = wanted.target.variable
    if os.environ.get(variable, "").strip() and _is_usable(console, wanted, config):
        return wanted, ""
    names = list(_file_names(config, wanted.target.vendor))
    for name in names[:-1]:
        secret = kept(f"file:{name}", config, os.environ)
        if secret and _is_usable(console, wanted, config, secret.reveal()):
            return replace(wanted, key_file=name), secret.reveal()
    is_free = has_stand_in(wanted.target.name)
    without = "try it with a stand-in, at no cost" if is_free else "go on without it"
    question = _question(wanted.target, without)
    while typed := _typed(question):
        if _is_usable(console, wanted, config, typed):
            return replace(wanted, key_file=names[-1]), typed
    if not is_free:
        return wanted, ""
    console.print("Nothing will be paid: a stand-in on this machine draws the pictures.")
    return replace(wanted, sandbox=True), ""


def with_key_now(console: Console, settings: Settings, target: Target) -> Settings | None:
    """The settings of a configuration that existed, with a key if the person has one now.

    None if the API refuses the key that it has.
    """
    config, is_local = settings.path, settings.base_url.startswith(SANDBOX)
    if is_local:
        if is_stand_in(settings) and _leaves_stand_in(console, config, target):
            console.print(f"{here(config)} uses {target.vendor} now.", markup=False)
            return load(config)
    elif settings.api_key is None:
        if _gets_missing_key(console, config, target):
            return load(config)
    elif not is_accepted(console, settings):
        return None
    return settings


def _leaves_stand_in(console: Console, config: Path, target: Target) -> bool:
    """Let a configuration for the stand-in use the API, if there is a key now. Returns whether.

    Only the lines that `init` wrote about the stand-in and the key are changed.
    """
    text = config.read_text("utf-8")
    name = _free_name(config, target)
    for_variable, for_file = (without_stand_in(text, target, one) for one in ("", name))
    if not for_variable:
        return False
    if os.environ.get(target.variable, "").strip():
        question = f"Use {target.vendor} from now on, instead of the stand-in?"
        if not (_is_good(console, config, for_variable) and confirm(question)):
            return False
        write_whole(config, for_variable.encode(), like=config)
        return True
    return _gets_key(console, config, _question(target, "stay with the stand-in"), name, for_file)


def _gets_missing_key(console: Console, config: Path, target: Target) -> bool:
    """Ask for the key of a configuration that has none. Returns whether a good one was typed.

    Only the line that `init` wrote about the key is changed.
    """
    name = _free_name(config, target)
    text = with_key_file(config.read_text("utf-8"), target, name)
    question = _question(target, "go on without it")
    return bool(text) and _gets_key(console, config, question, name, text)


def _gets_key(console: Console, config: Path, question: str, name: str, text: str) -> bool:
    """Ask until a key is good or none is typed; save it under `name`, and the configuration."""
    file = config.parent / name
    while typed := _typed(question):
        create_whole(file, typed.encode(), 0o600)
        if _is_good(console, config, text):
            write_whole(config, text.encode(), like=config)
            console.print(saved_in(name), markup=False)
            return True
        file.unlink()
    return False


def saved_in(name: str) -> str:
    """Where a typed key is now, in a sentence."""
    return f"Your key is in {name}, which only you can read. Do not share it."


def _is_good(console: Console, config: Path, text: str) -> bool:
    """Try the text of a configuration in its folder, with its key. Print what is wrong with it."""
    trial = config.with_name(f".{config.name}.trial")
    trial.write_text(text, "utf-8")
    try:
        return is_accepted(console, load(trial))
    except ConfigError as e:
        console.print(Text(one_line(str(e)), style="yellow"))
        return False
    finally:
        trial.unlink()


def _question(target: Target, otherwise: str) -> str:
    return f"Your {target.vendor} key, not shown (Enter: {otherwise})"


def _typed(question: str) -> str:
    return str(typer.prompt(in_lines(question), "", hide_input=True, show_default=False)).strip()


def is_accepted(console: Console, settings: Settings) -> bool:
    """Ask each account about its key and print the answers. False if a key is refused."""
    answers = event_loop.run(asked(settings))
    for one in answers:
        if one.sign == "ok" and one.sentence:
            tick(console, one_line(one.sentence))
        elif one.sentence:
            unchecked = one.sign == "reach" and not one.is_refused
            words = f"{one.sentence} The key was not checked." if unchecked else one.sentence
            console.print(Text(one_line(words), style="yellow"))
        if one.clock:
            console.print(Text(one_line(one.clock), style="yellow"))
    return not any(one.is_refused for one in answers)


def _is_usable(console: Console, wanted: Wanted, config: Path, key: str = "") -> bool:
    """Check a key, by its form and with the API. Print what is wrong with it."""
    try:
        return is_accepted(console, trial_settings(wanted, config, key))
    except ConfigError as e:
        for problem in e.problems:
            console.print(Text(one_line(problem), style="yellow"))
        return False


def _free_name(config: Path, target: Target) -> str:
    *_, name = _file_names(config, target.vendor)
    return name


def _file_names(config: Path, vendor: str) -> Iterator[str]:
    """The names of the files with keys beside the configuration, then the first free name."""
    word = vendor.casefold().replace(" ", "-")
    number, name = 1, f"{word}.key"
    while (config.parent / name).exists():
        yield name
        number += 1
        name = f"{word}-{number}.key"
    yield name
