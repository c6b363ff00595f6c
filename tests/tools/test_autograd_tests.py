"""The tests of HIPS autograd run on this package: the report, on two tests written as theirs are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
THEIRS = """
import autograd.numpy as np
from autograd import grad
from autograd.extend import defvjp, primitive
from autograd.test_util import check_grads, combo_check

def test_a_function():
    check_grads(lambda x: np.linalg.norm(np.array([x[0], x[1] ** 2])))(np.array([0.5, 2.0]))
    combo_check(np.sum, (0,))([np.ones(3), np.ones((2, 3)) * 1j], axis=[None, 0])
    assert grad(np.sin)(0.0) == 1.0

def test_a_wrong_derivative():
    twice = primitive(lambda x: x * 2.0)
    defvjp(twice, lambda ans, x: lambda g: g * 2.001)
    check_grads(twice, modes=["rev"])(1.0)
"""


def test_report(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(THEIRS)
    command = [sys.executable, "-m", "tools.autograd_tests", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert "1 of 2 passed\n  test_theirs.py::test_a_wrong_derivative: -0.1922644" in done.stdout
