"""The table in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def torch_functions(torch: Any) -> dict[str, Callable[..., Any]]:
    f = torch.nn.functional
    return {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "neg": torch.neg, "pow": torch.pow,
        "exp": torch.exp, "log": torch.log, "log1p": torch.log1p, "expm1": torch.expm1, "sqrt": torch.sqrt,
        "square": torch.square, "abs": torch.abs, "sign": torch.sign, "sin": torch.sin, "cos": torch.cos,
        "tan": torch.tan,
        "arcsin": torch.asin, "arccos": torch.acos, "arctan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh,
        "tanh": torch.tanh, "sech2": lambda x: 1 / torch.cosh(x) ** 2,
        "sigmoid": torch.sigmoid, "softplus": f.softplus, "relu": f.relu,
        "leaky_relu": lambda x, slope: torch.where(x > 0, x, slope * x),
        "elu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x)), "silu": f.silu,
        "gelu_tanh": lambda x: f.gelu(x, approximate="tanh"), "gelu_erf": f.gelu, "erf": torch.erf, "erfc": torch.erfc,
        "maximum": torch.maximum, "minimum": torch.minimum, "where": torch.where, "clip": torch.clamp,
        "exp2": torch.exp2, "log2": torch.log2, "log10": torch.log10, "logaddexp": torch.logaddexp,
        "logaddexp2": torch.logaddexp2, "cbrt": lambda x: x ** (1 / 3), "reciprocal": torch.reciprocal,
        "hypot": torch.hypot, "arctan2": torch.atan2, "arcsinh": torch.asinh, "arccosh": torch.acosh,
        "arctanh": torch.atanh, "sinc": torch.sinc, "fmax": torch.fmax, "fmin": torch.fmin, "mod": torch.remainder,
        "sinc_slope": lambda x: torch.cos(torch.pi * x) / x - torch.sin(torch.pi * x) / (torch.pi * x * x),
    }  # fmt: skip
