"""What ``backward`` would give, without writing into any gradient: it is run on a copy of the graph."""

from __future__ import annotations

from typing import Any

from .sweeping import ancestors
from .value import Value

__all__ = ["backward_gradients"]


def backward_gradients(end: Value, grad: Any = None) -> dict[Value, Any]:
    """The gradient that ``end.backward(grad)`` gives every Value it reaches, of leaves that had none before.

    The very code runs that trains: ``Op.pull`` of arrays and the saved derivatives of scalars, which the other sweeps
    do not use. Data are shared with the copy, nothing of the graph changes.

    >>> a = Value(3.0)
    >>> backward_gradients(a * a)[a], a.has_grad
    (6.0, False)
    """
    if not end.requires_grad:
        return {}
    copies: dict[Value, Value] = {}
    for value in ancestors(end):  # each after its operands
        copy = copies[value] = object.__new__(Value)
        copy._data, copy._grad, copy._made_by = value._data, None, value._made_by
        copy._a, copy._b = _copied(value._a, copies), _copied(value._b, copies)
        copy._da, copy._db = value._da, value._db
        copy.name, copy.requires_grad = value.name, value.requires_grad
    copies[end].backward(grad)
    return {value: copy._grad for value, copy in copies.items() if copy._grad is not None}


def _copied(operand: Any, copies: dict[Value, Value]) -> Any:
    """An operand, or a tuple of them, with the copies in place of Values; raw numbers stay."""
    if type(operand) is tuple:
        return tuple(_copied(one, copies) for one in operand)
    return copies.get(operand, operand) if type(operand) is Value else operand
