"""``main``: parse the command line, run one command, and return the exit status.

``derive``, ``compare``, ``paths`` and ``train`` work on a problem that is known by name (a network and its data) or on
a CSV file of the user's own; ``exercise`` and ``grade`` on exercises and on files with solutions of them.
Output for programs is JSON on request; an error is one line on stderr. The exit status is 0 if everything went well,
1 if gradients differ or are wrong or training diverges or misses its goal, 2 for wrong input, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import reprlib
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import TinygradError
from .commands import COMMANDS, OK
from .problems import PROBLEMS, InputError, at_least, is_number
from .teaching import TEACHING, add_exercise, add_grade

__all__ = ["main"]

WRONG_INPUT, INTERRUPTED = 2, 130

EXAMPLES = """examples:
  tinygrad-lite derive half-adder --wrt w200             the chain rule written out
  tinygrad-lite derive half-adder --wrt w200 --latex     the same for a paper
  tinygrad-lite compare half-adder                       every gradient in five ways
  tinygrad-lite paths xor --wrt "w1[0,3]" --top 5        the five largest paths of one weight
  tinygrad-lite train xor --dims 2,10,2 --steps 5000 --lr 0.5
  tinygrad-lite train --data flowers.csv --targets 2 --dims 4,8,2
  tinygrad-lite paths --data flowers.csv --targets 2 --wrt b1[0] --json
  tinygrad-lite exercise list                            exercises in backpropagation by hand
  tinygrad-lite exercise start batch-norm                a file to begin one with
  tinygrad-lite exercise check batch-norm my_batch_norm.py --watch
  tinygrad-lite grade batch-norm submissions/*.py --html report.html
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit status.

    >>> main(["paths", "half-adder", "--wrt", "w300", "--top", "1", "--sample", "3"])
    1 path from C to w300, 1 of them active
    ...
    0
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no ∂ gets a question mark
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        arguments = _parser().parse_args(argv)
        with np.errstate(all="ignore"):  # what overflows is inf or nan, and is shown so
            status = (COMMANDS | TEACHING)[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse, after --help or an error
        return int(stop.code or 0)
    except (InputError, TinygradError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        message = re.sub(r"^(gradient_paths|find|exercise): ", f"{arguments.command}: ", " ".join(str(error).split()))
        print(f"tinygrad-lite: {message}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("tinygrad-lite: interrupted", file=sys.stderr)
        return INTERRUPTED


def _positive(text: str) -> float:
    if not is_number(text) or float(text) <= 0:
        raise ArgumentTypeError(f"{reprlib.repr(text)} is not a number above 0")
    return float(text)


class _Parser(argparse.ArgumentParser):
    """Errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; {self.prog} --help shows examples\n")


def _parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    how: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": EXAMPLES}
    whole = _Parser(prog="tinygrad-lite", description="Every gradient, path by path.", **how)
    commands = whole.add_subparsers(dest="command", required=True, metavar="command")
    shared: Any = _shared()

    def command(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[shared], help=what, description=what, **how)

    one = command("derive", "write the chain rule out for one weight, or a whole array of them")
    one.add_argument("--wrt", required=True, metavar="NAME", help="the weight: w200, w2[0,1], or w2 for all of it")
    form = one.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="LaTeX")
    form.add_argument("--python", action="store_true", help="a Python expression that is the gradient")
    form.add_argument("--numbers", action="store_true", help="with the numbers underneath")
    command("compare", "compare gradients by autodiff, paths, hand-written code and numerically")
    some = command("paths", "list the largest paths of the gradient of one weight")
    some.add_argument("--wrt", required=True, metavar="NAME", help="the weight: w200 or w2[0,1]")
    some.add_argument("--top", type=at_least(1), default=10, metavar="K", help="how many (10)")
    some.add_argument("--sign", choices=["positive", "negative"], help="only contributions of this sign")
    command("train", "train the network, and show what it learned")
    add_exercise(commands.add_parser("exercise", help="exercises in backpropagation by hand", **how))
    add_grade(commands.add_parser("grade", help="grade submissions of an exercise", **how))
    return whole


def _shared() -> argparse.ArgumentParser:
    """The arguments that all commands take."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("problem", nargs="?", metavar="problem", help=f"one of {', '.join(PROBLEMS)}; or give --data")
    shared.add_argument("--data", metavar="FILE", help="a CSV file of numbers, a row for each sample")
    shared.add_argument("--targets", type=at_least(1), metavar="N", help="how many of its last columns are targets (1)")
    shared.add_argument("--dims", metavar="A,B,…", help="widths of the network, inputs first")
    shared.add_argument("--activation", default="sigmoid", help="of the hidden layers and of the outputs (sigmoid)")
    shared.add_argument("--scalar", action="store_true", help="one value for each weight, w200 and not w2[0,0]")
    shared.add_argument("--seed", type=at_least(0), default=0, help="of the first weights (0)")
    shared.add_argument(
        "--steps", type=at_least(1), metavar="N", help="train for at most so many steps first (train: 5000)"
    )
    shared.add_argument("--lr", type=_positive, default=0.5, help="learning rate (0.5)")
    shared.add_argument(
        "--goal", type=_positive, metavar="COST", help="stop training below this cost; train exits with 1 above it"
    )
    shared.add_argument("--sample", type=int, metavar="K", help="the loss of this sample only, from 0")
    shared.add_argument("--json", action="store_true", help="print JSON")
    return shared
