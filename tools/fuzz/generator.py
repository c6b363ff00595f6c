"""The program of a seed: statements from the registry of ops, a loss that reads all of them, an optimizer."""

from __future__ import annotations

import numpy as np

from . import calls
from .drawing import STEPS, Drawing
from .programs import Program, Statement, literal

__all__ = ["draw"]


def draw(seed: int) -> Program:
    """The program of a seed: 30 to 100 statements, with those that shape operands and add up the loss.

    In float16 there are 10 to 30: a longer one would be all rounding.
    """
    drawing = Drawing(seed)
    least, more = (8, 16) if np.float16 in drawing.dtypes else (25, 40)
    return program(drawing, least + drawing.below(more))


def program(d: Drawing, statements: int) -> Program:
    """Draw so many statements, and add up what nothing reads."""
    tries = 0
    while len(d.statements) < statements and tries < 20 * statements and not d.suspect:
        tries += 1
        text = calls.expression(d)
        if text is not None:
            d.add(text)
    terms = []
    for k, name in enumerate(list(d.unread)):
        shape, reduced = np.shape(d.data[name]), d.one(["tg.sum({})", "np.mean({})", "{}.sum()"])
        factor = round(float(d.rng.uniform(-1.0, 1.0)), 2) or 1.0
        form = d.one(
            [
                reduced,
                reduced,
                f"tg.sum(tg.tanh({{}}) * {factor})",
                f"tg.sum({{}} * {literal(d.numbers(shape))})",
            ]
        )
        if 0 in shape:
            form = "tg.sum({})"
        d.statements.append(Statement(f"t{k}", form.format(name) if shape else f"{factor} * {name}"))
        terms.append(f"t{k}")
    inputs, modules = tuple(d.inputs), tuple(d.modules)
    drawn, stepped = tuple(d.statements), optimizer(d)
    return Program(inputs, modules, drawn, tuple(terms), stepped, STEPS, d.seed, d.scalar).live()


def optimizer(d: Drawing) -> str | None:
    """The source of an optimizer, or none: then gradients add up."""
    lr = d.one([1e-3, 3e-3])
    sources = [
        f"optim.SGD(parameters, lr={lr})",
        f"optim.SGD(parameters, lr={lr}, momentum=0.9, nesterov={d.chance(0.5)})",
        f"optim.SGD(parameters, lr={lr}, momentum=0.5, weight_decay=0.01)",
        f"optim.Adam(parameters, lr={lr}, eps=1e-3)",
        f"optim.Adam(parameters, lr={lr}, eps=1e-3, weight_decay=0.01)",
    ]
    return str(d.one(sources)) if d.chance(0.8) else None
