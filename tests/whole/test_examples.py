"""Every example runs, prints what it promises, draws pictures that can be read, and fails where numbers disagree."""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tinygrad_lite import DifferentGradientsError

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder: Path) -> set[str]:
    """The names of the pictures, each of which is SVG with something on it, or a page; nothing else was written."""
    assert [path.name for path in folder.iterdir()] == ["out"]
    names = set()
    for path in (folder / "out").iterdir():
        if path.suffix == ".html":
            assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
            names.add(path.name)
            continue
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 1
        names.add(path.name)
    return names


# ---- half adder ------------------------------------------------------------------------------------------------------


def test_half_adder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded("half_adder").main()
    shown = capsys.readouterr().out
    assert "below the goal of 0.001" in shown
    outputs = re.findall(r"^[01] \+ [01] +(\S+) +([01]) +(\S+) +([01])$", shown, re.M)
    assert len(outputs) == 4
    for row in outputs:
        y0, t0, y1, t1 = map(float, row)
        assert abs(y0 - t0) < 0.06
        assert abs(y1 - t1) < 0.06
    assert len(re.findall(r"^[wb]\d+(?: +-?\d\S*){5}$", shown, re.M)) == 18
    assert len(re.findall(r"^C ← .* ← w200 : ", shown, re.M)) == 8
    assert len(re.findall(r"^C ← .* ← w100 : ", shown, re.M)) == 16
    sums = re.findall(r"their sum (\S+), backward\(\) (\S+)", shown)
    assert len(sums) == 2
    for total, gradient in sums:
        assert float(total) == pytest.approx(float(gradient), rel=1e-9)
    drawn = {"half_adder_network.svg", "half_adder_network_w100.svg", "half_adder_graph.svg"}
    assert pictures(folder) == drawn | {"half_adder_paths_w100.svg", "half_adder.html"}


def test_half_adder_by_hand_is_not_the_library() -> None:
    source = (EXAMPLES / "half_adder.py").read_text(encoding="utf-8")
    by_hand = source[source.index("def by_hand") : source.index("def sigmoid")]
    assert not re.search(r"\b(tg|nn|Value|grad|backward)\b\.?\w*\(", by_hand)


def test_half_adder_fails_where_a_gradient_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("half_adder")
    by_hand = module.by_hand

    def slightly_off(*arguments: object) -> dict[str, float]:
        gradients = by_hand(*arguments)
        return gradients | {"w211": gradients["w211"] * 1.0005}

    monkeypatch.setattr(module, "by_hand", slightly_off)
    with pytest.raises(DifferentGradientsError, match=r"w211: autodiff .*, manual "):
        module.main()


# ---- XOR -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "dims", "paths"),
    [
        ([], [2, 10, 2], 8),
        (["--dims", "2,4,3,2", "--steps", "4000", "--lr", "1.0", "--seed", "1"], [2, 4, 3, 2], 24),
        (["--dims", "2,11,2", "--steps", "4000"], [2, 11, 2], 8),  # two-digit neurons: w1_0_10
    ],
)
def test_xor(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], dims: list[int], paths: int
) -> None:
    loaded("xor").main(arguments)
    shown = capsys.readouterr().out
    assert "4 of 4 right" in shown
    differences = re.findall(r"^δ(\d) = .*  (\d+) neurons, worst relative difference (\S+)$", shown, re.M)
    assert [(int(layer), int(width)) for layer, width, _ in differences] == list(enumerate(dims))[:0:-1]
    assert max(float(worst) for *_, worst in differences) < 1e-12
    deltas = [
        [float(number) for number in numbers.split()]
        for numbers in re.findall(r"^ .*(?:backward\(\)|by hand)((?:\s+-?\d\.\d+e[+-]\d+)+)$", shown, re.M)
    ]
    assert [len(numbers) for numbers in deltas] == [width for width in dims[:0:-1] for _ in range(8)]
    for ours, theirs in zip(deltas[::2], deltas[1::2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.011)  # as printed, to three digits
    listed = re.findall(r"^C ← .* ← w1\[0,0\] : .* = (\S+)$", shown, re.M)
    assert len(listed) == paths
    ((total, gradient),) = re.findall(r"^the sum of all (\S+), backward\(\) (\S+)$", shown, re.M)
    assert float(total) == pytest.approx(float(gradient), rel=1e-9)
    assert sum(map(float, listed)) == pytest.approx(float(gradient), rel=1e-3)
    n_parameters = sum((before + 1) * width for before, width in itertools.pairwise(dims))
    assert f"\n{n_parameters} gradients, worst relative difference from the arrays'" in shown
    assert pictures(folder) == {"xor_network_hidden.svg", "xor_network_output.svg", "xor_graph.svg"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dims", "3,2"], "XOR has 2 inputs and 2 outputs"),
        (["--dims", "2"], "XOR has 2 inputs and 2 outputs"),
        (["--dims", "2,x,2"], "whole numbers joined by commas, like 2,10,2, not '2,x,2'"),
        (["--dims", "2,0,2"], "layers of at least 1"),
        (["--steps", "0"], "--steps is at least 1, got 0"),
        (["--lr", "-1"], "--lr is a finite number above 0, got -1"),
        (["--lr", "nan"], "--lr is a finite number above 0, got nan"),
        (["--lr", "inf"], "--lr is a finite number above 0, got inf"),
        (["--seed", "-1"], "--seed is at least 0, got -1"),
    ],
)
def test_xor_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        loaded("xor").main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [(["--steps", "5"], "try more --steps"), (["--dims", "2,2", "--steps", "5"], "it takes a hidden layer")],
)
def test_xor_says_that_it_has_not_learned(folder: Path, arguments: list[str], way_out: str) -> None:
    with pytest.raises(SystemExit, match=rf"xor: \d of 4 right after 5 steps; .*{way_out}"):
        loaded("xor").main(arguments)
    assert len(pictures(folder)) == 3  # all the rest was shown and holds all the same


@pytest.mark.parametrize("factor", [1.0005, np.nan])
def test_xor_fails_where_a_delta_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    module = loaded("xor")
    by_hand = module.by_hand

    def slightly_off(*arguments: object) -> tuple[list[object], dict[str, object]]:
        (first, last), gradients = by_hand(*arguments)
        return [first * factor, last], gradients

    monkeypatch.setattr(module, "by_hand", slightly_off)
    with pytest.raises(SystemExit, match="δ1 of backpropagation differs from its formula"):
        module.main(["--steps", "5"])


def test_xor_fails_where_a_gradient_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("xor")
    by_hand = module.by_hand

    def slightly_off(*arguments: object) -> tuple[object, dict[str, object]]:
        deltas, gradients = by_hand(*arguments)
        return deltas, gradients | {"b1": gradients["b1"] * 1.0005}

    monkeypatch.setattr(module, "by_hand", slightly_off)
    with pytest.raises(DifferentGradientsError, match=r"b1\[\d\]: autodiff .*, manual "):
        module.main(["--steps", "5"])


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("w100", "the paths to w100 do not add up"), ("w2[9,1]", "the gradients of the scalars differ")],
)
def test_xor_fails_where_the_engine_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, complaint: str
) -> None:
    module = loaded("xor")
    element_grad = module.element_grad

    def slightly_off(loss: object, asked: str) -> float:
        return float(element_grad(loss, asked)) * (1.0005 if asked in (name, "w291") else 1.0)

    monkeypatch.setattr(module, "element_grad", slightly_off)
    with pytest.raises(SystemExit, match=complaint):
        module.main(["--steps", "5"])


# ---- polynomials -----------------------------------------------------------------------------------------------------


def test_polynomials(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots")
    loaded("polynomials").main()
    shown = capsys.readouterr().out
    coefficients = re.findall(r"^c\d +(\S+) +(\S+) +(\S+)$", shown, re.M)
    descent, exact, differences = np.array(coefficients, dtype=float).T
    assert np.abs(differences).max() < 1e-8
    # NumPy's own interpolation through the points is independent of both.
    x, y = np.array(loaded("polynomials").POINTS).T
    wanted = np.linalg.solve(np.vander(x, increasing=True), y)
    np.testing.assert_allclose(exact, wanted, atol=1e-9)
    np.testing.assert_allclose(descent, wanted, atol=1e-8)
    assert len(re.findall(r"^C ← p\(x\d\) ← c2 : ", shown, re.M)) == 4
    assert "their sum -0.09, backward() -0.09, by hand -0.09" in shown
    assert re.search(r"^\d{2,4} steps: cost \S+, below the goal of 1e-20$", shown, re.M)
    assert pictures(folder) == {"polynomials.svg"}


def test_the_plot_is_the_same_file_every_time(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots")
    picture = folder / "out" / "polynomials.svg"
    loaded("polynomials").main()
    first = picture.read_bytes()
    loaded("polynomials").main()
    assert picture.read_bytes() == first


def test_polynomials_without_matplotlib(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match=re.escape('pip install "tinygrad_lite[plots]"')):
        loaded("polynomials").main()
    assert "nowhere further apart" in capsys.readouterr().out  # only the picture is left out
    assert not (folder / "out").exists()


def test_polynomials_fail_where_they_differ(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("polynomials")
    lagrange = module.lagrange
    monkeypatch.setattr(module, "lagrange", lambda x, y: lagrange(x, y) * 1.0005)
    with pytest.raises(SystemExit, match="gradient descent did not find Lagrange's coefficients: they differ by"):
        module.main()


# ---- digits, residual networks, the vanishing gradient ---------------------------------------------------------------


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Matrices this small are no work for many threads, and where tests run side by side these wait for each other."""
    limits = pytest.importorskip("threadpoolctl", reason="comes with scikit-learn, the extra digits")
    with limits.threadpool_limits(1):
        yield


def few_lines(shown: str) -> bool:
    """Whether what was printed fits a screen, its blank lines and the rules under headings not counted."""
    return len([line for line in shown.splitlines() if line.strip("═ ")]) < 40


def drawn(name: str, *parts: str) -> set[str]:
    return {f"{name}_{part}.svg" for part in parts}


@pytest.mark.parametrize("seed", [0, 3])
def test_digits(folder: Path, capsys: pytest.CaptureFixture[str], one_thread: None, seed: int) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    pytest.importorskip("matplotlib", reason="the extra plots")
    loaded("digits").main(seed)
    shown = capsys.readouterr().out
    assert few_lines(shown)
    ((percent, wrong, tested),) = re.findall(r"^test accuracy (\S+)%: (\d+) of (\d+) read wrongly$", shown, re.M)
    assert float(percent) > 97.5
    assert float(percent) == pytest.approx(100 * (1 - int(wrong) / int(tested)), abs=0.01)
    ((right, answer),) = re.findall(r"^Test image \d+: a (\d), read as a (\d)$", shown, re.M)
    assert right != answer
    ((margin, pixels, biases),) = re.findall(r"^margin (\S+) logits .* = pixels (\S+) \+ biases (\S+), ", shown, re.M)
    assert float(margin) > 0
    assert float(pixels) + float(biases) == pytest.approx(float(margin), abs=2e-4)
    through = re.findall(r"^through the .*  ?(\S+), backward\(\) (\S+)$", shown, re.M)
    assert len(through) == 3
    for layer, gradient in through:
        assert float(layer) == pytest.approx(float(gradient), rel=1e-9)
        assert float(layer) == pytest.approx(float(pixels), abs=1e-4)
    paths = re.findall(r"^  x\[.*\] → n1\[\d+\] → n2\[\d+\] → n3\[\d\]: (.*) = (\S+)$", shown, re.M)
    assert len(paths) == 3
    for factors, contribution in paths:
        product = np.prod([float(factor) for factor in factors.split(" · ")])
        assert product == pytest.approx(float(contribution), rel=0.02)
    ((said, now),) = re.findall(r"^without \d+ neurons? of n2: paths say (\S+), the network (\S+):", shown, re.M)
    assert said == now
    assert float(said) <= 0
    assert pictures(folder) == drawn("digits", "pixels", "neurons", "paths", "training")


def test_digits_fail_where_contributions_do_not_add_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    module = loaded("digits")
    margin_of = module.margin_of
    monkeypatch.setattr(module, "EPOCHS", 2)
    monkeypatch.setattr(module, "NEEDED", 0.5)
    monkeypatch.setattr(module, "margin_of", lambda *arguments: margin_of(*arguments) + 1e-3)
    with pytest.raises(SystemExit, match="digits: pixels and biases do not add up to the margin: "):
        module.main()


def test_digits_fail_where_too_few_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    module = loaded("digits")
    monkeypatch.setattr(module, "EPOCHS", 1)
    with pytest.raises(SystemExit, match=r"digits: a test accuracy of \d\d\.\d\d%, needed above 97%; try another seed"):
        module.main()


def test_residual(folder: Path, capsys: pytest.CaptureFixture[str], one_thread: None) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots")
    module = loaded("residual")
    module.main()
    shown = capsys.readouterr().out
    assert few_lines(shown)
    assert len(re.findall(r"below the goal of 0.01; 200 of 200 points right", shown)) == 2
    assert "all of length 30 ops, through all 12 blocks" in shown
    rows = re.findall(r"^ +(\d+) +(\d+) +(\S+)% +(\S+) +(\S+)% +(\S+)$", shown, re.M)
    assert [int(taken) for taken, *_ in rows] == list(range(13))
    assert [int(ways) for _, ways, *_ in rows] == [math.comb(12, taken) for taken in range(13)]
    assert sum(float(row[2]) for row in rows) == pytest.approx(100, abs=0.1)
    parts = np.array([float(row[4]) for row in rows])
    assert parts.sum() == pytest.approx(100, abs=0.1)
    assert parts[:5].sum() > 80  # the short ones, a fifth of the ways, carry most of it
    sizes = np.array([float(row[5]) for row in rows])
    assert (np.diff(sizes) < 0).all()
    ways = re.findall(r"^head ← .*stem +([+-]\S+)$", shown, re.M)
    assert len(ways) == 2**3
    ((total, by_paths),) = re.findall(r"^their sum +(\S+), the sum over all [\d,]+ paths (\S+)$", shown, re.M)
    assert total == by_paths
    assert sum(map(float, ways)) == pytest.approx(float(total), abs=1e-5)
    assert pictures(folder) == drawn("residual", "spectrum", "wires", "training", "modules")


def test_residual_fails_where_the_ways_are_not_the_binomial(
    folder: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    module = loaded("residual")
    monkeypatch.setattr(module, "BLOCKS", 4)
    monkeypatch.setattr(module, "comb", lambda n, k: math.comb(n, k) + (k == 2))
    with pytest.raises(SystemExit, match=r"residual: \d+ ops long there are not C\(4, 2\) ways: 6 is not 7"):
        module.main()


def test_vanishing_gradient(folder: Path, capsys: pytest.CaptureFixture[str], one_thread: None) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    pytest.importorskip("matplotlib", reason="the extra plots")
    loaded("vanishing_gradient").main()
    shown = capsys.readouterr().out
    assert few_lines(shown)
    rows = re.findall(
        r"^ ?(\d+) layers: .* a factor of (\S+) for each layer; mean a\(1 - a\) (\S+), bound (\S+)$", shown, re.M
    )
    assert [int(depth) for depth, *_ in rows] == [2, 4, 8, 16]
    for _, factor, slope, bound in rows:
        assert 0.15 < float(factor) < 0.3
        assert float(factor) <= float(bound)
        assert float(slope) <= 0.25
    cures = {
        kind: (float(factor), float(accuracy))
        for kind, factor, accuracy in re.findall(
            r"^(sigmoid|relu|sigmoid \+ skips) +\S+e\S+ +\S+e\S+ +(\S+) +\S+ +(\S+)%$", shown, re.M
        )
    }
    assert cures["sigmoid"][0] < 0.3
    assert cures["sigmoid"][1] < 50  # ten layers of sigmoids have hardly begun to learn when the others can read
    for kind in ("relu", "sigmoid + skips"):
        assert 0.8 < cures[kind][0] < 1.25
        assert cures[kind][1] > 85
    ((first, last),) = re.findall(r"^sigmoid +10 +\S+ +(\S+) .*\n.*\nsigmoid +1 +\S+ +(\S+) ", shown, re.M)
    assert float(last) > float(first)  # the magnitude does not vanish
    assert "what flows does not vanish, it cancels" in shown
    assert pictures(folder) == drawn("vanishing_gradient", "depth", "training", "cancellation")


def test_vanishing_gradient_fails_above_the_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    module = loaded("vanishing_gradient")
    measured = module.measured
    monkeypatch.setattr(module, "measured", lambda *arguments: (*measured(*arguments)[:2], 0.1))
    with pytest.raises(
        SystemExit, match=r"vanishing_gradient: a factor of 0\.2.* for each layer, more than ¼‖w‖ = 0\.1"
    ):
        module.main()


@pytest.mark.parametrize("name", ["digits", "vanishing_gradient"])
def test_examples_without_scikit_learn(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match=re.escape('pip install "tinygrad_lite[digits]"')):
        loaded(name).main()
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "sizes", "last_words"),
    [
        ("digits", {"EPOCHS": 2, "NEEDED": 0.5}, "of n2: paths say"),
        ("residual", {"BLOCKS": 3, "WIDTH": 4}, "their sum"),
        ("vanishing_gradient", {"STEPS": 20, "DEPTHS": (2,)}, "what flows does not vanish"),
    ],
)
def test_examples_without_matplotlib(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    one_thread: None,
    name: str,
    sizes: dict[str, object],
    last_words: str,
) -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    module = loaded(name)
    for constant, size in sizes.items():
        monkeypatch.setattr(module, constant, size)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "viz.output.figures", raising=False)
    with pytest.raises(SystemExit, match=re.escape('pip install "tinygrad_lite[plots]"')):
        module.main()
    assert last_words in capsys.readouterr().out  # only the pictures are left out
    assert not (folder / "out").exists()


# ---- Gaussian process ------------------------------------------------------------------------------------------------


def test_gaussian_process(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("scipy")
    loaded("gaussian_process").main()
    shown = capsys.readouterr().out
    slopes = re.findall(r"^∂/∂ log \S+ \S+ +(\S+) +(\S+)$", shown, re.M)
    assert len(slopes) == 3
    for ours, theirs in slopes:
        assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    assert pictures(folder) == {"gaussian_process.svg"}


def test_gaussian_process_fails_where_the_gradient_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    module = loaded("gaussian_process")
    by_formula = module.by_formula
    monkeypatch.setattr(module, "by_formula", lambda *args: by_formula(*args) * [1.0, 1.0, 1.001])
    with pytest.raises(SystemExit, match="the gradient differs from the formula's"):
        module.main()


# ---- classic programs ------------------------------------------------------------------------------------------------


def test_rosenbrock(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("rosenbrock")
    module.main()
    shown = capsys.readouterr().out
    assert "found (1, 1) in" in shown
    costs = [float(cost) for cost in re.findall(r"^ +\d+  (\S+)", shown, re.M)]
    assert costs == sorted(costs, reverse=True)
    by_hand = module.by_hand
    monkeypatch.setattr(module, "by_hand", lambda x: (by_hand(x)[0], by_hand(x)[1] * 1.001))
    with pytest.raises(SystemExit, match=r"rosenbrock: a derivative at .* differs from its formula"):
        module.main()


def test_logistic_regression(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    module = loaded("logistic_regression")
    module.main()
    rows = re.findall(r"L-BFGS +(\S+) +Newton by hand +(\S+)", capsys.readouterr().out)
    assert len(rows) == 3
    for ours, theirs in rows:
        assert float(ours) == pytest.approx(float(theirs), abs=2e-6)
    newton = module.newton
    monkeypatch.setattr(module, "newton", lambda *data: newton(*data) * 1.001)
    with pytest.raises(SystemExit, match="logistic_regression: L-BFGS and Newton's method differ by"):
        module.main()


# ---- a differential equation, and derivatives of derivatives ---------------------------------------------------------


def test_ode_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded("ode_fit").main()
    shown = capsys.readouterr().out
    found = re.findall(r"^([kc]) = (\S+) ± (\S+)   true (\S+),", shown, re.M)
    assert [name for name, *_ in found] == ["k", "c"]
    for _, value, error, truth in found:
        assert abs(float(value) - float(truth)) < 4 * float(error)
    assert pictures(folder) == {"ode_fit.svg"}


def test_ode_fit_fails_where_the_jacobian_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("ode_fit")
    jacobian = module.tg.jacobian
    monkeypatch.setattr(module.tg, "jacobian", lambda f: lambda p: jacobian(f)(p) * 1.001)
    with pytest.raises(SystemExit, match="ode_fit: the Jacobian differs from central differences"):
        module.main()


def test_tanh_orders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded("tanh_orders").main()
    rows = re.findall(r"^ +([0-6])  +\S+  +(\S+)   \S", capsys.readouterr().out, re.M)
    assert [int(order) for order, _ in rows] == list(range(7))
    assert all(float(worst) < 1e-12 for _, worst in rows)
    assert pictures(folder) == {"tanh_orders.svg"}


def test_tanh_orders_fails_where_a_derivative_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded("tanh_orders")
    right = module.tg.elementwise_grad
    monkeypatch.setattr(module.tg, "elementwise_grad", lambda f: lambda x: right(f)(x) * 1.0001)
    with pytest.raises(SystemExit, match="tanh_orders: derivative 1 is off by"):
        module.main()
