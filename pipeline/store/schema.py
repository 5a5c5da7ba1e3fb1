"""The tables of the store, in one SQL for SQLite and PostgreSQL.

    promptsheet   the mark of a store: its version and its id
    sheets        one line for each sheet: who runs it, whether it may send, its claim
    leases        which process works on a sheet now
    turns         when a sheet was last looked at, and when it is tried again after failures
    known_rows    what was written in each row at the last reading; `past` what was there before
    row_events    what people did to a row, on the page or in the sheet
    wanted_rows   rows that people asked for on the page, which a pass adds to the sheet
    orders        the ids of a sheet by their places, as one text: sorting costs one write
    resting       the unchanged rows of a sheet, as one value
    jobs          one line for each generation of a row, with `attempts`, `events` and `files`
    counters      credits held or spent, by run and by day
    paces         requests that left in the last minute, by API key
    outlets       the places that are told of a sheet's results
    outbox        one line for each message to an outlet

`version` is a counter of changes. Every change of a job raises the version of its sheet first, and
then writes it into the job. That locks the sheet until the transaction ends, and one query finds
all jobs that have changed since. Some columns have an older name in the file than in the code:
`moved` is `version`, `noted` is `rows_version`, `again` is `extra_takes`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pipeline.store.column_types import Amount, Listed, Moment, Words

#: Raised when the tables change; a store of a higher version is not touched.
VERSION: Final = 21

metadata = MetaData()

# SQLite counts by itself only in a column that is called INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _short(length: int) -> String:
    """A text that is usually short. SQLite takes longer ones; PostgreSQL takes them likewise."""
    return String(length).with_variant(Text(), "postgresql")


meta = Table(
    "promptsheet",
    metadata,
    Column("name", _short(40), primary_key=True),
    Column("value", Text, nullable=False),
)

sheets = Table(
    "sheets",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("key", Words, nullable=False, unique=True),
    Column("config", Words, nullable=False, default=""),
    Column("title", Words, nullable=False, default=""),
    Column("place", Words, nullable=False, default=""),
    Column("paused", Boolean, nullable=False, default=False),
    Column("hold", Words, nullable=False, default=""),
    Column("ours", Listed, nullable=False, default=()),
    Column("columns", Listed),
    Column("counter", BigInteger, nullable=False, default=0),
    Column("word", Words, nullable=False, default=""),
    Column("moved", BigInteger, key="version", nullable=False, default=0),
    # When the last pass over it ended.
    Column("passed_at", Moment),
    # When a person last looked at the sample, and how many rows wait for that now.
    Column("sample_seen", Moment),
    Column("sample_waits", Integer, nullable=False, default=0, server_default="0"),
)

leases = Table(
    "leases",
    metadata,
    Column("sheet", Words, primary_key=True),
    Column("word", Words, nullable=False),
    Column("holder", Words, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("sheet", ForeignKey(sheets.c.id), primary_key=True, autoincrement=False),
    # When the last look of the last pass began, and the version of the jobs that the pass knew.
    Column("looked_at", Moment),
    Column("seen", BigInteger, nullable=False, default=0),
    # When a person, or a program, last asked for a pass, and who or what did.
    Column("asked_at", Moment),
    Column("asked_by", Words, nullable=False, default=""),
    # How many passes in a row have failed, why the last one did, and when the next one is due.
    Column("failures", Integer, nullable=False, default=0),
    Column("trouble", Words, nullable=False, default=""),
    Column("retry_at", Moment),
    # The machine of a fleet that ran the last pass: it watches for edits.
    Column("machine", Words, nullable=False, default=""),
    # A digest of the configuration under which a rule stopped the sending; "": none did.
    Column("stopped", Words, nullable=False, default=""),
)

known_rows = Table(
    "known_rows",
    metadata,
    Column("sheet", ForeignKey(sheets.c.id), primary_key=True),
    Column("row_id", Words, primary_key=True),
    Column("inputs", Words, nullable=False),
    Column("first_take", BigInteger, nullable=False),
    Column("standing", _short(20), nullable=False),
    Column("since", Moment),
    Column("approved", Words, nullable=False),
    Column("approved_for", Words, nullable=False),
    Column("others", Words, nullable=False),
    Column("again", BigInteger, key="extra_takes", nullable=False, server_default="0"),
    # The text of the row when it was dismissed on the page.
    Column("dismissed", Words, nullable=False, server_default=""),
    # What was approved on the page, and the sheet's version of that moment.
    Column("approved_on_page", Words, nullable=False, server_default=""),
    Column(
        "approval_moved",
        BigInteger,
        key="approval_version",
        nullable=False,
        server_default="0",
    ),
    # What its cells `pick` and `feedback` held at the last reading.
    Column("pick", Words, nullable=False, default="", server_default=""),
    Column("feedback", Words, nullable=False, default="", server_default=""),
    # Its feedback from before the program read that column; NULL: no such program has read it.
    Column("old_feedback", Words),
    # The take for which feedback was written on the page, and the feedback.
    Column("feedback_on_page", Words, nullable=False, server_default=""),
    Index("known_rows_by_id", "row_id"),
    # Of the few rows with takes that were requested on the page.
    Index(
        "known_rows_again",
        "sheet",
        sqlite_where=text("again > 0"),
    ),
    # Of the few rows without a job that were dismissed there.
    Index(
        "known_rows_dismissed",
        "sheet",
        sqlite_where=text("dismissed <> ''"),
    ),
    # Rows approved on the page, so that a pass finds the new ones since the last pass.
    Index(
        "known_rows_approved",
        "sheet",
        "approval_version",
        sqlite_where=text("approval_moved > 0"),
    ),
    sqlite_with_rowid=False,
)

past = Table(
    "past",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("sheet", ForeignKey(sheets.c.id), nullable=False),
    Column("row_id", Words, nullable=False),
    # Inputs may be longer than an index takes.
    Column("digest", _short(64), nullable=False),
    Column("inputs", Words, nullable=False),
    UniqueConstraint("sheet", "row_id", "digest"),
)

row_events = Table(
    "row_events",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("sheet", ForeignKey(sheets.c.id), nullable=False),
    Column("row_id", Words, nullable=False),
    Column("at", Moment, nullable=False),
    # What was done (`store.row_events.RowEventKind`), to which take, and by whom, if that is known.
    Column("kind", _short(20), nullable=False),
    Column("take", BigInteger, nullable=False),
    Column("person", Words, nullable=False),
    Index("row_events_by_row", "sheet", "row_id"),
)

wanted_rows = Table(
    "wanted_rows",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("sheet", ForeignKey(sheets.c.id), nullable=False),
    # The id that is reserved for it: by this, a pass knows if it is in the sheet already.
    Column("row_id", Words, nullable=False),
    # The row that it follows; its cells, as JSON; and who asked for it, if that is known.
    Column("parent", Words, nullable=False),
    Column("cells", Words, nullable=False),
    Column("person", Words, nullable=False),
    Column("at", Moment, nullable=False),
    # When a run began to add it, as long as it may be in the sheet and was not seen there.
    Column("adding_at", Moment),
    # When it was seen in the sheet; until then, why it could not be added, if it was tried.
    Column("added_at", Moment),
    Column("reason", Words, nullable=False, default=""),
    UniqueConstraint("sheet", "row_id"),
    Index("wanted_rows_by_parent", "sheet", "parent"),
    # Of the few that are not in the sheet yet.
    Index("wanted_rows_open", "sheet", sqlite_where=text("added_at IS NULL")),
)

orders = Table(
    "orders",
    metadata,
    Column("sheet", ForeignKey(sheets.c.id), primary_key=True),
    Column("ids", Listed, nullable=False),
)

resting = Table(
    "resting",
    metadata,
    Column("sheet", ForeignKey(sheets.c.id), primary_key=True),
    # How often known rows were changed; nothing else is kept here once that was done.
    Column("noted", BigInteger, key="rows_version", nullable=False),
    Column("under", _short(64), nullable=False, default=""),
    Column("moved", BigInteger, key="version", nullable=False, default=0),
    # Ids, all of one length, and digests likewise, in the same order.
    Column("ids", Text, nullable=False, default=""),
    Column("digests", LargeBinary, nullable=False, default=b""),
    Column("others", Listed, nullable=False, default=()),
    Column("lines", LargeBinary, nullable=False, default=b""),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("sheet", ForeignKey(sheets.c.id), nullable=False),
    Column("row_id", Words, nullable=False),
    Column("take", BigInteger, nullable=False),
    # Which generation of this take, where the row asks for several.
    Column("part", _short(40), nullable=False, default="", server_default=""),
    Column("asked", Integer, nullable=False, default=1),
    Column("made_at", Moment),
    Column("moved", BigInteger, key="version", nullable=False),
    # When it was dismissed on the page.
    Column("dismissed", Moment),
    # The numbers of the pictures that were picked on the page, such as "1,3".
    Column("picked", Text, nullable=False, default="", server_default=""),
    UniqueConstraint("sheet", "row_id", "take", "part"),
    Index("jobs_by_moved", "sheet", "version"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job", ForeignKey(jobs.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", _short(20), nullable=False),
    Column("inputs", Words, nullable=False),
    Column("columns", Text, nullable=False),
    Column("endpoint", Words, nullable=False),
    Column("price", Amount, nullable=False),
    Column("sent_at", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("task_id", Words, nullable=False, default=""),
    Column("progress", Integer),
    # JSON; empty while there is none.
    Column("result", Text, nullable=False, default=""),
    Column("reason", Words, nullable=False, default=""),
    Column("ended_at", Moment),
    Column("reported", Amount),
    # The API that it was sent to: its file, its address; `api_key` is the account.
    Column("provider", Words, nullable=False, default="", server_default=""),
    Column("base_url", Words, nullable=False, default="", server_default=""),
    Column("resend_key", _short(64), nullable=False, default="", server_default=""),
    Column("poll_at", Words, nullable=False, default="", server_default=""),
    Column("asked_at", Moment),
    Column("hook", _short(64), nullable=False, default="", server_default=""),
    # The prompt that was made of columns; empty if the inputs have it.
    Column("prompt", Words, nullable=False, default="", server_default=""),
    Column("early_poll", Moment),
    # What was asked, as JSON, and the counters that hold `charged` credits for it.
    Column("body", Text, nullable=False, default="null"),
    Column("api_key", Words, nullable=False, default=""),
    Column("run", Words, nullable=False, default=""),
    Column("day", Words, nullable=False, default=""),
    Column("charged", Amount, nullable=False, default=0),
    # The row's name and other cells that outlets tell of, as JSON; empty if there are none.
    Column("labels", Words, nullable=False, default="", server_default=""),
    # What `charged` is counted under besides run, day and month, as JSON; empty for nothing else.
    Column("shares", Words, nullable=False, default="", server_default=""),
    # What one credit cost when it was sent, such as "0.01 USD"; empty if that was not known.
    Column("credit_price", Words, nullable=False, default="", server_default=""),
    # Why its result was set aside and made again; empty if it was not.
    Column("remade", Words, nullable=False, default="", server_default=""),
    # When its words and its result were removed, and traces of these, as JSON; empty if not.
    Column("forgotten", Text, nullable=False, default="", server_default=""),
    Index("attempts_by_task", "task_id"),
    Index("attempts_by_deadline", "state", "deadline"),
    # Only of those that have one: polling alone pays nothing for it.
    Index(
        "attempts_by_hook",
        "hook",
        unique=True,
        sqlite_where=text("hook <> ''"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("job", ForeignKey(jobs.c.id), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", _short(20), nullable=False),
    Column("body", Text, nullable=False),
    Index("events_by_job", "job"),
)

files = Table(
    "files",
    metadata,
    Column("job", ForeignKey(jobs.c.id), primary_key=True),
    # URLs may be longer than an index takes.
    Column("digest", _short(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("url", Words, nullable=False),
    # Empty while it is not saved; the next four columns then say why, and when to try again.
    Column("path", Words, nullable=False),
    Column("reason", Words, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", Moment),
    Column("lost", Boolean, nullable=False, server_default=text("FALSE")),
    # The id under which it is saved where an upload needs one: kept before the upload begins.
    Column("reserved", Words, nullable=False, server_default=""),
    # SHA-256 of the saved file, and a web address of it that does not expire.
    Column("sha256", _short(64), nullable=False, server_default=""),
    Column("link", Words, nullable=False, server_default=""),
    # SHA-256 of the downloaded bytes, if a label was written into the file since.
    Column("original", _short(64), nullable=False, server_default=""),
    # What is wrong with the picture (`core.picture_findings.Findings`); empty for nothing.
    Column("findings", Words, nullable=False, server_default=""),
    Index(
        "files_by_sha256",
        "sha256",
        sqlite_where=text("sha256 <> ''"),
    ),
    Index(
        "files_by_original",
        "original",
        sqlite_where=text("original <> ''"),
    ),
)

counters = Table(
    "counters",
    metadata,
    Column("api_key", Words, primary_key=True),
    Column("kind", _short(8), primary_key=True),
    Column("name", Words, primary_key=True),
    Column("credits", Amount, nullable=False),
)

paces = Table(
    "paces",
    metadata,
    Column("api_key", Words, primary_key=True),
    # JSON: second -> requests that left in it.
    Column("counts", Text, nullable=False),
    Column("not_before", Moment),
)

outlets = Table(
    "outlets",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("sheet", ForeignKey(sheets.c.id), nullable=False),
    Column("name", Words, nullable=False),
    # The kinds of messages it gets (`core.outlets.outbox.MessageKind`); none: it was forgotten.
    Column("kinds", Listed, nullable=False),
    # A digest of its table: a change opens a closed outlet.
    Column("settings", _short(64), nullable=False),
    Column("since", Moment, nullable=False),
    # Why it accepts nothing until a person acts; empty if it does.
    Column("closed", Words, nullable=False, default=""),
    # How many calls in a row failed, the last reason, and when the next one may be made.
    Column("failures", Integer, nullable=False, default=0),
    Column("reason", Words, nullable=False, default=""),
    Column("not_before", Moment),
    Column("delivered_at", Moment),
    # The most seconds that a message about a result waits until its files are saved.
    Column("file_wait", Integer, nullable=False, default=0, server_default="0"),
    # The path of a configuration that has it; empty if it was taken out of that one.
    Column("config", Words, nullable=False, default="", server_default=""),
    # The columns of the sheet that its messages carry; "*" stands for all.
    Column("columns", Listed, nullable=False, default=(), server_default="[]"),
    # Kind -> since when it gets such messages, as JSON. Empty: since `since`.
    Column("told_since", Words, nullable=False, default="", server_default=""),
    UniqueConstraint("sheet", "name"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("outlet", ForeignKey(outlets.c.id), nullable=False),
    # What it is about, so that no message is there twice.
    Column("subject", _short(120), nullable=False),
    Column("kind", _short(20), nullable=False),
    # For messages about a row: its id, its job and the number of its attempt.
    Column("row_id", Words, nullable=False, default=""),
    Column("job", ForeignKey(jobs.c.id)),
    Column("number", Integer),
    # Other messages, as JSON; for messages about a row, labels that its attempt does not have.
    Column("body", Words, nullable=False, default=""),
    Column("made_at", Moment, nullable=False),
    # waiting, sending, sent or parked.
    Column("state", _short(10), nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    # An earlier try may have arrived.
    Column("unsure", Boolean, nullable=False, default=False),
    Column("not_before", Moment),
    Column("reason", Words, nullable=False, default=""),
    # What the outlet remembers of the row.
    Column("remote", Words, nullable=False, default=""),
    Column("done_at", Moment),
    UniqueConstraint("outlet", "subject"),
    Index("outbox_open", "outlet", "id", sqlite_where=text("state <> 'sent'")),
    Index("outbox_by_row", "outlet", "row_id"),
)


def spell_for_postgresql(tables: MetaData) -> None:
    """Make the partial indexes partial in PostgreSQL, too. For SQLite they are so already."""
    for table in tables.tables.values():
        for index in table.indexes:
            only = index.dialect_options["sqlite"]["where"]
            index.dialect_options["postgresql"]["where"] = only
