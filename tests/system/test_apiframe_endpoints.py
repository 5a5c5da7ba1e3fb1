"""Every endpoint of Apiframe's provider files, from a row of a CSV to its result, as people run it.

Rows follow other rows where the endpoint needs a parent. The API counts what it made.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pipeline.sandbox import Sandbox
from tests.fakes.program import ROOT
from tests.fakes.team import Team

TASK_SECONDS = 0.1
PICTURE = "https://example.com/fox.png"
VIDEO = "https://example.com/fox.mp4"
#: Endpoint -> the other cells of its row. The row has the name of its endpoint.
Rows = dict[str, dict[str, str]]
FOX = {"prompt": "a fox"}
V1: Rows = {
    "imagine": FOX,
    "reroll": {"parent": "imagine"},
    "variations": {"parent": "imagine", "index": "strong"},
    "upscale-1x": {"parent": "imagine", "index": "2"},
    "upscale-alt": {"parent": "upscale-1x", "type": "subtle"},
    "upscale-highres": {"parent": "imagine", "index": "3", "type": "4x"},
    "outpaint": {"parent": "upscale-1x", "zoom_ratio": "1.5"},
    "pan": {"parent": "upscale-1x", "direction": "left"},
    "blend": {"images": f"{PICTURE} {PICTURE}"},
    "seed": {"parent": "imagine"},
    "describe": {"parent": "imagine", "index": "4"},
    "shorten": FOX,
    "faceswap": {"parent": "upscale-1x", "swap_image": PICTURE},
    "imagine-video": {"parent": "imagine", **FOX},
    "imagine-video-extend": {"parent": "imagine-video", "index": "1", **FOX},
    "flux-imagine": {"model": "flux-pro-1.1-ultra", "aspect_ratio": "21:9", **FOX},
    "ideogram-imagine": FOX,
    "ideogram-remix": {"parent": "ideogram-imagine", "image_weight": "50", **FOX},
    "ideogram-upscale": {"parent": "ideogram-imagine", "resemblance": "50", **FOX},
    "ideogram-describe": {"parent": "imagine"},
    "nano-banana": {"parent": "imagine", **FOX},
    "nano-banana-pro": FOX,
    "luma-imagine": FOX,
    "luma-extend": {"parent": "luma-imagine", **FOX},
    "runway-imagine": {"parent": "imagine", "generation_type": "image2video", **FOX},
    "kling-imagine": {"generation_type": "text2video", **FOX},
    "kling-imagine-2-6": {"parent": "imagine", "duration": "10", **FOX},
    "kling-tryon": {"parent": "imagine", "cloth_image": PICTURE},
    "seedance-imagine": {"model": "seedance-2", "resolution": "720p", "duration": "4", **FOX},
    "suno-imagine": {"lyrics": "la la"},
    "suno-extend": {"parent": "suno-imagine", "index": "2"},
    "suno-lyrics": FOX,
    "udio-generate": FOX,
    "udio-extend": {"parent": "udio-generate", **FOX},
    "udio-imagine": FOX,
    "pro-imagine": FOX,
    "pro-vary": {"parent": "pro-imagine", "index": "1", "type": "strong"},
    "pro-variations": {"parent": "pro-imagine", "index": "1"},
    "pro-upscale": {"parent": "pro-imagine", "index": "1", "type": "subtle"},
    "pro-zoom": {"parent": "pro-imagine", "index": "1", "zoom_ratio": "2"},
    "pro-pan": {"parent": "pro-imagine", "index": "1", "direction": "up"},
    "pro-seed": {"parent": "pro-imagine"},
}
V2: Rows = {
    "imagine": FOX,
    "upscale": {"parent": "imagine", "index": "2"},
    "vary": {"parent": "imagine", "index": "3"},
    "outpaint": {"parent": "upscale", "zoom_ratio": "1.5"},
    "pan": {"parent": "upscale", "direction": "left"},
    "flux": {"parent": "imagine", **FOX},
    "ideogram": FOX,
    "gpt-image": {"quality": "low", "number_of_images": "2", **FOX},
    "nano-banana": {"parent": "flux", **FOX},
    "seedream": FOX,
    "kling": {"parent": "imagine", "index": "4", **FOX},
    "veo": {"duration": "8", **FOX},
    "seedance": FOX,
    "luma": FOX,
    "runway": {"parent": "upscale", **FOX},
    "suno": FOX,
    "suno-extend": {"parent": "suno", "index": "1"},
    "suno-cover": {"parent": "suno", "index": "2"},
    "suno-vocals": {"parent": "suno-cover", "index": "1", "prompt": "la la"},
    "suno-stems": {"parent": "suno-extend", "index": "1"},
    "image": {"model": "midjourney", "aspect_ratio": "3:2", **FOX},
    "image-upscale": {"parent": "flux", "model": "clarity-upscale"},
    "image-edit": {"image": PICTURE, "mode": "outpaint", "outpaint": "Make square", **FOX},
    "background-remove": {"parent": "flux", "model": "851-bg-remove"},
    "video": {"model": "wan-2.6", "parent": "image", "duration": "15", **FOX},
    "video-upscale": {"parent": "video", "target_fps": "30", "target_resolution": "4k"},
    "video-edit": {"video": VIDEO, **FOX},
    "music": {"model": "mureka", "number_of_songs": "3", **FOX},
}
#: Endpoints that no row here is for, and why.
LEFT_OUT = {
    "inpaint": "needs a file",
    "lora": "needs a trained LoRA",
    "ai-photo-train": "needs prepared photos",
    "ai-photo-generate": "needs a training",
}


def write_prices(folder: Path, version: int) -> set[str]:
    """Write a provider file in which every endpoint has a price. Returns its endpoints."""
    text = (ROOT / f"configs/providers/apiframe-v{version}.toml").read_text("utf-8")
    provider = tomllib.loads(text)
    for name, endpoint in provider["endpoints"].items():
        if "credits" not in endpoint:
            text = text.replace(f"[endpoints.{name}]\n", f"[endpoints.{name}]\ncredits = 8\n")
    (folder / "providers").mkdir()
    (folder / f"providers/apiframe-v{version}.toml").write_text(text, "utf-8")
    return set(provider["endpoints"])


@pytest.mark.parametrize(("version", "rows"), [(1, V1), (2, V2)])
def test_every_endpoint_makes_its_result_once(
    tmp_path: Path, api: Sandbox, version: int, rows: Rows
) -> None:
    api.reset()
    api.set(credits=100_000)
    team = Team(tmp_path, api.url if version == 1 else f"{api.url}/v2", version)
    endpoints = write_prices(tmp_path, version)
    columns = sorted({column for cells in rows.values() for column in cells})
    team.write(
        ",".join(["name", "endpoint", *columns]),
        *(
            ",".join([name, name, *(cells.get(column, "") for column in columns)])
            for name, cells in rows.items()
        ),
    )

    team.configured(name="promptsheet", media="media")
    ended = team.finish()

    assert rows.keys() | (LEFT_OUT.keys() & endpoints) == endpoints
    assert {row["name"]: row["note"] for row in team.rows() if row["status"] != "done"} == {}
    assert (ended.code, ended.err) == (0, "")
    state = api.state()
    assert state["tasks_taken"] == len(rows)
    assert state["tasks_repeated"] == 0
    with_files = [row for row in team.rows() if row["image_urls"]]
    assert len(list((tmp_path / "media").iterdir())) == sum(
        len(row["image_urls"].splitlines()) for row in with_files
    )
