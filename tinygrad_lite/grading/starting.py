"""Files to begin with: a learner's for an exercise, and a teacher's for a new one."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

import numpy as np

from ..errors import ArgumentError
from ..files import write_atomically
from .exercises import SHIPPED, Exercise

__all__ = ["NEW", "command", "start", "starter", "write_new"]

NEW = '''"""A layer

What the learner is to do. The first line is the title of the exercise, the rest its text.
"""

import numpy as np

from tinygrad_lite import Value, tanh

# The forward pass. Every Value and every number that has a name here is given to the learner under that name.
rng = np.random.default_rng(0)
x = rng.normal(size=(4, 3))
w, b = Value(rng.normal(size=(3, 2))), Value(rng.normal(size=2))

z = x @ w + b
y = tanh(z)
loss = (y**2).sum()

# What is asked for, and what it is worth. tolerance = 1e-6 is the relative difference allowed.
points = {"z": 2, "w": 1, "b": 1}


def solution(x, y):
    """One way to do it; a file without a solution is an exercise too."""
    dz = 2 * y * (1 - y**2)
    return {"z": dz, "w": x.T @ dz, "b": dz.sum(axis=0)}
'''
"""The file of a new exercise, to be filled in."""

_WIDTH = 88
_HEAD = ["# The forward pass:", "#"]


def starter(exercise: Exercise) -> str:
    """The file that a learner begins with: the text, the forward pass, and a ``backward`` to fill in.

    >>> from .exercises import exercise
    >>> print(starter(exercise("one-neuron")).partition("def ")[2])
    backward(x, t, w, b, z, n):
        return {
            "z": None,  # a number, 1 point
            "w": None,  # of shape (3,), 1 point
            "b": None,  # a number, 1 point
        }
    <BLANKLINE>
    """
    named = all(name.isidentifier() for name in exercise.given)
    what = "it is given, by name, every number" if named else "it is given a dict of every number"
    how = (
        f"Fill in backward: {what} of the forward pass below, and returns a dict with the gradient of the loss with "
        "respect to each quantity that is asked for. To check it while you write:"
    )
    check = f"    {command('check', _called(exercise), file_of(exercise))} --watch"
    width = max(_WIDTH, *(len(line) for line in ["", *exercise.text.splitlines()]))
    text = "\n".join([exercise.title, "", exercise.text, "", *textwrap.wrap(how, width), "", check])
    quoted = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    forward = [f"# {line}".rstrip() for line in exercise.source.splitlines()]
    rows = [f'        "{name}": None,  # {_described(exercise, name)}' for name in exercise.points]
    signature = _signature(", ".join(exercise.given) if named else "v")
    body = [*signature, "    return {", *rows, "    }", ""]
    return "\n".join([f'"""{quoted}', '"""', "", "import numpy as np", "", *_HEAD, *forward, "", "", *body])


def _signature(arguments: str) -> list[str]:
    line = f"def backward({arguments}):"
    if len(line) <= _WIDTH:
        return [line]
    return ["def backward(", *(f"    {part}" for part in textwrap.wrap(f"{arguments},", _WIDTH - 4)), "):"]


def _called(exercise: Exercise) -> str:
    """How the command line names an exercise: a file of one's own by its path."""
    return exercise.name if exercise.path.parent == SHIPPED else str(exercise.path)


def _described(exercise: Exercise, name: str) -> str:
    shape, points = np.shape(exercise.asked[name].data), exercise.points[name]
    what = f"of shape {shape}" if shape else "a number"
    return f"{what}, {points:g} point{'' if points == 1 else 's'}"


def command(action: str, *files: str | Path) -> str:
    """What is typed into a terminal to do something with an exercise and files.

    >>> command("check", "./my layer.py", "ann.py")
    "tinygrad-lite exercise check './my layer.py' ann.py"
    """
    return shlex.join(["tinygrad-lite", "exercise", action, *map(str, files)])


def file_of(exercise: Exercise) -> str:
    """The name of a learner's file for an exercise."""
    return f"my_{exercise.path.stem}.py"


def start(exercise: Exercise, path: Path | None = None) -> Path:
    """Write the starter file, by default ``my_batch_norm.py`` for ``batch-norm``.

    Raises ``ArgumentError`` if the file is there already.
    """
    return _written(path or Path(file_of(exercise)), starter(exercise))


def write_new(path: Path) -> Path:
    """Write the file of a new exercise, to be filled in.

    Raises ``ArgumentError`` if the file is there already.
    """
    return _written(path if path.suffix == ".py" else path.with_name(f"{path.name}.py"), NEW)


def _written(path: Path, text: str) -> Path:
    if path.exists():
        raise ArgumentError(f"exercise: {path} is there already; name another file, or remove it first")
    return write_atomically(path, text.encode())
