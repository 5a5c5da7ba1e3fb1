"""Outlets are opened from a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.outbox import Delivered
from pipeline.open_outlets import open_outlet
from pipeline.outlets import Outlet
from pipeline.server import event_loop
from tests.fakes.outlets.chat_services import channel
from tests.outlets.test_chats import row


def opened(folder: Path, table: str, **environ: str) -> Outlet:
    """The outlet of this table."""
    file = folder / "promptsheet.toml"
    file.write_text(f'[sheet]\nsource = "prompts.csv"\n[[outlets]]\n{table}\n')
    (settings,) = load(file, need_key=False, environ=environ).outlets
    return open_outlet(settings, link="https://pictures.example.com")


@pytest.mark.parametrize("kind", ["slack", "teams", "discord"])
def test_a_chat_is_opened_with_the_keys_of_its_table(tmp_path: Path, kind: str) -> None:
    keys = 'every = "2m"\npictures = 1\n'
    with channel(kind) as (place, _, url):
        outlet = opened(tmp_path, f'kind = "{kind}"\nurl = "env:U"\n{keys}', U=url)

        async def run() -> object:
            results = await outlet.deliver([row(1), row(2)])
            await outlet.close()
            return results

        assert event_loop.run(run()) == [Delivered()] * 2

    assert outlet.pace.every == 120
    assert len(place.pictures()) == 1
    assert "Open all pictures" in str(place.posted)
