"""What came out of grading: a table for the terminal, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .exercises import Exercise
from .submissions import Row
from .verdicts import NOT_GIVEN, Verdict

__all__ = ["as_csv", "as_json", "as_table", "in_short", "summary"]

_SHAPE = re.compile(r" \(of shape \([\d, ]*\)\)")
"""What the name of a Value is followed by, and a line of a table has no room for."""

_WIDTH = 60
"""Characters of a remark in the table, at least."""


def as_table(exercise: Exercise, rows: Sequence[Row], width: int = 0) -> str:
    """A line for each submission, and the summary. ``width`` is that of the terminal, where there is one."""
    lines = [["submission", "points", ""]]
    lines += [[_one_line(row.file), _points(row.report.score, exercise), in_short(row)] for row in rows]
    widths = [max(len(line[k]) for line in lines) for k in range(2)]
    left = max(_WIDTH, width - sum(widths) - 4)
    padded = [f"{a.ljust(widths[0])}  {b.rjust(widths[1])}  {_cut(c, left)}".rstrip() for a, b, c in lines]
    rule = "─" * max(map(len, padded))
    return "\n".join([padded[0], rule, *padded[1:], rule, *summary(rows)])


def summary(rows: Sequence[Row]) -> list[str]:
    """How many are right, and what is wrong most often."""
    counts = Counter(row.status for row in rows)
    plural = "" if len(rows) == 1 else "s"
    lines = [
        f"{len(rows)} submission{plural}: {counts['right']} all right, {counts['wrong']} with something wrong, "
        + (f"{counts[NOT_GIVEN]} not filled in, " if counts[NOT_GIVEN] else "")
        + f"{counts['failed']} without gradients."
    ]
    wrong = Counter(v.name for row in rows if not row.report.reason for v in row.report.wrong if v.given)
    if wrong:
        lines.append(
            f"Wrong most often: {_one_line(', '.join(f'{name} ({count})' for name, count in wrong.most_common(5)))}."
        )
    if any(not row.offline for row in rows if not row.report.reason):
        lines.append("The submissions had the network: this system does not let the grader take it away.")
    return lines


def in_short(row: Row) -> str:
    """What is wrong with a submission, in one line."""
    report = row.report
    if report.reason:
        return _one_line(report.reason)
    if report.mistakes:
        first = report.mistakes[0]
        more = f" (and {len(report.mistakes) - 1} more)" if len(report.mistakes) > 1 else ""
        return f"line {first.line}: {_one_line(_SHAPE.sub('', first.said))}{more}"
    if report.untouched:
        return "nothing is filled in"
    wrong = ", ".join(map(_briefly, (verdict for verdict in report.wrong if verdict.given)))
    missing = ", ".join(verdict.name for verdict in report.wrong if not verdict.given)
    parts = [wrong and f"wrong: {wrong}", missing and f"{NOT_GIVEN}: {missing}"]
    return _one_line("; ".join(filter(None, parts))) or "all right"


def _briefly(verdict: Verdict) -> str:
    """A wrong gradient, and why where it is no wrong number."""
    why = verdict.reason.partition(";")[0]
    return f"{verdict.name} ({why})" if why.startswith("it ") else verdict.name


def _points(score: float, exercise: Exercise) -> str:
    return f"{score:g} / {exercise.total:g}"


def _one_line(text: str) -> str:
    """A text without what moves the cursor or colours a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def as_json(exercise: Exercise, rows: Sequence[Row]) -> str:
    """All that is known of each submission, as strict JSON."""
    return json.dumps(
        {
            "exercise": exercise.name,
            "total": exercise.total,
            "submissions": [
                {"file": row.file, "status": row.status, "score": row.report.score, **row.report.as_dict()}
                | {"printed": row.printed, "seconds": round(row.seconds, 2), "offline": row.offline}
                for row in rows
            ],
        },
        allow_nan=False,
        indent=1,
    )


def as_csv(exercise: Exercise, rows: Sequence[Row]) -> str:
    """A row for each submission: its score, its status, the points of each gradient, and what is wrong."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["submission", "score", "total", "status", *exercise.points, "remark"])
    for row in rows:
        reached: list[Any] = [verdict.points if verdict.right else 0 for verdict in row.report.verdicts]
        numbers = [row.report.score, exercise.total, row.status, *reached]
        writer.writerow([_cell(row.file), *numbers, _cell(in_short(row))])
    return out.getvalue()


def _cell(text: str) -> str:
    """A text that a spreadsheet takes for no formula. Source: OWASP, CSV injection."""
    text = _one_line(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
