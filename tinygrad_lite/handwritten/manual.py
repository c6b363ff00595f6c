"""``manual_backprop``: the forward and the backward pass of a recorded loss, as Python source."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.graph import ancestors
from ..core.value import Value, describe
from ..errors import ArgumentError, ShapeError, ValueTypeError
from ..graph import naming
from ..graph.lookup import parameters_of
from .file import written
from .loops import alike_samples
from .passes import Passes

__all__ = ["ManualBackprop", "manual_backprop"]


LARGEST = 1_000
"""The most ops that one program may have, to be readable."""


class ManualBackprop(str):
    """Python source that defines ``backprop``, and the ``arguments`` at which the graph was recorded.

    >>> w = Value(3.0, name="w")
    >>> manual_backprop(w * w, [w]).run(w=5.0)
    (25.0, {'w': 10.0})
    """

    _arguments: dict[str, Any]

    def __new__(cls, source: str, arguments: Mapping[str, Any]) -> ManualBackprop:
        found = super().__new__(cls, source)
        found._arguments = dict(arguments)
        return found

    @property
    def arguments(self) -> dict[str, Any]:
        """The data at which the graph was recorded, by argument of ``backprop``."""
        return dict(self._arguments)

    def run(self, **changes: Any) -> tuple[Any, dict[str, Any]]:
        """Execute the source and call ``backprop``: the loss, and the gradients by name. ``changes`` replace data."""
        namespace: dict[str, Any] = {}
        exec(compile(self, "<manual_backprop>", "exec"), namespace)
        found: tuple[Any, dict[str, Any]] = namespace["backprop"](**self._arguments | changes)
        return found

    def script(self) -> str:
        """The source with the recorded data below it, and the call: run, it leaves ``loss`` and ``gradients``."""
        lines = ["", "", "loss, gradients = backprop("]
        for name, data in self._arguments.items():
            if isinstance(data, np.ndarray):
                numbers = ", ".join(f"np.{x!r}" if x - x else repr(x) for x in data.ravel().tolist())
                dtype = "" if data.dtype in (np.float64, np.int64) and data.size else f", dtype=np.{data.dtype}"
                lines += [
                    f"    {name}=np.array([",
                    *textwrap.wrap(numbers, 88, initial_indent=" " * 8, subsequent_indent=" " * 8),
                    f"    ]{dtype}).reshape({data.shape}),",
                ]
            elif isinstance(data, list):  # samples
                rows = "\n".join(
                    textwrap.fill(f"{row!r},", 88, initial_indent=" " * 8, subsequent_indent=" " * 9) for row in data
                )
                lines += [f"    {name}=[", rows, "    ],"]
            else:
                lines += [f"    {name}={data!r},"]
        source = str(self)
        if "\nimport numpy" not in source and any(isinstance(data, np.ndarray) for data in self._arguments.values()):
            title, _, rest = source.partition("\n")
            source = f"{title}\n\nimport numpy as np\n{rest}"
        return source + "\n".join([*lines, ")  # fmt: skip", ""])


def manual_backprop(loss: Value, wrt: Any = None) -> ManualBackprop:
    """Python source of the forward and the backward pass, as a careful person writes them by hand.

    The source imports ``math`` alone, for a network of scalars, or NumPy. It defines ``backprop``, which returns
    the loss and a dict of its gradients by the parameters' names. Its arguments are the parameters in the order of
    ``wrt``, other leaves, then named constants (inputs, targets) in the order in which the graph reads them; their
    names are the Values', made into identifiers (``w2[0,1]`` → ``w2_0_1``). The result is a ``str`` with two things
    more: ``.arguments``, the recorded data, and ``.run()``, which executes it.

    ``wrt`` are the parameters: a module, a mapping by name, a Value or name, or a sequence of those; by default every
    leaf that requires a gradient. In the source ``d_z20`` is the derivative of the loss with respect to ``z20``, and a
    comment says which paths a line carries. A value without a name, ``h`` for example, gets one where it is read twice;
    a derivative with respect to one is a ``delta``. Labels of a cross-entropy are probabilities, for which class
    numbers may be given.

    A graph of scalars that computes the same for several samples, told by their names (``n30@0``, ``n30@1``, …), and
    adds up their costs, is written for one sample, in a loop over ``samples``; any other graph is written out. Numbers
    without a name are part of the program, a batch size for example.

    Raises ``ShapeError`` unless the loss has one element, ``ArgumentError`` for a graph too large to be read or a
    parameter that it does not contain, ``GraphError`` for one that was freed.

    >>> x, w, b = Value(2.0, name="x", requires_grad=False), Value(0.5, name="w"), Value(-1.0, name="b")
    >>> y = (w * x + b).tanh()
    >>> loss = (y - 1.0).square()
    >>> y.name, loss.name = "y", "C"
    >>> source = manual_backprop(loss)
    >>> print(source[source.index("    # forward"):])
        # forward
        y = math.tanh(w * x + b)
        C = (y - 1) ** 2
    <BLANKLINE>
        # backward: d_x is dC/dx
        delta = 2 * (y - 1) * (1 - y**2)  # C ← y
        gradients = {
            "w": delta * x,  # C ← y ← w
            "b": delta,  # C ← y ← b
        }
        return C, gradients
    <BLANKLINE>
    """
    if not isinstance(loss, Value):
        raise ValueTypeError(f"manual_backprop: takes a recorded loss, got {type(loss).__name__}; pass the Value")
    if loss.size != 1:
        raise ShapeError(f"manual_backprop: needs a loss with one element, got {describe(loss)}; .sum() it first")
    values = ancestors(loss)
    parameters = parameters_of(loss, wrt, "manual_backprop")
    _among(loss, values, parameters)
    alike = alike_samples(loss, values, set(parameters.values()))
    end, values = (loss, values) if alike is None else (alike.end, ancestors(alike.end))
    ops = sum(value.op is not None for value in values)
    if ops > LARGEST:
        raise ArgumentError(
            f"manual_backprop: {describe(loss)} was computed by {ops:,} ops, more than the {LARGEST:,} that anyone "
            "reads; take fewer samples, name their scalars x0@0, x0@1, … so that one loop does for all, record it with "
            "arrays (nn.MLP), or ask tg.derive for one weight"
        )
    names = {value: value.name for value in values} if alike is None else alike.names
    passes = Passes(end, parameters, names, {} if alike is None else alike.families)
    return ManualBackprop(*written(passes, alike))


def _among(loss: Value, values: Sequence[Value], parameters: Mapping[str, Value]) -> None:
    """Raise ``ArgumentError`` for a parameter that the loss was not computed from."""
    inside = set(values)
    for name, value in parameters.items():
        if value not in inside:
            known = [other.name for other in values if other.name is not None and other.requires_grad]
            near = naming.closest(name, known) or known[:5]
            raise ArgumentError(
                f"manual_backprop: {describe(value)} is not among what {describe(loss)} was computed from; "
                f"there are {', '.join(map(repr, near)) or 'only nameless Values'}"
            )
