"""Calls of every structured function, each with NumPy's own answer or a textbook's. Several tests run through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.core.graph import ancestors

_ = slice(None)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _softmax(x: Any, axis: Any = -1) -> Any:
    e = np.exp(x)
    return e / np.sum(e, axis=axis, keepdims=True)


def _cross_entropy(logits: Any, labels: Any) -> Any:
    return np.mean([-np.log(_softmax(row)[label]) for row, label in zip(logits, labels, strict=True)])


def _weighted_sum(weights: Any, inputs: Any, bias: Any = 0.0) -> Any:
    return sum((w * x for w, x in zip(weights, inputs, strict=True)), bias)


REFERENCES: dict[str, Callable[..., Any]] = {
    "cross_entropy": _cross_entropy,
    "fft": np.fft.fft,
    "flatten": np.ravel,
    "getitem": lambda x, key: np.asarray(x)[key],
    "irfft": np.fft.irfft,
    "matvec": lambda a, b: np.einsum("...ij,...j->...i", a, b),
    "rfft": np.fft.rfft,
    "vecmat": lambda a, b: np.einsum("...i,...ij->...j", a, b),
    "half_squared_error": lambda y, t, divisor=1.0: np.sum((y - t) ** 2) / (2 * divisor),
    "linear": lambda x, weight, bias: x @ weight + bias,
    "log_softmax": lambda x, axis=-1: np.log(_softmax(x, axis)),
    "logsumexp": _logsumexp,
    "sliding_window_view": np.lib.stride_tricks.sliding_window_view,
    "norm": lambda x, axis=None, keepdims=False: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
    "softmax": _softmax,
    "weighted_sum": _weighted_sum,
}


@dataclass(frozen=True)
class Case:
    """``name(*arrays, …)``; ``call`` puts the other arguments where they belong, for ours and for the reference."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    call: Callable[..., Any]
    label: str
    kind: str

    def ours(self, *arrays: Any) -> Any:
        return self.call(getattr(tg, self.name), *arrays)

    def reference(self, *arrays: Any) -> Any:
        return self.call(
            REFERENCES.get(self.name) or getattr(np, self.name, None) or getattr(np.linalg, self.name), *arrays
        )

    def arrays(self, rng: np.random.Generator) -> list[Any]:
        """Operands without ties; with zeros in the kind ``zeros``; ``()`` is a float."""
        made = []
        for shape in self.shapes:
            x = rng.standard_normal(shape)
            if self.kind == "zeros" and shape:
                x.reshape(-1)[:: 2 if x.size < 4 else 3] = 0.0
            made.append(x if shape else float(x))
        return made

    def small_integers(self, rng: np.random.Generator) -> list[Any]:
        """Operands full of ties, zeros and negative numbers."""
        made = [rng.integers(-2, 3, shape).astype(float) for shape in self.shapes]
        return [x if x.ndim else float(x) for x in made]

    @property
    def empty(self) -> bool:
        return any(0 in shape for shape in self.shapes)


CASES: list[Case] = []


def case(
    name: str, *shapes: tuple[int, ...], kind: str = "", call: Callable[..., Any] | None = None, **rest: Any
) -> None:
    label = f"{name}-" + "-".join(["x".join(map(str, shape)) or "scalar" for shape in shapes])
    label += "".join(f"-{key}={value}" for key, value in rest.items()) + (f"-{kind}" if kind else "")
    taken = sum(other.label.rpartition("#")[0] == label or other.label == label for other in CASES)
    if taken:
        label += f"#{taken + 1}"
    CASES.append(Case(name, shapes, call or (lambda f, *arrays: f(*arrays, **rest)), label, kind))


def keyed(name: str, *shapes: tuple[int, ...], **positional: Any) -> None:
    """Arguments by position, after the arrays."""
    arguments = tuple(positional.values())
    case(name, *shapes, call=lambda f, *arrays: f(*arrays, *arguments))


def listed(name: str, *shapes: tuple[int, ...], **rest: Any) -> None:
    """Arrays in a list."""
    case(name, *shapes, call=lambda f, *arrays: f(list(arrays), **rest))


def part(name: str, k: int, *shapes: tuple[int, ...], **rest: Any) -> None:
    """Part k of a list of results."""
    case(name, *shapes, call=lambda f, *arrays: f(*arrays, **rest)[k])


# ---- reductions

for name in ("sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "norm"):
    case(name, (4,))
    case(name, (2, 3))
    case(name, (2, 3), axis=0)
    case(name, (2, 3), axis=-1, keepdims=True)
    case(name, (2, 3, 2), axis=(0, 2))
    case(name, (2, 3, 2), axis=(-1, 0), keepdims=True)
    case(name, (2, 3, 2), axis=1)
    case(name, (2, 3), keepdims=True)
    case(name, (3, 0), axis=0)
    if name != "std":  # a deviation of exactly 0 has no slope
        case(name, (1, 3), axis=0)
        case(name, (1,))
        case(name, ())
    if name in ("sum", "prod", "norm"):
        case(name, (0,))
        case(name, (2, 0), axis=1)
        case(name, (0, 2), axis=0, keepdims=True)
case("var", (2, 3), axis=1, ddof=1)
case("std", (2, 3), ddof=2)
case("prod", (5,), kind="zeros")
case("prod", (2,), kind="zeros")
case("prod", (7, 2), kind="zeros", axis=0)
case("prod", (2, 3, 2), kind="zeros", axis=(0, 2))
for name in ("softmax", "log_softmax"):
    case(name, (4,))
    case(name, (2, 3))
    case(name, (2, 3), axis=0)
    case(name, (2, 3, 2), axis=1)
    case(name, (2, 1))
    case(name, (0, 2))
case("cumsum", (4,))
case("cumsum", (2, 3))
case("cumsum", (2, 3), axis=0)
case("cumsum", (2, 3, 2), axis=-2)
case("cumsum", (1,))
case("cumsum", (0,))
case("cumsum", (3, 0), axis=0)
case("cumsum", ())

# ---- products

for shapes in (
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((1, 1), (1, 1)), ((2, 1), (1, 3)),
    ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((0,), (0,)),
    ((2, 2, 3), (2, 3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (3,)), ((3,), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)), ((1, 2, 3), (2, 3, 1)), ((2, 1, 1, 3), (1, 2, 3, 1)), ((1, 2, 2), (2, 2)),
    ((1, 1, 2), (2,)),
    ((0, 2, 3), (3, 2)), ((2, 2, 1), (2, 1, 2)),
):  # fmt: skip
    case("matmul", *shapes)
for shapes in (
    ((3,), (3,)), ((2, 3), (3, 2)), ((2, 3), (3,)), ((), (3,)), ((2, 2), ()), ((), ()), ((2, 2, 3), (3,)),
    ((2, 3), (2, 3, 2)),
    ((2, 2, 3), (2, 3, 2)), ((3,), (2, 3, 2)), ((0,), (0,)),
):  # fmt: skip
    case("dot", *shapes)
for shapes in (((3,), (2,)), ((2, 2), (3,)), ((), (3,)), ((), ()), ((0,), (2,)), ((1,), (1,))):
    case("outer", *shapes)
keyed("tensordot", (2, 3), (2, 3))
keyed("tensordot", (2, 3), (3, 2), axes=1)
keyed("tensordot", (2, 3), (3, 2), axes=([0, 1], [1, 0]))
keyed("tensordot", (2, 3, 4), (4, 2, 2), axes=((2, 0), (0, -1)))
keyed("tensordot", (2,), (3,), axes=0)
keyed("tensordot", (2, 3), (2, 2), axes=(0, 0))
keyed("tensordot", (2, 0), (0, 3), axes=1)
keyed("tensordot", (), (3,), axes=0)
for subscripts, shapes in {
    "ij,jk->ik": ((2, 3), (3, 2)),
    "ij,kj": ((2, 3), (2, 3)),
    "ij,jk->ki": ((2, 3), (3, 2)),
    "ij,ij->": ((2, 3), (2, 3)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,ij->ji": ((2, 3), (2, 3)),
    "i,j->ij": ((2,), (3,)),
    "i,j->ji": ((2,), (3,)),
    "i,i": ((3,), (3,)),
    "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)),
    "bij,bjk->kbi": ((2, 2, 3), (2, 3, 2)),
    "bhij,bhjk->bhik": ((2, 1, 2, 2), (2, 1, 2, 3)),
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ij->j": ((2, 3),),
    "ijk->ki": ((2, 3, 2),),
    "ii->i": ((3, 3),),
    "ii": ((3, 3),),
    "iij->j": ((2, 2, 3),),
    "iji->ij": ((2, 3, 2),),
    "iij,j->i": ((2, 2, 3), (3,)),
    "ii,i->i": ((3, 3), (3,)),
    "ij,k->i": ((2, 3), (2,)),
    "ij,k->": ((2, 3), (2,)),
    "ij,jj->i": ((2, 3), (3, 3)),
    "i,->i": ((3,), ()),
    ",->": ((), ()),
    ",i": ((), (2,)),
    "...j,jk->...k": ((2, 2, 3), (3, 2)),
    "...ij,...jk->...ik": ((2, 2, 3), (2, 3, 2)),
    "i...->...": ((2, 3),),
    "...": ((2, 3),),
    "b...,b->...": ((2, 3, 2), (2,)),
    "i,i,i->i": ((3,), (3,), (3,)),
    "ij,jk,kl->il": ((2, 2), (2, 3), (3, 2)),
    "ij,jk,ki->": ((2, 3), (3, 2), (2, 2)),
    "i,j,k->kji": ((2,), (3,), (2,)),
    "ii,ij,k->j": ((2, 2), (2, 3), (2,)),
    "a,ab,bc,c->": ((2,), (2, 3), (3, 2), (2,)),
    "ij,jk->i": ((2, 0), (0, 3)),
    "ij,jk->ij": ((0, 2), (2, 3)),
    "i j , j -> i": ((2, 3), (3,)),
}.items():
    case("einsum", *shapes, call=lambda f, *arrays, subscripts=subscripts: f(subscripts, *arrays))
    CASES[-1] = Case(*(*vars(CASES[-1]).values(),)[:3], f"einsum-{subscripts}", "")
for shapes in (((2, 3), (3, 2), (2,)), ((3,), (3, 2), (2,)), ((2, 2, 3), (3, 2), ()), ((2, 3), (3, 1), (2, 1)),
               ((0, 3), (3, 2), (2,)), ((2, 3), (3,), ()), ((3,), (3,), ())):  # fmt: skip
    case("linear", *shapes)
case("half_squared_error", (3,), (3,))
case("half_squared_error", (2, 3), (2, 3), divisor=2.0)
case("half_squared_error", (), ())
case("half_squared_error", (0,), (0,))
case("cross_entropy", (3, 4), call=lambda f, logits: f(logits, np.array([0, 3, 3])))
case("cross_entropy", (1, 1), call=lambda f, logits: f(logits, [0]))
case("weighted_sum", (), (), (), (), (), call=lambda f, a, b, x, y, c: f([a, b], [x, y], c))
case("weighted_sum", (), (), call=lambda f, a, x: f([a], [x]))
case("weighted_sum", (2,), (), (2,), (3, 1), (), call=lambda f, a, b, x, y, c: f([a, b], [x, y], c))
case("weighted_sum", (2,), (2,), (3, 2), call=lambda f, a, x, c: f([a], [x], c))
case("weighted_sum", (2,), (2,), (2,), (2,), (2,), call=lambda f, a, b, x, y, c: f([a, b], [x, y], c))
case("weighted_sum", (2,), call=lambda f, c: f([], [], c))

# ---- moves

keyed("reshape", (2, 3), shape=(3, 2))
keyed("reshape", (2, 3), shape=-1)
keyed("reshape", (4,), shape=(2, -1))
keyed("reshape", (), shape=(1, 1))
keyed("reshape", (1, 1), shape=())
keyed("reshape", (0, 2), shape=(2, 0, 3))
for shape in ((2, 3), (), (0, 2), (3,)):
    case("ravel", shape)
keyed("flatten", (2, 3), order="F")
for axes in (None, (1, 0, 2), (2, 0, 1), (-1, 0, 1)):
    keyed("transpose", (2, 3, 2), axes=axes)
case("transpose", (3,))
case("transpose", ())
case("transpose", (0, 2))
keyed("swapaxes", (2, 3, 2), a=0, b=-1)
keyed("swapaxes", (2, 3), a=1, b=1)
keyed("moveaxis", (2, 3, 2), a=0, b=-1)
keyed("moveaxis", (2, 1, 3), a=(0, 1), b=(2, 0))
keyed("moveaxis", (2, 3), a=-1, b=0)
for axis in (0, -1, (0, 2), (1, -1)):
    keyed("expand_dims", (2, 3), axis=axis)
keyed("expand_dims", (), axis=0)
keyed("expand_dims", (0,), axis=1)
case("squeeze", (1, 3, 1))
case("squeeze", (1, 3, 1), axis=0)
case("squeeze", (1, 3, 1), axis=(0, -1))
case("squeeze", (1, 1))
case("squeeze", ())
case("squeeze", (0, 1))
for shape, wanted in (
    ((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)), ((2, 1, 2), (2, 2, 2)), ((3,), (3,)), ((1,), (0,)), ((),
    (0,)), ((), 2),
    ((1, 3), (0, 3)), ((1, 1), (2, 2)), ((), ()), ((0,), (2, 0)),
):  # fmt: skip
    keyed("broadcast_to", shape, shape=wanted)
listed("concatenate", (2, 3), (1, 3))
listed("concatenate", (2, 3), (2, 1), (2, 2), axis=1)
listed("concatenate", (2, 2), (3,), axis=None)
listed("concatenate", (2,), (0,), (1,))
listed("concatenate", (2, 1, 2), (2, 2, 2), axis=-2)
listed("concatenate", (2,))
case("concatenate", (2,), call=lambda f, x: f([x, x, x]))
listed("stack", (), (), ())
listed("stack", (2, 3), (2, 3))
listed("stack", (2, 3), (2, 3), axis=-1)
listed("stack", (2, 3), (2, 3), axis=1)
listed("stack", (0,), (0,))
case("stack", (2,), call=lambda f, x: f([x, x], axis=1))
part("split", 1, (4,), indices_or_sections=2)
part("split", 0, (2, 4), indices_or_sections=2, axis=1)
part("split", 2, (5,), indices_or_sections=[1, 3])
part("split", 1, (5, 2), indices_or_sections=[1, 9], axis=0)
part("split", 0, (0,), indices_or_sections=2)
for index, example in enumerate(CASES):
    if example.name == "split":  # ours calls its argument sections, and takes NumPy's order
        CASES[index] = Case(
            "split", example.shapes,
            lambda f, x, call=example.call: call(
                lambda y, indices_or_sections, axis=0: f(y, indices_or_sections, axis), x
            ),
            example.label, "",
        )  # fmt: skip
KEYS: dict[str, tuple[tuple[int, ...], Any]] = {
    "1": ((3,), 1),
    "-1": ((2, 3), -1),
    "numpy-integer": ((3,), np.int64(1)),
    "1:": ((4,), slice(1, None)),
    "::-2": ((5,), slice(None, None, -2)),
    "empty-slice": ((3,), slice(2, 1)),
    "0,1": ((2, 3), (0, 1)),
    "0,:": ((2, 3), (0, _)),
    ":,1": ((2, 3), (_, 1)),
    "...": ((2, 3), ...),
    "...,0": ((2, 3, 2), (..., 0)),
    "0,...": ((2, 3, 2), (0, ...)),
    "None": ((3,), None),
    ":,None": ((2, 3), (_, None)),
    "None,...,None,1": ((2, 3), (None, ..., None, 1)),
    "()": ((2, 3), ()),
    "scalar-()": ((), ()),
    "scalar-...": ((), ...),
    "list": ((3,), [2, 0]),
    "repeated": ((3,), [0, 0, 2, 0]),
    "negative": ((3,), [-1, 0, -1]),
    "array-2d": ((3,), np.array([[0, 1], [1, 1]])),
    "empty-list": ((3,), []),
    "rows": ((3, 2), [2, 2]),
    "columns": ((2, 3), (_, [0, 0, 2])),
    "pairs": ((2, 3), ([0, 1, 0], [2, 2, 2])),
    "outer": ((3, 3), (np.array([[0], [2]]), np.array([0, 2]))),
    "int-list": ((2, 3), (1, [0, 0])),
    "list-slice-int": ((2, 3, 2), ([0, 1, 1], _, 1)),
    "list-slice-list": ((2, 3, 2), ([0, 1, 1], _, [0, 0, 1])),
    "slice-list-list": ((2, 3, 2), (_, [0, 2], [1, 1])),
    "list-None": ((2, 3), ([1, 1], None)),
    "None-list": ((3,), (None, [1, 1])),
    "mask": ((4,), np.array([True, False, True, True])),
    "mask-list": ((3,), [True, False, True]),
    "mask-2d": ((2, 3), np.array([[True, False, True], [False, False, True]])),
    "mask-row": ((2, 3), np.array([False, True])),
    "slice-mask": ((2, 3), (_, np.array([True, False, True]))),
    "mask-int": ((2, 3), (np.array([True, True]), 0)),
    "mask-list-pair": ((2, 3), (np.array([True, True]), [0, 2])),
    "no-mask": ((3,), np.zeros(3, dtype=bool)),
    "True": ((2,), True),
    "False": ((2,), False),
    "of-empty": ((0, 3), (_, [0, 0])),
    "of-size-1": ((1,), [0, 0]),
}
for key_name, (shape, key) in KEYS.items():
    CASES.append(Case("getitem", (shape,), lambda f, x, key=key: f(x, key), f"getitem-{key_name}", ""))
keyed("take", (4,), indices=[0, 0, 3])
keyed("take", (2, 3), indices=[4, 4, -1])
keyed("take", (2, 3), indices=[1, 1], axis=0)
keyed("take", (2, 3), indices=np.array([[0, 2], [2, 2]]), axis=-1)
keyed("take", (2, 3), indices=1, axis=1)
keyed("take", (3,), indices=1)
keyed("take", (2, 3, 2), indices=[0, 1, 0], axis=1)
for widths, mode in (
    (1, "constant"), (((1, 0), (0, 2)), "constant"), ((1, 2), "constant"), (0, "constant"), (1, "edge"),
    (((0, 1), (2, 2)), "reflect"), (1, "symmetric"), (2, "wrap"),
):  # fmt: skip
    keyed("pad", (2, 3), widths=widths, mode=mode)
keyed("pad", (3,), widths=(2, 1))
keyed("pad", (0,), widths=1)
keyed("pad", (2, 1), widths=[[1], [0]])
case("flip", (2, 3))
case("flip", (2, 3), axis=1)
case("flip", (2, 3, 2), axis=(0, 2))
case("flip", (1,))
case("flip", (0,))
case("flip", ())
keyed("roll", (4,), shift=1)
keyed("roll", (2, 3), shift=-1)
keyed("roll", (2, 3), shift=2, axis=1)
keyed("roll", (2, 3), shift=(1, -4), axis=(0, 1))
keyed("roll", (2, 3), shift=1, axis=(0, 1))
keyed("roll", (0,), shift=1)
keyed("roll", (), shift=1)
keyed("repeat", (3,), repeats=2)
keyed("repeat", (2, 2), repeats=2)
keyed("repeat", (2, 2), repeats=3, axis=1)
keyed("repeat", (2, 3), repeats=[2, 0], axis=0)
keyed("repeat", (3,), repeats=0)
keyed("repeat", (), repeats=2)
keyed("repeat", (1, 2), repeats=[2], axis=0)
keyed("tile", (2,), reps=3)
keyed("tile", (2, 2), reps=(2, 1))
keyed("tile", (2,), reps=(2, 2))
keyed("tile", (1, 2), reps=2)
keyed("tile", (2,), reps=0)
keyed("tile", (), reps=2)
for k in (0, 1, -1):
    keyed("diag", (3,), k=k)
    keyed("diag", (2, 3), k=k)
    keyed("trace", (2, 3), k=k)
    keyed("tril", (3, 3), k=k)
    keyed("triu", (3, 3), k=k)
keyed("diag", (2, 2), k=5)
case("diag", (0,))
case("trace", (0, 0))
case("trace", (1, 1))
case("tril", (2, 2, 3))
case("triu", (2, 2, 3))
case("triu", (0, 2))
case("tril", (1, 3))

# ---- order, windows

case("sort", (2, 3))
case("sort", (2, 3), axis=0)
case("sort", (4,), axis=None)
case("partition", (5,), call=lambda f, x: f(x, 2)[2])
case("diagonal", (2, 3))
case("diagonal", (2, 3, 3), offset=1, axis1=2, axis2=1)
case("sliding_window_view", (5,), call=lambda f, x: f(x, 3))
case("sliding_window_view", (3, 4), call=lambda f, x: f(x, (2, 2)))
case("cumprod", (5,), kind="zeros")
case("cumprod", (2, 3), axis=0)
case("median", (2, 4), axis=1)
case("quantile", (5,), call=lambda f, x: f(x, 0.3))
case("nan_to_num", (3,))
case("interp", (3,), (4,), call=lambda f, x, y: f(x, np.linspace(-1.0, 1.5, 4, dtype=x.dtype), y))
case("gradient", (5,), edge_order=2)
case("convolve", (4,), (3,))
case("kron", (2, 2), (1, 2))
case("cross", (2, 3), (3,))

# ---- linear algebra

EYE = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
"""Added to a matrix: far from singular, and no two eigenvalues are near each other."""


def added(x: Any, n: int) -> Any:
    return x + (4 * EYE[:n, :n]).astype(x.dtype)


def square(name: str, k: int | None = None, n: int = 2, **rest: Any) -> None:
    """Of a square matrix, or part k of several results."""
    case(
        name, (n, n),
        call=lambda f, x: f(added(x, n), **rest) if k is None else f(added(x, n), **rest)[k],
    )  # fmt: skip
    CASES[-1] = Case(*(*vars(CASES[-1]).values(),)[:3], f"{name}-{n}-{k}", "")


def symmetric(name: str, k: int | None = None, n: int = 2) -> None:
    """Of a symmetric one, positive definite."""

    def call(f: Any, x: Any) -> Any:
        made = f(added(x @ x.T, n))
        return made if k is None else made[k]

    case(name, (n, n), call=call)
    CASES[-1] = Case(*(*vars(CASES[-1]).values(),)[:3], f"{name}-symmetric-{n}-{k}", "")


square("inv", n=3)
square("det")
square("slogdet", 1)
case("solve", (2, 2), (2,), call=lambda f, a, b: f(added(a, 2), b))
case("solve", (2, 2), (2, 2), call=lambda f, a, b: f(added(a, 2), b))
symmetric("cholesky")
symmetric("eigh", 0)
symmetric("eigh", 1)
part("svd", 0, (3, 2), full_matrices=False)
part("svd", 1, (2, 3), full_matrices=False)
part("svd", 2, (2, 3), full_matrices=False)
part("qr", 0, (3, 2))
part("qr", 1, (2, 3))
case("pinv", (3, 2))

# ---- put together, Fourier transforms, and others that NumPy has

case("average", (2, 3), (3,), call=lambda f, x, w: f(x, 1, w * w + 0.5))
case("cov", (2, 3))
case("corrcoef", (2, 3))
case("polyval", (3,), (2,))
case("vander", (3,))
case("block", (2, 2), (2, 1), call=lambda f, x, y: f([[x, y], [y, x]]))
case("insert", (2, 3), (2,), call=lambda f, x, y: f(x, 1, y, 1))
case("nanquantile", (2, 5), call=lambda f, x: f(x, np.array([0.3, 0.8], dtype=x.dtype), 1))
case("piecewise", (4,), call=lambda f, x: f(x, [np.array([True, False, True, False])], [lambda u: u**2, lambda u: -u]))
case("apply_along_axis", (2, 3), call=lambda f, x: f(np.cumsum, 0, x))
case("unwrap", (4,), call=lambda f, x: f(4.0 * x))
case("i0", (3,))
case("matvec", (2, 2, 3), (3,))
case("vecmat", (2,), (2, 2, 3))
case("lstsq", (4, 2), (4,), call=lambda f, a, b: f(a, b)[0])
case("cond", (2, 2), call=lambda f, x: f(added(x, 2), 1))
square("eig", 1)
case("rfft", (5,), call=lambda f, x: f(x).imag)
case("fft", (2, 3), call=lambda f, x: f(x, 4, axis=0).real)
case("irfft", (2, 3))

SMOOTH = {
    "std", "norm", "cross_entropy", "sort", "partition", "median", "quantile", "inv", "det", "slogdet", "solve",
    "cholesky", "eigh", "svd", "qr", "pinv", "corrcoef", "nanquantile", "unwrap", "lstsq", "eig",
}  # fmt: skip
"""Of which operands full of ties and zeros have no derivative, or none that differences can see."""
DENSE = {"eigh", "svd", "qr", "pinv", "cholesky", "lstsq", "eig", "rfft", "fft", "irfft"}
"""Of which every element moves every other: where it does not, by some rounding error."""

LABELS = [example.label for example in CASES]
assert len(set(LABELS)) == len(LABELS), "two cases have one label"

EACH_WITH_TIES = pytest.mark.parametrize(
    ("example", "ties"),
    [
        pytest.param(example, ties, id=f"{example.label}-{'ties' if ties else 'smooth'}")
        for ties in (False, True)
        for example in CASES
        if not (ties and example.name in SMOOTH)
    ],
)
"""Every case, and those that are not smooth on operands full of ties too."""


def recorded(example: Case, rng: np.random.Generator, ties: bool = False) -> tuple[list[Value], Value]:
    """The operands as leaves, and the result."""
    leaves = [Value(x) for x in (example.small_integers(rng) if ties else example.arrays(rng))]
    return leaves, example.ours(*leaves)


def ops_in(end: Value) -> set[tuple[str, int]]:
    """The structured ops of a graph by name, each with every position of an operand that requires a gradient."""
    from tinygrad_lite.core.elementwise import Elementwise

    return {
        (node.op.name, k)
        for node in ancestors(end)
        if node.op is not None and not isinstance(node.op, Elementwise)
        for k, operand in enumerate(node.parents)
        if operand.requires_grad
    }
