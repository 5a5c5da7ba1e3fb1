"""The page about provider files: it shows every key, and its examples are TOML."""

from __future__ import annotations

import dataclasses
import re
import tomllib

from pipeline.core.api import provider
from pipeline.core.api.webhook import Webhook
from tests.fakes.cases import each
from tests.fakes.program import ROOT

PAGE = (ROOT / "docs/reference/provider-files.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
TABLES = [
    one for one in vars(provider).values() if dataclasses.is_dataclass(one) and one is not Webhook
]


def is_shown(key: str) -> bool:
    """True if a key is in an example, names a table, or is explained in the text."""
    return re.search(rf"(?m)^{key} =|[{{ ]{key} =|[\[.]{key}\]|`{key}`", PAGE) is not None


@each("table", [*TABLES, Webhook])
def test_every_key_is_on_the_page(table: type) -> None:
    missing = [field.name for field in dataclasses.fields(table) if not is_shown(field.name)]

    assert missing == []


@each("example", EXAMPLES)
def test_each_example_is_toml(example: str) -> None:
    assert tomllib.loads(example)
