"""A whole file: imports, helper functions, the signature, forward and backward, with comments on paths."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ..core.sweeps import reverse
from ..core.value import Value
from ..formulas.code import quoted_string
from ..formulas.printer import quoted
from ..graph import naming
from ..semirings import COUNT
from .layout import WIDTH, Page, definitions
from .loops import Samples
from .passes import Passes
from .statements import Line
from .tidying import tidy

__all__ = ["written"]


def written(passes: Passes, alike: Samples | None) -> tuple[str, dict[str, Any]]:
    """The source of a file, and the recorded data by argument of ``backprop``."""
    program = passes.program
    varying = [] if alike is None else [passes.arguments[leaf] for leaf in alike.leaves[0]]
    gradients = [passes.forward(), *passes.backward().values()]
    lines, (end, *values) = tidy(program, gradients)
    loss = end.id if isinstance(end, ast.Name) else "loss"
    routes = _Routes(passes, {line.of for line in lines if line.of is not None})
    page = Page(program, 4 if alike is None else 8)
    given = {name: value.data for value, name in passes.arguments.items()} | program.constants
    page.source.truths.update(name for name, data in given.items() if np.asarray(data).dtype == bool)
    page.source.truths.update(line.target for line in lines if line.truths)
    _put_lines(page, lines, loss, routes, alike is not None)
    put_gradients = _put_dict if alike is None else _add_to_dict
    put_gradients(page, dict(zip(passes.wrt, values, strict=True)), [routes.comment(x) for x in passes.wrt.values()])
    arguments = {name: value.data for value, name in passes.arguments.items() if name not in varying}
    groups = _grouped(passes, list(arguments), program.constants)
    arguments |= program.constants
    if alike is not None:
        arguments["samples"] = [tuple(leaf.data for leaf in sample) for sample in alike.leaves]
        groups.append(["samples"])
    opening = _opening(alike, loss, varying, passes.arguments)
    body = [*_signature(groups), *opening, *_class_numbers(passes), *page.lines]
    body.append(f"    return {page.source.write(end)}, {'gradients' if alike is None else 'dict(gradients)'}")
    text = "\n".join(body) + "\n"
    half = any(np.asarray(data).dtype == np.float16 for data in given.values())
    defined = definitions(program, passes.helpers, text, half)
    header = f'"""The forward and the backward pass of {loss}, written out."""\n'
    return f"{header}{_imports(defined + text, alike is not None)}{defined}\n\n{text}", arguments


def _put_lines(page: Page, lines: Sequence[Line], loss: str, routes: _Routes, loops: bool) -> None:
    """Forward and backward, with comments."""
    page.put("# forward")
    sections: dict[str, list[Line]] = {"forward": [], "backward": []}
    for line in lines:
        sections[line.section].append(line)
    for section, part in sections.items():
        if section == "backward":
            page.put()
            page.put(f"# backward: d_x is d{loss}/dx")
        for line in part:
            if line.target == loss and loops and line.how == "=":
                line.how = "+="
            page.statement(line, routes.comment(line.of) if line.of is not None and line.key is None else "")


def _put_dict(page: Page, gradients: Mapping[str, ast.expr], comments: Sequence[str]) -> None:
    """The gradients as a dict, each on a line of its own."""
    entries = []
    for name, value in gradients.items():
        text = f"{quoted_string(name)}: {page.source.write(value)},"
        if len(text) + 8 > WIDTH and not isinstance(value, ast.Name | ast.Constant):
            target = page.program.named(f"d_{name}")
            page.assign(target, value)
            text = f"{quoted_string(name)}: {target},"
        entries.append(text)
    page.put("gradients = {")
    page.indent += 4
    for text, comment in zip(entries, comments, strict=True):
        page.put(text, comment)
    page.indent -= 4
    page.put("}")


def _add_to_dict(page: Page, gradients: Mapping[str, ast.expr], comments: Sequence[str]) -> None:
    """The gradients of one sample, added up in a dict."""
    for (name, value), comment in zip(gradients.items(), comments, strict=True):
        page.assign(f"gradients[{quoted_string(name)}]", value, comment, "+=")


def _imports(text: str, loops: bool) -> str:
    imports = ["import math"] if re.search(r"\bmath\.", text) else []
    imports += ["from collections import defaultdict"] if loops else []
    if re.search(r"\bnp\.", text):
        imports += [*([""] if imports else []), "import numpy as np"]
    return "\n" + "\n".join(imports) + "\n" if imports else ""


def _opening(alike: Samples | None, loss: str, varying: Sequence[str], leaves: Mapping[Value, str]) -> list[str]:
    first = f'    """Return {loss}, and its derivative with respect to each parameter by name.'
    if alike is None:
        shapes = ", ".join(f"{name} {x.shape}" for x, name in leaves.items() if x.shape and not x.requires_grad)
        return [first, "", *_wrapped(f"Shapes of the data: {shapes}.", 4), '    """'] if shapes else [f'{first}"""']
    each = f"({', '.join(varying)}{',' if len(varying) == 1 else ''})"
    return [
        first,
        "",
        *_wrapped(f"Each of the samples is a tuple {each}.", 4),
        '    """',
        f"    {loss} = 0.0",
        "    gradients = defaultdict(float)",
        *_loop(varying),
    ]


def _class_numbers(passes: Passes) -> Iterator[str]:
    """Lines that make probabilities of class numbers, which the function may be given in their place."""
    for value in passes.values:
        k = value.op.classes if value.op is not None else None
        given = value.parents[k] if k is not None else None
        if given is not None and given.is_leaf and given in passes.arguments:
            name = passes.arguments[given]
            dtype = "" if given.dtype == np.float64 else f", dtype=np.{given.dtype}"
            yield f"    if np.ndim({name}) < {given.ndim}:  # class numbers"
            yield f"        if np.any(np.less({name}, 0)):  # they would count from the last class"
            yield f'            raise IndexError("{name}: a class is a number from 0 to {given.shape[-1] - 1}")'
            yield f"        {name} = np.take(np.eye({given.shape[-1]}{dtype}), {name}, axis=0)"


def _loop(varying: Sequence[str]) -> list[str]:
    text = f"    for {', '.join(varying)} in samples:" if len(varying) > 1 else f"    for ({varying[0]},) in samples:"
    if len(text) <= WIDTH:
        return [text]
    return ["    for (", *_wrapped(", ".join(varying) + ",", 8), "    ) in samples:  # fmt: skip"]


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False)


def _grouped(passes: Passes, names: Sequence[str], constants: Mapping[str, Any]) -> list[list[str]]:
    """The arguments in lines, in their order: a line for each run of parameters of one layer, then the data."""
    of = {name: value for value, name in passes.arguments.items()}

    def line(name: str) -> Any:
        parsed = naming.parse(of[name].name or "")
        return of[name].requires_grad, parsed.layer if parsed is not None else None

    runs = [list(run) for _, run in groupby(names, line)]
    return [*runs, *([list(constants)] if constants else [])]


def _signature(groups: Sequence[Sequence[str]]) -> Iterator[str]:
    text = f"def backprop({', '.join(name for group in groups for name in group)}):"
    if len(text) <= WIDTH:
        yield text
        return
    yield "def backprop("
    for group in groups:
        yield from _wrapped(", ".join(group) + ",", 4)
    yield "):  # fmt: skip"


class _Routes:
    """The paths from the end of a program through its Values; the ``lines`` are Values whose derivative has a line."""

    def __init__(self, passes: Passes, lines: Container[Value]) -> None:
        self.end, self.names, self.readers = passes.end, passes.names, passes.readers
        self.start = quoted(self.names[self.end] or "loss")
        self.lines = lines
        self.counts: Mapping[Value, Any] = reverse(self.end, COUNT) if passes.program.scalar else {}

    def comment(self, value: Value) -> str:
        """The paths that the line of a derivative carries, and how many of them; nothing for the end itself."""
        if value not in self.readers:
            return ""
        n, route = self.counts.get(value, 0), self._route(value)
        counted = f", {n:,} paths" if n > 1 else ""
        says = "←" in route and (counted or not route.endswith("…"))  # ``C ← …`` names none of the paths
        return route + counted if says else ""

    def _route(self, value: Value) -> str:
        """The paths from the end to a Value: ``C ← (n30 ← z30 | n31 ← z31) ← n20``.

        Several paths behind a derivative with a line of its own are ``…``.
        """
        tail: list[str] = []
        shown = value
        while True:
            name = self.names[shown]
            tail = [quoted(name), *tail] if name is not None else tail
            readers = self.readers[shown]
            if len(readers) != 1:
                break
            shown = readers[0]
            if shown is self.end:
                return " ← ".join([self.start, *tail])
            if shown in self.lines:
                return " ← ".join([*self._head(shown), *tail])
        heads = [self._head(reader) for reader in dict.fromkeys(readers)]
        common = 2 if all(head[1:2] == ["…"] for head in heads) else 1
        parts = list(dict.fromkeys(" ← ".join(head[common:]) for head in heads if len(head) > common))
        if len(parts) > 4:
            parts = [*parts[:2], "…", parts[-1]]
        group = [f"({' | '.join(parts)})"] if len(parts) > 1 else parts
        return " ← ".join([*(heads[0][:common] if heads else [self.start]), *group, *tail])

    def _head(self, value: Value) -> list[str]:
        """The one path from the end to a Value, or ``C ← … ← z20``."""
        names: list[str] = []
        shown = value
        while shown is not self.end:
            name = self.names[shown]
            names = [quoted(name), *names] if name is not None else names
            readers = self.readers[shown]
            if len(readers) != 1 or len(names) > 6:
                return [self.start, "…", *names[-1:]]
            shown = readers[0]
        return [self.start, *names]
