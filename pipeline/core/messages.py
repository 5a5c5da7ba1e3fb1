"""The notes that Promptsheet writes into a sheet: what happened, and what to do next.

There is one function for each kind of problem. Text from the API or the sheet is quoted and limited
to one line. It never comes first in a note, so that no cell of ours can become a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.core.cell_errors import is_unfinished
from pipeline.core.credits import Credits, total
from pipeline.core.invisible import visible
from pipeline.core.model import State
from pipeline.core.states import Charge
from pipeline.core.statuses import ON_THE_WAY, Status
from pipeline.core.text import (
    counted,
    in_credits,
    is_or_are,
    joined,
    one_line,
    printable,
    quoted,
    time_limit,
)

#: Characters that may begin a formula in a spreadsheet, with their full-width forms.
_LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")
#: The usual names of the separators in CSV files.
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


def as_text(text: str) -> str:
    """Text from outside, changed so that no spreadsheet reads it as a formula."""
    clean = printable(text).strip(" ")
    # Some programs skip invisible characters before they look for a formula.
    is_live = clean.startswith(_LIVE) or visible(clean).startswith(_LIVE)
    return "'" + clean if is_live else clean


def incomplete(problems: list[str]) -> str:
    """Some cells of the row are missing or wrong."""
    return f"Not sent, nothing paid: {'; '.join(problems)}."


def or_ignore(title: str) -> str:
    """The advice if a column of the team has one of our names."""
    return f', or set [columns] ignore = ["{title.strip()}"] if that column is your own'


def write_take(take: int, column: str = "take", *, is_there: bool = True) -> str:
    """How to ask for a take. If the sheet has no such column, it must be added first."""
    if is_there:
        return f"put {take} in the {column} column"
    return f"add a column named {column} and put {take} in it"


def bad_take(column: str, text: str, *, is_new: bool) -> str:
    """The take cell holds no number; `is_new`: the row was never sent."""
    cure = "Write a whole number, 1 or more, or clear the cell"
    return f"Not sent: {column} is {quoted(text, 20)}. {cure}{or_ignore(column) if is_new else ''}."


def jumped_take(column: str, was: int, now: int, extra_takes: int = 0) -> str:
    """The take was raised by more than one, as happens when a cell is dragged down.

    `extra_takes` is the number of takes that were requested on the page.
    """
    if extra_takes:
        return (
            f"Not sent: {column} is {now - extra_takes}. With {extra_takes} more requested on the "
            f"page, that is take {now}, but the last one was {was}. "
            f"Write {max(was + 1 - extra_takes, 1)} to generate this row again."
        )
    return (
        f"Not sent: {column} went from {was} to {now}. Write {was + 1} to generate this row again, "
        f"or {was} to keep it as it is."
    )


def no_such_take(take: int, first: int, extra_takes: int = 0) -> str:
    """The take cell was lowered below the first one."""
    return (
        f"Take {take} does not exist: the first take of this row is {first}. "
        f"Write {max(first - extra_takes, 1)} to see its pictures."
    )


def asked_on_the_page(take: int) -> str:
    """The take was requested on the page, not in the take cell."""
    return f"Take {take} was requested on the page."


def no_price(endpoint: str, model: str = "") -> str:
    """The provider file lists no credits for the endpoint, or for the model of the row."""
    name = model or endpoint
    return (
        f"Not sent: the provider file lists no credits for {endpoint}. In the configuration, set "
        f'[provider] credits = {{ "{name}" = 10 }} to what one row costs.'
    )


def price_unread(endpoint: str, api: str, model: str = "") -> str:
    """The row's price is in a list that the API publishes, and which was never read."""
    return (
        f"Waiting for the price of {endpoint}: the price list of {api} was not read yet. A later "
        f'run reads it. To send the row without it, set [provider] credits = {{ "'
        f'{model or endpoint}" = 10 }} in the configuration to what one row costs.'
    )


def needs_approval(column: str) -> str:
    """The row is not approved yet."""
    return f"Waiting for approval. Tick {quoted(column)} to generate this row."


def not_approved(column: str, text: str, words: Sequence[str]) -> str:
    """The approval cell holds a text that does not mean yes; `words` do, or some that do."""
    said, yes = quoted(text, 20), ", ".join(words)
    return f"Not approved: {column} says {said}. Tick it, or write one of these: {yes}."


def needs_approval_again(column: str, is_another_take: bool) -> str:
    """The row was changed after it was approved, or the approval was for another take."""
    why = (
        "The approval was for another take."
        if is_another_take
        else "Changed after it was approved."
    )
    return f"{why} Untick {column}, wait for the next run, then tick it again."


def needs_approval_column(column: str) -> str:
    """The configuration requires approval, but the sheet has no column for it."""
    return f"This sheet needs approval. Add a column named {column} and write yes into it."


def skipped(column: str) -> str:
    """The skip cell is filled in."""
    return f"Skipped because the {column} cell is filled in. Clear it to generate this row."


def settling(settle: timedelta) -> str:
    """The row was changed a moment ago."""
    return f"Waiting until the row has not changed for {time_limit(settle)}."


def unfinished_cell(name: str) -> str:
    """A formula in an input cell is not computed yet, or came to 0 over an empty cell."""
    return (
        f"Waiting: {name} holds a formula that is not computed yet, or shows 0 because a cell that "
        "it refers to is empty. If this does not change, open the sheet and save it."
    )


def broken_cell(name: str, text: str) -> str:
    """A formula in an input cell shows an error."""
    return f"Waiting: {name} shows {text}. Correct that cell."


def not_a_value(name: str, text: str) -> str:
    """A cell shows no value (see `cell_errors.is_value`): an error, or a formula not computed."""
    return unfinished_cell(name) if is_unfinished(text) else broken_cell(name, text)


def too_many_cells(delimiter: str) -> str:
    """A row of a CSV file has more cells than the header."""
    sign = DELIMITER_NAMES[delimiter]
    return (
        "Not sent: this row has more cells than the header. Put quotation marks around text that "
        f'contains a {sign}: "a fox{delimiter} in snow". If the last cell is a column of its own, '
        "give that column a title."
    )


def copy(what: str, redo: str) -> str:
    """The row is a copy of another row; `what` can be changed, `redo` asks for the next take."""
    return (
        f"A copy of another row, so it was not sent. Change its {what} to generate the new one. "
        f"To generate the same one again, {redo}."
    )


def unrecognized(redo: str) -> str:
    """The row has an id or results that this store did not write."""
    return (
        "Has results that Promptsheet did not write here, so this row is not sent. "
        f"Run doctor --adopt to take them over. To generate it anyway, {redo}."
    )


def no_longer_filled(redo: str) -> str:
    """The row, or one with the same inputs, had an id or results that this store did not write."""
    return (
        "A row like this one had results that Promptsheet did not write, and they are no longer "
        f"here. So this row is not sent. To generate it, {redo}."
    )


def over_budget(cap: str) -> str:
    """`cap` is `per_run`, `per_day` or `per_month`."""
    periods = {"per_run": ("one run's", "by the next run"), "per_day": ("today's", "tomorrow")}
    whose, when = periods.get(cap, ("this month's", "next month"))
    left = f"Not enough is left of {whose} budget ([budget] {cap})."
    return f"{left} This row is sent {when}, or raise the budget."


def beyond_budget(cap: str, allowed: str, cost: str) -> str:
    """The row alone costs more than `cap` allows, so waiting does not help."""
    return (
        f"This row costs {cost}, and [budget] {cap} allows {allowed}. Raise {cap} to generate it."
    )


#: What the reason of an attempt begins with if the API found nothing at its address.
NOT_FOUND = "404: "


def refused(api: str, reason: str, what: str = "prompt") -> str:
    """The API accepted nothing and gave a reason. `what` can be changed."""
    if reason.startswith(NOT_FOUND):
        words = reason.removeprefix(NOT_FOUND)
        said = f", and said {quoted(words)}" if words else ""
        return (
            f"{api} answered 404 (not found){said}. If a cell names something that it does not "
            "have, correct the cell. Otherwise ask the person who runs Promptsheet to check "
            "[provider] base_url; promptsheet retry then sends the row again."
        )
    why = f": {quoted(reason)}" if reason else ""
    return f"{api} refused the {_row(what)}{why}. Change the {what} to send the row again."


def _row(what: str) -> str:
    return what if what == "prompt" else "row"


def refused_when_sent_again(api: str, reason: str, price: Credits, what: str = "prompt") -> str:
    """The answer to the first submission was lost, and the API refused the second one."""
    return (
        f"{api} refused the {_row(what)} when it was sent again: {quoted(reason)}. The answer to "
        f"the first time was lost; it may have cost {in_credits(price)}. Check your {api} account. "
        f"Change the {what} to send the row again."
    )


#: What the reason of an attempt begins with if a file of it could not be read.
UNREAD = "a file cannot be read: "


def unread(reason: str) -> str:
    """A file that belongs to the row could not be read when the row was to be sent."""
    why = one_line(reason.removeprefix(UNREAD))
    return (
        f"Not sent, nothing paid: {why}. Correct that cell, or press Retry on the page once the "
        "file can be read (promptsheet retry)."
    )


def failed(api: str, reason: str, price: Credits, what: str = "prompt") -> str:
    """The API accepted the task, and the task failed."""
    # The price of a task from another store is unknown.
    cost = f"The failed task may have cost {in_credits(price)}." if price else ""
    why = f"{api} could not generate it: {quoted(reason)}. Change the {what}, or ask for a retry."
    return f"{why} {cost}".strip()


def lost(api: str, reason: str, price: Credits, redo: str) -> str:
    """The request was sent, but it is unknown whether the API accepted it."""
    return (
        f"Sent, but no answer came ({one_line(reason)}); "
        f"it may have cost {in_credits(price)}. Check your {api} account. "
        f"To pay for it again, {redo}, or ask the person who runs Promptsheet."
    )


def sent_again(api: str) -> str:
    """The answer was lost, and the API makes one task of it however often it is sent."""
    return f"No answer came from {api}. It is sent again with the same key, which pays only once."


def api_away(provider: str, base_url: str, task_id: str, redo: str) -> str:
    """The key of the API that has the task is not configured any more."""
    place = f"{provider} ({base_url})" if base_url else provider
    return (
        f"Task {task_id} is at {place}, and the key for it is not configured any more. Ask the "
        "person who runs Promptsheet to add it under [provider.former]; the result then arrives. "
        f"To pay for it again, {redo}."
    )


def endpoint_gone(api: str, endpoint: str) -> str:
    """The provider file does not have the endpoint any more that the row was sent to."""
    return (
        f"The provider file of {api} does not have the endpoint {quoted(endpoint, 40)} any more. "
        "The result is still read if it is where those of other endpoints are. Otherwise, put the "
        "endpoint back, and it arrives."
    )


def other_key(task_id: str) -> str:
    """The task was sent with another key than the one that it is polled with."""
    return (
        f"Task {task_id} was sent with an earlier key, and is polled with the present one. If they "
        "belong to different accounts, ask the person who runs Promptsheet to add the earlier key "
        "under [provider.former]."
    )


def taken_over(api: str, redo: str) -> str:
    """The sheet belonged to another store, which may have sent the row."""
    return (
        "The sheet was taken over from another store, which may have sent this row. "
        f"Check your {api} account. To send it, {redo}, or ask the person who runs Promptsheet."
    )


def overdue(api: str, task_id: str, after: timedelta, redo: str) -> str:
    """The API accepted the task, but it has not finished within the time limit."""
    return (
        f"{api} has had task {task_id} for over {time_limit(after)}. Its result is still collected "
        f"if it arrives. To pay for another one, {redo}."
    )


def made_from(changes: Mapping[str, str], state: State) -> str:
    """The content of the changed cells when the row was sent; empty if nothing changed."""
    if not changes:
        return ""
    was = [f"{name} was {quoted(text) if text else 'empty'}" for name, text in changes.items()]
    some = "; ".join([*was[:MOST_CHANGES], *(["…"] if len(was) > MOST_CHANGES else [])])
    is_made = state is State.SUCCEEDED
    return f"{some} when {'these pictures were made' if is_made else 'this row was sent'}."


#: The most changed cells that a note names.
MOST_CHANGES = 3


def edited(changes: Mapping[str, str], state: State, redo: str) -> str:
    """The row was changed after it was sent; `changes` holds the earlier texts by column."""
    new = "the new prompt" if "prompt" in changes else "the changed row"
    return f"{made_from(changes, state)} To generate {new}, {redo}; or put the old text back."


def parent_changed(name: str, was: int, now: int | None, state: State, redo: str) -> str:
    """The row that this row followed was made again; `now` is its take, `was` the earlier one.

    None if another row has the name now.
    """
    made = "These pictures were made" if state is State.SUCCEEDED else "This row was sent"
    other = f"which is now at take {now}" if now else "and another row has that name now"
    return f"{made} from take {was} of the row {quoted(name, 40)}, {other}. To follow it, {redo}."


def waiting_for(name: str, status: Status) -> str:
    """The row follows another row, which is not done; `status` is that row's."""
    is_what = _PARENT_IS.get(status, "it is in progress")
    cure = "" if status in ON_THE_WAY else "See the note of that row, or name another one in parent"
    return joined(f"Waiting for the row {quoted(name, 40)}: {is_what}.", cure and f"{cure}.")


_PARENT_IS: Mapping[Status, str] = {
    Status.INVALID: "it is invalid",
    Status.FAILED: "it failed",
    Status.CHECK_NEEDED: "it needs a check",
    Status.UNRECOGNIZED: "its results were not made here",
    Status.OVER_BUDGET: "it is over budget",
    Status.NEEDS_APPROVAL: "it needs approval",
    Status.COPY: "it is a copy of another row",
    Status.WAITING: "it is waiting, too",
    Status.SKIPPED: "it is skipped",
    Status.QUEUED: "it is queued",
    Status.SENDING: "it is being sent",
}


def lost_cell(name: str, text: str) -> str:
    """A value that was sent is no longer in its cell, and there is no new one."""
    says = f"says {quoted(text, 20)}" if text else "is empty"
    return f"Waiting: {name} {says} now. Put the text back."


def warning(doubts: Sequence[str]) -> str:
    """The prompt looks like a mistake, but is sent as it is."""
    return f"Check this: {'; '.join(doubts)}." if doubts else ""


def second_success(task_id: str, price: Credits, saved: bool = True) -> str:
    """Two attempts succeeded; the first one reported is shown."""
    cost = in_credits(price)
    files = "its files are saved" if saved else "its files are not saved"
    return f"A second attempt also succeeded (task {task_id}, {cost}); {files}."


def left_out(kept: int, more: int) -> str:
    """The API delivered more results than Promptsheet keeps for one task."""
    return f"The API delivered {kept + more} results; the first {kept} are kept."


def files_missing(count: int, reason: str = "") -> str:
    """Some pictures are not saved yet; `reason` is a sentence."""
    said = f"{counted(count, 'picture')} {is_or_are(count)} not saved yet."
    return joined(said, reason, "Later runs try again.")


def files_lost(numbers: Sequence[int], of: int, reason: str, again: bool, redo: str) -> str:
    """The pictures with these numbers, out of `of`, cannot be saved; `reason` is a sentence.

    `again` says whether later runs try again.
    """
    if of == 1:
        what = "The picture could not be saved."
    elif len(numbers) == of:
        what = f"None of the {of} pictures could be saved."
    else:
        pictures = "Picture" if len(numbers) == 1 else "Pictures"
        what = f"{pictures} {listed(numbers)} of {of} could not be saved."
    how = "Later runs try again" if again else "To try again, run doctor --repair"
    return f"{what} {reason} {how}; to pay for new ones, {redo}."


def listed(numbers: Sequence[int]) -> str:
    """Numbers in words, such as 1, 2 and 4; at most ten of them are named."""
    if len(numbers) > 10:
        return f"{', '.join(map(str, numbers[:10]))} and {len(numbers) - 10} more"
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def charged_more(api: str, charges: Sequence[Charge], unit: str = "credit") -> str:
    """The API charged more for these tasks than is listed; `unit` is what its prices are in."""
    listed, said = total(c.listed for c in charges), total(c.reported for c in charges)
    tasks = counted(len(charges), "task")
    return (
        f"{api} charged {counted(said, unit)} for {tasks}, and {listed} were listed. The budget "
        "counts what was charged. promptsheet doctor shows which prices to correct."
    )


def account_differs(api: str, fell: Credits, spent: Credits, since: str) -> str:
    """The account lost more or fewer credits than were counted since `since`."""
    return (
        f"The account at {api} went down by {in_credits(fell)} since {since}; Promptsheet counted "
        f"{spent}. If nothing else used the account, correct the prices in the provider file."
    )
