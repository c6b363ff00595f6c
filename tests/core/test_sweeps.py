"""Sweeps over whole graphs: backward, and statistics of random graphs against every path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.oracles.brute_force import TooManyPaths, every_path, statistic
from tests.path_checks import assert_statistics
from tinygrad_lite import Value, nn, semirings
from tinygrad_lite.core.graph import ancestors, topological
from tinygrad_lite.core.sweeps import forward, reverse
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, TinygradError
from tinygrad_lite.semirings import COUNT, GRADIENT, MAGNITUDE

# ---- random graphs ---------------------------------------------------------------------------------------------------

UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x,
    "tanh": tg.tanh,
    "sin": tg.sin,
    "relu": tg.relu,
    "abs": abs,
    "sign": tg.sign,
    "square": tg.square,
    "power": lambda x: x**2,
    "half": lambda x: x / 2,
    "zero": lambda x: x * 0.0,
    "sigmoid": tg.sigmoid,
    "leaky": lambda x: tg.leaky_relu(x, 0.1),
    "clip": lambda x: tg.clip(x, -1.0, 1.0),
    "where": lambda x: tg.where(x > 0, x, -2.0),
    "masked": lambda x: tg.where(x > 0, x * 3.0, x),
    "sum": tg.sum,
    "last sums": lambda x: tg.sum(x, axis=-1),
    "first sums": lambda x: tg.sum(x, axis=0, keepdims=True),
    "mean": tg.mean,
    "max": tg.max,
    "min": lambda x: tg.min(x, axis=-1, keepdims=True),
    "prod": tg.prod,
    "logsumexp": tg.logsumexp,
    "softmax": tg.softmax,
    "cumsum": tg.cumsum,
    "ravel": tg.ravel,
    "T": lambda x: x.T,
    "new axis": lambda x: x[..., None],
    "repeated": lambda x: x[[0, 0, -1]],
    "first": lambda x: x[0],
    "backwards": lambda x: x[::-1],
    "flip": tg.flip,
    "roll": lambda x: tg.roll(x, 1),
    "repeat": lambda x: tg.repeat(x, 2),
    "tile": lambda x: tg.tile(x, 2),
    "pad": lambda x: tg.pad(x, 1),
    "edge": lambda x: tg.pad(x, 1, mode="edge"),
    "triu": tg.triu,
    "tril": lambda x: tg.tril(x, -1),
    "diag": tg.diag,
    "trace": tg.trace,
    "broadcast": lambda x: tg.broadcast_to(x, (2, *x.shape)),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "times itself": lambda x, y: x * x,
    "maximum": tg.maximum,
    "minimum": tg.minimum,
    "matmul": lambda x, y: x @ y,
    "gram": lambda x, y: x @ x.T,
    "outer": tg.outer,
    "einsum": lambda x, y: tg.einsum("...i,i->...", x, y),
    "concatenate": lambda x, y: tg.concatenate([x, y, x], axis=None),
    "stack": lambda x, y: tg.stack([x, y, x], axis=-1),
    "neuron": lambda x, y: tg.weighted_sum([x, y], [y, 2.0], x),
    "error": tg.half_squared_error,
}
NUMBERS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Value], Value]:
    """Leaves, some of which may not be connected, and an end of one element. Parents repeat; zeros, negative numbers
    and ties are frequent."""
    leaves = []
    for k in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from([(), (), (2,), (2, 2), (1, 2), (3,)]))
        size = int(np.prod(shape))
        data = draw(st.lists(NUMBERS, min_size=size, max_size=size))
        leaves.append(
            Value(np.reshape(data, shape), name=f"leaf {k}", requires_grad=k == 0 or draw(st.integers(0, 4)) > 0)
        )
    made: list[Value] = list(leaves)
    recent = st.integers(0, 3)
    for _ in range(draw(st.integers(1, 7))):
        x = made[-1 - min(draw(recent), len(made) - 1)]
        y = made[-1 - min(draw(recent), len(made) - 1)]
        try:
            if draw(st.booleans()):
                z = UNARY[draw(st.sampled_from(sorted(UNARY)))](x)
            else:
                z = BINARY[draw(st.sampled_from(sorted(BINARY)))](x, y)
        except TinygradError:  # shapes that do not go together
            continue
        if z.size <= 9 and np.all(np.abs(z.data) <= 6):
            made.append(z)
    last = made[-1]
    return leaves, last if last.size == 1 and draw(st.booleans()) else (last * 0.5 + last).sum()


@settings(max_examples=400)
@given(graphs())
def test_random_graphs_against_every_path(graph: tuple[list[Value], Value]) -> None:
    _, end = graph
    assume(end.requires_grad)
    try:
        assert_statistics(end)
    except TooManyPaths:
        assume(False)


@given(graphs())
def test_backward_on_random_graphs(graph: tuple[list[Value], Value]) -> None:
    """The gradient left by backward is the sum over paths; a second pass doubles the leaves' and not the others'."""
    leaves, end = graph
    assume(end.requires_grad and end.size == 1)
    try:
        paths = every_path(end, at_most=20_000)
    except TooManyPaths:
        assume(False)
    for times in (1, 2):
        end.backward()
        for value in ancestors(end):
            if value not in paths:  # though it may have been read for a part that nothing reads
                assert value.grad is None or not np.any(value.grad)
                continue
            expected = statistic("GRADIENT", end, value, paths) * (times if value.is_leaf else 1)
            grad = np.zeros(value.shape) if value.grad is None else value.grad
            assert_allclose(grad, expected, rtol=1e-7, atol=1e-7)
    once = [leaf.grad if leaf.has_grad else None for leaf in leaves]
    for leaf in leaves:
        leaf.zero_grad()
    end.backward()
    end.backward(keep="leaves")
    for leaf, grad in zip(leaves, once, strict=True):
        assert leaf.has_grad == (grad is not None)
        if grad is not None:
            assert_array_equal(leaf.grad, grad)


@given(graphs())
def test_forward_sums_over_the_same_paths(graph: tuple[list[Value], Value]) -> None:
    """What a forward sweep brings from a leaf to the end is what the reverse sweep brings from the end to the leaf."""
    leaves, end = graph
    assume(end.requires_grad)
    for leaf in leaves:
        if not leaf.requires_grad or leaf is end:
            continue
        for semiring in (COUNT, MAGNITUDE, GRADIENT):
            backwards = reverse(end, semiring).get(leaf, semiring.zero(leaf.shape))
            forwards = forward(leaf, end, semiring, semiring.one(leaf.shape)).get(end, 0)
            assert_allclose(float(np.sum(forwards)), float(np.sum(backwards)), rtol=1e-9, atol=1e-9)


@given(graphs())
def test_replay_repeats_the_recorded_numbers(graph: tuple[list[Value], Value]) -> None:
    leaves, end = graph
    assert_array_equal(tg.replay(end), end.data)
    assert_array_equal(tg.replay(end, {leaf: leaf.data for leaf in leaves}), end.data)


# ---- backward --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [3.0, np.array([3.0]), np.array([[3.0]])], ids=["scalar", "vector", "matrix"])
class TestAccumulation:
    """What micrograd and tinygrad's first engine got wrong."""

    def test_a_value_times_itself_is_two_edges(self, start: Any) -> None:
        x = Value(start)
        y = x * x
        assert y.parents == (x, x)
        y.backward()
        assert_array_equal(x.grad, np.full(x.shape, 6.0))
        assert np.all(tg.sweep(y, COUNT, wrt=x) == 2)

    def test_a_shared_intermediate(self, start: Any) -> None:
        x = Value(start)
        s = x * x
        (s + s).backward()
        assert_array_equal(x.grad, np.full(x.shape, 12.0))
        assert_array_equal(s.grad, np.full(x.shape, 2.0))

    def test_a_shared_intermediate_times_its_leaf(self, start: Any) -> None:
        x = Value(start)
        ((x + x) * x).backward()
        assert_array_equal(x.grad, np.full(x.shape, 12.0))

    def test_a_second_backward_gives_exactly_twice(self, start: Any) -> None:
        x = Value(start)
        s = x * x
        y = s + s
        y.backward()
        y.backward()
        assert_array_equal(x.grad, np.full(x.shape, 24.0))
        assert_array_equal(s.grad, np.full(x.shape, 2.0))
        assert_array_equal(y.grad, np.ones(x.shape))

    def test_interior_gradients_are_those_of_the_last_pass(self, start: Any) -> None:
        x = Value(start)
        s = x * x
        (s * 5.0).backward()
        (s * 7.0).backward()
        assert_array_equal(s.grad, np.full(x.shape, 7.0))
        assert_array_equal(x.grad, np.full(x.shape, 72.0))

    def test_a_leaf_is_its_own_end(self, start: Any) -> None:
        x = Value(start)
        x.backward()
        x.backward()
        assert_array_equal(x.grad, np.full(x.shape, 2.0))

    def test_an_end_inside_another_graph(self, start: Any) -> None:
        x = Value(start)
        s = x * x
        y = s * 2.0
        s.backward()
        assert not y.has_grad
        assert_array_equal(x.grad, np.full(x.shape, 6.0))

    def test_zero_grad(self, start: Any) -> None:
        x = Value(start)
        (x * 2.0).backward()
        x.zero_grad()
        assert not x.has_grad
        (x * 2.0).backward()
        assert_array_equal(x.grad, np.full(x.shape, 2.0))


def test_deep_sharing_is_not_walked_path_by_path() -> None:
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0**200
    assert len(topological(y)) == 200


def test_seeds() -> None:
    x = Value([[1.0, 2.0], [3.0, 4.0]], name="x")
    y = x * 2.0
    seed = np.array([[1.0, 0.0], [-1.0, 3.0]])
    y.backward(seed)
    assert_array_equal(x.grad, 2 * seed)
    x.zero_grad()
    y.backward(Value(seed))
    assert_array_equal(x.grad, 2 * seed)
    x.zero_grad()
    y.backward([[1, 0], [-1, 3]])
    assert_array_equal(x.grad, 2 * seed)
    with pytest.raises(
        ShapeError,
        match=r"backward: needs a scalar, got shape \(2, 2\) of a nameless result of 'mul'.*; pass grad= or call",
    ):
        y.backward()
    with pytest.raises(
        ShapeError, match=r"backward: grad has shape \(2,\), a nameless result of 'mul' .* has \(2, 2\)"
    ):
        y.backward([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"backward: grad has shape \(1,\), .* has \(2, 2\); they must be equal"):
        y.backward([1.0])
    for one in (1.0, 1, np.float32(1.0), np.array(1.0), Value(1.0)):
        x.zero_grad()
        y.backward(one)
        assert_array_equal(x.grad, np.full((2, 2), 2.0))
    x.grad = 2 * seed
    s = x.sum()
    with pytest.raises(ShapeError, match=r"backward: grad has shape \(1,\), .* has \(\)"):
        s.backward([1.0])
    s.backward(-2)
    assert_array_equal(x.grad, 2 * seed - 2)


def test_a_seed_is_not_kept_by_reference() -> None:
    x = Value(np.ones(2))
    seed = np.ones(2)
    x.backward(seed)
    seed[:] = 9.0
    assert_array_equal(x.grad, [1.0, 1.0])
    y, seed = x * 1.0 + 0.0, np.ones(2)
    y.backward(seed)
    seed[:] = 9.0
    assert_array_equal(x.grad, [2.0, 2.0])
    assert_array_equal(y.grad, [1.0, 1.0])


def test_gradients_have_the_dtype_of_the_data() -> None:
    w, x = Value(np.ones((2, 2), dtype=np.float32)), Value(np.ones(2, dtype=np.float32))
    scale = Value(2.0)
    y = ((w @ x) * scale).tanh().sum()
    y.backward()
    assert w.grad.dtype == x.grad.dtype == np.float32
    assert type(scale.grad) is float
    assert type(y.data) is float
    mixed = Value(np.ones(2)) * Value(np.ones(2, dtype=np.float32), name="single")
    mixed.backward(np.ones(2))
    assert [p.grad.dtype for p in mixed.parents] == [np.float64, np.float32]


def test_leaves_own_their_gradients(rng: np.random.Generator) -> None:
    """No two leaves' gradients, nor a leaf's and an interior Value's, share memory."""
    a, b, c, d = (Value(rng.standard_normal((2, 3)), name=name) for name in "abcd")
    for build in (
        lambda: a + b,
        lambda: tg.concatenate([a, b]) + tg.concatenate([b, a]),
        lambda: tg.stack([a.reshape(3, 2), b.reshape(3, 2)]),
        lambda: (a.T + b.T) + (c + d).T,
        lambda: tg.broadcast_to(a, (2, 2, 3)) + b,
        lambda: a.sum() + b.sum(),
        lambda: a[0] + b[1] + c[:, :] [0],
        lambda: tg.flip(a) + tg.roll(b, 0) + c[...] + d.reshape(2, 3),
        lambda: a - b + c / 1.0 - (-d),
        lambda: tg.maximum(a, b) + tg.where(True, c, d),
    ):  # fmt: skip
        for keep in (None, "leaves"):
            end = build()
            inside = ancestors(end)
            seed = np.ones(end.shape) if end.shape else 1.0
            end.backward(seed, keep=keep)
            leaves = [v for v in (a, b, c, d) if v.has_grad]
            rest = [] if keep else [v.grad for v in inside if not v.is_leaf and isinstance(v.grad, np.ndarray)]
            for k, leaf in enumerate(leaves):
                others = [v.grad for v in leaves[:k]] + rest + [v.data for v in leaves] + [seed]
                for other in others:
                    assert not np.shares_memory(leaf.grad, other)
                assert leaf.grad.flags.writeable
            for leaf in leaves:
                leaf.zero_grad()


def test_constants_get_no_gradient() -> None:
    x, t = Value([1.0, 2.0], name="x"), Value([1, 2], name="t", requires_grad=False)
    y = (x * t + 3.0).sum()
    y.backward()
    assert t.grad is None
    assert t.data.dtype.kind == "i"
    assert_array_equal(x.grad, [1.0, 2.0])
    assert not (t * 2.0).requires_grad
    assert not (t.sum() + Value(1.0, requires_grad=False)).requires_grad


def test_constants_through_every_scalar_op() -> None:
    """A constant operand neither receives a gradient nor makes its result require one."""
    from tinygrad_lite.core.elementwise import FUNCTIONS
    from tinygrad_lite.core.elementwise_derivatives import TABLE

    for name, rule in TABLE.items():
        for above in (0.25, 0.75):
            at = [low + above * (high - low) for low, high in rule.domain]
            fixed = [Value(x, requires_grad=False) for x in at]
            assert not FUNCTIONS[name](*fixed).requires_grad, name
            for k in range(len(at)):
                mixed: list[Any] = [fixed[j] if j == k else Value(x) for j, x in enumerate(at)]
                out = FUNCTIONS[name](*mixed)
                if out.requires_grad:
                    out.backward()
                assert not fixed[k].has_grad, name


def test_an_end_that_needs_no_gradient() -> None:
    with pytest.raises(
        GraphError, match=r"backward: 't' \(2\) depends on nothing that requires a gradient; make its param"
    ):
        Value(2.0, name="t", requires_grad=False).backward()
    with pytest.raises(GraphError, match=r"of 'mul' \(6\) depends on nothing that requires a gradient.*no_grad"):
        (Value(2.0, requires_grad=False) * 3.0).backward()


def test_paths_end_where_there_is_no_derivative() -> None:
    slope_, x = Value(0.1, name="slope"), Value([-1.0, 1.0])
    tg.leaky_relu(x, slope_).backward(np.ones(2))
    assert not slope_.has_grad
    condition = Value([1.0, 0.0])
    y = tg.where(condition * 2.0, x, 0.0)
    y.backward(np.ones(2))
    assert condition.grad is None or not condition.grad.any()
    assert tg.sweep(y.sum(), COUNT, wrt=[condition])[0].tolist() == [0, 0]


# ---- keep="leaves" ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [2.0, np.array([2.0])], ids=["scalar", "array"])
def test_keep_leaves_frees_the_graph(start: Any) -> None:
    x = Value(start, name="x")
    s = x * x
    s.name = "s"
    y = s * 3.0
    y.backward(keep="leaves")
    assert_array_equal(x.grad, np.full(x.shape, 12.0))
    assert_array_equal(y.data, np.full(x.shape, 12.0))  # a loss is still to be printed
    assert s._data is None
    assert "freed" in repr(s)
    assert not s.is_leaf
    freed = r"freed by backward\(keep='leaves'\); run the forward pass again"
    for use in (
        lambda: s.data,
        lambda: s + 1.0,
        lambda: tg.exp(s),
        lambda: 2.0 * s,
        lambda: s.item(),
        lambda: float(s),
        lambda: bool(s),
        lambda: s > 0,
        lambda: s == 0,
        lambda: s.sum(),
        lambda: tg.weighted_sum([s], [1.0]),
        lambda: s.backward(),
        lambda: s.detach(),
        lambda: s.shape,
        lambda: tg.clip(s, 0.0, 1.0),
    ):
        with pytest.raises(GraphError, match=freed):
            use()
    with pytest.raises(GraphError, match="'s'"):
        _ = s.data
    for use in (lambda: y.backward(), lambda: tg.sweep(y, COUNT, wrt=x), lambda: (y + 1.0).backward()):
        with pytest.raises(GraphError, match=freed):
            use()
    for use in (lambda: y.parents, lambda: y.operands, lambda: tg.replay(y, {x: x.data})):
        with pytest.raises(GraphError, match=freed):
            use()


def test_keep_leaves_of_a_shared_part() -> None:
    x = Value(2.0)
    s = x * x
    first, second = s + 1.0, s * 5.0
    first.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed"):
        second.backward()
    assert x.grad == 4.0


def test_keep_is_none_or_leaves() -> None:
    with pytest.raises(ArgumentError, match=r"backward: keep is None or 'leaves', got 'all'"):
        (Value(2.0) * 3.0).backward(keep="all")


def test_a_leaf_survives_keep_leaves() -> None:
    x = Value(2.0)
    x.backward(keep="leaves")
    x.backward(keep="leaves")
    assert x.grad == 2.0
    assert x.data == 2.0


# ---- stale graphs ----------------------------------------------------------------------------------------------------


def test_replaced_arrays_are_noticed() -> None:
    w = Value(np.ones(2), name="w")
    y = (w * w).sum()
    w.data = w.data - 0.1
    with pytest.raises(
        GraphError, match=r"the data of 'w' \(of shape \(2,\)\) was replaced after .* recorded; run the forward"
    ):
        y.backward()
    with pytest.raises(GraphError, match="replaced"):
        tg.sweep(y, COUNT, wrt=w)
    assert not w.has_grad


def test_in_place_arithmetic_on_data_is_noticed() -> None:
    w = Value(np.ones(2), name="w")
    y = (w * 2.0).sum()
    w.data -= 0.1  # assigns the same array, changed
    with pytest.raises(GraphError, match=r"'w'.*replaced"):
        y.backward()
    (w * 2.0).sum().backward()
    assert_array_equal(w.grad, [2.0, 2.0])


def test_scalars_keep_the_derivatives_of_their_recording() -> None:
    w = Value(3.0)
    y = w * w
    w.data = 100.0
    y.backward()
    assert w.grad == 6.0


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_two_threads_with_shared_parameters() -> None:
    w, v = Value(np.ones((3, 3)), name="w"), Value(2.0, name="v")
    results: dict[int, Any] = {}

    def work(k: int) -> None:
        for _ in range(50):
            x = Value(np.full(3, float(k)))
            y = ((w @ x) * v).tanh().sum() * (v * v)
            results[k] = tg.sweep(y, GRADIENT, wrt=[w, v, x]), x

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, ((dw, dv, dx), x) in results.items():
        y = ((w @ x) * v).tanh().sum() * (v * v)
        for leaf in (w, v, x):
            leaf.zero_grad()
        y.backward()
        assert_array_equal(dw, w.grad, err_msg=str(k))
        assert dv == v.grad
        assert_array_equal(dx, x.grad)


def test_backward_in_two_threads_does_not_mix_interior_gradients() -> None:
    """Each thread has its own graph on shared constants; leaves of its own."""
    shared = Value(np.arange(3.0), requires_grad=False)
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        leaf = Value(float(k))
        for _ in range(100):
            (leaf * shared).sum().backward()
        found[k] = leaf.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), 300.0)


# ---- sweep -----------------------------------------------------------------------------------------------------------


def test_sweep_answers_in_the_form_of_the_question() -> None:
    a, b = Value(3.0, name="a"), Value([1.0, 2.0], name="b")
    y = (a * b).sum()
    assert tg.sweep(y, GRADIENT, wrt=a) == 3.0
    assert type(tg.sweep(y, GRADIENT, wrt=a)) is float
    assert type(tg.sweep(y, COUNT, wrt=a)) is int
    assert_array_equal(tg.sweep(y, GRADIENT, wrt=b), [3.0, 3.0])
    as_list = tg.sweep(y, GRADIENT, wrt=(a, b))
    assert isinstance(as_list, list)
    assert as_list[0] == 3.0
    as_dict = tg.sweep(y, COUNT, wrt={"first": b, "second": a})
    assert list(as_dict) == ["first", "second"]
    assert as_dict["second"] == 2
    assert tg.sweep(y, COUNT, wrt=[]) == []

    class Module:
        def named_parameters(self) -> Any:
            yield "a", a
            yield "b", b

    assert tg.sweep(y, COUNT, wrt=Module())["a"] == 2
    assert tg.sweep(y, COUNT, wrt=y) == 1  # the empty path


def test_sweeps_leave_no_trace() -> None:
    x = Value([1.0, 2.0])
    y = (x * x).sum()
    found = tg.sweep(y, GRADIENT, wrt=x)
    assert not x.has_grad
    assert not y.has_grad
    found[0] = 99.0
    assert_array_equal(tg.sweep(y, GRADIENT, wrt=x), [2.0, 4.0])
    assert tg.sweep(tg.broadcast_to(x, (2, 2)).sum(), GRADIENT, wrt=x).flags.writeable


def test_sweep_from_an_end_of_one_element() -> None:
    x = Value([[1.0, 2.0]])
    y = (x @ x.T) * 1.0
    assert y.shape == (1, 1)
    assert_array_equal(tg.sweep(y, COUNT, wrt=x), [[2, 2]])
    with pytest.raises(
        ShapeError, match=r"sweep: the end has one element, got shape \(1, 2\) of .*'mul'.*; index or sum it"
    ):
        tg.sweep(x * 2.0, COUNT, wrt=x)
    with pytest.raises(ArgumentError, match=r"sweep: wrt holds Values, got float; pass Values or a module"):
        tg.sweep(y, COUNT, wrt=[1.0])


LOSSES_OF_FLOAT32: list[Any] = [
    lambda y: nn.losses.half_squared_error(y, np.zeros((3, 2), np.float32)),
    lambda y: nn.losses.mse(y, np.zeros((3, 2))),
    lambda y: nn.losses.cross_entropy(y, np.array([0, 1, 0])),
    lambda y: y.sum(),
    lambda y: y.mean(axis=0).sum() * 2.0,
    lambda y: tg.norm(y),
    lambda y: tg.logsumexp(y),
    lambda y: y[0, 0] * 1e-30 * 1e-30,
]


@pytest.mark.parametrize("loss", LOSSES_OF_FLOAT32)
def test_sums_of_contributions_have_the_dtype_of_the_value(loss: Any) -> None:
    net = nn.MLP([2, 3, 2], activation="tanh", rng=0, dtype=np.float32)
    end, w = loss(net(np.ones((3, 2), np.float32))), net.layers[0].w
    end.backward()
    for semiring in (semirings.GRADIENT, semirings.MAGNITUDE):
        assert tg.sweep(end, semiring, wrt=w).dtype == np.float32
    np.testing.assert_allclose(tg.sweep(end, semirings.GRADIENT, wrt=w), w.grad, rtol=1e-5, atol=1e-7)
    count, total, magnitude = tg.sweep(end, semirings.SPECTRUM, wrt=w).popitem()[1]
    assert [count.dtype, total.dtype, magnitude.dtype] == [np.int64, np.float32, np.float32]
    assert tg.sweep(end, semirings.COUNT, wrt=w).dtype == np.int64
    for semiring in (semirings.LOG_MAGNITUDE, semirings.MAX, semirings.MOST_POSITIVE):
        assert tg.sweep(end, semiring, wrt=w).dtype == np.float64
    gp = tg.gradient_paths(end, w, at=(0, 0))
    assert gp.through("n1").dtype == np.float32
    assert {flow.contribution.dtype for flow in gp.flow() if flow.operand.shape} == {np.dtype(np.float32)}
