"""Local derivatives as expressions: what is written means what is computed, for every op, and whatever names say."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.cases import CASES, Case
from tests.viz.svg import HOSTILE
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.derivatives import TABLE, Rule
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.core.maps import edges
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.formulas.expressions import (
    Symbol,
    add,
    built,
    call,
    key,
    negative,
    number,
    power,
    product,
    quotient,
    symbols,
)
from tinygrad_lite.formulas.latex import Latex, latex_name
from tinygrad_lite.formulas.printer import quoted
from tinygrad_lite.formulas.python import Python, identifier
from tinygrad_lite.formulas.reader import TooLongError, Tracer
from tinygrad_lite.formulas.text import Text
from tinygrad_lite.paths.path import size


class Names:
    """An identifier for each symbol, and the numbers behind them: what evaluates Python source."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}
        self.numbers: dict[str, Any] = {}

    def __call__(self, symbol: Symbol) -> str:
        if symbol.id not in self.of:
            name = identifier(symbol.value.name, self.of.values())
            self.of[symbol.id] = name
            self.numbers[name] = symbol.data
        return self.of[symbol.id]


def evaluated(e: ast.expr) -> Any:
    names = Names()
    source = Python(names).write(e)
    with np.errstate(all="ignore"):
        return eval(source, {"np": np, "math": math, "__builtins__": {}}, names.numbers)


def named(**values: Any) -> list[Value]:
    return [Value(data, name=name) for name, data in values.items()]


# ---- the table ------------------------------------------------------------------------------------------------------


def sampled(rule: Rule, rng: np.random.Generator, shape: tuple[int, ...]) -> list[Value]:
    data = [rng.uniform(low, high, shape) for low, high in rule.domain]
    if rule.name == "where":
        data[0] = (data[0] > 0).astype(float)
    return [Value(x if shape else float(x), name=letter) for letter, x in zip(rule.operands, data, strict=True)]


@pytest.mark.parametrize("result", ["out", None], ids=["named", "nameless"])
@pytest.mark.parametrize("shape", [(), (3,)], ids=["float", "array"])
@pytest.mark.parametrize("rule", TABLE.values(), ids=list(TABLE))
def test_every_line_means_what_is_computed(
    rule: Rule, shape: tuple[int, ...], result: str | None, rng: np.random.Generator
) -> None:
    for _ in range(5):
        operands = sampled(rule, rng, shape)
        out = getattr(tg.elementary, rule.name)(*operands)
        out.name = result
        checked = 0
        for position, operand, chain in chains(out):
            assert out.operands[position] is operand
            for index in np.ndindex(shape):
                ((inner, weight),) = edges(chain, index)
                e = Tracer().local(out, position, index, inner)
                assert evaluated(e) == pytest.approx(weight, rel=1e-12, abs=1e-14)
                assert Text().write(e).isprintable()
                assert Latex().write(e).isascii()
                checked += 1
        assert checked == out.size * sum(d is not None for d in rule.derivatives)
        if shape:  # and of whole arrays
            for position, _, chain in chains(out):
                whole = np.broadcast_to(evaluate_whole(out, position), shape)
                weights = [next(edges(chain, index))[1] for index in np.ndindex(shape)]
                np.testing.assert_allclose(whole, weights, rtol=1e-12, atol=1e-14)


def evaluate_whole(out: Value, position: int) -> Any:
    e = Tracer().local(out, position, None, None)
    if "math." in Python(Names()).write(e):  # erf is one of numbers
        return np.array([evaluated(Tracer().local(out, position, (k,), (k,))) for k in range(out.size)])
    return evaluated(e)


def test_what_is_long_has_a_name_of_its_own() -> None:
    (x,) = named(x=0.3)
    e = Tracer().local(x.gelu(), 0, (), ())
    assert (Text().write(e), Latex().write(e)) == ("gelu′(x)", r"\operatorname{gelu}'\left(x\right)")


# ---- structured ops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [case for case in CASES if not case.empty], ids=lambda case: case.label)
def test_every_edge_of_every_structured_op(example: Case, rng: np.random.Generator) -> None:
    """The expression of each elementary edge has the number of the edge, whether or not the values have names."""
    leaves = [Value(x, name=name) for x, name in zip(example.arrays(rng), "abcde", strict=False)]
    end = example.ours(*leaves)
    seen = 0
    for names in (False, True):
        tracer = Tracer(limit=500)
        for node in ancestors(end):
            if names and node.op is not None:
                node.name = f"{node.op.name}{seen}"
            for position, operand, chain in chains(node):
                for index in np.ndindex(node.shape):
                    for inner, weight in edges(chain, index):
                        e = tracer.local(node, position, index, inner)
                        assert evaluated(e) == pytest.approx(weight, rel=1e-9, abs=1e-12)
                        assert operand.shape == () or len(inner) == operand.ndim
                        Text().write(e), Latex().write(e)
                        seen += 1
    assert seen or not end.size


READS: list[tuple[Callable[[Value, Value], Value], str]] = [
    (lambda z, w: tg.softmax(z)[1], "softmax(z)[1]"),
    (lambda z, w: z.logsumexp(), "softmax(z)[1]"),
    (lambda z, w: z.norm(), "z[1]/‖z‖"),
    (lambda z, w: z.prod(), "z[0]·z[2]"),
    (lambda z, w: z.mean(), "0.3333"),
    (lambda z, w: (z - z.mean())[1].square(), "2(z[1] - mean(z))"),
    (lambda z, w: z @ w, "w[1]"),
    (lambda z, w: (z[:2] @ w[:2]).sigmoid(), "σ(z[0]·w[0] + z[1]·w[1])(1 - σ(z[0]·w[0] + z[1]·w[1]))·w[1]"),
    (lambda z, w: (z @ w).square(), "2(z[0]·w[0] + z[1]·w[1] + z[2]·w[2])·w[1]"),
    (lambda z, w: tg.einsum("i,i->", z, w), "w[1]"),
    (lambda z, w: tg.functions.half_squared_error(z, w, 4.0), "(z[1] - w[1])/4"),
    (lambda z, w: tg.cross_entropy(z.reshape(1, 3), [2]), "softmax(z)[1]"),
    (lambda z, w: z[1] ** 3, "3·z[1]²"),
    (lambda z, w: 1 / z[1], "-1/z[1]²"),
    (lambda z, w: 0.3 * z[1] * 0.5, "0.15"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), READS, ids=[expected for _, expected in READS])
def test_it_reads_as_people_write_it(make: Callable[[Value, Value], Value], expected: str) -> None:
    z, w = named(z=np.array([0.5, 1.5, -1.0]), w=np.array([1.0, 2.0, 3.0]))
    path = max(tg.gradient_paths(make(z, w), z, at=1), key=lambda path: path.contribution)
    assert str(path) == f"end ← z[1] : {expected} = {path.contribution:.6g}"


def test_recording_may_be_off() -> None:
    (z,) = named(z=[1.0, 2.0])
    loss = tg.cross_entropy((z * 2.0).reshape(1, 2), [0])
    with tg.no_grad():
        shown = [str(path) for path in tg.gradient_paths(loss, z, at=1)]
    assert shown == [str(path) for path in tg.gradient_paths(loss, z, at=1)]
    assert re.match(r"end ← z\[1\] : 2·exp\(2·z\[1\] - logsumexp\(2·z\[0\], 2·z\[1\]\)\) = 1\.76159", shown[0])


def test_nothing_is_recorded_or_changed_by_printing() -> None:
    x, t = datasets.xor()
    loss = nn.losses.half_squared_error(nn.MLP(2, [3, 2], rng=0)(x), t)
    before = [(node.name, node.requires_grad, node.has_grad) for node in ancestors(loss)]
    for path in tg.gradient_paths(loss, "w100"):
        str(path)
    assert [(node.name, node.requires_grad, node.has_grad) for node in ancestors(loss)] == before


# ---- paths ----------------------------------------------------------------------------------------------------------


def half_adder() -> Value:
    x, t = datasets.half_adder()
    return nn.losses.half_squared_error(
        nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)(x), t
    )


def test_the_half_adder_reads_as_in_the_tutorial() -> None:
    (first,) = [path for path in tg.gradient_paths(half_adder(), "w200") if "n30@0" in str(path)]
    expected = "(n30 - t0)/4 · n30(1 - n30) · w300 · n20(1 - n20) · n10".replace("n30", "n30@0")
    expected = expected.replace("n20", "n20@0").replace("n10", "n10@0").replace("t0", "t0@0")
    assert str(first) == f"C ← n30@0 ← z30@0 ← n20@0 ← z20@0 ← w200 : {expected} = {first.contribution:.6g}"


def test_an_array_reads_by_its_elements() -> None:
    x, t = datasets.xor()
    paths = tg.gradient_paths(nn.losses.half_squared_error(nn.MLP(2, [2, 2], rng=0)(x), t), "w2[1,0]")
    shown = [str(path) for path in paths]
    start = "C ← n2[3,0] ← z2[3,0] ← w2[1,0] : (n2[3,0] - t[3,0])/4 · n2[3,0](1 - n2[3,0]) · n1[3,1] = "
    assert len([line for line in shown if line.startswith(start)]) == 1


def test_factors_of_one_are_left_out_unless_all_are() -> None:
    x, w = named(x=2.0, w=3.0)
    z = x + w
    z.name = "z"
    assert str(*tg.gradient_paths(z, x)) == "z ← x : 1 = 1"
    assert str(*tg.gradient_paths(z * 2.0, x)) == "end ← z ← x : 2 = 2"
    assert str(*tg.gradient_paths(-z, x)) == "end ← z ← x : -1 = -1"
    y = -z
    y.name = "y"
    assert str(*tg.gradient_paths(y.square(), x)) == "end ← y ← z ← x : 2·y · (-1) = 10"


def test_paths_that_differ_in_nameless_ops_print_differently() -> None:
    x, w = named(x=2.0, w=3.0)
    shown = [str(path) for path in tg.gradient_paths(x * w + x.sin() + x.pow(w) + w, x)]
    assert sorted(shown) == [
        "end ← x : cos(x) = -0.416147",
        "end ← x : w = 3",
        "end ← x : w·x^(w - 1) = 12",
    ]


def test_parallel_edges_are_told_apart_by_their_numbers() -> None:
    (x,) = named(x=2.0)
    assert sorted(map(str, tg.gradient_paths(x**x, x))) == [
        "end ← x : x^x·ln(x) = 2.77259",
        "end ← x : x·x^(x - 1) = 4",
    ]


def test_what_underflows_is_printed_from_its_logarithm() -> None:
    x = y = Value(1.0, name="x")
    for _ in range(1000):
        y = y.sigmoid() * 0.25
    (path,) = tg.gradient_paths(y, x)
    exponent = sum(math.log10(local) for local in path.locals)
    mantissa, power_of_ten = re.fullmatch(r"end ← x : \S+ = (\S+)e(-\d+)", str(path)).groups()  # type: ignore[union-attr]
    assert path.contribution == 0.0
    assert math.log10(float(mantissa)) + int(power_of_ten) == pytest.approx(exponent, rel=1e-7)
    assert size([1e200, 1e200, -1.0], 3) == "-1e+400"
    assert size([0.0, 1e-200, 1e-200], 3) == "0"
    assert size([math.inf, 2.0], 3) == "inf"


def test_long_and_deep_nameless_chains_are_numbers() -> None:
    x = y = Value(0.5, name="x")
    for _ in range(20_000):
        y = y.sin()
    (path,) = tg.gradient_paths(y, x)
    assert len(str(path)) < 60
    y = x
    for _ in range(200):
        y = y * y  # the expression doubles each time
    assert len(str(next(iter(tg.gradient_paths(y, x))))) < 60
    with pytest.raises(TooLongError):
        Tracer().element(y, ())
    wide = Value(np.full(1000, 0.1), name="w")
    (path,) = tg.gradient_paths((wide @ np.ones(1000)).tanh(), wide, at=3)
    assert str(path) == f"end ← w[3] : {path.contribution:.4g} = {path.contribution:.6g}"


def test_a_path_outlives_its_graph() -> None:
    x, w = named(x=[1.0, 2.0], w=[3.0, 4.0])
    loss = (x * w).sum()
    (path,) = tg.gradient_paths(loss, w, at=1)
    loss.backward(keep="leaves")
    assert str(path) == "end ← w[1] : 2 = 2"


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
        return
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
