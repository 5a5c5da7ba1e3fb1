"""The files of a request: what arrives at the API."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config.provider_files import read_provider
from pipeline.core.errors import NotSent, PartUnread
from pipeline.core.model import Part, Request
from pipeline.provider.client import ApiClient
from pipeline.provider.input_files import InputFiles
from pipeline.provider.input_folder import InputFolder
from pipeline.server import event_loop
from tests.fakes.raw_server import RawServer, answer, answers

ROOT = Path(__file__).parents[2]
APIFRAME = read_provider("apiframe-v1", None, Path(), ROOT / "configs/providers")
UPLOADED = "https://cdn.example.com/mask.png"


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    return out.getvalue()


def client(url: str, folder: Path) -> ApiClient:
    """A client of this address whose requests may name the files of a folder."""
    files = InputFiles(InputFolder(folder))
    return ApiClient(APIFRAME, "key", base_url=url, concurrency=1, inputs=files)


async def arrived(folder: Path, *parts: Part, reply: bytes = answer(200, {})) -> list[bytes]:
    """The requests that the API reads for a submission with these parts."""
    (folder / "mask.png").write_bytes(picture())
    body = {"prompt": "a fox", "input": {"size": 2}}
    async with (
        RawServer(answers(reply, answer(200, {"task_id": "t-1"}))) as server,
        client(server.url, folder) as api,
    ):
        await api.submit(Request("POST", "/imagine", body, parts=parts), 5.0)
        assert body == {"prompt": "a fox", "input": {"size": 2}}, "the attempt keeps no file"
        return list(server.requests)


@pytest.mark.parametrize(
    ("encode", "start"), [("base64", ""), ("data_uri", "data:image/png;base64,")]
)
def test_a_file_is_a_part_of_the_body(tmp_path: Path, encode: str, start: str) -> None:
    (sent,) = event_loop.run(arrived(tmp_path, Part("input.mask", "mask.png", encode)))

    assert json.loads(sent.partition(b"\r\n\r\n")[2]) == {
        "prompt": "a fox",
        "input": {"size": 2, "mask": start + base64.b64encode(picture()).decode()},
    }


def test_an_uploaded_file_is_sent_as_its_address(tmp_path: Path) -> None:
    text = "mask.png\nhttps://example.com/2.png"
    upload, sent = event_loop.run(
        arrived(
            tmp_path,
            Part("image_urls", text, "uploads"),
            reply=answer(200, {"imageURL": UPLOADED}),
        )
    )

    head, _, form = upload.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /upload HTTP/1.1\r\n")
    assert b"Authorization: key\r\n" in head
    assert b'name="image"; filename="mask.png"\r\nContent-Type: image/png\r\n\r\n' in form
    assert picture() in form
    assert json.loads(sent.partition(b"\r\n\r\n")[2])["image_urls"] == [
        UPLOADED,
        "https://example.com/2.png",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        answer(413, {"message": "too large"}),
        answer(200, {"imageURL": "javascript:alert(1)"}),
        answer(200, {}),
        answer(401, {"message": "bad key"}),
    ],
)
def test_without_an_address_for_a_file_the_submission_is_not_sent(
    tmp_path: Path, reply: bytes
) -> None:
    async def run() -> list[bytes]:
        (tmp_path / "mask.png").write_bytes(picture())
        async with (
            RawServer(answers(reply, answer(200, {"task_id": "t-1"}))) as server,
            client(server.url, tmp_path) as api,
        ):
            request = Request("POST", "/describe", {}, parts=(Part("u", "mask.png", "upload"),))
            with pytest.raises(PartUnread, match=r"did not take mask\.png") as refused:
                await api.submit(request, 5.0)
            assert isinstance(refused.value, NotSent)
            return list(server.requests)

    sent = event_loop.run(run())

    assert [one.split(b" ", 2)[1] for one in sent] == [b"/upload"]


def test_a_file_that_is_gone_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    with pytest.raises(PartUnread, match=r'"late\.png": there is no such file'):
        event_loop.run(arrived(tmp_path, Part("mask", "late.png", "base64")))


def test_a_file_of_many_rows_is_uploaded_once(tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        (tmp_path / "mask.png").write_bytes(picture())
        replies = answers(
            answer(200, {"imageURL": UPLOADED}),
            answer(200, {"task_id": "t-1"}),
            answer(200, {"task_id": "t-2"}),
        )
        async with (
            RawServer(replies) as server,
            client(server.url, tmp_path) as api,
        ):
            request = Request("POST", "/describe", {}, parts=(Part("u", "mask.png", "upload"),))
            for _ in range(2):
                await api.submit(request, 5.0)
            return list(server.requests)

    sent = event_loop.run(run())

    assert [one.split(b" ", 2)[1] for one in sent] == [b"/upload", b"/describe", b"/describe"]
    assert sent[1].partition(b"\r\n\r\n")[2] == sent[2].partition(b"\r\n\r\n")[2]
