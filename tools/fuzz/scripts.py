"""A failing program as a script of its own, which imports NumPy and tinygrad_lite alone and exits with status 1."""

from __future__ import annotations

import inspect
import re

from . import ways
from .judging import UNLIKE, Failure
from .programs import Program

__all__ = ["script"]


def script(program: Program, failure: Failure) -> str:
    """The program, the ways that do not agree, and the comparison."""
    name = failure.compared
    reference, way = ways.WAYS[name]
    sources = _needed([reference.__name__, way.__name__, "differing", "Case"])
    allowed = [f"    {label!r}: {x:.6g}," for label, x in failure.allowed.items()]
    return "\n".join(
        [
            f'"""{name}, seed {program.seed}: {failure.message.replace(chr(92), "/")}"""',
            "from __future__ import annotations",
            "import sys",
            "from collections.abc import Callable, Mapping, Sequence",
            "from typing import Any",
            "import numpy as np",
            "import tinygrad_lite as tg",
            "from tinygrad_lite import Value, nn, optim",
            "Found = dict[str, Any]",
            "",
            "",
            program.source(),
            "",
            "ALLOWED = {",
            *allowed,
            "}",
            "",
            "",
            "\n\n".join(sources),
            "",
            "case = Case(program, LEAVES, MODULES, STEPS, OPTIMIZER)",
            f"wrong = differing({reference.__name__}(case), {way.__name__}(case), ALLOWED, {name not in UNLIKE})",
            'print("\\n".join(wrong) or "all equal")',
            "sys.exit(bool(wrong))",
            "",
        ]
    )


def _needed(names: list[str]) -> list[str]:
    """The sources of these functions and classes, and of those that they use, in the order of the file."""
    own = {name: thing for name, thing in vars(ways).items() if getattr(thing, "__module__", "") == ways.__name__}
    needed: list[str] = []
    while names:
        name = names.pop()
        if name not in needed:
            needed.append(name)
            text = inspect.getsource(own[name])
            names += [other for other in own if re.search(rf"\b{other}\(|\b{other}\b(?=[,)])", text)]
    return [inspect.getsource(own[name]) for name in own if name in needed]
