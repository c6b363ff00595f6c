"""Derivatives of functions: gradients, Jacobians, products with vectors, of any order and in both modes.

A transform calls the function on fresh Values, and then carries cotangents back, or tangents forward, over the graph
that the call recorded. Inside another transform it carries Values, so that the result can be differentiated again;
every call has Values of its own, so nested derivatives cannot be confused (J. M. Siskind and B. A. Pearlmutter,
*Perturbation confusion and referential transparency*, 2005).

Arguments and results are numbers, arrays, Values, or nested tuples, lists and dicts of them. Values in, Values out:
those are part of the graph, so ``backward`` and paths go through them. Numbers and arrays in, numbers and arrays out;
but Values inside another transform.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.recording import observer, paused, recording, transformed, transforming
from ..core.sweeps import carry_back, carry_forward
from ..core.value import Value, as_data, constant, describe, raw
from ..errors import ArgumentError, ShapeError, ValueTypeError
from ..ops.casting import argument, cast
from ..ops.on_values import arithmetic
from .pytrees import filled, holds, is_module, leaves, mapped, matched, number

__all__ = ["Call", "called", "elementwise_grad", "grad", "hvp", "is_transform", "jvp", "value_and_grad", "vjp"]


@contextmanager
def _inside(transform: str) -> Iterator[None]:
    """Record what is to be differentiated afterwards."""
    if paused() and (who := observer()) is not None:
        who.saw_derivative()
    with transforming(transform), recording():
        yield


# ---- one call of a function ------------------------------------------------------------------------------------------


@dataclass
class Call:
    """A recorded call of a function: ``starts`` are the Values to differentiate by, ``ends`` the results.

    ``wrt`` and ``result`` are the containers that they came in. ``valued`` says that results are Values, and
    ``recorded`` that they can be differentiated again.
    """

    who: str
    wrt: Any
    starts: list[tuple[str, Value]]
    result: Any
    ends: list[tuple[str, Value]]
    aux: Any
    valued: bool

    @property
    def recorded(self) -> bool:
        return self.valued and not paused()

    def given(self, x: Any) -> Any:
        """A Value of the graph as the caller gets it."""
        if self.valued:
            return x.detach() if paused() else x
        return np.array(x.data) if x.shape else x.data

    def output(self) -> Any:
        """What the function returned, as the caller gets it."""
        return filled(self.result, [self.given(end) for _, end in self.ends])

    def auxiliary(self) -> Any:
        """The function's auxiliary result."""
        return mapped(
            lambda x, _: x if self.valued or not isinstance(x, Value) else self.given(x), self.aux, "", _itself
        )

    def owned(self, found: Sequence[Any], like: Sequence[Value], taken: Sequence[Any] = ()) -> list[Any]:
        """Cotangents or tangents as the caller gets them, zeros where there are none, none of them shared."""
        held = {id(x) for x in taken}
        own = []
        for x, model in zip(found, like, strict=True):
            if x is None:
                x = np.zeros(model.shape, model.dtype) if model.shape else 0.0
            if isinstance(x, np.ndarray):
                if x.base is not None or id(x) in held or not x.flags.writeable:
                    x = x.copy()
                held.add(id(x))
            own.append(constant(x) if self.valued and not isinstance(x, Value) else x)
        return own

    def seeds(self, tree: Any, like: Sequence[tuple[str, Value]], path: str, recorded: bool) -> list[Any]:
        """Cotangents or tangents that the caller gave, one for each of ``like``, as Values or as data."""
        found = []
        for x, (_, model) in zip(matched(tree, like, path, self.who), like, strict=True):
            live = (recorded and x.requires_grad) or observer() is not None
            data = cast(x if live else as_data(x.data, keep_integers=False, copy=False), model)
            found.append(data)
        return found

    def carried(
        self,
        ends: Sequence[Value],
        starts: Sequence[Value],
        seeds: Sequence[Any],
        forward: bool = False,
        several: bool = False,
    ) -> list[Any]:
        """The cotangents of ``starts``, or if ``forward`` the tangents of ``ends``, from seeds at the other side."""
        if self.valued and transformed() is None and (who := observer()) is not None:
            found = who.carried(ends, starts, seeds, forward, several)
            if found is not None:
                return found
        semiring = arithmetic(self.recorded, several)
        if self.recorded:
            seeds = [seed if isinstance(seed, Value) else constant(seed) for seed in seeds]
        else:
            seeds = [raw(seed) for seed in seeds]
        if forward:
            return carry_forward(ends, starts, seeds, semiring)
        return carry_back(ends, seeds, starts, semiring)

    def scalar(self) -> Value:
        """The one end, with one element."""
        hint = "sum it up, or use jacobian, elementwise_grad or vjp"
        if len(self.ends) != 1:
            raise ShapeError(
                f"{self.who}: needs a function with one scalar for its result, got {len(self.ends)} results; {hint}, "
                "or pass has_aux=True for (result, what else it returns)"
            )
        end = self.ends[0][1]
        if end.size != 1:
            raise ShapeError(f"{self.who}: needs a function with a scalar result, got shape {end.shape}; {hint}")
        return end

    def elementwise(self) -> None:
        """Raise unless there is one end, of the shape of every start."""
        shape = self.ends[0][1].shape if len(self.ends) == 1 else None
        for path, start in self.starts:
            if start.shape != shape:
                got = f"{len(self.ends)} results" if shape is None else f"shape {shape}"
                raise ShapeError(
                    f"{self.who}: needs a result of the shape of {path}, which has {start.shape}, got {got}; "
                    "use jacobian, or grad of its sum"
                )

    def back(self, cotangents: Sequence[Any]) -> Any:
        """The cotangents of the arguments, in their containers."""
        ends, starts = ([value for _, value in pairs] for pairs in (self.ends, self.starts))
        found = self.carried(ends, starts, cotangents)
        return filled(self.wrt, self.owned(found, starts, cotangents))

    def ones(self) -> list[Any]:
        """The cotangents that sum the gradients of all elements of all ends."""
        return [np.ones(end.shape, end.dtype) if end.shape else 1.0 for _, end in self.ends]


def _itself(x: Any, path: str) -> Any:
    return x


def called(
    who: str, f: Callable[..., Any], argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any], has_aux: bool
) -> Call:
    """Call ``f`` with fresh Values in the place of what it is differentiated by."""
    several = isinstance(argnums, tuple | list)
    places = [_place(who, f, target, args, kwargs) for target in (argnums if several else (argnums,))]
    keys = [place for place in places if isinstance(place, int | str)]
    if len(set(keys)) < len(keys):
        raise ArgumentError(f"{who}: argnums={argnums!r} names an argument twice; name each once")
    valued = transformed() is not None or observer() is not None or holds([*args, *kwargs.values(), places], _is_value)
    positional: dict[Any, Any] = dict(enumerate(args))
    named: dict[Any, Any] = dict(kwargs)
    starts: list[tuple[str, Value]] = []
    wrt: list[Any] = []
    for place in places:
        if isinstance(place, int | str):
            given, path = (positional, f"argument {place}") if isinstance(place, int) else (named, place)
            wrt.append(given[place])
            with recording():
                given[place] = _opened(given[place], path, who, starts)
        else:  # what the function reads without being given it
            wrt.append(place)
            starts += leaves(place, type(place).__name__)
    with _inside(who):
        result = f(*positional.values(), **named)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise ArgumentError(
                f"{who}: with has_aux=True the function returns a pair (result, auxiliary), got "
                f"{type(result).__name__}; return two things, or leave has_aux out"
            )
        result, aux = result
    hint = "return numbers, arrays or Values (what else there is with has_aux=True)"
    ends = [(path, number(x, path, who, hint)) for path, x in leaves(result, "the result")]
    return Call(who, tuple(wrt) if several else wrt[0], starts, result, ends, aux, valued)


def _is_value(x: Any) -> bool:
    return isinstance(x, Value)


def _place(who: str, f: Callable[..., Any], target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Where an argument stands: its position or keyword; a module or a Value that the function reads is its own."""
    if isinstance(target, Value) or is_module(target):
        if isinstance(target, Value) and not target.requires_grad:
            raise ArgumentError(f"{who}: {describe(target)} in argnums is a constant; make it with requires_grad=True")
        return target
    if isinstance(target, str):
        if target in kwargs:
            return target
        names = _parameters(f)
        if target in names[: len(args)]:
            return names.index(target)
        raise ArgumentError(
            f"{who}: no argument named {target!r} was passed; argnums names one of {', '.join(names) or 'none'}"
        )
    number: Any = "" if isinstance(target, bool) else target  # True would be position 1
    try:
        position = operator.index(number)
    except TypeError:
        raise ValueTypeError(
            f"{who}: argnums is a position, a name, a module, or a tuple of those, got {type(target).__name__}"
        ) from None
    if not -len(args) <= position < len(args):
        raise ArgumentError(
            f"{who}: argnums={position}, but {len(args)} arguments were passed by position; name a keyword as text"
        )
    return position % len(args)


def _parameters(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):  # built in, without a signature
        return []


def _opened(tree: Any, path: str, who: str, starts: list[tuple[str, Value]]) -> Any:
    """The argument with a fresh Value for each leaf. A module is passed as it is: its parameters are the Values."""

    def leaf(x: Any, path: str) -> Value:
        starts.append((path, argument(number(x, path, who, "leave it out of argnums, or pass it as another argument"))))
        return starts[-1][1]

    def module(x: Any, path: str) -> Any:
        starts.extend(leaves(x, path))
        return x

    return mapped(leaf, tree, path, module)


def _named(who: str, f: Any, transform: Callable[..., Any]) -> Callable[..., Any]:
    """Give the transformed function a name, and the signature of the original."""
    if not callable(f):
        raise ValueTypeError(f"{who}: needs a function, got {type(f).__name__}; pass for example lambda x: x * x")
    name = getattr(f, "__name__", type(f).__name__)
    functools.update_wrapper(transform, f, assigned=(), updated=())
    transform.__name__ = transform.__qualname__ = f"{who}({name})"
    transform.__doc__ = f"The {who} of {name}."
    transform.is_transform = True  # type: ignore[attr-defined]
    return transform


def is_transform(f: Any) -> bool:
    """Whether a function is what a transform made of another one: numbers in, numbers out.

    >>> is_transform(grad(np.sin)), is_transform(np.sin)
    (True, False)
    """
    return getattr(f, "is_transform", False) is True


# ---- gradients -------------------------------------------------------------------------------------------------------


def grad(f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function of the same arguments.

    ``argnums`` says by what: the position of an argument, its name, a module (or a leaf Value) that the function reads,
    or a tuple of those. The result has the containers and shapes of that argument; for a module it is a dict by
    parameter name. With ``has_aux`` the function returns (result, auxiliary), and so does its gradient.

    Raises ``ShapeError`` unless the result has one element, ``ValueTypeError`` for an argument that is not made of
    numbers, with the path to it.

    >>> grad(lambda x: x**3)(2.0), grad(grad(lambda x: x**3))(2.0)
    (12.0, 12.0)
    >>> grad(lambda p, x: (p["w"] * x).sum() + p["b"])({"w": np.ones(2), "b": 0.0}, np.array([3.0, 4.0]))
    {'w': array([3., 4.]), 'b': 1.0}
    >>> grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0)  # the inner derivative is 1, whatever x is
    1.0
    """

    return _gradient("grad", f, argnums, has_aux)


def _gradient(
    who: str,
    f: Callable[..., Any],
    argnums: Any,
    has_aux: bool,
    check: Callable[[Call], Any] = Call.scalar,
    valued: bool = False,
) -> Callable[..., Any]:
    """The function that checks the call of ``f`` and returns its gradient, after its value if ``valued``."""

    def gradient(*args: Any, **kwargs: Any) -> Any:
        call = called(who, f, argnums, args, kwargs, has_aux)
        check(call)
        found = call.back(call.ones())
        if valued:
            return ((call.output(), call.auxiliary()) if has_aux else call.output()), found
        return (found, call.auxiliary()) if has_aux else found

    return _named(who, f, gradient)


def value_and_grad(f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the value and the gradient, by one forward and one backward pass.

    The arguments are ``grad``'s. With ``has_aux`` the result is ((value, auxiliary), gradient).

    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    """
    return _gradient("value_and_grad", f, argnums, has_aux, valued=True)


def elementwise_grad(f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The derivative, at each element, of a function that works element by element.

    It is the gradient of the result's sum: where an element of the result depends on others of the argument, it is not
    a derivative of that element (``jacobian`` is).

    Raises ``ShapeError`` unless the result has the shape of each argument in ``argnums``.

    >>> elementwise_grad(np.square)(np.array([0.0, 20.0]))
    array([ 0., 40.])
    """
    return _gradient("elementwise_grad", f, argnums, has_aux, Call.elementwise)


# ---- products with vectors -------------------------------------------------------------------------------------------


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``f`` at ``primals``, and its derivative in the direction of ``tangents``: forward mode.

    ``primals`` is a tuple of all arguments of ``f``, ``tangents`` one of the same shapes; anything but a tuple is the
    one argument. The result is (value, tangent), the tangent in the containers of the value; with ``has_aux`` the
    auxiliary part comes third.

    Raises ``ArgumentError`` for tangents of other containers or shapes.

    Source: R. E. Wengert, *A simple automatic derivative evaluation program*, 1964.

    >>> jvp(lambda x, y: x * y, (3.0, 5.0), (1.0, 10.0))
    (15.0, 35.0)
    """
    if not isinstance(primals, tuple) or hasattr(primals, "_fields"):
        primals, tangents = (primals,), (tangents,)
    return _directional("jvp", f, primals, tangents, has_aux)


def _directional(
    who: str, f: Callable[..., Any], primals: tuple[Any, ...], tangents: Any, has_aux: bool = False
) -> tuple[Any, ...]:
    call = called(who, _checked(who, f), tuple(range(len(primals))), primals, {}, has_aux)
    call.valued = call.valued or holds(tangents, _is_value)
    starts, ends = [start for _, start in call.starts], [end for _, end in call.ends]
    given = call.seeds(tangents, call.starts, "tangents", call.recorded)
    found = call.carried(ends, starts, given, forward=True)
    tangent = filled(call.result, call.owned(found, ends, given))
    return (call.output(), tangent, call.auxiliary()) if has_aux else (call.output(), tangent)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``f`` at ``primals``, and the pullback: reverse mode.

    The pullback takes a cotangent, in the containers and shapes of the value, and returns the tuple of the arguments'
    cotangents, one for each. It can be called any number of times. With ``has_aux`` the auxiliary part comes third.

    Raises ``ArgumentError`` for a cotangent of other containers or shapes.

    >>> value, pullback = vjp(lambda x, y: x * y, 3.0, 5.0)
    >>> value, pullback(1.0), pullback(10.0)
    (15.0, (5.0, 3.0), (50.0, 30.0))
    """
    call = called("vjp", _checked("vjp", f), tuple(range(len(primals))), primals, {}, has_aux)

    def pullback(cotangent: Any) -> Any:
        now = Call(**vars(call) | {"valued": call.valued or transformed() is not None or holds(cotangent, _is_value)})
        return now.back(now.seeds(cotangent, call.ends, "the cotangent", now.recorded))

    return (call.output(), pullback, call.auxiliary()) if has_aux else (call.output(), pullback)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The product of the Hessian of a scalar function at ``x`` and the vector ``v``, without the Hessian.

    ``x`` is the one argument of ``f``, in any containers, and ``v`` has the same; so has the result. Forward over
    reverse: the directional derivative of the gradient, which takes a few times as long as a gradient.

    Source: B. A. Pearlmutter, *Fast exact multiplication by the Hessian*, 1994.

    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), np.array([1.0, 0.0]))
    array([10.,  6.])
    """
    return _directional("hvp", _gradient("hvp", f, 0, False), (x,), (v,))[1]


def _checked(who: str, f: Any) -> Callable[..., Any]:
    return _named(who, f, lambda *args, **kwargs: f(*args, **kwargs))
