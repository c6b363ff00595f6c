"""The page of what is differentiable is current, true, and misses nothing that HIPS autograd has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES
from tests.numpy_calls import NEW
from tinygrad_lite import Value
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.errors import ValueTypeError
from tinygrad_lite.ops.dense import Dense
from tinygrad_lite.ops.nondifferentiable import CONSTANTS
from tinygrad_lite.ops.numpy_dispatch import ON_DATA
from tools import coverage

DOCS = Path(tg.__file__).parents[1] / "docs"


def test_the_page_is_current() -> None:
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == coverage.page(), "run: python -m tools.coverage"


def test_write(tmp_path: Path) -> None:
    assert coverage.write(tmp_path).name == "coverage.md"
    assert [path.name for path in tmp_path.iterdir()] == ["coverage.md"]


def names_of(registered: Any) -> set[str]:
    """The functions of NumPy's among autograd's, by their names there."""
    found = set()
    for function in registered:
        plain = getattr(function, "fun", function)
        for module, prefix in ((np.linalg, "linalg."), (np.fft, "fft."), (np, "")):
            name = getattr(plain, "__name__", "")
            if getattr(module, name, None) is plain:
                found.add(prefix + name)
                break
    return found


def test_autograd_has_nothing_else() -> None:
    pytest.importorskip("autograd")
    import autograd.numpy
    import autograd.numpy.fft
    import autograd.numpy.linalg  # noqa: F401  (they register)
    from autograd.core import primitive_vjps
    from autograd.numpy.numpy_vjps import nograd_functions

    of_numpy = [f for f in primitive_vjps if getattr(f, "__module__", "") == "autograd.tracer"]
    assert names_of(of_numpy) <= set(coverage.AUTOGRAD)
    assert names_of(nograd_functions) <= set(coverage.AUTOGRAD_CONSTANTS)
    assert len(set(coverage.AUTOGRAD)) == len(coverage.AUTOGRAD) > 110


def test_each_of_autograd_s_is_here_or_has_a_reason() -> None:
    here = set(coverage.covered()) | {coverage._name(f) for f in [*CONSTANTS, *ON_DATA]}
    missing = {*coverage.AUTOGRAD, *coverage.AUTOGRAD_CONSTANTS} - here
    assert missing == set(coverage.ELSEWHERE)
    assert all(coverage.ELSEWHERE.values())


def test_the_others_do_not_lose_a_graph() -> None:
    with pytest.raises(ValueTypeError, match=r"lose its graph in a NumPy array"):
        np.full(2, Value(1.0))
    with pytest.raises(ValueTypeError, match=r"join Values with tinygrad_lite.stack"):
        np.array([Value(1.0), Value(2.0)])
    assert np.broadcast_to(Value(1.0), 2).shape == (2,)
    assert not np.isscalar(Value(1.0))


def test_the_maps_said_to_be_dense_are(rng: np.random.Generator) -> None:
    found = set()
    for example in CASES:
        end = example.ours(*map(Value, example.arrays(rng)))
        if any(isinstance(m, Dense) for node in ancestors(end) for _, _, chain in chains(node) for m in chain):
            found.add(example.name)
    for name, calls in NEW.items():
        for call, shapes in calls:
            end = call(np, *(Value(rng.standard_normal(shape)) for shape in shapes))
            if any(isinstance(m, Dense) for node in ancestors(end) for _, _, chain in chains(node) for m in chain):
                found.add(name.rpartition(".")[2])
    assert found == coverage.DENSE | {"norm"}  # of which only some orders are


@pytest.mark.parametrize("function", CONSTANTS, ids=lambda f: f.__name__)
def test_constants(function: Any, rng: np.random.Generator) -> None:
    rest = [1.5] * (function.__name__ in ("floor_divide", "heaviside"))
    x = rng.standard_normal((2, 3)) * 3
    for data in (x, x[0, 0]):
        out = function(Value(data), *rest)
        assert type(out) is Value
        assert not out.requires_grad
        np.testing.assert_array_equal(out.data, function(data, *rest))
    if rest:
        np.testing.assert_array_equal(function(1.5, Value(x)).data, function(1.5, x))
    y = Value(x)
    (y * function(y, *rest)).sum().backward()
    np.testing.assert_array_equal(y.grad, function(x, *rest))


def test_rounding_to_decimals() -> None:
    assert np.round(Value([1.256]), 2).data == np.round([1.256], 2)
    assert np.round(Value([1.256]), decimals=1).data == np.round([1.256], 1)


@pytest.mark.parametrize("function", sorted(ON_DATA, key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_questions_have_numpy_s_answer(function: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3))
    two = {"allclose", "array_equal", "array_equiv", "isclose"}
    rest: tuple[Any, ...] = ()
    if getattr(function, "nin", 1) == 2 or function.__name__ in two:
        rest = (x,)
    elif function is np.argpartition:
        rest = (1,)
    elif function is np.digitize:
        rest = (np.array([0.0, 1.0]),)
    if function is np.searchsorted:
        assert np.array_equal(np.searchsorted(Value([0.0, 1.0]), 0.5), 1)
        return
    found = function(Value(x), *rest)
    assert not isinstance(found, Value)
    if function is np.empty_like:
        assert found.shape == x.shape
    elif function not in (np.array_repr, np.array_str, np.array2string, np.result_type):
        np.testing.assert_array_equal(found, function(x, *rest))
    else:
        assert found == function(x, *rest)
