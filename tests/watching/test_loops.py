"""First lines of loops, and what is tried instead of them."""

from __future__ import annotations

import ast

import pytest

from tinygrad_lite.watching.loops import changed_loops
from tinygrad_lite.watching.scripts import Place, Unit


def unit(source: str) -> Unit:
    (statement,) = ast.parse(source).body
    return Unit(0, Place("<a loop>", 1, 0), statement, ast.Constant(None), None, None, "backward")


@pytest.mark.parametrize(
    ("over", "right"),
    [
        ("range(L)", "reversed(range(L))"),
        ("reversed(range(L))", "range(L)"),
        ("range(L - 1)", "range(L)"),
        ("range(1, L)", "range(L)"),
        ("range(L + 1)", "range(L)"),
        ("reversed(range(L - 1))", "reversed(range(L))"),
        ("range(L)", "reversed(range(1, L))"),
        ("range(L - 1, 0, -1)", "range(L - 1, -1, -1)"),
        ("range(L, -1, -1)", "range(L - 1, -1, -1)"),
        ("range(L, 0, -1)", "range(L - 1, -1, -1)"),
        ("range(len(Ws) - 1)", "reversed(range(len(Ws)))"),
        ("layers", "reversed(layers)"),
        ("self.layers[::-1]", "self.layers"),
        ("layers[1:]", "layers"),
        ("zip(Ws, acts)", "zip(reversed(Ws), reversed(acts))"),
        ("zip(reversed(Ws), acts)", "zip(reversed(Ws), reversed(acts))"),
        ("zip(Ws, acts)", "reversed(list(zip(Ws, acts)))"),
        ("reversed(list(zip(Ws, acts)))", "zip(Ws, acts)"),
        ("enumerate(layers)", "reversed(list(enumerate(layers)))"),
    ],
)
def test_the_right_loop_is_among_those_that_are_tried(over: str, right: str) -> None:
    tried = list(changed_loops(unit(f"for i in {over}:\n    x = f(i)")))
    headers = [f"for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}:" for loop in tried]
    assert f"for i in {right}:" in headers
    assert f"for i in {over}:" not in headers
    assert len(headers) == len(set(headers)) <= 30
    assert {ast.unparse(loop.body) for loop in tried} == {"x = f(i)"}  # type: ignore[call-overload]


def test_nothing_but_a_loop_has_another_first_line() -> None:
    assert list(changed_loops(unit("x = [f(i) for i in range(L)]"))) == []
