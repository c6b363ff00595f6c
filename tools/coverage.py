"""The page of differentiable functions: ``python -m tools.coverage docs`` writes docs/coverage.md.

The page is read off the registers that dispatch calls, so it cannot promise a missing function. A test compares the
page with the output of this module, and the list of HIPS autograd with the package itself.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.elementwise_derivatives import TABLE, Rule
from tinygrad_lite.files import write_atomically
from tinygrad_lite.ops import functions
from tinygrad_lite.ops.dense import AT_MOST
from tinygrad_lite.ops.methods import METHODS
from tinygrad_lite.ops.nondifferentiable import CONSTANTS
from tinygrad_lite.ops.numpy_dispatch import NUMPY_FUNCTIONS, ON_DATA, UFUNCS
from tinygrad_lite.ops.registry import STRUCTURED

__all__ = ["AUTOGRAD", "AUTOGRAD_CONSTANTS", "DENSE", "ELSEWHERE", "covered", "page", "write"]


_DIFFERENTIATED = """
absolute add amax amin angle append arccos arccosh arcsin arcsinh arctan arctan2 arctanh array array_split astype
atleast_1d atleast_2d atleast_3d broadcast_to clip column_stack concatenate conjugate cos cosh cross cumsum deg2rad
degrees diag diagonal diff divide dot dsplit einsum exp exp2 expand_dims expm1 fabs fft.fft fft.fft2 fft.fftn
fft.fftshift fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
fliplr flipud fmax fmin full gradient hsplit hstack hypot imag inner kron linalg.cholesky linalg.det linalg.eig
linalg.eigh linalg.inv linalg.norm linalg.pinv linalg.slogdet linalg.solve linalg.svd linspace log log10 log1p log2
logaddexp logaddexp2 matmul max maximum mean min minimum moveaxis multiply nan_to_num negative outer pad partition
power prod rad2deg radians ravel real real_if_close reciprocal remainder repeat reshape roll rollaxis rot90 select sin
sinc sinh sort split sqrt square squeeze stack std subtract sum swapaxes tan tanh tensordot tile trace transpose tril
triu var vsplit vstack where
"""
AUTOGRAD = _DIFFERENTIATED.split()
"""The functions that autograd 1.9 differentiates, by NumPy's names: primitives and compositions."""

_HELD = """
all allclose any argmax argmin argpartition argsort argwhere around array_equal array_equiv ceil count_nonzero
empty_like equal fix flatnonzero floor floor_divide full_like greater greater_equal isclose iscomplex iscomplexobj
isfinite isinf isnan isneginf isposinf isreal isscalar less less_equal logical_and logical_not logical_or logical_xor
ndim nonzero not_equal ones_like result_type rint round searchsorted shape sign size trunc zeros_like
"""
AUTOGRAD_CONSTANTS = _HELD.split()
"""The functions that autograd holds constant."""

ELSEWHERE = {
    "array": "NumPy does not ask what is in its list: `tg.stack([v, w])` does the same",
    "full": "NumPy does not ask what it is filled with: `np.broadcast_to(value, shape)` does the same",
    "isscalar": "NumPy answers by the type: `value.shape == ()` does the same",
}
"""Functions of autograd's that are missing here, with the reason."""

NOT_PASSED = {
    "Differentiate with respect to complex numbers, or make complex eigenvalues.": 25,
    "Are about autograd's own parts: graphs held constant, names that are going away, types of `np.where`, the messages"
    " of its checker, comparisons taken for numbers, and lengths that it refuses and that are here.": 20,
    "Call `np.r_` or `np.c_`, which NumPy does not ask about (`np.concatenate` and `np.column_stack` do the same), or"
    " turn what is differentiated into integers, which is an error here.": 8,
}
"""How many of autograd's own tests fail here (``tools.autograd_tests`` runs them), by what they do."""
PASSED = 469

DENSE = frozenset(name for name, entry in STRUCTURED.items() if entry.dense)
"""Functions whose local derivative is a ``Dense`` map."""

_NOTES = {
    "erf": "arrays need the extra `scipy`",
    "erfc": "arrays need the extra `scipy`",
    "gelu_erf": "arrays need the extra `scipy`",
}
"""Remarks on lines of the table; the register has those on structured functions."""


def _name(function: Any) -> str:
    module = function.__module__ if hasattr(function, "__module__") and function.__module__ else "numpy"
    return f"{module}.{function.__name__}".removeprefix("numpy.")


def covered() -> dict[str, Callable[..., Any]]:
    """The differentiable functions by NumPy's name, without the ``np.``.

    >>> covered()["linalg.inv"].__name__
    'inv'
    """
    named = {_name(function): ours for function, ours in (NUMPY_FUNCTIONS | UFUNCS).items()}
    return dict(sorted((named | {"astype": functions.astype}).items()))  # that one since NumPy 2.1


def _signature(function: Callable[..., Any]) -> str:
    parts = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
        parts.append(star + parameter.name)
    return ", ".join(f"`{part}`" for part in parts) or "–"


def _orders(name: str) -> str:
    return STRUCTURED[name].orders if name in STRUCTURED else "all"


def _paths(name: str) -> str:
    return f"Jacobians of up to {AT_MOST:,} entries" if name.rpartition(".")[2] in DENSE else "any size"


def _note(name: str) -> str:
    return STRUCTURED[name].note if name in STRUCTURED else _NOTES.get(name, "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [_row(*head), _row(*["---"] * len(head)), *(_row(*row) for row in rows), ""]


def _line(rule: Rule) -> list[str]:
    constants = [operand for operand, e in zip(rule.operands, rule.derivatives, strict=True) if e is None]
    orders = "0 everywhere" if set(rule.derivatives) == {"0"} else _orders(rule.name)
    note = f"constant: {', '.join(constants)}" if constants else _note(rule.name)
    return [
        f"`{rule.name}({', '.join(rule.operands)})`",
        f"`np.{rule.ufunc}`" if rule.ufunc else "",
        ", ".join(f"`{e}`" for e in rule.written if e is not None and len(e) < 60) or "see the table",
        orders,
        note,
    ]


def _wrapped(names: Iterable[str]) -> str:
    return ", ".join(f"`np.{name}`" for name in sorted(names))


def page() -> str:
    """The text of docs/coverage.md."""
    return "\n".join([*_INTRODUCTION, *_elementwise(), *_of_numpy(), *_our_own(), *_constants(), *_beside_autograd()])


_INTRODUCTION = (
    "<!-- Generated by python -m tools.coverage docs. Do not edit. -->",
    "# What is differentiable",
    "",
    "NumPy's own functions take Values: `np.sum(v, axis=0)`. Each of those below, and each of this package's",
    "own, is differentiable in reverse mode, in forward mode, and in every nesting of the two (`grad` of `jvp`,",
    "`hessian`, …), to the orders given; and its paths can be counted, summed and listed. Tests hold orders 1",
    "and 2 to JAX's in float64, in every nesting, and the orders up to 3 of each op to differences. What is not",
    "here raises an error that names the function.",
    "",
    "Values are real: complex numbers are refused with an error, and the spectrum that a Fourier transform makes of",
    "a Value is a `ComplexPair` of two Values: `np.abs(np.fft.rfft(v)) ** 2`, `np.fft.irfft(np.fft.rfft(v) * h)`,",
    "`spectrum.real`; of two Values of one's own `tg.ComplexPair(re, im)`. Where a function has a kink the convention",
    "is that of [the table of derivatives](../tinygrad_lite/core/elementwise_derivatives.py). `out=`, and `dtype=` and",
    "`where=` of functions of elements, are refused.",
    "",
)


def _elementwise() -> list[str]:
    return [
        f"## Element by element: {len(TABLE)} functions",
        "",
        "Each is `tg.name`, and a method unless it is `where`.",
        "",
        *_table(("function", "NumPy's name", "derivatives", "orders", "notes"), map(_line, TABLE.values())),
    ]


def _of_numpy() -> list[str]:
    numpy_ones = covered()
    ufuncs = {_name(ufunc) for ufunc in UFUNCS} - {rule.ufunc for rule in TABLE.values()}
    rows = [
        [
            f"`np.{name}`",
            "the same for each element" if name in ufuncs and name not in ("matmul", "vecdot") else _signature(ours),
            f"`v.{name.rpartition('.')[2]}`" if METHODS.get(name.rpartition(".")[2]) else "",
            _orders(name.rpartition(".")[2]),
            _paths(name),
            _note(name.rpartition(".")[2]),
        ]
        for name, ours in numpy_ones.items()
        if name not in {rule.ufunc for rule in TABLE.values()}
    ]
    return [
        f"## NumPy's functions: {len(rows)} more",
        "",
        "Arguments are those after the first; others are refused, except for values that say nothing (`out=None`).",
        "A decomposition's derivative is a map between all elements: gradients are there at any size, to all orders;",
        f"path queries need all its entries, at most {AT_MOST:,} of them.",
        "",
        *_table(("function", "arguments", "method", "orders", "paths", "notes"), rows),
        "Also `np.add.reduce`, `multiply.reduce`, `maximum.reduce`, `minimum.reduce`, `logaddexp.reduce`,",
        "`add.accumulate`, `multiply.accumulate`, and `.outer` of every function of two elements.",
        "",
    ]


def _our_own() -> list[str]:
    numpy_ones = {name.rpartition(".")[2] for name in covered()}
    own = sorted(name for name in STRUCTURED if name not in numpy_ones and name not in FUNCTIONS)
    return [
        "## This package's own",
        "",
        ", ".join(f"`tg.{name}`" for name in own)
        + ", `tg.weighted_sum`, and the layers and losses of `nn`: all orders.",
        "",
    ]


def _constants() -> list[str]:
    return [
        "## Constants",
        "",
        "Of a Value these make a constant Value, through which no path leads:",
        f"{_wrapped(map(_name, CONSTANTS))}.",
        "",
        "And these plain numbers and arrays:",
        f"{_wrapped(map(_name, ON_DATA))}; also `==`, `<` and their like.",
        "",
    ]


def _beside_autograd() -> list[str]:
    numpy_ones = covered()
    there = set(numpy_ones) | {_name(f) for f in CONSTANTS} | {_name(f) for f in ON_DATA}
    theirs = [*AUTOGRAD, *AUTOGRAD_CONSTANTS]
    missing = [name for name in theirs if name not in there]
    return [
        "## Beside HIPS autograd",
        "",
        f"Of the {len(theirs)} functions of NumPy that autograd differentiates ({len(AUTOGRAD)}) or holds constant",
        f"({len(AUTOGRAD_CONSTANTS)}), {len(theirs) - len(missing)} are here. The others:",
        "",
        *_table(
            ("autograd has", "why it is not here"), ([f"`np.{name}`", ELSEWHERE.get(name, "")] for name in missing)
        ),
        f"Of {PASSED + sum(NOT_PASSED.values())} tests of autograd 1.9.1, without those of vector spaces and of",
        f"SciPy, {PASSED} pass on this package; `python -m tools.autograd_tests FOLDER` runs them, as",
        "[its text](../tools/autograd_tests.py) says. The others:",
        "",
        *_table(("tests", "what they do"), ([str(count), what] for what, count in NOT_PASSED.items())),
        "Here and not there: " + ", ".join(f"`np.{name}`" for name in numpy_ones if name not in theirs) + ".",
        "",
    ]


def write(folder: Path) -> Path:
    """Write the page into ``folder``."""
    return write_atomically(folder / "coverage.md", page().encode())


if __name__ == "__main__":
    print(write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
