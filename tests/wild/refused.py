"""Unusable files, and the beginning of their error message after the file's name."""

from __future__ import annotations

from collections.abc import Iterator

from tests.wild.manifest import Wild

_AGAIN = ' Save it again as "CSV UTF-8".'
_UNCLEAR = "is not UTF-8, and could be text of several code pages. Line 2 in each: "
_FIRST = "Move it to the first line: delete the lines above it, or write them further down."
_NO_COLUMN = "No column is named like something to send "


def refused() -> Iterator[Wild]:
    """Write each file."""
    for name, how, content, sentence in (
        (
            "no-bytes.csv",
            "nothing",
            b"",
            "The sheet is empty. Write a header with a column named prompt.",
        ),
        (
            "title-lines.csv",
            "a title above the header",
            b"Spring campaign;;\r\nas of today;;\r\n;;\r\nNr;Prompt;Cost\r\n1;a fox;5\r\n",
            f"The header is in line 4. {_FIRST}",
        ),
        (
            "powershell.csv",
            "as PowerShell 5 writes",
            b'#TYPE System.Management.Automation.PSCustomObject\r\n"prompt","x"\r\n"a fox","1"\r\n',
            _NO_COLUMN,
        ),
        (
            "blank-first.csv",
            "blank lines above the header",
            b"\n\nprompt,x\na fox,1\n",
            f"The header is in line 3. {_FIRST}",
        ),
        (
            "sep-title.csv",
            "sep= and a title",
            b"sep=;\nSpring;\nprompt;x\na fox;1\n",
            f"The header is in line 2. {_FIRST}",
        ),
        ("no-header.csv", "no header", b"a fox,1\nan owl,2\n", _NO_COLUMN),
        (
            "html.csv",
            "a table of a web page",
            b"<table>\n<tr><td>prompt</td></tr>\n</table>\n",
            _NO_COLUMN,
        ),
        (
            "two-prompts.csv",
            "two columns of one name",
            b"prompt,x,Prompt\na fox,1,an owl\n",
            "Columns A and C have one name, prompt or Prompt. Rename all but one of them.",
        ),
        (
            "two-statuses.csv",
            "two columns of one of our names",
            b"status;prompt;Status\n;a fox;\n",
            "Columns A and C have one name, status or Status. Rename all but one of them.",
        ),
        (
            "status-filled.csv",
            "a column of a team's own with our name",
            b"prompt,Status\na fox,ready\n",
            "Column B, Status, already holds text. Rename it, or set [columns] status = "
            '"Image status". If Promptsheet filled it and its store is lost, run promptsheet '
            "doctor --adopt. If another tool filled it for us, run promptsheet init --adopt.",
        ),
        (
            "workbook.csv",
            "the beginning of an .xlsx",
            b"PK\x03\x04\x14\0\x06\0\x08\0",
            f"is an Excel workbook, whatever its name says.{_AGAIN}",
        ),
        (
            "old-workbook.csv",
            "the beginning of an .xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            f"is an old Excel workbook, whatever its name says.{_AGAIN}",
        ),
        (
            "russian.csv",
            "Windows-1251",
            "prompt;x\nлиса в снегу;1\n".encode("cp1251"),
            _UNCLEAR,
        ),
        (
            "polish.csv",
            "Windows-1250",
            "prompt;x\nmały żółty lis;1\n".encode("cp1250"),
            _UNCLEAR,
        ),
        (
            "japanese.csv",
            "Shift-JIS",
            "prompt,x\n雪の中のキツネ,1\n".encode("shift-jis"),
            _UNCLEAR,
        ),
        (
            "damaged.csv",
            "UTF-8 that lost a byte",
            "prompt,x\nun été,1\nune fée à Ys,2\n".encode().replace(b"\xc3\xa0", b"\xc3"),
            f"is damaged UTF-8 text (byte 0xC3 in line 3).{_AGAIN}",
        ),
        (
            "cut-off.csv",
            "UTF-8 cut off within a letter",
            "prompt,x\na fox,é".encode()[:-1],
            f"is damaged UTF-8 text (byte 0xC3 in line 2).{_AGAIN}",
        ),
        (
            "left-open.csv",
            "a quote that is never closed",
            b'prompt,x\na fox,"1\nan owl,2\n',
            "has a quotation mark in line 2 that is never closed, and all that follows would be one"
            " cell. Close it, or save the file again.",
        ),
        (
            "utf-32.csv",
            "UTF-32",
            "prompt,x\na fox,1\n".encode("utf-32"),
            f"is UTF-32 text, which few programs can read.{_AGAIN}",
        ),
    ):
        wild = Wild(name, "bytes by hand", how, refused=sentence)
        wild.path.write_bytes(content)
        yield wild
