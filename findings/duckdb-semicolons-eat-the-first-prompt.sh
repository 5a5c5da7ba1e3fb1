#!/usr/bin/env bash
# duckdb 2.0.1: of a CSV file whose prompts have one semicolon or bar each, the first prompt is lost.
#
# In a file with one column, `a fox; at night` needs no quotes. read_csv guesses the delimiter (comma,
# bar, semicolon or tab). The documentation (CSV Auto Detection) says that the guess must give the
# same number of columns in each row, and its example turns a comma down because the header line has
# none. Here the header line has no semicolon, and the semicolon is taken all the same: the header
# line is skipped as if it stood before the table (`sniff_csv` says SkipRows 1), and the first prompt
# becomes the header. So there is one row fewer, no prompt is whole, and no error is raised.
# `header=true` does not help; `delim=','` does. One prompt without a semicolon keeps all of them.
# pandas 3.1.1 and polars 2.1.0 read all prompts.
#
# Seen (999 prompts; rows, header):
#   duckdb, semicolon               998 ['fox 1', 'at night']
#   duckdb, bar                     998 ['fox 1', 'at night']
#   duckdb, semicolon, header=true  998 ['fox 1', 'at night']
#   duckdb, semicolon, delim=','    999 ['prompt']
#   duckdb, one without semicolon   999 ['prompt']
#   pandas, semicolon               999 ['prompt']
#   polars, semicolon               999 ['prompt']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==2.0.1 pandas==3.1.1 polars==2.1.0
cat > "$folder/try.py" <<'PYTHON'
import csv

import duckdb
import pandas as pd
import polars as pl


def written(name: str, between: str, without: int = 0) -> str:
    with open(name, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt"])
        rows.writerows([f"fox {n}" + (f"{between} at night" if n != without else "")] for n in range(1, 1000))
    return name


def seen(name: str, table: object) -> None:
    print(f"{name:31} {len(table)} {list(table.columns)}")


semicolon = written("semicolon.csv", ";")
bar = written("bar.csv", "|")
one = written("one.csv", ";", without=500)
seen("duckdb, semicolon", duckdb.sql(f"SELECT * FROM read_csv('{semicolon}')"))
seen("duckdb, bar", duckdb.sql(f"SELECT * FROM read_csv('{bar}')"))
seen("duckdb, semicolon, header=true", duckdb.sql(f"SELECT * FROM read_csv('{semicolon}', header=true)"))
seen("duckdb, semicolon, delim=','", duckdb.sql(f"SELECT * FROM read_csv('{semicolon}', delim=',')"))
seen("duckdb, one without semicolon", duckdb.sql(f"SELECT * FROM read_csv('{one}')"))
seen("pandas, semicolon", pd.read_csv(semicolon))
seen("polars, semicolon", pl.read_csv(semicolon))
PYTHON
cd "$folder"
venv/bin/python try.py | tee seen
diff seen - <<'SEEN'
duckdb, semicolon               998 ['fox 1', 'at night']
duckdb, bar                     998 ['fox 1', 'at night']
duckdb, semicolon, header=true  998 ['fox 1', 'at night']
duckdb, semicolon, delim=','    999 ['prompt']
duckdb, one without semicolon   999 ['prompt']
pandas, semicolon               999 ['prompt']
polars, semicolon               999 ['prompt']
SEEN
echo "As described."
