"""Local derivatives that are infinite or NaN: no statistic of paths through one means anything."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from ..errors import NonFiniteError
from .graph import chains, topological
from .value import Value, describe

__all__ = ["check_local_derivatives"]


def check_local_derivatives(
    end: Value, reached: Container[Value], who: str, opens: Callable[[Value, Value], bool]
) -> None:
    """Raise ``NonFiniteError`` for the first local derivative between Values in ``reached`` that is infinite or NaN.

    ``opens(node, operand)`` says whether a sweep goes from a node to an operand. Messages name ``who`` asks.
    """
    with np.errstate(all="ignore"):
        for node in topological(end):
            if node not in reached:
                continue
            for k, operand, chain in chains(node):
                if operand not in reached or not opens(node, operand):
                    continue
                for linear_map in chain:
                    weight = getattr(linear_map, "weight", getattr(linear_map, "operand", 1.0))
                    if not np.isfinite(weight).all():
                        _refuse(node, k, operand, np.asarray(weight), who)


def _refuse(node: Value, k: int, operand: Value, weight: Any, who: str) -> None:
    index = tuple(map(int, np.argwhere(~np.isfinite(weight))[0]))
    element = f" at element {list(index)}" if index else ""
    point = ""
    if np.shape(operand.data) == weight.shape:
        point = f", where the operand is {float(np.asarray(operand.data)[index]):.6g}"
    assert node.op is not None
    raise NonFiniteError(
        f"{who}: a local derivative of {node.op.name!r}, which made {describe(node)}, with respect to operand {k}, "
        f"{describe(operand)}, is {float(weight[index])}{element}{point}; keep the operand inside the op's domain"
    )
