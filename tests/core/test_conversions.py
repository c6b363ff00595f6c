"""Numbers out of Values and arrays into them: nothing cuts a graph, or takes other arithmetic, without a word."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.errors import ArgumentError, ValueTypeError

HERE = re.escape(Path(__file__).name)

# ---- a number inside a function that is being differentiated ---------------------------------------------------------

AS_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "math.exp": math.exp,
    "math.floor": math.floor,
    "math.trunc": math.trunc,
    "float": float,
    "int": int,
    "round": round,
    "round to 2": lambda v: round(v, 2),
    "complex": lambda v: complex(v).real,
    "f-string": lambda v: float(f"{v:.3f}"),
    "percent": lambda v: float("%.3f" % v),  # noqa: UP031
    "str.format": lambda v: float("{:.3f}".format(v)),  # noqa: UP032
}

X, V = np.array([0.3, 0.7]), np.array([1.0, 2.0])

TRANSFORMS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "grad": lambda f: tg.grad(f)(X),
    "value_and_grad": lambda f: tg.value_and_grad(f)(X),
    "elementwise_grad": lambda f: tg.elementwise_grad(lambda x: x * f(x))(X),
    "jacobian": lambda f: tg.jacobian(f)(X),
    "hessian": lambda f: tg.hessian(f)(X),
    "jvp": lambda f: tg.jvp(f, X, V),
    "vjp": lambda f: tg.vjp(f, X),
    "hvp": lambda f: tg.hvp(f, X, V),
    "check_grads": lambda f: tg.check_grads(f, X),
    "grad of grad": lambda f: tg.grad(lambda x: tg.grad(f)(x).sum())(X),
    "checkpoint": lambda f: tg.checkpoint(f)(Value(X)).backward(),
    "compile": lambda f: tg.compile(lambda: f(Value(X)))(),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("way", ["math.exp", "f-string"])
def test_a_number_is_refused_inside_every_transform(transform: str, way: str) -> None:
    def f(x: Any) -> Any:
        total = np.sum(x * x)
        return total + 0.0 * AS_NUMBERS[way](total)

    who = "hessian|grad" if transform in ("hessian", "grad of grad") else transform
    message = rf"would become a plain number inside ({who}), .* in \S*{HERE}:\d+ \(.*np\.exp.*\.item\(\).*\.detach\(\)"
    with pytest.raises(ValueTypeError, match=message):
        TRANSFORMS[transform](f)


@pytest.mark.parametrize("way", AS_NUMBERS)
def test_every_way_to_a_number(way: str) -> None:
    """Refused inside, and a number outside, of a Value on which nothing depends, and inside ``no_grad``."""
    convert = AS_NUMBERS[way]
    with pytest.raises(ValueTypeError, match=r"'x' .*plain number inside grad, .*lambda"):
        tg.grad(lambda x: (setattr(x, "name", "x"), x * convert(x))[1])(1.5)
    expected = convert(1.5)
    assert convert(Value(1.5)) == expected
    assert tg.grad(lambda x: x * convert(Value(1.5, requires_grad=False)))(2.0) == expected
    assert tg.grad(lambda x: x * convert(x.detach()))(1.5) == expected

    def unrecorded(x: Any) -> Any:
        with tg.no_grad():
            return convert(x)

    assert tg.grad(lambda x: x * unrecorded(x))(1.5) == expected


def test_the_ways_out_say_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(x, f"{x}", repr(x), f"{x.item():.2f}")
        return x * math.exp(x.item()) + x.data + x.detach()

    assert tg.grad(f)(0.5) == math.exp(0.5)
    assert capsys.readouterr().out == "Value(0.5, op='argument') " * 3 + "0.50\n"


def test_a_number_in_a_checkpoint_is_found_when_the_gradient_is_taken() -> None:
    w = Value(0.5)
    y = tg.checkpoint(lambda x: x * math.exp(x * x))(w)
    with pytest.raises(ValueTypeError, match="plain number inside checkpoint"):
        y.backward()


def test_other_threads_convert_as_they_like() -> None:
    found = []

    def f(x: Any) -> Any:
        thread = threading.Thread(target=lambda: found.append(float(Value(2.0))))
        thread.start()
        thread.join()
        return x * x

    assert tg.grad(f)(3.0) == 6.0
    assert found == [2.0]
    assert float(Value(2.0)) == 2.0


# ---- arrays that NumPy would make of Values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (lambda m, w: m.dot(w), lambda m, w: m @ w),
        (lambda m, w: m.dot(w), np.dot),
        (lambda m, w: np.array([w, w]), lambda m, w: tg.stack([w, w])),
        (lambda m, w: np.r_[w, w], lambda m, w: np.concatenate([w, w])),
        (lambda m, w: np.c_[w, w], lambda m, w: np.column_stack([w, w])),
        (lambda m, w: np.asarray(w), lambda m, w: w.data),
    ],
)
def test_the_error_names_the_way(wrong: Any, right: Any) -> None:
    m, w = np.array([[1.0, 2.0], [3.0, 4.0]]), Value([5.0, 6.0])
    advice = (
        "join Values with tinygrad_lite.stack([…]) for np.array([…]), np.concatenate([…]) for np.r_[…], "
        "np.column_stack([…]) for np.c_[…]; write X @ W or np.dot(X, W) for X.dot(W); or take the numbers with .data"
    )
    with pytest.raises(ValueTypeError, match=r"array: .*" + re.escape(advice)):
        wrong(m, w)
    found = right(m, w)
    assert_array_equal(getattr(found, "data", found), wrong(m, w.data))
    assert isinstance(found, Value) or found is w.data


@pytest.mark.parametrize(
    "call",
    [
        lambda v, m: m * v,
        lambda v, m: m + v,
        lambda v, m: m - v,
        lambda v, m: np.ma.exp(v),
        lambda v, m: np.ma.add(v, m),
    ],
)
def test_a_masked_array_takes_no_values(call: Any) -> None:
    """``np.ma`` reads the attribute ``_data`` of anything: the gradient was gone."""
    with pytest.raises(ValueTypeError, match="would lose its graph in a masked array"):
        call(Value([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[False, True]))


# ---- arrays whose class has arithmetic of its own --------------------------------------------------------------------


class Metres(np.ndarray[Any, np.dtype[Any]]):
    """An array with a unit, as several packages write it."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ufunc(*(np.asarray(x) for x in inputs), **kwargs)


class Noted(np.ndarray[Any, np.dtype[Any]]):
    """An array with a note: its arithmetic is NumPy's."""

    def __array_finalize__(self, obj: Any) -> None:
        self.note = getattr(obj, "note", "")


OTHERS = {
    "matrix": lambda x: np.array(x).view(np.matrix),
    "masked": lambda x: np.ma.array(x, mask=np.zeros(np.shape(x), bool)),
    "units": lambda x: np.array(x).view(Metres),
}


def _set(value: Value, name: str, data: Any) -> None:
    setattr(value, name, data)


def _w() -> Value:
    return Value([[1.0, 2.0]], name="w")


ENTRIES: dict[str, Callable[[Any], Any]] = {
    "Value": Value,
    "constant": lambda x: Value(x, requires_grad=False),
    "list": lambda x: Value([x, x]),
    "operand": lambda x: _w() * x,
    "operand on the left": lambda x: np.multiply(x, _w()),
    "function": lambda x: tg.exp(x),
    "data": lambda x: _set(_w(), "data", x),
    "grad": lambda x: _set(_w(), "grad", x),
    "backward": lambda x: (_w() * 2.0).backward(grad=x),
    "argument": lambda x: tg.grad(lambda w: (w * w).sum())(x),
    "argument that is no argnum": lambda x: tg.grad(lambda w, x: (w * x).sum())(2.0, x),
    "tangent": lambda x: tg.jvp(lambda w: w * w, np.ones((1, 2)), x),
    "cotangent": lambda x: tg.vjp(lambda w: w * w, np.ones((1, 2)))[1](x),
    "check_grads": lambda x: tg.check_grads(lambda w: w * w, x),
    "replay": lambda x: tg.replay((w := _w()) * 2.0, {w: x}),
    "targets": lambda x: nn.losses.mse(_w(), x),
    "targets of scalars": lambda x: nn.losses.mse([[Value(1.0), Value(2.0)]], x),
    "probabilities": lambda x: nn.losses.cross_entropy(_w(), x),
    "inputs of a layer": lambda x: nn.Linear(2, 1)(x),
    "inputs of a network of scalars": lambda x: nn.scalar.MLP(2, [1])(x),
    "a batch of scalars": lambda x: nn.scalar.MLP(2, [1]).batch(x),
    "compiled step": lambda x: tg.compile(lambda x: (_w() * x).sum())(x),
    "gradient by hand": lambda x: tg.compare(((w := _w()) * w).sum(), manual={"w": x}, wrt=[w]),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_other_arithmetic_is_refused_wherever_data_enters(entry: str, kind: str) -> None:
    plain = r"x\.filled\(0\.0\)" if kind == "masked" else r"np\.asarray\(x\)"
    message = rf"has arithmetic of its own .*; pass plain numbers: {plain}$"
    if (entry, kind) == ("operand on the left", "units"):  # whose own ``__array_ufunc__`` is asked first
        message = "would lose its graph in a NumPy array"
    with pytest.raises(ValueTypeError, match=message):
        ENTRIES[entry](OTHERS[kind]([[1.0, 2.0]]))


@pytest.mark.parametrize("kind", OTHERS)
def test_other_arithmetic_is_refused_in_labels_indices_and_states(kind: str) -> None:
    whole = OTHERS[kind](np.array([[0, 1]]))
    for entry in (
        lambda: nn.losses.cross_entropy(Value(np.zeros((1, 2, 3))), whole),
        lambda: Value([1.0, 2.0])[whole],
        lambda: tg.take(Value([1.0, 2.0]), whole),
    ):
        with pytest.raises(ValueTypeError, match="has arithmetic of its own"):
            entry()
    if kind != "matrix":  # which has two axes always
        with pytest.raises(ValueTypeError, match="has arithmetic of its own"):
            nn.losses.cross_entropy(Value(np.zeros((2, 3))), whole[0])
    layer, w = nn.Linear(1, 2), Value([[1.0, 2.0]])
    with pytest.raises(ArgumentError, match="w: needs a number or an array of numbers, got"):
        layer.load_state_dict({"w": OTHERS[kind]([[1.0, 2.0]]), "b": np.zeros(2)})
    sgd = optim.SGD([w], lr=0.1, momentum=0.9)
    with pytest.raises(ArgumentError, match=r"velocity\[0\]: needs None, a number or an array of numbers, got"):
        sgd.load_state_dict(sgd.state_dict() | {"velocity": [OTHERS[kind]([[1.0, 2.0]])]})


def test_a_subclass_with_numpys_arithmetic_becomes_a_plain_array(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=(2,))
    mapped[:] = [3.0, 4.0]
    for array in (mapped, np.array([3.0, 4.0]).view(Noted)):
        x = Value(array)
        (x * array).sum().backward()
        assert type(x.data) is type(x.grad) is np.ndarray
        assert x.grad.tolist() == [3.0, 4.0]
        assert tg.grad(lambda w: (w * w).sum())(array).tolist() == [6.0, 8.0]
    constant = Value(mapped, requires_grad=False)
    assert np.shares_memory(constant.data, mapped)  # not read from the disk
