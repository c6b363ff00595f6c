"""Layers of ``nn`` in a program: modules made with a seed, on operands of their width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_lite import nn

from .drawing import Drawing

__all__ = ["ON_ARRAYS", "ON_NUMBERS", "expression"]


def _input(d: Drawing, least: int = 1) -> tuple[str, int]:
    """An operand, with small numbers, and its width."""
    x = d.small(d.any(least=least, size=1))
    return x, np.shape(d.data[x])[-1]


def _linear(d: Drawing) -> str:
    x, width = _input(d)
    return f"{d.module(f'nn.Linear({width}, {d.one([1, 2, 3])}, bias={d.chance(0.7)}, rng={d.below(100)})')}({x})"


def _mlp(d: Drawing) -> str:
    x, width = _input(d)
    activation = d.one(list(nn.ACTIVATIONS))
    return f"{d.module(f'nn.MLP({width}, [3, 2], {activation!r}, rng={d.below(100)})')}({x})"


def _conv(d: Drawing) -> str:
    x, width = _input(d, least=2)
    options = f"kernel=2, padding={d.one([0, 1, 'same'])!r}, stride={d.one([1, 2])}, rng={d.below(100)}"
    return f"{d.module(f'nn.Conv({width}, 2, {options})')}({x})"


def _dropout(d: Drawing) -> str:
    x, _ = _input(d)
    return f"{d.module(f'nn.Dropout(0.4, rng={d.below(100)})')}({x})"


def _sequential(d: Drawing) -> str:
    x, width = _input(d)
    inside = f"nn.Linear({width}, 3, rng={d.below(100)}), nn.Activation({d.one(list(nn.ACTIVATIONS))!r}), tg.tanh"
    return f"{d.module(f'nn.Sequential({inside}, nn.Linear(3, 2, rng=1))')}({x})"


def _scalar(kind: str) -> Callable[[Drawing], str]:
    def text(d: Drawing) -> str:
        operands = [d.small(d.fitted(())) for _ in range(2)]
        sizes = {"Neuron": "2", "Layer": "2, 2", "MLP": "2, [2, 1]"}[kind]
        module = d.module(
            f"nn.scalar.{kind}({sizes}, activation={d.one(['tanh', 'sigmoid', 'relu'])!r}, rng={d.below(100)})"
        )
        return f"{module}([{', '.join(operands)}]){'[1]' if kind == 'Layer' else ''}"

    return text


ON_ARRAYS: dict[str, Callable[[Drawing], str]] = {
    "nn.Linear": _linear,
    "nn.MLP": _mlp,
    "nn.Conv": _conv,
    "nn.Dropout": _dropout,
    "nn.Sequential": _sequential,
}
ON_NUMBERS: dict[str, Callable[[Drawing], str]] = {f"nn.scalar.{kind}": _scalar(kind) for kind in nn.scalar.__all__}


def expression(d: Drawing) -> str:
    """A layer on an operand."""
    drawn = ON_NUMBERS if d.scalar else ON_ARRAYS | ON_NUMBERS
    return drawn[str(d.one(list(drawn)))](d)
