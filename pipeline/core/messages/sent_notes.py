"""The notes about rows that were sent, as `row_notes` has the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pipeline.core.language import Said, say, say_counted
from pipeline.core.messages.reasons import in_quotes, told
from pipeline.core.messages.row_notes import in_a_list
from pipeline.core.text import joined, one_line, quoted, time_limit

#: What the reason of an attempt begins with if the API found nothing at its address.
NOT_FOUND = "404: "


def refused(api: str, reason: str, what: str = "prompt") -> Said:
    """The API accepted nothing and gave a reason. `what` can be changed."""
    if reason.startswith(NOT_FOUND):
        return _not_found(api, reason.removeprefix(NOT_FOUND))
    how = say("Change the {what} to send the row again.", what=what)
    return joined(_refused(api, reason, is_prompt=what == "prompt"), how)


def _not_found(api: str, words: str) -> Said:
    said = (
        say("{api} answered 404 (not found), and said {reason}.", api=api, reason=quoted(words))
        if words
        else say("{api} answered 404 (not found).", api=api)
    )
    how = say(
        "If a cell names something that it does not have, correct the cell. Otherwise ask the "
        "person who runs Promptsheet to check [provider] base_url; promptsheet retry then sends "
        "the row again."
    )
    return joined(said, how)


def _refused(api: str, reason: str, *, is_prompt: bool) -> Said:
    why = quoted(reason)
    if is_prompt and reason:
        return say("{api} refused the prompt: {reason}.", api=api, reason=why)
    if is_prompt:
        return say("{api} refused the prompt.", api=api)
    if reason:
        return say("{api} refused the row: {reason}.", api=api, reason=why)
    return say("{api} refused the row.", api=api)


def refused_when_sent_again(api: str, reason: str, price: Said, what: str = "prompt") -> Said:
    """The answer to the first submission was lost, and the API refused the second one."""
    refusal = (
        say(
            "{api} refused the prompt when it was sent again: {reason}.",
            api=api,
            reason=quoted(reason),
        )
        if what == "prompt"
        else say(
            "{api} refused the row when it was sent again: {reason}.",
            api=api,
            reason=quoted(reason),
        )
    )
    how = say(
        "The answer to the first time was lost; it may have cost {price}. Check your {api} "
        "account. Change the {what} to send the row again.",
        price=price,
        api=api,
        what=what,
    )
    return joined(refusal, how)


#: What the reason of an attempt begins with if a file of it could not be read.
UNREAD = "a file cannot be read: "


def unread(reason: str) -> Said:
    """A file that belongs to the row could not be read when the row was to be sent."""
    return say(
        "Not sent, nothing paid: {reason}. Correct that cell, or press Retry on the page once the "
        "file can be read (promptsheet retry).",
        reason=told(one_line(reason.removeprefix(UNREAD))),
    )


def failed(api: str, reason: str, price: Said, what: str = "prompt") -> Said:
    """The API accepted the task, and the task failed."""
    why = say(
        "{api} could not generate it: {reason}. Change the {what}, or ask for a retry.",
        api=api,
        reason=in_quotes(reason),
        what=what,
    )
    # Nothing is said of a task from another store: its price is unknown.
    cost = say("The failed task may have cost {price}.", price=price) if price else ""
    return joined(why, cost)


def lost(api: str, reason: str, price: Said, redo: str) -> Said:
    """The request was sent, but it is unknown whether the API accepted it."""
    return say(
        "Sent, but no answer came ({reason}); it may have cost {price}. Check your {api} account. "
        "To pay for it again, {redo}, or ask the person who runs Promptsheet.",
        reason=told(one_line(reason)),
        price=price,
        api=api,
        redo=redo,
    )


def sent_again(api: str) -> Said:
    """The answer was lost, and the API makes one task of it however often it is sent."""
    return say(
        "No answer came from {api}. It is sent again with the same key, which pays only once.",
        api=api,
    )


def api_away(provider: str, base_url: str, task_id: str, redo: str) -> Said:
    """The key of the API that has the task is not configured any more."""
    return say(
        "Task {task} is at {place}, and the key for it is not configured any more. Ask the "
        "person who runs Promptsheet to add it under [provider.former]; the result then arrives. "
        "To pay for it again, {redo}.",
        task=task_id,
        place=f"{provider} ({base_url})" if base_url else provider,
        redo=redo,
    )


def endpoint_gone(api: str, endpoint: str) -> Said:
    """The provider file does not have the endpoint any more that the row was sent to."""
    return say(
        "The provider file of {api} does not have the endpoint {endpoint} any more. The result is "
        "still read if it is where those of other endpoints are. Otherwise, put the endpoint "
        "back, and it arrives.",
        api=api,
        endpoint=quoted(endpoint, 40),
    )


def other_key(task_id: str) -> Said:
    """The task was sent with another key than the one that it is polled with."""
    return say(
        "Task {task} was sent with an earlier key, and is polled with the present one. If they "
        "belong to different accounts, ask the person who runs Promptsheet to add the earlier key "
        "under [provider.former].",
        task=task_id,
    )


def taken_over(api: str, redo: str) -> Said:
    """The sheet belonged to another store, which may have sent the row."""
    return say(
        "The sheet was taken over from another store, which may have sent this row. Check your "
        "{api} account. To send it, {redo}, or ask the person who runs Promptsheet.",
        api=api,
        redo=redo,
    )


def overdue(api: str, task_id: str, after: timedelta, redo: str) -> Said:
    """The API accepted the task, but it has not finished within the time limit."""
    return say(
        "{api} has had task {task} for over {time}. Its result is still collected if it arrives. "
        "To pay for another one, {redo}.",
        api=api,
        task=task_id,
        time=time_limit(after),
        redo=redo,
    )


def second_success(task_id: str, price: Said, saved: bool = True) -> Said:
    """Two attempts succeeded; the first one reported is shown."""
    if saved:
        return say(
            "A second attempt also succeeded (task {task}, {price}); its files are saved.",
            task=task_id,
            price=price,
        )
    return say(
        "A second attempt also succeeded (task {task}, {price}); its files are not saved.",
        task=task_id,
        price=price,
    )


def left_out(kept: int, more: int) -> Said:
    """The API delivered more results than Promptsheet keeps for one task."""
    return say(
        "The API delivered {all} results; the first {kept} are kept.", all=kept + more, kept=kept
    )


def files_missing(count: int, reason: str = "") -> Said:
    """Some pictures are not saved yet; `reason` is a sentence."""
    said = say_counted(
        count, "{number} picture is not saved yet.", "{number} pictures are not saved yet."
    )
    return joined(said, told(reason), say("Later runs try again."))


def files_lost(numbers: Sequence[int], of: int, reason: str, again: bool, redo: str) -> Said:
    """The pictures with these numbers, out of `of`, cannot be saved; `reason` is a sentence.

    `again` says whether later runs try again.
    """
    how = (
        say("Later runs try again; to pay for new ones, {redo}.", redo=redo)
        if again
        else say(
            "To try again, run promptsheet doctor --repair; to pay for new ones, {redo}.", redo=redo
        )
    )
    return joined(_not_saved(numbers, of), told(reason), how)


def _not_saved(numbers: Sequence[int], of: int) -> Said:
    if of == 1:
        return say("The picture could not be saved.")
    if len(numbers) == of:
        return say("None of the {all} pictures could be saved.", all=of)
    if len(numbers) == 1:
        return say("Picture {which} of {all} could not be saved.", which=numbers[0], all=of)
    return say("Pictures {which} of {all} could not be saved.", which=in_a_list(numbers), all=of)
