"""A data source in Notion: one page for each row of the sheet.

Notion knows no unique property, so the page of a row is found by its key: first by the page's id,
which the outbox remembers, else by a query. A page whose creation was not answered is found by the
query of the next try. Queries may not show a page at once, so a repeated message asks twice before
it creates one.

Limits, as of 2026-09: a budget of requests for each connection and another for the workspace, which
the answer 429 names with Retry-After; three a second on average never exceed them.
Source: developers.notion.com/reference/request-limits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.core.outlets.outbox import (
    Delivered,
    Message,
    Result,
    RowMessage,
    Trouble,
    Undelivered,
    title_of,
)
from pipeline.outlets import Pace
from pipeline.outlets.mapping import (
    NOT_A_ROW,
    Column,
    FieldMap,
    Kind,
    Line,
    Unfit,
    fingerprint,
    has_one_take,
    stored,
)
from pipeline.outlets.notion_values import PIECE, column_of, property_of
from pipeline.provider.tls import authorities

if TYPE_CHECKING:
    from notion_client import AsyncClient

#: The version of the API whose answers this module knows.
VERSION: Final = "2026-03-11"
#: Seconds between two requests, and until an answer must have come.
EVERY: Final = 0.34
TIMEOUT: Final = 60.0
#: Seconds until a query shows a page that was just created.
SETTLE: Final = 3.0
#: Most bytes of a file that is uploaded in one part.
MOST_BYTES: Final = 20 << 20
#: Types of pictures, films and sounds that Notion takes; others are linked.
_TYPES: Final = ("image/", "video/", "audio/")
_NOT_TAKEN: Final = ("image/avif",)

_NO_ANSWER: Final = "Notion did not answer, so the row may have arrived."
_NOT_REACHED: Final = "Notion cannot be reached. Check the connection to the internet."
_REFUSED: Final = (
    "Notion refuses the token. Copy it again from notion.so/developers, where the connection is."
)
_RIGHTS: Final = (
    "The connection may not do this. At notion.so/developers, give it the capabilities to read, "
    "update and insert content."
)
_NOT_SHARED: Final = (
    "The database is not there, or is not shared with the connection. Open it in Notion, and "
    "choose ••• > Connections > your connection."
)
_REDIRECTS: Final = (
    "The address redirects, and rows are not sent on. Correct base_url, or leave it out."
)
_FULL: Final = (
    "The Notion workspace has no blocks left: a free workspace with several members has 1,000 for "
    "ever, and deleting frees none. Choose a paid plan, or use a personal access token."
)
_CHANGED: Final = "A property has changed. The database is read again before the next try."
_STRANGE: Final = "The answer is none of Notion's. Check base_url."


@dataclass(frozen=True, slots=True)
class _Failed(Exception):
    """A request failed; the message has this result."""

    result: Undelivered
    #: The status of the answer; 0 if there was none.
    status: int = 0
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What the outbox remembers of a row: its page, the key of the page, and its pictures."""

    page: str = ""
    key: str = ""
    pictures: str = ""

    @classmethod
    def of(cls, remote: str) -> _Remembered:
        try:
            found = json.loads(remote)
            return cls(str(found["page"]), str(found["key"]), str(found["pictures"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    def __str__(self) -> str:
        return json.dumps({"page": self.page, "key": self.key, "pictures": self.pictures})


class NotionOutlet:
    """A data source; `database` is its id, or that of the database if it has only one.

    `key` are the properties that identify a page, and `fields` is their property -> our field.
    """

    # One at a time: a kill then leaves one message of which it is not known whether it arrived.
    def __init__(
        self,
        token: str,
        database: str,
        key: Sequence[str] = ("row_id",),
        fields: Mapping[str, str] | None = None,
        base_url: str = "",
    ) -> None:
        one_take = has_one_take(key, fields or {})
        self.pace = Pace(1, is_repeatable=True, has_one_take=one_take)
        self._database = database
        self._map = FieldMap(key, fields or {}, noun="property")
        self._client: AsyncClient | None = None
        self._source = ""
        self._columns: tuple[Column, ...] = ()
        #: When the next request may go, on the clock of the event loop.
        self._next = 0.0

        def made() -> AsyncClient:
            import httpx
            from notion_client import AsyncClient

            # Its own logger would write to the standard error, with the text of answers.
            quiet = logging.getLogger("pipeline.outlets.notion.client")
            return AsyncClient(
                client=httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, verify=authorities()
                ),
                auth=token,
                base_url=base_url.rstrip("/") or "https://api.notion.com",
                timeout_ms=int(TIMEOUT * 1000),
                notion_version=VERSION,
                retry=False,
                logger=quiet,
                log_level=logging.CRITICAL + 1,
            )

        # In a function, because no repr may show the token.
        self._made = made

    def __repr__(self) -> str:
        return f"NotionOutlet({self._database!r})"

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Result]:
        """Write the pages of these messages, one after the other."""
        return [await self._deliver(message) for message in messages]

    async def check(self) -> Sequence[str]:
        """What is wrong with the database: a sentence each that says what to do."""
        try:
            await self._read()
        except _Failed as failed:
            return failed.result.problems
        return self._map.problems(self._columns)

    async def close(self) -> None:
        """End the connections."""
        if self._client:
            await self._client.aclose()

    async def _deliver(self, message: Message) -> Result:
        if not isinstance(message, RowMessage):
            return NOT_A_ROW
        try:
            if not self._columns:
                await self._read()
                if problems := self._map.problems(self._columns):
                    self._columns = ()
                    return Undelivered(Trouble.CLOSED, " ".join(problems))
            return await self._write(self._map.line(self._columns, message))
        except Unfit as unfit:
            return Undelivered(Trouble.REFUSED, str(unfit))
        except _Failed as failed:
            if failed.result.trouble is Trouble.CLOSED or failed.result.reason == _CHANGED:
                self._columns = ()
            return failed.result

    async def _read(self) -> None:
        """Read which properties there are. Raises _Failed."""
        client = self._opened()
        self._source = self._database
        try:
            database = await self._ask(lambda: client.databases.retrieve(self._database))
            sources = database["data_sources"]
            if len(sources) != 1:
                named = ", ".join(f"{one['name']} ({one['id']})" for one in sources)
                raise _Failed(
                    Undelivered(
                        Trouble.CLOSED,
                        "The database has several data sources. Write the id of one in database: "
                        f"{named}.",
                    )
                )
            self._source = sources[0]["id"]
        except _Failed as failed:
            if failed.status != 404:  # else it may be the id of a data source
                raise
        except (KeyError, TypeError):
            raise _Failed(Undelivered(Trouble.LATER, _STRANGE)) from None
        source = await self._ask(lambda: client.data_sources.retrieve(self._source))
        try:
            self._columns = tuple(
                column_of(name, one) for name, one in source["properties"].items()
            )
        except (KeyError, TypeError, AttributeError):
            raise _Failed(Undelivered(Trouble.LATER, _STRANGE)) from None

    async def _write(self, line: Line) -> Delivered:
        """Update the page of a line, or create it. Raises _Failed, and Unfit."""
        client = self._opened()
        message, known = line.message, _Remembered.of(line.message.remote)
        key = fingerprint(map(str, line.key))
        pictures = _pictures_of(line)
        if known.page and known.key == key:
            changed = await self._properties(line, with_pictures=pictures != known.pictures)
            try:
                await self._ask(
                    lambda: client.pages.update(known.page, properties=changed), writes=True
                )
                return Delivered(str(_Remembered(known.page, key, pictures)))
            except _Failed as failed:
                if not failed.is_gone:
                    raise
        page = await self._find(line)
        if not page and message.is_repeat:
            await asyncio.sleep(SETTLE)
            page = await self._find(line)
        properties = await self._properties(line, with_pictures=True)
        if page:
            await self._ask(lambda: client.pages.update(page, properties=properties), writes=True)
            return Delivered(str(_Remembered(page, key, pictures)))
        parent = {"type": "data_source_id", "data_source_id": self._source}
        made = await self._ask(
            lambda: client.pages.create(parent=parent, properties=properties), writes=True
        )
        if not isinstance(made, dict) or not isinstance(made.get("id"), str):
            raise _Failed(Undelivered(Trouble.UNSURE, _STRANGE))
        return Delivered(str(_Remembered(made["id"], key, pictures)))

    async def _find(self, line: Line) -> str:
        """The id of the oldest page with this key; empty if there is none."""
        client = self._opened()
        keys = [*line.cells][: len(line.key)]
        wanted = [
            {"property": column.name, column.type: {"equals": value}}
            for column, value in zip(keys, line.key, strict=True)
        ]
        found = await self._ask(
            lambda: client.data_sources.query(
                self._source,
                filter=wanted[0] if len(wanted) == 1 else {"and": wanted},
                sorts=[{"timestamp": "created_time", "direction": "ascending"}],
                page_size=1,
            )
        )
        try:
            return str(found["results"][0]["id"]) if found["results"] else ""
        except (KeyError, TypeError):
            raise _Failed(Undelivered(Trouble.LATER, _STRANGE)) from None

    async def _properties(self, line: Line, *, with_pictures: bool) -> dict[str, Any]:
        properties = {}
        for column, value in line.cells.items():
            if column.kind is not Kind.PICTURES:
                properties[column.name] = property_of(column, value)
            elif with_pictures:
                properties[column.name] = {"files": await self._files(line.message, value)}
        for column in self._columns:
            # A page without a title is hard to find.
            if column.type == "title" and not line.cells.get(column):
                title = stored(title_of(line.message))[:PIECE]
                properties[column.name] = property_of(column, title)
        return properties

    async def _files(self, message: RowMessage, links: object) -> list[dict[str, Any]]:
        """The pictures: uploaded where they are saved here, else as links."""
        addresses = [str(one) for one in links] if isinstance(links, list) else []
        files: list[Path | None] = list(message.files)
        if addresses and len(files) != len(addresses):
            files = [None] * len(addresses)  # which file is which address is not known
        told = []
        for number, file in enumerate(files):
            upload = await self._upload(file) if file else ""
            if upload and file:
                its = {"type": "file_upload", "file_upload": {"id": upload}}
                told.append({"name": file.name[-100:], **its})
            elif number < len(addresses) and len(addresses[number]) <= PIECE:
                link = addresses[number]
                name = link.partition("?")[0].rpartition("/")[2][-100:] or "picture"
                told.append({"name": name, "type": "external", "external": {"url": link}})
        return told

    async def _upload(self, file: Path) -> str:
        """The id of an uploaded file; empty if Notion does not take it."""
        client = self._opened()
        kind = mimetypes.guess_type(file.name)[0] or ""
        if not kind.startswith(_TYPES) or kind in _NOT_TAKEN:
            return ""
        content = await asyncio.to_thread(_content, file)
        if not content:
            return ""
        name = file.name[-100:]
        try:
            made = await self._ask(
                lambda: client.file_uploads.create(
                    mode="single_part", filename=name, content_type=kind
                )
            )
            number = str(made["id"])
            await self._ask(lambda: client.file_uploads.send(number, file=(name, content, kind)))
        except _Failed as failed:
            if failed.status in (400, 413):  # such as 5 MB in a free workspace
                return ""
            raise
        except (KeyError, TypeError):
            raise _Failed(Undelivered(Trouble.LATER, _STRANGE)) from None
        return number

    async def _ask(self, request: Callable[[], Awaitable[Any]], *, writes: bool = False) -> Any:
        """The answer to a request, in the pace that Notion allows. Raises _Failed, and Unfit.

        `writes`: without an answer it is not known whether the row arrived.
        """
        import httpx
        from notion_client.errors import HTTPResponseError, RequestTimeoutError

        clock = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._next - clock.time()))
        self._next = clock.time() + EVERY
        unsure = Undelivered(Trouble.UNSURE, _NO_ANSWER, SETTLE)
        result = unsure if writes else Undelivered(Trouble.LATER, "Notion did not answer.")
        try:
            return await request()
        except HTTPResponseError as error:
            raise _meaning(error.status, str(error), error.headers, result) from None
        except RequestTimeoutError as error:
            if isinstance(error.__context__, httpx.ConnectTimeout | httpx.PoolTimeout):
                result = Undelivered(Trouble.LATER, _NOT_REACHED)
        except httpx.ConnectError:
            result = Undelivered(Trouble.LATER, _NOT_REACHED)
        except (httpx.HTTPError, httpx.StreamError):
            pass
        except ValueError:  # The answer is no JSON.
            result = Undelivered(unsure.trouble if writes else Trouble.LATER, _STRANGE)
        raise _Failed(result)

    def _opened(self) -> AsyncClient:
        self._client = self._client or self._made()
        return self._client


def _meaning(
    status: int, said: str, headers: Mapping[str, str], without_answer: Undelivered
) -> Exception:
    """What a status that is no success means; `said` is Notion's own text."""
    words = said.casefold()
    if 300 <= status < 400:
        return _Failed(Undelivered(Trouble.CLOSED, _REDIRECTS), status)
    if status in (400, 402, 403) and "block" in words and "limit" in words:
        return _Failed(Undelivered(Trouble.CLOSED, _FULL), status)
    if status == 400 and ("archived" in words or "in trash" in words):
        return _Failed(Undelivered(Trouble.LATER, _CHANGED), status, is_gone=True)
    if status == 400 and ("is not a property" in words or "is expected to be" in words):
        return _Failed(Undelivered(Trouble.LATER, _CHANGED), status)
    match status:
        case 400 | 413 | 422:
            # An upload asks by the status; a row is refused.
            return _Failed(
                Undelivered(
                    Trouble.REFUSED,
                    f"Notion refuses a value of this row (HTTP {status}). Compare the row with the "
                    "types of the properties.",
                ),
                status,
            )
        case 401:
            return _Failed(Undelivered(Trouble.CLOSED, _REFUSED), status)
        case 403:
            return _Failed(Undelivered(Trouble.CLOSED, _RIGHTS), status)
        case 404:
            return _Failed(Undelivered(Trouble.CLOSED, _NOT_SHARED), status, is_gone=True)
        case 409:
            return _Failed(
                Undelivered(Trouble.LATER, "Somebody changed the page meanwhile.", 1.0), status
            )
        case 429 | 529 | 503:
            wait = _seconds(headers.get("retry-after", "")) or (0.0 if status == 503 else 60.0)
            busy = f"Notion is receiving too much (HTTP {status})."
            return _Failed(Undelivered(Trouble.LATER, busy, wait), status)
    failed = Undelivered(
        without_answer.trouble, f"Notion failed (HTTP {status}).", without_answer.wait
    )
    return _Failed(failed, status)


def _seconds(text: str) -> float:
    return min(float(text), 86_400.0) if text.strip().isdecimal() and len(text) < 10 else 0.0


def _content(file: Path) -> bytes:
    """What is uploaded of a file; nothing if it is too big, or not there any more."""
    try:
        return file.read_bytes() if file.stat().st_size <= MOST_BYTES else b""
    except OSError:
        return b""


def _pictures_of(line: Line) -> str:
    """A text that differs if the pictures do."""
    links = [str(value) for column, value in line.cells.items() if column.kind is Kind.PICTURES]
    return fingerprint([*links, *map(str, line.message.files)]) if links else ""
