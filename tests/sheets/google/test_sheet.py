"""A Google Sheet: its errors, its requests, and edits between two requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import SheetError
from pipeline.core.model import Grid, Patch
from pipeline.core.sheet.header import ALWAYS
from pipeline.sheets.google.client import Kind, Spreadsheet, account
from pipeline.sheets.google.preview import formula
from pipeline.sheets.google.sheet import GoogleSheet
from tests.fakes.cases import each
from tests.fakes.google.a1 import Area
from tests.fakes.google.account import EMAIL
from tests.fakes.google.facts import ALTERNATIVES, Facts
from tests.fakes.google.faults import FOR_TOKENS, Fault
from tests.fakes.google.grid import COLUMNS, ROWS, Book, Protected
from tests.fakes.google_desk import NOW, columns_of, open_spreadsheet
from tests.fakes.google_sheets import Asked, GoogleSheets, google_sheets

TABLE = [
    ["prompt", "row_id", "status", "image_urls"],
    ["a fox", "r_aaaaaaaaa", "queued"],
    ["an owl", "r_bbbbbbbbb", "queued"],
    ["a wolf", "r_ccccccccc", "queued"],
]


@pytest.fixture
def google() -> Iterator[GoogleSheets]:
    with google_sheets() as google:
        yield google


def sheet_of(google: GoogleSheets, book: Book, tab: str = "", **way: object) -> GoogleSheet:
    access = open_spreadsheet(google, book, **way)  # type: ignore[arg-type]
    return GoogleSheet(access, columns_of, tab=tab, now=lambda: NOW, pause=lambda _: None)


def done(*ids: str) -> Callable[[Grid], Patch]:
    """Write `done` into the rows with these ids, wherever they are."""

    def patch_for(grid: Grid) -> Patch:
        columns = columns_of(grid[0])
        return {
            (place, columns.index["status"]): f"done {mark}"
            for place, row in enumerate(grid)
            if (mark := columns.cell(row, "row_id")) in ids
        }

    return patch_for


def statuses(google: GoogleSheets, book: Book) -> dict[str, str]:
    header, *rows = google.table(book)
    return {row[header.index("row_id")]: row[header.index("status")] for row in rows}


WRITING = "values:batchUpdateByDataFilter"
ALL = done("r_aaaaaaaaa", "r_bbbbbbbbb", "r_ccccccccc")
RIGHT = {f"r_{c * 9}": f"done r_{c * 9}" for c in "abc"}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault.FORBIDDEN, f"is not shared with {EMAIL}. Share the sheet with {EMAIL} as Editor."),
        (Fault.NOT_ENABLED, "API is not enabled in the project of .* Enable it at https://"),
        (
            Fault.UNKNOWN,
            "The Google Sheet .* does not exist, or .* Correct .sheet. source, or share",
        ),
        (Fault.BUSY, "Google asks .* to slow down. The next run continues."),
        (Fault.INTERNAL, "Google reports an internal error .500.. Try again later."),
        (Fault.UNAVAILABLE, "Google reports an internal error .503.. Try again later."),
        (Fault.BAD_GATEWAY, "Google reports an internal error .502.. Try again later."),
        (Fault.RESET_BEFORE, "The connection to Google broke: .* Try again later."),
        (Fault.UNAUTHENTICATED, "does not accept the token of .* make a new key"),
    ],
)
def test_each_error_has_its_own_sentence(google: GoogleSheets, fault: Fault, sentence: str) -> None:
    google.faults.at(1, fault, times=None)

    with pytest.raises(SheetError, match=sentence) as error:
        sheet_of(google, google.new_book(), patience=0.0).read()

    assert error.value.exit_code == 3
    assert "http://" not in str(error.value)


def test_a_refused_key_is_reported(google: GoogleSheets) -> None:
    google.faults.when(lambda asked: True, Fault.NO_TOKEN)

    with pytest.raises(SheetError, match=f"does not accept the key of {EMAIL}.*Make a new key"):
        sheet_of(google, google.new_book(), has_token=False).read()


def test_the_wait_for_a_missing_answer_ends(google: GoogleSheets) -> None:
    google.faults.at(1, Fault.HANG, times=None)

    with pytest.raises(SheetError, match="did not answer in time"):
        sheet_of(google, google.new_book(), timeout=(2.0, 0.5), patience=0.0).read()

    google.faults.clear()


def test_a_file_that_is_not_a_key_is_reported() -> None:
    with pytest.raises(SheetError, match="is not the key of a service account"):
        account("{}")


def test_the_error_for_a_wrong_tab_lists_the_tabs(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE, tab="Prompts")
    book.add_sheet("Ideas", 10, 10)

    with pytest.raises(SheetError, match=r'Spring has no tab "Nope"; there is Prompts, Ideas.'):
        sheet_of(google, book, "Nope").read()


def test_a_renamed_tab_is_the_same_tab(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE, tab="Prompts")
    sheet = sheet_of(google, book, "Prompts")
    sheet.read()
    book.rename(book.sheets[0], "Prompts (old)")

    sheet.write(ALL)

    assert statuses(google, book) == RIGHT
    assert sheet.title == "Spring / Prompts (old)"


def test_a_view_only_sheet_is_reported_at_the_write(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    book.editors.clear()
    book.viewers.add(EMAIL)

    with pytest.raises(SheetError, match=f"is view-only for {EMAIL}. Share the sheet .* as Editor"):
        sheet_of(google, book).write(ALL)


#: These errors need an action by a person.
LASTING = (Fault.FORBIDDEN, Fault.NOT_ENABLED, Fault.UNKNOWN)
PASSING = [fault for fault in Fault if fault not in (*LASTING, *FOR_TOKENS)]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("number", range(1, 4))
def test_a_single_temporary_error_is_retried(
    google: GoogleSheets, fault: Fault, number: int
) -> None:
    book = google.new_book("Spring", TABLE)
    google.faults.at(number, fault)

    sheet_of(google, book, timeout=(1.0, 0.2)).write(ALL)

    assert statuses(google, book) == RIGHT
    assert google.faults.are_over
    google.faults.clear()


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("number", range(1, 4))
def test_an_error_that_needs_a_person_is_reported_and_a_later_run_completes_the_work(
    google: GoogleSheets, fault: Fault, number: int
) -> None:
    book = google.new_book("Spring", TABLE)
    google.faults.at(number, fault)

    with pytest.raises(SheetError):
        sheet_of(google, book).write(ALL)
    assert google.faults.are_over
    sheet_of(google, book).write(ALL)

    assert statuses(google, book) == RIGHT


def test_an_expired_token_is_replaced(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    sheet = sheet_of(google, book)
    sheet.read()
    google.tokens.revoke()

    assert sheet.write(ALL)
    assert statuses(google, book) == RIGHT


def test_no_more_requests_are_made_than_the_budget_allows(google: GoogleSheets) -> None:
    waits: list[float] = []
    left = iter([0.0, 7.0, 0.0, 0.0])
    sheet = sheet_of(google, google.new_book("Spring", TABLE), budget=lambda kind: next(left))
    sheet._sheets._pause = waits.append

    sheet.read()
    sheet.read()

    assert waits == [7.0]


def test_readings_and_writes_are_counted_apart_as_google_counts_them(google: GoogleSheets) -> None:
    asked: list[Kind] = []

    def budget(kind: Kind) -> float:
        asked.append(kind)
        return 0.0

    sheet_of(google, google.new_book("Spring", TABLE), budget=budget).write(ALL)

    assert asked.count(Kind.READ) == google.reads > 0
    assert asked.count(Kind.WRITE) == google.writes > 0


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_number_of_requests_does_not_grow_with_the_rows(
    google: GoogleSheets, rows: int
) -> None:
    table = [TABLE[0], *[[f"a tree {n}", f"r_{n:09d}", "queued"] for n in range(rows)]]
    book = google.new_book("Spring", table)
    sheet = sheet_of(google, book)

    sheet.write(lambda grid: {})
    assert (google.reads, google.writes) == (1, 0)
    sheet.write(lambda grid: {(place, 2): "done" for place in range(1, len(grid))})

    # Of the three writes one names the columns, once, and one is the note that says when the sheet
    # was checked, at most hourly.
    assert (google.reads, google.writes) == (3, 3)
    sheet.write(lambda grid: {(place, 2): "failed" for place in range(1, len(grid))})
    assert (google.reads, google.writes) == (5, 4)


def test_our_columns_are_added_together_and_formatted_once(google: GoogleSheets) -> None:
    book = google.new_book("Spring", [["prompt", "remark"], ["a fox", "=1+1"]], columns=2)
    sheet = sheet_of(google, book)

    sheet.write(lambda grid: {} if "note" in grid[0] else new_columns(grid))
    sheet.write(lambda grid: {(1, 3): "done"})

    tab = book.sheets[0]
    assert google.table(book)[0] == ["prompt", "remark", *ALWAYS]
    assert [line.hidden for line in tab.columns[:4]] == [False, False, True, False]
    assert tab.frozen_rows == 1
    (protected,) = tab.protected.values()
    assert protected.said.get("warningOnly") is True
    assert protected.area.left == 2
    assert len(tab.conditional) == 9
    assert tab.cell(1, 1).formula == "=1+1"
    assert tab.cell(0, 3).note.startswith("Last checked by Promptsheet: ")


def new_columns(grid: Grid) -> Patch:
    at = len(grid[0])
    return {(0, at + n): name for n, name in enumerate(ALWAYS)} | {(1, at): "r_ddddddddd"}


def test_a_persons_note_is_kept(google: GoogleSheets) -> None:
    book = google.new_book("Spring", TABLE)
    tab = book.sheets[0]
    tab.put(0, 2, tab.cell(0, 2)._replace(note="Ask Lou"))

    sheet_of(google, book).write(ALL)

    assert tab.cell(0, 2).note == "Ask Lou"


FENCED = [
    Facts(null_counts_as_edit=null, naming_counts_as_edit=null, lists_what_is_protected=listed)
    for null in (False, True)
    for listed in (False, True)
]


def fence(book: Book, *areas: Area) -> None:
    """Protect these ranges from the account of the program."""
    said = {"editors": {"users": ["boss@example.com"]}}
    for number, area in enumerate(areas, start=7):
        book.sheets[0].protected[number] = Protected(area, said)


def many(rows: int) -> list[list[str]]:
    ids = [f"r_{n:09d}" for n in range(rows)]
    return [["prompt", "row_id", "status", "note"], *([f"fox {one}", one] for one in ids)]


def status_and_note(grid: Grid) -> Patch:
    """Status and note of every row."""
    return {
        (row, at): f"{title} {grid[row][1]}"
        for row in range(1, len(grid))
        for at, title in ((2, "done"), (3, "fine"))
    }


@each(
    ("areas", "said"),
    [
        ([Area(20, 27, 0, 26)], "rows 21 to 27 (status, note) cannot be edited by"),
        ([Area(0, 1)], ""),
        ([Area(0, 100, 2, 3)], "the column status cannot be edited by"),
        ([Area(0, None, 0, 1)], ""),
        ([Area(5, 6, 3, 4), Area(30, 31)], "row 31 (status), rows 6 and 31 (note) cannot be"),
    ],
)
@each("facts", FENCED)
def test_protected_cells_are_left_out_and_the_others_are_written(
    facts: Facts, areas: list[Area], said: str
) -> None:
    with google_sheets(facts=facts) as google:
        book = google.new_book("Spring", many(40), rows=50)
        fence(book, *areas)
        sheet = sheet_of(google, book)

        sheet.write(status_and_note)

        tab = book.sheets[0]
        for row in range(1, 41):
            for at, title in ((2, "done"), (3, "fine")):
                held = any(area.holds(row, at) for area in areas)
                wanted = "" if held else f"{title} r_{row - 1:09d}"
                assert (tab.cell(row, at).value or "") == wanted, (row, at)
        assert said in sheet.left_out
        assert bool(said) == bool(sheet.left_out)
        assert google.writes <= 40
        before = len(google.log)
        sheet.write(status_and_note)
        assert len(google.log) - before == 1, "it is not tried again in the same pass"
        assert said in sheet.left_out


def test_listed_protected_ranges_cost_no_extra_request(google: GoogleSheets) -> None:
    costs = []
    for areas in ([], [Area(20, 27), Area(0, 11), Area(0, 50, 3, 4)]):
        book = google.new_book("Spring", many(40), rows=50)
        fence(book, *areas)
        before = google.reads, google.writes
        sheet_of(google, book).write(status_and_note)
        costs.append((google.reads - before[0], google.writes - before[1]))
        written = {row for row in range(1, 41) if book.sheets[0].cell(row, 2).value}
        assert len(written) == (23 if areas else 40)

    assert costs == [(2, 3), (2, 2)], "no note goes on a header that is protected"


@each("null_counts", [False, True])
def test_a_fully_protected_tab_is_reported(null_counts: bool) -> None:
    with google_sheets(facts=Facts(null_counts_as_edit=null_counts)) as google:
        book = google.new_book("Spring", many(40), rows=50)
        fence(book, Area())

        with pytest.raises(SheetError, match=f"is protected against {EMAIL}. Let {EMAIL} edit"):
            sheet_of(google, book).write(status_and_note)


def test_a_protected_header_without_our_columns_is_reported(google: GoogleSheets) -> None:
    book = google.new_book("Spring", [["prompt"], ["a fox"]])
    fence(book, Area(0, 1))

    with pytest.raises(SheetError, match=r"row_id, status, task_id, image_urls, note\. Write them"):
        sheet_of(google, book).write(new_columns)


def test_protected_cells_found_by_bisection_are_all_found_in_a_few_passes() -> None:
    facts = Facts(null_counts_as_edit=True, lists_what_is_protected=False)
    with google_sheets(facts=facts, reads=10**6, writes=10**6) as google:
        book = google.new_book("Spring", many(1000), rows=1100)
        fence(book, Area(400, 440), Area(700, 702))
        open_rows = {row for row in range(1, 1001) if not (400 <= row < 440 or 700 <= row < 702)}
        passes = 0
        while any(not book.sheets[0].cell(row, 3).value for row in open_rows):
            passes += 1
            assert passes <= 4
            before = google.writes
            sheet_of(google, book).write(status_and_note)
            assert google.writes - before <= 35


#: What a person may do between our check and our write.
_GESTURES: tuple[Callable[[Book], object], ...] = (
    lambda book: book.insert(book.sheets[0], ROWS, 1),
    lambda book: book.insert(book.sheets[0], ROWS, 2, 2),
    lambda book: book.delete(book.sheets[0], ROWS, 1, 2),
    lambda book: book.move(book.sheets[0], ROWS, 1, 2, 4),
    lambda book: book.rearrange(book.sheets[0], Area(1, 4, 0, 5), [3, 1, 2]),
    *(lambda book, at=at: book.insert(book.sheets[0], COLUMNS, at) for at in range(5)),
    lambda book: book.move(book.sheets[0], COLUMNS, 0, 1, 5),
    lambda book: book.move(book.sheets[0], COLUMNS, 3, 4, 0),
    lambda book: columns_and_rows(book),
    lambda book: book.insert(book.sheets[0], COLUMNS, 0, 2),
    lambda book: book.rename(book.sheets[0], "Other"),
)


@each(
    "gesture, facts",
    [
        *((gesture, Facts()) for gesture in _GESTURES),
        # What Google does may also be otherwise than assumed: the gesture with the most moves.
        *((lambda book: columns_and_rows(book), facts) for facts in ALTERNATIVES.values()),
    ],
)
def test_misplaced_writes_are_undone_and_written_again(
    facts: Facts, gesture: Callable[[Book], object]
) -> None:
    with google_sheets(facts=facts, reads=1000, writes=1000) as google:
        table = [["remark", *TABLE[0]], *([f'=UPPER("{r[0]}")', *r] for r in TABLE[1:])]
        book = google.new_book("Spring", table)
        acts = iter([gesture])

        def between(asked: Asked) -> None:
            if asked.call == WRITING and (act := next(acts, None)):
                act(book)

        google.between(between)
        sheet = sheet_of(google, book)
        sheet.write(ALL)
        google.between(None)

        header, *rows = google.table(book)
        at = {name: header.index(name) for name in ("remark", "prompt", "row_id", "status")}
        rows = [row for row in rows if any(row)]
        for row in rows:
            assert row[at["status"]] == f"done {row[at['row_id']]}"
            assert row[at["remark"]] == row[at["prompt"]].upper()
        filled = {cell for row in rows for n, cell in enumerate(row) if n not in at.values()}
        assert filled <= {""}


@each("theirs", ["sum of all", "'=A1+1", "'1", "=1+1"])
@each("fault", [None, Fault.RESET_AFTER, Fault.INTERNAL_AFTER])
@each("quotes", [False, True])
def test_a_persons_cell_hit_by_a_misplaced_write_is_restored(
    quotes: bool, fault: Fault | None, theirs: str
) -> None:
    # A row is deleted during the write, so the last status lands in the team's own line.
    facts = Facts(formula_reading_quotes_text=quotes)
    with google_sheets(facts=facts, reads=1000, writes=1000) as google:
        book = google.new_book("Spring", TABLE)
        tab = book.sheets[0]
        tab.enter(len(TABLE), 2, theirs, locale="en_US")
        before = tab.cell(len(TABLE), 2)
        acts = iter([lambda: book.delete(tab, ROWS, 1, 2)])

        def between(asked: Asked) -> None:
            if asked.call == WRITING and (act := next(acts, None)):
                act()

        google.between(between)
        if fault:
            google.faults.when(lambda asked: asked.call == WRITING, fault, times=1)
        sheet_of(google, book).write(ALL)
        google.between(None)

        assert google.faults.are_over
        assert next(acts, None) is None
        rows = google.table(book)[1:]
        assert [row[2] for row in rows[:2]] == ["done r_bbbbbbbbb", "done r_ccccccccc"]
        after = tab.cell(len(TABLE) - 1, 2)
        assert (after.value, after.formula) == (before.value, before.formula)


def test_a_write_too_large_for_one_request_is_sent_in_several(
    google: GoogleSheets, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 8_000
    monkeypatch.setattr("pipeline.sheets.google.write_requests.LARGEST", most)
    rows = [[f"fox {n}", f"r_{n:09d}", ""] for n in range(40)]
    book = google.new_book("Spring", [["prompt", "row_id", "status"], *rows])
    sizes: list[int] = []

    def between(asked: Asked) -> None:
        if asked.call == WRITING:
            sizes.append(len(json.dumps(asked.body)))

    google.between(between)
    long = "x" * 500
    sheet_of(google, book).write(lambda grid: {(row, 2): long for row in range(1, len(grid))})

    assert set(statuses(google, book).values()) == {long}
    assert len(sizes) > 2
    # Beside the texts, a request names its columns.
    assert max(sizes) < most + 1_000


def test_a_restore_into_a_recreated_column_blocks_nothing(
    google: GoogleSheets,
) -> None:
    book = google.new_book("Spring", TABLE)
    tab = book.sheets[0]

    def made_anew() -> None:
        at = google.table(book)[0].index("status")
        column = [row[at] if at < len(row) else "" for row in google.table(book)]
        book.delete(tab, COLUMNS, at, at + 1)
        book.insert(tab, COLUMNS, at)
        for place, text in enumerate(column):
            tab.enter(place, at, text)

    # The rows are misplaced; before they are restored, an old version brings another column.
    acts = iter([lambda: book.insert(tab, ROWS, 1), made_anew])

    def between(asked: Asked) -> None:
        if asked.call == WRITING and (act := next(acts, None)):
            act()

    google.between(between)
    sheet_of(google, book).write(ALL)

    google.between(None)
    assert next(acts, None) is None
    assert {mark: said for mark, said in statuses(google, book).items() if mark} == RIGHT


def columns_and_rows(book: Book) -> None:
    tab = book.sheets[0]
    book.move(tab, COLUMNS, 2, 4, 0)
    book.insert(tab, ROWS, 1)
    book.insert(tab, COLUMNS, 1, 2)
    book.move(tab, ROWS, 3, 5, 1)


@pytest.mark.parametrize("at", range(4))
def test_a_note_that_lands_on_another_title_is_removed(google: GoogleSheets, at: int) -> None:
    book = google.new_book("Spring", TABLE)
    tab = book.sheets[0]
    tab.put(0, 0, tab.cell(0, 0)._replace(note="Ask Lou"))
    places = iter([at, 0])

    def between(asked: Asked) -> None:
        if "updateCells" in str(asked.body) and (place := next(places, None)) is not None:
            book.insert(tab, COLUMNS, place)

    google.between(between)
    sheet_of(google, book).write(ALL)

    notes = {c.value: c.note for c in tab.rows[0].cells if c.note}
    assert notes.pop("prompt") == "Ask Lou"
    assert notes.keys() <= {"status"}
    assert statuses(google, book) == RIGHT


def test_a_column_name_that_lands_on_another_column_is_not_used_for_writing(
    google: GoogleSheets,
) -> None:
    book = google.new_book(
        "Spring", [["remark", *TABLE[0]], *(["mine", *row] for row in TABLE[1:])]
    )
    tab = book.sheets[0]
    places = iter([4])

    def between(asked: Asked) -> None:
        if "createDeveloperMetadata" in str(asked.body) and (place := next(places, None)):
            book.move(tab, COLUMNS, 0, 1, place)

    google.between(between)
    sheet_of(google, book).write(ALL)

    assert statuses(google, book) == RIGHT
    header, *rows = google.table(book)
    assert {row[header.index("remark")] for row in rows} == {"mine"}


def test_a_column_deleted_during_the_write_is_not_written_elsewhere(
    google: GoogleSheets,
) -> None:
    book = google.new_book(
        "Spring", [[*TABLE[0], "remark"], *([*r, "", "mine"] for r in TABLE[1:])]
    )
    tab = book.sheets[0]
    places = iter([2])

    def between(asked: Asked) -> None:
        if asked.call == WRITING and (place := next(places, None)):
            book.delete(tab, COLUMNS, place, place + 1)

    google.between(between)
    with_status = done("r_aaaaaaaaa")
    sheet_of(google, book).write(lambda grid: with_status(grid) if "status" in grid[0] else {})

    header, *rows = google.table(book)
    assert header == ["prompt", "row_id", "image_urls", "remark"]
    assert [row[3] for row in rows] == ["mine"] * 3
    assert {row[2] for row in rows} == {""}


def test_only_our_template_becomes_a_formula(google: GoogleSheets) -> None:
    table = [[*TABLE[0], "preview"], *TABLE[1:]]
    book = google.new_book("Spring", table, locale="de_DE")
    urls = {
        1: 'https://cdn.example/a"&IMPORTXML("x").png',
        2: "javascript:alert(1)",
        3: '=HYPERLINK("https://evil.example")',
    }

    sheet_of(google, book).write(lambda grid: {(row, 3): url for row, url in urls.items()})

    tab = book.sheets[0]
    shown = [tab.cell(row, 4).formula for row in (1, 2, 3)]
    assert shown == ['=IMAGE("https://cdn.example/a""&IMPORTXML(""x"").png")', None, None]
    assert [tab.cell(row, 3).formula for row in (1, 2, 3)] == [None, None, None]


@each(
    "url",
    [
        *("http://cdn.example/a.png", "https://u:p@cdn.example/a.png", "https://c/a.mp4", "x", ""),
        "https://pictures.example.com/saved/r_k3f9x2m1q/1/2",  # Google cannot sign in
    ],
)
def test_only_pictures_get_a_preview(url: str) -> None:
    assert formula(url) == ""


def test_the_key_appears_in_no_message_and_no_repr(google: GoogleSheets) -> None:
    who = account(json.dumps(google.key))

    assert "PRIVATE" not in repr(Spreadsheet("id", who)) + who.counted_as(Kind.READ)
