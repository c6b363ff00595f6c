"""``derive`` writes LaTeX that pdflatex takes, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.checkers import SHAPES, differentiable, sampled
from tests.hostile import HOSTILE
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.elementwise import OPS, _generated

PAGE = r"""\documentclass{article}
\usepackage[paperwidth=80cm,paperheight=60cm,margin=1cm]{geometry}
\usepackage{amsmath}
\begin{document}
%s
\end{document}
"""


def compiles(formulas: list[str], folder: Path) -> str:
    """What pdflatex has to object to; nothing where all is well."""
    (folder / "all.tex").write_text(PAGE % "\n".join(f"\\[\n{formula}\n\\]" for formula in formulas), encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="latin-1")
    return "" if done.returncode == 0 else done.stdout[-1500:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    return tmp_path


def test_networks(folder: Path, rng: np.random.Generator) -> None:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    losses = [(nn.losses.half_squared_error(net(x[k]), t[k]), net.named_parameters()) for k in (1, slice(0, 4))]
    for dims, activation in (([2, 10, 2], "sigmoid"), ([2, 4, 3, 2], "gelu"), ([2, 5, 2], "leaky_relu")):
        model = nn.MLP(dims, activation=activation, rng=0)
        losses.append((nn.losses.half_squared_error(model(x), t), model.named_parameters()))
        labels = rng.integers(0, 2, len(x))
        losses.append((nn.losses.cross_entropy(model(x), labels), model.named_parameters()))
    formulas = [tg.derive(loss, name).latex for loss, parameters in losses for name in parameters]
    formulas += [tg.derive(losses[0][0], "w100", form=form).latex for form in ("paths", "deltas")]
    assert compiles(formulas, folder) == ""


def test_lines_of_the_table_and_names(folder: Path, rng: np.random.Generator) -> None:
    formulas = []
    for op in OPS.values():
        for shapes in SHAPES[len(op.rule.operands)][:2]:
            if differentiable(op):
                leaves = [Value(data, name=f"x{k}") for k, data in enumerate(sampled(op, shapes, np.float64, rng))]
                out = _generated(op)(*leaves)
                formulas.append(tg.derive((out * out).sum(), leaves[differentiable(op)[0]]).latex)
    for name in [*HOSTILE, "\\end{aligned}", "\\input{/etc/passwd}", "a_b^c", "%", "#1", "w2[0,1]", "λ"]:
        w = Value(2.0, name=name)
        loss = (w * 3.0).tanh().square()
        loss.name = name
        formulas.append(tg.derive(loss, w).latex)
    assert compiles(formulas, folder) == ""


def test_the_check_can_fail(folder: Path) -> None:
    assert "Undefined control sequence" in compiles([r"\nosuchcommand"], folder)
