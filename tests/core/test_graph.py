"""Readers see the composition of a folded op, and leave the graph as it was recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, nn
from tinygrad_lite.core.graph import ancestors, chains, live, operands_of, postorder, topological

READERS: dict[str, Callable[[Value, Value], Any]] = {
    "paths": lambda end, w: print(tg.gradient_paths(end, w, at=(0, 1))),
    "top": lambda end, w: tg.gradient_paths(end, w, at=(0, 1)).top(3),
    "sweep": lambda end, w: tg.sweep(end, tg.semirings.SPECTRUM, wrt=w),
    "derive": lambda end, w: tg.derive(end, w).text,
    "derive one": lambda end, w: tg.derive(end, w, at=(0, 1)).python,
    "manual_backprop": lambda end, w: tg.manual_backprop(end, wrt=[w]),
    "compare": lambda end, w: tg.compare(end, wrt=[w]),
    "replay": lambda end, w: tg.replay(end, {w: w.data * 2.0}),
    "graph": lambda end, w: viz.graph(end).source,
    "pictured paths": lambda end, w: viz.paths(end, w, at=(0, 1)).source,
    "attributes": lambda end, w: (end.op, end.operands, end.parents),
}


def encoding(node: Value) -> tuple[Any, ...]:
    data = node._data.copy() if isinstance(node._data, np.ndarray) else node._data
    return node._made_by, node._da, node._db, operands_of(node), data, node._grad


def is_same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Whether two encodings are the same objects; raw operands may have become constants."""
    operands = all(x is y or not isinstance(x, Value) for x, y in zip(a[3], b[3], strict=True))
    return operands and all(x is y for x, y in zip(a[:3], b[:3], strict=True)) and np.array_equal(a[4], b[4])


def checkpointed(w: Value, calls: list[str]) -> Value:
    def block(x: Any) -> Any:
        calls.append("block")
        return np.tanh(x @ w)

    block_ = tg.checkpoint(block)
    return np.sum(block_(block_(np.linspace(-1.0, 1.0, 6).reshape(2, 3))))  # type: ignore[no-any-return]


def cross_entropy(w: Value, calls: list[str]) -> Value:
    return nn.losses.cross_entropy(Value(np.linspace(-1.0, 1.0, 6).reshape(2, 3)) @ w, np.array([1, 2]))


def squared(w: Value, calls: list[str]) -> Value:
    return nn.losses.half_squared_error(Value(np.linspace(-1.0, 1.0, 6).reshape(2, 3)) @ w, np.ones((2, 3))) * 2.0


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("made", [checkpointed, cross_entropy, squared])
def test_readers_leave_the_graph_and_its_backward_as_they_were(
    made: Callable[[Value, list[str]], Value], reader: str
) -> None:
    w = Value(np.linspace(0.5, 1.0, 9).reshape(3, 3), name="w")
    calls: list[str] = []
    made(w, calls).backward()
    expected, runs = w.grad.copy(), len(calls)
    w.zero_grad()
    end = made(w, calls)
    nodes = postorder([end], lambda node: [x for x in operands_of(node) if isinstance(x, Value)])
    before = [encoding(node) for node in nodes]
    READERS[reader](end, w)
    assert all(is_same(old, encoding(node)) for old, node in zip(before, nodes, strict=True))
    assert not any(node.has_grad for node in nodes)
    calls[:] = []
    end.backward()
    assert_array_equal(w.grad, expected)
    assert len(calls) == (2 if made is checkpointed else 0)
    assert runs in (0, 4)  # twice forward, twice in the backward pass


def test_orders_and_edges_of_a_folded_op() -> None:
    w = Value([[1.0, 2.0]], name="w")
    end = tg.checkpoint(lambda x: np.tanh(x) * 3.0)(w)
    assert [node.op.name for node in topological(end) if node.op is not None] == ["tanh", "mul"]
    assert [node is end for node in topological(end, folded=True)] == [True]
    assert ancestors(end)[-1] is end
    assert w in set(ancestors(end))
    assert [k for k, operand in live(end) if operand is w] == [0]
    ((k, operand, _),) = chains(end)
    assert (k, operand.op and operand.op.name) == (0, "tanh")
    assert end.parents[0] is operand


def test_topological_order() -> None:
    x, y = Value(1.0, name="x"), Value([1.0], name="y")
    a = x * 2.0
    b = a * y
    c = b + a
    order = topological(c)
    assert order == [a, b, c] or [v.op for v in order] == [a.op, b.op, c.op]
    everything = ancestors(c)
    assert {id(v) for v in everything} >= {id(v) for v in (x, y, a, b, c)}
    position = {id(v): k for k, v in enumerate(everything)}
    for value in everything:
        assert all(position[id(p)] < position[id(value)] for p in value.parents)


def test_the_operands_of_a_node_are_found_by_as_few_calls_however_many_they_are() -> None:
    def calls(node: Value) -> int:
        found = 0

        def counted(frame: Any, event: str, argument: Any) -> None:
            nonlocal found
            found += event == "call"

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            assert len(node.parents) > 2
        finally:
            sys.setprofile(before)
        return found

    values = [Value(float(k)) for k in range(200)]
    few, many = (tg.weighted_sum(values[:n], values[:n], values[0]) for n in (2, 200))
    assert calls(few) == calls(many)
