"""Operators and methods of Value: every function whose first argument is a Value (typed in the stub beside)."""

from __future__ import annotations

from typing import Any

from . import functions
from .derivatives import TABLE
from .elementwise import FUNCTIONS
from .errors import ValueTypeError
from .value import Value, describe

__all__ = ["METHODS", "OPERATORS"]

OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "matmul": "matmul",
}  # fmt: skip

_STRUCTURED = (
    "sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "log_softmax", "softmax", "norm", "cumsum",
    "matmul", "dot", "outer", "tensordot", "reshape", "ravel", "expand_dims", "squeeze", "transpose", "swapaxes",
    "moveaxis", "broadcast_to", "take", "split", "pad", "flip", "roll", "repeat", "tile", "diag", "trace", "tril",
    "triu", "gelu",
)  # fmt: skip

METHODS: dict[str, Any] = {name: FUNCTIONS[name] for name, rule in TABLE.items() if name != "where"} | {
    name: getattr(functions, name) for name in _STRUCTURED
}


def _reflected(function: Any) -> Any:
    def operator(self: Value, other: Any) -> Any:
        return function(other, self)

    return operator


def _not_in_reach(symbol: str) -> Any:
    def refuse(self: Value, *others: Any) -> Any:
        raise ValueTypeError(
            f"{symbol}: it has no derivative, so a Value does not take part in it ({describe(self)}); compute on .data"
        )

    return refuse


for _name, _function in METHODS.items():
    setattr(Value, _name, _function)
for _operator, _name in OPERATORS.items():
    _function = getattr(functions, _name) if _name == "matmul" else FUNCTIONS[_name]
    setattr(Value, f"__{_operator}__", _function)
    setattr(Value, f"__r{_operator}__", _reflected(_function))
for _operator, _symbol in {"floordiv": "//", "mod": "%", "divmod": "divmod"}.items():
    setattr(Value, f"__{_operator}__", _not_in_reach(_symbol))
    setattr(Value, f"__r{_operator}__", _not_in_reach(_symbol))
for _name, _attribute in {
    "__neg__": FUNCTIONS["neg"],
    "__pos__": lambda self: self,
    "__abs__": FUNCTIONS["abs"],
    "__getitem__": functions.getitem,
    "T": property(functions.transpose, doc="The axes in reverse order."),
}.items():
    setattr(Value, _name, _attribute)
