"""From the terminal: ``tinygrad-lite derive``, ``compare``, ``paths``, ``train``.

Each works on a problem that is known by name (a network and its data) or on a CSV file of the user's own. What a
program would read is JSON on request; errors are one line on stderr. The exit status is 0 where all went well, 1 where
gradients differ, training diverges or does not reach its goal, 2 for wrong input, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import re
import reprlib
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import datasets, nn, optim, training
from .checks.comparison import compare
from .core.graph import ancestors
from .core.value import Value
from .derivation.derivation import derive
from .errors import TinygradError
from .graph import naming
from .graph.lookup import find
from .handwritten.manual import manual_backprop
from .paths.queries import gradient_paths

__all__ = ["main"]


OK, DIFFERENT, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class _InputError(Exception):
    """What the user gave cannot be used; ``str`` is the line to print."""


@dataclass(frozen=True)
class _Problem:
    """Data, and the network that is used where none is described."""

    data: Callable[[], tuple[Any, Any]]
    hidden: tuple[int, ...]
    scalar: bool


PROBLEMS = {
    "half-adder": _Problem(datasets.half_adder, (2, 2), True),
    "xor": _Problem(datasets.xor, (10,), False),
}

EXAMPLES = """examples:
  tinygrad-lite derive half-adder --wrt w200             the chain rule written out
  tinygrad-lite derive half-adder --wrt w200 --latex     the same for a paper
  tinygrad-lite compare half-adder                       every gradient in five ways
  tinygrad-lite paths xor --wrt "w1[0,3]" --top 5        the five largest paths of one weight
  tinygrad-lite train xor --dims 2,10,2 --steps 5000 --lr 0.5
  tinygrad-lite train --data flowers.csv --targets 2 --dims 4,8,2
  tinygrad-lite paths --data flowers.csv --targets 2 --wrt b1[0] --json
"""


def _at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from ``least`` on."""

    def whole(text: str) -> int:
        try:
            number = int(text) if _is_number(text) else least - 1
        except ValueError:
            number = least - 1
        if number < least:
            raise ArgumentTypeError(f"{reprlib.repr(text)} is not a whole number of at least {least}")
        return number

    return whole


def _positive(text: str) -> float:
    if not _is_number(text) or float(text) <= 0:
        raise ArgumentTypeError(f"{reprlib.repr(text)} is not a number above 0")
    return float(text)


class _Parser(argparse.ArgumentParser):
    """Errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; {self.prog} --help shows examples\n")


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
            status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse, after --help or an error
        return int(stop.code or 0)
    except (_InputError, TinygradError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        message = re.sub(r"^(gradient_paths|find): ", f"{arguments.command}: ", " ".join(str(error).split()))
        print(f"tinygrad-lite: {message}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("tinygrad-lite: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    how: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": EXAMPLES}
    parser = _Parser(prog="tinygrad-lite", description="Every gradient, path by path.", **how)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    shared = _shared()

    def command(name: str, run: Callable[[Any], int], what: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, parents=[shared], help=what, description=what, **how)
        made.set_defaults(run=run)
        return made

    one = command("derive", _derive, "write the chain rule out for one weight, or a whole array of them")
    one.add_argument("--wrt", required=True, metavar="NAME", help="the weight: w200, w2[0,1], or w2 for all of it")
    form = one.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="LaTeX")
    form.add_argument("--python", action="store_true", help="a Python expression that is the gradient")
    form.add_argument("--numbers", action="store_true", help="with the numbers underneath")
    command("compare", _compare, "compare gradients by autodiff, paths, hand-written code and numerically")
    some = command("paths", _paths, "list the largest paths of the gradient of one weight")
    some.add_argument("--wrt", required=True, metavar="NAME", help="the weight: w200 or w2[0,1]")
    some.add_argument("--top", type=_at_least(1), default=10, metavar="K", help="how many (10)")
    some.add_argument("--sign", choices=["positive", "negative"], help="only contributions of this sign")
    command("train", _train, "train the network, and show what it learned")
    return parser


def _shared() -> Any:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("problem", nargs="?", metavar="problem", help=f"one of {', '.join(PROBLEMS)}; or give --data")
    shared.add_argument("--data", metavar="FILE", help="a CSV file of numbers, a row for each sample")
    shared.add_argument(
        "--targets", type=_at_least(1), metavar="N", help="how many of its last columns are targets (1)"
    )
    shared.add_argument("--dims", metavar="A,B,…", help="widths of the network, inputs first")
    shared.add_argument("--activation", default="sigmoid", help="of the hidden layers and of the outputs (sigmoid)")
    shared.add_argument("--scalar", action="store_true", help="one value for each weight, w200 and not w2[0,0]")
    shared.add_argument("--seed", type=_at_least(0), default=0, help="of the first weights (0)")
    shared.add_argument(
        "--steps", type=_at_least(1), metavar="N", help="train for at most so many steps first (train: 5000)"
    )
    shared.add_argument("--lr", type=_positive, default=0.5, help="learning rate (0.5)")
    shared.add_argument(
        "--goal", type=_positive, metavar="COST", help="stop training below this cost; train exits with 1 above it"
    )
    shared.add_argument("--sample", type=int, metavar="K", help="the loss of this sample only, from 0")
    shared.add_argument("--json", action="store_true", help="print JSON")
    return shared


# ---- the network and its data ----------------------------------------------------------------------------------------


@dataclass
class _Setup:
    net: Any
    inputs: Any
    targets: Any
    sample: int | None

    def loss(self) -> Value:
        if self.sample is None:
            outputs = self.net(self.inputs)
            shape = (
                (len(outputs),) if isinstance(outputs, list) and isinstance(outputs[0], Value) else self.targets.shape
            )
            return nn.losses.half_squared_error(outputs, np.reshape(self.targets, shape))
        outputs = self.net(self.inputs[self.sample])
        targets = self.targets[self.sample]
        return nn.losses.half_squared_error(outputs, targets if not _is_one(outputs) else float(targets[0]))


def _is_one(outputs: Any) -> bool:
    return isinstance(outputs, Value) and not outputs.shape


def _setup(arguments: Any, train: bool = True) -> _Setup:
    if (arguments.problem is None) == (arguments.data is None):
        raise _InputError(f"name a problem ({', '.join(PROBLEMS)}) or a file with --data, one of them")
    if arguments.data is None and arguments.targets is not None:
        raise _InputError(f"--targets {arguments.targets}: goes with --data; a known problem has its own")
    if arguments.data is not None:
        inputs, targets = _read(Path(arguments.data), arguments.targets or 1)
        known = _Problem(lambda: (inputs, targets), (4,), False)
    elif arguments.problem in PROBLEMS:
        known = PROBLEMS[arguments.problem]
        inputs, targets = known.data()
    else:
        near = naming.closest(arguments.problem, PROBLEMS)
        hint = f", did you mean {near[0]}?" if near else ""
        if Path(arguments.problem).exists():
            hint = f"; to read a file: --data {arguments.problem}"
        raise _InputError(f"there is no problem {arguments.problem!r}; the known ones are {', '.join(PROBLEMS)}{hint}")
    dims = [inputs.shape[1], *known.hidden, targets.shape[1]]
    if arguments.dims is not None:
        dims = _widths(arguments.dims)
        if (dims[0], dims[-1]) != (inputs.shape[1], targets.shape[1]):
            raise _InputError(
                f"--dims {arguments.dims}: the data have {inputs.shape[1]} inputs and {targets.shape[1]} targets, "
                "which the first and the last width have to be"
            )
    if arguments.sample is not None and not 0 <= arguments.sample < len(inputs):
        raise _InputError(f"--sample {arguments.sample}: there are samples 0 to {len(inputs) - 1}")
    kind = nn.scalar.MLP if known.scalar or arguments.scalar else nn.MLP
    net = kind(dims, activation=arguments.activation, output=arguments.activation, rng=arguments.seed)
    setup = _Setup(net, inputs, targets, arguments.sample)
    if train and arguments.steps:
        _trained(setup, arguments, arguments.steps)
    return setup


def _widths(text: str) -> list[int]:
    try:
        dims = [int(part) for part in text.split(",")]
    except ValueError:
        raise _InputError(f"--dims {text!r}: widths are whole numbers with commas between, as 2,10,2") from None
    if len(dims) < 2 or min(dims) < 1:
        raise _InputError(f"--dims {text!r}: at least two widths, each at least 1, as 2,10,2")
    return dims


def _read(path: Path, targets: int) -> tuple[Any, Any]:
    """Inputs and targets of a CSV file; a first line of names is left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(k, row) for k, row in enumerate(csv.reader(file), start=1) if any(cell.strip() for cell in row)]
    except FileNotFoundError:
        raise _InputError(f"{path}: there is no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise _InputError(f"{path}: cannot be read ({(error.strerror or 'no permission').lower()})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _InputError(f"{path}: not a CSV file of text ({error})") from None
    for line, row in rows:
        if any(re.search(r"\d\s*[;\t]", cell) for cell in row):
            raise _InputError(
                f"{path}, line {line}: {reprlib.repr(','.join(row))} has semicolons or tabs; columns are separated by "
                "commas, and decimals have a point"
            )
    if rows and not any(_is_number(cell) for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        raise _InputError(f"{path}: no row of numbers")
    width = len(rows[0][1])
    numbers = []
    for line, row in rows:
        if len(row) != width:
            raise _InputError(f"{path}, line {line}: {len(row)} columns, the lines before have {width}")
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                raise _InputError(
                    f"{path}, line {line}, column {column}: {reprlib.repr(cell.strip())} is not a finite number"
                )
        numbers.append([float(cell) for cell in row])
    if targets >= width:
        raise _InputError(f"{path}: {width} columns, of which --targets {targets} leaves none for the inputs")
    data = np.array(numbers)
    return data[:, :-targets], data[:, -targets:]


def _is_number(cell: str) -> bool:
    try:
        return cell.isascii() and "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


# ---- the commands ----------------------------------------------------------------------------------------------------


def _check_weight(loss: Value, wrt: str) -> None:
    """Raise unless ``wrt`` is a weight, or an element of one."""
    name, bracket, inside = wrt.partition("[")
    value = {value.name: value for value in ancestors(loss)}.get(name)
    if bracket and value is not None:
        numbers = inside.removesuffix("]").split(",")
        inner = [int(text) if text.strip().isdecimal() else -1 for text in numbers]
        if len(inner) != value.ndim or any(not 0 <= k < n for k, n in zip(inner, value.shape, strict=True)):
            raise _InputError(f"--wrt {wrt}: {name} has shape {value.shape}; give each axis a number from 0")
    if find(loss, wrt, "--wrt")[0].requires_grad:
        return
    raise _InputError(f"--wrt {wrt}: it is data, of which no gradient is taken; name a weight, as w1[0,0] or w100")


def _derive(arguments: Any) -> int:
    loss = _setup(arguments).loss()
    _check_weight(loss, arguments.wrt)
    derivation = derive(loss, arguments.wrt)
    if arguments.json:
        found = {"wrt": arguments.wrt, "text": derivation.text, "latex": derivation.latex, "python": derivation.python}
        print(_json(found | {"value": np.asarray(derivation.value)}))
    elif arguments.latex:
        print(derivation.latex)
    elif arguments.python:
        print(derivation.python)
    else:
        print(derivation.numbers if arguments.numbers else derivation.text)
    return OK


def _compare(arguments: Any) -> int:
    setup = _setup(arguments)
    loss = setup.loss()

    by_hand = manual_backprop(loss, setup.net)  # source that names cannot inject anything into
    comparison = compare(loss, manual=lambda: by_hand.run()[1], wrt=setup.net)
    if arguments.json:
        columns = ("autodiff", *comparison.columns)
        rows = [{"name": row.name} | {column: getattr(row, column) for column in columns} for row in comparison.rows]
        print(_json({"agree": bool(comparison), "worst": comparison.worst, "notes": comparison.notes, "rows": rows}))
    else:
        print(comparison)
    return OK if comparison else DIFFERENT


def _json(found: Any) -> str:
    """Strict JSON: arrays as lists; what is not a finite number is null."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: plain(value) for key, value in x.items()}
        if isinstance(x, np.ndarray | np.generic):
            return plain(x.tolist())
        if isinstance(x, list | tuple):
            return [plain(value) for value in x]
        return None if isinstance(x, float) and not math.isfinite(x) else x

    return json.dumps(plain(found), allow_nan=False)


def _paths(arguments: Any) -> int:
    loss = _setup(arguments).loss()
    _check_weight(loss, arguments.wrt)
    value, index = find(loss, arguments.wrt, "paths")
    if not index and value.size > 1:
        one = f"{arguments.wrt}[{','.join('0' * value.ndim)}]"
        raise _InputError(f"--wrt {arguments.wrt}: it has shape {value.shape}; name one element, as --wrt {one!r}")
    found = gradient_paths(loss, arguments.wrt)
    listed = found.top(arguments.top, sign=arguments.sign)
    if arguments.json:
        numbers = {
            name: getattr(found, name)
            for name in ("count", "active_count", "total", "magnitude", "cancellation", "entropy")
        }
        paths = [
            {"path": str(path), "locals": list(path.locals), "contribution": path.contribution, "length": path.length}
            for path in listed
        ]
        print(_json(numbers | {"paths": paths}))
        return OK
    print("\n".join(str(found).splitlines()[:2]))
    for path in listed:
        print(f"  {path}")
    if found.count > len(listed):
        print(f"  {found.count - len(listed)} more are not listed; --top says how many are")
    return OK


def _train(arguments: Any) -> int:
    setup = _setup(arguments, train=False)
    before = setup.loss().item()
    try:
        history = _trained(setup, arguments, 5_000 if arguments.steps is None else arguments.steps)
    except TinygradError as error:
        if "the cost became" not in str(error):
            raise
        print(f"tinygrad-lite: {error}", file=sys.stderr)
        return DIFFERENT
    outputs = _numbers(setup.net(setup.inputs)).reshape(setup.targets.shape)
    rose = history.cost > before
    status = OK if not rose and (arguments.goal is None or history.reached) else DIFFERENT
    if rose:
        print(
            f"tinygrad-lite: training diverged: the cost rose from {before:.6g} to {history.cost:.6g}; "
            f"try a smaller --lr than {arguments.lr:g}",
            file=sys.stderr,
        )
    if arguments.json:
        state = setup.net.state_dict()
        found = {"steps": history.steps, "cost": history.cost, "outputs": outputs, "weights": state}
        print(_json(found if arguments.goal is None else found | {"reached": history.reached}))
        return status
    print(history)
    shown = min(len(outputs), 20)
    print(f"{'inputs':24}  {'outputs':24}  targets")
    for x, y, t in zip(setup.inputs[:shown], outputs, setup.targets, strict=False):
        print(f"{_row(x):24}  {_row(y):24}  {_row(t)}")
    if shown < len(outputs):
        print(f"and {len(outputs) - shown} more samples")
    return status


def _trained(setup: _Setup, arguments: Any, steps: int) -> training.History:
    optimizer = optim.SGD(setup.net.parameters(), lr=arguments.lr)
    with np.errstate(all="ignore"):  # a cost that is not finite is an error of its own
        return training.train(setup.loss, optimizer, steps=steps, goal=arguments.goal, progress=sys.stderr.isatty())


def _numbers(outputs: Any) -> Any:
    if isinstance(outputs, Value):
        return np.asarray(outputs.data)
    return np.array([_numbers(one) for one in outputs])


def _row(numbers: Any) -> str:
    return " ".join(f"{x:.4g}" for x in numbers)
