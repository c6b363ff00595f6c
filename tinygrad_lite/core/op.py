"""What an op is: a function of data, and its local derivatives as chains of linear maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..semirings import GRADIENT

if TYPE_CHECKING:
    from .elementwise_derivatives import Rule
    from .maps import Chain

__all__ = ["CONSUMED", "Folded", "Op"]

Node = Any
"""A Value, which is defined above this."""


class Op:
    """What makes one Value of others: a function of data, and its local derivatives as chains of linear maps."""

    name: str
    sign: str
    folded = False
    """Whether it stands for a graph: the engine goes through its own ``pull``, readers see the graph (``Folded``)."""
    opaque = False
    """Whether its function is a user's own: a call that no program looks into."""
    line: str | None = None
    """The line of the user's code that made its node, if ``detect_anomaly`` noted it."""

    classes: int | None = None
    """The operand with probabilities of classes along its last axis: class numbers may be given instead."""
    linear = False
    """Whether it is linear in every operand, and the edges add up to its value."""
    listed = False
    """Whether a derivation writes one element of it as its name and the elements that it reads: ``max(x0, x1)``."""
    joint = ""
    """The sign that a derivation of a listed op writes between the elements instead: ``x0 * x1``."""
    of_one: str | None = None
    """How a listed op of one element is written: as a call of this name, or ``""`` for the element; by its own name."""

    direct = False
    """Whether its own ``pull`` takes traced arrays too, and makes fewer calls of NumPy than its chain."""
    sides = False
    """Whether the derivative of an op with ``undivided`` is constant on either side of a kink, as that of abs."""
    on_arrows: tuple[str, ...] = ()
    """The text of a picture's arrow from each operand, where the weights are no expression: {0}, {1} name operands."""

    def forward(self, *data: Any) -> Any:
        """The result, from the operands' data."""
        raise NotImplementedError

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        """The local derivative with respect to operand ``k``; ``None`` where there is none.

        ``operands`` and ``out`` are data, or all Values: then the chain's weights are Values as well, and can be
        differentiated again.
        """
        raise NotImplementedError

    def undivided(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        """The local derivative times the result, of an op whose derivative is a quotient by its result: x / norm(x).

        Such a derivative is 0 / 0 where the result is 0. A sweep over Values keeps numerator and result apart, so that
        the result may cancel a factor of the cotangent: ``norm(x)**2`` has the gradient 2x. ``None`` for other ops.
        """
        return None

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        """The gradient's cotangent ``g`` of the result pulled back to operand ``k``; ``None`` where there is none.

        An op may do this faster than its chain does. A test holds it to the chain.
        """
        chain = self.chain(k, operands, out)
        if chain is None:
            return None
        for linear_map in chain:
            g = linear_map.pull(g, GRADIENT)
        return g

    def linear_in(self, n: int) -> Sequence[int]:
        """The operands, of ``n``, in each of which the op is linear, if their edges add up to its value; else none."""
        return range(n) if self.linear else ()

    def expressions(self, n: int) -> Rule | None:
        """The value and the local derivatives of ``n`` operands as expressions; ``None`` for an op that has none."""
        return None

    def replay_check(self, *data: Any) -> Callable[..., None] | None:
        """A check of the operands' data to make before every replay of a compiled step; ``None`` if none is needed."""
        return None

    def written(self, *data: Any) -> Any:
        """The result in the NumPy calls that a person writes: ``forward``, without its care for speed and overflow."""
        return self.forward(*data)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


class Folded(Op):
    """An op that stands for a graph of other ops: a fused loss, a checkpoint. Each object serves one node.

    ``backward`` and ``compile`` take it as one op. Everybody else sees its composition in its place; the node and the
    recorded graph stay as they are.
    """

    folded = True
    composed: Node | None = None
    """The end of the composition, once a reader has asked for it."""

    def compose(self, node: Node) -> Node:
        """Record the graph that the op stands for from the node's own operands, and return its end."""
        raise NotImplementedError


class _Consumed(Op):
    """In the place of an op whose node was freed by ``backward(keep="leaves")``."""

    name = "consumed"
    sign = "∅"


CONSUMED = _Consumed()
