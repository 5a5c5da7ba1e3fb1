"""The one list of what `doctor` looks at, what it says, and what a repair does.

docs/how-to/doctor.md has the same list for people. The words of `says` stand for what is printed;
"…" is what differs from case to case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.cli.doctor import (
    api,
    files,
    google,
    heartbeat,
    links,
    lost_answers,
    machine,
    outlets,
    rows,
    webhook,
)
from pipeline.cli.doctor.case import Case, Finding, finding_of
from pipeline.cli.doctor.former_accounts import former_accounts
from pipeline.core.errors import PromptsheetError
from pipeline.sync.sheet_sync import SheetSync

Find = Callable[[Case], Iterator[Finding]]
FindInSheet = Callable[[Case, SheetSync], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `doctor` looks at."""

    id: str
    #: What is asked.
    question: str
    #: What is said if the answer is bad.
    says: str
    #: What `--repair` does about it; empty: nothing, a person has to act.
    repair: str
    find: Find


def _in_sheet(find: FindInSheet) -> Find:
    """A check that needs the sheet and the store: left out if one of them cannot be read."""

    def find_if_open(case: Case) -> Iterator[Finding]:
        if case.sync:
            yield from find(case, case.sync)

    return find_if_open


_WRITES = "writes the sheet again"
_SAVES = "saves them again, as long as their links work"

#: In the order in which they are made and printed.
CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "configuration",
        "Can the configuration be read, and its secrets?",
        "What is wrong, key by key; nothing else is looked at then.",
        "",
        machine.configuration,
    ),
    Check(
        "language",
        "Has the language of `[sheet] language` all messages, and are they usable?",
        "… without a translation into … shown in English …",
        "",
        machine.language,
    ),
    Check(
        "read-only",
        "Can the file of the sheet be written?",
        "… is read-only.",
        "",
        machine.read_only,
    ),
    Check(
        "open",
        "Is the file of the sheet open in a spreadsheet program?",
        "… is open in … Results wait …",
        "",
        machine.open_elsewhere,
    ),
    Check(
        "saved-twice",
        "Was the sheet saved twice at the same moment?",
        "… was saved twice at the same moment. The older save is kept beside it …",
        "",
        machine.saved_twice,
    ),
    Check(
        "room",
        "Are 100 MB free on the disks of the store, the pictures and the sheet?",
        "Only … are free on the disk of …",
        "",
        machine.room,
    ),
    Check(
        "place",
        "Can pictures be saved where `[media] save_to` says?",
        "Pictures cannot be saved in …",
        "",
        files.place,
    ),
    Check(
        "downloads-left",
        "Did killed runs leave unfinished downloads behind?",
        "… of earlier runs … left in …",
        "deletes them",
        machine.left_downloads,
    ),
    Check(
        "store",
        "Can the store be opened, and is its file whole?",
        "The store … is damaged …",
        "",
        machine.store,
    ),
    Check(
        "rescued",
        "Can the rescue file be written, and does anything in it wait for the store?",
        "… came while the disk was full …",
        "takes it into the store",
        machine.rescued,
    ),
    Check(
        "sheet",
        "Can the sheet be read? Which columns are read, and which are not used?",
        "… does not exist.",
        "",
        rows.readable,
    ),
    Check(
        "hold",
        "Does anything keep the sheet from being sent?",
        "… belongs to another store …",
        "",
        _in_sheet(rows.hold),
    ),
    Check(
        "claim",
        "Does the sheet say which store it belongs to?",
        "… does not say any more which store it belongs to …",
        "writes it again",
        _in_sheet(rows.claim),
    ),
    Check(
        "unrecognized",
        "Has the sheet results that this store did not write?",
        "… results that Promptsheet did not write here.",
        "",
        _in_sheet(rows.unrecognized),
    ),
    Check(
        "columns",
        "Are the columns there that outlets, names of files and budgets use?",
        "… names the column …, and the sheet has none …",
        "",
        _in_sheet(rows.columns),
    ),
    Check(
        "outlet-messages",
        "Was every message delivered?",
        '… to the outlet "…" … set aside.',
        "",
        _in_sheet(outlets.messages),
    ),
    Check(
        "outlet-tables",
        "Do all configurations of the sheet describe an outlet in the same way?",
        'The outlet "…" is in …, too, with another table or another address.',
        "",
        _in_sheet(outlets.tables),
    ),
    Check(
        "needing",
        "Do rows need attention?",
        "… with the status …",
        "",
        _in_sheet(rows.needing),
    ),
    Check(
        "endings",
        "Do rows ask for a model that will end, or has ended?",
        "… ends on …",
        "",
        _in_sheet(rows.endings),
    ),
    Check(
        "former-account",
        "Are tasks open at an account whose key is not configured any more?",
        "… and the key for it is not configured any more.",
        "",
        _in_sheet(former_accounts),
    ),
    Check(
        "silent",
        "Are tasks open, and nothing has run for a day or for `[schedule] silent_after`?",
        "… open, and the last run ended …",
        "asks about the open tasks now",
        _in_sheet(rows.silent),
    ),
    Check(
        "files-missing",
        "Is every saved file still there?",
        "… missing on disk.",
        _SAVES,
        _in_sheet(files.missing),
    ),
    Check(
        "files-unsaved",
        "Is every delivered picture saved?",
        "… not saved yet.",
        _SAVES,
        _in_sheet(files.unsaved),
    ),
    Check(
        "files-damaged",
        "Has every saved file its content of then, by its SHA-256?",
        "… damaged, or … another file by now.",
        f"{_SAVES}; a file with other content stays where it is",
        _in_sheet(files.damaged),
    ),
    Check(
        "files-shared",
        "Have several pictures one file, as an early version saved them?",
        "… were saved in only …",
        f"{_SAVES}; the old file stays where it is",
        _in_sheet(files.shared),
    ),
    Check(
        "links-dead",
        "Do the links work where no file is saved? The oldest, the newest and 3 more are tried.",
        "… do not work any more …",
        "",
        _in_sheet(links.dead),
    ),
    Check(
        "answers-lost",
        "Has the API a task for a submission whose answer was lost?",
        "… whose answer was lost … taken after all …",
        "collects a task that was made in that time, for exactly that request",
        _in_sheet(lost_answers.lost),
    ),
    Check(
        "ids-twice",
        "Is an id there twice?",
        "… have an id that is there twice.",
        _WRITES,
        _in_sheet(rows.ids_twice),
    ),
    Check(
        "ids-lost",
        "Has a row that was sent lost its id?",
        "… lost … id.",
        _WRITES,
        _in_sheet(rows.ids_lost),
    ),
    Check(
        "results-not-shown",
        "Do the cells of finished rows show what the store knows?",
        "… not show the result in the store.",
        _WRITES,
        _in_sheet(rows.results_not_shown),
    ),
    Check(
        "rows-gone",
        "Has the store results of rows that are not in the sheet?",
        "… with results in the store … not in the sheet … Nothing is lost …",
        "",
        _in_sheet(rows.gone),
    ),
    Check(
        "outlets",
        "Does each outlet accept messages?",
        'The outlet "…" …',
        "",
        outlets.unusable,
    ),
    Check(
        "google-key",
        "Does the key of a service account end within 14 days?",
        "The key of … ends on …",
        "",
        google.keys,
    ),
    Check(
        "google-consent",
        "Does the consent to save in Google Drive end within 3 days?",
        "The consent of … to save in Google Drive ends on …",
        "",
        google.consent,
    ),
    Check(
        "webhook",
        "Does a call to `[webhook] public_url` reach this program, and does it accept our proof?",
        "Webhooks do not reach this program …",
        "",
        webhook.reached,
    ),
    Check(
        "ping",
        "Can the service of `[schedule] ping_url` be reached? It is not called.",
        "The service of [schedule] ping_url cannot be reached …",
        "",
        heartbeat.service,
    ),
    Check(
        "key",
        "Does each account accept its key, and are credits left?",
        "… refused the API key …",
        "",
        api.keys,
    ),
    Check(
        "limit",
        "How many tasks may the account have at once?",
        "… is capped at …",
        "",
        api.limit,
    ),
    Check(
        "balance",
        "Did the account lose what was counted, since the last `--repair`?",
        "… went down by …",
        "keeps the balance; the next comparison begins there",
        api.balance,
    ),
    Check(
        "price-list",
        "Does the API's own price list agree with the provider file?",
        "The price list of … says up to …",
        "",
        api.listed_prices,
    ),
    Check(
        "prices-old",
        "Were the prices of a provider file read more than 180 days ago?",
        "The prices of … were read on …",
        "",
        api.old_prices,
    ),
    Check(
        "clock",
        "Does the clock of this machine agree with that of the API, within a minute?",
        "The clock of this machine is …",
        "",
        api.clock,
    ),
    Check(
        "charges",
        "Did finished tasks cost what is listed, by endpoint and model?",
        "… charged … are listed …",
        "",
        api.charges,
    ),
)


def findings(case: Case) -> Iterator[Finding]:
    """What all checks find. A check that cannot be made is a finding, too.

    What keeps several checks from being made is said once.
    """
    said: set[str] = set()
    for check in CHECKS:
        try:
            yield from check.find(case)
        except PromptsheetError as e:
            if str(e) not in said:
                yield finding_of(e)
            said.add(str(e))
