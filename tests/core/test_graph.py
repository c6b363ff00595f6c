"""The order of a graph."""

from __future__ import annotations

from tinygrad_lite import Value
from tinygrad_lite.core.graph import ancestors, topological


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
