"""Equations of steps, worked out from their text."""

from __future__ import annotations

import math
import re

SIGNS = {"·": "*", "²": "**2", "σ": "sigma", ")(": ")*("}
FUNCTIONS = {"sigma": lambda z: 1 / (1 + math.exp(-z)), "sum": lambda *terms: math.fsum(terms)}


def worked_out(text: str) -> float:
    """The value of an equation's right side, as a person with a pocket calculator finds it."""
    for sign, python in SIGNS.items():
        text = text.replace(sign, python)
    return float(eval(re.sub(r"([\d.])\(", r"\1*(", text), dict(FUNCTIONS)))
