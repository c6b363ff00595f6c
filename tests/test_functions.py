"""Every structured function against NumPy and finite differences, and that a fault in any op's chain is caught."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case, ops_in, recorded
from tests.checkers import check_function
from tinygrad_lite import Value, elementwise, functions
from tinygrad_lite.derivatives import TABLE
from tinygrad_lite.maps import Scale
from tinygrad_lite.value import Op

EACH = pytest.mark.parametrize("example", CASES, ids=LABELS)
STRUCTURED = (
    "sum mean max min prod var std logsumexp softmax log_softmax matmul dot outer tensordot einsum reshape ravel transpose "
    "swapaxes moveaxis expand_dims squeeze broadcast_to concatenate stack split getitem take pad flip roll repeat tile "
    "cumsum trace diag tril triu norm linear half_squared_error cross_entropy weighted_sum"
).split()


def check(example: Case, rng: np.random.Generator) -> None:
    check_function(example.ours, example.reference, example.arrays(rng), rng, example.label)


def test_every_function_has_a_case() -> None:
    covered = {example.name for example in CASES}
    assert covered >= set(STRUCTURED)
    of_the_table = {"clip", "where", "gelu"}
    assert set(functions.__all__) - of_the_table <= covered, "a function of functions.py has no case"


@EACH
def test_case(example: Case, rng: np.random.Generator) -> None:
    check(example, rng)


@EACH
def test_on_plain_arrays_the_result_is_plain(example: Case, rng: np.random.Generator) -> None:
    arrays = example.arrays(rng)
    out = example.ours(*arrays)
    assert not isinstance(out, Value)
    assert_allclose(out, example.reference(*arrays), rtol=1e-12, atol=1e-12)


# ---- a planted fault in every op is caught -------------------------------------------------------------------------------


def op_classes(cls: type = Op) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from op_classes(sub)


def _planted() -> dict[tuple[str, int], list[Case]]:
    """For every structured op and operand, the cases in whose graph it is."""
    rng = np.random.default_rng(0)
    found: dict[tuple[str, int], list[Case]] = {}
    for example in CASES:
        if not example.empty:
            with contextlib.suppress(Exception):  # test_case reports it
                _, end = recorded(example, rng)
                for entry in sorted(ops_in(end)):
                    found.setdefault(entry, []).append(example)
    return found


PLANTED = _planted()


def test_every_op_is_in_some_case() -> None:
    of_moves = {"pad", "flip", "roll", "repeat", "tile", "diag", "tril", "triu"}
    names = of_moves | {
        cls.__dict__["name"]
        for module in (functions, elementwise)
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Op) and isinstance(cls.__dict__.get("name"), str)
    }
    assert names <= {name for name, _ in PLANTED}


class Scrambled:
    """A map that moves every element of the cotangent one place on."""

    def pull(self, g: Any, semiring: Any) -> Any:
        return np.roll(np.reshape(g, -1), 1).reshape(np.shape(g))


def _faulty(monkeypatch: pytest.MonkeyPatch, name: str, k: int, fault: Callable[[Any], Any]) -> None:
    """Puts a map in front of the chain of operand k of the op of that name."""
    for cls in op_classes():
        if "chain" in cls.__dict__ or "pull" in cls.__dict__:
            chain = cls.chain

            def wrong(
                self: Any, position: int, operands: Any, out: Any, chain: Any = chain
            ) -> Any:
                right = chain(self, position, operands, out)
                if self.name != name or position != k or right is None:
                    return right
                return (fault(out), *right)

            monkeypatch.setattr(cls, "chain", wrong)


@pytest.mark.parametrize(("name", "k"), PLANTED)
def test_a_wrong_scale_is_caught(name: str, k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    _faulty(monkeypatch, name, k, lambda out: Scale(1.0005, np.ndim(out)))
    for example in PLANTED[name, k]:
        with pytest.raises(AssertionError, match="gradient"):
            check(example, rng)


@pytest.mark.parametrize(("name", "k"), PLANTED)
def test_a_wrong_order_is_caught(name: str, k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    _faulty(monkeypatch, name, k, lambda out: Scrambled())
    large = [example for example in PLANTED[name, k] if np.size(example.reference(*example.arrays(rng))) > 1]
    for example in large:
        with pytest.raises(AssertionError, match="gradient"):
            check(example, rng)
    assert large or name in {"half_squared_error", "cross_entropy", "trace"}
