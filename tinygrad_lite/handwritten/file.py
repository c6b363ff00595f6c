"""A whole file: imports, helper functions, the signature, forward and backward."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.value import Value
from ..formulas.python import quoted_string
from ..graph import naming
from .loops import Samples
from .page import WIDTH, Page, definitions
from .passes import Passes
from .routes import Routes
from .tidying import tidy

__all__ = ["written"]


def written(passes: Passes, alike: Samples | None) -> tuple[str, dict[str, Any]]:
    """The source of a file, and the recorded data by argument of ``backprop``."""
    program, wrt = passes.program, passes.wrt
    varying = [] if alike is None else [passes.arguments[leaf] for leaf in alike.leaves[0]]
    end = passes.forward()
    assert isinstance(end, ast.Name | ast.Constant)
    gradients = passes.backward()
    tidied, (end, *values) = tidy(program, [end, *gradients.values()])
    outputs = dict(zip(gradients, values, strict=True))
    page = Page(program, 4 if alike is None else 8)
    lines = {line.of for line in tidied if line.of is not None}
    routes = Routes(passes.end, passes.names, passes.readers, counted=program.scalar)

    def comment(value: Value) -> str:
        return routes.comment(value, lines)

    page.put("# forward")
    loss = end.id if isinstance(end, ast.Name) else "loss"
    section = "forward"
    for line in tidied:
        if line.section != section:
            page.put()
            page.put(f"# backward: d_x is d{loss}/dx")
            section = line.section
        if line.target == loss and alike is not None and line.how == "=":
            line.how = "+="
        page.statement(line, comment(line.of) if line.of is not None and line.key is None else "")
    if section == "forward":
        page.put()
        page.put(f"# backward: d_x is d{loss}/dx")
    if alike is None:
        entries = []
        for name, value in outputs.items():
            text = f"{quoted_string(name)}: {page.source.write(value)},"
            if len(text) + 8 > WIDTH and not isinstance(value, ast.Name | ast.Constant):
                target = program.named(f"d_{name}")
                page.assign(target, value)
                text = f"{quoted_string(name)}: {target},"
            entries.append((text, comment(wrt[name]) if wrt[name] in passes.readers else ""))
        page.put("gradients = {")
        page.indent += 4
        for text, said in entries:
            page.put(text, said)
        page.indent -= 4
        page.put("}")
    else:
        for name, value in outputs.items():
            target = f"gradients[{quoted_string(name)}]"
            page.assign(target, value, comment(wrt[name]) if wrt[name] in passes.readers else "", "+=")
    arguments = {passes.arguments[v]: v.data for v in passes.arguments if passes.arguments[v] not in varying}
    arguments |= program.constants
    groups = _grouped(passes, [name for name in arguments if name not in program.constants], program.constants)
    if alike is not None:
        arguments["samples"] = [tuple(leaf.data for leaf in sample) for sample in alike.leaves]
        groups.append(["samples"])
    body = [*_signature(groups), *_opening(alike, loss, varying), *page.lines]
    body.append(f"    return {page.source.write(end)}, {'gradients' if alike is None else 'dict(gradients)'}")
    text = "\n".join(body) + "\n"
    defined = definitions(program, passes.helpers, text)
    imports = [
        *(["import math"] if re.search(r"\bmath\.", defined + text) else []),
        *(["from collections import defaultdict"] if alike is not None else []),
    ]
    if re.search(r"\bnp\.", defined + text):
        imports += [*([""] if imports else []), "import numpy as np"]
    header = f'"""The forward and the backward pass of {loss}, written out."""\n'
    if imports:
        header += "\n" + "\n".join(imports) + "\n"
    return f"{header}{defined}\n\n{text}", arguments


def _opening(alike: Samples | None, loss: str, varying: Sequence[str]) -> list[str]:
    if alike is None:
        return [f'    """Return {loss}, and its derivative with respect to each parameter by name."""']
    each = f"({', '.join(varying)}{',' if len(varying) == 1 else ''})"
    return [
        f'    """Return {loss}, and its derivative with respect to each parameter by name.',
        "",
        *_wrapped(f"Each of the samples is a tuple {each}.", 4),
        '    """',
        f"    {loss} = 0.0",
        "    gradients = defaultdict(float)",
        *_loop(varying),
    ]


def _loop(varying: Sequence[str]) -> list[str]:
    text = f"    for {', '.join(varying)} in samples:" if len(varying) > 1 else f"    for ({varying[0]},) in samples:"
    if len(text) <= WIDTH:
        return [text]
    return ["    for (", *_wrapped(", ".join(varying) + ",", 8), "    ) in samples:  # fmt: skip"]


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False)


def _grouped(passes: Passes, names: Sequence[str], constants: Mapping[str, Any]) -> list[list[str]]:
    """The arguments in lines: the parameters of each layer, then the data."""
    of = {name: value for value, name in passes.arguments.items()}
    groups: dict[Any, list[str]] = {}
    for name in names:
        parsed = naming.parse(of[name].name or "")
        layer = parsed.layer if parsed is not None else None
        groups.setdefault((of[name].requires_grad, layer), []).append(name)
    return [*groups.values(), *([list(constants)] if constants else [])]


def _signature(groups: Sequence[Sequence[str]]) -> Iterator[str]:
    text = f"def backprop({', '.join(name for group in groups for name in group)}):"
    if len(text) <= WIDTH:
        yield text
        return
    yield "def backprop("
    for group in groups:
        yield from _wrapped(", ".join(group) + ",", 4)
    yield "):  # fmt: skip"
