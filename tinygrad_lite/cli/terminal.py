"""``main``: parse the command line, run one command, and return the exit status.

Each command works on a problem that is known by name (a network and its data) or on a CSV file of the user's own.
Output for programs is JSON on request; an error is one line on stderr. The exit status is 0 if everything went well,
1 if gradients differ or training diverges or misses its goal, 2 for wrong input, 130 when interrupted.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence

import numpy as np

from ..errors import TinygradError
from .arguments import WRONG_INPUT, parser
from .commands import COMMANDS, OK
from .problems import InputError

__all__ = ["main"]

INTERRUPTED = 130


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
        arguments = parser().parse_args(argv)
        with np.errstate(all="ignore"):  # what overflows is inf or nan, and is shown so
            status = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse, after --help or an error
        return int(stop.code or 0)
    except (InputError, TinygradError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        message = re.sub(r"^(gradient_paths|find): ", f"{arguments.command}: ", " ".join(str(error).split()))
        print(f"tinygrad-lite: {message}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("tinygrad-lite: interrupted", file=sys.stderr)
        return INTERRUPTED
