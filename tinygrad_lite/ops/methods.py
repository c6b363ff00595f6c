"""Operators and methods of Value: every function whose first argument is a Value (typed in the stub beside)."""

from __future__ import annotations

from typing import Any

from ..core.elementwise import FUNCTIONS
from ..core.elementwise_derivatives import TABLE
from ..core.sweeps import backward
from ..core.value import Value
from . import functions, nondifferentiable
from .registry import STRUCTURED

__all__ = ["METHODS", "OPERATORS"]


OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "mod": "mod", "matmul": "matmul",
}  # fmt: skip

METHODS: dict[str, Any] = {name: FUNCTIONS[name] for name in TABLE if name != "where"} | {
    name: entry.call for name, entry in STRUCTURED.items() if entry.method
}


def _reflected(function: Any) -> Any:
    def operator(self: Value, other: Any) -> Any:
        return function(other, self)

    return operator


for _name, _function in METHODS.items():
    setattr(Value, _name, _function)
for _operator, _name in OPERATORS.items():
    _function = METHODS[_name]
    setattr(Value, f"__{_operator}__", _function)
    setattr(Value, f"__r{_operator}__", _reflected(_function))
for _operator, _function in {
    "floordiv": nondifferentiable.floor_divide,
    "divmod": lambda x, y: (nondifferentiable.floor_divide(x, y), FUNCTIONS["mod"](x, y)),
}.items():
    setattr(Value, f"__{_operator}__", _function)
    setattr(Value, f"__r{_operator}__", _reflected(_function))
for _name, _attribute in {
    "__neg__": FUNCTIONS["neg"],
    "__pos__": lambda self: self,
    "__abs__": FUNCTIONS["abs"],
    "__getitem__": functions.getitem,
    "backward": backward,
    "T": property(functions.transpose, doc="The axes in reverse order."),
}.items():
    setattr(Value, _name, _attribute)
