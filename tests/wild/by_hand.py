"""Files in the documented formats of other programs, and files edited by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.wild.manifest import Wild
from tests.wild.source import HEADER, WESTERN, WORLD


def by_hand() -> Iterator[Wild]:
    """Write each file."""
    for wild, content in (*_as_documented(), *_as_hands_leave_them()):
        wild.path.write_bytes(content)
        yield wild


def _lines(rows: Sequence[Sequence[str]], delimiter: str, end: str) -> str:
    """Rows with only those cells in quotes that need them, as spreadsheets write them."""

    def cell(text: str) -> str:
        special = any(letter in text for letter in f'{delimiter}"\r\n')
        return '"' + text.replace('"', '""') + '"' if special else text

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def _as_documented() -> Iterator[tuple[Wild, bytes]]:
    western, world = [HEADER, *WESTERN], [HEADER, *WORLD]
    asked, asked_world = (sum(bool(row[1]) for row in rows) for rows in (WESTERN, WORLD))
    excel = "bytes by hand, as Excel writes"
    yield (
        Wild("excel-western.csv", excel, "CSV (semicolon), German", "cp1252", ";", asked=asked),
        _lines(western, ";", "\r\n").encode("cp1252"),
    )
    yield (
        Wild("excel-utf-8.csv", excel, "CSV UTF-8", "utf-8-sig", ",", asked=asked_world),
        _lines(world, ",", "\r\n").encode("utf-8-sig"),
    )
    yield (
        Wild("excel-unicode.csv", excel, "Unicode text", "utf-16", "\t", asked=asked_world),
        b"\xff\xfe" + _lines(world, "\t", "\r\n").encode("utf-16-le"),
    )
    yield (
        Wild("excel-unicode-big.tsv", excel, "big endian", "utf-16", "\t", asked=asked_world),
        b"\xfe\xff" + _lines(world, "\t", "\r\n").encode("utf-16-be"),
    )
    yield (
        Wild("excel-sep.csv", excel, "sep=;", "utf-8-sig", ";", "sep=;\r\n", asked_world),
        ("sep=;\r\n" + _lines(world, ";", "\r\n")).encode("utf-8-sig"),
    )
    yield (
        Wild("excel-sep-comma.csv", excel, "sep=,", "cp1252", ",", '"sep=,"\r\n', asked),
        ('"sep=,"\r\n' + _lines(western, ",", "\r\n")).encode("cp1252"),
    )
    yield (
        Wild("excel-mac.csv", excel, "CSV (Macintosh), plain letters", asked=2),
        b"prompt,cost\ra fox asleep,5\r\ran owl at night,7\r",
    )
    yield (
        Wild("google-sheets.csv", "bytes by hand, as Google Sheets", "export", asked=asked_world),
        _lines(world, ",", "\r\n").removesuffix("\r\n").encode(),
    )
    yield (
        Wild(
            "numbers.csv", "bytes by hand, as Apple Numbers", "export", delimiter=";", asked=asked
        ),
        _lines(
            [["Prompt", "Cost", ""], *[[row[1], row[4], ""] for row in WESTERN]], ";", "\n"
        ).encode(),
    )
    yield (
        Wild(
            "airtable.csv", "bytes by hand, as Airtable", "export", "utf-8-sig", asked=asked_world
        ),
        _lines(world, ",", "\n").removesuffix("\n").encode("utf-8-sig"),
    )


def _as_hands_leave_them() -> Iterator[tuple[Wild, bytes]]:
    hand = "bytes by hand"
    long = "a fox in the snow, " * 2_632
    wide = ["prompt", *(f"column {number}" for number in range(499))]
    for name, how, delimiter, asked, text in (
        (
            "ends.csv",
            "mixed line ends",
            ",",
            4,
            "prompt,x\r\na fox,1\nan owl,2\r\r\na cow,3\r\nan ox,",
        ),
        ("nul.csv", "NUL bytes in cells", ",", 2, "prompt,x\na \0fox,\0\nan owl,\n"),
        (
            "odd-letters.csv",
            "line separators and form feeds in cells",
            ",",
            3,
            "prompt,x\na\u2028fox,\f\n\van\x85owl,\u2029\n\fa wolf,\x1c\n",
        ),
        (
            "marks.csv",
            "files put together: a mark in the middle",
            ";",
            2,
            "\ufeff\ufeffprompt;x\n\ufeffa fox;\ufeff\nan owl;1\n",
        ),
        (
            "wide.csv",
            "500 columns",
            ",",
            2,
            ",".join(wide) + "\na fox" + ",7" * 499 + "\nan owl" + "," * 499 + "\n",
        ),
        ("long.csv", "a cell of 50,000 letters", ",", 2, f'prompt,x\n"{long}",1\nan owl,2\n'),
        (
            "one-column.csv",
            "one column, bare commas",
            ";",
            3,
            "prompt\na fox, red\nan owl\n\na cow, \n",
        ),
        ("one-column-quoted.csv", "one column", ",", 2, '"prompt"\n"a fox, red; big"\n"an owl"\n'),
        (
            "ragged.csv",
            "shorter and longer rows",
            ",",
            3,  # one row has an unquoted comma
            "x,prompt,y\n1,a fox\n2,an owl,3,4,5,,\n3\n4,a cow,\n,an ox",
        ),
        (
            "sections.csv",
            "headings, blank rows and totals",
            ";",
            3,
            "Nr;Prompt;Price\n;;\nWinter;;\n1;a fox;5,00\n2;an owl;7,50\n;;12,50\n\nSpring\n"
            "3;a cow;1\n;;\n",
        ),
        (
            "trailing.csv",
            "a delimiter at the end of each line",
            ",",
            2,
            "prompt,x,\na fox,1,\nan owl,2,\n,,\n",
        ),
        (
            "header-quoted.csv",
            "delimiters and line ends in quoted names",
            ";",
            2,
            '"size, in cm, or\r\nso, or";"Prompt";"a;b"\r\n10;a fox;\r\n;"an owl; ""hoo""";x\r\n',
        ),
        (
            "header-bare.csv",
            "the other delimiter bare in the header",
            ";",
            2,
            "size, in cm;prompt;x, if any, or not\n10;a fox, red;\n12;an owl;\n",
        ),
        (
            "header-shouted.csv",
            "names with spaces and capitals",
            "\t",
            2,
            " PROMPT \tAspect Ratio\tRow-ID\na fox\t3:2\t\nan owl\t\t\n",
        ),
        (
            "odd-quotes.csv",
            "quotes in bare cells, text after quotes, lines in quotes at the end",
            ",",
            4,
            'prompt,x\na 12" fox,"1"2\n"an ""owl""" , "3"\n"a cow"s,\nan ox,"two\n,"',
        ),
        (
            "blank.csv",
            "blank lines and lines of blanks",
            ",",
            2,
            "prompt,x\n\n\n   ,\na fox,1\n,\n\nan owl,2\n\n\n",
        ),
        (
            "empty-ours.csv",
            "our columns are there already, empty",
            ",",
            2,
            'status,prompt,Image URLs,row_id\n,a fox,,\n,an owl,"",\n',
        ),
        ("header-only.csv", "no rows", ",", 0, "name,prompt,campaign\r\n"),
        (
            "formulas.csv",
            "cells that look like formulas",
            ",",
            3,
            "prompt,x\n=1+1,=A1\n@fox,+1\n-owl,'-1\n",
        ),
    ):
        yield Wild(name, hand, how, "utf-8", delimiter, asked=asked), text.encode()
