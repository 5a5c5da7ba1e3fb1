"""The behaviour of the fake Google, tested with the real gspread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import enumerate as enumerate_threads
from time import monotonic
from typing import Any

import gspread
import pytest
import requests
from google.auth.exceptions import RefreshError

from tests.fakes.cases import each
from tests.fakes.google.a1 import Area
from tests.fakes.google.facts import ALTERNATIVES, Facts
from tests.fakes.google.faults import Fault
from tests.fakes.google.grid import COLUMNS, ROWS
from tests.fakes.google.masks import mask, merge, pick
from tests.fakes.google.person import Person
from tests.fakes.google_sheets import EMAIL, Asked, Book, GoogleSheets, google_sheets

PROMPTS = [["prompt", "row_id", "status"], ["a red fox", "id1"], ["an owl", "id2", "done"]]


@pytest.fixture
def google() -> Iterator[GoogleSheets]:
    with google_sheets(reads=10_000, writes=10_000) as server:
        yield server


@pytest.fixture
def book(google: GoogleSheets) -> Book:
    return google.new_book("Prompts", PROMPTS)


@pytest.fixture
def tab(google: GoogleSheets, book: Book) -> gspread.Worksheet:
    return google.client().open_by_url(book.url).sheet1


def refusal(call: Any, *given: Any, **more: Any) -> tuple[int, str]:
    """Code and message of the error of a call."""
    with pytest.raises(gspread.exceptions.APIError) as caught:
        call(*given, **more)
    return caught.value.code, str(caught.value.error["message"])


def post(tab: gspread.Worksheet, path: str, body: dict[str, Any]) -> Any:
    url = f"https://sheets.googleapis.com/v4/spreadsheets/{tab.spreadsheet.id}{path}"
    return tab.client.request("post", url, json=body).json()


def change(tab: gspread.Worksheet, **request: Any) -> Any:
    """One request of a batchUpdate, and its reply."""
    (reply,) = tab.spreadsheet.batch_update({"requests": [request]})["replies"]
    return next(iter(reply.values()), None)


# ---------------------------------------------------------------------------- access


def test_the_real_client_signs_in_with_a_service_account(google: GoogleSheets, book: Book) -> None:
    tab = google.client().open_by_url(book.url).sheet1
    assert tab.title == "Sheet1"
    assert len(google.token_log) == 1
    assert {asked.email for asked in google.log} == {EMAIL}


def test_an_unknown_key_gets_no_token(google: GoogleSheets, book: Book) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    with pytest.raises(RefreshError, match=r"Invalid JWT Signature\."):
        google.client(google.key | {"private_key": pem}).open_by_key(book.id)


def test_the_client_refreshes_an_expired_token(
    google: GoogleSheets, tab: gspread.Worksheet
) -> None:
    google.tokens.revoke()
    assert tab.acell("A2").value == "a red fox"
    assert [asked.status for asked in google.log[-2:]] == [401, 200]
    assert len(google.token_log) == 2


def test_editors_viewers_and_others_have_different_rights(google: GoogleSheets, book: Book) -> None:
    outsider = google.client(google.key_for("outsider@local.iam.gserviceaccount.com"))
    with pytest.raises(PermissionError):
        outsider.open_by_key(book.id)
    with pytest.raises(gspread.SpreadsheetNotFound):
        outsider.open_by_key("1" + "x" * 43)
    book.viewers.add("outsider@local.iam.gserviceaccount.com")
    tab = outsider.open_by_key(book.id).sheet1
    assert refusal(tab.update, [["x"]], "A2") == (403, "The caller does not have permission")
    assert google.table(book)[1] == ["a red fox", "id1"]


def test_the_background_call_of_google_auth_reaches_the_fake_too(
    google: GoogleSheets, tab: gspread.Worksheet
) -> None:
    for thread in enumerate_threads():
        if "Boundary" in type(thread).__name__:
            thread.join(10)
    called = f"GET /v1/projects/-/serviceAccounts/{EMAIL}/allowedLocations"
    assert google.other_log == [called]
    assert tab.acell("A2").value == "a red fox"


# ---------------------------------------------------------------------------- values


def test_empty_rows_and_cells_at_the_end_are_not_read(tab: gspread.Worksheet) -> None:
    assert tab.get("A1:D9") == PROMPTS
    assert tab.get("A9:D9") == [[]]
    tab.update([["", "x"]], "A6")
    assert tab.get("A4:C") == [[], [], ["", "x"]]


def test_a_range_is_cut_at_the_end_of_the_grid(tab: gspread.Worksheet) -> None:
    assert tab.spreadsheet.values_get("Sheet1!A2:ZZ2")["range"] == "Sheet1!A2:Z2"
    assert refusal(tab.get, "A1001:B") == (
        400,
        "Range (Sheet1!A1001:B) exceeds grid limits. Max rows: 1000, max columns: 26",
    )
    assert refusal(tab.spreadsheet.values_get, "Nope!A1") == (
        400,
        "Unable to parse range: Nope!A1",
    )


def test_raw_text_stays_text_and_typed_text_is_interpreted(tab: gspread.Worksheet) -> None:
    given: list[list[Any]] = [
        ["=1+2", "007", "2024-01-02", True, 1.5],
        ["'=x", "1,234.5", "$100.15", "true", "50%"],
    ]
    tab.update(given, "A5")
    assert tab.get("A5:E6") == [["=1+2", "007", "2024-01-02", "TRUE", "1.5"], given[1]]
    tab.update(given, "A5", raw=False)
    assert tab.get("A5:E6") == [
        ["3", "7", "2024-01-02", "TRUE", "1.5"],
        ["=x", "1,234.50", "$100.15", "TRUE", "50%"],
    ]
    option = gspread.utils.ValueRenderOption
    assert tab.get("A5:C5", value_render_option=option.unformatted) == [[3, 7, 45293]]
    assert tab.get("A5:C5", value_render_option=option.formula) == [["=1+2", 7, 45293]]


@pytest.mark.parametrize(
    ("formula", "shows"),
    [
        ('=A2&"!"', "a red fox!"),
        ("=2*(3+4)/7-1", "1"),
        ("=1/0", "#DIV/0!"),
        ("=NOSUCH(1)", "#NAME?"),
        ("=A2+1", "#VALUE!"),
        ("=D5", "#REF!"),
        ('=HYPERLINK("https://x.test","there")', "there"),
        ('=IF(A2="A Red Fox",SUM(1,2),0)', "3"),
        ("=IMPORTXML(A2)", "Loading..."),
    ],
)
def test_formulas_show_a_value(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet, formula: str, shows: str
) -> None:
    book.loading = frozenset({"IMPORTXML"})
    tab.update([[formula]], "D5", raw=False)
    assert tab.acell("D5").value == shows


def test_in_a_locale_with_a_decimal_comma_semicolons_separate_arguments(
    google: GoogleSheets,
) -> None:
    book = google.new_book(
        "Bilder", [["=SUM(1;2)", "=SUM(1,2)", "1,5", "03.02.2024"]], locale="de_DE"
    )
    assert google.table(book) == [["3", "#ERROR!", "1,5", "03.02.2024"]]


def test_null_leaves_a_cell_unchanged_and_an_empty_text_clears_it(tab: gspread.Worksheet) -> None:
    said = tab.update([[None, "", "x"]], "A3:C3")
    assert said["updatedCells"] == 2
    assert tab.get("A3:C3") == [["an owl", "", "x"]]


@each("shown", [True, False])
def test_the_answer_to_a_write_shows_where_it_went(shown: bool) -> None:
    with google_sheets(facts=Facts(answer_shows_untouched_cells=shown)) as google:
        tab = google.client().open_by_url(google.new_book("P", PROMPTS).url).sheet1
        said = tab.batch_update(
            [{"range": "B2:C2", "values": [[None, "=1"]]}, {"range": "B3:C3", "values": [[None]]}],
            include_values_in_response=True,
        )
        ids = [one["updatedData"].get("values") for one in said["responses"]]
        assert ids == ([[["id1", "=1"]], [["id2", "done"]]] if shown else [[["", "=1"]], None])
        assert said["totalUpdatedCells"] == 1


def test_values_that_do_not_fit_are_not_written(
    google: GoogleSheets, tab: gspread.Worksheet
) -> None:
    before = google.table(google.books[tab.spreadsheet.id])
    assert refusal(tab.update, [["a", "b", "c"]], "A1:B2") == (
        400,
        "Requested writing within range [Sheet1!A1:B2], but tried writing to column [C]",
    )
    code, message = refusal(
        tab.batch_update,
        [{"range": "A2", "values": [["lost"]]}, {"range": "AA1", "values": [["x"]]}],
    )
    assert (code, "exceeds grid limits" in message) == (400, True)
    assert refusal(tab.update, [["x" * 50_001]], "A1")[0] == 400
    assert refusal(tab.update, "X", "A1")[1].startswith("Invalid value at 'data.values'")
    assert google.table(google.books[tab.spreadsheet.id]) == before


@each("grows", [True, False])
def test_a_switch_decides_whether_a_block_from_one_cell_may_exceed_the_grid(grows: bool) -> None:
    with google_sheets(facts=Facts(anchor_grows_grid=grows)) as google:
        book = google.new_book("P", PROMPTS, rows=3, columns=3)
        tab = google.client().open_by_url(book.url).sheet1
        if grows:
            tab.update([["x"], ["y"]], "A3")
            assert len(book.sheets[0].rows) == 4
        else:
            assert refusal(tab.update, [["x"], ["y"]], "A3")[0] == 400


@each("is_false", [True, False])
def test_an_untouched_check_box_reads_as_false_or_empty(is_false: bool) -> None:
    with google_sheets(facts=Facts(untouched_checkbox_is_false=is_false)) as google:
        tab = google.client().open_by_url(google.new_book("P").url).sheet1
        tab.add_validation("B2:B3", gspread.utils.ValidationConditionType.boolean, [])
        assert tab.get("A1:C9") == ([[], ["", "FALSE"], ["", "FALSE"]] if is_false else [[]])


@each("empty", [True, False])
def test_an_image_shows_nothing_or_its_address(empty: bool) -> None:
    with google_sheets(facts=Facts(image_reads_empty=empty)) as google:
        book = google.new_book("P", [['=IMAGE("https://x.test/a.png")', "x"]])
        assert google.table(book) == [["" if empty else "https://x.test/a.png", "x"]]


# ---------------------------------------------------------------------------- rows and columns


def test_formulas_follow_inserted_and_deleted_rows(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    tab.update([["=B3", "=$A$2", "=A2:A3"]], "D3", raw=False)
    book.insert(book.sheets[0], ROWS, 1)
    book.sheets[0].enter(1, 0, "new")
    assert tab.get("D4:F4", value_render_option=gspread.utils.ValueRenderOption.formula) == [
        ["=B4", "=$A$3", "=A3:A4"]
    ]
    book.move(book.sheets[0], ROWS, 3, 4, 1)
    assert [row[0] for row in google.table(book)] == ["prompt", "an owl", "new", "a red fox"]
    book.delete(book.sheets[0], ROWS, 3, 4)
    assert tab.acell("E2", gspread.utils.ValueRenderOption.formula).value == "=#REF!"


@each("moves", [True, False])
def test_a_sort_moves_cells_and_a_switch_decides_about_metadata(moves: bool) -> None:
    with google_sheets(facts=Facts(sort_moves_row_metadata=moves)) as google:
        book = google.new_book("P", PROMPTS)
        tab = google.client().open_by_url(book.url).sheet1
        fox = book.sheets[0].rows[1].identity
        where = {"sheetId": 0, "dimension": ROWS, "startIndex": 1, "endIndex": 2}
        one = {"metadataKey": "r", "metadataValue": "fox", "visibility": "DOCUMENT"}
        change(
            tab,
            createDeveloperMetadata={
                "developerMetadata": one | {"location": {"dimensionRange": where}}
            },
        )
        book.sort(book.sheets[0], Area(1, 3, 0, 3), [(0, True)])
        assert google.table(book)[1:] == [["an owl", "id2", "done"], ["a red fox", "id1"]]
        assert book.sheets[0].where(fox) == 2
        (row,) = (row for row in book.sheets[0].rows if row.metadata)
        assert row.cells[0].value == ("a red fox" if moves else "an owl")


def test_sorting_one_column_leaves_rows_where_they_are(book: Book, tab: gspread.Worksheet) -> None:
    sheet = book.sheets[0]
    fox, owl = sheet.rows[1].identity, sheet.rows[2].identity
    book.sort(sheet, Area(1, 3, 1, 2), [(1, True)])
    assert tab.col_values(2) == ["row_id", "id2", "id1"]
    assert (sheet.where(fox), sheet.where(owl)) == (1, 2)
    assert sheet.cell(1, 1).origin is owl


def test_a_batch_is_applied_completely_or_not_at_all(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    identities = [row.identity for row in book.sheets[0].rows]
    columns = {"sheetId": 0, "dimension": COLUMNS, "startIndex": 0, "endIndex": 1}
    metadata = {"metadataKey": "k", "visibility": "DOCUMENT", "location": {"spreadsheet": True}}
    requests_ = [
        {"insertDimension": {"range": columns}},
        {"createDeveloperMetadata": {"developerMetadata": metadata}},
        {"updateSheetProperties": {"properties": {"sheetId": 7}, "fields": "gridProperties"}},
    ]
    code, message = refusal(tab.spreadsheet.batch_update, {"requests": requests_})
    assert (code, message.partition(":")[0]) == (400, "Invalid requests[2].updateSheetProperties")
    assert google.table(book) == [*PROMPTS[:1], ["a red fox", "id1"], PROMPTS[2]]
    assert book.metadata == []
    assert [row.identity for row in book.sheets[0].rows] == identities


def test_ranges_that_cover_rows_move_with_them(book: Book, tab: gspread.Worksheet) -> None:
    area = {"sheetId": 0, "startRowIndex": 2, "endRowIndex": 3, "endColumnIndex": 3}
    rule = {"condition": {"type": "NOT_BLANK"}}
    form = {"backgroundColor": {"red": 0.5}}
    change(
        tab,
        addConditionalFormatRule={
            "rule": {"ranges": [area], "booleanRule": {**rule, "format": form}},
            "index": 0,
        },
    )
    book.insert(book.sheets[0], ROWS, 0)
    said = tab.spreadsheet.fetch_sheet_metadata()["sheets"][0]
    assert said["conditionalFormats"][0]["ranges"][0]["startRowIndex"] == 3


def test_a_protected_range_refuses_others_and_a_warning_range_refuses_none(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    other = "other@local.iam.gserviceaccount.com"
    book.editors.add(other)
    theirs = google.client(google.key_for(other)).open_by_key(book.id).sheet1
    theirs.add_protected_range("A2:C2")
    theirs.add_protected_range("B1:B", warning_only=True)
    code, message = refusal(
        tab.batch_update,
        [{"range": "A3", "values": [["x"]]}, {"range": "C2", "values": [["x"]]}],
    )
    assert code == 400
    assert message.startswith("Invalid data[1]: You are trying to edit a protected cell")
    tab.update([[None, None, None]], "A2")
    tab.update([["x"]], "B3")
    theirs.update([["y"]], "C2")
    assert google.table(book)[1:] == [["a red fox", "id1", "y"], ["an owl", "x", "done"]]


# ---------------------------------------------------------------------------- metadata, filters


def test_values_are_written_by_the_number_of_the_sheet_after_it_was_renamed(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    book.rename(book.sheets[0], "O'Hara's")
    area = {"sheetId": 0, "startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 1}
    said = post(
        tab,
        "/values:batchUpdateByDataFilter",
        {
            "valueInputOption": "RAW",
            "includeValuesInResponse": True,
            "data": [{"dataFilter": {"gridRange": area}, "values": [[None, "queued"]]}],
        },
    )
    (response,) = said["responses"]
    assert response["updatedRange"] == "'O''Hara''s'!B2:C2"
    assert response["updatedData"]["values"] == [["id1", "queued"]]


@each("fails", [True, False])
def test_metadata_is_found_changed_and_deleted(fails: bool) -> None:
    with google_sheets(facts=Facts(update_without_match_fails=fails)) as google:
        book = google.new_book("P", PROMPTS)
        tab = google.client().open_by_url(book.url).sheet1
        places: list[dict[str, Any]] = [
            {"spreadsheet": True},
            {"sheetId": 0},
            {"dimensionRange": {"dimension": ROWS, "startIndex": 2, "endIndex": 3}},
        ]
        for number, place in enumerate(places, 1):
            one = {"metadataId": number, "metadataKey": "k", "visibility": "DOCUMENT"}
            made = {"developerMetadata": one | {"location": place}}
            change(tab, createDeveloperMetadata=made)
        assert refusal(change, tab, createDeveloperMetadata=made)[0] == 400  # the id is taken
        book.insert(book.sheets[0], ROWS, 0)
        lookup = {"developerMetadataLookup": {"metadataKey": "k", "locationType": "ROW"}}
        fields: dict[str, Any] = {"fields": "sheets(data.rowMetadata.developerMetadata)"}

        def named() -> list[int]:
            said = tab.spreadsheet.fetch_sheet_metadata(fields)["sheets"][0]["data"][0]
            return [n for n, row in enumerate(said["rowMetadata"]) if row]

        assert named() == [3]
        book.delete(book.sheets[0], ROWS, 3, 4)
        assert named() == []
        write = {"valueInputOption": "RAW", "data": [{"dataFilter": lookup, "values": [["x"]]}]}
        if fails:
            assert refusal(post, tab, "/values:batchUpdateByDataFilter", write)[0] == 400
        else:
            assert "responses" not in post(tab, "/values:batchUpdateByDataFilter", write)
        rest = {"developerMetadataLookup": {"metadataKey": "k"}}
        gone = change(tab, deleteDeveloperMetadata={"dataFilter": rest})
        assert len(gone["deletedDeveloperMetadata"]) == 2


def test_a_misspelt_field_is_refused(tab: gspread.Worksheet) -> None:
    code, message = refusal(change, tab, insertDimension={"ranges": 0})
    assert (code, "Unknown name \"ranges\" at 'requests[0]'" in message) == (400, True)
    assert refusal(post, tab, "/values:batchUpdate", {"value": 1})[0] == 400
    assert refusal(tab.spreadsheet.fetch_sheet_metadata, {"fields": "sheets.propertys"})[0] == 400


def test_a_field_mask_picks_and_merges_only_its_fields() -> None:
    tree = mask("a.b,c(d/e,f)")
    assert tree == {"a": {"b": {}}, "c": {"d": {"e": {}}, "f": {}}}
    whole = {"a": {"b": 1, "x": 2}, "c": [{"d": {"e": 3, "y": 4}}, {}], "z": 5}
    assert pick(whole, tree) == {"a": {"b": 1}, "c": [{"d": {"e": 3}}, {}]}
    assert merge({"a": {"b": 1, "x": 2}, "q": 1}, {"a": {}}, mask("a.b,q")) == {"a": {"x": 2}}


# ---------------------------------------------------------------------------- quota, faults


def test_requests_above_the_quota_of_a_minute_are_refused() -> None:
    now = [0.0]
    with google_sheets(clock=lambda: now[0], reads=4, writes=2) as google:
        book = google.new_book("P", PROMPTS)
        tab = google.client().open_by_url(book.url).sheet1
        tab.get("A1"), tab.get("A1")
        code, message = refusal(tab.get, "A1")
        assert code == 429
        assert "'Read requests per minute per user'" in message
        tab.update([["x"]], "A9"), tab.update([["x"]], "A9")
        assert refusal(tab.update, [["y"]], "A9")[0] == 429
        now[0] = 61
        assert tab.acell("A9").value == "x"
    assert (google.reads, google.writes) == (6, 3)
    assert google.log[-1].call == "values"


@pytest.mark.parametrize(
    ("fault", "code", "is_written"),
    [
        (Fault.FORBIDDEN, 403, False),
        (Fault.NOT_ENABLED, 403, False),
        (Fault.BUSY, 429, False),
        (Fault.INTERNAL, 500, False),
        (Fault.INTERNAL_AFTER, 500, True),
        (Fault.UNAVAILABLE, 503, False),
        (Fault.BAD_GATEWAY, -1, False),  # no JSON: the client cannot tell
    ],
)
def test_planned_errors_happen_at_their_requests(
    google: GoogleSheets,
    book: Book,
    tab: gspread.Worksheet,
    fault: Fault,
    code: int,
    is_written: bool,
) -> None:
    google.faults.at(2, fault)
    tab.update([["first"]], "A4")
    assert refusal(tab.update, [["second"]], "A5")[0] == code
    assert (len(google.table(book)) == 5) is is_written
    tab.update([["third"]], "A5")
    assert google.table(book)[4] == ["third"]


@pytest.mark.parametrize(
    ("fault", "is_written"), [(Fault.RESET_BEFORE, False), (Fault.RESET_AFTER, True)]
)
def test_a_connection_is_reset_before_or_after_the_write(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet, fault: Fault, is_written: bool
) -> None:
    google.faults.when(lambda asked: asked.is_write, fault, times=1)
    with pytest.raises(requests.ConnectionError):
        tab.update([["x"]], "A9")
    assert (len(google.table(book)) == 9) is is_written
    assert google.log[-1].status == 0


@pytest.mark.parametrize(("fault", "is_written"), [(Fault.HANG, False), (Fault.HANG_AFTER, True)])
def test_a_hang_ends_with_the_timeout_of_the_client(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet, fault: Fault, is_written: bool
) -> None:
    tab.client.set_timeout((5, 0.1))
    google.faults.at(1, fault)
    with pytest.raises(requests.ReadTimeout):
        tab.update([["x"]], "A9")
    google.faults.release()
    assert (len(google.table(book)) == 9) is is_written


def test_no_token_is_given_when_that_fault_is_planned(google: GoogleSheets, book: Book) -> None:
    google.faults.at(1, Fault.NO_TOKEN)
    with pytest.raises(RefreshError):
        google.client().open_by_key(book.id)
    assert google.log == []


# ---------------------------------------------------------------------------- people


def test_an_action_can_happen_between_two_requests(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    seen: list[str] = []

    def act(asked: Asked) -> None:
        seen.append(asked.call)
        if asked.is_write:
            book.insert(book.sheets[0], ROWS, 1)

    google.between(act)
    tab.update([["x"]], "C2")
    google.between(None)
    assert seen == ["values"]
    assert google.table(book)[1:3] == [["", "", "x"], ["a red fox", "id1"]]


def test_a_scripted_person_with_the_same_seed_does_the_same(google: GoogleSheets) -> None:
    tables = []
    for _ in range(2):
        book = google.new_book("P", [PROMPTS[0], *([f"p{n}", f"id{n}"] for n in range(30))])
        person = Person(book, seed=11, ours=("row_id", "status"))
        for _ in range(15):
            person.act()
        assert person.changed == []
        tables.append(google.table(book))
        assert set(person.done) == set(person.gestures)
    assert tables[0] == tables[1]


def test_the_position_of_a_row_is_known_after_moves(google: GoogleSheets) -> None:
    book = google.new_book("P", [PROMPTS[0], *([f"p{n}", f"id{n}"] for n in range(30))])
    gestures = ("sort_rows", "shuffle_rows", "move_rows", "insert_row", "delete_row", "hide_row")
    person = Person(book, seed=5, ours=("row_id", "status"), gestures=gestures)
    before = dict(zip(person.rows(), range(30), strict=True))
    for _ in range(20):
        person.act()
    assert 0 < len(person.gone) < 40
    for identity, n in before.items():
        row = person.where(identity)
        assert (row is None) is (identity in person.gone)
        if row is not None:
            assert book.sheets[0].cell(row, 0).value == f"p{n}"


def test_a_scripted_person_notices_changes_only_in_peoples_cells(
    google: GoogleSheets, book: Book, tab: gspread.Worksheet
) -> None:
    person = Person(book, ours=("row_id", "status"), most=0)
    person.act()
    tab.update([["x", "y", "z"]], "A2")
    person.act()
    (changed,) = person.changed
    assert (changed.title, changed.before, changed.now) == ("prompt", "a red fox", "x")


# ---------------------------------------------------------------------------- the whole


def test_each_unknown_fact_has_a_switch_with_two_settings() -> None:
    assert all(facts != Facts() for facts in ALTERNATIVES.values())
    assert len(ALTERNATIVES) == len(Facts.__slots__)
    assert replace(Facts(), sort_moves_row_metadata=True) in ALTERNATIVES.values()


def test_ten_thousand_rows_are_handled_quickly(google: GoogleSheets) -> None:
    book = google.new_book("Big", [["p"] * 12] * 10_000)
    tab = google.client().open_by_url(book.url).sheet1
    began = monotonic()
    assert len(tab.get_all_values()) == 10_000
    ranges = [{"range": f"F{n}:L{n}", "values": [[None] + ["v"] * 6]} for n in range(1, 5001)]
    said = tab.batch_update(ranges, include_values_in_response=True)
    book.sort(book.sheets[0], Area(0, 10_000), [(6, True)])
    assert monotonic() - began < 10
    assert said["totalUpdatedCells"] == 30_000
    assert book.sheets[0].cell(0, 6).value == "v"


def test_an_error_of_the_fake_server_itself_fails_the_test() -> None:
    def go() -> None:
        with google_sheets() as google:
            book = google.new_book("P", PROMPTS)
            client = google.client()
            google.between(lambda asked: 1 / 0)
            assert refusal(client.open_by_key, book.id)[0] == 500

    with pytest.raises(ZeroDivisionError):
        go()
