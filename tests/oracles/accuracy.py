"""The errors of each op of the table at orders 0, 1 and 2, here, in JAX and in PyTorch: in units of the last place."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tests.checkers import differentiable
from tests.oracles.exact import exact, ulps
from tests.oracles.jax_peer import jax_functions
from tests.oracles.torch_peer import torch_functions
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS
from tinygrad_lite.core.elementwise_derivatives import TABLE

DTYPES = (np.float64, np.float32)
_EVERY = 8
"""Each eighth of the points is looked at."""

# ---- the points ------------------------------------------------------------------------------------------------------

_POWERS = 1.0837 * 10.0 ** np.arange(-12, 0, 0.75)
_NEAR_KINKS = [
    0.1, 0.2, 0.29, 0.2999, 0.3001, 0.31, 0.4, 0.45, 0.499, 0.501, 0.55, 0.7, 0.9, 1.1, 1.3, 1.6, 2.1, 2.7, 3.3, 4.2,
    5.1, 6.1, 8.2, 9.1, 11.3, 15.2, 18.1, 19.3, 20.3, 25.7, 26.4, 30.1, 36.4, 37.7, 45.1, 51.0, 64.3, 77.0, 86.9, 88.3,
    88.9, 95.0, 101.7, 103.3, 110.0, 149.7,
]  # fmt: skip
"""Where functions saturate, underflow or overflow in float32, and where the table changes its formula."""
_NEAR_KINKS_64 = [
    200.3, 300.1, 354.3, 360.2, 371.9, 400.7, 600.3, 700.2, 707.9, 709.2, 709.9, 720.3, 740.1, 744.9, 760.0, 800.3,
]  # fmt: skip
_EXTREMES = {
    np.float32: 1.37 * 10.0 ** np.array([-37.0, -30, -25, -19, -15, 4, 6, 10, 13, 15, 18.9, 19.5, 25, 30, 37]),
    np.float64: 1.37
    * 10.0 ** np.array([-300.0, -200, -160, -100, -40, -19, 5, 10, 20, 60, 90, 120, 150, 155, 165, 305]),
}
_SPARSE = {
    np.float32: np.array([1e-30, 1e-9, 1e-3, 0.31, 0.9, 3.3, 40.1, 1e4, 1.37e18, 2e19, 1e30]),
    np.float64: np.array([1e-200, 1e-9, 1e-3, 0.31, 0.9, 3.3, 40.1, 1e4, 1.37e18, 1e160, 1e200]),
}


def _rounded(numbers: Any, dtype: Any) -> Any:
    """Numbers of float32, in which both dtypes can be measured, but for what only float64 can hold."""
    with np.errstate(over="ignore", under="ignore"):
        short = np.asarray(numbers, np.float32)
    found = np.where(np.isfinite(short) & (abs(short) > 1e-37), short, numbers)
    return np.unique(found.astype(dtype))


def _line(dtype: Any) -> Any:
    more = _NEAR_KINKS_64 if dtype is np.float64 else []
    return _rounded(np.concatenate([_POWERS, _NEAR_KINKS, more, _EXTREMES[dtype]]), dtype)


def _real(dtype: Any) -> Any:
    m = _line(dtype)
    return np.concatenate([-m[::-1], m])


def _unit(dtype: Any) -> Any:
    m = _line(dtype)
    near = 1 - 2.0 ** -np.arange(2.0, np.finfo(dtype).nmant)
    m = np.unique(np.concatenate([m[m < 1], near])).astype(dtype)
    return np.concatenate([-m[::-1], m])


def _above_one(dtype: Any) -> Any:
    m = _line(dtype)
    near = 1 + 2.0 ** -np.arange(2.0, np.finfo(dtype).nmant)
    return np.unique(np.concatenate([m[m > 1], near])).astype(dtype)


def _above_minus_one(dtype: Any) -> Any:
    m = _real(dtype)
    return np.unique(np.concatenate([m[m > -1], -_unit(dtype)])).astype(dtype)


def _between_integers(dtype: Any) -> Any:
    """At integers sinc is 0, and all large numbers are integers."""
    x = _real(dtype)
    return x[(abs(x) > 1e-30) & (abs(x) < 1e5) & (x != np.rint(x))]


def _moderate(dtype: Any) -> Any:
    """Where mpmath can follow."""
    x = _real(dtype)
    return x[abs(x) < 40]


_DOMAINS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "cbrt"), _line),
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), _unit),
    **dict.fromkeys(("sinc", "sinc_slope"), _between_integers),
    **dict.fromkeys(("erf", "erfc", "gelu_erf", "gelu_tanh"), _moderate),
    "arccosh": _above_one,
    "log1p": _above_minus_one,
}
_PARAMETERS = {"leaky_relu": (0.01,), "elu": (0.75,)}


def _pairs(name: str, dtype: Any) -> list[Any]:
    m = _rounded(_SPARSE[dtype], dtype)
    both = np.concatenate([-m[::-1], m])
    if name == "mod":  # elsewhere it jumps
        pairs = list(itertools.product(np.linspace(1.1, 1.9, 9), np.linspace(0.97, 1.03, 5)))
    elif name == "pow":
        pairs = list(itertools.product(m, [-3.0, -1.7, -0.5, 0.3, 1.5, 2.2, 4.0]))
    elif name.startswith("logaddexp"):  # of differences without rounding
        apart = np.array([2.0**-20, 0.25, 1.5, 5, 19, 36, 64, 88, 103, 149, 200, 300, 700, 740, 1000, 1073])
        pairs = list(itertools.product([-700.5, -37.25, -3.0, 0.5, 10.25, 300.0], [*-apart, *apart]))
        pairs = [(x, x + d) for x, d in pairs if dtype is np.float64 or abs(d) < 200]
    else:
        pairs = list(itertools.product(both, both[1::2] * 1.0625))
        pairs += [(x, x * (1 + d)) for x in both for d in (-1e-3, 2.0**-20)]
        if name == "arctan2":  # nearer to the origin its derivatives overflow
            pairs = [(x, y) for x, y in pairs if abs(x) > 1e-15 and abs(y) > 1e-15]
    return [np.array(column).astype(dtype) for column in zip(*pairs, strict=True)]


@cache
def points(name: str, dtype: Any) -> list[Any]:
    """The operands of an op at the points that are looked at: of float32's numbers where they can be."""
    return [column[_EVERY // 2 :: _EVERY] for column in _all_points(name, dtype)]


def _all_points(name: str, dtype: Any) -> list[Any]:
    n = len(TABLE[name].operands)
    if name == "where":
        return [np.resize(x, 32) for x in ([True, False, False], np.array([1.5, -2.5], dtype), np.array([0.75], dtype))]
    if name == "clip":
        x = _real(dtype)
        return [x, np.full(len(x), -1.0, dtype), np.full(len(x), 1.0, dtype)]
    if n == 2 and name not in _PARAMETERS:
        return _pairs(name, dtype)
    x = _DOMAINS.get(name, _real)(dtype)
    return [x, *(np.full(len(x), parameter, dtype) for parameter in _PARAMETERS.get(name, ()))]


def truth(name: str, wrt: tuple[int, ...], at: Sequence[Any]) -> list[Any]:
    """A partial derivative at every point, in 20 digits."""
    columns = [column.astype(float).tolist() for column in at]
    return [exact(name, wrt, point) for point in zip(*columns, strict=True)]


# ---- who computes ----------------------------------------------------------------------------------------------------


def on_arrays(name: str, wrt: tuple[int, ...], at: Sequence[Any]) -> Any:
    """A partial derivative at all points as an array."""
    return np.asarray(_derived(FUNCTIONS[name], at, wrt))


def on_floats(name: str, wrt: tuple[int, ...], at: Sequence[Any]) -> Any:
    """A partial derivative at one point after another, on scalars."""
    columns = [column.tolist() for column in at]
    return np.array([_derived(FUNCTIONS[name], list(map(float, point)), wrt) for point in zip(*columns, strict=True)])


def _derived(function: Callable[..., Any], operands: Sequence[Any], wrt: tuple[int, ...]) -> Any:
    with np.errstate(all="ignore"):
        if not wrt:
            return function(*map(_constant, operands)).data
        *inner, last = wrt
        for k in inner:
            function = tg.grad(_total(function), k)
        return tg.grad(_total(function), last)(*operands)


def _constant(x: Any) -> Any:
    return x if getattr(x, "dtype", np.dtype(float)).kind == "b" else Value(x)


def _total(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: tg.sum(function(*operands))


def of_jax(function: Any, wrt: tuple[int, ...], at: Sequence[Any]) -> Any:
    """A partial derivative at all points by JAX, in reverse mode."""
    import jax

    operands = [jax.numpy.asarray(x) for x in at]

    def slope(f: Any, k: int) -> Any:
        def derivative(*xs: Any) -> Any:
            out, pull = jax.vjp(lambda x: f(*xs[:k], x, *xs[k + 1 :]), xs[k])
            return pull(jax.numpy.ones_like(out))[0]

        return derivative

    for k in wrt:
        function = slope(function, k)
    return np.asarray(function(*operands))


def of_torch(function: Any, wrt: tuple[int, ...], at: Sequence[Any]) -> Any:
    """A partial derivative at all points by PyTorch."""
    import torch

    operands = [torch.tensor(x, requires_grad=k in wrt) for k, x in enumerate(at)]
    out = function(*operands)
    for k in wrt:
        if not out.requires_grad:
            return np.zeros(tuple(out.shape))
        (out,) = torch.autograd.grad(
            out.sum(), operands[k], create_graph=True, allow_unused=True, materialize_grads=True
        )
    return out.detach().numpy(force=True)


LACKS = {"JAX": {"sech2", "sinc_slope"}, "PyTorch": {"cbrt", "sech2", "sinc_slope"}}
"""The ops that a peer has as a derivative or as a composition only."""


def peers() -> dict[str, dict[str, Any]]:
    """The functions of JAX and of PyTorch by our names, of those of the two that are installed."""
    found = {}
    if importlib.util.find_spec("jax") is not None:
        import jax

        jax.config.update("jax_enable_x64", True)
        found["JAX"] = jax_functions(jax)
    if importlib.util.find_spec("torch") is not None:
        import torch

        own = torch.nn.functional
        found["PyTorch"] = torch_functions(torch) | {
            "elu": lambda x, alpha: own.elu(x, float(alpha[0])),
            "leaky_relu": lambda x, slope: own.leaky_relu(x, float(slope[0])),
        }
    return {who: {name: f for name, f in all_.items() if name not in LACKS[who]} for who, all_ in found.items()}


# ---- what came out ---------------------------------------------------------------------------------------------------


def entry(name: str, dtype: Any, wrt: tuple[int, ...]) -> str:
    """The key of a partial derivative in accuracy.json: op, dtype, order and operands.

    >>> entry("mul", np.float64, (0, 1))
    'mul float64 2 01'
    """
    return f"{name} {np.dtype(dtype)} {len(wrt)} {''.join(map(str, wrt))}".rstrip()


@dataclass
class Measured:
    """The errors of one partial derivative at every point, by who computed it: "arrays" and "floats" are ours."""

    name: str
    wrt: tuple[int, ...]
    at: Sequence[Any]
    errors: dict[str, Any]

    def worst(self, who: str) -> float:
        """The largest error; NaN for somebody who lacks the op."""
        return float(np.max(self.errors[who])) if who in self.errors else float("nan")

    def beyond(self, limit: Any) -> Iterator[str]:
        """The points at which an error of ours is larger than ``limit``, each with everybody's error.

        What half a unit in the last place of an operand changes is allowed besides.
        """
        for who in ("arrays", "floats"):
            if who not in self.errors:
                continue
            for k in np.flatnonzero(~(self.errors[who] <= limit)):
                point = tuple(float(column[k]) for column in self.at)
                allowed = np.broadcast_to(limit, self.errors[who].shape)[k] * (
                    1 + _condition(self.name, self.wrt, point)
                )
                if not self.errors[who][k] <= allowed:
                    found = {whose: float(f"{e[k]:.3g}") for whose, e in self.errors.items()}
                    where = f"{self.name}{list(self.wrt)} at {point} in {self.at[-1].dtype}"
                    yield f"{where}: {found}, allowed {allowed:.3g}"

    def beaten(self, slack: float) -> Iterator[str]:
        """The points at which ours is more than ten times as far off as the better peer, and ``slack`` units more."""
        peers = [self.errors[who] for who in LACKS if who in self.errors]
        if peers:
            yield from self.beyond(10 * np.fmin.reduce(peers) + slack)


def _condition(name: str, wrt: tuple[int, ...], point: tuple[float, ...]) -> float:
    """By how many units in its last place a derivative changes when operands change by one in theirs."""
    here = exact(name, wrt, point)
    changes = [abs(exact(name, (*wrt, k), point) * x) for k, x in enumerate(point) if k in differentiable(OPS[name])]
    return float(sum(changes) / abs(here)) if here else 0.0


def measured(name: str, dtype: Any, order: int, peers: dict[str, dict[str, Any]]) -> Iterator[Measured]:
    """Every partial derivative of an order. ``peers`` has the functions of JAX and of PyTorch, those that are there."""
    at = points(name, dtype)
    for wrt in itertools.combinations_with_replacement(differentiable(OPS[name]), order):
        found = {"arrays": on_arrays(name, wrt, at)}
        if dtype is np.float64:
            found["floats"] = on_floats(name, wrt, at)
        for who, functions in peers.items():
            if name in functions:
                found[who] = (of_jax if who == "JAX" else of_torch)(functions[name], wrt, at)
        exactly = truth(name, wrt, at)
        errors = {
            who: np.array([ulps(a, b, dtype) for a, b in zip(x, exactly, strict=True)]) for who, x in found.items()
        }
        yield Measured(name, wrt, at, errors)
