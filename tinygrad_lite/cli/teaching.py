"""``tinygrad-lite exercise`` and ``grade``: their arguments, and what they do."""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..grading import loop, page, reports, starting, submissions
from ..grading.exercises import Exercise, exercise, exercises
from ..grading.limits import Limits
from .commands import DIFFERENT, OK
from .problems import InputError, at_least

__all__ = ["TEACHING", "add_exercise", "add_grade"]


def add_exercise(parser: ArgumentParser) -> None:
    """Give the parser of ``exercise`` its arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    new = actions.add_parser("new", help="write the file of a new exercise, to be filled in")
    new.add_argument("file", type=Path, help="the file to write")
    actions.add_parser("list", help="list the exercises that there are")
    one = actions.add_parser("start", help="write a file to begin an exercise with")
    one.add_argument("exercise", help="its name, or the path of an exercise file")
    one.add_argument("file", type=Path, nargs="?", help="the file to write (my_NAME.py)")
    check = actions.add_parser("check", help="check a solution of an exercise")
    check.add_argument("exercise", help="its name, or the path of an exercise file")
    check.add_argument("file", type=Path, nargs="?", help="the file with the function backward (my_NAME.py)")
    check.add_argument("--watch", action="store_true", help="check again whenever the file is saved, until it is right")
    check.add_argument("--json", action="store_true", help="print JSON")
    _add_limits(check)


def add_grade(parser: ArgumentParser) -> None:
    """Give the parser of ``grade`` its arguments."""
    parser.add_argument("exercise", help="its name, or the path of an exercise file")
    parser.add_argument("files", nargs="+", metavar="submission", help="files with a function backward")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV, a row for each submission")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a section for each submission")
    parser.add_argument("--jobs", type=at_least(1), default=2, metavar="N", help="how many run at a time (2)")
    _add_limits(parser)


def _add_limits(parser: ArgumentParser) -> None:
    usual = Limits()
    parser.add_argument(
        "--seconds", type=at_least(1), default=int(usual.seconds), metavar="S",
        help=f"time for each submission ({usual.seconds:g})",
    )  # fmt: skip
    parser.add_argument(
        "--memory", type=at_least(1), default=usual.memory, metavar="MIB",
        help=f"memory for each submission, in MiB ({usual.memory})",
    )  # fmt: skip


def _limits(arguments: Any) -> Limits:
    return Limits(seconds=arguments.seconds, memory=arguments.memory)


def _grade(arguments: Any) -> int:
    asked = exercise(arguments.exercise)
    if arguments.html is not None and arguments.html.is_dir():  # said before the work is done, not after
        raise InputError(f"--html {arguments.html}: it is a folder; name the file to write")
    rows = submissions.grade(asked, arguments.files, _limits(arguments), arguments.jobs, sys.stderr.isatty())
    if arguments.json or arguments.csv:
        print((reports.as_json if arguments.json else reports.as_csv)(asked, rows).rstrip("\n"))
    else:
        print(reports.as_table(asked, rows, shutil.get_terminal_size().columns if sys.stdout.isatty() else 0))
    if arguments.html is not None:
        write_atomically(arguments.html, page.as_page(asked, rows).encode())
    return OK if all(row.report for row in rows) else DIFFERENT


def _new(arguments: Any) -> int:
    path = starting.write_new(arguments.file)
    print(f"{path}: fill it in, then: {starting.command('start', path)}")
    return OK


def _list(arguments: Any) -> int:
    found = exercises()
    width = max(len(one.name) for one in found)
    for one in found:
        print(f"{one.name.ljust(width)}  {one.total:3g} points  {one.title}")
    return OK


def _start(arguments: Any) -> int:
    asked = exercise(arguments.exercise)
    path = starting.start(asked, arguments.file)
    print(f"{path}: fill in backward, then: {starting.command('check', arguments.exercise, path)} --watch")
    return OK


def _check(arguments: Any) -> int:
    asked = exercise(arguments.exercise)
    path = arguments.file or Path(starting.file_of(asked))
    if not path.is_file():
        begin = f"{starting.command('start', arguments.exercise)} writes one"
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise InputError(f"{path}: {what}; {begin if arguments.file is None else 'name the file with your backward'}")
    right = False

    def once() -> bool:
        nonlocal right
        right = _checked(asked, path, arguments)
        return right

    if arguments.watch:
        loop.until_right(path, once)
    else:
        once()
    return OK if right else DIFFERENT


def _checked(asked: Exercise, path: Path, arguments: Any) -> bool:
    row = submissions.run(asked, path, _limits(arguments))
    if arguments.json:
        print(reports.as_json(asked, [row]), flush=True)
        return bool(row.report)
    if row.printed:
        print(row.printed.rstrip("\n"))
    print(row.report, flush=True)
    if arguments.watch and not row.report:
        print(f"Waiting for {path} to be saved; Ctrl-C ends this.\n", flush=True)
    return bool(row.report)


_ACTIONS: dict[str, Callable[[Any], int]] = {"new": _new, "list": _list, "start": _start, "check": _check}


def _exercise(arguments: Any) -> int:
    return _ACTIONS[arguments.action](arguments)


TEACHING: dict[str, Callable[[Any], int]] = {"exercise": _exercise, "grade": _grade}
"""The two commands by name: each takes the parsed arguments, and returns the exit status."""
