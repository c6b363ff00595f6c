"""A line is shown as it stands in its file, and a changed line in the same hand."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import Network, mended
from tinygrad_lite.watching.spelling import changed_text, text_of


def statement(source: str) -> ast.stmt:
    return ast.parse(source).body[0]


@pytest.mark.parametrize(
    ("line", "new", "text"),
    [
        ('d["W"] = X.T @ (dz+1)  # "why"', "d['W'] = X.T @ dz", 'd["W"] = X.T @ dz'),
        ("dz = (X@W+b-Y)", "dz = 2 * (X @ W + b - Y)", "dz = 2 * (X@W+b-Y)"),
        ("dz = (X@W+b-Y)/n", "dz = X @ W + b - Y", "dz = X@W+b-Y"),
        ('d["b"] += f( dz, axis = (0,2) )', "d['b'] = f(dz, axis=(0, 2))", 'd["b"] = f( dz, axis = (0,2) )'),
        ('d["b"] = np.mean( dz, axis = 0 )', "d['b'] = np.sum(dz, axis=0)", 'd["b"] = np.sum( dz, axis = 0 )'),
        ("x = a*b**-0.5", "x = a * b ** -1.5", "x = a*b**-1.5"),
        ("x = (v+1e-5)**-0.5", "x = -(v + 1e-05) ** -1.5", "x = -(v+1e-5) ** (-1.5)"),
        ("δ = a*b -c", "δ = (a * b - c) * n", "δ = (a*b -c) * n"),
        ("δ = a*(b-c)", "δ = a * b - c", "δ = a * b - c"),
        ("x = [a, f\"{b!r}{'c'}\"]", "x = [a, d]", "x = [a, d]"),
        ("for i in f( L ):  # back\n    x = i", "for i in reversed(f(L)):\n    x = i", "for i in reversed(f( L )):"),
        ("while a<b :\n    pass", "while a < c:\n    pass", "while a<c :"),
        ("if a<b: c = 1", "if a > b:\n    c = 1", "if a > b:"),
        ("with f( a ) as b:\n    pass", "with g(a) as b:\n    pass", "with g( a ) as b:"),
        ("x = (a * b\n     + c)", "x = a * b - c", "x = a * b - c"),
        ("x = (a * b\n     + c)", "x = a * d + c", "x = (a * d\n     + c)"),
    ],
)  # fmt: skip
def test_what_was_not_changed_keeps_its_text(line: str, new: str, text: str) -> None:
    found = changed_text(statement(line), statement(new), line.splitlines(keepends=True))
    assert found == text
    whole = found + (" pass" if found.endswith(":") else "")
    assert ast.unparse(statement(whole)).splitlines()[0] == ast.unparse(statement(new)).splitlines()[0]


@pytest.mark.parametrize("lines", [[], ["y = 2\n"], ["x = (\n"]])
def test_a_file_that_says_something_else_gives_no_text(lines: list[str]) -> None:
    old, new = statement("x  =  'a'"), statement("x = 'b'")
    assert text_of(old, lines) == "x = 'a'"
    assert changed_text(old, new, lines) == "x = 'b'"


def test_a_diff_shows_the_source_as_it_stands_and_can_be_applied() -> None:
    w = tg.Value(np.arange(1.0, 7.0).reshape(2, 3), name="w")
    network = Network((w**3).sum(), {"w": w})
    for line in (
        'd["w"] = 3*w**3  # "three"',
        'δ = "δδ"; d["w"] = (2 *\n            w**2)',
        'd = {"δ": 1.0, "w": 2*w**2}',
    ):
        source = f'def backward(w):\n    d = {{}}\n    {line}\n    return {{"w": d["w"]}}\n'
        (mistake,) = network.mistakes(source)
        assert mistake.line == 3
        assert network.right(mended(source, mistake))
        assert all("'" not in shown for shown in mistake.diff.splitlines())
        assert "\n" not in str(mistake)
