"""A summary of the paths to print: the numbers over all of them, and the largest ones one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.display import Cell, clipped, table
from .path import SHOWN, Path, count_text, element_name
from .statistics import PathStatistics

__all__ = ["html", "line", "text"]


def text(paths: PathStatistics, largest: Sequence[Path]) -> str:
    """The numbers in two lines, a line for each of the ``largest`` paths, and one for all others together."""
    end, wrt = _names(paths)
    lines = [
        f"{_counted(paths)} from {end} to {wrt}, {count_text(paths.active_count)} of them active",
        f"total {paths.total:.6g}, magnitude {paths.magnitude:.6g}, cancellation {paths.cancellation:.2%}, "
        f"entropy {paths.entropy:.4g} nats",
        *(f"  {path}" for path in largest),
    ]
    if paths.count > len(largest):
        rest = math.fsum([paths.total, *(-path.contribution for path in largest)])
        if abs(rest) < 1e-14 * paths.magnitude:  # rounding
            rest = 0.0
        lines.append(f"  and {count_text(paths.count - len(largest))} more, together {rest:.6g}")
    return "\n".join(lines)


def html(paths: PathStatistics, largest: Sequence[Path]) -> str:
    """A table of the ``largest`` paths."""
    title = f"{_counted(paths)} {_between(paths)}: total {paths.total:.6g}, magnitude {paths.magnitude:.6g}"
    rows: list[list[Cell]] = []
    for path in largest:
        shown = path.line(SHOWN)
        share = abs(path.contribution) / paths.magnitude if paths.magnitude else 0.0
        rows.append([shown.path, shown.factors, path.contribution, f"{share:.1%}"])
    more = paths.count - len(largest)
    note = f"and {count_text(more)} more" if more else ""
    return table(title, ["path", "local derivatives", "contribution", "share of magnitude"], rows, note)


def line(paths: PathStatistics) -> str:
    """One line, for ``repr``."""
    return f"<GradientPaths {_between(paths)}: {_counted(paths)}, total {paths.total:.6g}>"


def _counted(paths: PathStatistics) -> str:
    return f"{count_text(paths.count)} path{'' if paths.count == 1 else 's'}"


def _between(paths: PathStatistics) -> str:
    end, wrt = (clipped(name, 80) for name in _names(paths))
    return f"from {end} to {wrt}"


def _names(paths: PathStatistics) -> tuple[str, str]:
    end, wrt = element_name(paths.end, paths.end_at), element_name(paths.wrt, paths.at)
    return end or "the end", wrt or "the value"
