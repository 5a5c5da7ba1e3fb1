"""One sheet with a row for each endpoint of Apiframe, versions 1, pro and 2: all run to results.

Follow-ups are rows too: they wait for their parent and are sent in the same pass. The printed table
is part of the documentation (docs/reference/endpoints.md).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from pipeline.config.provider_files import read_provider
from pipeline.core.api.fields import fields_of, problems_with
from pipeline.core.api.provider import Endpoint, Field, Provider
from tests.fakes.program import KEY, ROOT, call, until
from tests.fakes.sandbox_process import sandbox_process
from tests.fakes.team import Team

PROVIDERS = ROOT / "configs/providers"
DOCS = ROOT / "docs/reference/endpoints.md"
#: Endpoints of version 2 that are not in the API's price list.
UNLISTED = ("image-upscale", "image-edit", "background-remove", "video-upscale", "video-edit")
#: The beginning of a picture.
PNG = b"\x89PNG\r\n\x1a\n and more"
ADDRESS = "https://cdn.example/{}.png"


@dataclass(frozen=True)
class Sample:
    """A row for one endpoint."""

    name: str
    cells: Mapping[str, str]


def prepared(url: str, version: int) -> dict[str, str]:
    """What a sheet cannot make, made at the API: photos for a training, and a LoRA."""
    headers = {"Authorization": KEY} if version == 1 else {"X-API-Key": f"afk_{KEY}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as api:

        def asked(method: str, path: str, **more: Any) -> dict[str, Any]:
            answer: dict[str, Any] = api.request(method, path, **more).raise_for_status().json()
            return answer

        if version == 1:
            faces = {"images": ["aa"] * 10, "ethnicity": "middle eastern", "gender": "female"}
            photos = asked("POST", "/ai-photo-upload", json=faces)["task_id"]
            until(
                lambda: asked("POST", "/fetch", json={"task_id": photos})["status"] == "finished",
                "the photos",
            )
            return {"training_images_id": photos}
        fields = {"name": "cat", "subjectKind": "object"}
        images = [("images", (f"{n}.png", PNG, "image/png")) for n in range(15)]
        lora = asked("POST", "/v2/loras", data=fields, files=images)["id"]
        until(lambda: asked("GET", f"/v2/loras/{lora}")["isReady"], "the LoRA")
        return {"lora_id": lora}


def samples(provider: Provider, given: Mapping[str, str]) -> list[Sample]:
    """A row for each endpoint, with the least that it needs; parents come in any order.

    `given` has values for fields that no sheet can make.
    """
    return [
        Sample(
            name,
            {"endpoint": name, "name": f"row of {name}", **_cells(name, endpoint, provider, given)},
        )
        for name, endpoint in provider.endpoints.items()
        if not endpoint.ended
    ]


def _cells(
    name: str, endpoint: Endpoint, provider: Provider, given: Mapping[str, str]
) -> dict[str, str]:
    cells: dict[str, str] = {}
    if endpoint.select:
        cells[endpoint.select] = _value(name, endpoint.select, endpoint.fields[endpoint.select])
    for _ in range(2):  # Once more: a choice brings its own fields.
        for field, one in fields_of(endpoint, cells).items():
            is_parent = one.parent == "task" or (one.parent == "id" and one.required)
            if is_parent and (one.required or endpoint.parents):
                cells["parent"] = f"row of {_parent(endpoint, provider)}"
            elif one.required and field not in cells and not is_parent:
                cells[field] = given.get(field) or _value(name, field, one)
    for group in endpoint.one_of:
        if not any(word in cells for word in group):
            cells[group[0]] = _value(name, group[0], endpoint.fields[group[0]])
    wrote = {field: text for field, text in cells.items() if field != "parent"}
    problems = problems_with(endpoint, wrote, has_parent="parent" in cells, files=Mask())
    assert problems == [], name
    return cells


class Mask:
    """The only file in the folder of inputs."""

    name = "mask.png"

    def problem(self, name: str, kind: str = "") -> str:
        """Empty for the file that is there."""
        return "" if name == self.name else "there is no such file"


def _parent(endpoint: Endpoint, provider: Provider) -> str:
    return next(iter(endpoint.parents or provider.endpoints))


def _value(endpoint: str, field: str, one: Field) -> str:
    if allowed := [word for word in one.one_of if word not in one.ended]:
        return allowed[0]
    match one.type:
        case "integer" | "number":
            return f"{one.least or 1:g}"
        case "file":
            return Mask.name
        case "address":
            return ADDRESS.format(field)
        case "addresses":
            least = one.items[0] if one.items else 1
            return "\n".join(ADDRESS.format(number) for number in range(least))
        case "boolean":
            return "yes"
    return "1:1" if "\\d" in one.pattern else f"a fox for {endpoint}, {field}"


def write(team: Team, rows: list[Sample]) -> None:
    """The sheet, with a column for everything that any row says."""
    titles = [*dict.fromkeys(title for row in rows for title in row.cells), "credits", "text"]
    with team.sheet.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, titles, restval="")
        out.writeheader()
        out.writerows(row.cells for row in reversed(rows))


def with_prices(provider: str, team: Team) -> None:
    """A provider file beside the configuration that has a price for each endpoint."""
    text = (PROVIDERS / f"{provider}.toml").read_text()
    gaps = [name for name, one in read(provider).endpoints.items() if one.credits is None]
    for name in gaps if provider == "apiframe-v1" else UNLISTED:
        text = text.replace(f"[endpoints.{name}]\n", f"[endpoints.{name}]\ncredits = 5\n", 1)
    (team.folder / "providers").mkdir(exist_ok=True)
    (team.folder / "providers" / f"{provider}.toml").write_text(text)


def read(provider: str) -> Provider:
    return read_provider(provider, None, Path(), PROVIDERS)


def table(team: Team, provider: Provider) -> Iterator[str]:
    """A line for each row: endpoint, status, result, credits."""
    for row in sorted(team.rows(), key=lambda row: row["endpoint"]):
        urls = row["image_urls"].split()
        kinds = {url.rsplit(".", 1)[-1] for url in urls}
        came = f"{len(urls)} × {'/'.join(sorted(kinds))}" if urls else ""
        is_text = provider.endpoints[row["endpoint"]].kind == "text"
        came = "text" if is_text else came
        yield f"| `{row['endpoint']}` | {row['status']} | {came} | {row['credits']} |"


@pytest.mark.parametrize("version", [1, 2])
def test_a_row_for_every_endpoint_runs_to_its_result(tmp_path: Path, version: int) -> None:
    provider = read(f"apiframe-v{version}")
    with sandbox_process(KEY, task_seconds=0.3, plain_pictures=True) as sandbox:
        team = Team(tmp_path, sandbox.url, version)
        with_prices(provider.name, team)
        rows = samples(provider, prepared(sandbox.url, version))
        before = sandbox.state()["tasks_taken"]
        write(team, rows)
        Image.new("RGB", (8, 8)).save(tmp_path / Mask.name)
        media = {"save_to": "media/", "inputs": "."}
        config = team.configured(tables={"rules": {"stop_after": 100}, "media": media})

        ended = call("run", config, "--wait")

        lines = list(table(team, provider))
        print("\n" + "\n".join(lines))
        bad = {
            r["endpoint"]: (r["status"], r["note"]) for r in team.rows() if r["status"] != "done"
        }
        assert bad == {}, ended.said
        state = sandbox.state()
        assert (state["tasks_taken"] - before, state["tasks_repeated"]) == (len(rows), 0)
        # Results with the same content are one file; the manifest has a line for each.
        saved = (tmp_path / "media" / "manifest.jsonl").read_text().splitlines()
        assert len(saved) == sum(len(row["image_urls"].split()) for row in team.rows())
        part = DOCS.read_text().split("## Version 2")[version - 1]
        assert [line for line in lines if line not in part] == []
