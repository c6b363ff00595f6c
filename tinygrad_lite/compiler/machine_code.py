"""Machine code of generated source, by the extra ``numba``, and a folder on disk where it is kept.

Making it takes 10 to 20 ms a line, so a second process is to find it. numba keeps machine code beside the file that
its source is in; so the source is written to a file of its own, named by a hash of everything that it depends on.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.numerics import FLOAT_FUNCTIONS
from ..errors import FallbackWarning
from ..files import write_atomically

__all__ = ["available", "compiled", "folder", "say_that_none_was_made"]


@cache
def available() -> bool:
    """Whether numba is installed."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def folder() -> Path | None:
    """Where machine code is kept: numba's own folder if it is set, else the user's; ``None`` if none can be written.

    ``NUMBA_CACHE_DIR`` and ``XDG_CACHE_HOME`` are asked in this order.
    """
    config: Any = import_module("numba.core.config")
    users = import_module("numba.misc.appdirs").AppDirs(appname="numba", appauthor=False).user_cache_dir
    path = Path(config.CACHE_DIR or users) / "tinygrad_lite"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK) else None


def compiled(source: str, signatures: Mapping[str, Sequence[Any]], what: str) -> list[Callable[..., Any]]:
    """The functions that ``source`` defines, in machine code, each for arguments of the given types of numba's.

    The source may call the functions of the table's expressions. ``what`` says in a notice what is compiled.
    """
    kept = _file_of(source)
    if kept is not None:
        try:
            return _made(source, signatures, what, kept)
        except Exception:  # a file that is broken, or of another time
            pass
    return _made(source, signatures, what, None)


def _made(source: str, signatures: Mapping[str, Sequence[Any]], what: str, kept: Path | None) -> list[Any]:
    """The functions, from the folder of the file ``kept`` if they are there, else made, and put there."""
    path = "<compiled step, machine code>" if kept is None else str(kept)
    scope = {**functions(), "inf": math.inf, "nan": math.nan, "__name__": __name__}
    exec(compile(source, path, "exec"), scope)
    made = [_jit(kept is not None)(scope[name]) for name in signatures]
    with _saying(what, kept is None or not all(any(_kept_as(kept, function)) for function in made)):
        for function, types in zip(made, signatures.values(), strict=True):
            function.compile(tuple(types))
    return made


def _kept_as(kept: Path, function: Any) -> Iterator[Path]:
    """The files of a function's machine code."""
    return Path(function.stats.cache_path).glob(f"{kept.stem}.{function.__name__}-*.nbi")


def say_that_none_was_made(error: Exception, instead: str) -> None:
    """Warn that numba could not compile, and what runs instead."""
    reason = next(iter(str(error).strip().splitlines()), "")
    warnings.warn(
        f"compile: numba made no machine code, for it raised {type(error).__name__}: {reason}; this runs in {instead}; "
        'the results are right, and backend="python" or "numpy" says that it is meant',
        FallbackWarning,
        stacklevel=2,
    )


@contextmanager
def _saying(what: str, aloud: bool) -> Iterator[None]:
    """A bar on stderr while machine code is made, if that is a terminal or a notebook."""
    if not (aloud and sys.stderr.isatty()):
        yield
        return
    from tqdm import tqdm  # here, as importing it takes half the time of importing NumPy

    with tqdm(desc=f"compile: machine code of {what}, once", bar_format="{desc}", leave=False, file=sys.stderr):
        yield


def _file_of(source: str) -> Path | None:
    """The file of the source in the folder for machine code."""
    place = folder()
    if place is None:
        return None
    name = hashlib.sha256(f"{source}{_surroundings()}".encode()).hexdigest()[:32]
    path = place / f"compiled_{name}.py"
    try:
        return path if path.exists() else write_atomically(path, source.encode())
    except OSError:
        return None


@cache
def _surroundings() -> str:
    """What machine code depends on besides its source: the code of the functions that it may call."""
    import numba

    codes = [
        (name, f.__code__.co_code, f.__code__.co_names, repr(f.__code__.co_consts))
        for name, f in sorted(FLOAT_FUNCTIONS.items())
        if inspect.isfunction(f)
    ]
    return repr((codes, numba.__version__, sys.version))


@cache
def _jit(kept: bool = False) -> Callable[..., Any]:
    import numba

    # What divides by 0 is inf or nan, as it is in eager.
    jit: Callable[..., Any] = numba.njit(error_model="numpy", cache=kept)
    return jit


@cache
def functions() -> dict[str, Any]:
    """The functions that the table's expressions call, in a form that numba can call."""
    table = {name: f for name, f in FLOAT_FUNCTIONS.items() if callable(f)}  # eval has left its __builtins__ there
    return {
        **{name: _jit()(f) if inspect.isfunction(f) else f for name, f in table.items()},
        "real": _jit()(lambda x: x),  # a power that is complex in Python is nan here
    }
