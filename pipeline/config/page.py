"""The table `[page]`: where the page is, and who may sign in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.config.addresses import address_problems
from pipeline.config.schema import Document
from pipeline.config.secrets import Secret, kept
from pipeline.config.settings import PageSettings
from pipeline.config.trigger import TOKEN_LENGTH

#: Longest name of a person, in characters.
LONGEST_NAME: Final = 40


def page_settings(
    document: Document, path: Path, environ: Mapping[str, str], problems: list[str], needed: bool
) -> PageSettings:
    """The settings of the page. Adds a sentence to `problems` for each mistake.

    With `needed`, the tokens must be there.
    """
    table = document.page
    token = kept(table.token, path, environ) if table.token else None
    if table.token and token is None and needed:
        problems.append(
            f'page.token: "{table.token}" is not set, missing or empty. Put a token there that '
            f"nobody can guess, of {TOKEN_LENGTH} characters or more; or leave the line out: a "
            "link that works once is then printed at the start."
        )
    people: dict[str, Secret] = {}
    for name, reference in table.people.items():
        if not _is_name(name):
            problems.append(
                f"page.people: {name!r} is no name. Take 1 to {LONGEST_NAME} visible letters, "
                "without spaces at its ends."
            )
        elif secret := kept(reference, path, environ):
            people[name] = secret
        elif needed:
            problems.append(
                f'page.people.{name}: "{reference}" is not set, missing or empty. Put a token '
                f"there that nobody can guess, of {TOKEN_LENGTH} characters or more, for this "
                "person only."
            )
    _check_tokens({"token": token} if token else {}, people, problems)
    problems += address_problems(
        "page.public_url", table.public_url, "https://pictures.example.com", with_path=False
    )
    wanted = "page" in document.model_fields_set
    return PageSettings(wanted, token, table.listen, table.public_url, people)


def _is_name(name: str) -> bool:
    return bool(name) and name == name.strip() and name.isprintable() and len(name) <= LONGEST_NAME


def _check_tokens(
    common: Mapping[str, Secret], people: Mapping[str, Secret], problems: list[str]
) -> None:
    owners: dict[str, str] = {}
    named = {f"people.{name}": token for name, token in people.items()}
    for place, token in {**common, **named}.items():
        text = token.reveal()
        if len(text) < TOKEN_LENGTH:
            problems.append(
                f"page.{place}: is too short to be safe. Take one of {TOKEN_LENGTH} characters or "
                "more, such as `openssl rand -hex 16` prints."
            )
        elif other := owners.get(text):
            problems.append(
                f"page.{place}: is the same as page.{other}, so nobody could tell who signed in. "
                "Give each a token of their own."
            )
        owners[text] = place
