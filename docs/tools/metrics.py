"""The metrics of `watch` and `serve`, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.tools.blocks import code, plain, table
from pipeline.server.metrics import Metrics


def metrics() -> str:
    """Each metric of `/metrics` with its kind, its labels and what it counts."""
    return table(["metric", "labels", "kind", "meaning"], _rows())


def _rows() -> Iterator[list[str]]:
    made = Metrics([])
    histograms = {one._name: one._labelnames for one in (made._result, made._cells)}
    for family in sorted(made.registry.collect(), key=lambda one: one.name):
        labels: Iterable[str] = histograms.get(family.name, getattr(family, "_labelnames", ()))
        name = f"{family.name}_total" if family.type == "counter" else family.name
        meaning = plain(family.documentation)
        yield [code(name), ", ".join(map(code, labels)), family.type, meaning]
