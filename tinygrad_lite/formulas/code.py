"""Expression trees of NumPy code: calls, methods, subscripts, and constants of any kind.

They extend the language of the table of derivatives; ``python`` prints them.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Container
from typing import Any

import numpy as np

__all__ = ["called", "identifier", "literal", "method", "name_of", "quoted_string", "subscript"]


_RESERVED = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"}


def identifier(name: str | None, taken: Container[str]) -> str:
    """A Python identifier for any name: ASCII, not ``taken``, and not the name of a builtin.

    >>> identifier("n20@3", ()), identifier("w2[0,1]", ()), identifier("lambda", ()), identifier("a b", {"a_b"})
    ('n20_3', 'w2_0_1', 'lambda_', 'a_b_2')
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name or "").strip("_") or "v"
    if plain[0].isdigit():
        plain = f"v{plain}"
    if plain in _RESERVED:
        plain += "_"
    k, found = 1, plain
    while found in taken:
        k += 1
        found = f"{plain}_{k}"
    return found


def name_of(text: str) -> ast.Name:
    """A variable."""
    return ast.Name(text, ast.Load())


def called(function: str, *arguments: Any, **keywords: Any) -> ast.Call:
    """``function(arguments, key=value)``: expressions, or constants of any kind.

    >>> from tinygrad_lite.formulas.python import Source
    >>> Source().write(called("np.pad", name_of("x"), (1, 2), mode="edge"))
    'np.pad(x, (1, 2), mode="edge")'
    """
    return ast.Call(
        name_of(function),
        [literal(argument) for argument in arguments],
        [ast.keyword(key, literal(value)) for key, value in keywords.items()],
    )


def method(x: ast.expr, name: str, *arguments: Any, **keywords: Any) -> ast.Call:
    """``x.name(arguments, key=value)``.

    >>> from tinygrad_lite.formulas.python import Source
    >>> Source().write(method(name_of("x"), "sum", axis=0))
    'x.sum(axis=0)'
    """
    call = called(name, *arguments, **keywords)
    return ast.Call(ast.Attribute(x, name, ast.Load()), call.args, call.keywords)


def subscript(x: ast.expr, key: Any) -> ast.Subscript:
    """``x[key]``, of a key as NumPy takes it, arrays included.

    >>> from tinygrad_lite.formulas.python import Source
    >>> Source().write(subscript(name_of("x"), (..., slice(1, None), None, -1)))
    'x[..., 1:, None, -1]'
    """
    return ast.Subscript(x, literal(key), ast.Load())


def literal(x: Any) -> ast.expr:
    """A constant as an expression: numbers, text, tuples, slices, arrays; an expression stays as it is.

    >>> from tinygrad_lite.formulas.python import Source
    >>> Source().write(literal(np.array([[0, 2]]))), Source().write(literal(np.arange(5)))
    ('np.array([[0, 2]])', 'np.arange(5)')
    """
    if isinstance(x, ast.expr):
        return x
    if isinstance(x, tuple | list):
        items = [literal(item) for item in x]
        return ast.Tuple(items, ast.Load()) if isinstance(x, tuple) else ast.List(items, ast.Load())
    if isinstance(x, slice):
        parts = (None if part is None else literal(part) for part in (x.start, x.stop, x.step))
        return ast.Slice(*parts)
    if isinstance(x, np.ndarray) and x.ndim:
        if x.size > 1 and x.dtype.kind == "i" and np.array_equal(x, np.arange(x.size)):
            return called("np.arange", x.size)
        if x.size > 1 and x.dtype.kind == "f" and np.all(x == x.flat[0]):
            one = x.flat[0] == 1.0
            return called("np.ones", x.shape) if one else called("np.full", x.shape, float(x.flat[0]))
        if not x.size:
            empty = ast.Attribute(name_of("np"), x.dtype.name if x.dtype.kind != "b" else "bool_", ast.Load())
            return ast.Call(name_of("np.zeros"), [literal(x.shape)], [ast.keyword("dtype", empty)])
        return called("np.array", x.tolist())
    if isinstance(x, np.ndarray | np.generic):
        x = x.item()
    if isinstance(x, np.dtype | type):
        return ast.Attribute(name_of("np"), np.dtype(x).name, ast.Load())
    return ast.Constant(x)


def quoted_string(text: str) -> str:
    r"""A string as source, in double quotes where that takes no more escapes; printable characters stay.

    >>> quoted_string("w2[0,1]"), quoted_string('say "x"'), quoted_string("a\n\u2028")
    ('"w2[0,1]"', '\'say "x"\'', '"a\\n\\u2028"')
    """
    shown = repr(text)
    if shown.startswith("'"):
        inner = shown[1:-1]
        if '"' not in text:
            return f'"{inner}"'
        if text.count('"') <= text.count("'"):  # both kinds: repr escaped the single ones
            return '"' + inner.replace("\\'", "'").replace('"', '\\"') + '"'
    return shown
