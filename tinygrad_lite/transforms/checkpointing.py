"""``checkpoint``: a part of a network that is computed again in the backward pass, instead of kept.

Forward, the function runs unrecorded, and only the Values that it read are remembered: its arguments, and parameters
that it found elsewhere. A derivative runs it once more, recorded, and the graph of that run is
forgotten again. Memory falls from the whole graph to one part of it, for the time of one more forward pass.

Source: A. Griewank, *Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
differentiation*, 1992; T. Chen et al., *Training deep nets with sublinear memory cost*, 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.evaluation import replay
from ..core.graph import live, postorder
from ..core.maps import Chain
from ..core.recording import Observer, capturing, no_grad, observer, paused, recording
from ..core.shapes import Index, shape_of
from ..core.sweeps import carry_back, carry_forward
from ..core.value import Folded, Op, Plain, Value, array_node, constant, describe
from ..errors import GraphError, ValueTypeError
from ..ops import joining, reshaping
from ..ops.casting import argument, cast
from ..ops.on_values import arithmetic
from ..semirings.base import Semiring
from .pytrees import filled, leaves

__all__ = ["checkpoint"]


Noises = list[tuple[Any, Any]]


class _Watch(Observer):
    """Told, while the function runs, what it reads that a gradient flows to, and what noise it draws.

    With ``drawn`` the noise of an earlier run is drawn again.
    """

    name = "checkpoint"

    def __init__(self, who: str, drawn: Noises | None = None) -> None:
        self.who = who
        self.read: dict[int, Value] = {}
        self.noises: Noises = []
        self._drawn = None if drawn is None else iter(drawn)
        self._outer = observer()

    def saw_making(self, made: Value, op: Op, operands: tuple[Any, ...]) -> None:
        if isinstance(op, Plain):  # cut off
            return
        for operand in operands:
            if type(operand) is Value and operand.requires_grad:
                self.read.setdefault(id(operand), operand)

    def noise(self, draw: Callable[[], Any]) -> Any:
        again = None if self._drawn is None else next(self._drawn, None)
        if again is None:
            again = (draw, self._outer.noise(draw) if self._outer is not None else draw())
        self.noises.append(again)
        return again[1]

    def saw_derivative(self) -> None:
        raise GraphError(
            f"checkpoint: {self.who} takes a derivative inside, which checkpoint cannot record; take the "
            "derivative of the checkpointed function, or call it without checkpoint"
        )


class _Checkpointed(Folded):
    """The result of a checkpointed function. Its graph is recomputed whenever a derivative is needed."""

    name = "checkpoint"
    sign = "↻"

    def __init__(self, who: str, run: Callable[[], Value], operands: tuple[Value, ...], noises: Noises) -> None:
        self.who, self.run = who, run
        self.operands, self.noises = operands, noises
        self._pulled: tuple[Any, dict[int, Any]] | None = None

    def again(self, out: Any = None) -> Value:
        """The end of the function's graph, recorded; its data are checked against ``out``, those of the first run."""
        with recording(), capturing(_Watch(self.who, self.noises)):
            end = self.run()
        if out is not None and not (shape_of(out) == end.shape and np.array_equal(out, end._data, equal_nan=True)):
            raise GraphError(
                f"checkpoint: {self.who} gave another result when it was run again for the gradient; it must not draw "
                "random numbers of its own, nor read what changes in between: pass them as arguments"
            )
        self._check_reads(end)
        return end

    def _check_reads(self, end: Value) -> None:
        """A Value that was not seen in the first run would lose its gradient."""
        for node in postorder([end], lambda node: [operand for _, operand in live(node)], self.operands):
            if node.is_leaf and node.requires_grad:
                raise GraphError(
                    f"checkpoint: {self.who} reads {describe(node)}, which it did not when it was run first (it is "
                    "made anew in each run); make it outside, and pass it as an argument"
                )

    def forward(self, *data: Any) -> Any:
        return replay(self.again(), dict(zip(self.operands, data, strict=True)))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (_Recomputed(self, k, out.data if type(out) is Value else out),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        return self.pulled(k, g, out, several=False)

    def pulled(self, k: int, g: Any, out: Any, several: bool) -> Any:
        """The cotangent of operand ``k``. Those of the others are kept until they are asked for, right after."""
        known = self._pulled
        if known is None or known[0] is not g or k not in known[1]:
            found = carry_back([self.again(out)], [g], self.operands, arithmetic(type(g) is Value, several))
            known = self._pulled = (g, dict(enumerate(found)))
        pulled = known[1].pop(k)
        if not known[1] or k == len(self.operands) - 1:
            self._pulled = None
        return pulled

    def pushed(self, k: int, t: Any, out: Any, several: bool) -> Any:
        """The tangent of the result for one of operand ``k`` alone."""
        lead, valued = shape_of(t)[: len(shape_of(t)) - self.operands[k].ndim], type(t) is Value
        tangents = [t if j == k else _zero(lead + x.shape, x.dtype, valued) for j, x in enumerate(self.operands)]
        return carry_forward([self.again(out)], self.operands, tangents, arithmetic(valued, several))[0]

    def compose(self, node: Value) -> Value:
        end = self.again(node._data)
        return argument(end) if end.is_leaf or any(end is x for x in self.operands) else end  # nothing was computed


class _Recomputed:
    """The local derivative of a checkpoint with respect to one operand: carried through the function's own graph."""

    def __init__(self, op: _Checkpointed, k: int, out: Any) -> None:
        self.op, self.k, self.out = op, k, out

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return self.op.pulled(self.k, g, self.out, several=len(shape_of(g)) > len(shape_of(self.out)))

    def push(self, t: Any, semiring: Semiring) -> Any:
        several = len(shape_of(t)) > self.op.operands[self.k].ndim
        pushed = self.op.pushed(self.k, t, self.out, several)
        if pushed is None:
            lead = shape_of(t)[: len(shape_of(t)) - self.op.operands[self.k].ndim]
            return _zero(lead + shape_of(self.out), np.dtype(float), type(t) is Value)
        return pushed

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        raise GraphError(
            f"checkpoint: {self.op.who} kept none of its edges; call the function without checkpoint to list paths"
        )


def _zero(shape: tuple[int, ...], dtype: np.dtype[Any], as_value: bool) -> Any:
    zero = np.zeros(shape, dtype) if shape else 0.0
    return constant(zero) if as_value else zero


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, keeping what it reads instead of what it computes: less memory for more time.

    ``function`` takes and returns what it likes: Values, and containers of them. It may read Values from elsewhere,
    such as parameters of modules, or be a module. Gradients of every order and in both modes are the same as without.
    It runs once more for each of them, so it must compute the same again, which is checked; noise of modules (dropout)
    is kept. Path queries, derivations and pictures have it run again too, and show the graph of that run, which then is
    kept. A compiled step and ``no_grad`` just call it: neither keeps a graph.

    Raises ``ValueTypeError`` unless ``function`` is callable. A backward pass raises ``GraphError`` where the function
    gives another result, or reads other Values, than it did at first; the call does where the function takes a
    derivative.

    >>> w = Value([1.0, 2.0], name="w")
    >>> block = checkpoint(lambda x: np.tanh(x * w) * x)
    >>> block(np.array([0.5, 0.0])).sum().backward()
    >>> w.grad
    array([0.19661193, 0.        ])
    """
    if not callable(function):
        raise ValueTypeError(f"checkpoint: needs a function, got {type(function).__name__}")
    who = getattr(function, "__name__", type(function).__name__)

    @functools.wraps(function, updated=())
    def checkpointed(*args: Any, **options: Any) -> Any:
        outer = observer()
        if paused() or (outer is not None and not isinstance(outer, _Watch)):
            return function(*args, **options)
        watch = _Watch(who)
        with no_grad(), capturing(watch):
            result = function(*args, **options)
            made = [k for k, (_, x) in enumerate(leaves(result)) if type(x) is Value and not x.requires_grad]
            packed = _packed(result, made)
        operands = tuple(watch.read.values())
        if packed is None or not operands:
            return result
        op = _Checkpointed(who, lambda: _packed(function(*args, **options), made), operands, watch.noises)  # type: ignore[arg-type, return-value]
        node = array_node(op, operands, [x._data for x in operands], packed._data, packed.name)
        return filled(result, _unpacked(node, [x for _, x in leaves(result)], made))

    return checkpointed


def _packed(result: Any, made: Sequence[int]) -> Value | None:
    """The one Value among the results that the function made, or all of them end to end; ``None`` for none."""
    found = [x for _, x in leaves(result)]
    if len(made) == 1:
        return found[made[0]]  # type: ignore[no-any-return]
    return joining.concatenate([reshaping.reshape(found[k], (-1,)) for k in made]) if made else None


def _unpacked(node: Value, results: list[Any], made: Sequence[int]) -> list[Any]:
    if len(made) == 1:
        results[made[0]] = node
        return results
    start = 0
    for k in made:
        like = results[k]
        results[k] = cast(reshaping.reshape(node[start : start + like.size], like.shape), like)
        results[k].name = like.name
        start += like.size
    return results
