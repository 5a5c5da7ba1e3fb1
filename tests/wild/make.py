"""Make the corpus again: every program gets the same rows and writes them in its own way.

    python -m tests.wild.make        see README.md for what must be installed

The tests read what is committed; this is run again only to add a program or a file.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.wild.by_hand import by_hand
from tests.wild.manifest import FILES, Wild, write
from tests.wild.refused import refused
from tests.wild.scripts import DUCKDB, NODE, OPENPYXL, PANDAS, PERL, POLARS, PYTHON, RUBY
from tests.wild.source import HEADER, WESTERN, WORLD

WORLD_ASKED = sum(bool(row[1]) for row in WORLD)
WESTERN_ASKED = sum(bool(row[1]) for row in WESTERN)


def main() -> None:
    """Make every file and the manifest."""
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _give(work)
        made = [
            *by_hand(),
            *refused(),
            *_by_scripts(work),
            *_by_commands(work),
            *_by_libreoffice(work),
        ]
    write(sorted(made, key=lambda wild: wild.name))
    total = sum(path.stat().st_size for path in FILES.iterdir())
    programs = {wild.program.split()[0] for wild in made}
    print(f"{len(made)} files of {len(programs)} programs, {total:,} bytes")


def _give(work: Path) -> None:
    """Write the rows in the forms that programs accept."""
    for name, rows in (("world", WORLD), ("western", WESTERN)):
        (work / f"{name}.json").write_text(json.dumps([HEADER, *rows]), "utf-8")
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADER, *rows])
        (work / f"{name}.csv").write_bytes(text.getvalue().encode())


def _by_scripts(work: Path) -> Iterator[Wild]:
    """Libraries of Python, Node, Perl and Ruby; a table each: file -> how, codec, delimiter."""
    for program, command, script, table in (
        (f"Python {sys.version.split()[0]}, csv", [sys.executable, "-c"], *PYTHON),
        (_version("pandas"), [sys.executable, "-c"], *PANDAS),
        (_version("polars"), [sys.executable, "-c"], *POLARS),
        (_version("duckdb"), [sys.executable, "-c"], *DUCKDB),
        ("Node, papaparse and csv-stringify", ["node", "-e"], *NODE),
        ("Perl, Text::CSV", ["perl", "-e"], *PERL),
        ("Ruby, csv", ["ruby", "-e"], *RUBY),
    ):
        _run([*command, script, *_slash(program), str(work), str(FILES)], work)
        for name, (how, codec, delimiter) in table.items():
            asked = WESTERN_ASKED if codec == "cp1252" else WORLD_ASKED
            yield Wild(name, program, how, codec, delimiter, asked=asked)


def _slash(program: str) -> list[str]:
    return ["--"] if program.startswith("Node") else []


def _by_commands(work: Path) -> Iterator[Wild]:
    """Programs that are controlled by their command line."""
    world = str(work / "world.csv")
    database = ["sqlite3", str(work / "rows.db")]
    _run([*database, f".import --csv {world} rows"], work)
    for name, program, command, delimiter in (
        ("sqlite-csv.csv", "sqlite3", [*database, "-csv", "-header"], ","),
        ("sqlite-semicolon.csv", "sqlite3", [*database, "-csv", "-header", "-separator", ";"], ";"),
        ("miller.csv", "Miller", ["mlr", "--csv", "cat", world], ","),
        ("miller-quoted.csv", "Miller", ["mlr", "--csv", "--quote-all", "cat", world], ","),
        ("miller-bars.csv", "Miller", ["mlr", "--csv", "--ofs", "|", "cat", world], "|"),
        ("miller-turned.csv", "Miller", ["mlr", "--csv", "reorder", "-f", "prompt", world], ","),
    ):
        query = ["select * from rows"] if program == "sqlite3" else []
        content = subprocess.run([*command, *query], check=True, capture_output=True).stdout
        (FILES / name).write_bytes(content)
        how = " ".join(word for word in command if str(work) not in word)
        version = _version_of(program, command[0])
        yield Wild(name, version, how, delimiter=delimiter, asked=WORLD_ASKED)
    for name, options, codec, delimiter in (
        ("gnumeric.csv", "", "utf-8", ","),
        ("gnumeric-semicolon.csv", "separator=; eol=windows", "utf-8", ";"),
        ("gnumeric-quoted.csv", "quoting-mode=always", "utf-8", ","),
        ("gnumeric-tabs.tsv", "separator='\t' eol=mac", "utf-8", "\t"),
        ("gnumeric-western.csv", "charset=windows-1252 separator=;", "cp1252", ";"),
    ):
        given = "western.csv" if codec == "cp1252" else "world.csv"
        export = ["-T", "Gnumeric_stf:stf_assistant", "-O", options] if options else []
        _run(["ssconvert", *export, str(work / given), str(FILES / name)], work)
        asked = WESTERN_ASKED if codec == "cp1252" else WORLD_ASKED
        program = _version_of("Gnumeric", "ssconvert")
        yield Wild(name, program, f"ssconvert {options}".strip(), codec, delimiter, asked=asked)


def _by_libreoffice(work: Path) -> Iterator[Wild]:
    """LibreOffice, from an .xlsx of openpyxl and from another CSV, by its export options."""
    _run([sys.executable, "-c", OPENPYXL, str(work)], work)
    program = _version_of("LibreOffice", "soffice")
    for name, given, options, codec, delimiter in (
        ("office-xlsx.csv", "world.xlsx", "44,34,76", "utf-8", ","),
        ("office-semicolon.csv", "world.xlsx", "59,34,76", "utf-8", ";"),
        ("office-tabs.tsv", "world.xlsx", "9,34,76", "utf-8", "\t"),
        ("office-quoted.csv", "world.xlsx", "44,34,76,1,,0,true,true", "utf-8", ","),
        ("office-as-stored.csv", "world.xlsx", "44,34,76,1,,0,false,false", "utf-8", ","),
        ("office-utf-16.csv", "world.xlsx", "9,34,65535", "utf-16", "\t"),
        ("office-western.csv", "western.xlsx", "59,34,1", "cp1252", ";"),
        ("office-bars.csv", "world.xlsx", "124,34,76", "utf-8", "|"),
        ("office-from-csv.csv", "world.csv", "44,34,76", "utf-8", ","),
        ("office-western-from-csv.csv", "western.csv", "59,34,1,1,,0,true", "cp1252", ";"),
        ("office-from-ods.csv", "world.ods", "59,34,76,1,,0,true", "utf-8", ";"),
    ):
        if given.endswith(".ods") and not (work / given).exists():
            _office(work, work / "world.xlsx", "ods", work)
        out = work / "out"
        read = ["--infilter=CSV:44,34,76,1"] if given.endswith(".csv") else []
        _office(work, work / given, f"csv:Text - txt - csv (StarCalc):{options}", out, *read)
        shutil.copy(out / f"{given.partition('.')[0]}.csv", FILES / name)
        asked = WESTERN_ASKED if codec == "cp1252" else WORLD_ASKED
        # When it opens a CSV, it computes the cell that begins with an equals sign and shows
        # Err:509.
        asked -= given.endswith(".csv")
        how = f"from {given}, options {options}"
        yield Wild(name, program, how, codec, delimiter, asked=asked)


def _office(work: Path, given: Path, kind: str, out: Path, *read: str) -> None:
    profile = f"-env:UserInstallation={(work / 'profile').as_uri()}"
    command = ["soffice", "--headless", "--norestore", profile, *read]
    _run([*command, "--convert-to", kind, "--outdir", str(out), str(given)], work)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, env=os.environ)


def _version(package: str) -> str:
    from importlib.metadata import version

    return f"{package} {version(package)}"


def _version_of(program: str, command: str) -> str:
    output = subprocess.run([command, "--version"], check=True, capture_output=True, text=True)
    number = re.search(r"\d+(\.\d+)+", output.stdout + output.stderr)
    assert number, f"{command} does not tell its version"
    return f"{program} {number.group()}"


if __name__ == "__main__":
    main()
