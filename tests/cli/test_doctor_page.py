"""docs/how-to/doctor.md has the list of the program.

`python -m tests.cli.test_doctor_page` writes it.
"""

from __future__ import annotations

from pipeline.cli.doctor.checks import CHECKS
from tests.fakes.program import ROOT

PAGE = ROOT / "docs" / "how-to" / "doctor.md"
BEGIN, END = "<!-- the list begins -->\n", "<!-- the list ends -->\n"


def with_table(page: str) -> str:
    """The page with the list of checks between its marks."""
    rows = [
        "| check | what is asked | what `doctor` says if something is wrong | `--repair` |",
        "|---|---|---|---|",
        *(f"| {one.id} | {one.question} | {one.says} | {one.repair or '–'} |" for one in CHECKS),
    ]
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + "\n".join(rows) + "\n\n" + END + rest.partition(END)[2]


def test_the_page_lists_each_check_as_the_program_does() -> None:
    page = PAGE.read_text("utf-8")

    assert page == with_table(page)
    assert len({one.id for one in CHECKS}) == len(CHECKS)
    assert f"The {len(CHECKS)} checks" in page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
