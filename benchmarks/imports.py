"""The time of an import against NumPy's own: each in a new process, from cached bytecode."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

from .measure import Pair

__all__ = ["against_numpy", "seconds_of"]

_TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


@cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    """A folder for bytecode, so that only the first run compiles, even if the installation is read-only."""
    return tempfile.TemporaryDirectory(prefix="bytecode-")


def seconds_of(statement: str) -> float:
    """The seconds that a statement takes as the first of a new process, without the start of Python."""
    paths = filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-X", f"pycache_prefix={_bytecode().name}", "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def against_numpy(statement: str) -> Pair:
    """A statement against ``import numpy``; both sides return seconds."""
    return Pair(partial(seconds_of, statement), partial(seconds_of, "import numpy"))
