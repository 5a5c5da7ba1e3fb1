"""The scripts for the libraries of the corpus, and the files that each script makes.

Each script gets the folder with the rows and the folder for the files. For each file, the tables
have the options used, its encoding and its delimiter.
"""

from __future__ import annotations

Table = dict[str, tuple[str, str, str]]

PYTHON: tuple[str, Table] = (
    """
import csv, json, sys
work, files = sys.argv[1:]
world, western = (json.load(open(f"{work}/{n}.json")) for n in ("world", "western"))
def make(name, rows, encoding="utf-8", **options):
    with open(f"{files}/{name}", "w", newline="", encoding=encoding) as file:
        csv.writer(file, **options).writerows(rows)
make("python-excel.csv", world)
make("python-excel-tab.tsv", world, dialect="excel-tab")
make("python-unix.csv", world, dialect="unix")
make("python-mark.csv", world, encoding="utf-8-sig", delimiter=";")
make("python-utf-16.csv", world, encoding="utf-16", delimiter="\\t")
make("python-utf-16-unmarked.csv", world, encoding="utf-16-le")
make("python-western.csv", western, encoding="cp1252", delimiter=";")
make("python-mac.csv", world, dialect="unix", lineterminator="\\r")
make("python-spaces.csv", [[*row, ""] for row in world], quoting=csv.QUOTE_NONNUMERIC)
""",
    {
        "python-excel.csv": ("as it is", "utf-8", ","),
        "python-excel-tab.tsv": ("dialect excel-tab", "utf-8", "\t"),
        "python-unix.csv": ("dialect unix", "utf-8", ","),
        "python-mark.csv": ("utf-8-sig, semicolon", "utf-8-sig", ";"),
        "python-utf-16.csv": ("utf-16, tab", "utf-16", "\t"),
        "python-utf-16-unmarked.csv": ("utf-16-le, no mark", "utf-16-le", ","),
        "python-western.csv": ("cp1252, semicolon", "cp1252", ";"),
        "python-mac.csv": ("dialect unix, lone CR at line ends", "utf-8", ","),
        "python-spaces.csv": ("QUOTE_NONNUMERIC, a column without a name", "utf-8", ","),
    },
)

PANDAS: tuple[str, Table] = (
    """
import json, sys
import pandas as pd
work, files = sys.argv[1:]
def frame(name):
    header, *rows = json.load(open(f"{work}/{name}.json"))
    table = pd.DataFrame(rows, columns=header)
    table["cost"] = pd.to_numeric(table["cost"], errors="coerce")
    return table.replace("", None)
world, western = frame("world"), frame("western")
world.to_csv(f"{files}/pandas.csv")
world.to_csv(f"{files}/pandas-no-index.csv", index=False)
world.to_csv(f"{files}/pandas-semicolon.csv", sep=";", decimal=",", index=False)
world.to_csv(f"{files}/pandas-mark.csv", encoding="utf-8-sig", index=False, lineterminator="\\r\\n")
world.to_csv(f"{files}/pandas-quoted.csv", quoting=1, index=False)
world.to_csv(f"{files}/pandas-utf-16.csv", encoding="utf-16", sep="\\t", index=False)
world.to_csv(f"{files}/pandas-tabs.tsv", sep="\\t", index=False)
western.to_csv(f"{files}/pandas-western.csv", encoding="cp1252", index=False)
""",
    {
        "pandas.csv": ("to_csv, with its index", "utf-8", ","),
        "pandas-no-index.csv": ("index=False", "utf-8", ","),
        "pandas-semicolon.csv": ("sep=; decimal=,", "utf-8", ";"),
        "pandas-mark.csv": ("utf-8-sig, CRLF", "utf-8-sig", ","),
        "pandas-quoted.csv": ("QUOTE_ALL", "utf-8", ","),
        "pandas-utf-16.csv": ("utf-16, tab", "utf-16", "\t"),
        "pandas-tabs.tsv": ("tab", "utf-8", "\t"),
        "pandas-western.csv": ("cp1252", "cp1252", ","),
    },
)

POLARS: tuple[str, Table] = (
    """
import json, sys
import polars as pl
work, files = sys.argv[1:]
header, *rows = json.load(open(f"{work}/world.json"))
world = pl.DataFrame(rows, schema=header, orient="row")
world.write_csv(f"{files}/polars.csv")
world.write_csv(f"{files}/polars-quoted.csv", quote_style="always", include_bom=True)
world.write_csv(f"{files}/polars-tabs.tsv", separator="\\t", quote_style="non_numeric")
world.write_csv(f"{files}/polars-semicolon.csv", separator=";", line_terminator="\\r\\n")
""",
    {
        "polars.csv": ("write_csv", "utf-8", ","),
        "polars-quoted.csv": ("always quoted, with a mark", "utf-8-sig", ","),
        "polars-tabs.tsv": ("tab, non_numeric quoted", "utf-8", "\t"),
        "polars-semicolon.csv": ("semicolon, CRLF", "utf-8", ";"),
    },
)

DUCKDB: tuple[str, Table] = (
    """
import sys
import duckdb
work, files = sys.argv[1:]
rows = f"(from read_csv('{work}/world.csv', all_varchar=true, header=true))"
for name, options in {
    "duckdb.csv": "header",
    "duckdb-bars.csv": "header, delimiter '|'",
    "duckdb-tabs.tsv": "header, delimiter '\\t'",
    "duckdb-quoted.csv": "header, force_quote *",
}.items():
    duckdb.sql(f"copy {rows} to '{files}/{name}' (format csv, {options})")
""",
    {
        "duckdb.csv": ("copy to", "utf-8", ","),
        "duckdb-bars.csv": ("copy to, delimiter |", "utf-8", "|"),
        "duckdb-tabs.tsv": ("copy to, tab", "utf-8", "\t"),
        "duckdb-quoted.csv": ("copy to, force_quote *", "utf-8", ","),
    },
)

NODE: tuple[str, Table] = (
    """
const fs = require("fs"), Papa = require("papaparse");
const { stringify } = require("csv-stringify/sync");
const [work, files] = process.argv.slice(1).filter(a => a !== "--");
const world = JSON.parse(fs.readFileSync(`${work}/world.json`));
const make = (name, text) => fs.writeFileSync(`${files}/${name}`, text);
make("papaparse.csv", Papa.unparse(world));
make("papaparse-quoted.csv", Papa.unparse(world, { quotes: true, delimiter: ";" }));
make("papaparse-lines.csv", Papa.unparse(world, { newline: "\\n", skipEmptyLines: true }));
make("csv-stringify.csv", stringify(world));
make("csv-stringify-mark.csv", stringify(world, { bom: true, delimiter: "\\t" }));
make("csv-stringify-quoted.csv", stringify(world, { quoted: true, record_delimiter: "windows" }));
make("csv-stringify-escaped.csv", stringify(world, { escape_formulas: false, eof: false }));
""",
    {
        "papaparse.csv": ("Papa.unparse", "utf-8", ","),
        "papaparse-quoted.csv": ("quotes: true, semicolon", "utf-8", ";"),
        "papaparse-lines.csv": ("LF, empty lines left out", "utf-8", ","),
        "csv-stringify.csv": ("stringify", "utf-8", ","),
        "csv-stringify-mark.csv": ("bom: true, tab", "utf-8-sig", "\t"),
        "csv-stringify-quoted.csv": ("quoted: true, CRLF", "utf-8", ","),
        "csv-stringify-escaped.csv": ("no end of line at the end", "utf-8", ","),
    },
)

PERL: tuple[str, Table] = (
    r"""
use Text::CSV; use JSON::PP;
my ($work, $files) = @ARGV;
open(my $in, "<", "$work/world.json"); my $rows = decode_json(join "", <$in>);
for (["perl.csv", {eol => "\r\n"}],
     ["perl-quoted.csv", {eol => "\n", always_quote => 1, sep_char => ";"}],
     ["perl-plain.csv", {eol => "\n", quote_space => 0, quote_empty => 1}]) {
    my ($name, $options) = @$_;
    my $csv = Text::CSV->new({binary => 1, %$options});
    open(my $out, ">:raw:encoding(UTF-8)", "$files/$name");
    $csv->print($out, $_) for @$rows;
}
""",
    {
        "perl.csv": ("CRLF", "utf-8", ","),
        "perl-quoted.csv": ("always_quote, semicolon", "utf-8", ";"),
        "perl-plain.csv": ("quote_space 0, quote_empty 1", "utf-8", ","),
    },
)

RUBY: tuple[str, Table] = (
    r"""
require "csv"; require "json"
work, files = ARGV
rows = JSON.parse(File.read("#{work}/world.json", encoding: "utf-8"))
File.binwrite("#{files}/ruby.csv", rows.map { |r| CSV.generate_line(r) }.join)
File.binwrite("#{files}/ruby-quoted.csv",
  rows.map { |r| CSV.generate_line(r, force_quotes: true, col_sep: "\t") }.join)
File.binwrite("#{files}/ruby-bars.csv",
  "\uFEFF" + rows.map { |r| CSV.generate_line(r, col_sep: "|") }.join)
File.binwrite("#{files}/ruby-empty.csv",
  rows.map { |r| CSV.generate_line(r.map { |c| c.empty? ? nil : c }, row_sep: "\r\n") }.join)
""",
    {
        "ruby.csv": ("generate_line", "utf-8", ","),
        "ruby-quoted.csv": ("force_quotes, tab", "utf-8", "\t"),
        "ruby-bars.csv": ("a mark, bars", "utf-8-sig", "|"),
        "ruby-empty.csv": ("nil for empty cells, CRLF", "utf-8", ","),
    },
)

OPENPYXL = """
import json, sys
from openpyxl import Workbook
for name in ("world", "western"):
    book = Workbook()
    for row in json.load(open(f"{sys.argv[1]}/{name}.json")):
        book.active.append(row)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s" if cell.value else "n"
    book.save(f"{sys.argv[1]}/{name}.xlsx")
"""
