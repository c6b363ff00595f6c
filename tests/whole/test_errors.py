"""Bad input raises an error of the project's own that names the op, the shapes, the Value and the way out."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, errors
from tinygrad_lite.errors import ArgumentError, IndexRangeError, ShapeError, TinygradError, ValueTypeError

A = Value(np.ones((2, 3)), name="A")
B = Value(np.ones((2, 2)), name="B")
V = Value(np.ones(3), name="v")
S = Value(2.0, name="s")
E = Value(np.ones((0, 2)), name="E")
T = Value(np.ones((2, 3, 4)), name="T")

# The call, the error, what its message says.
BAD: list[tuple[Callable[[], Any], type[TinygradError], str]] = [
    # shapes that do not go together
    (lambda: A + B, ShapeError,
     r"add: the shapes \(2, 3\) and \(2, 2\) do not go together, of 'A' .*, 'B' .*; reshape one of them"),
    (lambda: A * np.ones(2), ShapeError,
     r"mul: the shapes \(2, 3\) and \(2,\).* of 'A' .*, an array of shape \(2,\); reshape"),
    (lambda: np.ones(2) - A, ShapeError, r"sub: the shapes \(2,\) and \(2, 3\)"),
    (lambda: A / B, ShapeError, r"div: the shapes"),
    (lambda: A**B, ShapeError, r"pow: the shapes"),
    (lambda: tg.maximum(A, B), ShapeError, r"maximum: the shapes"),
    (lambda: tg.where(np.ones(2) > 0, A, V), ShapeError, r"where: the shapes \(2,\) and \(2, 3\) and \(3,\)"),
    (lambda: tg.clip(A, np.zeros(2), 1.0), ShapeError, r"clip: the shapes"),
    (lambda: A @ B, ShapeError,
     r"matmul: the shapes \(2, 3\) and \(2, 2\) do not go together, of 'A' .*, 'B' .*; reshape one"),
    (lambda: V @ B, ShapeError, r"matmul: the shapes \(3,\) and \(2, 2\)"),
    (lambda: T @ T, ShapeError, r"matmul: the shapes \(2, 3, 4\) and \(2, 3, 4\)"),
    (lambda: S @ A, ShapeError, r"matmul: .*'s'.*'A'"),
    (lambda: A @ 2.0, ShapeError, r"matmul: .*'A'.*the number 2"),
    (lambda: tg.dot(A, B), ShapeError, r"(mat)?mul: the shapes"),
    (lambda: tg.dot(T, A), ShapeError,
     r"tensordot: axis .* of 'T' .* and axis .* of 'A' .* have different lengths, 4 and 2"),
    (lambda: tg.tensordot(A, B, axes=1), ShapeError,
     r"tensordot: axis -1 of 'A' .* and axis -2 of 'B' .*different lengths, 3 and 2"),
    (lambda: tg.einsum("ij,jk->ik", A, B), ShapeError,
     r"einsum: 'j' in 'ij,jk->ik' has length 3 and, in 'B' .*, 2; they must be equal"),
    (lambda: tg.einsum("ijk->i", A), ShapeError,
     r"einsum: 'ijk' in 'ijk->i' needs 3 axes, got 'A' \(of shape \(2, 3\)\)"),
    (lambda: tg.concatenate([A, V]), ShapeError,
     r"concatenate: the shapes \(2, 3\) and \(3,\) do not go together, of 'A' .*'v'"),
    (lambda: tg.concatenate([S, S]), ShapeError, r"concatenate: scalars have no axis to be joined along; use stack"),
    (lambda: tg.stack([A, V]), ShapeError, r"stack: the shapes \(2, 3\) and \(3,\) do not go together"),
    (lambda: tg.linear(A, B, 0.0), ShapeError, r"linear: the shapes \(2, 3\) and \(2, 2\) and \(\)"),
    (lambda: tg.linear(A, A.T, V), ShapeError, r"linear: the shapes \(2, 3\) and \(3, 2\) and \(3,\)"),
    (lambda: tg.weighted_sum([S, S], [1.0]), ShapeError,
     r"weighted_sum: needs as many inputs as weights, got 1 and 2; .*'s'"),
    (lambda: tg.weighted_sum([A], [B]), ShapeError, r"weighted_sum: the shapes"),
    (lambda: tg.half_squared_error(A, B), ShapeError,
     r"half_squared_error: 'A' .* and 'B' .* must have one shape; reshape one"),
    (lambda: tg.cross_entropy(A, [0]), ShapeError, r"cross_entropy: .*\(2, 3\).*\(1,\)"),
    (lambda: tg.cross_entropy(V, [0, 1, 2]), ShapeError, r"cross_entropy: .*\(3,\)"),
    (lambda: tg.broadcast_to(A, (3, 3)), ShapeError, r"broadcast_to: the shapes? \(2, 3\).*'A'"),
    (lambda: tg.reshape(A, (4,)), ShapeError,
     r"reshape: 'A' \(of shape \(2, 3\)\) has 6 elements, which do not fit into shape \(4,\)"),
    (lambda: tg.reshape(A, (-1, 4)), ShapeError,
     r"reshape: 'A' .* has 6 elements, which do not fit into shape \(-1, 4\)"),
    (lambda: tg.reshape(A, (-1, -1)), ShapeError, r"reshape: 'A' .* \(-1, -1\)"),
    (lambda: tg.squeeze(A, axis=0), ShapeError, r"squeeze: axis .* of 'A' \(of shape \(2, 3\)\) has length 2, not one"),
    (lambda: tg.split(A, 2, axis=1), ShapeError, r"split: 'A' .* cannot be cut into 2 equal parts along axis"),
    (lambda: tg.split(A, 0), ShapeError, r"split: 'A' .* cannot be cut into 0 equal parts"),
    (lambda: tg.diag(T), ShapeError, r"diag: needs a vector or a matrix, got 'T' \(of shape \(2, 3, 4\)\)"),
    (lambda: tg.diag(S), ShapeError, r"diag: needs a vector or a matrix, got 's' \(2\)"),
    (lambda: tg.trace(V), ShapeError, r"trace: needs a matrix, got 'v' \(of shape \(3,\)\)"),
    (lambda: tg.tril(V), ShapeError, r"tril: needs a matrix or a stack of them, got 'v'"),
    (lambda: tg.triu(S), ShapeError, r"triu: needs a matrix or a stack of them, got 's' \(2\)"),
    (lambda: tg.repeat(V, [1, 2]), ShapeError, r"repeat: .*'v'"),
    (lambda: A[np.array([True, False, True])], IndexRangeError,
     r"getitem: the index .* does not fit 'A' \(of shape \(2, 3\)\)"),
    # nothing to choose from
    (lambda: tg.max(E), ShapeError, r"max: 'E' \(of shape \(0, 2\)\) has no elements along the axes"),
    (lambda: tg.min(E, axis=0), ShapeError,
     r"min: 'E' .* has no elements along the axes \(-2,\), so there is none to choose"),
    (lambda: tg.mean(E), ShapeError, r"mean: 'E' .* has no elements"),
    (lambda: tg.var(E), ShapeError, r"var: 'E' .* has no elements"),
    (lambda: tg.std(E), ShapeError, r"(std|var): 'E' .* has no elements"),
    (lambda: tg.logsumexp(E, axis=0), ShapeError, r"logsumexp: 'E' .* has no elements"),
    (lambda: tg.softmax(E, axis=0), ShapeError, r"(softmax|logsumexp): 'E' .* has no elements"),
    (lambda: tg.concatenate([]), ArgumentError, r"concatenate: needs at least one array, got none"),
    (lambda: tg.stack([]), ArgumentError, r"stack: needs at least one array, got none"),
    # axes and indices out of range
    (lambda: tg.sum(A, axis=2), ArgumentError, r"sum: axis=2 does not fit 'A' \(of shape \(2, 3\)\)"),
    (lambda: tg.sum(A, axis=-3), ArgumentError, r"sum: axis=-3 does not fit 'A'"),
    (lambda: tg.sum(A, axis=(0, 0)), ArgumentError, r"sum: axis=\(0, 0\) does not fit 'A' .*\(repeated axis\)"),
    (lambda: tg.sum(S, axis=0), ArgumentError, r"sum: axis=0 does not fit 's' \(2\)"),
    (lambda: tg.sum(A, axis=0.5), ArgumentError, r"sum: axis=0\.5 does not fit 'A'"),
    (lambda: tg.max(A, axis=5), ArgumentError, r"max: axis=5 does not fit 'A'"),
    (lambda: tg.softmax(A, axis=2), ArgumentError, r"(softmax|logsumexp): axis=2 does not fit 'A'"),
    (lambda: tg.norm(A, axis=2), ArgumentError, r"norm: axis=2 does not fit 'A'"),
    (lambda: tg.cumsum(A, axis=2), ArgumentError, r"cumsum: axis=2 does not fit 'A'"),
    (lambda: tg.swapaxes(A, 0, 2), ArgumentError, r"swapaxes: axis=2 does not fit 'A'"),
    (lambda: tg.moveaxis(A, 0, 5), ArgumentError, r"moveaxis: axis=5 does not fit 'A'"),
    (lambda: tg.moveaxis(A, (0, 1), (0,)), ArgumentError,
     r"moveaxis: source \(0, 1\) and destination \(0,\) must name as many"),
    (lambda: tg.transpose(A, (0, 0)), ArgumentError,
     r"transpose: axes \(0, 0\) must name each of the 2 axes of 'A' .* once"),
    (lambda: tg.transpose(A, (0, 2)), ArgumentError, r"transpose: axis=2 does not fit 'A'"),
    (lambda: tg.expand_dims(A, 4), ArgumentError, r"expand_dims: axis=4 does not fit 'A'"),
    (lambda: tg.squeeze(A, axis=2), ArgumentError, r"squeeze: axis=2 does not fit 'A'"),
    (lambda: tg.concatenate([A, A], axis=2), ArgumentError, r"concatenate: axis=2 does not fit 'A'"),
    (lambda: tg.stack([A, A], axis=4), ArgumentError, r"stack: axis=4 does not fit 'A'"),
    (lambda: tg.split(A, 2, axis=2), ArgumentError, r"split: axis=2 does not fit 'A'"),
    (lambda: tg.flip(A, axis=2), ArgumentError, r"flip: axis=2 does not fit 'A'"),
    (lambda: tg.roll(A, 1, axis=2), ArgumentError, r"roll: axis=2 does not fit 'A'"),
    (lambda: tg.repeat(A, 2, axis=2), ArgumentError, r"repeat: axis=2 does not fit 'A'"),
    (lambda: tg.take(A, [0], axis=2), ArgumentError, r"take: axis=2 does not fit 'A'"),
    (lambda: tg.tensordot(A, B, axes=3), ArgumentError, r"tensordot: axes=3 is more than 'A' .* and 'B' .* have"),
    (lambda: tg.tensordot(A, B, axes=([0], [5])), ArgumentError, r"tensordot: axis=5 does not fit 'B'"),
    (lambda: tg.tensordot(A, B, axes=([0, 1], [0])), ArgumentError,
     r"tensordot: axes=.* name 2 axes of one and 1 of the other"),
    (lambda: A[2], IndexRangeError, r"getitem: the index 2 does not fit 'A' \(of shape \(2, 3\)\)"),
    (lambda: A[0, 0, 0], IndexRangeError, r"getitem: the index \(0, 0, 0\) does not fit 'A'"),
    (lambda: A[[0, 5]], IndexRangeError, r"getitem: the index \[0, 5\] does not fit 'A'"),
    (lambda: V["x"], IndexRangeError, r"getitem: the index 'x' does not fit 'v'"),
    (lambda: V[1.5], IndexRangeError, r"getitem: the index 1\.5 does not fit 'v'"),
    (lambda: S[0], IndexRangeError, r"getitem: 's' \(2\) is a scalar and takes no index, got 0"),
    (lambda: tg.take(V, [7]), IndexRangeError, r"(getitem|take): .*does not fit 'v'"),
    # arguments
    (lambda: tg.take(V, [0.5]), ArgumentError,
     r"take: needs integer indices, got dtype float64; convert them with \.astype\(int\)"),
    (lambda: tg.var(V, ddof=3), ArgumentError,
     r"var: ddof=3 leaves no degree of freedom for 3 elements of 'v' .*; lower ddof"),
    (lambda: tg.pad(V, 1, mode="linear_ramp"), ArgumentError,
     r"pad: mode 'linear_ramp' is not supported; use 'constant', 'edge'"),
    (lambda: tg.pad(V, -1), ShapeError, r"pad: .*'v'"),
    (lambda: tg.cross_entropy(A, [0.0, 1.0]), ArgumentError,
     r"cross_entropy: labels are integers, got dtype float64; convert them"),
    (lambda: tg.cross_entropy(A, [0, 3]), ArgumentError, r"cross_entropy: .*0 (to|and) 2.*got .*3"),
    (lambda: tg.cross_entropy(A, [-1, 2]), ArgumentError, r"cross_entropy: .*0 (to|and) 2.*got .*-1"),
    (lambda: tg.einsum("ij,jk->ik", A), ArgumentError, r"einsum: 'ij,jk->ik' has 2 operands, got 1; give one for each"),
    (lambda: tg.einsum("ij->ijk", A), ArgumentError,
     r"einsum: the result 'ijk' of 'ij->ijk' must name labels of the operands, each once"),
    (lambda: tg.einsum("ij->ii", A), ArgumentError, r"einsum: the result 'ii' of 'ij->ii' must name labels"),
    # types
    (lambda: A + "x", ValueTypeError, r"got str"),
    (lambda: "x" * S, ValueTypeError, r"got str"),
    (lambda: S + None, ValueTypeError, r"got NoneType"),
    (lambda: tg.exp("x"), ValueTypeError, r"got str"),
    (lambda: A * 1j, ValueTypeError, r"complex"),
    (lambda: S * np.array(["a"]), ValueTypeError, r"dtype <U1"),
    (lambda: A @ [["a"]], ValueTypeError, r"dtype <U1"),
    (lambda: tg.stack([S, "x"]), ValueTypeError, r"got str"),
    (lambda: tg.sum([S, S]), ValueTypeError, r"join .* with tinygrad_lite\.stack"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"), BAD, ids=[f"{k}-{message[:24]}" for k, (_, _, message) in enumerate(BAD)]
)
def test_bad_input(call: Callable[[], Any], error: type[TinygradError], message: str) -> None:
    with pytest.raises(error, match=f"^{message}" if ": " in message[:24] else message) as caught:
        call()
    text = str(caught.value)
    assert text == text.strip()
    assert "\n" not in text


def test_a_wrong_call_leaves_no_gradient_and_no_change() -> None:
    before = A.data.copy()
    with pytest.raises(ShapeError, match="backward"):
        (A * 2.0).backward()
    with pytest.raises(ShapeError, match="add"):
        A + B
    assert not A.has_grad
    assert np.array_equal(A.data, before)


def test_nameless_values_are_described() -> None:
    with pytest.raises(
        ShapeError, match=r"of a nameless leaf \(of shape \(2,\)\), a nameless constant \(of shape \(3,\)\)"
    ):
        Value(np.ones(2)) + Value(np.ones(3), requires_grad=False)
    with pytest.raises(
        ShapeError, match=r"of a nameless result of 'tanh' \(of shape \(2, 3\)\), an array of shape \(2,\)"
    ):
        A.tanh() + np.ones(2)
    with pytest.raises(ShapeError, match=r"a nameless leaf"):
        Value([1.0, 2.0]).backward()


@pytest.mark.parametrize("name", ['"quoted"', "two\nlines", "a\\b", "<b>&amp;", "θ̂", "x" * 500, "%s {0}", ""])
def test_any_name_is_fit_for_a_message(name: str) -> None:
    value = Value(np.ones(2), name=name)
    with pytest.raises(ShapeError, match="add") as caught:
        value + np.ones(3)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400


def test_each_error_is_also_the_builtin_that_a_caller_expects() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        assert cls.__doc__
        if issubclass(cls, Warning):
            continue
        assert issubclass(cls, TinygradError)
        if cls is not TinygradError:
            assert issubclass(cls, (ValueError, TypeError, RuntimeError)), name
    with pytest.raises(ValueError, match="add"):
        A + B
    with pytest.raises(IndexError, match="getitem"):
        A[9]
    with pytest.raises(TypeError, match="got str"):
        Value("2")
    assert tg.TinygradError is TinygradError


def test_nothing_is_raised_but_our_own() -> None:
    """Every ``raise`` in the package names one of our classes (or goes on with what was caught).

    A module's ``__getattr__`` raises ``AttributeError``, which Python asks of it.
    """
    for path in Path(inspect.getfile(tg)).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        asked = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "__getattr__"]
        answers = {n for f in asked for n in ast.walk(f) if "AttributeError(" in ast.unparse(n)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None and node not in answers:
                call = node.exc
                name = call.func if isinstance(call, ast.Call) else call
                assert isinstance(name, ast.Name), f"{path.name}:{node.lineno}"
                ours = not hasattr(builtins, name.id) or name.id == "NotImplementedError"
                assert ours, f"{path.name}:{node.lineno} raises {name.id}"
