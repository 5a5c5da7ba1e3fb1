"""The command `receipt`: prints the receipt of a sheet, and writes it as CSV, JSON and as a claim.

Returns 1 if a charge, a row or a payment is unmatched or a refund is due, 3 if an account could not
be read, else 0. Raises ConfigError for a day that is no date, StoreError before the first run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import terminal, wiring
from pipeline.cli import dates
from pipeline.config import Settings
from pipeline.core.api.task_list import ListedCharge
from pipeline.core.credits import Credits, total
from pipeline.core.messages.row_notes import as_text
from pipeline.core.money.costs import Cost
from pipeline.core.money.receipt_lines import Basis, ReceiptLine, Sent
from pipeline.core.money.receipts import Receipt, Refund, Why, closing
from pipeline.core.money.refund_claims import claims
from pipeline.core.rows.generations import label
from pipeline.core.text import counted, one_line, shortened
from pipeline.reports.output_files import check_output, write_output
from pipeline.reports.receipt import SheetReceipt, prompt_of, sheet_receipt

#: Most charges, and most rows of each list, that are printed. The CSV and the JSON have all.
MOST_CHARGES, MOST_LISTED = 40, 20
#: Characters of a line that has room for the endpoint and the files.
WIDE = 110
TITLES = (
    *("date", "row", "row_id", "name", "prompt", "take", "part", "attempt", "endpoint", "account"),
    *("unit", "task_id", "listed", "charged", "rests_on", "refund", "why", "files", "pictures"),
)


class Wanted(NamedTuple):
    """What to print and to write."""

    #: A day as ISO 8601; empty: everything.
    since: str = ""
    as_json: bool = False
    csv: Path | None = None
    claim: Path | None = None


def print_receipt(settings: Settings, console: Console, wanted: Wanted) -> int:
    """Print the receipt of one sheet, and write the files that are wanted."""
    since = dates.since(wanted.since, settings)
    for file in filter(None, (wanted.csv, wanted.claim)):
        check_output(file, settings)
    found = sheet_receipt(settings, since)
    said = closing(found.receipts)
    needs_a_person = any(one.unmatched or one.due or one.unexplained for one in found.receipts)
    code = 3 if found.troubles else int(needs_a_person)
    letter = claims(found.receipts, wiring.now())
    if wanted.csv:
        write_output(wanted.csv, _as_csv(found), settings)
    if wanted.claim and letter and str(wanted.claim) != "-":
        write_output(wanted.claim, letter.encode("utf-8", "replace"), settings)
    if wanted.as_json:
        terminal.write_json(_as_json(found, said, letter, code))
        return code
    _print(found, console)
    if wanted.claim and str(wanted.claim) == "-" and letter:
        console.print(f"\n{letter}", markup=False)
    for sentence in (*_sentences(found), *_written(wanted, letter, found)):
        console.print(Text(one_line(sentence), style="dim"))
    console.print(Text(f"{found.title}: {said}", style="bold"))
    return code


# On the terminal ---------------------------------------------------------------------------------


def _print(found: SheetReceipt, console: Console) -> None:
    lines = sorted(
        ((line, one) for one in found.receipts for line in one.lines), key=lambda pair: pair[0].at
    )
    if lines:
        console.print(_table(found, lines[-MOST_CHARGES:], console.width))
    if len(lines) > MOST_CHARGES:
        console.print(f"and {len(lines) - MOST_CHARGES:,} earlier charges: -o FILE.csv has all")
    for one in found.receipts:
        name = one.account.name or one.provider.title
        if one.strangers:
            console.print(f"\nCharges at {name} that no row knows:", markup=False)
            _list(console, (_stranger(charge, one) for charge in one.strangers))
        if one.unpaid:
            console.print(f"\nRows whose task is not in the list of {name}:", markup=False)
            _list(console, (_row_in_words(found, sent) for sent in one.unpaid))
            console.print("  Perhaps another member of the team owns the key that paid for them.")
        if one.refunds:
            console.print(f"\nRefunds from {name}:", markup=False)
            _list(
                console,
                (
                    f"{_amount(each.amount, one)}, {each.why}"
                    f"{_what_to_do(each)}: "
                    f"{_row_in_words(found, each.line.sent)}, task {each.line.task_id}"
                    for each in one.refunds
                ),
            )
    console.print()


def _list(console: Console, lines: Iterator[str]) -> None:
    every = list(lines)
    for line in every[:MOST_LISTED]:
        console.print(Text(f"  {one_line(line)}"))
    if len(every) > MOST_LISTED:
        console.print(f"  and {len(every) - MOST_LISTED} more")


def _table(found: SheetReceipt, lines: list[tuple[ReceiptLine, Receipt]], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", width=min(width, 160))
    table.add_column("date", no_wrap=True, style="dim")
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("prompt", ratio=3, overflow="ellipsis", no_wrap=True)
    for title in ("take", "attempt"):
        table.add_column(title, justify="right", no_wrap=True)
    is_wide = width >= WIDE
    if is_wide:
        table.add_column("endpoint", ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column("task", ratio=1 if is_wide else 2, overflow="ellipsis", no_wrap=True)
    for title in ("listed", "charged"):
        table.add_column(title, justify="right", no_wrap=True)
    if is_wide:
        table.add_column("files", ratio=1, overflow="ellipsis", no_wrap=True)
    for line, one in lines:
        sent, row = line.sent, found.row(line.sent)
        doubt = "?" if line.basis is Basis.LOST else ""
        table.add_row(
            f"{line.at.astimezone():%Y-%m-%d %H:%M}",
            str(row.number or "–"),
            Text(shortened(row.name or prompt_of(sent), 200)),
            _take(sent),
            str(sent.number),
            *([Text(one_line(sent.endpoint))] if is_wide else []),
            Text(one_line(line.task_id) or "–"),
            f"{sent.price}",
            f"{line.charged}{doubt}"
            + ("" if one.account.unit == "credit" else f" {one.account.unit}"),
            *([Text(one_line(", ".join(found.files_of(line))))] if is_wide else []),
        )
    return table


def _stranger(charge: ListedCharge, one: Receipt) -> str:
    at = f"{charge.at.astimezone():%Y-%m-%d %H:%M}, " if charge.at else ""
    amount = "an amount that is not named" if charge.amount is None else _amount(charge.amount, one)
    prompt = charge.prompt
    return f"{at}task {charge.task_id}, {amount}" + (
        f': "{shortened(prompt, 80)}"' if prompt else ""
    )


def _row_in_words(found: SheetReceipt, sent: Sent) -> str:
    row = found.row(sent)
    place = f"row {row.number}" if row.number else f"row {sent.row_id} (no longer in the sheet)"
    words = shortened(row.name or prompt_of(sent), 60)
    return f'{place}, "{words}", take {_take(sent)}, attempt {sent.number}'


def _take(sent: Sent) -> str:
    """The take, and which generation of it where the row asks for several."""
    return f"{sent.take}, {label(sent.part)}" if sent.part else f"{sent.take}"


def _what_to_do(refund: Refund) -> str:
    if refund.to_ask:
        return " (ask for it)"
    return " (check if it came back)" if refund.to_check else ""


def _amount(amount: Credits, one: Receipt) -> str:
    return Cost(amount, one.account).in_words(",")


# Sentences ---------------------------------------------------------------------------------------


def _sentences(found: SheetReceipt) -> Iterator[str]:
    yield from found.troubles
    for one in found.receipts:
        yield from _of_account(one)


def _of_account(one: Receipt) -> Iterator[str]:
    name = one.provider.full_title
    yield f"Total: {_amount(one.charged, one)}."
    if one.unsure:
        most = _amount(total(line.charged for line in one.unsure), one)
        yield (
            f"{counted(len(one.unsure), 'submission')} had no answer and no task: up to {most} "
            "more may have been charged."
        )
    if one.has_list:
        if one.lost:
            lost = counted(len(one.lost), "submission")
            end = "perhaps a charge that no row knows is for it" if one.strangers else "not charged"
            yield f"{lost} had no answer, and {name} lists no task known to be for it: {end}."
        yield (
            f"The receipt rests on the list of tasks that {name} keeps for your key. The list does "
            "not name refunds, nor what other members of a team made."
        )
    elif not one.can_be_asked:
        yield (
            f"The key for {one.account.name} is not configured any more, so it was not asked. The "
            "receipt rests on what was reported with each task, else on the listed price."
        )
    elif not one.provider.poll.list:  # Otherwise it is said why the list was not read.
        yield (
            f"{name} has no list of charges. The receipt rests on what is reported with each task, "
            "else on the listed price. It cannot name charges of other programs, or of tasks whose "
            "answer was lost."
        )
    yield from _of_the_balance(one)
    if one.failed_and_charged:
        failed = counted(one.failed_and_charged, "charged task")
        yield f"{failed} failed. The rules of {name} do not say that failed tasks are free."
    if one.elsewhere:
        yield f"{counted(one.elsewhere, 'more charge')} of other sheets in this store: left out."


def _of_the_balance(one: Receipt) -> Iterator[str]:
    since = f"{one.since.astimezone():%Y-%m-%d %H:%M}" if one.since else ""
    if one.unexplained:
        yield (
            f"Since {since}, the account lost {_amount(one.unexplained, one)} more than all known "
            "charges: something else paid with it, or a price is higher than listed."
        )
    elif one.unexplained == 0 and any(each.why is Why.FAILED for each in one.due):
        yield f"The account's balance since {since} shows that failed tasks were not refunded."
    elif one.unexplained == 0:
        yield f"The change of the account's balance since {since} agrees with the charges."
    elif one.since:
        yield (
            f"The balance of {since} cannot be compared with that of now: there was a top-up, "
            "another payment, or a task is still running."
        )
    elif one.provider.account and one.can_be_asked:
        yield (
            "There is no earlier balance that can be compared with that of now. promptsheet doctor "
            "--repair keeps one, while no task is running."
        )


def _written(wanted: Wanted, letter: str, found: SheetReceipt) -> Iterator[str]:
    if wanted.csv:
        yield f"Every charge is in {wanted.csv}."
    if wanted.claim and not letter:
        yield "There is nothing to claim, so no claim was written."
    elif wanted.claim and str(wanted.claim) != "-":
        yield f"The claim is in {wanted.claim}. Read it, add your e-mail address, and send it."
    elif letter and not wanted.claim and any(one.refunds for one in found.receipts):
        yield "--claim FILE writes a claim for the refunds, to send to the support."


# For programs ------------------------------------------------------------------------------------


def _records(found: SheetReceipt) -> Iterator[dict[str, object]]:
    """Every charge; then charges that no row knows, and rows that were paid without a charge."""
    for one in found.receipts:
        refunds = {each.line.task_id: each for each in one.refunds}
        for line in one.lines:
            refund = refunds.get(line.task_id)
            yield {
                **_row_fields(found, one, line.sent),
                "date": line.at.isoformat(timespec="seconds"),
                "task_id": line.task_id,
                "charged": line.charged,
                "rests_on": f"{line.basis}{', matched by content' if line.by_content else ''}",
                "refund": refund.amount if refund else None,
                "why": f"{refund.why}{' (to check)' if refund.to_check else ''}" if refund else "",
                "files": found.files_of(line),
                "pictures": line.sent.wrong,
            }
        for charge in one.strangers:
            yield {
                **_account_fields(one),
                "date": charge.at.isoformat(timespec="seconds") if charge.at else "",
                "prompt": charge.prompt,
                "task_id": charge.task_id,
                "charged": charge.amount,
                "rests_on": Basis.LIST,
                "why": "no row knows this charge",
            }
        for sent in one.unpaid:
            why = "the task is not in the account's list"
            yield {**_row_fields(found, one, sent), "why": why}


def _account_fields(one: Receipt) -> dict[str, object]:
    account = one.account.name or one.provider.title
    return {**dict.fromkeys(TITLES), "account": account, "unit": one.account.unit, "files": []}


def _row_fields(found: SheetReceipt, one: Receipt, sent: Sent) -> dict[str, object]:
    row = found.row(sent)
    return {
        **_account_fields(one),
        "date": sent.sent_at.isoformat(timespec="seconds"),
        "row": row.number,
        "row_id": sent.row_id,
        "name": row.name,
        "prompt": prompt_of(sent),
        "take": sent.take,
        "part": label(sent.part) if sent.part else "",
        "attempt": sent.number,
        "endpoint": sent.endpoint,
        "task_id": sent.task_id,
        "listed": sent.price,
    }


def _as_csv(found: SheetReceipt) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(TITLES)
    for record in _records(found):
        writer.writerow([_cell(record[title]) for title in TITLES])
    return text.getvalue().encode("utf-8-sig", "replace")


def _cell(value: object) -> object:
    if isinstance(value, list):
        return "\n".join(map(as_text, value))
    return as_text(value) if isinstance(value, str) else "" if value is None else value


def _as_json(found: SheetReceipt, said: str, letter: str, code: int) -> dict[str, object]:
    return {
        "sheet": found.title,
        "closing": said,
        "charges": sum(one.charges for one in found.receipts),
        "unmatched": sum(one.unmatched for one in found.receipts),
        "refunds_due": sum(len(one.due) for one in found.receipts),
        "refunds_to_check": sum(len(one.to_check) for one in found.receipts),
        "refunds_to_ask_for": sum(len(one.to_ask) for one in found.receipts),
        "accounts": [
            {
                **Cost(one.charged, one.account).as_json(),
                "account": one.account.name or one.provider.title,
                "has_list": one.has_list,
                "charges": one.charges,
                "other_sheets": one.elsewhere,
                "unexplained": one.unexplained,
                "rows_without_a_charge": [
                    {"row_id": sent.row_id, "take": sent.take, "task_id": sent.task_id}
                    for sent in one.unpaid
                ],
            }
            for one in found.receipts
        ],
        "details": list(_records(found)),
        "messages": list(_sentences(found)),
        "claim": letter,
        "exit_code": code,
    }
