"""NumPy's own functions and ufuncs on Values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES
from tests.checkers import assert_orders, bent, check_function, directions
from tests.numpy_calls import BY_DIFFERENCES, NEW, named
from tests.oracles.jax_peer import assert_like_jax
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.errors import ArgumentError, ShapeError, ValueTypeError
from tinygrad_lite.ops.numpy_dispatch import NUMPY_FUNCTIONS, UFUNCS

UNARY = [ufunc for ufunc in UFUNCS if ufunc.nin == 1]
BINARY = [ufunc for ufunc in UFUNCS if ufunc.nin == 2 and ufunc.__name__ not in ("matvec", "vecmat")]


def domain(ufunc: np.ufunc) -> tuple[tuple[float, float], ...]:
    name = ufunc.__name__.removeprefix("float_")
    return next((r.domain for r in TABLE.values() if r.ufunc == name), ((-2.0, 2.0),) * ufunc.nin)


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda f: f.__name__)
def test_unary_ufuncs(ufunc: np.ufunc, rng: np.random.Generator) -> None:
    x = rng.uniform(*domain(ufunc)[0], (2, 3))
    check_function(ufunc, ufunc, [x], rng, ufunc.__name__)
    assert type(ufunc(Value(0.5)).data) is float


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
def test_binary_ufuncs(ufunc: np.ufunc, rng: np.random.Generator) -> None:
    (low, high), (low2, high2) = domain(ufunc)
    check_function(
        ufunc, ufunc, [rng.uniform(low, high, (2, 3)), rng.uniform(low2, high2, (3, 3)[-1:])], rng, ufunc.__name__
    )
    x, y = rng.uniform(low, high, 3), rng.uniform(low2, high2, 3)
    for a, b in ((Value(x), y), (x, Value(y)), (Value(x), Value(y))):
        assert type(ufunc(a, b)) is Value
        assert_allclose(ufunc(a, b).data, ufunc(x, y))


def test_the_table_names_its_ufuncs() -> None:
    assert {f.__name__ for f in UFUNCS} >= {rule.ufunc for rule in TABLE.values() if rule.ufunc}


X = (2, 3)
# Every function of NumPy's that works, and calls of it as NumPy's users write them.
CALLS: dict[Any, list[tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]]] = {
    np.sum: [
        (np.sum, (X,)), (lambda x: np.sum(x, 0), (X,)), (lambda x: np.sum(x, axis=(0, 1)), (X,)),
        (lambda x: np.sum(x, axis=1, keepdims=True), (X,)), (lambda x: np.sum(a=x, axis=1), (X,)),
        (np.add.reduce, (X,)),
        (lambda x: np.add.reduce(x, axis=1), (X,)), (lambda x: np.add.reduce(x, axis=None), (X,)),
    ],
    np.mean: [(np.mean, (X,)), (lambda x: np.mean(x, axis=1), (X,))],
    np.amax: [(lambda x: np.amax(x, axis=1), (X,))],
    np.amin: [(lambda x: np.amin(x, axis=0, keepdims=True), (X,))],
    np.max: [(np.max, (X,)), (lambda x: np.max(x, axis=1), (X,)), (lambda x: np.maximum.reduce(x, axis=1), (X,))],
    np.min: [(np.min, (X,)), (lambda x: np.min(x, axis=0, keepdims=True), (X,)), (np.minimum.reduce, (X,))],
    np.prod: [(np.prod, (X,)), (lambda x: np.prod(x, axis=-1), (X,)), (np.multiply.reduce, (X,))],
    np.var: [(np.var, (X,)), (lambda x: np.var(x, axis=1, ddof=1), (X,))],
    np.std: [(np.std, (X,)), (lambda x: np.std(x, axis=1, keepdims=True), (X,))],
    np.cumsum: [(np.cumsum, (X,)), (lambda x: np.cumsum(x, axis=1), (X,))],
    np.dot: [(np.dot, (X, (3,))), (np.dot, (X, (3, 2)))],
    np.outer: [(np.outer, ((2,), (3,)))],
    np.tensordot: [(lambda x, y: np.tensordot(x, y, axes=([1], [0])), (X, (3, 2))),
        (lambda x, y: np.tensordot(x, y, 1), (X, (3,)))],
    np.einsum: [(lambda x, y: np.einsum("ij,j->i", x, y), (X, (3,))), (lambda x: np.einsum("ij->ji", x), (X,))],
    np.reshape: [
        (lambda x: np.reshape(x, (3, 2)), (X,)), (lambda x: np.reshape(x, -1), (X,)),
        (lambda x: np.reshape(x, shape=(6,)), (X,)),
        (lambda x: np.reshape(x, (6,), order="C"), (X,)),
    ],
    np.ravel: [(np.ravel, (X,)), (lambda x: np.ravel(x, order="C"), (X,))],
    np.transpose: [
        (np.transpose, (X,)), (lambda x: np.transpose(x, (1, 0)), (X,)), (lambda x: np.transpose(x, axes=(1, 0)), (X,)),
        (lambda x: np.transpose(x, axes=None), (X,)),
    ],
    np.swapaxes: [(lambda x: np.swapaxes(x, 0, 1), (X,)), (lambda x: np.swapaxes(x, axis1=0, axis2=1), (X,))],
    np.moveaxis: [(lambda x: np.moveaxis(x, 0, -1), (X,)), (lambda x: np.moveaxis(x, source=0, destination=1), (X,))],
    np.expand_dims: [(lambda x: np.expand_dims(x, 1), (X,)), (lambda x: np.expand_dims(x, axis=(0, 2)), (X,))],
    np.squeeze: [(np.squeeze, ((1, 3),)), (lambda x: np.squeeze(x, axis=0), ((1, 3),))],
    np.broadcast_to: [(lambda x: np.broadcast_to(x, (2, 3)), ((3,),)),
        (lambda x: np.broadcast_to(x, shape=(2, 3)), ((3,),))],
    np.concatenate: [
        (lambda x, y: np.concatenate([x, y]), (X, X)), (lambda x, y: np.concatenate((x, y), axis=1), (X, X)),
        (lambda x, y: np.concatenate([x, y], axis=None), (X, (2,))),
    ],
    np.stack: [(lambda x, y: np.stack([x, y]), (X, X)), (lambda x, y: np.stack((x, y), axis=-1), (X, X))],
    np.split: [
        (lambda x: np.split(x, 3, axis=1)[1], (X,)), (lambda x: np.split(x, indices_or_sections=[1], axis=1)[1], (X,)),
        (lambda x: np.split(x, 2)[0], (X,)),
    ],
    np.take: [(lambda x: np.take(x, [0, 0, 5]), (X,)), (lambda x: np.take(x, [0, 2], axis=1), (X,))],
    np.pad: [(lambda x: np.pad(x, 1), (X,)), (lambda x: np.pad(x, ((0, 1), (2, 0)), mode="edge"), (X,))],
    np.flip: [(np.flip, (X,)), (lambda x: np.flip(x, axis=0), (X,))],
    np.roll: [(lambda x: np.roll(x, 2), (X,)), (lambda x: np.roll(x, shift=1, axis=1), (X,))],
    np.repeat: [(lambda x: np.repeat(x, 2, axis=0), (X,)), (lambda x: np.repeat(x, repeats=2), (X,))],
    np.tile: [(lambda x: np.tile(x, (2, 1)), (X,)), (lambda x: np.tile(x, reps=2), (X,))],
    np.diag: [(np.diag, (X,)), (lambda x: np.diag(x, k=1), (X,)), (np.diag, ((3,),))],
    np.trace: [(np.trace, (X,)), (lambda x: np.trace(x, offset=1), (X,))],
    np.tril: [(np.tril, (X,)), (lambda x: np.tril(x, k=1), (X,))],
    np.triu: [(np.triu, (X,)), (lambda x: np.triu(x, -1), (X,))],
    np.clip: [
        (lambda x: np.clip(x, -0.5, 0.5), (X,)), (lambda x: np.clip(x, a_min=-0.5, a_max=0.5), (X,)),
        (lambda x: np.clip(x, -0.5, None), (X,)), (lambda x: np.clip(x, min=-0.5), (X,)),
        (lambda x: np.clip(x, None, 0.25), (X,)),
    ],
    np.where: [(lambda x, y: np.where(np.array([True, False, True]), x, y), (X, X)),
        (lambda x: np.where(x > 0, x, 0.0), (X,))],
    np.linalg.norm: [
        (np.linalg.norm, (X,)), (lambda x: np.linalg.norm(x, axis=1), (X,)), (lambda x: np.linalg.norm(x, 2, 1), (X,)),
        (lambda x: np.linalg.norm(x, "fro"), (X,)), (lambda x: np.linalg.norm(x, ord=2), ((3,),)),
    ],
    np.linalg.outer: [(np.linalg.outer, ((2,), (3,)))],
    np.linalg.matmul: [(np.linalg.matmul, (X, (3, 2)))],
    np.linalg.trace: [(np.linalg.trace, (X,))],
    np.matrix_transpose: [(np.matrix_transpose, ((2, 1, 3),))],
}  # fmt: skip
CALLS |= {
    named(np, name): CALLS.get(named(np, name), []) + [(partial(call, np), shapes) for call, shapes in calls]
    for name, calls in NEW.items()
    if name != "astype" or hasattr(np, "astype")
}
CALLS |= {
    f: [(partial(example.call, f), example.shapes) for example in CASES if example.name == ours.__name__]
    for f, ours in NUMPY_FUNCTIONS.items()
    if f not in CALLS and ours.__name__ in {example.name for example in CASES}
}
EXAMPLES = [(f.__name__, call, shapes) for f, calls in CALLS.items() for call, shapes in calls]


def test_every_function_has_an_example() -> None:
    assert set(CALLS) == set(NUMPY_FUNCTIONS)


@pytest.mark.parametrize(("name", "call", "shapes"), EXAMPLES)
def test_function(name: str, call: Callable[..., Any], shapes: Any, rng: np.random.Generator) -> None:
    arrays = [rng.standard_normal(shape) for shape in shapes]
    check_function(call, call, arrays, rng, name)


@pytest.mark.parametrize("name", sorted(BY_DIFFERENCES))
def test_function_to_order_2(name: str, rng: np.random.Generator) -> None:
    for call, shapes in NEW[name]:
        arrays = [rng.standard_normal(shape) for shape in shapes]
        weight = rng.standard_normal(np.shape(call(np, *arrays)))
        assert_orders(partial(_along, call, arrays, directions(arrays, rng), weight), 2, name)


def _along(call: Callable[..., Any], arrays: list[Any], steps: list[Any], weight: Any, t: Any) -> Any:
    return bent(call(np, *(x + t * v for x, v in zip(arrays, steps, strict=True))), weight)


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", [name for name in NEW if name not in BY_DIFFERENCES])
def test_function_like_jax(name: str, rng: np.random.Generator) -> None:
    """Orders 1 and 2, in every nesting of modes."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    call, shapes = NEW[name][0]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    weight = rng.standard_normal(np.shape(call(np, *arrays)))
    assert_like_jax(
        jax,
        lambda *xs: bent(call(np, *xs), weight),
        lambda *xs: jax.numpy.sum(weight * jax.numpy.sin(call(jax.numpy, *xs))),
        arrays,
        directions(arrays, rng),
    )


def test_other_ways_to_the_same() -> None:
    x, y = Value([1.0, 2.0]), np.array([3.0, 4.0])
    assert_array_equal(np.multiply.outer(x, y).data, np.multiply.outer(x.data, y))
    assert_array_equal(np.positive(x).data, x.data)
    assert_array_equal(np.vecdot(x, y).data if np.vecdot in UFUNCS else 11.0, 11.0)
    assert np.multiply(x, y, dtype=None, casting="same_kind").shape == (2,)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (np.isfinite, [True, True]), (np.sign, None), (np.argmax, 1), (np.argmin, 0), (np.argsort, [0, 1]),
        (np.shape, (2,)),
        (np.ndim, 1), (np.size, 2), (np.all, True), (np.any, True), (np.count_nonzero, 2), (np.zeros_like, [0.0, 0.0]),
        (np.ones_like, [1.0, 1.0]), (lambda x: np.allclose(x, [1.0, 2.0]), True),
        (lambda x: np.array_equal(x, x), True),
        (lambda x: np.isclose(x, 1.0), [True, False]), (lambda x: np.greater(x, 1.5), [False, True]),
        (lambda x: np.less(1.5, x), [False, True]), (lambda x: np.equal(x, x), [True, True]),
        (np.isnan, [False, False]),
        (lambda x: np.logical_and(x > 0, x), [True, True]), (lambda x: np.full_like(x, 3.0), [3.0, 3.0]),
        (lambda x: np.argmax(x, axis=0), 1), (lambda x: np.array2string(x), "[1. 2.]"),
    ],
)  # fmt: skip
def test_questions_about_the_data_have_plain_answers(call: Callable[..., Any], expected: Any) -> None:
    answer = call(Value([1.0, 2.0]))
    if expected is not None:
        assert not isinstance(answer, Value)
        assert_array_equal(answer, expected)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (np.spacing, "spacing"), (lambda x: np.fmod(x, 2.0), "fmod"), (lambda x: np.ldexp(x, 2), "ldexp"),
        (lambda x: np.add.reduceat(x, [0]), r"add\.reduceat"), (np.subtract.accumulate, r"subtract\.accumulate"),
        (np.unique, "unique"), (lambda x: np.histogram_bin_edges(x), "histogram_bin_edges"),
        (lambda x: np.add.at(np.zeros(2), [0], x[:1]), r"add\.at"),
        (lambda x: np.histogram(x), "histogram"),
    ],
)  # fmt: skip
def test_what_has_no_derivative_here_is_refused(call: Callable[..., Any], name: str) -> None:
    with pytest.raises(ValueTypeError, match=rf"^{name}: no derivative is known for it.*compose it of ops.*\.data"):
        call(Value([1.0, 2.0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.add(x, 1.0, where=np.array([True, False])),
        lambda x: np.add(x, 1.0, dtype=np.float32),
        lambda x: np.sum(x, dtype=np.float32),
        lambda x: np.sum(x, 0, np.float32),
        lambda x: np.cumsum(x, None, np.float32),
        lambda x: np.quantile(x, 0.5, weights=x),
        lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0], period=3.0),
        lambda x: np.pad(x, 1, stat_length=2),
        lambda x: np.linalg.svd(np.outer(x, x), hermitian=True),
        lambda x: np.where(x),
        lambda x: np.concatenate([x, x], dtype=np.float32),
    ],
)
def test_arguments_that_are_not_supported_are_refused(call: Callable[..., Any]) -> None:
    with pytest.raises(ValueTypeError, match=r"^\w+: .*(\.data|compose)"):
        call(Value([1.0, 2.0]))


def test_errors_in_numpy_s_functions_are_ours() -> None:
    x = Value(np.ones((2, 3)), name="x")
    with pytest.raises(ArgumentError, match=r"sum: axis=2 does not fit 'x' \(of shape \(2, 3\)\)"):
        np.sum(x, axis=2)
    with pytest.raises(ShapeError, match=r"add: the shapes \(2, 3\) and \(2,\) do not go together, of 'x'"):
        np.add(x, np.ones(2))
    with pytest.raises(ShapeError, match=r"concatenate: the shapes \(2, 3\) and \(2, 2\)"):
        np.concatenate([x, np.ones((2, 2))])


def test_arrays_of_arrays_with_values(rng: np.random.Generator) -> None:
    x = Value(rng.standard_normal(3), name="x")
    out = np.concatenate([np.ones(2), x, [1.0]])
    assert type(out) is Value
    np.stack([np.zeros(3), x]).sum().backward()
    assert_array_equal(x.grad, np.ones(3))
    assert type(np.where(np.array([True, False, True]), 1.0, x)) is Value
    assert type(np.dot(np.ones((2, 3)), x)) is Value
    assert type(tg.stack([Value(1.0), 2.0])) is Value
