"""The checks of derivatives that several tests run, and that are themselves shown to fail on planted faults.

Each raises ``AssertionError``, whose text names the op and what was wrong.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.oracles.differences import complex_step, slope, unbroadcast
from tests.oracles.formulas import FORMULAS, NEEDS_SCIPY, NOT_DIFFERENTIABLE, special
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import Elementwise, _generated
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.sweeps import reverse
from tinygrad_lite.semirings import GRADIENT

SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((),), ((1,),), ((3,),), ((2, 3),), ((0,),), ((2, 0),)],
    2: [
        ((), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (3,)), ((2, 1, 2), (1, 3, 1)), ((), (2, 2)),
        ((3,), ()), ((1,), (1,)), ((1,), ()), ((0,), (0,)), ((0,), (1,)), ((), (0,)), ((2, 0), (2, 1)),
    ],
    3: [
        ((), (), ()), ((3,), (3,), (3,)), ((2, 3), (3,), (2, 1)), ((2, 1), (), (3,)), ((), (2, 2), ()), ((0,),
        (1,), ()),
    ],
}  # fmt: skip
"""Shapes of the operands: scalars, vectors, matrices, axes stretched on either side, nothing at all."""

TOLERANCE = {np.float64: 1e-9, np.float32: 3e-5}


@contextlib.contextmanager
def blaming(who: str) -> Iterator[None]:
    """Whatever is found wrong inside, with the name of the op in front."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{who}: {error}") from None


def close(actual: Any, expected: Any, rtol: float, what: str) -> None:
    """Close relative to the largest number that is expected."""
    assert np.shape(actual) == np.shape(expected), f"{what} has shape {np.shape(actual)}, not {np.shape(expected)}"
    scale = np.max(np.abs(expected), initial=1.0)
    assert_allclose(np.asarray(actual, dtype=float), expected, rtol=rtol, atol=rtol * scale, err_msg=what)


def arrays_of(things: Iterable[Any]) -> list[Any]:
    return [x for x in things if isinstance(x, np.ndarray)]


def nothing_shared(things: Sequence[Any]) -> None:
    for a, b in itertools.combinations(arrays_of(things), 2):
        assert not np.shares_memory(a, b), "a gradient shares its memory with another array"


def untouched(now: Sequence[Any], before: Sequence[Any]) -> None:
    for a, b in zip(now, before, strict=True):
        assert np.array_equal(a, b), "an operand was changed in place"


# ---- one line of the table -------------------------------------------------------------------------------------------


def sampled(op: Elementwise, shapes: Sequence[tuple[int, ...]], dtype: type, rng: np.random.Generator) -> list[Any]:
    """Operands in the op's domain: a float, or an array of the dtype; a condition is of booleans."""
    operands: list[Any] = []
    for name, (low, high), shape in zip(op.rule.operands, op.rule.domain, shapes, strict=True):
        x: Any = rng.uniform(low, high, shape)
        if name == "condition":
            x = x > 0
            operands.append(x if shape else float(x))
        else:
            operands.append(x.astype(dtype) if shape else float(x))
    return operands


def at_a_point(name: str, form: str) -> list[Any]:
    """Operands in the domain of a line: floats, or in the form ``array`` arrays of two. It skips without SciPy."""
    if form == "array" and name in NEEDS_SCIPY:
        pytest.importorskip("scipy")
    point = [low + 0.3 * (high - low) for low, high in TABLE[name].domain]
    return point if form == "float" else [np.full(2, x) for x in point]


def differentiable(op: Elementwise) -> list[int]:
    return [k for k in range(len(op.rule.operands)) if (op.name, k) not in NOT_DIFFERENTIABLE]


def check_elementwise(op: Elementwise, rng: np.random.Generator) -> None:
    """An op made of one line: its value and all its local derivatives, on floats, arrays and Values, against the
    formula written a second time and its complex step."""
    function = _generated(op)
    for dtype, shapes in itertools.product((np.float64, np.float32), SHAPES[len(op.rule.operands)]):
        if op.name in NEEDS_SCIPY and special is None and any(shapes):
            continue
        operands = sampled(op, shapes, dtype, rng)
        with blaming(f"{op.name} of shapes {shapes}, {dtype.__name__}"):
            _check_at(op, function, operands, dtype, rng)


def _check_at(op: Elementwise, function: Callable[..., Any], operands: list[Any], dtype: type, rng: Any) -> None:
    exact = [np.asarray(x, dtype=bool if x_name == "condition" else float)
             for x, x_name in zip(operands, op.rule.operands, strict=True)]  # fmt: skip
    out_shape = np.broadcast_shapes(*map(np.shape, exact))
    rtol = TOLERANCE[dtype] if out_shape else TOLERANCE[np.float64]
    expected = np.asarray(FORMULAS[op.name](*exact))
    slopes = {k: np.broadcast_to(complex_step(FORMULAS[op.name], exact, k), out_shape) for k in differentiable(op)}
    cotangent = rng.standard_normal(out_shape).astype(dtype) if out_shape else float(rng.standard_normal())
    gradients = {k: unbroadcast(cotangent * d, np.shape(exact[k])) for k, d in slopes.items()}
    for live in [set(slopes), *({k} for k in slopes)]:
        before = [np.copy(x) for x in operands]
        values = [Value(x) if k in live else x for k, x in enumerate(operands)]
        out = function(*values)
        close(out.data, expected, rtol, "the value")
        if (
            any(np.shape(operands[k]) for k in slopes) or not out_shape
        ):  # an array in a mere parameter may widen the rest
            assert out.dtype == (dtype if out_shape else np.float64), f"the value has dtype {out.dtype}"
        out.backward(cotangent)
        for k in live:
            close(values[k].grad, gradients[k], 10 * rtol, f"the gradient of operand {k}")
            assert type(values[k].grad) is float or values[k].grad.dtype == dtype, f"gradient {k} has another dtype"
            close(
                reverse(out, GRADIENT, cotangent)[values[k]], gradients[k], 10 * rtol, f"the gradient {k} by the chain"
            )
        untouched(operands, before)
        nothing_shared([*operands, cotangent, *(values[k].data for k in live), *(values[k].grad for k in live)])
    # The same derivatives element by element on floats, on arrays, and as Values.
    recorded = function(*(Value(x) if k in slopes else Value(x, requires_grad=False) for k, x in enumerate(operands)))
    for k, d in slopes.items():
        if out_shape:
            weight = weight_of(op, k, operands, recorded.data)
            close(np.broadcast_to(weight, out_shape), d, rtol, f"the derivative {k} on arrays")
        weight = weight_of(op, k, recorded.parents, recorded)
        close(np.broadcast_to(getattr(weight, "data", weight), out_shape), d, rtol, f"the derivative {k} as a Value")
        if dtype is np.float64:
            stretched = [np.broadcast_to(x, out_shape) for x in operands]
            for index in np.ndindex(out_shape):
                at = tuple(float(x[index]) for x in stretched)
                out = op.forward(*at)
                close(out, expected[index], 1e-13, "the value on floats")
                close(op.local(k, at, out), d[index], rtol, f"the derivative {k} on floats")


def weight_of(op: Elementwise, k: int, operands: Sequence[Any], out: Any) -> Any:
    """The weight of the Scale in a chain; 1 where there is none."""
    with np.errstate(all="ignore"):
        return next((m.weight for m in op.chain(k, operands, out) if hasattr(m, "weight")), 1.0)


# ---- any function ----------------------------------------------------------------------------------------------------


def check_function(
    ours: Callable[..., Any], reference: Callable[..., Any], arrays: Sequence[Any], rng: np.random.Generator, name: str
) -> None:
    """Value against a reference, gradients against its differences in a random direction, in float64 and float32."""
    with blaming(name):
        expected = np.asarray(reference(*arrays))
        before = [np.copy(x) for x in arrays]
        cotangent = rng.standard_normal(expected.shape)
        directions = [rng.standard_normal(np.shape(x)) for x in arrays]

        def along(k: int) -> float:
            def f(t: float) -> float:
                moved = [x + t * directions[k] if j == k else x for j, x in enumerate(arrays)]
                return float(np.sum(cotangent * reference(*moved)))

            return float(slope(f))

        slopes = [along(k) for k in range(len(arrays))]
        size = 1.0 + float(np.sum(np.abs(cotangent)))
        for live in [set(range(len(arrays))), *({k} for k in range(len(arrays)) if len(arrays) > 1)]:
            values = [Value(x) if k in live else x for k, x in enumerate(arrays)]
            out = ours(*values)
            assert isinstance(out, Value), "the result is not a Value"
            close(out.data, expected, 1e-12, "the value")
            out.backward(cotangent)
            by_chains = reverse(out, GRADIENT, cotangent)
            for k in live:
                for grad, how in ((values[k].grad, "backward"), (by_chains.get(values[k]), "its chain")):
                    assert grad is not None or not slopes[k], f"no gradient reached operand {k}"
                    grad = np.zeros(np.shape(arrays[k])) if grad is None else grad
                    assert np.shape(grad) == np.shape(arrays[k]), f"gradient {k} has shape {np.shape(grad)}"
                    found = float(np.sum(grad * directions[k]))
                    assert abs(found - slopes[k]) <= 1e-8 * (size + abs(slopes[k])), (
                        f"the gradient of operand {k} by {how} is {found!r}, by differences {slopes[k]!r}"
                    )
            grads = [values[k].grad for k in live]
            untouched(arrays, before)
            nothing_shared([*arrays, cotangent, *(values[k].data for k in live), *grads])
            once = [np.copy(g) for g in grads if g is not None]
            out.backward(cotangent)
            for k, first in zip([k for k in live if values[k].has_grad], once, strict=True):
                assert np.array_equal(values[k].grad, 2 * first), "a second backward does not give exactly twice"
        _check_float32(ours, arrays, values_and_gradients(ours, arrays, cotangent), cotangent)


def values_and_gradients(ours: Callable[..., Any], arrays: Sequence[Any], cotangent: Any) -> list[Any]:
    values = [Value(x) for x in arrays]
    out = ours(*values)
    out.backward(cotangent)
    return [out.data, *(v.grad for v in values)]


def _check_float32(ours: Callable[..., Any], arrays: Sequence[Any], expected: list[Any], cotangent: Any) -> None:
    single = [x.astype(np.float32) if isinstance(x, np.ndarray) else x for x in arrays]
    if not all(isinstance(x, np.ndarray) for x in arrays):
        return
    for found, double in zip(values_and_gradients(ours, single, cotangent), expected, strict=True):
        if found is None or type(found) is float:
            continue
        assert found.dtype == np.float32, f"float32 became {found.dtype}"
        close(found, double, 2e-4, "in float32 the result")


def directions(arrays: list[Any], rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal(np.shape(x)) if np.shape(x) else rng.normal() for x in arrays]


def bent(out: Any, weight: Any) -> Any:
    """A scalar of any result, with derivatives of all orders even where the result has none."""
    return tg.sum(weight * tg.sin(out)) if np.shape(weight) else weight * tg.sin(out)


# ---- higher orders ---------------------------------------------------------------------------------------------------


MODES: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "reverse": tg.grad,
    "forward": lambda f: lambda t: tg.jvp(f, (t,), (1.0,))[1],
}


def assert_orders(along: Callable[[Any], Any], highest: int, name: str) -> None:
    """The derivatives of a function of one number in every nesting of modes, each against differences of the last."""
    functions = {name: along}
    for _ in range(highest):
        derived = {}
        for nesting, f in functions.items():
            expected = slope(lambda t, f=f: float(f(t)))
            for mode, transform in MODES.items():
                derived[f"{mode} over {nesting}"] = transform(f)
                found = transform(f)(0.0)
                assert type(found) is float
                with blaming(f"{mode} over {nesting}"):
                    assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * (1 + abs(expected)))
        functions = derived
