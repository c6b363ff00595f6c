"""``detect_anomaly``: stop at the first number that is infinite or not a number, and at data that changed in between.

Outside the block it costs nothing: an op and ``backward`` ask one counter, as they do for ``no_grad``. Inside, an
observer checks the result of every op and gives each node a copy of its op, which holds the line of the user's code
that made the node, and a checksum of each operand's data.
"""

from __future__ import annotations

import copy
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.elementwise import plain_node
from ..core.graph import operands_of, saved_operands
from ..core.recording import Observer, line_of_user, paused, watching_by
from ..core.scattered import Scattered
from ..core.value import Op, Value, as_data, describe, raw, unrecorded
from ..errors import GraphError, NonFiniteError

__all__ = ["detect_anomaly"]


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Make the first NaN or infinity inside the block an error, and the first stale or overwritten data.

    The error names the op, the Value, the element, and the line of your code that made the node. Forward, the results
    of ops are checked; backward, the cotangents that arrive at Values, and that the data which the ops read have not
    changed. A checksum finds an array that was overwritten in place (``p.data[0] = 1``). Compiled steps run eagerly.
    The block holds for the current thread or asyncio task, and is slow: use it to find an error.

    Raises ``NonFiniteError``, and ``GraphError`` for data that changed.

    >>> p = Value(0.0, name="p")
    >>> with detect_anomaly():
    ...     np.log(p)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    tinygrad_lite.errors.NonFiniteError: detect_anomaly: 'log' made -inf of 'p' (0), in …
    """
    with watching_by(_Detector()):
        yield


class _Detector(Observer):
    """The observer of ops and sweeps inside the block."""

    def node_for(self, op: Op, operands: tuple[Any, ...], out: Any) -> Value:
        """The node of an op with the line that made it, if its result is finite."""
        data = [x._data if type(x) is Value else as_data(x, True, False) for x in operands]
        line = line_of_user()
        index = _first_non_finite(out)
        if index is not None:
            raise NonFiniteError(
                f"detect_anomaly: {op.name!r} made {_at(out, index)}{_element(index)} of "
                f"{_operands(operands, index, np.shape(out))}, "
                f"in {line}; keep the operands inside the op's domain"
            )
        if paused():
            return unrecorded(op, operands, out)
        op = copy.copy(op)
        vars(op).update(line=line, checksums=tuple(map(_checksum, data)))
        return plain_node(op, operands, data, out)

    def check(self, nodes: Iterable[Value]) -> None:
        """Raise for the first operand whose data changed after an op of the block read them."""
        for node in nodes:
            op = node._made_by
            checksums = getattr(op, "checksums", None)
            if op is None or checksums is None:
                continue
            operands = operands_of(node)
            saved = saved_operands(node) or operands
            for k, (operand, before) in enumerate(zip(operands, checksums, strict=True)):
                data = operand._data if type(operand) is Value else saved[k]
                if data is None or type(data) not in (float, np.ndarray):
                    continue  # freed, or a raw number, which cannot change
                if _checksum(data) != before:
                    how = "replaced" if type(data) is float else "overwritten in place"
                    raise GraphError(
                        f"detect_anomaly: the data of {describe(operand)} was {how} after {op.name!r} read it, in "
                        f"{op.line}; run the forward pass again, and update parameters after backward"
                    )

    def cotangents(self) -> Any:
        """Totals that check each cotangent as it arrives."""
        return _Cotangents()


class _Cotangents(defaultdict[Value, Any]):
    """The totals of a sweep, which reads a node's total, pulls it back and adds to those of the node's operands."""

    def __init__(self) -> None:
        super().__init__(float)
        self.node: Value | None = None

    def pop(self, node: Any, *default: Any) -> Any:
        self.node = node
        return super().pop(node, *default)

    def get(self, node: Any, default: Any = None) -> Any:
        self.node = node
        return super().get(node, default)

    def __setitem__(self, operand: Value, g: Any) -> None:
        found = g.dense() if type(g) is Scattered else raw(g)
        index = _first_non_finite(found)
        if index is not None:
            who = f"detect_anomaly: the gradient of {describe(operand)} is {_at(found, index)}{_element(index)}"
            node = self.node
            if node is None or node._made_by is None:
                raise NonFiniteError(f"{who}, as it was given to backward; pass finite numbers")
            line = node._made_by.line or "a line that is not known (compute it inside detect_anomaly, too)"
            raise NonFiniteError(
                f"{who}, back through {node._made_by.name!r}, which made {describe(node)} of "
                f"{_operands(operands_of(node), index, np.shape(found))} in {line}; keep the operands "
                "away from where the derivative is infinite"
            )
        super().__setitem__(operand, g)


def _checksum(data: Any) -> Any:
    """The number itself, or a checksum of an array: equal for equal data."""
    if type(data) is not np.ndarray:
        return "nan" if data != data else data
    return zlib.crc32(np.ascontiguousarray(data).view(np.uint8).data) if data.size else 0


def _first_non_finite(data: Any) -> tuple[int, ...] | None:
    """The first element that is infinite or NaN; ``()`` for a number that is."""
    finite = np.isfinite(data)
    if np.all(finite):
        return None
    return tuple(map(int, np.argwhere(~np.asarray(finite))[0])) if np.ndim(data) else ()


def _at(data: Any, index: tuple[int, ...]) -> str:
    return str(float(data[index] if index else data))


def _element(index: tuple[int, ...]) -> str:
    return f" at element {list(index)}" if index else ""


def _operands(operands: Sequence[Any], index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The operands as text, each with its number at the element if it has that shape, or its first infinity or NaN."""
    shown = []
    for operand in operands:
        data = raw(operand)
        text = describe(operand)
        already = _first_non_finite(data)
        if already is not None and np.ndim(data):
            text += f", which is {_at(data, already)} already{_element(already)}"
        elif index and np.shape(data) == shape:
            text += f", {float(data[index]):.6g} there"
        shown.append(text)
    return " and ".join(shown)
