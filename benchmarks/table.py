"""The table of results as text (a line for each row, a verdict at the end) and as data."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np

from .measure import Effort, Measurement
from .rows import Row

__all__ = ["Result", "as_data", "header", "line", "machine", "quantity", "ratio", "verdict"]


@dataclass(frozen=True)
class Result:
    """A row and its measurement, or a message that says why there is none."""

    row: Row
    measurement: Measurement | None = None
    message: str = ""
    failed: bool = False
    """Whether the measurement is missing because of an error, not because a peer is not installed."""

    @property
    def status(self) -> str:
        """``yes`` or ``NO`` for a row with a limit, else ``reported``; unmeasured ``missing`` or ``ERROR``."""
        if self.measurement is None:
            return "ERROR" if self.failed else "missing"
        if self.row.limit is None:
            return "reported"
        return "yes" if self.measurement.value <= self.row.limit else "NO"


# ---- numbers ---------------------------------------------------------------------------------------------------------


def ratio(x: float) -> str:
    """A ratio as people say it: a small ratio as a fraction.

    >>> ratio(1.2), ratio(0.1), ratio(1 / 8)
    ('1.20', '1/10.0', '1/8.00')
    """
    return f"1/{_three(1 / x)}" if 0.0 < x < 0.5 else _three(x)


def _three(x: float) -> str:
    """Three significant digits, with trailing zeros."""
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:.0f}"


def quantity(x: float | None, unit: str) -> str:
    """Seconds or bytes with a fitting prefix.

    >>> quantity(97.8e-6, "s"), quantity(120.0, "B"), quantity(9.6e6, "B"), quantity(None, "s")
    ('97.8 µs', '120 B', '9.60 MB', '')
    """
    if x is None:
        return ""
    prefixes = {"s": {"": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}, "B": {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}}[unit]
    prefix, size = next(((p, size) for p, size in prefixes.items() if x >= size), list(prefixes.items())[-1])
    number = f"{x:.0f}" if unit == "B" and not prefix else _three(x / size)
    return f"{number} {prefix}{unit}"


# ---- the table -------------------------------------------------------------------------------------------------------

COLUMNS = ("ratio", "spread", "limit", "holds?", "ours", "theirs")
WIDTHS = (8, 15, 6, 8, 9, 9)


def header(rows: Sequence[Row]) -> list[str]:
    """The two header lines."""
    work, against = _first_widths(rows)
    titles = [f"{'work':{work}}", f"{'against':{against}}"]
    titles += [f"{title:>{width}}" for title, width in zip(COLUMNS, WIDTHS, strict=True)]
    return ["  ".join(titles), "  ".join("─" * len(title) for title in titles)]


def line(result: Result, rows: Sequence[Row]) -> str:
    """The line of a result, as wide as the table of ``rows``."""
    row, found = result.row, result.measurement
    work, against = _first_widths(rows)
    start = f"{row.work:{work}}  {row.against:{against}}"
    if found is None:
        return f"{start}  {result.status}: {result.message}"
    written = (lambda x: f"n^{x:.2f}") if row.is_exponent else ratio
    limit = "" if row.limit is None else f"n^{row.limit:g}" if row.is_exponent else _limit(row.limit)
    cells = (
        written(found.value),
        f"{written(found.low)} … {written(found.high)}",
        limit,
        result.status,
        quantity(found.ours, found.unit),
        quantity(found.theirs, found.unit),
    )
    return "  ".join([start, *(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))])


def verdict(results: Sequence[Result]) -> str:
    """The number of rows that hold, and the names of those that do not."""
    by_status: dict[str, list[str]] = {}
    for result in results:
        by_status.setdefault(result.status, []).append(result.row.name)
    parts = [f"{len(by_status.get('yes', []))} of {sum(r.row.limit is not None for r in results)} limits hold"]
    parts += [
        f"{what}: {', '.join(by_status[status])}"
        for status, what in (("NO", "over the limit"), ("ERROR", "went wrong"), ("missing", "not measured"))
        if status in by_status
    ]
    return "; ".join(parts)


def _first_widths(rows: Sequence[Row]) -> tuple[int, int]:
    return max(len(row.work) for row in rows), max(len(row.against) for row in rows)


def _limit(limit: float) -> str:
    return f"1/{1 / limit:g}" if limit < 1.0 else f"{limit:g}"


# ---- as data ---------------------------------------------------------------------------------------------------------


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """The machine, and the versions of those of ``packages`` that were imported."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": platform.platform(terse=True),
        "processor": platform.processor() or platform.machine(),
        "cpus": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": {name: metadata.version(name) for name in packages if name in sys.modules},
    }


def as_data(results: Sequence[Result], effort: Effort, where: dict[str, Any]) -> dict[str, Any]:
    """The results as data for JSON."""
    return {
        "machine": where,
        "effort": asdict(effort),
        "rows": [
            {
                "name": result.row.name,
                "work": result.row.work,
                "against": result.row.against,
                "limit": result.row.limit,
                "measures": result.row.measure.__name__,
                "status": result.status,
                "message": result.message,
                **(asdict(result.measurement) if result.measurement is not None else {}),
            }
            for result in results
        ],
    }
