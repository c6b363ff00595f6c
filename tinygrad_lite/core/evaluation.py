"""A recorded graph evaluated again, with other data at some leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError, ShapeError
from .graph import ancestors, live, operands_of, postorder, saved_operands, unfolded
from .value import Value, as_data, describe

__all__ = ["check_recorded", "replay", "replay_only"]


def check_recorded(*ends: Value) -> None:
    """Raise ``GraphError`` where a leaf holds other data than the graph was recorded with, scalars included.

    A scalar op keeps its local derivatives and not what it read, so those that read a leaf are computed again.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> w.data = 5.0
    >>> check_recorded(y)
    Traceback (most recent call last):
        ...
    tinygrad_lite.errors.GraphError: graph: ... was computed from other data than its operands have now ('w' (5), ...
    """
    for node in ancestors(*ends):
        leaves = [operand for operand in node.parents if operand._made_by is None]
        if not leaves:
            continue
        live(node)  # raises for arrays, and for the operands of a folded op
        made = unfolded(node)
        if made is not node:
            live(made)
        if saved_operands(made) is None and all(not operand.shape for operand in node.parents):
            with np.errstate(all="ignore"):
                now = _recomputed(made, {operand: operand._data for operand in node.parents})
            if not np.isclose(now, made._data, rtol=1e-9, atol=1e-300, equal_nan=True):
                some = ", ".join(map(describe, leaves[:6])) + (", …" if len(leaves) > 6 else "")
                raise GraphError(
                    f"graph: {describe(node)} was computed from other data than its operands have now "
                    f"({some}); run the forward pass again"
                )


def replay(end: Value | Sequence[Value], leaves: Mapping[Value, Any] | None = None) -> Any:
    """The recorded graph evaluated again, with other data at some leaves.

    ``leaves`` maps leaves (or interior Values, which then are not computed) to data. The result is data: a float or an
    array; for a sequence of ends a list. Leaves that are not named keep the data they have now. Nothing recorded
    changes.

    Raises ``ShapeError`` for data of another shape than the leaf's, ``GraphError`` for a graph that was freed.

    >>> a = Value(3.0)
    >>> b = a * a
    >>> replay(b, {a: 5.0}), b.data
    (25.0, 9.0)
    """
    ends = [end] if isinstance(end, Value) else list(end)
    results: dict[Value, Any] = {}
    for leaf, given in (leaves or {}).items():
        if not isinstance(leaf, Value):
            raise ArgumentError(f"replay: leaves are given as {{Value: data}}, got a key of type {type(leaf).__name__}")
        data = as_data(given, keep_integers=True, copy=False)
        if np.shape(data) != leaf.shape:
            raise ShapeError(f"replay: {describe(leaf)} takes data of its shape, got {np.shape(data)}; reshape it")
        results[leaf] = data

    def reads(node: Value) -> list[Value]:
        return [x for x in operands_of(node) if isinstance(x, Value)]

    for node in postorder(reversed(ends), reads, results):
        results[node] = _recomputed(node, results)
    found = [results[one] for one in ends]
    return found[0] if isinstance(end, Value) else found


def replay_only(nodes: Iterable[Value], moved: Mapping[Value, Any]) -> dict[Value, Any]:
    """The data of ``nodes`` evaluated again, each after its operands, with other data at some Values.

    Values that are neither among ``nodes`` nor in ``moved`` keep the data they have.

    >>> a, b = Value(3.0), Value(4.0)
    >>> c = a * b
    >>> replay_only([c], {a: 5.0})[c]
    20.0
    """
    results = dict(moved)
    for node in nodes:
        results[node] = _recomputed(node, results)
    return results


def _recomputed(node: Value, results: Mapping[Value, Any]) -> Any:
    """The data of a Value, from those in ``results`` of its operands; where there are none, from those they have."""

    def read(x: Any) -> Any:
        if not isinstance(x, Value):
            return as_data(x, True, False)
        if x in results:
            return results[x]
        return x.data

    op = node._made_by
    if op is None:
        return node.data
    data = [read(x) for x in operands_of(node)]
    out = op.forward(*data)
    return float(out) if type(out) is not float and np.ndim(out) == 0 else out
