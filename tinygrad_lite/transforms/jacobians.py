"""Matrices of derivatives: Jacobians and Hessians."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.graph import between
from ..core.value import Value, constant
from ..errors import ArgumentError
from ..ops import reshaping
from .pytrees import filled
from .transforms import Call, _gradient, _named, called

__all__ = ["blocks", "hessian", "jacobian"]


_BLOCK = 1 << 22
"""The most numbers that one batch of rows may take at the largest Value between; more rows make several batches."""


def jacobian(
    f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, mode: str | None = None
) -> Callable[..., Any]:
    """The derivative of every element of the result by every element of the arguments.

    For one result and one argument it has the result's axes and then the argument's. With containers there is one such
    array for each pair of leaves, in the argument's containers inside the result's. ``mode`` is "reverse", "forward",
    or by default the one that has less to carry: forward where the arguments have no more elements than the result.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in (None, "forward", "reverse"):
        raise ArgumentError(f"jacobian: mode is 'forward', 'reverse' or None, got {mode!r}")

    return _matrix("jacobian", f, f, argnums, has_aux, mode)


def _matrix(
    who: str, f: Callable[..., Any], of: Callable[..., Any], argnums: Any, has_aux: bool, mode: str | None
) -> Callable[..., Any]:
    """The Jacobian of ``of``: ``f`` itself, or a transform of it."""

    def matrix(*args: Any, **kwargs: Any) -> Any:
        call = called(who, of, argnums, args, kwargs, has_aux)
        found = filled(call.result, [filled(call.wrt, of_end) for of_end in blocks(call, mode)])
        return (found, call.auxiliary()) if has_aux else found

    return _named(who, f, matrix)


def hessian(f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """All second derivatives of a scalar function: the Jacobian of its gradient, forward over reverse.

    For one argument it has the argument's axes twice.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return _matrix("hessian", f, _gradient("hessian", f, argnums, has_aux), argnums, has_aux, "forward")


def blocks(call: Call, mode: str | None) -> list[list[Any]]:
    """The derivatives of each end by each start, as the caller gets them: arrays with the axes of both."""
    starts, ends = [start for _, start in call.starts], [end for _, end in call.ends]
    n_in, n_out = sum(start.size for start in starts), sum(end.size for end in ends)
    forward = n_in <= n_out if mode is None else mode == "forward"
    rows, columns = (starts, ends) if forward else (ends, starts)
    arrived = _carried(call, rows, columns, forward)
    found: list[list[Any]] = []
    offset = 0
    for row in rows:
        of_row = []
        for column, block in zip(columns, arrived, strict=True):
            part = None if block is None else block[offset : offset + row.size]  # (elements of the row, *column)
            if part is not None and forward:
                part = reshaping.moveaxis(part, 0, -1)
            shape = column.shape + row.shape if forward else row.shape + column.shape
            of_row.append(_shaped(call, part, shape, np.result_type(row.dtype, column.dtype)))
        found.append(of_row)
        offset += row.size
    return [[of_row[k] for of_row in found] for k in range(len(ends))] if forward else found


def _carried(call: Call, rows: Sequence[Value], columns: Sequence[Value], forward: bool) -> list[Any]:
    """The cotangents (or tangents) of each column, one slice of the first axis for each element of the rows."""
    total = sum(row.size for row in rows)
    ends, starts = (columns, rows) if forward else (rows, columns)
    largest = max((node.size for node, _ in between(ends, starts)), default=1)
    step = max(1, total if call.recorded else _BLOCK // max(largest, 1))
    pieces = []
    for first in range(0, total, step):
        seeds = _unit_rows(rows, first, min(step, total - first))
        pieces.append(call.carried(ends, starts, seeds, forward, several=True))
    if not pieces:
        return [None] * len(columns)
    if len(pieces) == 1:
        return pieces[0]
    return [None if same[0] is None else np.concatenate(same) for same in zip(*pieces, strict=True)]


def _unit_rows(values: Sequence[Value], first: int, n: int) -> list[Any]:
    """``n`` consecutive unit vectors over all Values together, from the one numbered ``first``, split by Value."""
    found = []
    offset = 0
    for value in values:
        unit = np.eye(n, value.size, first - offset, dtype=value.dtype)
        unit = unit.reshape((n, *value.shape))
        found.append(unit)
        offset += value.size
    return found


def _shaped(call: Call, part: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A block of a Jacobian as the caller gets it; zeros where nothing arrived."""
    if part is None:
        part = np.zeros(shape, dtype)
    part = reshaping.reshape(part, shape)
    if isinstance(part, Value):
        return part
    part = np.array(part) if math.prod(shape) and shape else np.zeros(shape, dtype) if shape else float(part)
    return constant(part) if call.valued else part
