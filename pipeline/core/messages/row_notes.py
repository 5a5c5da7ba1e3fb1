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
from pipeline.core.language import NOTHING, Said, figures, of_units, say, say_counted, together
from pipeline.core.model import Job, State
from pipeline.core.states import Charge
from pipeline.core.statuses import ON_THE_WAY, Status
from pipeline.core.text import all_of, in_credits, joined, printable, quoted, time_limit
from pipeline.core.traces import is_trace

#: Characters that may begin a formula in a spreadsheet, with their full-width forms.
_LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")
#: The usual names of the separators in CSV files.
DELIMITER_NAMES = {
    ",": say("comma"),
    ";": say("semicolon"),
    "\t": say("tab"),
    "|": say("vertical bar"),
}


def as_text(text: str) -> str:
    """Text from outside, changed so that no spreadsheet reads it as a formula."""
    clean = printable(text).strip(" ")
    # Some programs skip invisible characters before they look for a formula.
    is_live = clean.startswith(_LIVE) or visible(clean).startswith(_LIVE)
    return "'" + clean if is_live else clean


def incomplete(problems: Sequence[str]) -> Said:
    """Some cells of the row are missing or wrong."""
    return say("Not sent, nothing paid: {problems}.", problems=together(problems, "; "))


def or_ignore(advice: Said, title: str) -> Said:
    """The advice, and a second one if a column of the team has one of our names."""
    return say(
        '{advice}, or set [columns] ignore = ["{title}"] if that column is your own',
        advice=advice,
        title=title.strip(),
    )


def write_take(take: int, column: str = "take", *, is_there: bool = True) -> Said:
    """How to ask for a take. If the sheet has no such column, it must be added first."""
    if is_there:
        return say("put {take} in the {column} column", take=take, column=column)
    return say("add a column named {column} and put {take} in it", take=take, column=column)


def bad_take(column: str, text: str, *, is_new: bool) -> Said:
    """The take cell holds no number; `is_new`: the row was never sent."""
    cure = say("Write a whole number, 1 or more, or clear the cell")
    return say(
        "Not sent: {column} is {text}. {cure}.",
        column=column,
        text=quoted(text, 20),
        cure=or_ignore(cure, column) if is_new else cure,
    )


def jumped_take(column: str, was: int, now: int, extra_takes: int = 0) -> Said:
    """The take was raised by more than one, as happens when a cell is dragged down.

    `extra_takes` is the number of takes that were requested on the page.
    """
    if extra_takes:
        return say(
            "Not sent: {column} is {number}. With {extra} more requested on the page, that is take "
            "{take}, but the last one was {last}. Write {next} to generate this row again.",
            column=column,
            number=now - extra_takes,
            extra=extra_takes,
            take=now,
            last=was,
            next=max(was + 1 - extra_takes, 1),
        )
    return say(
        "Not sent: {column} went from {was} to {now}. Write {next} to generate this row again, "
        "or {was} to keep it as it is.",
        column=column,
        was=was,
        now=now,
        next=was + 1,
    )


def no_such_take(take: int, first: int, extra_takes: int = 0) -> Said:
    """The take cell was lowered below the first one."""
    return say(
        "Take {take} does not exist: the first take of this row is {first}. Write {number} to see "
        "its pictures.",
        take=take,
        first=first,
        number=max(first - extra_takes, 1),
    )


def asked_on_the_page(take: int) -> Said:
    """The take was requested on the page, not in the take cell."""
    return say("Take {take} was requested on the page.", take=take)


def no_price(endpoint: str, model: str = "") -> Said:
    """The provider file lists no credits for the endpoint, or for the model of the row."""
    return say(
        "Not sent: the provider file lists no credits for {endpoint}. In the configuration, set "
        '[provider] credits = {{ "{name}" = 10 }} to what one row costs.',
        endpoint=endpoint,
        name=model or endpoint,
    )


def price_unread(endpoint: str, api: str, model: str = "") -> Said:
    """The row's price is in a list that the API publishes, and which was never read."""
    return say(
        "Waiting for the price of {endpoint}: the price list of {api} was not read yet. A later "
        'run reads it. To send the row without it, set [provider] credits = {{ "{name}" = 10 }} '
        "in the configuration to what one row costs.",
        endpoint=endpoint,
        api=api,
        name=model or endpoint,
    )


def needs_approval(column: str, word: str) -> Said:
    """The row is not approved yet; `word` would approve it."""
    return say(
        "Waiting for approval. Write {word} into {column}, or tick it, to generate this row.",
        column=quoted(column),
        word=word,
    )


def not_approved(column: str, text: str, words: Sequence[str]) -> Said:
    """The approval cell holds a text that does not mean yes; `words` do, or some that do."""
    return say(
        "Not approved: {column} says {text}. Tick it, or write one of these: {words}.",
        column=column,
        text=quoted(text, 20),
        words=", ".join(words),
    )


def needs_approval_again(column: str, why: Said) -> Said:
    """The approval does not cover the row as it is now; `why` is a sentence."""
    how = say("Untick {column}, wait for the next run, then tick it again.", column=column)
    return joined(why, how)


def needs_approval_column(column: str, word: str) -> Said:
    """The configuration requires approval, but the sheet has no column for it; `word` approves."""
    return say(
        "This sheet needs approval. Add a column named {column} and write {word} into it.",
        column=column,
        word=word,
    )


def skipped(column: str) -> Said:
    """The skip cell is filled in."""
    return say(
        "Skipped because the {column} cell is filled in. Clear it to generate this row.",
        column=column,
    )


def settling(settle: timedelta) -> Said:
    """The row was changed a moment ago."""
    return say("Waiting until the row has not changed for {time}.", time=time_limit(settle))


def unfinished_cell(name: str) -> Said:
    """A formula in an input cell is not computed yet, or came to 0 over an empty cell."""
    return say(
        "Waiting: {column} holds a formula that is not computed yet, or shows 0 because a cell "
        "that it refers to is empty. If this does not change, open the sheet and save it.",
        column=name,
    )


def broken_cell(name: str, text: str) -> Said:
    """A formula in an input cell shows an error."""
    return say("Waiting: {column} shows {text}. Correct that cell.", column=name, text=text)


def not_a_value(name: str, text: str) -> Said:
    """A cell shows no value (see `cell_errors.is_value`): an error, or a formula not computed."""
    return unfinished_cell(name) if is_unfinished(text) else broken_cell(name, text)


def too_many_cells(delimiter: str) -> Said:
    """A row of a CSV file has more cells than the header."""
    return say(
        "Not sent: this row has more cells than the header. Put quotation marks around text that "
        'contains a {sign}: "a fox{delimiter} in snow". If the last cell is a column of its own, '
        "give that column a title.",
        sign=DELIMITER_NAMES[delimiter],
        delimiter=delimiter,
    )


def copy(what: str, redo: str) -> Said:
    """The row is a copy of another row; `what` can be changed, `redo` asks for the next take."""
    return say(
        "A copy of another row, so it was not sent. Change its {what} to generate the new one. "
        "To generate the same one again, {redo}.",
        what=what,
        redo=redo,
    )


def unrecognized(redo: str) -> Said:
    """The row has an id or results that this store did not write."""
    return say(
        "Has results that Promptsheet did not write here, so this row is not sent. "
        "Run promptsheet doctor --adopt to take them over. To generate it anyway, {redo}.",
        redo=redo,
    )


def no_longer_filled(redo: str) -> Said:
    """The row, or one with the same inputs, had an id or results that this store did not write."""
    return say(
        "A row like this one had results that Promptsheet did not write, and they are no longer "
        "here. So this row is not sent. To generate it, {redo}.",
        redo=redo,
    )


def over_budget(cap: str) -> Said:
    """`cap` is `per_run`, `per_day` or `per_month`."""
    match cap:
        case "per_run":
            return say(
                "Not enough is left of one run's budget ([budget] per_run). This row is sent by "
                "the next run, or raise the budget."
            )
        case "per_day":
            return say(
                "Not enough is left of today's budget ([budget] per_day). This row is sent "
                "tomorrow, or raise the budget."
            )
    return say(
        "Not enough is left of this month's budget ([budget] per_month). This row is sent next "
        "month, or raise the budget."
    )


def beyond_budget(cap: str, allowed: str, cost: str) -> Said:
    """The row alone costs more than `cap` allows, so waiting does not help."""
    return say(
        "This row costs {cost}, and [budget] {cap} allows {allowed}. Raise {cap} to generate it.",
        cost=cost,
        cap=cap,
        allowed=allowed,
    )


def made_from(changes: Mapping[str, str], state: State) -> Said:
    """The content of the changed cells when the row was sent; empty if nothing changed."""
    if not changes:
        return NOTHING
    was = [_was(name, text) for name, text in changes.items()]
    some = together([*was[:MOST_CHANGES], *(["…"] if len(was) > MOST_CHANGES else [])], "; ")
    if state is State.SUCCEEDED:
        return say("{changes} when these pictures were made.", changes=some)
    return say("{changes} when this row was sent.", changes=some)


def _was(column: str, text: str) -> Said:
    if not text:
        return say("{column} was empty", column=column)
    if is_trace(text):
        return say("{column} was another text (forgotten since)", column=column)
    return say("{column} was {text}", column=column, text=quoted(text))


def forgotten(job: Job) -> Said:
    """When the words and the result of a job were removed from the store."""
    days = {its.at.astimezone().date() for a in job.attempts if (its := a.forgotten)}
    return say("What it was made from, and its result, were forgotten on {day}.", day=max(days))


#: The most changed cells that a note names.
MOST_CHANGES = 3


def edited(changes: Mapping[str, str], state: State, redo: str) -> Said:
    """The row was changed after it was sent; `changes` holds the earlier texts by column."""
    how = (
        say("To generate the new prompt, {redo}; or put the old text back.", redo=redo)
        if "prompt" in changes
        else say("To generate the changed row, {redo}; or put the old text back.", redo=redo)
    )
    return joined(made_from(changes, state), how)


def parent_changed(name: str, was: int, now: int | None, state: State, redo: str) -> Said:
    """The row that this row followed was made again; `now` is its take, `was` the earlier one.

    None if another row has the name now.
    """
    is_made, row = state is State.SUCCEEDED, quoted(name, 40)
    if now and is_made:
        return say(
            "These pictures were made from take {was} of the row {row}, which is now at take "
            "{now}. To follow it, {redo}.",
            was=was,
            row=row,
            now=now,
            redo=redo,
        )
    if now:
        return say(
            "This row was sent from take {was} of the row {row}, which is now at take {now}. To "
            "follow it, {redo}.",
            was=was,
            row=row,
            now=now,
            redo=redo,
        )
    if is_made:
        return say(
            "These pictures were made from take {was} of the row {row}, and another row has that "
            "name now. To follow it, {redo}.",
            was=was,
            row=row,
            redo=redo,
        )
    return say(
        "This row was sent from take {was} of the row {row}, and another row has that name now. "
        "To follow it, {redo}.",
        was=was,
        row=row,
        redo=redo,
    )


def waiting_for(name: str, status: Status) -> Said:
    """The row follows another row, which is not done; `status` is that row's."""
    is_what = _PARENT_IS.get(status, say("it is in progress"))
    waits = say("Waiting for the row {row}: {state}.", row=quoted(name, 40), state=is_what)
    if status in ON_THE_WAY:
        return waits
    return joined(waits, say("See the note of that row, or name another one in parent."))


_PARENT_IS: Mapping[Status, Said] = {
    Status.INVALID: say("it is invalid"),
    Status.FAILED: say("it failed"),
    Status.CHECK_NEEDED: say("it needs a check"),
    Status.UNRECOGNIZED: say("its results were not made here"),
    Status.OVER_BUDGET: say("it is over budget"),
    Status.NEEDS_APPROVAL: say("it needs approval"),
    Status.COPY: say("it is a copy of another row"),
    Status.WAITING: say("it is waiting, too"),
    Status.SKIPPED: say("it is skipped"),
    Status.QUEUED: say("it is queued"),
    Status.SENDING: say("it is being sent"),
}


def lost_cell(name: str, text: str) -> Said:
    """A value that was sent is no longer in its cell, and there is no new one."""
    if not text:
        return say("Waiting: {column} is empty now. Put the text back.", column=name)
    return say(
        "Waiting: {column} says {text} now. Put the text back.",
        column=name,
        text=quoted(text, 20),
    )


def warning(doubts: Sequence[str]) -> Said:
    """The prompt looks like a mistake, but is sent as it is."""
    if not doubts:
        return NOTHING
    return say("Check this: {doubts}.", doubts=together(doubts, "; "))


def in_a_list(numbers: Sequence[int]) -> Said:
    """Numbers in words, such as 1, 2 and 4; at most ten of them are named."""
    if len(numbers) > 10:
        some = ", ".join(map(str, numbers[:10]))
        return say("{some} and {more} more", some=some, more=len(numbers) - 10)
    return all_of([*map(str, numbers)])


def charged_more(api: str, charges: Sequence[Charge], unit: str = "credit") -> Said:
    """The API charged more for these tasks than is listed; `unit` is what its prices are in."""
    listed, said = total(c.listed for c in charges), total(c.reported for c in charges)
    return say_counted(
        len(charges),
        "{api} charged {charged} for {number} task, and {listed} were listed. The budget counts "
        "what was charged. promptsheet doctor shows which prices to correct.",
        "{api} charged {charged} for {number} tasks, and {listed} were listed. The budget counts "
        "what was charged. promptsheet doctor shows which prices to correct.",
        api=api,
        charged=of_units(said, unit, figures(str(said))),
        listed=listed,
    )


def account_differs(api: str, fell: Credits, spent: Credits, since: str) -> str:
    """The account lost more or fewer credits than were counted since `since`."""
    return (
        f"The account at {api} went down by {in_credits(fell)} since {since}; Promptsheet counted "
        f"{spent}. If nothing else used the account, correct the prices in the provider file."
    )
