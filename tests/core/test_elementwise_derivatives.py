"""Every line of the table of derivatives, and that a fault in any of them is caught."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.checkers import check_elementwise, close, differentiable, sampled, weight_of
from tests.oracles.differences import complex_step
from tests.oracles.formulas import FORMULAS, NEEDS_SCIPY, NOT_DIFFERENTIABLE, exactly, special
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS, Elementwise, _generated
from tinygrad_lite.core.elementwise_derivatives import TABLE, Rule, line
from tinygrad_lite.core.maps import Scale
from tinygrad_lite.core.numerics import FLOAT_FUNCTIONS
from tinygrad_lite.errors import ArgumentError, MissingExtraError

LINES = pytest.mark.parametrize("name", TABLE)
ENTRIES = [(name, k) for name, rule in TABLE.items() for k, e in enumerate(rule.derivatives) if e is not None]


def changed(name: str, **parts: Any) -> Elementwise:
    return Elementwise(dataclasses.replace(TABLE[name], **parts))


def with_derivative(name: str, k: int, expression: str) -> Elementwise:
    derivatives = TABLE[name].derivatives
    return changed(name, derivatives=(*derivatives[:k], expression, *derivatives[k + 1 :]))


# ---- every line is right ---------------------------------------------------------------------------------------------


def test_every_line_has_a_second_formula() -> None:
    assert list(FORMULAS) == list(TABLE)


def test_every_line_says_what_it_needs() -> None:
    for name, rule in TABLE.items():
        assert rule.name == name
        assert len(rule.operands) == len(rule.derivatives) == len(rule.written) == len(rule.domain)
        assert rule.sign
        assert all(low < high for low, high in rule.domain)
        assert {(name, k) for k, e in enumerate(rule.derivatives) if e is None} == {
            (op, k) for op, k in NOT_DIFFERENTIABLE if op == name
        }


def test_the_issue_s_ops_are_there() -> None:
    wanted = (
        "add sub mul div neg pow exp log log1p expm1 sqrt square abs sign sin cos tan arcsin arccos arctan sinh cosh "
        "tanh sigmoid softplus relu leaky_relu elu gelu silu maximum minimum where clip erf"
    )
    assert [name for name in wanted.split() if not callable(getattr(tg, name, None))] == []


@LINES
def test_line(name: str, rng: np.random.Generator) -> None:
    check_elementwise(OPS[name], rng)


@LINES
def test_written_form_is_the_computed_one(name: str, rng: np.random.Generator) -> None:
    check_written(TABLE[name], rng)


def check_written(rule: Rule, rng: np.random.Generator) -> None:
    """What people read must be the derivative too, in the op's domain."""
    op = Elementwise(rule)
    operands = sampled(op, [(50,)] * len(rule.operands), np.float64, rng)
    formula = FORMULAS[rule.name]
    if rule.name in NEEDS_SCIPY and special is None:
        pytest.skip("needs SciPy")
    called = "exp log sqrt cos sin cosh sinh tanh sign where maximum minimum"
    functions = {name: getattr(np, name) for name in called.split()}
    functions |= {name: FORMULAS[name] for name in ("sinc", "sinc_slope")}
    functions |= {"sigmoid": FORMULAS["sigmoid"], "erf": FORMULAS["erf"], "erfc": FORMULAS["erfc"]}
    for k in differentiable(op):
        names = dict(zip(rule.operands, operands, strict=True)) | {"out": formula(*operands)}
        found = eval(rule.written[k], functions, names)
        close(np.broadcast_to(found, (50,)), complex_step(formula, operands, k), 1e-10, f"{rule.name}, as written")


# ---- a planted fault in every entry is caught ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "k"), ENTRIES)
@pytest.mark.parametrize("fault", ["({}) * 1.0005", "({}) + 0.001", "-1 * ({})", "0"])
def test_a_wrong_derivative_is_caught(name: str, k: int, fault: str, rng: np.random.Generator) -> None:
    right = TABLE[name].derivatives[k]
    if right == "0" and fault != "({}) + 0.001":
        return  # still zero
    with pytest.raises(AssertionError, match=rf"(?s)^{name} of shapes .*(gradient|derivative)"):
        check_elementwise(with_derivative(name, k, fault.format(right)), rng)


@LINES
@pytest.mark.parametrize("way", ["pull", "chain"])
def test_a_wrong_way_back_is_caught(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Gradients go by ``pull``, all other sweeps by ``chain``: a fault in either shows."""
    right = getattr(Elementwise, way)

    def wrong(self: Elementwise, *rest: Any) -> Any:
        found = right(self, *rest)
        if found is None:
            return None
        return found + 0.01 if way == "pull" else (Scale(1.0005, np.ndim(rest[-1])), *found)

    monkeypatch.setattr(Elementwise, way, wrong)
    if TABLE[name].derivatives == ("0",) and way == "chain":
        return  # still zero
    with pytest.raises(AssertionError, match=rf"(?s)^{name} of shapes .*(gradient|derivative)"):
        check_elementwise(OPS[name], rng)


@LINES
def test_a_wrong_value_is_caught(name: str, rng: np.random.Generator) -> None:
    with pytest.raises(AssertionError, match=rf"(?s)^{name} of shapes .*the value"):
        check_elementwise(changed(name, forward=f"({TABLE[name].forward}) * 1.0005 + 1e-6"), rng)


@pytest.mark.parametrize(("name", "k"), ENTRIES)
def test_a_wrong_written_form_is_caught(name: str, k: int, rng: np.random.Generator) -> None:
    written = TABLE[name].written
    wrong = (*written[:k], f"({written[k]}) * 1.0005 + 1e-6", *written[k + 1 :])
    with pytest.raises(AssertionError, match=f"{name}, as written"):
        check_written(dataclasses.replace(TABLE[name], written=wrong), rng)


# ---- kinks -----------------------------------------------------------------------------------------------------------

INF = math.inf
# op, operands, value, the derivative with respect to each (None: not asked)
KINKS = [
    ("relu", (0.0,), 0.0, (0.0,)),
    ("relu", (-INF,), 0.0, (0.0,)),
    ("relu", (INF,), INF, (1.0,)),
    ("abs", (0.0,), 0.0, (0.0,)),
    ("abs", (-INF,), INF, (-1.0,)),
    ("sign", (0.0,), 0.0, (0.0,)),
    ("sign", (-2.0,), -1.0, (0.0,)),
    ("leaky_relu", (0.0, 0.25), 0.0, (0.25, None)),
    ("elu", (0.0, 1.0), 0.0, (1.0, None)),
    ("maximum", (1.5, 1.5), 1.5, (0.5, 0.5)),
    ("minimum", (1.5, 1.5), 1.5, (0.5, 0.5)),
    ("maximum", (0.0, -0.0), 0.0, (0.5, 0.5)),
    ("maximum", (INF, INF), INF, (0.5, 0.5)),
    ("maximum", (-INF, 1.0), 1.0, (0.0, 1.0)),
    ("clip", (-1.0, -1.0, 1.0), -1.0, (1.0, 0.0, 0.0)),
    ("clip", (1.0, -1.0, 1.0), 1.0, (1.0, 0.0, 0.0)),
    ("clip", (3.0, -1.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
    ("clip", (-3.0, -1.0, 1.0), -1.0, (0.0, 1.0, 0.0)),
    ("where", (1.0, 2.0, INF), 2.0, (None, 1.0, 0.0)),
    ("pow", (0.0, 2.0), 0.0, (0.0, 0.0)),
    ("pow", (0.0, 1.0), 0.0, (1.0, 0.0)),
    ("pow", (0.0, 0.0), 1.0, (0.0, 0.0)),
    ("pow", (-2.0, 3.0), -8.0, (12.0, None)),
    ("pow", (-2.0, -1.0), -0.5, (-0.25, None)),
    ("pow", (3.0, 0.0), 1.0, (0.0, math.log(3.0))),
    ("tanh", (INF,), 1.0, (0.0,)),
    ("sigmoid", (-INF,), 0.0, (0.0,)),
    ("softplus", (-INF,), 0.0, (0.0,)),
    ("exp", (-INF,), 0.0, (0.0,)),
    ("fmax", (1.5, 1.5), 1.5, (0.5, 0.5)),
    ("fmin", (1.5, 1.5), 1.5, (0.5, 0.5)),
    ("fmax", (math.nan, 1.0), 1.0, (0.0, 1.0)),
    ("fmin", (1.0, math.nan), 1.0, (1.0, 0.0)),
    ("hypot", (0.0, 0.0), 0.0, (0.0, 0.0)),
    ("hypot", (3 * 2.0**600, -4 * 2.0**600), 5 * 2.0**600, (0.6, -0.8)),
    ("sinc", (0.0,), 1.0, (0.0,)),
    ("sinc_slope", (0.0,), 0.0, (-(math.pi**2) / 3,)),
    ("cbrt", (-8.0,), -2.0, (1 / 12,)),
    ("logaddexp", (INF, 1.0), INF, (1.0, 0.0)),
    ("logaddexp", (-INF, 1.0), 1.0, (0.0, 1.0)),
    ("logaddexp", (1e4, 1e4), 1e4 + math.log(2), (0.5, 0.5)),
    ("mod", (-1.0, 3.0), 2.0, (1.0, 1.0)),
    ("mod", (5.0, -3.0), -1.0, (1.0, 2.0)),
    ("arcsinh", (1e200,), math.asinh(1e200), (1e-200,)),
]


def check_kink(
    op: Elementwise, operands: tuple[float, ...], value: float, derivatives: tuple[float | None, ...]
) -> None:
    function = _generated(op)
    for form in ("floats", "arrays"):
        made = [Value(x if form == "floats" else np.full(2, x)) for x in operands]
        out = function(*made)
        assert_array_equal(out.data, np.full(out.shape, value), err_msg=f"{op.name}: the value on {form}")
        out.backward(1.0 if form == "floats" else np.ones(2))
        for k, expected in enumerate(derivatives):
            if expected is not None:
                grad = made[k].grad
                assert_allclose(grad, np.full(out.shape, expected), rtol=1e-15, err_msg=f"{op.name}: {k} on {form}")
                with np.errstate(all="ignore"):
                    as_value = weight_of(op, k, made, out)
                data = getattr(as_value, "data", as_value)
                assert_allclose(data, np.full(np.shape(data), expected), rtol=1e-15, err_msg=f"{op.name}: {k} as Value")


@pytest.mark.parametrize(("name", "operands", "value", "derivatives"), KINKS)
def test_kink(name: str, operands: Any, value: float, derivatives: Any) -> None:
    check_kink(OPS[name], operands, value, derivatives)


@pytest.mark.parametrize(
    ("name", "k", "wrong"),
    [
        ("relu", 0, "where(x >= 0, 1, 0)"),
        ("relu", 0, "out / x"),
        ("abs", 0, "where(x >= 0, 1, -1)"),
        ("leaky_relu", 0, "where(x >= 0, 1, slope)"),
        ("maximum", 0, "where(x >= y, 1, 0)"),
        ("maximum", 1, "where(y > x, 1, 0)"),
        ("minimum", 0, "where(x <= y, 1, 0)"),
        ("minimum", 1, "where(y < x, 1, 0)"),
        ("clip", 0, "where(x > low, where(x < high, 1, 0), 0)"),
        ("clip", 1, "where(x <= low, 1, 0)"),
        ("clip", 2, "where(x >= high, 1, 0)"),
        ("pow", 0, "y * x ** (y - 1)"),
        ("pow", 1, "out * log(x)"),
    ],
)
def test_a_wrong_kink_is_caught(name: str, k: int, wrong: str) -> None:
    op = with_derivative(name, k, wrong)
    cases = [case for case in KINKS if case[0] == name]

    def check_all() -> None:
        with np.errstate(all="ignore"):
            for _, *case in cases:
                check_kink(op, *case)

    with pytest.raises(AssertionError, match=rf"{name}: "):
        check_all()


def test_a_raw_exponent_asks_for_no_logarithm() -> None:
    for x in (Value(-8.0), Value(np.array([-8.0, 0.0, 2.0]))):
        y = x**3
        y.backward(np.ones(x.shape))
        assert_array_equal(x.grad, 3 * x.data**2)


def test_ops_on_nan_give_nan() -> None:
    for name, rule in TABLE.items():
        if name in {"where", "fmax", "fmin"} or (name in NEEDS_SCIPY and special is None):
            continue
        rest = [low + 0.4 * (high - low) for low, high in rule.domain[1:]]
        for x in (math.nan, np.full(2, math.nan)):
            out = FUNCTIONS[name](Value(x), *rest)
            assert np.all(np.isnan(out.data)), name


# ---- stability -------------------------------------------------------------------------------------------------------

FAR = [-1e4, -800.0, -700.0, -40.0, -19.0, -5.0, -1e-3, -1e-8, 1e-8, 1e-3, 5.0, 19.0, 36.0, 40.0, 700.0, 800.0, 1e4]
STABLE = ["sigmoid", "tanh", "softplus", "silu", "elu", "gelu_tanh"]


def check_far(op: Elementwise) -> None:
    function = _generated(op)
    exact = [exactly(op.name, x) for x in FAR]
    whole = Value(np.array(FAR))
    y = function(whole)
    y.backward(np.ones(len(FAR)))
    single = Value(np.array(FAR, dtype=np.float32))
    z = function(single)
    z.backward(np.ones(len(FAR)))
    assert np.all(np.isfinite(z.data)), op.name
    assert np.all(np.isfinite(single.grad)), op.name
    for j, x in enumerate(FAR):
        scalar = Value(x)
        out = function(scalar)
        out.backward()
        for value, grad, form in ((out.data, scalar.grad, "floats"), (y.data[j], whole.grad[j], "arrays")):
            # Near 700 a relative error of half a unit in x is 350 units in exp(x).
            assert_allclose(value, exact[j][0], rtol=1e-12, atol=1e-300, err_msg=f"{op.name}({x}) on {form}")
            assert_allclose(grad, exact[j][1], rtol=1e-11, atol=1e-300, err_msg=f"{op.name}'({x}) on {form}")


@pytest.mark.parametrize("name", STABLE)
def test_far_from_zero_all_digits_are_right(name: str) -> None:
    check_far(OPS[name])  # and no warning: warnings are errors


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tanh", {"derivatives": ("1 - out * out",)}),
        ("sigmoid", {"derivatives": ("out * (1 - out)",)}),
        ("sigmoid", {"forward": "0.5 + 0.5 * tanh(0.5 * x)"}),
        ("softplus", {"forward": "log(1 + exp(-abs(x))) + maximum(x, 0)"}),
        ("elu", {"forward": "where(x > 0, x, alpha * (exp(minimum(x, 0)) - 1))"}),
    ],
)
def test_an_unstable_form_is_caught(name: str, parts: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=name), np.errstate(all="ignore"):
        check_far(changed(name, **parts))


@pytest.mark.skipif(special is None, reason="needs SciPy on arrays")
def test_exact_gelu_far_from_zero() -> None:
    x = Value(np.array([-1e4, -40.0, -5.0, 40.0, 1e4]))
    y = tg.gelu(x, approximate=False)
    y.backward(np.ones(5))
    phi = math.erfc(5 / math.sqrt(2)) / 2
    assert_allclose(y.data, [0.0, 0.0, -5 * phi, 40.0, 1e4], rtol=1e-12)
    assert_allclose(x.grad, [0.0, 0.0, phi - 5 * math.exp(-12.5) / math.sqrt(2 * math.pi), 1.0, 1.0], rtol=1e-12)


def test_erf_and_exact_gelu_of_floats_need_no_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    assert tg.erf(Value(0.5)).data == math.erf(0.5)
    assert tg.gelu(Value(1.0), approximate=False).data == pytest.approx(0.8413447460685429, rel=1e-15)
    for name in ("erf", "erfc", "gelu_erf"):
        with pytest.raises(MissingExtraError, match=r"erfc?: on arrays it needs SciPy.*tinygrad_lite\[scipy\]"):
            FUNCTIONS[name](Value(np.ones(2)))


# ---- the table itself ------------------------------------------------------------------------------------------------


def test_a_second_op_of_the_same_name_is_refused() -> None:
    before = TABLE["tanh"]
    with pytest.raises(
        ArgumentError, match=r"derivatives: the table already has an op named 'tanh'; choose another name"
    ):
        line("tanh", "x", "tanh(x)", "1 - out**2")
    assert TABLE["tanh"] is before


def test_a_line_with_too_few_derivatives_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"derivatives: length has operands \('x', 'y'\), but 1 derivatives"):
        line("length", "x y", "sqrt(x * x + y * y)", "x / out")
    assert "length" not in TABLE


def test_defaults_are_those_of_the_line() -> None:
    x = Value(np.array([-1.0, 2.0]))
    assert_array_equal(x.leaky_relu().data, [-0.01, 2.0])
    assert_array_equal(x.leaky_relu(0.5).data, [-0.5, 2.0])
    assert_allclose(x.elu().data, [math.expm1(-1.0), 2.0])
    assert Value(-1.0).leaky_relu().data == -0.01
    assert Value(-1.0).elu().data == math.expm1(-1.0)


def test_functions_are_described_by_their_line() -> None:
    assert FUNCTIONS["tanh"].__doc__ is not None
    assert "1 - out**2" in FUNCTIONS["tanh"].__doc__
    assert FUNCTIONS["tanh"].__name__ == "tanh"
    assert repr(OPS["tanh"]) == "<op tanh>"


@pytest.mark.parametrize("name", TABLE)
def test_scalar_code_calls_float_functions(name: str) -> None:
    """Not itself, by the name that it shares with one: at floats that took five times as long."""
    for called in FLOAT_FUNCTIONS:
        assert FUNCTIONS[name].__globals__[called] is FLOAT_FUNCTIONS[called]
