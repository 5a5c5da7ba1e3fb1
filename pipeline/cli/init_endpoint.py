"""Which API and endpoint `init --endpoint` means, and where the key of that API is looked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline import wiring
from pipeline.config import configs
from pipeline.config.provider_files import every_version, key_problems, read_provider
from pipeline.config.secrets import kept
from pipeline.config.template import Target
from pipeline.core.api.provider import Provider, is_over
from pipeline.core.errors import ConfigError

#: The API of endpoints that are named without one.
APIFRAME: Final = "apiframe"
#: Most names that a sentence about an unknown endpoint shows.
_MOST_NEAR: Final = 3


def target_of(text: str, config: Path) -> Target:
    """What a configuration says about an endpoint such as `flux` or `replicate/flux-schnell`.

    Raises ConfigError with near names if there is none, or if it belongs to another version of the
    API than the key.
    """
    vendor, _, endpoint = text.strip().rpartition("/")
    name = vendor or APIFRAME
    own, shipped = config.parent / "providers", configs() / "providers"
    try:
        versions = every_version(name, own, shipped)
        variable = versions[0].key.variable or f"{name.upper().replace('-', '_')}_API_KEY"
        key = kept(f"env:{variable}", config, os.environ)
        provider = read_provider(name, key, own, shipped)
    except ConfigError as e:
        raise ConfigError(*(_plain(problem) for problem in e.problems)) from None
    if problems := list(key_problems(provider, key, own)):
        raise ConfigError(*(f"{variable}: {one}" for one in problems))
    spelled = {one.casefold(): one for api in versions for one in api.endpoints}
    endpoint = spelled.get(endpoint.casefold(), endpoint)
    path = "" if len(versions) > 1 else urlsplit(provider.base_url).path
    if endpoint not in provider.endpoints:
        others = [one for one in versions if endpoint in one.endpoints]
        if not others or key is not None:
            raise ConfigError(_unknown(name, endpoint, provider, others))
        # Without a key, the endpoint decides which version is meant.
        provider = others[0]
        name, path = provider.name, urlsplit(provider.base_url).path
    if is_over(end := provider.endpoints[endpoint].ended, wiring.now().date()):
        raise ConfigError(f"{endpoint} ended on {end}. {_all_of(name)}")
    return Target(name, endpoint, variable, provider.title, path)


def _plain(problem: str) -> str:
    return problem.removeprefix("provider.name: ").rstrip(".") + "."


def _unknown(name: str, endpoint: str, provider: Provider, others: Sequence[Provider]) -> str:
    if others:
        theirs = others[0]
        return (
            f"{endpoint} is an endpoint of {theirs.full_title}, and your key is for "
            f"{provider.full_title}. {_did_you_mean(endpoint, provider)}{_all_of(name)}"
        )
    return (
        f'{provider.full_title} has no endpoint "{endpoint}". '
        f"{_did_you_mean(endpoint, provider)}{_all_of(name)}"
    )


def _did_you_mean(endpoint: str, provider: Provider) -> str:
    near = _near(endpoint, provider)
    return f"Did you mean {' or '.join(near)}? " if near else ""


def _near(text: str, provider: Provider) -> list[str]:
    """Endpoints with a similar name, or whose description or models contain the text."""
    word = text.casefold()
    alike = get_close_matches(word, provider.endpoints, n=_MOST_NEAR, cutoff=0.6)
    parts = [name for name in provider.endpoints if word and (word in name or name in word)]
    described = []
    for name, one in provider.endpoints.items():
        field = one.fields.get(one.select or "model")
        models = [*(field.one_of if field else ()), str(one.send.get("model", ""))]
        if word and (word in one.about.casefold() or word in map(str.casefold, models)):
            described.append(name)
    return list(dict.fromkeys([*alike, *parts, *described]))[:_MOST_NEAR]


def _all_of(name: str) -> str:
    more = "" if name == APIFRAME else f" --provider {name}"
    return f"promptsheet endpoints{more} lists all of them."
