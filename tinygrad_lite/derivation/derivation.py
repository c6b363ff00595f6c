"""The chain rule written out, as a person would: text, LaTeX, and Python source.

The gradient of one number is the sum over its paths, factored, and then again in terms of the δs that backpropagation
saves. The gradient of whole arrays is written with matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.shapes import Index
from ..core.value import Value
from ..errors import ArgumentError, ValueTypeError
from ..graph.lookup import find
from ..paths.queries import gradient_paths
from .arrays import derive_arrays
from .result import Derivation
from .scalars import FORMS, Form, derive_number

__all__ = ["derive"]


def derive(
    loss: Value, wrt: Any, at: int | Index | None = None, *, end_at: int | Index | None = None, form: Form = "grouped"
) -> Derivation:
    """The gradient of ``loss`` with respect to ``wrt``, written out with the names of the Values.

    ``wrt`` is a Value or its name (``"w200"``, ``"w2[0,1]"``), ``at`` is its element. The derivation of one element is
    the sum over all paths: shared factors written once (``"grouped"``), one term for each path (``"paths"``), or in
    terms of the δs that backpropagation saves (``"deltas"``), which the grouped form adds below. The derivation of a
    whole array, or of several (a sequence of Values, or a module), uses matrices. Samples with the same formula appear
    once, under a Σ. A nameless Value appears as the formula that computed it, or as h1, h2, … if that is long. The
    derivative of a fused loss is one expression.

    Raises ``ArgumentError`` if the derivation would be too long, with what to ask instead; otherwise as
    ``gradient_paths``.

    >>> import tinygrad_lite as tg
    >>> x, w, t = Value(2.0, name="x"), Value(0.5, name="w"), Value(1.0, name="t")
    >>> y = (x * w).tanh()
    >>> loss = (y - t).square()
    >>> y.name, loss.name = "y", "C"
    >>> d = tg.derive(loss, w)
    >>> print(d.text)
    ∂C/∂w = 2(y - t) · (1 - y²)·x
          = -0.400497
    >>> d.python
    '2 * (y - t) * ((1 - y ** 2) * x)'
    >>> abs(eval(d.python, d.symbols) - d.value) < 1e-15
    True
    """
    if form not in FORMS:
        raise ArgumentError(f"derive: form is 'grouped', 'paths' or 'deltas', got {form!r}")
    if not isinstance(loss, Value):
        raise ValueTypeError(f"derive: takes a recorded Value, got {type(loss).__name__}; pass a loss, for example")
    if isinstance(wrt, str):
        wrt, found = find(loss, wrt, "derive")
        if found:
            if at is not None:
                raise ArgumentError("derive: the element is in the name already; leave out at=")
            at = found
    if isinstance(wrt, Value):
        if wrt.size == 1 or at is not None:
            return derive_number(gradient_paths(loss, wrt, at, end_at), form)
        return derive_arrays(loss, [wrt], end_at)
    if at is not None:
        raise ArgumentError("derive: at= is an element of one Value; leave it out for several")
    values = wrt.parameters() if hasattr(wrt, "parameters") else wrt.values() if isinstance(wrt, Mapping) else wrt
    return derive_arrays(loss, values, end_at)
