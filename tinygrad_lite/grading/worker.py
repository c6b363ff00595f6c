"""One submission, run in this process: ``python -m tinygrad_lite.grading.worker EXERCISE SUBMISSION RESULT SETTINGS``.

The verdict goes into the file RESULT as soon as it is known, and once more when the wrong lines are found, so that a
search that takes too long costs only itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import TinygradError
from ..files import write_atomically
from .exercises import Exercise, exercise, failed_at
from .limits import Limits, limit_this_process, without_network
from .verdicts import Report

__all__ = ["FUNCTION", "report_on_file"]

FUNCTION = "backward"
"""The name of the function that a submission defines."""


def main(arguments: list[str]) -> None:
    """Check one submission, and write what was found into a file."""
    name, submission, result, settings = arguments
    path, limits = Path(result), Limits(**json.loads(settings))
    asked = exercise(name)
    sys.argv[1:] = []
    sys.dont_write_bytecode = True
    offline = without_network()
    limit_this_process(limits)

    def write(report: Report, finished: bool) -> None:
        found = {"report": report.as_dict(), "offline": offline, "finished": finished}
        write_atomically(path, json.dumps(found).encode())

    search = 0.25 * limits.seconds  # of computing: a machine that is busy takes longer than that
    report = report_on_file(asked, Path(submission), search, lambda judged: write(judged, False))
    write(report, True)
    sys.stdout.flush()
    os._exit(0)  # threads that the submission started, or what it does at the exit, are of no interest


def report_on_file(
    asked: Exercise, path: Path, seconds: float, judged: Callable[[Report], None] = lambda report: None
) -> Report:
    """The report on the ``backward`` of a file; what goes wrong there is its reason.

    ``judged`` is given the report as soon as the verdicts are known, before the search for the wrong
    lines, which ends after so many seconds.
    """
    try:
        function = getattr(_module(path), FUNCTION, None)
        if function is None:
            return Report.of_none(asked.points, f"it has no function {FUNCTION}")
        if not callable(function):
            return Report.of_none(asked.points, f"{FUNCTION} is no function but {type(function).__name__}")
        report = asked.judge(function)
        judged(report)
        return asked.explain(report, function, seconds)
    except TinygradError as error:
        return Report.of_none(asked.points, str(error).removeprefix("exercise: "))
    except SystemExit:
        return Report.of_none(asked.points, "it called exit()")
    except MemoryError:
        return Report.of_none(asked.points, "it used more memory than allowed")
    except BaseException as error:
        return Report.of_none(asked.points, failed_at(error, path))


def _module(path: Path) -> ModuleType:
    """A file as a module, whatever its name."""
    loader = SourceFileLoader("submission", str(path))
    spec: Any = importlib.util.spec_from_loader("submission", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1:])
