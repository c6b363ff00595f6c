"""The network and the data that a command works on: a known problem, or a CSV file of the user's own."""

from __future__ import annotations

import csv
import math
import re
import reprlib
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import datasets, nn, optim, training
from ..core.value import Value
from ..graph import naming

__all__ = ["PROBLEMS", "InputError", "Task", "at_least", "is_number", "task"]


class InputError(Exception):
    """Input that cannot be used; ``str`` is the line to print."""


@dataclass(frozen=True)
class _Problem:
    """A function that gives the data, and the hidden layers of the network where ``--dims`` gives none."""

    data: Callable[[], tuple[Any, Any]]
    hidden: tuple[int, ...]
    scalar: bool


PROBLEMS = {"half-adder": _Problem(datasets.half_adder, (2, 2), True), "xor": _Problem(datasets.xor, (10,), False)}


@dataclass
class Task:
    """A network, its data, and the sample whose loss is meant; ``None`` for the whole batch."""

    net: Any
    inputs: Any
    targets: Any
    sample: int | None

    def loss(self) -> Value:
        """The half squared error, recorded."""
        if self.sample is None:
            outputs = self.net(self.inputs)
            shape = (
                (len(outputs),) if isinstance(outputs, list) and isinstance(outputs[0], Value) else self.targets.shape
            )
            return nn.losses.half_squared_error(outputs, np.reshape(self.targets, shape))
        outputs, targets = self.net(self.inputs[self.sample]), self.targets[self.sample]
        one = isinstance(outputs, Value) and not outputs.shape
        return nn.losses.half_squared_error(outputs, float(targets[0]) if one else targets)

    def train(self, lr: float, steps: int, goal: float | None) -> training.History:
        """Gradient descent on the loss, for at most so many steps."""
        optimizer = optim.SGD(self.net.parameters(), lr=lr)
        with np.errstate(all="ignore"):  # a cost that is not finite is an error of its own
            return training.train(self.loss, optimizer, steps=steps, goal=goal, progress=sys.stderr.isatty())


def task(arguments: Any, train: bool = True) -> Task:
    """The task that the arguments describe, trained for ``--steps`` unless ``train`` is false.

    Raises ``InputError`` for arguments that do not go together.
    """
    if (arguments.problem is None) == (arguments.data is None):
        raise InputError(f"name a problem ({', '.join(PROBLEMS)}) or a file with --data, one of them")
    if arguments.data is None and arguments.targets is not None:
        raise InputError(f"--targets {arguments.targets}: goes with --data; a known problem has its own")
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
        raise InputError(f"there is no problem {arguments.problem!r}; the known ones are {', '.join(PROBLEMS)}{hint}")
    dims = [inputs.shape[1], *known.hidden, targets.shape[1]]
    if arguments.dims is not None:
        dims = _widths(arguments.dims)
        if (dims[0], dims[-1]) != (inputs.shape[1], targets.shape[1]):
            raise InputError(
                f"--dims {arguments.dims}: the data have {inputs.shape[1]} inputs and {targets.shape[1]} targets, "
                "which the first and the last width have to be"
            )
    if arguments.sample is not None and not 0 <= arguments.sample < len(inputs):
        raise InputError(f"--sample {arguments.sample}: there are samples 0 to {len(inputs) - 1}")
    kind = nn.scalar.MLP if known.scalar or arguments.scalar else nn.MLP
    net = kind(dims, activation=arguments.activation, output=arguments.activation, rng=arguments.seed)
    found = Task(net, inputs, targets, arguments.sample)
    if train and arguments.steps:
        found.train(arguments.lr, arguments.steps, arguments.goal)
    return found


def _widths(text: str) -> list[int]:
    try:
        dims = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--dims {text!r}: widths are whole numbers with commas between, as 2,10,2") from None
    if len(dims) < 2 or min(dims) < 1:
        raise InputError(f"--dims {text!r}: at least two widths, each at least 1, as 2,10,2")
    return dims


def _read(path: Path, targets: int) -> tuple[Any, Any]:
    """Inputs and targets of a CSV file; a first line of names is left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(k, row) for k, row in enumerate(csv.reader(file), start=1) if any(cell.strip() for cell in row)]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or 'no permission').lower()})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file of text ({error})") from None
    for line, row in rows:
        if any(re.search(r"\d\s*[;\t]", cell) for cell in row):
            raise InputError(
                f"{path}, line {line}: {reprlib.repr(','.join(row))} has semicolons or tabs; columns are separated by "
                "commas, and decimals have a point"
            )
    if rows and not any(is_number(cell) for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path}: no row of numbers")
    width = len(rows[0][1])
    numbers = []
    for line, row in rows:
        if len(row) != width:
            raise InputError(f"{path}, line {line}: {len(row)} columns, the lines before have {width}")
        for column, cell in enumerate(row, start=1):
            if not is_number(cell):
                raise InputError(
                    f"{path}, line {line}, column {column}: {reprlib.repr(cell.strip())} is not a finite number"
                )
        numbers.append([float(cell) for cell in row])
    if targets >= width:
        raise InputError(f"{path}: {width} columns, of which --targets {targets} leaves none for the inputs")
    data = np.array(numbers)
    return data[:, :-targets], data[:, -targets:]


def is_number(cell: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return cell.isascii() and "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number of at least ``least``."""

    def whole(text: str) -> int:
        try:
            number = int(text) if is_number(text) else least - 1
        except ValueError:
            number = least - 1
        if number < least:
            raise ArgumentTypeError(f"{reprlib.repr(text)} is not a whole number of at least {least}")
        return number

    return whole
