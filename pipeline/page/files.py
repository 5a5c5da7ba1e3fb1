"""Saved files for the browser: single ones, small pictures, and zip files.

An unknown row, take or file is a 404. A file on another machine is read through its place; if that
does not answer, the response is a 503 with a sentence. `FileViews` owns the cache of small
pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from pipeline.core.errors import NotRead
from pipeline.open_pictures import is_elsewhere
from pipeline.page import downloads, thumbnails
from pipeline.page.actions import board_of, named_take
from pipeline.page.board import PAGE, Board
from pipeline.page.cards import Card, CardSummary
from pipeline.page.place_reader import PlaceReader, file_headers, refusal
from pipeline.page.thumbnails import Saved, SmallPictures

#: Seconds that a download waits until all rows are known.
DOWNLOAD_SECONDS: Final = 30.0


class FileViews:
    """The saved files of these campaigns."""

    def __init__(self, boards: Sequence[Board]) -> None:
        self._boards = boards
        self._small = SmallPictures()
        self._reader = PlaceReader()

    async def picture(self, request: Request) -> Response:
        """A saved file, or the requested part of it: videos are long."""
        file = await asyncio.to_thread(self._asked, request)
        return await self._response(board_of(self._boards, request), file, request)

    async def saved(self, request: Request) -> Response:
        """The same under the address that cells show, which names no sheet of this process.

        For a person, the page of the row with this picture: it also plays videos.
        """
        generation, take = named_take(request)
        number: int = request.path_params["number"]

        def found() -> tuple[int, Board, Card]:
            for sheet, board in enumerate(self._boards, start=1):
                if card := board.card(generation, take):
                    return sheet, board, card
            raise HTTPException(404)

        sheet, board, card = await asyncio.to_thread(found)
        # https://www.w3.org/TR/fetch-metadata: a person has followed a link.
        if request.headers.get("sec-fetch-dest") == "document":
            address = f"/row/{sheet}/{card.shown.generation}/{take}?picture={number}"
            return RedirectResponse(address, 303)
        file = await asyncio.to_thread(_numbered, board, card, number)
        return await self._response(board, file, request)

    async def small(self, request: Request) -> Response:
        """A saved picture, scaled down."""
        file = await asyncio.to_thread(self._asked, request)
        path = file.path if file.is_picture else None
        if file.address and file.is_picture:
            pictures = board_of(self._boards, request).pictures
            try:
                path = await self._reader.run(pictures.preview, file.address)
            except NotRead as error:
                return refusal(error)
        content = await self._small.of(path, file.version) if path else None
        if content is None:
            raise HTTPException(404)
        return Response(content, headers=file_headers(file), media_type="image/webp")

    async def zip_of_row(self, request: Request) -> Response:
        """All saved files of one take of a row, as a zip file."""
        board = board_of(self._boards, request)
        card = await asyncio.to_thread(board.card, *named_take(request))
        if card is None:
            raise HTTPException(404)
        return self._zip(board, [card], card.shown.name or card.shown.row_id)

    async def zip_of_picked(self, request: Request) -> Response:
        """All saved files of the rows that match the filter and search, as a zip file."""
        board, asked = board_of(self._boards, request), request.query_params
        status, search = asked.get("status", ""), asked.get("q", "").strip()[:200]

        def found() -> Sequence[CardSummary]:
            board.refresh_until_complete(within=DOWNLOAD_SECONDS)
            return [
                one
                for one in board.shown.picked(status, search, board.rules.catalogue)
                if one.saved
            ]

        picked = await asyncio.to_thread(found)
        # Cards are made page by page, so that they are not all in memory at once.
        pages = (picked[at : at + PAGE] for at in range(0, len(picked), PAGE))
        cards = (card for page in pages for card in board.cards(page))
        title = board.shown.sheet_status.title or board.campaign.settings.source.name
        return self._zip(board, cards, title)

    def _zip(self, board: Board, cards: Iterable[Card], title: str) -> Response:
        settings = board.campaign.settings
        if not settings.saves_files:
            raise HTTPException(404)
        files = (file for card in cards for _, file in files_of(board, card) if file)
        made = downloads.zipped(files, settings.media, board.pictures)
        return StreamingResponse(
            made, headers=downloads.headers(title), media_type="application/zip"
        )

    async def _response(self, board: Board, file: Saved, request: Request) -> Response:
        if file.address:
            return await self._reader.response(board.pictures, file, request)
        assert file.path is not None, "a file on this machine has a path"
        return FileResponse(file.path, headers=file_headers(file), media_type=file.type)

    def _asked(self, request: Request) -> Saved:
        board = board_of(self._boards, request)
        card = board.card(*named_take(request))
        if card is None:
            raise HTTPException(404)
        return _numbered(board, card, request.path_params["number"])


class CardFile(NamedTuple):
    """One result of a card: its address at the API, and its saved file if there is one."""

    url: str
    file: Saved | None


def files_of(board: Board, card: Card) -> list[CardFile]:
    """The results of a card, in the order of the API's answer."""
    names = card.job.files if card.job else {}
    return [
        CardFile(url, _saved(board, names[url], url) if url in names else None)
        for url in card.shown.urls
    ]


def _numbered(board: Board, card: Card, number: int) -> Saved:
    """The saved file of a result. Raises HTTPException if there is none."""
    files = files_of(board, card)
    file = files[number - 1].file if 1 <= number <= len(files) else None
    if file is None:
        raise HTTPException(404)
    return file


def _saved(board: Board, path: str, url: str) -> Saved | None:
    if is_elsewhere(path):
        return thumbnails.elsewhere(board.pictures, path, url)
    return thumbnails.saved(board.campaign.settings.media, path)


def thumbs_of(board: Board, card: Card) -> dict[str, Any]:
    """The pictures, videos and sounds of a card on the board, and their layout."""
    files = files_of(board, card)
    shown = [
        (number, file)
        for number, (_, file) in enumerate(files, start=1)
        if file and file.kind in ("image", "video")
    ]
    wide, high = thumbnails.size_of(shown[0][1]) if shown else (0, 0)
    ratio = wide / high if high else 1.0
    shape = "wide" if ratio > 1.2 else "tall" if ratio < 0.85 else "square"
    sounds = [
        (n, file) for n, (_, file) in enumerate(files, start=1) if file and file.kind == "audio"
    ]
    return {"shown": shown[:4], "sounds": sounds[:2], "shape": shape, "all": len(files)}
