"""Graphs of scalars by level: nodes of one op that do not depend on each other become one NumPy call.

Weighted sums that pair every input row with every weight row (a layer applied to a batch) become one matrix product.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.elementwise import Elementwise
from .flat import Flat, FlatNode, Loops

__all__ = ["by_level", "levels"]


Places = npt.NDArray[np.intp]


def levels(flat: Flat) -> list[list[FlatNode]]:
    """The nodes in groups that are computed at once: of one op, one number of operands and one level."""
    level: dict[int, int] = {}
    groups: defaultdict[Any, list[FlatNode]] = defaultdict(list)
    for node in flat.nodes:
        depth = level[node.out] = 1 + max((level.get(x, 0) for x in node.operands), default=0)
        kind = node.kind if isinstance(node.kind, str) else node.kind.name
        groups[depth, kind, len(node.operands), node.live if isinstance(node.kind, Elementwise) else ()].append(node)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], key[1], key[2], str(key[3])))]


def by_level(flat: Flat) -> Loops:
    """Both passes as NumPy. Results of one group stand side by side, so places change."""
    groups = levels(flat)
    order: dict[int, int] = {}
    computed = {node.out for node in flat.nodes}
    for place in range(flat.size):
        if place not in computed:
            order[place] = len(order)
    for group in groups:
        for node in group:
            order[node.out] = len(order)
    scope: dict[str, Any] = {"add_reduce": np.add.reduce, "reduceat": np.add.reduceat, "dot": np.dot}
    forward: list[str] = []
    backward: list[list[str]] = []
    for number, group in enumerate(groups):
        moved = [replace(node, out=order[node.out], operands=tuple(order[x] for x in node.operands)) for node in group]
        writer = _Group(number, moved, scope)
        forward += writer.forward()
        backward.append(writer.backward())
    source = "\n".join(
        ["def forward(v):", *(f"    {line}" for line in forward), "", "def backward(v, d):"]
        + [f"    {line}" for lines in reversed(backward) for line in lines]
        + [""]
    )
    exec(compile(source, "<compiled step, by level>", "exec"), scope)
    return Loops(scope["forward"], scope["backward"], source, order)


class _Group:
    """The source of one group: ``v`` are the numbers, ``d`` the cotangents."""

    def __init__(self, number: int, nodes: list[FlatNode], scope: dict[str, Any]) -> None:
        self.number, self.nodes, self.scope = number, nodes, scope
        self.own = f"{nodes[0].out}:{nodes[-1].out + 1}"
        self.kind = nodes[0].kind
        self.places: Places = np.array([node.operands for node in nodes], np.intp)
        self.live = np.array([node.live for node in nodes])
        self.grid = self._grid() if self.kind == "weighted" else None

    def _name(self, thing: Any, name: str) -> str:
        self.scope[f"{name}{self.number}"] = thing
        return f"{name}{self.number}"

    def _read(self, places: Places, name: str, of: str = "v") -> str:
        if span := _span(places):
            view = f"{of}[{span}]"
            return view if places.ndim == 1 else f"{view}.reshape({places.shape})"
        return f"{of}[{self._name(places, name)}]"

    def _add_to(self, places: Places, live: Any, term: str, name: str) -> list[str]:
        """Lines that add the array ``term`` to the cotangents at ``places``, where they are ``live``."""
        flat, keep = places.reshape(-1), np.broadcast_to(live, places.shape).reshape(-1)
        if not keep.any():
            return []
        if keep.all():
            if span := _span(places):
                return [f"d[{span}] += {f'({term}).reshape(-1)' if places.ndim > 1 else term}"]
            if len(np.unique(flat)) == len(flat):
                return [f"d[{self._name(places, name)}] += {term}"]
            if (flat == flat[0]).all():
                return [f"d[{flat[0]}] += add_reduce({term}, axis=None)"]
            chosen = np.arange(len(flat))
        else:
            chosen = np.flatnonzero(keep)
        order = chosen[np.argsort(flat[chosen], kind="stable")]
        targets, starts = np.unique(flat[order], return_index=True)
        term = f"({term}).reshape(-1)" if places.ndim > 1 else f"({term})"
        kept = {"to": targets, "by": order, "at": starts}
        into, by, at = (self._name(thing, f"{name}_{use}") for use, thing in kept.items())
        return [f"d[{into}] += reduceat({term}[{by}], {at})"]

    # ---- a layer on a batch

    def _grid(self) -> tuple[Places, Places, Places] | None:
        """Places of inputs (rows, terms), weights (columns, terms) and biases, if every row meets every column."""
        n = self.places.shape[1] // 2
        columns, column = np.unique(self.places[:, [*range(n), 2 * n]], axis=0, return_inverse=True)
        rows, row = np.unique(self.places[:, n : 2 * n], axis=0, return_inverse=True)
        pairs = np.unique(row.reshape(-1) * len(columns) + column.reshape(-1))
        if len(self.nodes) != len(rows) * len(columns) or len(pairs) != len(self.nodes) or not n:
            return None
        at = np.empty((len(rows), len(columns)), np.intp)
        at[row.reshape(-1), column.reshape(-1)] = [node.out for node in self.nodes]
        order = np.argsort(at[:, 0]), np.argsort(at[0])
        self.out = at[np.ix_(*order)]
        return rows[order[0]], columns[order[1], :n], columns[order[1], n]

    def forward(self) -> list[str]:
        k = self.number
        if self.grid is not None:
            rows, weights, biases = self.grid
            line = f"z = dot({self._read(rows, 'x')}, {self._read(weights, 'w')}.T) + {self._read(biases, 'b')}"
            return [f"{line}  # {self.out.shape[0]} by {self.out.shape[1]} weighted sums", self._put("z")]
        if self.kind == "weighted":
            w, x, b = (self._read(part, name) for part, name in zip(_parts(self.places), "wxb", strict=True))
            return [f"v[{self.own}] = add_reduce({w} * {x}, axis=1) + {b}"]
        if self.kind == "sum":
            return [f"v[{self.own}] = add_reduce({self._read(self.places, 'x')}, axis=1)"]
        self.scope[f"{self.kind.name}_{k}"] = self.kind._arrays
        return [f"v[{self.own}] = {self.kind.name}_{k}({', '.join(self._operands())})"]

    def _put(self, name: str) -> str:
        if span := _span(self.out):
            return f"v[{span}] = {name}.reshape(-1)"
        return f"v[{self._name(self.out, 'o')}] = {name}"

    def _operands(self) -> list[str]:
        return [self._read(self.places[:, j], f"x{j}_") for j in range(self.places.shape[1])]

    def backward(self) -> list[str]:
        if self.grid is not None:
            x, w, b = self.grid
            lines = [f"g = {self._read(self.out, 'o', 'd')}"]
            lines += self._add_to(w, self._live(w), f"dot(g.T, {self._read(x, 'x')})", "dw")
            lines += self._add_to(x, self._live(x), f"dot(g, {self._read(w, 'w')})", "dx")
            return lines + self._add_to(b, self._live(b), "add_reduce(g, axis=0)", "db")
        lines = [f"g = d[{self.own}]"]
        if self.kind == "weighted":
            (w, x, b), live = _parts(self.places), _parts(self.live)
            lines += self._add_to(w, live[0], f"g[:, None] * {self._read(x, 'x')}", "dw")
            lines += self._add_to(x, live[1], f"g[:, None] * {self._read(w, 'w')}", "dx")
            return lines + self._add_to(b, live[2], "g", "db")
        if self.kind == "sum":
            self.scope["broadcast_to"] = np.broadcast_to
            return lines + self._add_to(self.places, self.live, f"broadcast_to(g[:, None], {self.places.shape})", "dx")
        for j in range(self.places.shape[1]):
            if self.live[0, j]:
                term = "g"
                if j not in self.kind._unit:
                    self.scope[f"{self.kind.name}_{j}_{self.number}"] = self.kind._local_arrays[j]
                    term = f"g * {self.kind.name}_{j}_{self.number}({', '.join(self._operands())}, v[{self.own}])"
                lines += self._add_to(self.places[:, j], self.live[:, j], term, f"d{j}_")
        return lines

    def _live(self, places: Places) -> Any:
        """The places of a grid to which gradients flow: to a Value from all its readers alike."""
        return np.isin(places, self.places[self.live])


def _span(places: Places) -> str:
    """The slice of several places in a row, as source; empty for others."""
    flat = places.reshape(-1)
    return f"{flat[0]}:{flat[-1] + 1}" if len(flat) > 1 and (np.diff(flat) == 1).all() else ""


def _parts(table: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """The columns of weights, inputs and biases."""
    n = table.shape[1] // 2
    return table[:, :n], table[:, n : 2 * n], table[:, 2 * n]
