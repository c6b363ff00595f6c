"""A backward written with the tensors of PyTorch is watched as one with arrays is."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.watching.networks import line_of, mlp

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")

TENSORS = """
import torch

def backward(p):
    X_, Y_ = torch.tensor(X), torch.tensor(Y)
    W1, b1, W2, b2 = (torch.tensor(p[name]) for name in ("W1", "b1", "W2", "b2"))
    a1 = torch.tanh(X_ @ W1 + b1)
    dz2 = 2 * (a1 @ W2 + b2 - Y_) / n
    dW2 = a1.T @ dz2
    db2 = torch.zeros_like(b2)
    db2 += dz2.sum(0)
    da1 = dz2 @ W2.T
    dz1 = da1 * (1 - a1 ** 2)
    dW1 = X_.T @ dz1
    db1 = dz1.sum(dim=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""


def test_a_right_program_has_no_mistake() -> None:
    assert mlp().right(TENSORS)
    assert mlp().mistakes(TENSORS) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(1 - a1 ** 2)", "(1 - a1)"),
        ("2 * (a1", "(a1"),
        ("db2 += dz2.sum(0)", "db2 += dz2.mean(0)"),
        ("X_.T @ dz1", "X_.T @ da1"),
        ("dz2 @ W2.T", "-dz2 @ W2.T"),
    ],
)
def test_a_mistake_is_found_at_its_line(old: str, new: str) -> None:
    found: Any = mlp().mistakes(TENSORS.replace(old, new, 1))
    assert [mistake.line for mistake in found] == [line_of(TENSORS, old)]
    assert found[0].suggestion
