"""Every structured function against NumPy and finite differences, and that a fault in any op's chain is caught."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case, ops_in, recorded
from tests.checkers import check_function
from tests.numpy_calls import NEW
from tests.oracles.formulas import NEEDS_SCIPY
from tinygrad_lite import Value
from tinygrad_lite.core import elementwise
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.graph import topological
from tinygrad_lite.core.maps import Scale
from tinygrad_lite.core.scattered import dense
from tinygrad_lite.core.value import Folded, Op, raw
from tinygrad_lite.ops import functions
from tinygrad_lite.semirings import GRADIENT

EACH = pytest.mark.parametrize("example", CASES, ids=LABELS)
STRUCTURED = [
    "sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "softmax", "log_softmax", "matmul", "dot",
    "outer", "tensordot", "einsum", "reshape", "ravel", "transpose", "swapaxes", "moveaxis", "expand_dims",
    "squeeze", "broadcast_to", "concatenate", "stack", "split", "getitem", "take", "pad", "flip", "roll",
    "repeat", "tile", "cumsum", "trace", "diag", "tril", "triu", "norm", "linear", "half_squared_error",
    "cross_entropy", "weighted_sum",
]  # fmt: skip


def check(example: Case, rng: np.random.Generator) -> None:
    check_function(example.ours, example.reference, example.arrays(rng), rng, example.label)


def test_every_function_has_a_case() -> None:
    covered = {example.name for example in CASES} | {name.rpartition(".")[2] for name in NEW}
    assert covered >= set(STRUCTURED)
    of_the_table = {"clip", "where", "gelu"}
    of_the_table |= {"vecdot"}  # a ufunc of NumPy's, among which it is tested
    assert set(functions.__all__) - of_the_table <= covered, "a function of functions.py has no case"


@EACH
def test_case(example: Case, rng: np.random.Generator) -> None:
    check(example, rng)


def _whole(*shape: int) -> Any:
    return Value(np.arange(np.prod(shape)).reshape(shape) % 4 - 1, requires_grad=False)


OF_INTEGERS: dict[str, Callable[[Any], Any]] = {
    "linspace": lambda x: tg.linspace(x, x + 1, 4),
    "diff": lambda x: tg.diff(x, prepend=0.5),
    **{name: getattr(tg, name) for name, rule in TABLE.items() if len(rule.operands) == 1},
}


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers_count_as_the_numbers_that_they_are(name: str) -> None:
    if name in NEEDS_SCIPY:
        pytest.importorskip("scipy")
    x = _whole(3, 4)
    with np.errstate(all="ignore"):
        found, expected = (OF_INTEGERS[name](one).data for one in (x, Value(x.data.astype(float))))
    assert_allclose(found, expected, rtol=1e-15)


NOT_OF_INTEGERS = {"eigh", "svd", "qr", "pinv", "inv", "det", "slogdet", "solve", "cholesky", "interp", "nanquantile"}
"""Cases that are singular at small integers, or make other operands of the first one's dtype."""


@pytest.mark.parametrize("example", [one for one in CASES if one.name not in NOT_OF_INTEGERS and not one.empty],
                         ids=lambda example: example.label)  # fmt: skip
def test_a_constant_of_integers_gives_what_its_floats_give(example: Case, rng: np.random.Generator) -> None:
    arrays = example.small_integers(rng)
    whole = [Value(x.astype(int) if isinstance(x, np.ndarray) else x, requires_grad=False) for x in arrays]
    with np.errstate(all="ignore"):
        found, expected = example.ours(*whole), example.ours(*(Value(x, requires_grad=False) for x in arrays))
    assert_allclose(found.data, expected.data, rtol=1e-12)


@EACH
def test_a_forward_pass_takes_new_numbers_in_the_same_array(example: Case, rng: np.random.Generator) -> None:
    """A compiled step calls it so. What an op keeps of one pass may not stand in for the next."""
    for node in topological(recorded(example, rng)[1]):
        if node.op is None or isinstance(node.op, Folded):
            continue
        data = [np.array(x.data) if x.shape else x.data for x in node.parents]
        node.op.forward(*data)
        for x in data:
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                x *= 2.0
        expected = copy.deepcopy(node.op).forward(*(np.copy(x) if np.ndim(x) else x for x in data))
        assert_array_equal(node.op.forward(*data), expected)


@EACH
def test_on_plain_arrays_the_result_is_plain(example: Case, rng: np.random.Generator) -> None:
    arrays = example.arrays(rng)
    out = example.ours(*arrays)
    assert not isinstance(out, Value)
    assert_allclose(out, example.reference(*arrays), rtol=1e-12, atol=1e-12)


# ---- a planted fault in every op is caught ---------------------------------------------------------------------------


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


def plant_in_chains(monkeypatch: pytest.MonkeyPatch, name: str, k: int, fault: Callable[[Any], Any]) -> None:
    """Puts a map in front of the chain of operand k of the op of that name."""
    for cls in op_classes():
        if "chain" in cls.__dict__:

            def wrong(self: Any, position: int, operands: Any, out: Any, right: Any = cls.__dict__["chain"]) -> Any:
                chain = right(self, position, operands, out)
                return (fault(out), *chain) if (self.name, position) == (name, k) and chain is not None else chain

            monkeypatch.setattr(cls, "chain", wrong)


def plant_in_pulls(monkeypatch: pytest.MonkeyPatch, name: str, k: int) -> None:
    """Makes what the op of that name pulls back to operand k, by its fast path where it has one, a little too large."""
    for cls in (Op, *op_classes()):
        if "pull" in cls.__dict__:

            def wrong(self: Any, position: int, *rest: Any, right: Any = cls.__dict__["pull"]) -> Any:
                pulled = right(self, position, *rest)
                return dense(pulled) * 1.0005 if (self.name, position) == (name, k) and pulled is not None else pulled

            monkeypatch.setattr(cls, "pull", wrong)


def caught(name: str, k: int, rng: np.random.Generator, match: str) -> list[str]:
    """The cases of an op whose check fails."""
    found = []
    for example in PLANTED[name, k]:
        complaint = ""
        try:
            check(example, rng)
        except AssertionError as error:
            complaint = str(error)
        if complaint:
            assert match in complaint
            found.append(example.label)
    return found


EVERY_OPERAND = pytest.mark.parametrize(("name", "k"), PLANTED)
COMPOSED = {"expected"}
"""Ops that stand only in the composition of a fused loss: readers use their chains, ``backward`` never pulls them."""


@EVERY_OPERAND
def test_a_wrong_chain_is_caught(name: str, k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    plant_in_chains(monkeypatch, name, k, lambda out: Scale(1.0005, np.ndim(out)))
    assert caught(name, k, rng, "gradient")


@EVERY_OPERAND
def test_a_wrong_order_is_caught(name: str, k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    plant_in_chains(monkeypatch, name, k, lambda out: Scrambled())
    assert caught(name, k, rng, "gradient") or name in {
        "half_squared_error",
        "cross_entropy",
        "trace",
        "det",
        "logabsdet",
        "expected",
    }  # of one element, or of cotangents that are all equal


@pytest.mark.parametrize(("name", "k"), [entry for entry in PLANTED if entry[0] not in COMPOSED])
def test_a_wrong_pull_is_caught(name: str, k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    plant_in_pulls(monkeypatch, name, k)
    assert caught(name, k, rng, "gradient")


@pytest.mark.parametrize("k", range(5))
def test_a_wrong_weight_of_a_scalar_neuron_is_caught(
    k: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    right = elementwise.WeightedSum.partners
    monkeypatch.setattr(
        elementwise.WeightedSum,
        "partners",
        staticmethod(lambda operands: tuple(w * 1.0005 if j == k else w for j, w in enumerate(right(operands)))),
    )
    assert "weighted_sum-scalar-scalar-scalar-scalar-scalar" in caught("weighted_sum", k, rng, "gradient")


# ---- conventions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_elements_share(name: str) -> None:
    x = Value([[2.0, 2.0, 1.0], [1.0, 2.0, 1.0]])
    sign = 1.0 if name == "max" else -1.0
    whole = getattr(tg, name)(sign * x)
    whole.backward()
    assert_allclose(x.grad, sign * np.array([[1, 1, 0], [0, 1, 0]]) / 3)
    x.zero_grad()
    getattr(tg, name)(sign * x, axis=0).backward(np.array([1.0, 10.0, 100.0]))
    assert_allclose(x.grad, sign * np.array([[1, 5, 50], [0, 5, 50]]))


def test_equal_elements_share_in_float32() -> None:
    x = Value(np.ones(3, dtype=np.float32))
    tg.max(x).backward()
    assert x.grad.dtype == np.float32
    assert_array_equal(x.grad, np.full(3, 1 / 3, dtype=np.float32))


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
        ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        ([0.0], [1.0]),
        ([2.0, 3.0], [3.0, 2.0]),
        ([-1.0, 2.0, 3.0, 0.0, 5.0], [0.0, 0.0, 0.0, -30.0, 0.0]),
        ([math.inf, 2.0], [2.0, math.inf]),
        ([], []),
    ],
)
def test_product_with_zeros(factors: list[float], expected: list[float]) -> None:
    x = Value(np.array(factors))
    tg.prod(x).backward()
    assert_array_equal(x.grad, expected)


def test_a_running_product_takes_a_list() -> None:
    assert tg.cumprod([2.0, 3.0, 4.0]).tolist() == [2.0, 6.0, 24.0]
    assert tg.cumprod([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist() == [[1.0, 2.0], [3.0, 12.0]]


def test_norm_of_zero_is_flat() -> None:
    for x in (Value(np.zeros(3)), Value(0.0), Value(np.zeros((2, 0)))):
        y = tg.norm(x)
        y.backward()
        assert y.data == 0.0
        assert_array_equal(x.grad, np.zeros(x.shape))
    rows = Value([[0.0, 0.0], [3.0, 4.0]])
    tg.norm(rows, axis=1).backward(np.ones(2))
    assert_allclose(rows.grad, [[0.0, 0.0], [0.6, 0.8]])


def test_norm_of_very_large_and_very_small_numbers() -> None:
    for scale in (1e200, 1e-200):
        x = Value(np.array([3.0, 4.0]) * scale)
        y = tg.norm(x)
        y.backward()
        assert y.data == pytest.approx(5 * scale, rel=1e-14)
        assert_allclose(x.grad, [0.6, 0.8])


@pytest.mark.parametrize("shift", [1e4, -1e4, 0.0])
def test_softmax_and_logsumexp_far_from_zero(shift: float) -> None:
    near = np.array([[0.0, 1.0, -3.0], [2.0, 2.0, 2.0]])
    log_total = np.log(np.sum(np.exp(near), axis=1))
    share = np.exp(near - log_total[:, None])
    x = Value(near + shift)
    y = tg.logsumexp(x, axis=1)
    y.backward(np.ones(2))
    assert_allclose(y.data, log_total + shift, rtol=1e-15)
    assert_allclose(x.grad, share, rtol=1e-11)
    assert_allclose(tg.softmax(x).data, share, rtol=1e-11)
    assert_allclose(tg.log_softmax(x).data, near - log_total[:, None], rtol=1e-11)
    x.zero_grad()
    tg.cross_entropy(x, [0, 1]).backward()
    assert_allclose(x.grad, (share - np.eye(3)[[0, 1]]) / 2, rtol=1e-11)


def test_softmax_over_a_gap_of_1e4() -> None:
    x = Value([1e4, -1e4, 0.0])
    assert_array_equal(tg.softmax(x).data, [1.0, 0.0, 0.0])
    assert_array_equal(tg.log_softmax(x).data, [0.0, -2e4, -1e4])
    tg.log_softmax(x)[1].backward()
    assert_array_equal(x.grad, [-1.0, 1.0, 0.0])
    tg.cross_entropy(x.reshape(1, 3), [1]).backward()
    assert_array_equal(x.grad, [0.0, 0.0, 0.0])


def test_logsumexp_of_infinities() -> None:
    x = Value([-math.inf, 0.0])
    y = tg.logsumexp(x)
    y.backward()
    assert y.data == 0.0
    assert_array_equal(x.grad, [0.0, 1.0])
    assert tg.logsumexp(Value([-math.inf, -math.inf])).data == -math.inf
    assert tg.logsumexp(Value([math.inf, 0.0])).data == math.inf
    assert tg.logsumexp(Value([[-math.inf, math.inf], [1.0, 1.0]]), axis=0).shape == (2,)


def test_a_repeated_index_adds_up() -> None:
    x = Value([1.0, 2.0, 3.0])
    x[[0, 0, 1]].backward(np.array([1.0, 10.0, 100.0]))
    assert_array_equal(x.grad, [11.0, 100.0, 0.0])


def test_softmax_and_its_like_are_compositions() -> None:
    def ops(end: Value) -> list[str]:
        return [node.op.name for node in topological(end) if node.op is not None]

    x = Value([1.0, 2.0])
    assert ops(tg.softmax(x)) == ["logsumexp", "sub", "exp"]
    assert ops(tg.log_softmax(x)) == ["logsumexp", "sub"]
    assert ops(tg.var(x)) == ["mean", "sub", "square", "sum", "div"]
    assert ops(tg.std(x))[-1] == "sqrt"
    assert ops(tg.einsum("i,i,i->", x, x, x)) == ["einsum", "einsum"]
    assert ops(x - 1.0) == ["sub"]
    assert ops(x / 2.0) == ["div"]
    assert ops(x @ x) == ["matmul"]


def test_fused_ops_equal_their_composed_forms(rng: np.random.Generator) -> None:
    x, w, b = (Value(rng.standard_normal(shape)) for shape in ((4, 3), (3, 2), (2,)))
    t, labels = rng.standard_normal((4, 2)), np.array([0, 1, 1, 0])
    pairs: list[tuple[Value, Any]] = [
        (tg.linear(x, w, b), lambda: x @ w + b),
        (tg.half_squared_error(x @ w, t, 4), lambda: ((x @ w - t) ** 2).sum() / 8),
        (tg.cross_entropy(x @ w, labels), lambda: -tg.log_softmax(x @ w)[np.arange(4), labels].mean()),
        (tg.weighted_sum([x[0], x[1]], [w[0, 0], w[1, 1]], b[0]), lambda: x[0] * w[0, 0] + x[1] * w[1, 1] + b[0]),
        (tg.var(x, axis=0), lambda: (x * x).mean(axis=0) - x.mean(axis=0) ** 2),
        (tg.gelu(x), lambda: 0.5 * x * (1 + tg.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    ]
    for fused, composed in pairs:
        cotangent = rng.standard_normal(fused.shape)
        grads = []
        for end in (fused, composed()):
            for leaf in (x, w, b):
                leaf.zero_grad()
            end.backward(cotangent)
            grads.append([np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in (x, w, b)])
        assert_allclose(fused.data, composed().data, rtol=1e-12)
        for ours, theirs in zip(*grads, strict=True):
            assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@EACH
def test_an_op_that_says_it_is_linear_is_the_sum_over_its_edges(example: Case, rng: np.random.Generator) -> None:
    for node in topological(recorded(example, rng)[1]):
        linear = node.op.linear_in(len(node.operands)) if node.op else ()
        if not linear:
            continue
        data = tuple(raw(x) for x in node.operands)
        total = 0.0
        for k in linear:
            moved = data[k]
            for linear_map in reversed(node.op.chain(k, data, node.data)):
                moved = linear_map.push(moved, GRADIENT)
            total = total + moved
        assert_allclose(total, node.data, rtol=1e-12, atol=1e-12)
