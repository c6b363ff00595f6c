"""Value: what it takes and refuses, operators, and how it behaves among Python's own things."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tinygrad_lite import Value
from tinygrad_lite.errors import GraphError, IndexRangeError, ShapeError, ValueTypeError
from tinygrad_lite.ops.methods import METHODS

# ---- what it takes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (2.0, 2.0), (2, 2.0), (True, 1.0), (np.float64(2.0), 2.0), (np.float32(0.5), 0.5), (np.int8(3), 3.0),
        (np.bool_(True), 1.0),
        (np.array(2.0), 2.0), (np.array(2), 2.0), (np.array(0.5, dtype=np.float32), 0.5), (-0.0, -0.0),
        (math.inf, math.inf),
    ],
)  # fmt: skip
def test_scalars_are_python_floats(given: Any, kept: float) -> None:
    for value in (Value(given), Value(given, requires_grad=False)):
        assert type(value.data) is float
        assert value.data == kept
        assert math.copysign(1.0, value.data) == math.copysign(1.0, kept)
        assert value.shape == ()
        assert (value.ndim, value.size, value.dtype) == (0, 1, np.float64)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([1, 2], np.float64), ((1.0, 2.0), np.float64), (np.array([1, 2]), np.float64),
        (np.array([True, False]), np.float64),
        (np.array([1, 2], dtype=np.uint8), np.float64), (np.ones(2, dtype=np.float32), np.float32), ([], np.float64),
        (np.ones(2, dtype=np.float16), np.float16), ([[1], [2]], np.float64),
        ([np.float32(1), np.float32(2)], np.float32),
        ([np.array([1.0]), np.array([2.0])], np.float64), (np.ones((2, 0)), np.float64),
    ],
)  # fmt: skip
def test_arrays_keep_their_dtype_and_integers_become_floats(given: Any, dtype: type) -> None:
    value = Value(given)
    assert isinstance(value.data, np.ndarray)
    assert value.dtype == dtype
    assert_array_equal(value.data, given)
    assert value.shape == np.shape(given)


def test_a_constant_keeps_integers() -> None:
    labels = Value(np.array([2, 0, 1]), name="t", requires_grad=False)
    assert labels.dtype.kind == "i"
    assert_array_equal(np.eye(3)[labels.data], np.eye(3)[[2, 0, 1]])
    mask = Value(np.array([True, False]), requires_grad=False)
    assert mask.dtype == bool
    assert (mask * Value(np.ones(2, dtype=np.float32))).dtype == np.float32


def test_a_parameter_owns_its_array() -> None:
    array = np.ones(3)
    value = Value(array)
    array[0] = 9.0
    assert_array_equal(value.data, [1.0, 1.0, 1.0])
    assert not np.shares_memory(Value(array).data, array)
    assert not np.shares_memory(Value(array[::2]).data, array)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("2.0", r"Value: needs a number or an array of numbers, got str; convert it first"),
        (None, r"Value: needs a number or an array of numbers, got NoneType"),
        ({1.0}, r"got set; convert it first"),
        ({"a": 1.0}, r"got dict; convert it first"),
        (object(), r"got object; convert it first"),
        (1j, r"Value: (needs a number.*got complex|complex numbers are not supported)"),
        (np.array([1j]), r"Value: complex numbers are not supported; pass the real and the imaginary part separately"),
        (["a", "b"], r"Value: needs numbers, got an array of dtype <U1; convert it"),
        (np.array(["a"]), r"got an array of dtype <U1; convert it, for example with \.astype\(float\)"),
        (np.array([object()]), r"got an array of dtype object; convert it"),
        ([1.0, None], r"got an array of dtype object; convert it"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), r"got an array of dtype datetime64\[D\]"),
        (np.complex128(1j), r"Value: complex numbers are not supported"),
    ],
)
def test_refused_types(given: Any, message: str) -> None:
    with pytest.raises(ValueTypeError, match=message):
        Value(given)
    with pytest.raises(ValueTypeError, match=message):
        Value(given, requires_grad=False)


def test_refused_lists() -> None:
    with pytest.raises(
        ShapeError, match=r"Value: the lists are not of equal lengths; an array needs rows of the same len"
    ):
        Value([[1.0, 2.0], [3.0]])
    with pytest.raises(ValueTypeError, match=r"Value: got a list of Values; join them with tinygrad_lite\.stack"):
        Value([Value(1.0), Value(2.0)])
    with pytest.raises(ValueTypeError, match=r"stack"):
        Value([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    with pytest.raises(
        ValueTypeError, match=r"Value: got 'a' \(2\), which is a Value already; use it as it is, or \.detach"
    ):
        Value(Value(2.0, name="a"))


def test_refused_names() -> None:
    with pytest.raises(ValueTypeError, match=r"Value: a name is text, got int; pass name=str"):
        Value(1.0, name=3)  # type: ignore[arg-type]
    for name in ("", 'quotes " and \\', "new\nline", "<b>", "θ̂ 参数"):
        assert Value(1.0, name=name).name == name


def test_subclasses_are_refused() -> None:
    """The engine compares types: a subclass would silently get no gradient."""
    with pytest.raises(ValueTypeError, match=r"Parameter: Value cannot be subclassed"):
        type("Parameter", (Value,), {})


def test_there_is_no_room_for_other_attributes() -> None:
    with pytest.raises(AttributeError, match="weight"):
        Value(1.0).weight = 2.0  # type: ignore[attr-defined]


# ---- operators -------------------------------------------------------------------------------------------------------

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
PAIRS: list[tuple[Any, Any]] = [
    (2.5, 1.5),
    (np.array([0.5, 2.0]), 1.5),
    (1.5, np.array([0.5, 2.0])),
    (np.array([[1.0], [2.0]]), np.array([0.5, 3.0])),
    (np.array([1.0, 2.0], dtype=np.float32), 2.0),
]


@pytest.mark.parametrize(("x", "y"), PAIRS)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_operators_in_both_directions(op: Any, x: Any, y: Any) -> None:
    expected = op(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    for a, b in ((Value(x), Value(y)), (Value(x), y), (x, Value(y))):
        out = op(a, b)
        assert type(out) is Value
        assert_allclose(out.data, expected, rtol=1e-6 if out.dtype == np.float32 else 1e-15)
    if np.asarray(x).dtype == np.float32:
        assert op(Value(x), y).dtype == op(x, Value(y)).dtype == op(Value(x), Value(y)).dtype == np.float32


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize(
    "other", [2, 2.0, True, np.float64(2.0), np.float32(2.0), np.int64(2), np.array(2.0)], ids=repr
)
def test_operators_with_other_numbers(op: Any, other: Any) -> None:
    number = float(other)
    x = Value(3.0)
    for out, expected in ((op(x, other), op(3.0, number)), (op(other, x), op(number, 3.0))):
        assert type(out) is Value
        assert type(out.data) is float
        assert out.data == expected
        out.backward()
        assert type(x.grad) is float
    single = Value(np.ones(2, dtype=np.float32))
    assert op(single, float(number)).dtype == np.float32


def test_operators_with_lists() -> None:
    x = Value(np.array([1.0, 2.0]))
    assert_array_equal((x - [1, 2]).data, [0.0, 0.0])
    assert_array_equal(([1, 2] * x).data, [1.0, 4.0])
    assert_array_equal((x @ [[1.0], [1.0]]).data, [3.0])
    assert_array_equal(([[1.0, 1.0]] @ x).data, [3.0])


def test_unary_operators() -> None:
    x = Value(np.array([1.0, -2.0]))
    assert_array_equal((-x).data, [-1.0, 2.0])
    assert_array_equal(abs(x).data, [1.0, 2.0])
    assert +x is x
    assert (-Value(2.0)).data == -2.0


def test_matmul_in_both_directions() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    for out in (Value(a) @ Value(b), Value(a) @ b, a @ Value(b)):
        assert type(out) is Value
        assert_array_equal(out.data, a @ b)


def test_an_array_never_becomes_an_array_of_objects() -> None:
    """In micrograd ``np.ones(2) * Value(2.0)`` is one."""
    x = Value(2.0, name="x")
    for out in (
        np.ones(2) * x,
        np.ones(2) + x,
        np.ones(2) - x,
        np.ones(2) / x,
        np.ones(2) ** x,
        np.ones(2) @ (x * np.ones(2)),
    ):
        assert type(out) is Value
    for out in (np.float64(3.0) * x, np.float32(3.0) + x):
        assert type(out) is Value
    (np.ones(2) * x).sum().backward()
    assert x.grad == 2.0


def test_what_is_left_over_has_a_derivative_and_the_whole_part_is_a_constant() -> None:
    x = Value(7.5, name="x")
    (x % 2.0).backward()
    assert x.grad == 1.0
    (10.0 % x).backward()
    assert x.grad == 0.0
    for whole, expected in ((x // 2.0, 3.0), (20.0 // x, 2.0), (divmod(x, 2.0)[0], 3.0), (divmod(20, x)[0], 2.0)):
        assert (whole.data, whole.requires_grad) == (expected, False)
    assert (divmod(x, 2.0)[1].data, divmod(20.0, x)[1].data) == (1.5, 5.0)
    assert np.isnan((x // 0.0 - x // 0.0).data)


def test_in_place_operators_make_a_new_value() -> None:
    x = Value(2.0)
    y = x
    y += 1.0
    y *= 3.0
    assert y is not x
    assert (x.data, y.data) == (2.0, 9.0)
    y.backward()
    assert x.grad == 3.0


# ---- where Python raises, NumPy's inf and nan ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compute", "value", "grad"),
    [
        (lambda x: tg.exp(x * 1000.0), math.inf, math.inf),
        (lambda x: 1.0 / (x - 1.0), math.inf, -math.inf),
        (lambda x: (x - 1.0) / (x - 1.0), math.nan, math.nan),
        (lambda x: -1.0 / (x - 1.0), -math.inf, math.inf),
        (lambda x: (x * -8.0) ** (1 / 3), math.nan, math.nan),
        (lambda x: (x * 1e200) ** 2, math.inf, math.inf),
        (lambda x: (x - 1.0) ** -1, math.inf, -math.inf),
        (lambda x: tg.log(x - 1.0), -math.inf, math.inf),
        (lambda x: tg.log(-x), math.nan, 1.0),
        (lambda x: tg.sqrt(-x), math.nan, math.nan),
        (lambda x: tg.sqrt(x - 1.0), 0.0, math.inf),
        (lambda x: tg.arcsin(x * 2.0), math.nan, math.nan),
        (lambda x: tg.arccos(x), 0.0, -math.inf),
        (lambda x: tg.log1p(-x), -math.inf, -math.inf),
        (lambda x: tg.sinh(x * 1000.0), math.inf, math.inf),
        (lambda x: tg.cosh(x * -1000.0), math.inf, math.inf),
        (lambda x: tg.expm1(x * 1000.0), math.inf, math.inf),
        (lambda x: tg.square(x * 1e200), math.inf, None),
        (lambda x: tg.sin(x * math.inf), math.nan, math.nan),
        (lambda x: 1000.0 ** (x * 1000.0), math.inf, math.inf),
    ],
)
def test_floats_follow_numpy_without_warnings(compute: Any, value: float, grad: float | None) -> None:
    x = Value(1.0)
    y = compute(x)
    assert type(y.data) is float
    assert_array_equal(y.data, value)
    y.backward()
    if grad is not None:
        assert_array_equal(x.grad, grad)
    with np.errstate(all="ignore"):
        array = Value(np.ones(1))
        z = compute(array)
        z.backward(np.ones(1))
    assert_array_equal(z.data, [value])
    if grad is not None:
        assert_array_equal(array.grad, [grad])


# ---- comparisons, hash, sets -----------------------------------------------------------------------------------------


def test_comparisons_are_of_the_data() -> None:
    a, b = Value(1.0), Value(2.0)
    assert a < b
    assert a <= b
    assert b > a
    assert b >= 2
    assert a == 1.0
    assert a != b
    assert not a == b  # noqa: SIM201  (both operators are asked)
    assert 1.0 == a  # noqa: SIM300
    assert a > 0.5
    assert_array_equal(Value([1.0, 2.0]) > 1.5, [False, True])
    assert_array_equal(np.array([1.0, 2.0]) < Value(1.5), [True, False])
    assert_array_equal(Value([1.0, 2.0]) == Value([1.0, 3.0]), [True, False])
    assert type(Value([1.0]) == 1.0) is np.ndarray
    assert sorted([b, a], key=float) == [a, b]
    assert max(a, b) is b


def test_hash_and_sets_go_by_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert len({a, b}) == 2
    assert a in {a}
    assert b not in {a}
    x, y = Value([1.0, 2.0]), Value([1.0, 2.0])
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"
    assert hash(x) != hash(y)


def test_truth() -> None:
    assert Value(1.0)
    assert not Value(0.0)
    assert Value([2.0])
    for shape in ((2,), (0,)):
        with pytest.raises(
            ShapeError, match=r"bool: 'x' \(of shape .*\) has \d elements, not one; ask \.data\.any\(\)"
        ):
            bool(Value(np.ones(shape), name="x"))


# ---- indexing, iteration, conversion ---------------------------------------------------------------------------------


def test_indexing_and_iteration() -> None:
    x = Value(np.arange(6.0).reshape(2, 3), name="x")
    assert x[1, 2].data == 5.0
    assert type(x[1, 2].data) is float
    assert_array_equal(x[1].data, [3.0, 4.0, 5.0])
    assert_array_equal(x[x > 2].data, [3.0, 4.0, 5.0])
    assert_array_equal(x[Value([1, 0], requires_grad=False)].data, x.data[[1, 0]])
    assert_array_equal(x[:, Value([1, 1], requires_grad=False)].data, x.data[:, [1, 1]])
    assert len(x) == 2
    rows = list(x)
    assert [row.data.tolist() for row in rows] == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    first, second = x
    (first * second).sum().backward()
    assert_array_equal(x.grad, [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]])
    total = sum(Value([1.0, 2.0, 3.0]))
    assert total.data == 6.0
    a, b = Value([1.0, 2.0])
    assert (a + b).data == 3.0
    assert 2.0 in [v.data for v in Value([1.0, 2.0])]


def test_scalars_have_no_length_and_no_elements() -> None:
    x = Value(2.0, name="x")
    with pytest.raises(ValueTypeError, match=r"len: 'x' \(2\) is a scalar, which has no length"):
        len(x)
    with pytest.raises(ValueTypeError, match=r"iter: 'x' \(2\) is a scalar, which has no elements to iterate over"):
        iter(x)
    for key in (0, slice(None), [0], np.array([0]), (0,)):
        with pytest.raises(IndexRangeError, match=r"getitem: 'x' \(2\) is a scalar and takes no index"):
            x[key]
    assert x[()].data == x[...].data == 2.0


def test_transpose_property() -> None:
    x = Value(np.arange(6.0).reshape(1, 2, 3))
    assert x.T.shape == (3, 2, 1)
    assert Value([1.0, 2.0]).T.shape == (2,)
    assert Value(2.0).T.data == 2.0


def test_conversion_to_numbers() -> None:
    assert float(Value(2.5)) == 2.5
    assert type(float(Value([2.5]))) is float
    assert float(Value(np.full((1, 1), 2.5, dtype=np.float32))) == 2.5
    assert int(Value(2.9)) == 2
    assert Value([[7.0]]).item() == 7.0
    assert f"{float(Value(0.5)):.2f}" == "0.50"
    assert round(float(Value(2.5))) == 2
    numbers = [0.0, 0.0]
    numbers[0] = float(Value(3.0))  # as numbers go into lists and arrays
    array = np.zeros(2)
    array[1] = float(Value(4.0))
    array[0] = Value(3.0).data
    assert numbers[0] == array[0] == 3.0
    for shape in ((2,), (0,), (2, 2)):
        with pytest.raises(
            ShapeError, match=rf"item: 'w' \(of shape .*\) has {math.prod(shape)} elements, not one; index it"
        ):
            float(Value(np.ones(shape), name="w"))


def test_detach() -> None:
    x = Value(2.0, name="x")
    y = (x * x).detach()
    assert not y.requires_grad
    assert y.is_leaf
    (y * x).backward()
    assert x.grad == 4.0
    assert x.detach().name == "x"
    array = Value([1.0, 2.0])
    assert_array_equal(array.detach().data, array.data)


# ---- nothing in place ------------------------------------------------------------------------------------------------


def test_values_cannot_be_changed_in_place() -> None:
    x = Value([1.0, 2.0], name="x")
    for key in (0, slice(None), [0], -1):
        with pytest.raises(
            ValueTypeError, match=r"setitem: 'x' \(of shape \(2,\)\) cannot be changed in place.*np\.where.*np\.con"
        ):
            x[key] = 5.0
    y = x * 2.0
    with pytest.raises(
        GraphError, match=r"data: a nameless result of 'mul' .* was computed by 'mul', so its data cannot be"
    ):
        y.data = np.ones(2)
    with pytest.raises(AttributeError, match="shape"):
        y.shape = (1, 2)  # type: ignore[misc]


@pytest.mark.parametrize("make", [lambda x: x * 2.0, lambda x: x.reshape((2, 1)), lambda x: x[...], lambda x: x.T])
def test_the_array_of_a_result_is_read_only(make: Any) -> None:
    """A gradient is computed from it. What it is a view of stays as it was."""
    x = Value([1.0, 2.0], name="x")
    y = make(x)
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5.0
    assert y.data is y.data
    x.data[0] = 3.0
    x.data += 1.0
    y = make(x)
    y.sum().backward(keep="leaves")
    with tg.no_grad():
        assert make(x).data.flags.writeable  # a constant belongs to whoever made it
    assert tg.grad(lambda x: (x * x).sum())(x.data).flags.writeable
    assert x.data.flags.writeable


def test_an_array_given_to_a_transform_stays_writable() -> None:
    derivative = tg.grad(lambda v: np.sum(v.data * v))  # of its coefficients, which are the data
    w, array = Value([1.0, 2.0], name="w"), np.array([1.0, 2.0])
    for given, data in ((w, w.data), (array, array)):
        before = derivative(given)
        assert data.flags.writeable
        data[0] = 4.0
        np.testing.assert_array_equal(
            getattr(before, "data", before), [1.0, 2.0], "it shares its memory with the argument"
        )
        np.testing.assert_array_equal(getattr(derivative(given), "data", derivative(given)), [4.0, 2.0])


@pytest.mark.parametrize("example", CASES, ids=LABELS)
def test_no_result_is_the_array_of_an_operand(example: Case, rng: np.random.Generator) -> None:
    values = [Value(a) for a in example.arrays(rng)]
    before = [x.data for x in values]
    example.ours(*values).data  # noqa: B018  (makes it read-only)
    for x, data in zip(values, before, strict=True):
        assert x.data is data
        assert type(data) is float or data.flags.writeable


def test_numpy_arrays_refuse_values() -> None:
    v, w, x = Value(1.0, name="v"), Value(2.0, name="w"), Value([1.0, 2.0], name="x")
    array = np.zeros(2)

    def assign(key: Any, value: Any) -> None:
        array[key] = value

    for use in (
        lambda: np.array([v, w]),
        lambda: np.array(v),
        lambda: np.asarray(x),
        lambda: np.array([x, x]),
        lambda: np.array([v, 1.0]),
        lambda: np.array([v, w], dtype=float),
        lambda: np.array([v, w], dtype=object),
        lambda: np.asarray([[v, w], [w, v]]),
        lambda: assign(slice(None), x),
        lambda: assign([0, 1], x),
        lambda: assign(slice(None), v),
        lambda: np.add(x, 1.0, out=array),
        lambda: np.sum(x, out=array),
        lambda: np.add(1.0, 1.0, out=x),
        lambda: operator.iadd(array, v),
    ):
        with pytest.raises(ValueTypeError, match=r"'[vwx]' .*stack\(\[…\]\)|out=.*stack\(\[…\]\)"):
            use()
    for value in (v, x):  # NumPy speaks first, and names ours as the cause
        with pytest.raises(ValueError, match="setting an array element with a sequence") as caught:
            array[0] = value
        assert isinstance(caught.value.__cause__, ValueTypeError)
        assert "stack([…])" in str(caught.value.__cause__)
    assert_array_equal(array, [0.0, 0.0])


def test_data_of_a_leaf_can_be_replaced() -> None:
    w = Value(np.ones(2, dtype=np.float32), name="w")
    new = np.array([3.0, 4.0])
    w.data = new
    assert w.dtype == np.float32
    new[0] = 9.0
    assert_array_equal(w.data, [3.0, 4.0])
    w.data = w.data - 0.5
    assert_array_equal(w.data, [2.5, 3.5])
    w.data -= 0.5
    assert_array_equal(w.data, [2.0, 3.0])
    w.data = [1, 2]
    assert_array_equal(w.data, [1.0, 2.0])
    s = Value(2.0)
    s.data -= 0.5
    s.data = np.float64(s.data)
    assert type(s.data) is float
    assert s.data == 1.5
    with pytest.raises(ValueTypeError, match="got str"):
        w.data = "no"


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [((2,), (3,)), ((2,), (1, 2)), ((2,), ()), ((), (2,)), ((), (1,)), ((2, 3), (3, 2)), ((0,), ())],
)
def test_data_of_a_leaf_keeps_its_shape(before: Any, after: Any, requires_grad: bool) -> None:
    w = Value(np.ones(before) if before else 1.0, name="w", requires_grad=requires_grad)
    kept = w.data
    with pytest.raises(ShapeError, match=rf"data: 'w' .*keeps its shape, got {re.escape(str(after))}; "):
        w.data = np.ones(after)
    assert w.data is kept


def test_grad_can_be_set() -> None:
    w, s = Value(np.ones(2), name="w"), Value(1.0)
    assert w.grad is None
    assert not w.has_grad
    assert s.grad == 0.0
    assert not s.has_grad
    s.grad += 1.0
    assert s.has_grad
    assert s.grad == 1.0
    w.grad = [1, 2]
    w.grad *= 2.0
    assert_array_equal(w.grad, [2.0, 4.0])
    w.grad = 0
    assert_array_equal(w.grad, [0.0, 0.0])
    w.grad = None
    assert not w.has_grad
    with pytest.raises(
        ShapeError, match=r"grad: 'w' \(of shape \(2,\)\) takes a gradient of its own shape, got \(3,\); resh"
    ):
        w.grad = np.ones(3)
    s.grad = 0.0
    s.zero_grad()
    assert not s.has_grad


# ---- the graph -------------------------------------------------------------------------------------------------------


def test_operands_are_an_ordered_list() -> None:
    x, y = Value(2.0, name="x"), Value(3.0, name="y")
    z = x * x
    assert z.parents == (x, x)
    assert [id(p) for p in (y - x).parents] == [id(y), id(x)]
    assert (2.0 - x).operands == (2.0, x)
    assert x.parents == x.operands == ()
    assert x.is_leaf
    assert x.op is None
    assert z.op is not None
    assert (z.op.name, z.op.sign) == ("mul", "*")
    triple = tg.clip(x, y, 4.0)
    assert [id(p) for p in triple.operands[:2]] == [id(x), id(y)]


def test_raw_operands_become_nameless_constants_once() -> None:
    x = Value(2.0, name="x")
    y = x * 3.0
    constant = y.parents[1]
    assert constant.data == 3.0
    assert constant.name is None
    assert not constant.requires_grad
    assert y.parents[1] is constant
    z = Value([1.0, 2.0]) * [1, 2]
    assert_array_equal(z.parents[1].data, [1.0, 2.0])
    assert z.parents[1] is z.parents[1]
    y.backward()
    assert x.grad == 3.0


def test_micrograd_programs_read_prev_and_op() -> None:
    x, y = Value(2.0), Value(3.0)
    z = x * y + x
    assert z._op == "+"
    assert z._prev == {p for p in z.parents}  # noqa: C416  (compared as sets)
    assert len((x * x)._prev) == 1
    assert x._prev == set()
    assert x._op == ""


# ---- copies, pickles, repr -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_leaves_can_be_copied(duplicate: Any) -> None:
    for value in (
        Value(2.0, name="a"),
        Value(np.ones(2, dtype=np.float32)),
        Value(np.array([1, 2]), name="t", requires_grad=False),
    ):
        again = duplicate(value)
        assert again is not value
        assert_array_equal(again.data, value.data)
        assert (again.name, again.dtype, again.requires_grad) == (value.name, value.dtype, value.requires_grad)
        assert not again.has_grad
        if value.shape:
            assert not np.shares_memory(again.data, value.data)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_interior_values_cannot_be_copied(duplicate: Any) -> None:
    y = Value(2.0) * 3.0
    y.name = "y"
    with pytest.raises(
        GraphError, match=r"^(copy|pickle): 'y' \(6\) is part of a graph; (copy|pickle) its leaves, or \.detach"
    ):
        duplicate(y)
    assert duplicate(y.detach()) is not None


def test_deepcopy_keeps_sharing() -> None:
    w = Value([1.0, 2.0], name="w")
    first, second = copy.deepcopy([w, w])
    assert first is second


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(2.0), "Value(2)"),
        (Value(0.1234567, name="w"), "Value(0.123457, name='w')"),
        (Value(2.0, requires_grad=False), "Value(2, requires_grad=False)"),
        (Value([1.0, 2.5]), "Value([1. , 2.5], shape=(2,))"),
        (Value(np.ones(2, dtype=np.float32), name="w"), "Value([1., 1.], shape=(2,), dtype=float32, name='w')"),
        (Value(np.arange(20.0)), "Value(0 … 19, shape=(20,))"),
        (Value(np.ones((0, 3))), "Value([], shape=(0, 3))"),
        (Value(2.0) * 3.0, "Value(6, op='mul')"),
        (Value([1, 2], requires_grad=False), "Value([1, 2], shape=(2,), dtype=int64, requires_grad=False)"),
        (Value(math.nan), "Value(nan)"),
        (Value(1.0, name='q"\n'), "Value(1, name='q\"\\n')"),
    ],
)
def test_repr(value: Value, text: str) -> None:
    assert repr(value) == text


def test_repr_of_anything_works() -> None:
    for data in (np.zeros(20, dtype=bool), np.arange(20), np.full(20, np.nan), np.zeros((2, 0)), np.ones((3, 4, 5))):
        assert repr(Value(data, requires_grad=False)).startswith("Value(")
    assert len(repr(Value(1.0, name="x" * 1000))) < 200


def test_repr_shows_the_gradient() -> None:
    x, w = Value(2.0), Value([3.0, 4.0])
    (x * w).sum().backward()
    assert repr(x) == "Value(2, grad=7)"
    assert repr(w) == "Value([3., 4.], shape=(2,), |grad|=2.828)"


# ---- methods ---------------------------------------------------------------------------------------------------------


def test_every_function_of_one_value_is_a_method() -> None:
    joined_or_operators = {
        "concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "multi_dot", "einsum", "linear", "solve",
        "interp", "linspace", "select", "cross_entropy", "half_squared_error", "where", "getitem", "block", "meshgrid",
        "logspace", "geomspace", "polyval", "lstsq", "apply_along_axis", "extract", "choose", "resize",
        *(name for name in dir(np.fft) if callable(getattr(np.fft, name))),
    }  # fmt: skip
    from tinygrad_lite.ops import elementary, functions

    names = set(functions.__all__) | set(elementary.__all__)
    missing = {name for name in names - joined_or_operators if not callable(getattr(Value, name, None))}
    assert missing == set()
    for name, function in METHODS.items():
        assert getattr(Value, name) is function


def test_methods_equal_functions() -> None:
    x = Value(np.array([[0.3, -0.2], [0.5, 0.1]]))
    assert_array_equal(x.relu().data, tg.relu(x).data)
    assert_array_equal(x.leaky_relu(0.01).data, tg.leaky_relu(x, 0.01).data)
    assert_array_equal(x.sum(axis=0).data, tg.sum(x, axis=0).data)
    assert_array_equal(x.reshape(4).data, x.reshape((4,)).data)
    assert_array_equal(x.reshape(2, -1).data, tg.reshape(x, (2, -1)).data)
    assert_array_equal(x.transpose(1, 0).data, x.transpose((1, 0)).data)
    assert_array_equal(x.softmax().data, tg.softmax(x).data)
    assert_array_equal(x.clip(-0.1, 0.2).data, np.clip(x.data, -0.1, 0.2))
    assert_array_equal(x.max(axis=1, keepdims=True).data, np.max(x.data, axis=1, keepdims=True))
