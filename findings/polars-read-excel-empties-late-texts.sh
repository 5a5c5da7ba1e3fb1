#!/usr/bin/env bash
# polars 2.1.0 with fastexcel 0.21.0: read_excel empties cells whose kind differs from the first 100.
#
# `pl.read_excel` takes a column's type from its first 100 rows (`infer_schema_length`). A text further
# down in a column of numbers, such as the row id A-17 or the size 4:5, becomes null: no error, no
# warning. A row in which every cell is emptied in this way is then left out as an empty row, so the
# table is also shorter than the sheet. `pl.read_csv` has the same limit of 100 and raises
# ComputeError for the same data. `infer_schema_length=None` and `engine="openpyxl"` keep the texts;
# the documentation calls the first a matter of types and speed, and says nothing of lost values.
#
# Seen (the sheet has 102 rows; the last two are shown):
#   three columns, Excel          102 rows [(None, 'a late fox', None), (102, 'a hare', 1020)]
#   three columns, openpyxl       102 rows [('A-17', 'a late fox', '4:5'), ('102', 'a hare', '1020')]
#   three columns, length None    102 rows [('A-17', 'a late fox', '4:5'), ('102', 'a hare', '1020')]
#   three columns, CSV            ComputeError
#   without the prompts, Excel    101 rows [(100, 1000), (102, 1020)]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    polars==2.1.0 fastexcel==0.21.0 openpyxl==3.1.5
cat > "$folder/try.py" <<'PYTHON'
import csv
import warnings

import openpyxl
import polars as pl

warnings.simplefilter("error")
HUNDRED = [(n, f"a fox {n}", n * 10) for n in range(1, 101)]
ROWS = [*HUNDRED, ("A-17", "a late fox", "4:5"), (102, "a hare", 1020)]
HEADER = ("id", "prompt", "size")


def saved(name: str, columns: tuple[int, ...]) -> str:
    book = openpyxl.Workbook()
    for row in (HEADER, *ROWS):
        book.active.append([row[column] for column in columns])
    book.save(name)
    return name


def seen(name: str, read: object, *args: object, **options: object) -> None:
    try:
        table = read(*args, **options)
        print(f"{name:29} {len(table)} rows {table.tail(2).rows()}")
    except pl.exceptions.ComputeError as error:
        print(f"{name:29} {type(error).__name__}")


whole = saved("whole.xlsx", (0, 1, 2))
with open("whole.csv", "w", newline="") as file:
    csv.writer(file).writerows((HEADER, *ROWS))
seen("three columns, Excel", pl.read_excel, whole)
seen("three columns, openpyxl", pl.read_excel, whole, engine="openpyxl")
seen("three columns, length None", pl.read_excel, whole, infer_schema_length=None)
seen("three columns, CSV", pl.read_csv, "whole.csv")
seen("without the prompts, Excel", pl.read_excel, saved("numbers.xlsx", (0, 2)))
PYTHON
cd "$folder"
venv/bin/python try.py | tee seen
diff seen - <<'SEEN'
three columns, Excel          102 rows [(None, 'a late fox', None), (102, 'a hare', 1020)]
three columns, openpyxl       102 rows [('A-17', 'a late fox', '4:5'), ('102', 'a hare', '1020')]
three columns, length None    102 rows [('A-17', 'a late fox', '4:5'), ('102', 'a hare', '1020')]
three columns, CSV            ComputeError
without the prompts, Excel    101 rows [(100, 1000), (102, 1020)]
SEEN
echo "As described."
