"""The text of CSV files: read as Python's csv reads it; a patch changes no other bytes."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.core.model import Grid, Patch
from pipeline.sheets.csv.delimiters import delimiter_of
from pipeline.sheets.csv.encodings import NotText
from pipeline.sheets.csv.text import CannotHold, CsvText, LeftOpen, harmless
from tests.fakes.cases import each
from tests.wild.slow_reader import Record, slowly

BOM = b"\xef\xbb\xbf"
delimiters = st.sampled_from(",;\t|")
cells = st.text(st.sampled_from('ab",;\t|\r\n \0é\u2028\ufeff'), max_size=6)
#: Anything at all, and files that a program may have written.
texts = st.text(st.sampled_from('ab"",,;\t\r\n\n \0é\u2028\ufeff'), max_size=60) | st.lists(
    st.lists(st.sampled_from(["", "a", '"a"', '"a,b"', '"x""y"', '"a"b', 'a"b"', '"\n"', " "])).map(
        ",".join
    )
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n", "\r"]).map(lambda end: end.join(lines)))


def by_csv(text: str, delimiter: str) -> Grid:
    lines = io.StringIO(text, newline="")
    return tuple(tuple(record) for record in csv.reader(lines, delimiter=delimiter))


def with_patch(grid: Grid, patch: Patch) -> Grid:
    rows = [list(record) for record in grid]
    # A row that grows, grows to the last cell that was asked for, be it empty.
    for growing in {
        row for (row, column), text in patch.items() if text and column >= len(rows[row])
    }:
        last = max(column for row, column in patch if row == growing)
        rows[growing] += [""] * (last + 1 - len(rows[growing]))
    for (row, column), text in patch.items():
        if column < len(rows[row]):
            rows[row][column] = text
    return tuple(map(tuple, rows))


@given(texts, delimiters)
@example('prompt,remark\na fox,"red\na hen,white\n', ",")
@example('prompt,remark\na fox,"', ",")
def test_values_equal_those_of_the_csv_module_unless_a_quote_is_left_open(
    text: str, delimiter: str
) -> None:
    if line := left_open(text, delimiter):
        with pytest.raises(LeftOpen) as refused:
            CsvText.of(BOM + text.encode(), delimiter)
        assert refused.value.line == line
    else:
        assert CsvText.of(BOM + text.encode(), delimiter).grid == by_csv(text, delimiter)


def left_open(text: str, delimiter: str) -> int:
    """The line with a quote that is never closed; 0 if there is none."""
    records = slowly(text, delimiter)
    if not records or not records[-1].raw or not is_open(records[-1].raw[-1], delimiter):
        return 0
    before = text.removesuffix(records[-1].raw[-1] + records[-1].end)
    return 1 + len(re.findall("\r\n|\r|\n", before))


def is_open(raw: str, delimiter: str) -> bool:
    """True if a quote opens this field and none closes it; then delimiters are part of it."""
    return raw.startswith('"') and len(slowly(raw + delimiter, delimiter)[0].raw) == 1


@given(texts, delimiters)
def test_the_slow_reader_agrees_with_the_csv_module(text: str, delimiter: str) -> None:
    assert tuple(record.values for record in slowly(text, delimiter)) == by_csv(text, delimiter)


@given(st.data(), texts, delimiters, st.sampled_from([b"", BOM]))
def test_a_patch_changes_its_cells_and_no_other_byte(
    data: st.DataObject, text: str, delimiter: str, mark: bytes
) -> None:
    # Without a byte order mark, a first character that looks like one is one.
    mark = BOM if text.startswith("\ufeff") else mark
    assume("\0" not in text[:4])  # that may be UTF-16 without its mark
    assume(not left_open(text, delimiter))
    before = slowly(text, delimiter)
    places = st.tuples(st.integers(0, max(len(before) - 1, 0)), st.integers(0, 5))
    patch = data.draw(st.dictionaries(places, cells, max_size=4 if before else 0))

    patched = CsvText.of(mark + text.encode(), delimiter).patched(patch)

    assert patched.startswith(mark)
    new_text = patched[len(mark) :].decode()
    assert by_csv(new_text, delimiter) == with_patch(by_csv(text, delimiter), patch)
    after = slowly(new_text, delimiter)
    assert len(after) == len(before)
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new.end == old.end
        assert new.raw == expected_fields(row, old, new, patch)


def expected_fields(row: int, old: Record, new: Record, patch: Patch) -> tuple[str, ...]:
    """The old fields as they were written, with new text only in changed cells."""
    fields = list(old.raw) + [""] * (len(new.raw) - len(old.raw))
    for column, value in enumerate(old.values + ("",) * (len(fields) - len(old.values))):
        if patch.get((row, column), value) != value:
            fields[column] = new.raw[column]
    return tuple(fields)


@each(
    ("before", "patch", "after"),
    [
        ("a,b\n1,2\n", {(1, 1): "x"}, "a,b\n1,x\n"),
        ("a,b\r\n1,2\r\n", {(1, 0): "x,y"}, 'a,b\r\n"x,y",2\r\n'),
        ("a,b\n1", {(1, 2): "x"}, "a,b\n1,,x"),
        ("a,b\n\n1,2\n", {(1, 1): "x"}, "a,b\n,x\n1,2\n"),
        ('a,b\n"1",2\n', {(1, 0): "x"}, 'a,b\n"x",2\n'),
        ('a,b\n"od"d ,  2 \n', {(1, 2): "x"}, 'a,b\n"od"d ,  2 ,x\n'),
        ('a\n"two\nlines",b\nc\n', {(2, 0): "x"}, 'a\n"two\nlines",b\nx\n'),
        ("a\nb\n", {(1, 0): ""}, 'a\n""\n'),
        ("a;b\nc;d\n", {(1, 1): "1,5", (0, 1): "p,q"}, 'a;"p,q"\nc;1,5\n'),
        ("a\rb\r", {(1, 1): "x\ny"}, 'a\rb,"x\ny"\r'),
        ("a\nb\n", {(1, 0): " x"}, 'a\n" x"\n'),
        ("a\nb\n", {(1, 0): "half \ud800"}, "a\nhalf ?\n"),
    ],
)
def test_patched_files_have_this_text(before: str, patch: Patch, after: str) -> None:
    assert CsvText.of(before.encode()).patched(patch).decode() == after


@each(
    ("header", "delimiter"),
    [
        ("prompt,status", ","),
        ("prompt;status", ";"),
        ("prompt\tstatus", "\t"),
        ("prompt", ","),
        ("", ","),
        ('"a,b";"c,d"', ";"),
        ('"Prompt;\n(in, English)"\tstatus', "\t"),
        ("size, in cm;prompt;status", ";"),
        ('12" prints;price, with tax;"a,b,c"', ";"),
        ('"prompt"\na;b', ","),
        ("\n\nprompt;status", ";"),
    ],
)
def test_the_delimiter_is_found_in_the_header(header: str, delimiter: str) -> None:
    assert delimiter_of(header + "\n1,2;3\t4|5\n") == delimiter


@each(
    ("text", "delimiter"),
    [
        ("prompt;size, in cm\na fox;10\n", ";"),
        ("prompt;size, in cm\na fox, red;10\n", ";"),
        ("prompt;size,cm\na fox, red, or not;10\n\nan owl;10\n", ";"),
        ("prompt;size, in cm, or so, at least\na fox, red;10\n", ";"),
        ("prompt, in English\tnote; if any\na fox, red\tnone\n", "\t"),
        ("prompt|status\na fox, red; and an owl|\n", "|"),
    ],
)
def test_of_two_possible_delimiters_known_names_and_then_the_rows_decide(
    text: str, delimiter: str
) -> None:
    assert delimiter_of(text) == delimiter


@each(
    ("rows", "delimiter"),
    [
        ("a fox\nan owl\n", ","),
        ('"a fox, red"\nan owl\n', ","),
        ("a fox, red\nan owl\n", ";"),
        ("a fox, red\nan owl; a wolf\n", "\t"),
        ("\n\na fox, red", ";"),
    ],
)
def test_under_a_header_with_one_name_no_prompt_is_split(rows: str, delimiter: str) -> None:
    text = CsvText.of(f"prompt\n{rows}".encode())

    assert text.delimiter == delimiter
    assert max(map(len, text.grid)) == 1
    assert CsvText.of(text.patched({(0, 1): "row_id"})).delimiter == delimiter


@each("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;;;;\r", '"sep=";"";\n'])
@each("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_that_names_the_delimiter_is_kept_and_is_not_a_row(line: str, codec: str) -> None:
    rows = "prompt, in English;status\na fox;\n"

    text = CsvText.of((line + rows).encode(codec))

    assert text.grid == (("prompt, in English", "status"), ("a fox", ""))
    after = text.patched({(1, 1): "done"})
    assert after == (line + rows.replace("fox;", "fox;done")).encode(codec)
    assert CsvText.of(text.content, "\t").delimiter == ";"


@given(st.lists(cells, min_size=1, max_size=4), st.integers(0, 6), cells, delimiters)
def test_our_header_names_do_not_change_the_delimiter(
    names: list[str], column: int, name: str, delimiter: str
) -> None:
    quoted = (f'"{text.replace(chr(34), chr(34) * 2)}"' for text in ["id", *names])
    # The mark means UTF-8, whatever the first bytes are.
    before = CsvText.of(BOM + delimiter.join(quoted).encode())

    after = CsvText.of(before.patched({(0, column): name}))

    assert after.delimiter == before.delimiter == delimiter
    assert after.grid == with_patch(before.grid, {(0, column): name})


def test_a_missing_row_is_not_written() -> None:
    with pytest.raises(IndexError):
        CsvText.of(b"a\n").patched({(1, 0): "x"})


def test_very_long_cells_are_read() -> None:
    cell = '"' * 200_000

    text = CsvText.of(CsvText.of(b"a,b\nc,d\n").patched({(1, 1): cell}))

    assert text.grid == (("a", "b"), ("c", cell))


SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


@given(
    st.sampled_from(["said: ", "https://cdn.example/"]),
    st.text(st.sampled_from("a=+-@＝,;\t|\"\n\r '"), max_size=12),
    delimiters,
)
def test_no_cell_of_ours_is_a_formula_whatever_delimiter_the_file_is_read_with(
    start: str, text: str, delimiter: str
) -> None:
    before = f"prompt{delimiter}note\na fox{delimiter}\n"

    after = CsvText.of(before.encode(), delimiter).patched({(1, 1): start + text}).decode()

    for other in ",;\t|":
        cells = [cell for row in by_csv(after, other) for cell in row]
        # In the file's own delimiter our text is one cell, and begins with words of ours.
        assert not [cell for cell in cells if cell.lstrip(' "').startswith(SIGNS)]


def test_text_is_changed_only_if_another_delimiter_would_make_it_a_formula() -> None:
    assert harmless("refused: a fox, --ar 16:9; see 1-2", ",") == (
        "refused: a fox, --ar 16:9; see 1-2"
    )
    assert harmless('refused: "x;=1+1"', ",") == """refused: "x;'=1+1\""""
    assert harmless("https://a.example/x;=1?a=1,2", ",") == "https://a.example/x%3B=1?a=1,2"
    assert harmless("https://a.example/1.png\nhttps://a.example/2.png", ",") == (
        "https://a.example/1.png\nhttps://a.example/2.png"
    )


@given(
    texts,
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), cells), max_size=4),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example("a,b\n1,2\n\u0a00\u000a,\u0a0d\n3,4\n", [(2, 0, "x"), (3, 1, "y")], "utf-16")
@example('a,b;c\n1,"2\r\n3"\n4,5\n', [(1, 0, "6;7"), (2, 1, "8\n9")], "utf-8")
def test_a_grid_after_a_patch_is_what_is_read_back(
    text: str, cells: list[tuple[int, int, str]], codec: str
) -> None:
    try:
        before = CsvText.of(f"one,two\n{text}".encode(codec))
    except (LeftOpen, NotText):
        assume(False)
    patch = {(row, column): text for row, column, text in cells if row < len(before.grid)}
    # No title of ours begins with NUL, which would make UTF-32 of UTF-16.
    assume(not patch.get((0, 0), "").startswith("\0"))
    try:
        after = before.changed(patch)
    except CannotHold:
        assume(False)
    read = CsvText.of(after.content)

    assert not after.grid or (read.grid, read.encoding) == (after.grid, after.encoding)
    assert after.grid or codec == "utf-16" or not is_plain(patch)


def is_plain(patch: Patch) -> bool:
    """True if a patch changes neither the header nor which delimiter and encoding are found."""
    return all(row and text.isascii() and text.isalnum() for (row, _), text in patch.items())
