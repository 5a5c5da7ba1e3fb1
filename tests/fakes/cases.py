"""Tests of many small cases: one test for all of them.

A test of its own for each case costs ten times what a case of a pure function takes: pytest makes,
reports and tears down each, in every worker. Cases that need a fixture, a time limit or a process
of their own are for `pytest.mark.parametrize`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from _pytest.mark.structures import ParameterSet

Test = Callable[..., None]


def each(names: str | tuple[str, ...] | list[str], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Call the test with each case, given as to `pytest.mark.parametrize`; also after a failure.

    Raises ExceptionGroup with all failures; a note at each has the case.
    """
    given = list(cases)
    assert given, "without a case, the test would prove nothing"
    titles = [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)
    is_bare = isinstance(names, str) and len(titles) == 1

    def decorated(test: Test) -> Test:
        @wraps(test)
        def all_cases(**others: Any) -> None:
            failures = []
            for case in given:
                values = case.values if isinstance(case, ParameterSet) else case
                if is_bare and not isinstance(case, ParameterSet):
                    values = (case,)
                named = dict(zip(titles, values, strict=True))
                try:
                    test(**named, **others)
                except Exception as e:
                    e.add_note(f"The case: {named!r}")
                    failures.append(e)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(given)} cases failed", failures)

        signature = inspect.signature(test)
        rest = [one for name, one in signature.parameters.items() if name not in titles]
        all_cases.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return all_cases

    return decorated
