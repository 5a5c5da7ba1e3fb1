"""All jobs and rows of a sheet come in columns, page by page, each of them once."""

from __future__ import annotations

from sqlalchemy import text

from pipeline.store import SEPARATOR, Store

#: Two pages for each of two sheets, and the second one is short.
LINES = 20_401
_NUMBERS = f"""
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {LINES})
"""
_ROWS = f"""
    INSERT INTO known_rows
    (sheet, row_id, inputs, first_take, standing, approved, approved_for, others)
    {_NUMBERS}
    SELECT 1 + n % 2, 'r_' || ((n * 7919) % 1000003), '{{}}', 1, '', '', '', '' FROM numbers
"""
_JOBS = f"""
    INSERT INTO jobs (sheet, row_id, take, asked, moved)
    {_NUMBERS}
    SELECT 1 + n % 2, 'r_' || ((n * 7919) % 1000003), 1, 1, 1 FROM numbers
"""


def test_every_job_and_row_of_a_sheet_is_in_one_page_and_none_of_another_sheet(url: str) -> None:
    with Store(url) as store:
        for sheet in ("one", "other", "empty"):
            store.sheets.update(sheet, config="")
        with store._database.writing() as connection:
            for statement in (_ROWS, _JOBS):
                connection.execute(text(statement))

        for sheet, remainder in (("one", 0), ("other", 1)):
            its = [f"r_{n * 7919 % 1000003}" for n in range(1, LINES + 1) if n % 2 == remainder]
            rows, jobs = list(store.plain_jobs.rows(sheet)), list(store.plain_jobs.jobs(sheet))
            for pages in (rows, jobs):
                found = [one for page in pages for one in page.row_id.split(SEPARATOR)]
                assert sorted(found) == sorted(its)
                assert len(pages) == 2
            # A job without an attempt is there as well, with a text in each column.
            assert {column.count(SEPARATOR) for column in jobs[0]} == {10_000 - 1}
        assert not list(store.plain_jobs.jobs("empty"))
        assert not list(store.plain_jobs.rows("empty"))
