"""One path as it is printed: the local derivatives as formulas, and their numbers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.formulas.evaluation import named
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.formulas.reader import TooLongError, Tracer
from tinygrad_lite.paths.path import product_text


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
    assert product_text([1e200, 1e200, -1.0], 3) == "-1e+400"
    assert product_text([0.0, 1e-200, 1e-200], 3) == "0"
    assert product_text([math.inf, 2.0], 3) == "inf"


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
    with pytest.raises(TooLongError, match=r"^$"):
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
