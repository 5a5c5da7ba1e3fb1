"""Planted faults, one at a time, to check that a test finds each of them.

`make mutants`, or `python -m tests.mutants [NAME…]` for some of them. It is not part of the suite,
because it takes many minutes; `test_table.py` keeps the table true to the code.
"""
