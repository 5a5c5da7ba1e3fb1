"""Prices and results of version 2's models.

The vendor's pages name few prices (read in 2026): Midjourney, Suno, gpt-image-2, LoRA. All others
are this sandbox's own, in a plausible size. They are the same in `GET /v2/models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.sandbox.tasks import GRID, Files
from pipeline.sandbox.v2.shapes import models

Modality = Literal["image", "video", "music"]
MODALITIES: Mapping[str, Modality] = {"images": "image", "videos": "video", "music": "music"}
GENERATE: Mapping[Modality, str] = {
    "image": "/v2/images/generate",
    "video": "/v2/videos/generate",
    "music": "/v2/music/generate",
}
#: Credits of one job; of one output if a count of outputs can be set.
PRICES: Mapping[str, int] = {
    "midjourney": 16,
    "suno": 11,
    "flux-lora": 2,
    "gpt-image-2": 23,
    "midjourney-video": 48,
}
USUAL: Mapping[Modality, int] = {"image": 6, "video": 8, "music": 11}
#: gpt-image-2 by quality; `auto` costs as much as `high`.
QUALITIES = {"low": 4, "medium": 9, "high": 23, "auto": 23}
UPSAMPLE = 4
LORA = 2 + 255
#: Videos cost by the second, of which there are so many if none are asked for.
SECONDS = 5
LONGEST = 12
#: Fields with the number of outputs, and those with a video's length in seconds.
COUNTS = ("number_of_images", "n", "num_images", "num_outputs")
#: The number of tracks; one for all others.
TRACKS = {"suno": 2, "udio": 2, "producer": 2, "mureka": 2}


def modality_of(path: str) -> Modality:
    """What a route makes."""
    return MODALITIES[path.split("/")[2]]


def params_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block of the model's own options, or the fields themselves for an action."""
    blocks = (value for name, value in fields.items() if name.endswith("Params"))
    return next((block for block in blocks if isinstance(block, dict)), fields)


def files_of(path: str, model: str, fields: Mapping[str, Any]) -> Files:
    """The files that a job will have."""
    params = params_of(fields)
    count = _count(params) or 1
    match modality_of(path):
        case "image":
            has_grid = model == "midjourney" and fields.get("action") != "upsample"
            return GRID if has_grid else Files(pictures=count)
        case "video":
            return Files(videos=4 if model == "midjourney-video" else 1)
        case "music":
            tracks = _count(params) or TRACKS.get(model, 1)
            return Files(pictures=tracks, sounds=tracks)


def price_of(path: str, model: str, fields: Mapping[str, Any]) -> int:
    """Credits of a job."""
    params = params_of(fields)
    if fields.get("action") == "upsample":
        return UPSAMPLE
    if model == "gpt-image-2":
        return QUALITIES[params.get("quality", "auto")] * (_count(params) or 1)
    modality = modality_of(path)
    price = PRICES.get(model, USUAL[modality])
    if modality == "image":
        return price * (_count(params) or 1)
    if modality == "video" and model not in PRICES:
        return round(price * _seconds(params))
    return price


def catalog() -> list[dict[str, object]]:
    """The entries of `GET /v2/models`."""
    return [
        _entry(model, modality) for modality, path in GENERATE.items() for model in models(path)
    ]


def _entry(model: str, modality: Modality) -> dict[str, object]:
    price = PRICES.get(model, USUAL[modality])
    least, most, mode = price, price, "flat"
    if model == "gpt-image-2":
        least, mode = QUALITIES["low"], "per-output"
    elif modality == "video" and model not in PRICES:
        most, mode = price * LONGEST, "per-second"
    return {
        "id": model,
        "label": model.replace("-", " ").title(),
        "modality": modality,
        "costMin": least,
        "costMax": most,
        "pricingMode": mode,
    }


def _count(params: Mapping[str, Any]) -> int:
    counts = (params[name] for name in COUNTS if isinstance(params.get(name), int | float))
    return int(next(counts, 0))


def _seconds(params: Mapping[str, Any]) -> float:
    seconds = params.get("duration", SECONDS)
    return seconds if isinstance(seconds, int | float) and seconds > 0 else SECONDS
