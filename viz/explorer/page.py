"""The page in one file, which a browser opens from disk without a network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tinygrad_lite.core.value import Value

from ..dot.digraphs import Direction, check_direction
from ..dot.escape import visible
from ..dot.graph import graph_digraph
from ..errors import FormatError
from ..output.drawing import Drawing
from ..output.saving import file_path, write_atomically
from ..records.collapsing import LIMIT
from .contents import Contents
from .picture import for_page

__all__ = ["explore"]


_SCRIPTS = "text listing lighting selection paths cells welcome view keyboard search steps theme"
"""The files of the page's script, in the order in which they are concatenated."""


def explore(
    loss: Value,
    path: str | os.PathLike[str],
    wrt: Any = None,
    *,
    direction: Direction = "LR",
    depth: int | None = None,
    fold: bool = True,
    limit: int = LIMIT,
) -> Path:
    """Write a page to explore the graph of ``loss``: one file, which a browser opens from disk without a network.

    Click a value, or an element of an array: its paths to the loss light up, the largest with the product along each,
    beside their number, magnitude, cancellation, entropy and spectrum, and the derivation. Step through the forward
    pass and through backpropagation, and watch each term of a sum arrive. The gradients are those of this loss, whether
    or not ``backward`` has been called. The same graph gives the same bytes.

    Args:
        loss: the end of the graph, of one element.
        path: the file, with the suffix .html.
        wrt: the Values that matter most, by themselves or by name (``"w200"``, ``"w2[0,1]"``), a module, or several of
            those. The page of a large graph leaves out numbers of other values first. All leaves if left out.
        direction: "LR", from left to right, or "TB", top down.
        depth: how many levels of modules are open; 0 draws each outermost one as a box. All of them if left out.
        fold: whether the middle of a long chain of ops is drawn as one box.
        limit: the largest number of nodes drawn.

    Returns:
        The path written.

    Raises:
        ShapeError: the loss has several elements.
        GraphError: nothing in the graph requires a gradient, ``wrt`` is not in it, or it was freed.
        NonFiniteError: a local derivative is infinite or not a number.
        FormatError: another suffix, or direction.
        ValueTypeError: ``path`` is no path.

    >>> import tempfile
    >>> x = Value(3.0, name="x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explore(x * x, Path(folder, "page.html")).read_text()[:15]
    '<!doctype html>'
    """
    path = file_path(path, "explore")
    if path.suffix.lower() not in (".html", ".htm"):
        raise FormatError(f"explore: writes a page, so the suffix is .html, got {path.name!r}")
    check_direction("explore", direction)
    contents = Contents(loss, wrt, depth=depth, fold=fold, limit=limit)
    records = contents.records()
    svg = Drawing(graph_digraph(contents.scene, direction)).svg()
    title = f"Every path of {visible(loss.name, 60) if loss.name else 'the end'}"
    picture = for_page(svg, _labels(records), f"Computation graph with {_many(records['values'])}")
    return write_atomically(path, _page(title, picture, records).encode())


def _many(values: list[dict[str, Any]]) -> str:
    drawn = sum(value["drawn"] for value in values)
    return f"{drawn:,} value{'s' if drawn != 1 else ''}"


def _labels(records: Mapping[str, Any]) -> dict[str, str]:
    """The text that a screen reader speaks for each node of the picture, by its id."""
    labels = {box["id"]: f"{box['label']}: {box['ops']:,} ops in one box" for box in records["boxes"]}
    for value in records["values"]:
        if value["drawn"]:
            parts = [value["name"] or f"nameless {value['op'] or value['kind']}", f"value {value['value']}"]
            labels[value["id"]] = ", ".join(
                [*parts, f"gradient {value['gradient']}" if value["gradient"] else "constant"]
            )
    return labels


def _page(title: str, picture: str, records: Mapping[str, Any]) -> str:
    files = resources.files("viz.explorer")
    style = files.joinpath("page.css").read_text("utf-8")
    script = "".join(files.joinpath("script", f"{name}.js").read_text("utf-8") for name in _SCRIPTS.split())
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    fields = {
        "title": html.escape(title),
        "style": style,
        "style-hash": _hash(style),
        "script": script,
        "script-hash": _hash(script),
        "picture": picture,
        "data": _json(records),
    }
    template = files.joinpath("page.html").read_text("utf-8")
    # One pass: the text of a field is never filled in itself.
    return re.sub(r"\{\{([\w-]+)\}\}", lambda found: fields[found[1]], template)


def _hash(text: str) -> str:
    """The hash by which a Content-Security-Policy allows this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


_IN_SCRIPT = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def _json(records: Mapping[str, Any]) -> str:
    """JSON in ASCII without ``<``, so that it cannot end its script element."""
    return json.dumps(records, allow_nan=False, separators=(",", ":")).translate(_IN_SCRIPT)
