"""Messages to outlets, as a pass makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.outlets.outbox import MessageKind, Notice, NoticeRow, RowMessage, Value

AT = datetime(2026, 11, 28, 9, 30, 15, tzinfo=UTC)
#: A service refuses a message with this word, and takes all others.
POISON = "POISON"
#: A prompt that would do something if it were not taken as text.
NASTY = (
    '<!channel> <@U123> @everyone **bold** [x](https://evil.test) <b>b</b> & =HYPERLINK("x") '
    "`code` _it_ ~s~ |t| \\ \n# head\n> quote\u202e☃"
)


def row(
    number: int = 1,
    kind: MessageKind = MessageKind.DONE,
    *,
    take: int = 1,
    repeat: bool = False,
    columns: Mapping[str, Value] | None = None,
    **values: Value,
) -> RowMessage:
    """What is told of row `number`."""
    row_id, urls = f"r_{number:05}", (f"https://cdn.test/{number}/1.png",)
    known: dict[str, Value] = {
        "row_id": row_id,
        "take": take,
        "sheet": "Autumn",
        "name": f"fox {number}",
        "prompt": f"a fox, number {number}",
        "endpoint": "imagine",
        "status": kind.value,
        "note": "" if kind is MessageKind.DONE else "The API refused the prompt.",
        "task_id": f"task-{number}",
        "image_urls": urls,
        "text": "",
        "files": (f"{row_id}.png",),
        "credits": 8,
        "submitted_at": AT,
        "finished_at": AT,
        "aspect_ratio": "16:9",
    }
    return RowMessage(
        id=f"store-{number}-{take}",
        kind=kind,
        at=AT,
        sheet="Autumn",
        row_id=row_id,
        take=take,
        values=known | values | dict(columns or {}),
        urls=urls if kind is MessageKind.DONE else (),
        files=(Path("media", f"{row_id}.png"),),
        credits=8,
        vendor="Apiframe",
        is_repeat=repeat,
    )


def rows(count: int) -> list[RowMessage]:
    """What is told of this many rows."""
    return [row(number) for number in range(1, count + 1)]


def repeated(message: RowMessage, remote: str = "") -> RowMessage:
    """The same message at its next try, after it may have arrived."""
    return replace(message, is_repeat=True, remote=remote)


def notice(kind: MessageKind = MessageKind.ATTENTION, count: int = 2) -> Notice:
    """A notice about this many rows."""
    about = tuple(
        NoticeRow(
            f"r_{number:05}", f"fox {number}", number + 1, "failed", "The prompt was refused."
        )
        for number in range(1, count + 1)
    )
    return Notice(f"store-{kind.name}", kind, AT, "Autumn", f"{count} rows need attention.", about)
