"""The lines on which a backward goes wrong, for a learner to read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..checks.by_hand import called
from ..core.value import Value
from ..watching.mistakes import Mistake
from ..watching.search import NotWatchedError, find_mistakes
from .verdicts import Report, WrongLine, gradients_in

__all__ = ["explained"]


def explained(
    report: Report,
    loss: Value,
    asked: Mapping[str, Value],
    given: Mapping[str, Any],
    function: Callable[..., Any],
    tolerance: float,
    seconds: float,
) -> Report:
    """The report with the wrong lines of ``function``, which runs again for that, without what it prints.

    The search ends after so many seconds of computing. The verdicts stay as they are whatever happens here: where the
    lines cannot be watched, a note says why.
    """
    wrong = {verdict.name for verdict in report.wrong if verdict.given}
    if not wrong:
        return report
    notes = [*report.notes]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = find_mistakes(
                loss,
                function,
                lambda watched: called(watched, given, "exercise"),
                {name: value for name, value in asked.items() if name in wrong},
                lambda returned: gradients_in(returned, list(asked)),
                tolerance,
                notes.append,
                seconds,
            )
    except NotWatchedError as error:
        found = ()
        notes.append(f"The lines of the function were not watched: {error}.")
    except Exception as error:
        found = ()
        what = f"The wrong lines were not found: watching the function ended in {type(error).__name__}: {error}."
        notes.append(" ".join(what.split()))
    return replace(report, mistakes=tuple(map(_line, found)), notes=tuple(notes))


def _line(mistake: Mistake) -> WrongLine:
    times = f", {mistake.times} times" if mistake.times > 1 else ""
    return WrongLine(mistake.line, mistake.source, f"{mistake.said}{times}", mistake.diff)
