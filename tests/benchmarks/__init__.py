"""Benchmarks: the cost of an import, a row, a request, a pass."""
