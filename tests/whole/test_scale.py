"""Large graphs: nothing recurses, and nothing grows faster than the graph. No test here times anything."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import sys
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, nn
from tinygrad_lite.core.graph import ancestors, topological
from tinygrad_lite.core.sweeps import forward
from tinygrad_lite.errors import GraphError
from tinygrad_lite.graph.scopes import _calls_at
from tinygrad_lite.semirings import COUNT, GRADIENT, MAGNITUDE

MILLION = 1_000_000
LONG = 20_000  # recursion fails near 1,000


def test_a_chain_of_a_million_ops() -> None:
    x = Value(1.0)
    y = x
    for _ in range(MILLION // 2):
        y = (y + 1e-6) * 0.9999999
    y.backward()
    assert x.grad == pytest.approx(0.9999999 ** (MILLION // 2), rel=1e-9)
    assert y.grad == 1.0
    assert repr(y).startswith("Value(")
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps, lambda v: copy.deepcopy([v])):
        with pytest.raises(GraphError, match=r"(copy|pickle): .* is part of a graph; .*detach"):
            duplicate(y)
    assert copy.deepcopy(y.detach()).data == y.data
    y.backward(keep="leaves")
    with pytest.raises(GraphError, match=r"was freed by backward\(keep='leaves'\)"):
        y.backward()
    del y
    assert x.grad == pytest.approx(2 * 0.9999999 ** (MILLION // 2), rel=1e-9)


def test_a_recorded_chain_of_a_million_ops_can_be_deleted() -> None:
    x = Value(1.0)
    y = x
    for _ in range(MILLION):
        y = -y
    del y
    gc.collect()
    assert sys.getrefcount(x) < 10


def test_a_sum_of_many_terms_is_one_wide_node() -> None:
    weights = [Value(float(k)) for k in range(LONG)]
    z = tg.weighted_sum(weights, [2.0] * LONG, 1.0)
    z.backward()
    assert z.data == 1.0 + LONG * (LONG - 1)
    assert all(w.grad == 2.0 for w in weights)
    assert len(z.parents) == 2 * LONG + 1


@pytest.mark.parametrize("start", [1.0, np.ones(2)], ids=["scalar", "array"])
def test_everything_that_walks_a_graph_walks_a_long_one(start: Any) -> None:
    x = Value(start, name="x")
    y = x
    for _ in range(LONG):
        y = y * 1.0
    end = y if y.size == 1 else y.sum()
    assert len(topological(end)) == LONG + (end is not y)
    assert len(ancestors(end)) >= LONG
    ones = np.ones(x.shape)
    for semiring in (COUNT, GRADIENT, MAGNITUDE):
        assert_array_equal(tg.sweep(end, semiring, wrt=x), ones)
    assert np.sum(forward(x, end, COUNT, COUNT.one(x.shape))[end]) == x.size
    assert tg.replay(end, {x: 3.0 * ones}) == 3.0 * x.size
    end.backward()
    assert_array_equal(x.grad, ones)
    assert "Value(" in repr(end)
    end.backward(keep="leaves")
    del y, end
    gc.collect()


def test_a_deep_and_shared_graph_is_linear_work() -> None:
    """2**LONG paths, counted and summed without walking them."""
    x = Value(1.0)
    y = x
    for _ in range(2_000):
        y = 0.5 * y + 0.5 * y
    assert tg.sweep(y, COUNT, wrt=x) == 2**2_000
    y.backward()
    assert x.grad == 1.0
    assert len(ancestors(y)) == 1 + 2_000 * 5


def test_a_wide_graph() -> None:
    x = Value(np.ones((300, 300)))
    w = Value(np.full((300, 300), 1 / 300))
    y = ((x @ w) @ w).sum()
    assert_array_equal(tg.sweep(y, COUNT, wrt=x), np.full((300, 300), 300**2))
    assert_allclose(tg.sweep(y, MAGNITUDE, wrt=x), np.ones((300, 300)))


def test_keep_leaves_lets_go_of_the_data() -> None:
    x = Value(np.ones(1000))
    h = x * 2.0
    data = weakref.ref(h.data)
    y = (h * h).sum()
    y.backward(keep="leaves")
    gc.collect()
    assert data() is None
    assert_allclose(x.grad, np.full(1000, 8.0))


def test_a_graph_is_freed_with_its_last_reference() -> None:
    """No cycles: nothing waits for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        x = Value(np.ones(3))
        h = x.tanh()
        data = weakref.ref(h.data)
        y = (h * h).sum() + tg.logsumexp(h) + h[0] + (h @ h) + tg.softmax(h)[[0, 0]].sum()
        y.backward()
        tg.sweep(y, COUNT, wrt=x)
        del h, y
        assert data() is None
    finally:
        gc.enable()


def test_memory_of_a_scalar_op() -> None:
    """Micrograd takes 928 bytes for one: at most a fifth of that, the collector's header and its floats included."""
    x = Value(1.5)
    y = x * 2.0
    node = sys.getsizeof(y)
    assert node + sys.getsizeof(y.data) + sys.getsizeof(y._da) <= 928 / 5


def nested(depth: int) -> nn.Sequential:
    """A linear layer inside so many modules, and a function after it in the outermost."""
    modules = [nn.Sequential(nn.Linear(1, 1)) for _ in range(depth)]
    for outer, inner in itertools.pairwise(modules):
        outer.layers = [inner]
    modules[0].layers.append(np.tanh)
    return modules[0]


def test_thousands_of_nested_modules() -> None:
    depth = 3_000
    net = nested(depth)
    name = "layers.0." * depth
    assert list(net.named_parameters()) == [f"{name}w", f"{name}b"]
    assert len(net.named_modules()) == depth + 1
    net.load_state_dict(net.state_dict())
    assert not any(module.training for module in net.eval().named_modules().values())
    shown = repr(net).splitlines()
    assert len(shown) == 2 * depth + 2
    assert shown[depth] == "  " * depth + "0: Linear(1, 1)"
    assert net._repr_html_().startswith("<table>")
    loss = net([[2.0]]).sum()
    w, b = net.parameters()
    assert loss.data == np.tanh(2.0 * w.data[0, 0] + b.data[0])
    ((sequence, total),) = tg.gradient_paths(loss, w).by("module").items()
    loss.backward()
    assert total == pytest.approx(w.grad.item())
    assert sequence == (name.removesuffix("."),)
    assert str(viz.graph(loss, depth=1).source).count("cluster") < 5
    opened = str(viz.graph(loss).source)
    assert opened.count("subgraph cluster_") == depth
    assert opened.count("{") == opened.count("}")
    assert len(opened) < 400 * depth  # margins that grow with every level made it 14 MB long


def test_a_call_of_nested_sequentials_notes_each_of_them() -> None:
    """As if each had called the next, which a function in between makes them do."""
    net = nested(3)
    middle, inner = net.layers[0], net.layers[0].layers[0]

    def called() -> list[list[Any]]:
        """The modules that returned the result and its operand, from the outermost in."""
        y = net(Value([[2.0]]))
        return [[module for module, _ in _calls_at(made)] for made in (y, y.parents[0])]

    in_turn = called()
    middle.layers = [lambda x: inner(x)]
    assert in_turn == called() == [[net], [middle, inner, inner.layers[0]]]


def test_modules_that_contain_each_other_are_shown_once() -> None:
    first, second = nn.Module(), nn.Module()
    first.other, second.other = second, first  # type: ignore[attr-defined]
    assert repr(first) == "Module(\n  other: Module(\n    other: Module(…)\n  )\n)"
