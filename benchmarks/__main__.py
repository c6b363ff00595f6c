"""``python -m benchmarks``: measure, print the table, and say whether every limit holds."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TextIO

import viz
from tinygrad_lite.errors import TinygradError

from . import picture, table
from .measure import FULL, QUICK, Effort
from .peers import PEERS, Missing
from .rows import ROWS, Row, named
from .table import Result

__all__ = ["main", "measured", "run"]


def measured(row: Row, effort: Effort) -> Result:
    """Measure one row. An error becomes a line of the table, and the other rows still count."""
    try:
        return Result(row, row.measure(row.build(), effort))
    except Missing as missing:
        return Result(row, message=str(missing))
    except Exception as error:
        traceback.print_exc()
        return Result(row, message=f"{type(error).__name__}: {error}", failed=True)


def run(rows: Sequence[Row], effort: Effort, out: TextIO) -> list[Result]:
    """Measure ``rows`` one after the other, and write each line at once."""
    print(*table.header(rows), sep="\n", file=out, flush=True)
    results = []
    for row in rows:
        results.append(measured(row, effort))
        print(table.line(results[-1], rows), file=out, flush=True)
    print(table.verdict(results), file=out, flush=True)
    return results


def main(arguments: Sequence[str] | None = None, rows: tuple[Row, ...] = ROWS) -> int:
    """The command. Returns 1 if a row is over its limit or has an error, else 0; bad arguments exit with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed and memory against hand-written NumPy and the peers: ratios of this machine, in this run.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only the row of this name, or those with this in it")
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    parser.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write the results as JSON too; - is the output"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the times (.svg, .png, .pdf); needs the extra plots")
    parser.add_argument("--repeats", type=int, metavar="N", help=f"pairs of samples for a row (default {FULL.pairs})")
    parser.add_argument("--quick", action="store_true", help="a first look: few, short samples and smaller sizes")
    options = parser.parse_args(arguments)
    chosen = named(rows, options.rows)
    if not chosen:
        parser.error(
            f"no row has {' or '.join(options.rows)} in its name; the rows are {', '.join(r.name for r in rows)}"
        )
    if options.repeats is not None and options.repeats < 1:
        parser.error(f"--repeats is at least 1, got {options.repeats}")
    if options.list:
        for row in chosen:
            print(f"{row.name:20} {row.work}, against {row.against}")
        return 0

    effort = QUICK if options.quick else FULL
    if options.repeats is not None:
        effort = replace(effort, pairs=options.repeats)
    out = sys.stderr if options.json == "-" else sys.stdout
    where = table.machine(())
    print(f"Python {where['python']}, NumPy {where['numpy']}, {where['cpus']} CPUs, {where['system']}", file=out)
    if where["load"] is not None and where["load"] > 0.75 * where["cpus"]:
        print(f"The load is {where['load']:.1f}: something else is running, and the spread will tell.", file=out)
    if effort.pairs < FULL.pairs:
        print(f"{effort.pairs} pairs of samples for a row: a first look only.", file=out)
    try:  # before the measurements, which take minutes: an unwritable path is an error at once
        opened = _opened(options.json)
    except OSError as error:
        parser.error(f"--json: {error}")
    if options.plot is not None:
        try:
            viz.plots.figure()  # an error at once without matplotlib
        except TinygradError as error:
            parser.error(f"--plot: {error}")
    with opened as file:
        results = run(chosen, effort, out)
        if file is not None:
            data = table.as_data(results, effort, table.machine(PEERS))
            print(json.dumps(data, indent=2, ensure_ascii=False), file=file)
    if options.plot is not None:
        _plotted(results, options.plot)
    return int(any(result.status in ("NO", "ERROR") for result in results))


def _plotted(results: Sequence[Result], path: str) -> None:
    page = picture.drawn(results, table.machine(()))
    if page is None:
        print(f"--plot: none of these rows is in the picture, so {path} was not written", file=sys.stderr)
    else:
        page.save(path)


def _opened(path: str | None) -> AbstractContextManager[TextIO | None]:
    """The file for the JSON: ``-`` is standard output; ``None`` without a path."""
    if path is None or path == "-":
        return nullcontext(None if path is None else sys.stdout)
    return open(path, "w", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
