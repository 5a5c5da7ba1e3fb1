"""What a message to people says, before the markup of a service."""

from __future__ import annotations

from pipeline.core.outlets.outbox import Message, MessageKind, NoticeRow
from pipeline.outlets.cards import Tone, card_of, digest_card, is_picture, is_public
from tests.fakes.cases import each
from tests.outlets.test_chats import PAGE, notice, row


def test_costs_of_several_accounts_are_not_added_up() -> None:
    messages = [row(1), row(2), row(3, vendor="Luma", unit="US cents", credits=25)]
    facts = dict(digest_card(messages, 4).facts)

    assert facts == {"Done": "3", "Cost": "8 Apiframe credits, 25 US cents at Luma"}


def test_a_digest_is_named_by_its_sheets_and_by_what_needs_a_person_first() -> None:
    others = [row(1, sheet=name) for name in ("Spring", "Summer", "Autumn")]
    batches: list[list[Message]] = [
        [row(1)],
        [*others],
        [row(1), row(2, MessageKind.FAILED)],
        [row(1), notice(MessageKind.BUDGET), notice()],
        [notice(MessageKind.ATTENTION)],
        [notice(MessageKind.SILENT, is_over=True)],
        [notice(MessageKind.BUDGET, is_over=True), notice(MessageKind.SILENT)],
    ]
    titles = [digest_card(messages, 4).title for messages in batches]

    assert titles == [
        "Spring campaign: 1 done",
        "Spring, Summer and 1 more: 3 done",
        "Spring campaign: 1 done, 1 needs attention",
        "Spring campaign: credits need attention, sending stopped, 1 done",
        "Spring campaign: rows need attention",
        "Spring campaign: runs take place again",
        "Spring campaign: enough credits again, no run for some time",
    ]


def test_the_tone_says_whether_a_person_has_something_to_do() -> None:
    failed = row(1, MessageKind.FAILED)

    assert digest_card([row(1)], 4).tone is card_of(row(1), 4).tone is Tone.GOOD
    assert digest_card([row(2), failed], 4).tone is card_of(failed, 4).tone is Tone.ATTENTION
    assert digest_card([notice()], 4).tone is Tone.ATTENTION
    over = notice(MessageKind.SILENT, is_over=True)
    assert digest_card([over], 4).tone is card_of(over, 4).tone is Tone.GOOD
    assert card_of(over, 4).title == "Spring campaign: runs take place again"
    assert digest_card([over, notice()], 4).tone is Tone.ATTENTION
    assert digest_card([row(1, MessageKind.TEST)], 4).tone is Tone.PLAIN


def test_without_pictures_none_are_counted() -> None:
    card = digest_card([row(1), row(2)], 0)

    assert (card.pictures, card.last_picture) == ((), "")


def test_a_row_without_a_name_is_named_by_its_prompt_which_is_not_told_twice() -> None:
    card = card_of(row(1, values={"name": "", "prompt": "a red fox"}), 4)

    assert card.title == "a red fox"
    assert "Prompt" not in dict(card.texts)


def test_what_is_no_picture_is_a_link() -> None:
    card = card_of(row(1, urls=("https://cdn.example.com/fox.mp4",)), 4, PAGE)

    assert card.pictures == ()
    assert card.links[0] == ("Open the result", "https://cdn.example.com/fox.mp4")


@each(
    "address",
    [
        "https://cdn.example.com/a.png",
        "https://cdn.example.com/a.webp?x=1&y=%20",
        "https://cdn.example.com/without-an-end",
        "https://8.8.8.8/a.jpg",
    ],
)
def test_a_public_picture_can_be_shown(address: str) -> None:
    assert is_public(address)
    assert is_picture(address)


def test_rows_with_the_same_note_are_one_entry() -> None:
    notes = ["no scene", "no scene", "banned", *("no scene",) * 12]
    rows = tuple(
        NoticeRow(f"r_{n}", f"fox {n}", n + 2, "invalid", note) for n, note in enumerate(notes)
    )
    card = digest_card([notice(MessageKind.ATTENTION, rows=rows)], 4)

    assert card.rows == (
        (
            "Row 2 · fox 0 and rows 3, 5, 6, 7, 8, 9, 10, 11 and 5 more rows (invalid)",
            "no scene",
        ),
        ("Row 4 · fox 2 (invalid)", "banned"),
    )
    assert card.rows_heading == "15 rows need attention"
    assert card.more_rows == 0
