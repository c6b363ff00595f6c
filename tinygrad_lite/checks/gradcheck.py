"""``check_grads``: derivatives of a function, of any order and in both modes, against differences and complex steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..core.recording import no_grad
from ..core.sweeps import gradients
from ..core.value import Value, constant
from ..errors import ArgumentError, DifferentGradientsError, NonFiniteError, ValueTypeError
from ..transforms.jacobians import blocks
from ..transforms.pytrees import filled, holds, is_module, leaves, mapped, number
from ..transforms.transforms import called, jvp, vjp
from .complex_step import STEP_ERROR, NotAnalyticError, complex_columns
from .differences import Allowed, Slope, check_tolerances, chosen, slope

__all__ = ["check_grads"]


_MODES = {"reverse": "the gradient", "forward": "the directional derivative"}
"""What errors call the derivative that each mode computes."""

Index = tuple[int, ...]


def check_grads(
    f: Callable[..., Any],
    args: Any,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    tolerance: float | None = None,
    difference_tolerance: float | None = None,
    at_most: int = 64,
) -> None:
    """Raise unless autodiff's derivatives of ``f`` at ``args`` agree with numerical ones, up to ``order``.

    ``args`` is a tuple of all arguments, or the one argument: numbers, arrays, Values, in any containers. Arrays of
    integers are passed as they are. Each of ``modes`` ("reverse", "forward") computes the whole Jacobian. At order k
    it is the Jacobian of a derivative of order k - 1, in each nesting of the modes: the gradient (of a random
    combination of the results, if there are several), and the derivative in a random direction. Each is compared with
    central differences, extrapolated twice, and with the complex step where every op takes complex numbers, at
    ``at_most`` elements of each argument.

    By default ``tolerance``, the relative difference allowed to complex steps, is eps**0.6, and
    ``difference_tolerance``, to differences, eps**0.4, with the eps of the coarsest dtype (4e-10 and 5e-7 in float64).
    Rounding of the Jacobian's largest entry and the difference's estimate of its own error are allowed beside it; an
    entry that the difference cannot tell is left to the complex step.

    Raises ``DifferentGradientsError``, which names the worst element: by which argument, at which order, in which mode,
    and the numbers; where ``f`` has a kink it says so. ``NonFiniteError`` where a result is infinite or NaN.

    >>> check_grads(lambda x, p: np.sin(x * p["w"]).sum(), (np.array([0.5, 1.0]), {"w": 2.0}), order=3)
    >>> check_grads(np.abs, 0.0)
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.DifferentGradientsError: check_grads: order 1, reverse: ... There is a kink: ...
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ArgumentError(f"check_grads: order is a number of derivatives, 1 or more, got {order!r}")
    check_tolerances("check_grads", tolerance, difference_tolerance)
    if isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 1:
        raise ArgumentError(f"check_grads: at_most is a number of elements, 1 or more, got {at_most!r}")
    unknown = [mode for mode in ([modes] if isinstance(modes, str) else modes) if mode not in _MODES]
    if unknown or not modes or isinstance(modes, str):
        raise ArgumentError(f"check_grads: modes are some of {tuple(_MODES)}, in a tuple, got {modes!r}")
    args = _arguments(args)
    functions: list[tuple[str, str, Callable[..., Any]]] = [("", "", f)]
    for k in range(1, order + 1):
        for nesting, of, function in functions:
            _Check(function, args, f"order {k}", nesting, of, at_most, tolerance, difference_tolerance).run(modes)
        functions = [
            (f" over {mode}{nesting}", _MODES[mode], _derivative(function, mode))
            for nesting, _, function in functions
            for mode in modes
        ]


def _arguments(args: Any) -> tuple[Any, ...]:
    """The arguments as data, in one tuple. Raises ``ValueTypeError`` for modules."""
    args = args if isinstance(args, tuple) and not hasattr(args, "_fields") else (args,)
    if holds(args, is_module):
        raise ValueTypeError(
            "check_grads: takes numbers, arrays and Values, not modules; pass their parameters' data "
            "(module.state_dict()), or use compare(loss, wrt=module)"
        )
    found = tuple(mapped(lambda x, path: x.data if isinstance(x, Value) else x, args))
    for k, arg in enumerate(found):
        for path, x in leaves(arg, f"argument {k}"):
            if not _is_integers(x):
                number(x, path, "check_grads", "let the function read it from outside")
    return found


def _is_integers(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype.kind in "iub"


# ---- derivatives as functions, which are checked in turn


def _derivative(f: Callable[..., Any], mode: str) -> Callable[..., Any]:
    """The gradient of a fixed combination of the results of ``f``, or its derivative in a fixed direction."""

    def derivative(*args: Any) -> Any:
        live = [k for k, arg in enumerate(args) if not _is_integers(arg)]

        def of_live(*xs: Any) -> Any:
            given = dict(zip(live, xs, strict=True))
            return f(*(given.get(k, arg) for k, arg in enumerate(args)))

        primals = tuple(args[k] for k in live)
        if mode == "forward":
            return jvp(of_live, primals, _random_like(primals))[1]
        value, pullback = vjp(of_live, *primals)
        return pullback(_random_like(value))

    return derivative


def _random_like(tree: Any) -> Any:
    """Random numbers of the shapes in a container, the same each time; 1 for a single scalar."""
    values = [number(x, path, "check_grads", "return numbers, arrays or Values") for path, x in leaves(tree)]
    if len(values) == 1 and values[0].size == 1:
        return filled(tree, [np.ones(values[0].shape, values[0].dtype) if values[0].shape else 1.0])
    rng = np.random.default_rng(0)
    return filled(tree, [rng.standard_normal(x.shape).astype(x.dtype) if x.shape else rng.normal() for x in values])


# ---- one function, its Jacobian in each mode


Entry = tuple[int, Index, int, Index]
"""An entry of the Jacobian: the number of an argument leaf, its element, the number of a result, its element."""


@dataclass
class _Check:
    """The check of one function at one order, which is the derivative ``of`` the user's function for ``nesting``."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    order: str
    nesting: str
    of: str
    at_most: int
    tolerance: float | None
    difference_tolerance: float | None

    def run(self, modes: Sequence[str]) -> None:
        live = tuple(k for k, arg in enumerate(self.args) if not _is_integers(arg))
        self.live = live
        self.call = called("check_grads", self.f, live, self.args, {}, False)
        for path, end in self.call.ends:
            if not np.isfinite(end.data).all():
                raise NonFiniteError(
                    f"check_grads: {self.order}{self.nesting}: {self._named(path)} is infinite or NaN at these "
                    "arguments; check at a point inside the function's domain"
                )
        precision = [np.finfo(x.dtype).eps for _, x in [*self.call.starts, *self.call.ends]]
        self.eps = float(max(precision, default=np.finfo(float).eps))
        allowed = Allowed.of(self.eps)
        exact = allowed.exact if self.tolerance is None else self.tolerance
        rough = allowed.difference if self.difference_tolerance is None else self.difference_tolerance
        jacobians = {mode: blocks(self.call, mode) for mode in modes}
        starts = range(len(self.call.starts))
        unmoved = (float(np.finfo(x.dtype).eps) for x in self._evaluated(self._data()))
        self.step = Allowed.of(max(unmoved, default=self.eps)).step
        self.near: dict[tuple[int, Index], list[Any]] = {}
        self.slopes = [self._differences(k, rough) for k in starts]
        steps = [self._steps(k) for k in starts]
        for mode, jacobian in jacobians.items():
            for how, columns, relative in (("complex step", steps, exact), ("finite differences", self.slopes, rough)):
                wrong = [w for k in starts for w in self._wrong(jacobian, k, columns[k], how, relative)]
                if wrong:
                    _, text, worst = max(wrong, key=lambda w: w[0])
                    self._raise(mode, text, worst, len(wrong))
        if "reverse" in jacobians:
            self._check_backward(jacobians["reverse"], exact)

    def _check_backward(self, jacobian: Any, relative: float) -> None:
        """Raise unless ``backward`` from each result with a random cotangent gives that combination of the rows."""
        rng = np.random.default_rng(0)
        for (path, end), row in zip(self.call.ends, jacobian, strict=True):
            seed = rng.standard_normal(end.shape)
            found = gradients(end, seed if end.shape else float(seed))
            for (start_path, start), block in zip(self.call.starts, row, strict=True):
                terms = np.multiply(seed.reshape(end.shape + (1,) * start.ndim), np.asarray(block, dtype=float))
                axes = tuple(range(end.ndim))
                right, size = terms.sum(axis=axes), abs(terms).sum(axis=axes)
                ours = np.asarray(found.get(start, np.zeros(start.shape)), dtype=float)
                far = abs(ours - right) - relative * size
                if not (far <= 0).all():
                    index = tuple(int(i) for i in np.unravel_index(np.argmax(far), far.shape))
                    raise DifferentGradientsError(
                        f"check_grads: {self.order}, reverse{self.nesting}: backward() from {self._named(path)} gives "
                        f"{start_path}{_shown(index)} {ours[index]:.10g}, where the Jacobian tells {right[index]:.10g};"
                        " an op's pull and its chain differ"
                    )

    def _named(self, path: str) -> str:
        return f"{self.of} ({path})" if self.of else path

    def _steps(self, k: int) -> dict[Index, list[Slope]]:
        """Complex steps of each result by elements of argument leaf ``k``; none where an op is not analytic."""
        ends = [end for _, end in self.call.ends]
        try:
            return {
                index: [Slope(x, np.where(np.isnan(x), math.inf, STEP_ERROR), np.zeros(x.shape)) for x in columns]
                for index, columns in complex_columns(ends, self.call.starts[k][1], self.at_most)
            }
        except NotAnalyticError:
            return {}

    def _differences(self, k: int, wanted: float) -> dict[Index, list[Slope]]:
        """Finite differences of each result by elements of argument leaf ``k``, in float64 if the function keeps it."""
        start = self.call.starts[k][1]
        cuts = np.cumsum([end.size for _, end in self.call.ends])[:-1]
        shapes = [end.shape for _, end in self.call.ends]
        found = {}
        for index in chosen(start.shape, self.at_most):
            point = float(np.asarray(start.data)[index])
            whole = slope(partial(self._moved, k, index), point, self.step, wanted)
            parts = [
                [part.reshape(s) for part, s in zip(np.split(numbers, cuts), shapes, strict=True)]
                for numbers in (whole.value, whole.error, whole.kink)
            ]
            found[index] = [Slope(*part) for part in zip(*parts, strict=True)]
        return found

    def _data(self) -> list[Any]:
        """The arguments' numbers in arrays of float64."""
        return [np.array(start.data, dtype=float) for _, start in self.call.starts]

    def _evaluated(self, data: Sequence[Any]) -> list[Value]:
        """The function's results at these arguments, evaluated without recording."""
        rest = iter(filled(self.call.wrt, [constant(x if x.ndim else float(x)) for x in data]))
        args = [next(rest) if j in self.live else arg for j, arg in enumerate(self.args)]
        with no_grad(), np.errstate(all="ignore"):  # the domain may end beside the point
            result = self.f(*args)
        return [number(x, path, "check_grads", "return numbers") for path, x in leaves(result, "the result")]

    def _moved(self, k: int, index: Index, to: float) -> Any:
        """All results in one vector, with one element of the arguments moved."""
        data = self._data()
        data[k][index] = to
        found = [np.ravel(x.data) for x in self._evaluated(data)]
        return np.concatenate([np.zeros(0), *found])

    def _near(self, k: int, index: Index) -> list[Any]:
        """All results at the point, at a distance to both sides, and at a thousandth of it; evaluated once."""
        if (k, index) not in self.near:
            point = float(np.asarray(self.call.starts[k][1].data)[index])
            h = 1e-5 * max(1.0, abs(point))  # a jump is told from a slope by distances of h and of a thousandth of it
            self.near[k, index] = [self._moved(k, index, point + t) for t in (0.0, -h, h, -1e-3 * h, 1e-3 * h)]
        return self.near[k, index]

    def _wrong(
        self, jacobian: Any, k: int, found: Mapping[Index, list[Slope]], how: str, relative: float
    ) -> list[tuple[float, str, Entry]]:
        """The entries by argument leaf ``k`` that differ too much, or lie at a kink: difference, text and entry."""
        wrong = []
        shape = self.call.starts[k][1].shape
        for index, columns in found.items():
            for e, theirs in enumerate(columns):
                whole: Any = np.asarray(jacobian[e][k], dtype=float)
                ours = whole[(Ellipsis, *index)] if shape else whole
                rounding = 10 * self.eps * np.max(np.abs(whole), initial=0.0)
                with np.errstate(invalid="ignore"):
                    allowed = relative * np.maximum(np.abs(ours), np.abs(theirs.value)) + rounding
                    far = ~((ours == theirs.value) | (np.abs(ours - theirs.value) <= allowed + theirs.error))
                    bad = (far & (theirs.error < math.inf)) | (far & ~np.isfinite(ours))
                    unknown = ~(theirs.error <= allowed)
                for out in np.argwhere(bad | unknown):
                    at = tuple(int(i) for i in out)
                    if not bad[at] and not self._kink_or_jump(k, index, e, at):
                        continue
                    a, b = float(ours[at]), float(np.asarray(theirs.value)[at])
                    difference = abs(a - b) / max(abs(a), abs(b)) if max(abs(a), abs(b)) else math.inf
                    text = (
                        f"is {a:.10g}, but {b:.10g} by {how} "
                        f"(relative difference {difference:.2g}, allowed {relative:.1g})"
                    )
                    wrong.append((difference if difference == difference else math.inf, text, (k, index, e, at)))
        return wrong

    def _raise(self, mode: str, text: str, worst: Entry, count: int) -> None:
        k, index, e, out = worst
        result = self._named(self.call.ends[e][0] + _shown(out))
        more = f" {count} entries of this Jacobian differ." if count > 1 else ""
        raise DifferentGradientsError(
            f"check_grads: {self.order}, {mode}{self.nesting}: the derivative of {result} by "
            f"{self.call.starts[k][0]}{_shown(index)} {text}.{more}{self._kink_or_jump(*worst)}"
        )

    def _kink_or_jump(self, k: int, index: Index, e: int, out: Index) -> str:
        """A sentence about the kink or jump of result ``e`` at the point; empty where it is smooth."""
        found = self.slopes[k][index][e]
        value, error, kink = (float(np.asarray(x)[out]) for x in (found.value, found.error, found.kink))
        if kink:
            left, right = (
                0.0 if abs(side) < 1e-6 * abs(kink) else side for side in (value - kink / 2, value + kink / 2)
            )
            return (
                f" There is a kink: from the left the slope is {left:.4g}, from the right {right:.4g}, and "
                "what autodiff gives between is a convention; check it at another point."
            )
        if error <= abs(value):
            return ""
        shape = self.call.ends[e][1].shape
        first = sum(end.size for _, end in self.call.ends[:e])
        position = first + (int(np.ravel_multi_index(out, shape)) if shape else 0)
        here, *beside = (float(results[position]) for results in self._near(k, index))
        far, near = (max(abs(x - here) for x in two) for two in (beside[:2], beside[2:]))
        largest = max(map(abs, [here, *beside]))
        if near > 0.5 * far and near > 1e-8 * largest:  # without a jump it moves a thousandth as far
            return " The function jumps there; check it at another point."
        return ""


def _shown(index: Index) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
