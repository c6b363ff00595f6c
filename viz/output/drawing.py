"""A picture as DOT statements: shown in a notebook, laid out, saved."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import graphviz

from ..errors import DrawingTooLargeError, FormatError, RenderError, RenderWarning
from .render import FORMATS, TIME_LIMIT, Engine, measure, render_dot
from .saving import file_path, write_atomically

__all__ = ["Drawing"]


NOTEBOOK_NODES, NOTEBOOK_EDGES = 1_000, 2_000
"""Above these numbers of nodes and edges a notebook shows one line of text: the layout would take many seconds."""

NOTEBOOK_CHARACTERS = 1_500_000
"""Above this length of the SVG a notebook shows one line of text too: the page would become slow."""

NOTEBOOK_SECONDS = 20.0
"""The longest time that a notebook waits for a picture, in seconds."""


class Drawing:
    r"""The result of the functions of ``viz``: a picture that shows itself in a notebook and saves itself to a file.

    Args:
        digraph: the picture as DOT statements; statements and attributes can be added before it is saved.

    >>> digraph = graphviz.Digraph()
    >>> digraph.edge("n0", "n1", label="0.5")
    >>> drawing = Drawing(digraph)
    >>> drawing
    <Drawing: 2 nodes, 1 edge; .save("picture.svg") writes it>
    >>> "0.5" in drawing.svg()
    True
    """

    def __init__(self, digraph: graphviz.Digraph) -> None:
        self.digraph = digraph

    @property
    def source(self) -> str:
        r"""The DOT source.

        >>> Drawing(graphviz.Digraph(body=["\tn0 -> n1\n"])).source
        'digraph {\n\tn0 -> n1\n}\n'
        """
        return str(self.digraph.source)

    def svg(self, *, engine: Engine | None = None, time_limit: float = TIME_LIMIT) -> str:
        """The picture as the text of an SVG file.

        Raises:
            FormatError, RenderError, DrawingTooLargeError: see ``viz.render.render_dot``.

        >>> Drawing(graphviz.Digraph()).svg()[:38]
        '<?xml version="1.0" encoding="UTF-8" s'
        """
        return render_dot(self.source, "svg", engine=engine, time_limit=time_limit).decode()

    def save(
        self, path: str | os.PathLike[str], *, engine: Engine | None = None, time_limit: float = TIME_LIMIT
    ) -> Path:
        """Write the picture in the format that the suffix names: .svg, .png, .pdf, or .dot for its source.

        Missing folders are made. The file appears whole or not at all. If the renderer is missing or fails, the DOT
        source is saved in the same folder, with the suffix .dot, and the error says so.

        Args:
            path: the file.
            engine: "wasm", "dot" (the system's Graphviz) or "pure"; the best installed engine if left out.
            time_limit: seconds after which the renderer is stopped.

        Returns:
            The path written.

        Raises:
            FormatError: another suffix, or an engine that does not write the format.
            RendererMissingError: no engine that writes the format is installed; the message says what to install.
            RenderError: the renderer failed or took too long.
            DrawingTooLargeError: more than 5,000 nodes.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Drawing(graphviz.Digraph()).save(Path(folder, "picture.svg")).name
        'picture.svg'
        """
        path = file_path(path, "save")
        format = path.suffix.lower().removeprefix(".")
        if format == "dot":
            return write_atomically(path, self.source.encode())
        if format not in FORMATS:
            suffixes = ", ".join(f".{known}" for known in (*FORMATS, "dot"))
            raise FormatError(f"Drawing.save: the suffix names the format, one of {suffixes}, got {path.name!r}")
        try:
            picture = render_dot(self.source, format, engine=engine, time_limit=time_limit)
        except (RenderError, DrawingTooLargeError) as error:
            kept = write_atomically(path.with_suffix(".dot"), self.source.encode())
            raise type(error)(f"{error}. The DOT source is saved in {kept}") from error
        return write_atomically(path, picture)

    def _repr_svg_(self) -> str | None:
        nodes, edges = measure(self.source)
        if nodes > NOTEBOOK_NODES or edges > NOTEBOOK_EDGES:
            return None
        try:
            svg = self.svg(time_limit=NOTEBOOK_SECONDS)
            return svg if len(svg) <= NOTEBOOK_CHARACTERS else None
        except RenderError as error:
            warnings.warn(str(error), RenderWarning, stacklevel=2)
            return None

    def __repr__(self) -> str:
        nodes, edges = measure(self.source)
        return f'<Drawing: {_counted(nodes, "node")}, {_counted(edges, "edge")}; .save("picture.svg") writes it>'


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
