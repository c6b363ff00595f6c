"""The page of a plot: a matplotlib ``Figure`` that shows and saves itself as a ``Drawing`` does.

pyplot is not used: it keeps every figure until somebody closes it. A plain ``Figure`` does not show itself in a
notebook, so this class implements it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..errors import FormatError
from .saving import file_path, write_atomically

__all__ = ["Plot"]


DOTS_PER_INCH = 150
_SETTINGS: Any = {"svg.hashsalt": "tinygrad_lite"}  # the same plot gives the same bytes
_METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


class Plot(Figure):
    """A matplotlib ``Figure`` that shows itself in a notebook; ``save`` writes it.

    >>> plot = Plot(figsize=(6, 4), layout="constrained")
    >>> plot
    <Plot: 6 x 4 inches; .save("picture.svg") writes it>
    >>> plot._repr_png_()[1:4]
    b'PNG'
    """

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format that the suffix names, .svg, .png or .pdf, and return the path.

        Missing folders are made. The file appears whole or not at all; the same plot gives the same bytes.

        Raises:
            FormatError: another suffix.
            OSError: the file cannot be written.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Plot().save(Path(folder, "new", "picture.svg")).name
        'picture.svg'
        """
        path = file_path(path, "Plot.save")
        format = path.suffix.lower().removeprefix(".")
        if format not in _METADATA:
            suffixes = ", ".join(f".{known}" for known in _METADATA)
            raise FormatError(f"Plot.save: the suffix names the format, one of {suffixes}, got {path.name!r}")
        return write_atomically(path, self._drawn(format))

    def _drawn(self, format: str) -> bytes:
        file = io.BytesIO()
        with mpl.rc_context(_SETTINGS):
            self.savefig(file, format=format, dpi=DOTS_PER_INCH, metadata=_METADATA[format])
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self._drawn("png")

    def __repr__(self) -> str:
        width, height = self.get_size_inches()
        return f'<Plot: {width:g} x {height:g} inches; .save("picture.svg") writes it>'
