"""What the page shows: the wall, single cards, files; and changes as they happen."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from pipeline.core.errors import StoreError
from pipeline.core.text import duration
from pipeline.page import downloads, thumbnails
from pipeline.page.actions import SAID, SAID_WAITING, place_of, wall_of
from pipeline.page.auth import Gate
from pipeline.page.board import PAGE, Wall
from pipeline.page.cards import DISMISSED, EARLIER, NEEDING, Card, Gist
from pipeline.page.rendering import html, moment, rendered, web
from pipeline.page.thumbnails import Saved, SmallPictures
from pipeline.store import HistoryLine

#: Most rows that need attention shown above the wall.
MOST_NEEDING: Final = 5
#: Seconds between two looks for changes, between two signs of life, and until a browser has to
#: connect again.
LOOKS, ALIVE, LIFE = 1.0, 15.0, 600.0
#: Seconds that a search among very many rows waits until all are there, and between two looks
#: while they are not.
WAITS, HASTE = 0.5, 0.05
#: Seconds that a download of many rows waits until all rows are known.
WHOLE_WITHIN: Final = 30.0
#: Columns of the team's own that a card on the wall shows; the large card shows all of them.
MOST_OWN: Final = 3
#: What the history says of each kind of event.
KINDS: Final = {
    "sent": "Submitted",
    "accepted": "Accepted by the API",
    "progressed": "In progress",
    "succeeded": "Delivered",
    "failed": "Failed",
    "lost": "No answer came",
    "postponed": "Not accepted; it will be sent again",
    "adopted": "Taken over from the sheet",
}


class Views:
    """The pages of these campaigns."""

    def __init__(self, walls: Sequence[Wall], gate: Gate) -> None:
        self._walls = walls
        self._gate = gate
        self._small = SmallPictures()

    # -- pages -----------------------------------------------------------------------------------

    async def wall(self, request: Request) -> Response:
        """The campaign: rows that need attention, then all pictures, the newest first."""
        asked = request.query_params
        number = _whole(asked.get("sheet", ""), 1)
        wall = self._walls[number - 1] if number <= len(self._walls) else self._walls[0]
        status, search = asked.get("status", ""), asked.get("q", "").strip()[:200]

        def made() -> str:
            goes_far = bool(status or search or "page" in asked)
            wall.look_until_whole(within=WAITS if goes_far else 0)
            picked = wall.picked(status, search)
            pages = max(-(-len(picked) // PAGE), 1)
            page = min(_whole(asked.get("page", ""), 1), pages)
            cards = wall.cards(picked[(page - 1) * PAGE : page * PAGE])
            needing = [one for one in wall.gists if one.needs] if wall.is_whole else []
            above = [] if status or search or page > 1 else needing[:MOST_NEEDING]
            return self._rendered(
                "wall.html.j2",
                wall,
                request,
                cards=cards,
                found=len(picked),
                with_files=sum(one.saved > 0 for one in picked),
                goes_far=goes_far,
                needing=wall.cards(above),
                more_needing=max(len(needing) - MOST_NEEDING, 0),
                status=status,
                search=search,
                page=page,
                pages=pages,
                said=(SAID | SAID_WAITING).get(asked.get("said", ""), ""),
                downloads=_zip_address(self._walls.index(wall) + 1, status, search),
                texts=texts_of(wall),
                bar=_bar(wall),
                link=_linked(self._walls.index(wall) + 1, status, search),
            )

        return await html(made)

    async def card(self, request: Request) -> Response:
        """One take of a row, large: a picture, and all that is known of it."""
        wall = wall_of(self._walls, request)
        row_id, take = place_of(request)

        def made() -> str:
            wall.look(at_once=not wall.is_whole)
            takes = wall.row(row_id)
            card = next((one for one in takes if one.shown.take == take), None)
            if card is None:
                raise HTTPException(404)
            files = self._files(wall, card)
            number = min(_whole(request.query_params.get("picture", ""), 1), max(len(files), 1))
            history, runs = [], {}
            if card.job:
                history = wall.campaign.store.jobs.history(card.job.key)
                runs = wall.campaign.store.jobs.run_of(card.job.key)
            return self._rendered(
                "card.html.j2",
                wall,
                request,
                card=card,
                files=files,
                number=number,
                history=[_told(line, runs) for line in history],
                takes=takes,
            )

        try:
            return await html(made)
        except HTTPException:
            # People keep addresses of rows, and send them to others.
            sheet = self._walls.index(wall) + 1
            return HTMLResponse(rendered("missing.html.j2", sheet=sheet), 404)

    # -- files -----------------------------------------------------------------------------------

    async def picture(self, request: Request) -> Response:
        """A saved file as it is, or the part of it that is asked for: films are long."""
        file = await asyncio.to_thread(self._asked, request)
        return FileResponse(file.path, headers=_kept(file), media_type=file.type)

    async def small(self, request: Request) -> Response:
        """A saved picture, scaled down."""
        file = await asyncio.to_thread(self._asked, request)
        content = await self._small.of(file) if file.is_picture else None
        if content is None:
            raise HTTPException(404)
        return Response(content, headers=_kept(file), media_type="image/webp")

    async def zip_of_row(self, request: Request) -> Response:
        """All saved files of one take of a row."""
        wall = wall_of(self._walls, request)
        card = await asyncio.to_thread(wall.card, *place_of(request))
        if card is None:
            raise HTTPException(404)
        return self._zip(wall, [card], card.shown.name or card.shown.row_id)

    async def zip_of_picked(self, request: Request) -> Response:
        """All saved files of the rows that are picked on the wall by status and words."""
        wall, asked = wall_of(self._walls, request), request.query_params
        status, search = asked.get("status", ""), asked.get("q", "").strip()[:200]

        def found() -> Sequence[Gist]:
            wall.look_until_whole(within=WHOLE_WITHIN)
            return [one for one in wall.picked(status, search) if one.saved]

        picked = await asyncio.to_thread(found)
        # The cards are made page by page: of very many rows not all are in memory at once.
        pages = (picked[at : at + PAGE] for at in range(0, len(picked), PAGE))
        cards = (card for page in pages for card in wall.cards(page))
        return self._zip(wall, cards, wall.campaign.settings.source.name)

    def _zip(self, wall: Wall, cards: Iterable[Card], title: str) -> Response:
        media = wall.campaign.settings.media
        if media is None:
            raise HTTPException(404)
        files = (file for card in cards for _, file in self._files(wall, card) if file)
        made = downloads.zipped(files, media)
        return StreamingResponse(
            made, headers=downloads.headers(title), media_type="application/zip"
        )

    def _asked(self, request: Request) -> Saved:
        wall = wall_of(self._walls, request)
        card = wall.card(*place_of(request))
        files = self._files(wall, card) if card else []
        number: int = request.path_params["number"]
        file = files[number - 1][1] if 1 <= number <= len(files) else None
        if file is None:
            raise HTTPException(404)
        return file

    def _files(self, wall: Wall, card: Card) -> list[tuple[str, Saved | None]]:
        """Each result's address, and its saved file if there is one."""
        names = card.job.files if card.job else {}
        media = wall.campaign.settings.media
        return [
            (url, thumbnails.saved(media, names[url]) if url in names else None)
            for url in card.shown.urls
        ]

    # -- what changes ----------------------------------------------------------------------------

    async def live(self, request: Request) -> Response:
        """What changes, as it happens."""
        wall = wall_of(self._walls, request)
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._changes(wall, request), headers=headers, media_type="text/event-stream"
        )

    async def _changes(self, wall: Wall, request: Request) -> AsyncIterator[str]:
        """Each change as a line for the browser, and a sign of life when there is none.

        It ends when the visitor signs out.
        """
        began = told_at = time.monotonic()
        told = -1
        yield "retry: 2000\n\n"
        while (now := time.monotonic()) < began + LIFE and await self._gate.is_in(request):
            try:
                await asyncio.to_thread(wall.look)
            except StoreError:
                # The page stays as it is; the next look may find the store again.
                told = -1
            if wall.revision != told:
                told, told_at = wall.revision, now
                news = {"revision": told, "texts": texts_of(wall), "bar": _bar(wall)}
                yield f"data: {json.dumps(news)}\n\n"
            elif now >= told_at + ALIVE:
                told_at = now
                yield ": \n\n"
            await asyncio.sleep(LOOKS if wall.is_whole else HASTE)

    # -- templates -------------------------------------------------------------------------------

    def _rendered(self, name: str, wall: Wall, request: Request, **more: Any) -> str:
        settings = wall.campaign.settings
        here = urlsplit(settings.base_url).netloc
        usual = settings.base_url == settings.provider.base_url.rstrip("/")
        return rendered(
            name,
            sheet=self._walls.index(wall) + 1,
            title=settings.source.name,
            place=web(getattr(settings.source, "place", "")),
            api=settings.provider.title,
            at="" if usual else here,
            wall=wall,
            totals=wall.totals,
            standing=wall.standing,
            others=[one.campaign.settings.source.name for one in self._walls],
            csrf=request.state.visitor.csrf,
            when=lambda at: moment(at, wall.timezone),
            thumbs=lambda card: self._thumbs(wall, card),
            NEEDING=NEEDING,
            DISMISSED=DISMISSED,
            EARLIER=EARLIER,
            MOST_OWN=MOST_OWN,
            waiting=_waiting(wall),
            **more,
        )

    def _thumbs(self, wall: Wall, card: Card) -> dict[str, Any]:
        """The pictures of a card for the wall, and how they lie."""
        files = self._files(wall, card)
        shown = [
            (number, file)
            for number, (_, file) in enumerate(files, start=1)
            if file and file.is_picture
        ]
        wide, high = thumbnails.size_of(shown[0][1]) if shown else (0, 0)
        ratio = wide / high if high else 1.0
        shape = "wide" if ratio > 1.2 else "tall" if ratio < 0.85 else "square"
        return {"shown": shown[:4], "shape": shape, "all": len(files)}


def texts_of(wall: Wall) -> dict[str, str]:
    """The texts of the page that change all the time, by their places."""
    totals, standing = wall.totals, wall.standing
    spent = "–" if standing.spent is None else f"{standing.spent:,}"
    budget = "" if standing.budget is None else f"of {standing.budget:,} "
    return {
        "pictures": f"{totals.pictures:,}" if wall.is_whole else "…",
        "rows": f"{totals.rows:,}",
        "spent": spent,
        "budget": f"{budget}credits today",
        "progress": _progress(wall),
        "state": _state(wall),
        **{f"count {status}": f"{count:,}" for status, count in totals.counts.items()},
        "count needing": f"{totals.needing:,}",
        "count all": f"{sum(totals.counts.values()):,}" if wall.is_whole else "…",
    }


def _waiting(wall: Wall) -> str:
    """When something is sent that a button asks for: empty for the next run."""
    standing = wall.standing
    return (
        "after Resume" if standing.paused else "not before the hold ends" if standing.hold else ""
    )


def _zip_address(sheet: int, status: str, search: str) -> str:
    asked = {"status": status, "q": search}
    return f"/zip/{sheet}?{urlencode({name: text for name, text in asked.items() if text})}"


def _progress(wall: Wall) -> str:
    """How much is finished, how fast it goes, and how long it may still take."""
    totals = wall.totals
    if not wall.is_whole:
        return "Counting…"
    words = [f"{totals.finished:,} of {totals.finished + totals.on_their_way:,} finished"]
    if totals.on_their_way and totals.rate:
        words.append(f"{totals.rate:,.0f} a minute" if totals.rate >= 1 else "under 1 a minute")
    if totals.left is not None:
        words.append(f"about {_roughly(totals.left)} left")
    return " · ".join(words)


def _state(wall: Wall) -> str:
    standing = wall.standing
    if standing.paused:
        return "Paused"
    if standing.running_since:
        return "Running"
    return "Waiting for the next run" if wall.totals.on_their_way else "Up to date"


def _roughly(seconds: float) -> str:
    """A time to wait, rounded, because it is an estimate."""
    if seconds < 60:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    return duration(round(seconds / 60) * 60)


def _bar(wall: Wall) -> list[tuple[str, float, float]]:
    """The rows by status as parts of a bar: status, where it begins and how wide it is, of 100."""
    counts = wall.totals.counts
    whole = sum(counts.values()) or 1
    parts, at = [], 0.0
    for status, count in counts.items():
        width = 100 * count / whole
        parts.append((status.replace(" ", "-"), round(at, 3), round(width, 3)))
        at += width
    return parts


def _told(line: HistoryLine, runs: dict[int, str]) -> dict[str, object]:
    """A line of the history: when, what, and by which start of the program it was sent."""
    run = runs.get(line.number, "") if line.kind == "sent" else ""
    # A start of the program is named by its moment (see `wiring.START`).
    found = re.match(r"\d{8}T\d{6}(?=-)", run)
    began = datetime.fromisoformat(f"{found[0]}+00:00") if found else None
    return {
        "at": line.at,
        "what": KINDS.get(line.kind, line.kind),
        "number": line.number,
        "text": line.text,
        "began": began,
    }


def _linked(sheet: int, status: str, search: str) -> Any:
    """Makes addresses of the wall: as it is picked now, but for what is named."""

    def link(**other: object) -> str:
        asked = {"sheet": sheet, "status": status, "q": search} | other
        return "/?" + urlencode({name: value for name, value in asked.items() if value})

    return link


def _whole(text: str, otherwise: int) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 7
    return max(int(text), 1) if is_number else otherwise


def _kept(file: Saved) -> dict[str, str]:
    """Headers of a saved file. Its address names its version, so a browser may keep it."""
    how = "inline" if file.is_picture else "attachment"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", file.path.name)
    return {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'{how}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
