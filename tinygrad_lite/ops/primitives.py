"""``primitive``: an op of one's own, given by a function and the rule of its local derivatives, in one place.

The rule is one of three: expressions, as in a line of the table of derivatives; a chain of linear maps; or a vjp. The
recorded op is like any other, so every sweep, mode and order goes through it. There is no register of primitives: only
the Values that an op made know it, and two ops of the same name have nothing to do with each other.
"""

from __future__ import annotations

import functools
import inspect
import keyword
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise, apply
from ..core.elementwise_derivatives import TABLE, Rule
from ..core.maps import Chain
from ..core.shapes import shape_of
from ..core.value import Op, Value, as_data, raw, record
from ..errors import ArgumentError, ShapeError, TinygradError, ValueTypeError
from ..semirings.base import Semiring
from . import functions  # noqa: F401  (fills STRUCTURED)
from .dense import Dense
from .derivative_text import line_of
from .joining import stack
from .registry import STRUCTURED

__all__ = ["Primitive", "primitive"]


class Primitive(Op):
    """A user's own op. Everyone calls its function as a whole, compiled steps too; nobody looks inside."""

    function: Callable[..., Any]
    options: dict[str, Any]
    opaque = True

    def forward(self, *data: Any) -> Any:
        try:
            out = self.function(*map(_protected, data), **self.options)
        except TinygradError:
            raise
        except ValueError as error:  # the recorder would report it as shapes that do not fit
            raise ArgumentError(f"{self.name}: its function raised {type(error).__name__}: {error}") from error
        more = "; it is called with data, and computes with NumPy or plain Python"
        out = _checked(out, f"{self.name}: its function", more)
        return out.copy() if type(out) is np.ndarray and not out.flags.writeable else out


def _checked(made: Any, who: str, more: str = "") -> Any:
    """What a user's function made of data, as data."""
    if isinstance(made, Value) or not isinstance(made, (float, int, np.ndarray, np.generic)):
        raise ValueTypeError(f"{who} must return a number or an array, got {type(made).__name__}{more}")
    return as_data(made, keep_integers=False, copy=False)


def _first_order(name: str, what: str, error: object) -> ValueTypeError:
    return ValueTypeError(
        f"{name}: its {what} does not take Values ({error}), so it has no derivatives of a higher order, nor any "
        "inside another transform; write it in NumPy functions that take Values"
    )


def _protected(data: Any) -> Any:
    """An array that the user's function cannot write into: it belongs to somebody's Value."""
    if type(data) is np.ndarray:
        data = data.view()
        data.flags.writeable = False
    return data


class _ByExpressions(Primitive, Elementwise):
    """A line of the table whose value the user's function computes."""

    def __init__(self, rule: Rule, function: Callable[..., Any]) -> None:
        Elementwise.__init__(self, rule)
        self.function = function
        self.options = {}

    def forward(self, *data: Any) -> Any:
        out = Primitive.forward(self, *data)
        shape = np.broadcast_shapes(*map(shape_of, data))
        if shape_of(out) != shape:
            raise ShapeError(
                f"{self.name}: an op given by derivatives= works element by element, so of shapes "
                f"{' and '.join(str(shape_of(x)) for x in data)} it makes {shape}, got {shape_of(out)}; give it chain= "
                "or vjp= instead"
            )
        return out


class _ByRule(Primitive):
    """An op whose local derivatives the user's ``rule`` computes."""

    def __init__(self, name: str, sign: str, function: Callable[..., Any], rule: Any, options: dict[str, Any]) -> None:
        self.name, self.sign = name, sign
        self.function, self.rule, self.options = function, rule, options


class _ByChain(_ByRule):
    """An op whose local derivatives are chains of linear maps."""

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        try:
            found = self.rule(k, operands, out, **self.options)
        except (TypeError, AttributeError) as error:
            if type(out) is Value:
                raise _first_order(self.name, "chain", error) from error
            raise
        if found is None:
            return None
        if not isinstance(found, tuple | list) or not all(hasattr(m, "pull") and hasattr(m, "edges") for m in found):
            raise ValueTypeError(
                f"{self.name}: chain={getattr(self.rule, '__name__', 'chain')!r} must return a tuple of linear maps "
                f"(see tinygrad_lite.core.maps), or None, got {found!r}; for example (Scale(weight, ndim),)"
            )
        return tuple(found)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        try:
            pulled = Op.pull(self, k, g, operands, out)
        except ValueError as error:
            raise ShapeError(
                f"{self.name}: the chain of operand {k} does not go from the result's shape {shape_of(out)} to the "
                f"operand's {shape_of(operands[k])} ({error}); correct the maps"
            ) from error
        _check_shape(self.name, f"the chain of operand {k}", pulled, operands[k])
        return pulled


class _Pullback(Dense):
    """The map of a user's vjp. That may not take Values, so numbers are pushed by the entries."""

    def push(self, t: Any, semiring: Semiring) -> Any:
        return super().push(t, semiring) if type(t) is Value else self.contract.push(t, semiring)


class _ByVjp(_ByRule):
    """An op whose rule is a vjp: the product of a cotangent with its Jacobian."""

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        if isinstance(self.rule, tuple) and self.rule[k] is None:
            return None
        out_shape, in_shape = shape_of(out), shape_of(operands[k])

        def back(g: Any) -> Any:
            lead = shape_of(g)[: len(shape_of(g)) - len(out_shape)]
            if not lead:
                return self._back(k, g, operands, out)
            rows = [self._back(k, g[index], operands, out) for index in np.ndindex(*lead)]
            return (stack if type(g) is Value else np.stack)(rows).reshape(lead + in_shape)

        return (_Pullback(self.name, in_shape, out_shape, 0, back),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        if isinstance(self.rule, tuple) and self.rule[k] is None:
            return None
        return self._back(k, g, operands, out)

    def _back(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        one = isinstance(self.rule, tuple)
        on_values = type(g) is Value
        rule = self.rule[k] if one else self.rule
        given = (g, out, *operands) if on_values else [_protected(raw(x)) for x in (g, out, *operands)]
        try:
            pulled = rule(*given, **self.options)
        except (TypeError, AttributeError, ValueTypeError) as error:
            if on_values:
                raise _first_order(self.name, "vjp", error) from error
            raise
        if not one and len(operands) > 1:
            if not isinstance(pulled, tuple | list) or len(pulled) != len(operands):
                got = f"{len(pulled)} of them" if isinstance(pulled, tuple | list) else type(pulled).__name__
                raise ShapeError(
                    f"{self.name}: its vjp must return a tuple of {len(operands)} cotangents, one for each operand, "
                    f"got {got}"
                )
            pulled = pulled[k]
        if pulled is None:
            pulled = np.zeros(shape_of(operands[k])) if shape_of(operands[k]) else 0.0
            return Value(pulled, requires_grad=False) if on_values else pulled
        if on_values and not isinstance(pulled, Value):
            raise _first_order(self.name, "vjp", f"it made a {type(pulled).__name__} of them")
        if not on_values:
            pulled = _checked(pulled, f"{self.name}: its vjp")
        _check_shape(self.name, f"the vjp of operand {k}", pulled, operands[k])
        return pulled


def _check_shape(name: str, who: str, pulled: Any, operand: Any) -> None:
    if pulled is not None and shape_of(pulled) != shape_of(operand):
        raise ShapeError(
            f"{name}: {who} made a cotangent of shape {shape_of(pulled)}, the operand has {shape_of(operand)}; "
            "they must be equal: sum over what was broadcast"
        )


# ---- the decorator ---------------------------------------------------------------------------------------------------


def primitive(
    function: Callable[..., Any] | None = None,
    *,
    derivatives: str | Sequence[str | None] | None = None,
    chain: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | Sequence[Callable[..., Any] | None] | None = None,
    name: str | None = None,
    sign: str | None = None,
) -> Callable[..., Any]:
    """A function of numbers and arrays as an op of its own, with one rule for its local derivatives.

    The function's positional parameters are the operands; it receives Python floats and arrays. Pass exactly one of

    - ``derivatives``: for an op that works element by element, one expression for each operand, in the function's
      parameters and ``out``, as in the table of derivatives; ``None`` where there is none. An expression calls the
      table's functions (``cos``, ``where``, …). All modes and orders, paths, derivations and compiled steps follow.
    - ``chain``: ``chain(k, operands, out)`` returns the local derivative with respect to operand ``k`` as a tuple of
      linear maps (``tinygrad_lite.core.maps``), ``None`` where there is none.
    - ``vjp``: ``vjp(g, out, *operands)`` returns the cotangent of the operand, or a tuple of them, for a cotangent
      ``g`` of the result; or one such function for each operand, ``None`` where there is no derivative. Where a
      question needs single entries of the Jacobian, it is built from this, up to ten million of them.

    Keyword-only parameters are options; chain and vjp receive them too. Errors call the op ``name`` (by default the
    function's own) and pictures show ``sign``. More in docs/primitive.md.

    Raises ``ArgumentError`` for no rule or several, a wrong number of derivatives, or a name that is taken;
    ``UnknownNameError`` for an unknown name in an expression.

    >>> @primitive(derivatives=("cos(x)",))
    ... def sine(x):
    ...     return np.sin(x)
    >>> x = Value(0.0, name="x")
    >>> sine(x).backward()
    >>> x.grad
    1.0
    """
    if function is not None:
        raise ArgumentError(
            "primitive: it needs the op's rule; write @primitive(derivatives=(…,)), @primitive(chain=…) or "
            "@primitive(vjp=…)"
        )
    rules = {"derivatives": derivatives, "chain": chain, "vjp": vjp}
    given = [what for what, rule in rules.items() if rule is not None]
    if len(given) != 1:
        raise ArgumentError(
            f"primitive: it takes exactly one of derivatives=, chain= and vjp=, got {' and '.join(given) or 'none'}"
        )

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(function):
            raise ArgumentError(f"primitive: it decorates a function, got {type(function).__name__}")
        op_name = _checked_name(getattr(function, "__name__", "") if name is None else name)
        op_sign = op_name if sign is None else str(sign)
        return _recording(function, op_name, op_sign, given[0], rules[given[0]])

    return decorated


def _recorder(
    function: Callable[..., Any], name: str, sign: str, signature: inspect.Signature, what: str, rule: Any
) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """The function of operands and options that records the op given by ``what=rule``."""
    operands = _operands(signature)
    if what == "derivatives":
        if len(operands) < len(signature.parameters):
            raise ArgumentError(
                f"primitive: {name} has keyword-only parameters, which expressions cannot read; make them "
                "operands with None for a derivative, or give chain= or vjp="
            )
        op = _ByExpressions(line_of(name, sign, operands, rule), function)
        return lambda args, options: apply(op, args)
    kind = _ByChain if what == "chain" else _ByVjp
    if isinstance(rule, Sequence):
        rule = tuple(rule)
        if len(rule) != len(operands):
            raise ArgumentError(
                f"primitive: {name} has the operands {operands}, but {len(rule)} vjps; give one for each, "
                "None where there is none"
            )
    if not all(map(callable, filter(None, rule if isinstance(rule, tuple) else (rule,)))):
        raise ArgumentError(f"primitive: {what}= of {name} must be a function, got {rule!r}")
    plain = kind(name, sign, function, rule, {})
    return lambda args, options: record(kind(name, sign, function, rule, options) if options else plain, args)


def _recording(function: Callable[..., Any], name: str, sign: str, what: str, rule: Any) -> Callable[..., Any]:
    """The function that records the op."""
    signature = _signature(function, name)
    count = len(_operands(signature))
    called = _recorder(function, name, sign, signature, what, rule)

    @functools.wraps(function)
    def recorded(*args: Any, **options: Any) -> Any:
        if options or len(args) != count:
            try:
                bound = signature.bind(*args, **options)
            except TypeError as error:
                raise ArgumentError(f"{function.__name__}: {error}; it takes {signature}") from None
            bound.apply_defaults()
            args, options = bound.args, bound.kwargs
        for k, arg in enumerate(args):
            if arg is None or isinstance(arg, str):
                raise ValueTypeError(f"{function.__name__}: operand {k} is a number, an array or a Value, got {arg!r}")
        return called(args, options)

    return recorded


def _checked_name(name: str) -> str:
    """The name of an op, checked: generated source uses it as an identifier, and it must not mean another op there."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ArgumentError(f"primitive: an op's name is a Python identifier, got {name!r}; pass name=")
    if name in TABLE or name in STRUCTURED:
        raise ArgumentError(f"primitive: there is an op named {name!r} already; choose another name, or pass name=")
    return name


def _operands(signature: inspect.Signature) -> tuple[str, ...]:
    """The names of a primitive's operands: the positional parameters of its function."""
    return tuple(p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY)


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    """The signature of a primitive's function, checked."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"primitive: the parameters of {name} cannot be read; wrap it in a function of your own"
        ) from None
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds or inspect.Parameter.VAR_KEYWORD in kinds:
        raise ArgumentError(f"primitive: {name} takes any number of arguments; name each operand, as in (x, y)")
    if not any(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds):
        raise ArgumentError(f"primitive: {name} has no operand; a primitive is a function of one at least")
    return signature
