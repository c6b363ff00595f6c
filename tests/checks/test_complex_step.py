"""The complex step: exact where it can be taken, and said where it cannot."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value


def test_the_complex_step_agrees_or_says_which_op_takes_none(rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=4), name="x")
    mixed = tg.abs(x) * tg.relu(x) + tg.softplus(x) * np.maximum(x, 0.3)
    assert tg.compare(mixed.sum()).worst["complex_step"] < 1e-13
    assert tg.compare(np.linalg.norm(x)).worst["complex_step"] < 1e-13
    scalar = Value(-2.0, name="s")
    assert tg.compare(tg.abs(scalar) * scalar.sigmoid() + np.linalg.norm(scalar)).worst["complex_step"] < 1e-13
    erf = tg.compare(tg.erf(scalar))  # math.erf takes none, SciPy's does
    assert erf
    assert "complex_step" in erf.worst or "'erf' does not take complex numbers" in str(erf)
