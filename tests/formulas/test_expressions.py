"""Expressions: simplifying and printing keep the value, whatever names say."""

from __future__ import annotations

import ast
import math
import re

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.formulas.evaluation import Names, evaluated, named
from tests.hostile import HOSTILE
from tinygrad_lite import Value
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.formulas.code import identifier
from tinygrad_lite.formulas.expressions import add, built, call, negative, number, power, product, quotient
from tinygrad_lite.formulas.latex import latex_name
from tinygrad_lite.formulas.printer import quoted
from tinygrad_lite.formulas.python import Python
from tinygrad_lite.formulas.reader import Tracer
from tinygrad_lite.formulas.symbols import Symbol, key, symbols
from tinygrad_lite.formulas.text import Text

# ---- simplifying ----------------------------------------------------------------------------------------------------

A, B, C = (Symbol(value) for value in named(a=2.0, b=3.0, c=0.7))


@pytest.mark.parametrize(
    ("e", "expected"),
    [
        (product(A, number(1.0)), "a"),
        (product(A, number(0.0)), "0"),
        (product(A, number(0.25)), "a/4"),
        (product(number(2 / 3), A), "2·a/3"),
        (product(A, A, B, A), "a³·b"),
        (product(power(A, number(2.0)), A), "a³"),
        (quotient(A, quotient(B, C)), "a·c/b"),
        (quotient(A, product(B, C)), "a/(b·c)"),
        (quotient(number(1.0), product(number(2.0), A)), "1/(2·a)"),
        (power(A, number(-2.0)), "1/a²"),
        (power(A, number(0.5)), "a^0.5"),
        (power(add(A, B), C), "(a + b)^c"),
        (negative(add(A, negative(B))), "b - a"),
        (negative(product(A, B)), "-a·b"),
        (product(negative(A), negative(B)), "a·b"),
        (add(A, number(-2.0)), "a - 2"),
        (add(negative(A), B), "b - a"),
        (add(A, negative(product(B, C))), "a - b·c"),
        (product(add(A, B), add(A, C)), "(a + b)(a + c)"),
        (call("where", number(1.0), A, B), "a"),
        (call("where", A, B, B), "b"),
        (built("where(x >= y, x, 0)", {"x": A, "y": number(-math.inf)}), "a"),
        (built("exp(x)", {"x": number(0.0)}), "1"),
        (built("x / y", {"x": number(1.0), "y": number(0.0)}), "inf"),
        (built("log(x)", {"x": number(-1.0)}), "nan"),
        (built("x ** y", {"x": number(-8.0), "y": number(1 / 3)}), "nan"),
        (product(number(0.1), number(3.0), A), "0.3·a"),
        (product(number(-0.5), A), "-a/2"),
    ],
)  # fmt: skip
def test_expressions_are_simplified(e: ast.expr, expected: str) -> None:
    assert Text().write(e) == expected


LETTERS = st.sampled_from([A, B, C])
TREES = st.recursive(
    st.one_of(LETTERS, st.sampled_from([-2.0, -1.0, 0.0, 0.25, 1.0, 2 / 3, 3.0]).map(number)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["x + y", "x - y", "x * y", "x / (1 + y * y)"]), inner, inner),
        st.tuples(st.sampled_from(["-x", "tanh(x)", "sigmoid(x)", "x ** 2", "where(x > y, x, y)"]), inner, inner),
    ).map(lambda drawn: built(drawn[0], {"x": drawn[1], "y": drawn[2]})),
    max_leaves=12,
)


@given(TREES, TREES)
def test_simplifying_and_printing_keep_the_value(x: ast.expr, y: ast.expr) -> None:
    with np.errstate(all="ignore"):
        for function, exact in (
            (add, lambda a, b: a + b),
            (product, lambda a, b: a * b),
            (quotient, lambda a, b: np.float64(a) / b),
        ):
            found, expected = evaluated(function(x, y)), exact(evaluated(x), evaluated(y))
            if np.isfinite(expected):
                assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(TREES)
def test_the_text_read_as_python_means_the_same(e: ast.expr) -> None:
    """No parenthesis is lost: signs put back, the text has the value of the expression."""
    text = re.sub(
        r"([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "**" + "".join(str("⁰¹²³⁴⁵⁶⁷⁸⁹".index(c)) for c in m[1]), Text().write(e)
    )
    text = re.sub(r"([a-c0-9)])\((?!\s)", r"\1*(", text.replace("·", "*").replace("^", "**").replace("≥", ">="))
    text = text.replace("σ*(", "σ(")
    names = {"a": 2.0, "b": 3.0, "c": 0.7, "tanh": math.tanh, "σ": lambda x: 1 / (1 + math.exp(-x))}
    try:
        found = eval(text, names)
    except ZeroDivisionError:
        reject()
    expected = evaluated(e)
    assert found == pytest.approx(expected, rel=2e-2, abs=1e-2) or not np.isfinite(expected) or abs(expected) > 1e3


def test_equal_expressions_have_equal_keys() -> None:
    x, twin = named(x=1.0)[0], named(x=1.0)[0]
    assert key(Symbol(x)) == key(Symbol(x)) != key(Symbol(twin))
    assert [s.value for s in symbols(built("x * y + x", {"x": Symbol(x), "y": Symbol(twin)}))] == [x, twin]


def test_the_tables_language_is_closed() -> None:
    with pytest.raises(ArgumentError, match=re.escape("derivatives: the table is written in names")):
        built("x if x else 1", {"x": A})
    with pytest.raises(ArgumentError, match="writing: takes expressions of the table's language"):
        Text().write(ast.parse("lambda: 0", mode="eval").body)


# ---- names ----------------------------------------------------------------------------------------------------------

ANY_NAME = st.one_of(st.text(max_size=12), st.sampled_from(HOSTILE), st.sampled_from(["lambda", "np", "eval", "1", ""]))


@given(ANY_NAME, ANY_NAME)
def test_names_of_any_kind_break_nothing(first: str, second: str) -> None:
    x, w = Value(2.0, name=first), Value(3.0, name=second)
    y = (x * w).sigmoid()
    for path in tg.gradient_paths(y, x):
        assert len(str(path).splitlines()) == 1
        assert str(path).isprintable()
        assert quoted(first) in str(path)
    e = Tracer().local(y, 0, (), ())
    names = Names()
    source = Python(names).write(e)
    assert source.isascii()
    assert {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)} == {"np", *names.numbers}
    assert len(names.numbers) == 2
    assert evaluated(e) == pytest.approx(y.data * (1 - y.data))
    for name in (first, second):
        written = latex_name(name)
        assert written.isascii()
        assert written.count("{") - written.count(r"\{") == written.count("}") - written.count(r"\}")
        assert not re.search(r"(?<!\\)[%#&$~^]|\\\\", re.sub(r"\^\{\(", "", written))


def test_source_never_runs_a_name() -> None:
    name = "__import__('os').system('echo pwned')"
    (x,) = [Value(2.0, name=name)]
    source = Python(Names()).write(Tracer().local(x.square(), 0, (), ()))
    assert source == "2 * import_os_system_echo_pwned"


def test_identifiers_never_clash() -> None:
    taken: list[str] = []
    for name in ("w2[0,1]", "w2_0_1", "w2 0 1", "if", "np", "", "3", "ŷ", "sum"):
        taken.append(identifier(name, taken))
    assert taken == ["w2_0_1", "w2_0_1_2", "w2_0_1_3", "if_", "np_", "v", "v3", "v_2", "sum_"]
    assert all(name.isidentifier() for name in taken)


def test_an_identifier_asks_for_no_more_than_whether_names_are_taken() -> None:
    class Taken:
        """As many names as there are: nobody may run through them."""

        def __contains__(self, name: object) -> bool:
            return name in ("a", "a_2")

    assert [identifier(name, Taken()) for name in ("a", "b")] == ["a_3", "b"]
