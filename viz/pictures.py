"""The pictures that a user asks for: each is one function that takes records, writes them as DOT and returns a Drawing.

A new picture is a function in ``records`` (what it shows), one in ``dot`` (how it looks), one here, and its name in
``viz/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.nn import Module
from tinygrad_lite.paths.queries import gradient_paths

from .dot.digraphs import Direction, check_direction
from .dot.graph import graph_digraph
from .dot.network import network_digraph
from .dot.paths import paths_digraph
from .output.drawing import Drawing
from .records.collapsing import LIMIT
from .records.graph import graph_records
from .records.layers import Shown
from .records.network import WIDEST, network_records
from .records.paths import Level, paths_records

__all__ = ["graph", "network", "paths"]


def graph(
    value: Value | Sequence[Value],
    *,
    direction: Direction = "LR",
    depth: int | None = None,
    fold: bool = True,
    limit: int = LIMIT,
) -> Drawing:
    """Draw the computation graph of a value, or of several: what they share is drawn once.

    Each value is a box: leaves have square corners, results have round ones. It shows the name, the number (for an
    array the shape and the range; a small array is striped, one stripe per element) and the gradient, "–" before the
    first backward pass. Ops are circles. Every arrow from a value to an op carries the local derivative, and an operand
    that is used twice has two arrows. The fill shows the sign and the size of the gradient. Constants are pale and
    their arrows dotted. A module has a frame around the values that it computed.

    A graph above the limit is made smaller until it fits: modules become one box each, the innermost first, then the
    values furthest from the end become one box; the caption says so.

    Args:
        value: the end of the graph, or a list of its ends (several outputs or losses).
        direction: "LR", from left to right, or "TB", top down.
        depth: how many levels of modules are open; 0 draws each outermost one as a box. All of them if left out.
        fold: whether the middle of a long chain of ops is drawn as one box.
        limit: the largest number of nodes drawn.

    Raises:
        ArgumentError: a depth below 0, a limit below 10, or an empty list.
        ValueTypeError: an end that is no Value.
        FormatError: another direction.
        GraphError: the graph was freed, or the data of a leaf changed after it was recorded.

    >>> x = Value(3.0, name="x")
    >>> graph(x * x + x)
    <Drawing: 5 nodes, 6 edges; .save("picture.svg") writes it>
    >>> graph([x * 2.0, x.exp()])
    <Drawing: 6 nodes, 5 edges; .save("picture.svg") writes it>
    """
    check_direction("graph", direction)
    return Drawing(graph_digraph(graph_records(value, depth=depth, fold=fold, limit=limit), direction))


def paths(
    loss: Value,
    w: Value | str,
    at: int | Index | None = None,
    top: int | None = None,
    *,
    end_at: int | Index | None = None,
    level: Level | None = None,
    direction: Direction = "LR",
    limit: int = LIMIT,
) -> Drawing:
    """Draw the paths whose contributions sum to a gradient.

    Every arrow carries its local derivative. Its width grows with the square root of the share of |gradient| that runs
    through it; the five largest shares are written in percent. It is dashed where the paths through it together
    subtract, and dotted where nothing runs. The caption gives the number of paths, their sum, and how much of it
    cancels.

    Args:
        loss: the end of the paths.
        w: the value they lead to, or its name (``"w200"``, ``"w2[0,1]"``).
        at: the element of ``w``; may be left out where it has one.
        top: how many of the largest paths get a colour of their own and their contribution in a list, with a bar to the
            right of zero or to the left; all others are grey, with their sum.
        end_at: the element of the end; may be left out where it has one.
        level: draw "elements" or whole "values"; by default elements as long as they can be told apart.
        direction: "LR", from left to right, or "TB", top down.
        limit: the largest number of nodes drawn.

    Raises:
        ArgumentError: a ``top`` below 1, or too many paths to find the largest among them; another level.
        DrawingTooLargeError: more nodes than the limit.
        FormatError: another direction.
        GraphError, UnknownNameError, ShapeError, IndexRangeError: see ``tinygrad_lite.gradient_paths``.

    >>> x = Value(3.0, name="x")
    >>> paths(x * x + x, x)
    <Drawing: 3 nodes, 4 edges; .save("picture.svg") writes it>
    """
    check_direction("paths", direction)
    scene = paths_records(gradient_paths(loss, w, at=at, end_at=end_at), top=top, level=level, limit=limit)
    return Drawing(paths_digraph(scene, direction))


def network(
    mlp: Module,
    weight: str | Value | None = None,
    loss: Value | None = None,
    *,
    at: int | Index | None = None,
    shows: Shown = "value",
    widest: int = WIDEST,
) -> Drawing:
    """Draw a network; with a weight, in bold red, and a loss, all paths from the loss to it, in bold blue.

    Inputs are squares, neurons are circles. Every weight stands on its line, every bias below its neuron. Thickness is
    the size of the weight. Colour is its sign: green is positive; purple, and dashed, is negative. The width of a blue
    line grows with the square root of the share of |gradient| that runs through it, over all samples together; it is
    dashed where the paths through it together subtract. The five largest shares stand beside the names.

    Args:
        mlp: ``nn.MLP``, ``nn.scalar.MLP``, or any module whose ``layers`` are fully connected, one after the other.
        weight: the weight or bias, by name in either form (``"w200"``, ``"w2[0,0]"``) or as a Value.
        loss: a Value computed by the network; without it there are no paths.
        at: the element, of a Value that has several.
        shows: what thickness and colour mean: "value", or "gradient" after a backward pass.
        widest: the widest layer that is shown whole. A wider layer shows its first and last neurons, and those of the
            chosen weight.

    Raises:
        ArgumentError: no layers, or layers that do not follow one another; ``widest`` below 2; no gradients yet.
        UnknownNameError: no such weight; the message has the nearest names.
        IndexRangeError, ShapeError: an element that is not there, or not given.
        GraphError: the loss does not depend on the weight.

    >>> from tinygrad_lite import nn
    >>> mlp = nn.MLP(2, [2, 1], rng=0)
    >>> loss = nn.losses.half_squared_error(mlp([[0.0, 1.0]]), [[1.0]])
    >>> 'class="weight chosen"' in network(mlp, weight="w100", loss=loss).source
    True
    """
    return Drawing(network_digraph(network_records(mlp, weight, loss, at=at, shows=shows, widest=widest)))
