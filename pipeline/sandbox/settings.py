"""The switches of the sandbox, in one frozen value.

A *fault* says how often something goes wrong: at a rate, or the next so many times. It is written
the same way on the command line, in JSON and in Python:

    0.2                      every fifth request, drawn from the seed
    "next 3"                 the next three
    "next 3 rst /fetch*"     of this kind, on these paths
    "next 1 /v2/jobs/{id}"   a path with a variable part is named as in the API's documentation
    {"next": 3, "kind": "rst", "path": "/fetch*"}
    "off"

Most faults concern submissions unless a path is given. The settings are flat on purpose: a new
group of switches is new fields, not a new shape.
"""

# The defaults below are frozen values, made by functions that also say how each one is read.
# ruff: noqa: RUF009

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

#: Ways to lose an answer after the work was done. The first is the one meant when none is named.
LOSSES = ("fin", "rst", "half", "trickle")
#: Instead of a kind: one of the kinds is drawn each time.
ANY = "any"
#: Instead of a path: every path that begins a task.
SUBMISSIONS = "submissions"


class SettingsError(ValueError):
    """There is no such switch, or it cannot have this value."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How often, of what kind and on which paths something goes wrong."""

    rate: float = 0.0
    next: int = 0
    kind: str = ""
    #: A pattern as for file names (`/fetch*`, `*`), or `submissions`.
    path: str = ""

    def __str__(self) -> str:
        often = f"next {self.next}" if self.next else f"{self.rate:g}"
        return " ".join(part for part in (often, self.kind, self.path) if part)


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one field is read: its type, what it may hold, and what `--help` says of it."""

    says: str
    type: type
    kinds: tuple[str, ...] = ()
    path: str = ""
    #: Kinds are free words (`odd_status`, `code`); the listed one is the default.
    free: bool = False


def _number(default: float, says: str) -> float:
    return field(default=default, metadata={"rule": _Rule(says, float)})


def _count(default: int, says: str) -> int:
    return field(default=default, metadata={"rule": _Rule(says, int)})


def _yes(says: str) -> bool:
    return field(default=False, metadata={"rule": _Rule(says, bool)})


def _choice(says: str, *words: str) -> str:
    return field(default=words[0], metadata={"rule": _Rule(says, str, words)})


def _fault(says: str, *kinds: str, path: str = SUBMISSIONS, free: bool = False) -> Fault:
    default = Fault(kind=kinds[0] if kinds else "", path=path)
    rule = _Rule(says, Fault, kinds, path, free)
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Every switch. `merged` is the way to change some of them."""

    # How long things take.
    task_seconds: float = _number(5.0, "a task takes about this long (0.6 to 1.4 times it)")
    max_seconds: float = _number(
        0.0, "no task takes longer than this, not even a [slow] one; 0: no cap"
    )
    together_at: float = _number(
        0.0, "all tasks end in this second after the start or the last reset; 0: each in its own"
    )
    answer_seconds: float = _number(0.0, "answers come this late, after the work is done")
    sync_seconds: float = _number(
        0.0, "endpoints whose answer is the finished result take this much longer"
    )
    answer_spread: float = _number(0.0, "answers vary by this part of answer_seconds, 0 to 1")
    link_seconds: float = _number(
        0.0, "links to results answer 404 this long after the task; 0: never"
    )
    trickle_seconds: float = _number(0.5, "pause between two bytes of a trickling answer")

    # What it costs.
    credits: int = _count(1_000_000, "credits of the account; setting it fills the account again")
    cost: int = _count(4, "credits of one /imagine; other endpoints have their own prices")
    surcharge: int = _count(0, "credits that every task costs more than its price")
    refunds: str = _choice("which failed tasks are refunded in full", "v2", "all", "none")

    # Limits.
    max_running: int = _count(0, "tasks at once; more are answered 429; 0: no limit")
    max_concurrent_jobs: int = _count(
        0, "jobs of version 2 at once, as /v2/me says; more are answered 429; 0: it says nothing"
    )
    per_minute: int = _count(0, "API requests in any 60 s; more are answered 429; 0: no limit")
    retry_after: int = _count(1, "seconds in Retry-After of a 429; 0: no such header")
    retry_after_as: str = _choice("how Retry-After is written", "seconds", "date")
    idempotency_seconds: float = _number(
        86_400.0, "an Idempotency-Key is remembered this long; 0: every key is forgotten"
    )

    # Faults before anything is accepted.
    cut: Fault = _fault("the connection is cut, and nothing was accepted", "fin", "rst")
    html: Fault = _fault("502 with a page of HTML")
    redirect: Fault = _fault("redirect to redirect_to", "301", "302", "307", "308")
    redirect_to: str = field(
        default="http://127.0.0.1:9/moved",
        metadata={"rule": _Rule("where redirects lead; their path is added to it", str)},
    )
    code: Fault = _fault("this status code, e.g. 'next 2 403'", "403", free=True)
    unavailable: Fault = _fault("503, without or with Retry-After", "bare", "retry")
    error: Fault = _fault("500, and nothing was accepted")
    busy: Fault = _fault("429")

    # Faults after the task was accepted (and paid).
    lost: Fault = _fault("the answer is lost after the work was done", *LOSSES)
    error_after: Fault = _fault("500, although the task was accepted")
    html_after: Fault = _fault("502 with a page of HTML, although the task was accepted")
    garbled: Fault = _fault(
        "a success that names no task, although it was accepted", "no_id", "text", "empty"
    )

    # What becomes of a task, drawn when it is accepted.
    fail: Fault = _fault(
        "the task fails; its reason is under this key ('object': an object under 'error')",
        "message",
        "error",
        "object",
    )
    no_capacity: Fault = _fault("the task fails with 'No available capacity'")
    endless: Fault = _fault("the task never ends")
    odd_status: Fault = _fault("the task shows this status for a while", "dreaming", free=True)

    flaw: Fault = _fault(
        "the pictures of the task are blank, only the first is, they are damaged, have another "
        "shape, or are the same as those of other such tasks",
        "blank",
        "one_blank",
        "damaged",
        "shape",
        "same",
    )

    # The form of answers.
    bare_final: bool = _yes("finished tasks have no status, where the documentation has none")
    percentage_as: str = _choice(
        "how a percentage is written: as the endpoint does, or always as a number",
        "text",
        "number",
    )
    result_as: str = _choice("results of version 2: an object, or one URL", "object", "url")
    status_as: str = _choice("statuses of version 2: COMPLETED or completed", "upper", "lower")
    shuffle: bool = _yes("fetch-many answers in another order")
    dead_links: Fault = _fault("links to results answer 404", path="*")
    plain_pictures: bool = _yes("pictures of two colours: quicker to draw, and read the same way")

    # Webhooks, for submissions that give an address. Path: /progress, /final, or * for all.
    webhook_progress: int = _count(2, "updates that are posted before the final webhook")
    webhook_key: str = _choice(
        "the key of version 2's signature: the SHA-256 of the API key, raw or in hex", "raw", "hex"
    )
    webhook_retries: int = _count(3, "times that a webhook is repeated if it is not answered 2xx")
    webhook_retry_seconds: float = _number(1.0, "pause before the first repeat; then doubled")
    webhook_delay_seconds: float = _number(0.0, "webhooks come this late")
    webhook_drop: Fault = _fault("a webhook is never sent", path="*")
    webhook_double: Fault = _fault("a webhook is sent twice", path="*")
    webhook_reorder: Fault = _fault("a task's webhooks come in reverse order", path="*")
    webhook_early: Fault = _fault("a first webhook comes before the submission's answer", path="*")


def merged(settings: SandboxSettings, changes: Mapping[str, object]) -> SandboxSettings:
    """The settings with these changes; a `SettingsError` names all that is wrong at once."""
    rules = {name: rule for name, rule in RULES.items() if name in changes}
    problems = [_unknown(name) for name in changes if name not in RULES]
    values: dict[str, Any] = {}
    for name, rule in rules.items():
        try:
            values[name] = _read(rule, changes[name])
        except SettingsError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise SettingsError("; ".join(problems))
    return replace(settings, **values)


def shown(settings: SandboxSettings) -> dict[str, object]:
    """The settings as JSON can carry them; a fault as the words that would set it."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {k: str(v) if isinstance(v, Fault) else v for k, v in values.items()}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, RULES, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no switch is named {name!r}{meant}; the switches are {', '.join(RULES)}"


def _read(rule: _Rule, value: object) -> object:
    if rule.type is Fault:
        return _read_fault(rule, value)
    if rule.type is bool:
        return _read_bool(value)
    if rule.type is str:
        return _read_word(rule, value)
    number = _amount(value)
    if rule.type is int and number != int(number):
        raise SettingsError(f"{value!r} is not a whole number")
    return rule.type(number)


def _read_bool(value: object) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise SettingsError(f"{value!r} is neither true nor false")
    return words[str(value).lower()]


def _read_word(rule: _Rule, value: object) -> str:
    if not isinstance(value, str) or (rule.kinds and value not in rule.kinds):
        raise SettingsError(f"{value!r} is not one of {', '.join(rule.kinds) or 'a text'}")
    return value


def _read_fault(rule: _Rule, value: object) -> Fault:
    given = value if isinstance(value, Fault) else _fault_of(value)
    kind = given.kind or (rule.kinds[0] if rule.kinds else "")
    allowed = (*rule.kinds, ANY) if rule.kinds else ("",)
    if rule.free and not rule.kinds[0].isdigit():
        allowed = (*allowed, kind)
    if rule.free and kind.isdigit() and 300 <= int(kind) <= 599:
        allowed = (*allowed, kind)
    if kind not in allowed:
        raise SettingsError(f"{kind!r} is not one of its kinds ({', '.join(allowed) or 'none'})")
    if not 0 <= given.rate <= 1:
        raise SettingsError(
            f"{given.rate:g} is not a rate from 0 to 1; for a number of times write 'next 3'"
        )
    return replace(given, kind=kind, path=given.path or rule.path)


def _fault_of(value: object) -> Fault:
    if isinstance(value, Mapping):
        unknown = set(value) - set(asdict(Fault()))
        if unknown:
            raise SettingsError(
                f"a fault has rate, next, kind and path, not {', '.join(sorted(unknown))}"
            )
        return Fault(
            rate=_amount(value.get("rate", 0)),
            next=int(_amount(value.get("next", 0))),
            kind=str(value.get("kind", "")),
            path=str(value.get("path", "")),
        )
    words = str(value).split()
    if not words or isinstance(value, bool) or value is None:
        raise SettingsError(f"{value!r} is neither a rate nor 'next 3' nor 'off'")
    rate, times, rest = 0.0, 0, words[1:]
    if words[0] == "next":
        times, rest = int(_amount(words[1] if len(words) > 1 else "")), words[2:]
    elif words[0] != "off":
        rate = _amount(words[0])
    paths = [word for word in rest if word[0] in "/*" or word == SUBMISSIONS]
    kinds = [word for word in rest if word not in paths]
    if len(paths) > 1 or len(kinds) > 1:
        raise SettingsError(f"{value!r} names more than one kind or path")
    return Fault(rate, times, "".join(kinds), "".join(paths))


def _amount(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise SettingsError(f"{value!r} is not a number from 0 up")
    return number


#: Name of each switch -> how it is read.
RULES: dict[str, _Rule] = {f.name: f.metadata["rule"] for f in fields(SandboxSettings)}
