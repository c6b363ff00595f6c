"""Operators and methods of Value: every function whose first argument is a Value (typed in the stub beside)."""

from __future__ import annotations

from typing import Any

from ..core.derivatives import TABLE
from ..core.elementwise import FUNCTIONS
from ..core.sweeps import backward
from ..core.value import Value
from . import functions, nondifferentiable

__all__ = ["METHODS", "OPERATORS"]


OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "mod": "mod", "matmul": "matmul",
}  # fmt: skip

_STRUCTURED = (
    "sum", "mean", "max", "min", "ptp", "prod", "var", "std", "median", "quantile", "percentile", "nansum", "nanmean",
    "nanmax", "nanmin", "nanprod", "nanvar", "nanstd", "logsumexp", "log_softmax", "softmax", "norm", "cumsum",
    "cumprod", "nancumsum", "sort", "partition", "diff", "gradient", "trapezoid", "nan_to_num",
    "matmul", "dot", "inner", "vdot", "vecdot", "outer", "kron", "cross", "tensordot", "convolve", "correlate",
    "reshape", "ravel", "expand_dims", "squeeze", "transpose", "swapaxes", "moveaxis", "rollaxis", "broadcast_to",
    "atleast_1d", "atleast_2d", "atleast_3d", "astype",
    "take", "take_along_axis", "sliding_window_view", "append", "split", "array_split", "hsplit", "vsplit", "dsplit",
    "pad", "flip", "fliplr", "flipud", "rot90", "roll", "repeat", "tile", "diag", "diagonal", "trace", "tril", "triu",
    "inv", "pinv", "det", "slogdet", "matrix_power", "matrix_norm", "vector_norm", "cholesky", "eigh", "eigvalsh",
    "svd", "svdvals", "qr", "gelu",
)  # fmt: skip

METHODS: dict[str, Any] = {name: FUNCTIONS[name] for name, rule in TABLE.items() if name != "where"} | {
    name: getattr(functions, name) for name in _STRUCTURED
}


def _reflected(function: Any) -> Any:
    def operator(self: Value, other: Any) -> Any:
        return function(other, self)

    return operator


for _name, _function in METHODS.items():
    setattr(Value, _name, _function)
for _operator, _name in OPERATORS.items():
    _function = getattr(functions, _name) if _name == "matmul" else FUNCTIONS[_name]
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
