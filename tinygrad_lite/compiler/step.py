"""``compile``: run a function once, and from then on replay its arithmetic alone.

The first call for arguments of some shapes and dtypes runs the function and keeps a *program* of that run. Further
calls replay the program. It depends on the arguments' shapes, the parameters' shapes, which of them are frozen, the
attributes of modules that the function read, and the data that it read from Values to decide something. When any of
these differ, another program is tried, or a new one captured.
"""

from __future__ import annotations

import contextvars
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.recording import (
    blocks_open,
    captures_open,
    mode_changes,
    observer,
    paused,
    transformed,
    watching,
    watching_by,
)
from ..core.value import Value
from ..errors import ArgumentError, DifferentGradientsError, FallbackWarning, GraphError, ValueTypeError
from ..optim import Optimizer
from ..transforms.transforms import is_transform
from .arguments import as_values, has_values, keyed, kind_of, live_value, returned
from .backends import BACKENDS, Plan
from .capture import Capture, captured
from .program import Noise, Program
from .scope import Missed, OptimizerFailedError, OverflowedError, Refrozen
from .verify import Origins, State, first_difference, statement_of, why

__all__ = ["CompiledStep", "compile"]


MOST_PROGRAMS = 16
"""The most programs for arguments of the same shapes: a function that needs more reads data that never repeat."""
MOST_SHAPES = 64
"""The most combinations of the arguments' shapes, each with programs of its own."""

_TRIED_AGAIN = (ArithmeticError, ValueError, IndexError)
"""Errors of a replay where eager computes NumPy's inf or nan, or raises a message of its own."""


_NO_VALUES = (
    "compile: an argument is a Value; pass its .data, or read it inside the loss, as parameters are; pass "
    "gradients=False for a function that is no loss"
)


class CompiledStep:
    """The result of ``compile``: a call replays what the function computes, and for a loss its gradients and the step.

    ``source`` is the code that runs, ``backend`` its kind, ``captures`` the number of times that the function itself
    ran.
    """

    def __init__(
        self, function: Callable[..., Any], optimizer: Any, backend: str | None, gradients: bool | None
    ) -> None:
        self._function, self._optimizer = function, optimizer
        self._is_step = gradients  # None until the first call tells
        self.captures = 0
        self._backend = backend
        self._shapes: OrderedDict[Any, list[Program]] = OrderedDict()
        self._last: Program | None = None
        self._expected: tuple[Any, ...] = ()
        self._lock = threading.RLock()
        self._running = False
        self._optimistic = True
        self._warned = False
        # A replay overflows to inf or nan quietly, as a backward pass does. Entering np.errstate takes 2 µs, a context
        # that has it 0.04.
        self._quiet = contextvars.Context()
        self._quiet.run(np.seterr, all="ignore")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The results, as floats and arrays. Of a step the loss; the gradients are where ``backward`` leaves them."""
        lock = self._lock
        lock.acquire()  # a with statement takes 1.5 times as long
        try:
            watched = False
            last = self._last
            fits = (
                last is not None
                and not named
                and (tuple(map(kind_of, arguments)) if arguments else ()) == self._expected
            )
            if not self._is_step and self._is_part_of_a_graph(arguments, named, fits):
                return self._function(*arguments, **named)
            if self._running or blocks_open[0] or captures_open[0]:
                self._check_place()
                watched = watching() is not None
            self._running = True
            try:
                if watched:  # by detect_anomaly: a replay has no ops to look at
                    return self._captured(arguments, named, ())[0].as_eager(self.optimizer)
                if fits:
                    assert last is not None
                    try:
                        if mode_changes[0] != last.attributes.changes or last.live != last.copied:
                            last.check_attributes()
                        if last.calls_numpy:
                            return self._quiet.run(last.replay, *arguments)
                        return last.replay(*arguments)
                    except (Missed, *_TRIED_AGAIN):
                        pass
                return self._found(arguments, named)
            except OptimizerFailedError as failed:
                error = failed.error
                raise error from None
            finally:
                self._running = False
        finally:
            lock.release()

    @property
    def function(self) -> Callable[..., Any]:
        """The loss function; another one is another step."""
        return self._function

    @property
    def optimizer(self) -> Any:
        """The optimizer; a step with another one is another step."""
        return self._optimizer

    @property
    def source(self) -> str:
        """The Python source of the replay that ran last."""
        return self._latest("source").source

    @property
    def backend(self) -> str:
        """The back end of the replay that ran last: "python", "numpy" or "numba"."""
        return self._latest("backend").backend

    def _latest(self, what: str) -> Program:
        if self._last is None:
            raise GraphError(f"compile: there is no {what} before the first call; call the step with its arguments")
        return self._last

    def _is_part_of_a_graph(self, arguments: tuple[Any, ...], named: Mapping[str, Any], plain: bool) -> bool:
        """Whether a function is called where its graph is needed, which a replay does not record."""
        if captures_open[0] and observer() is not None:
            return self._is_step is False
        if self._is_step is False and transformed() is not None:
            return True
        if plain or not live_value(arguments, named):
            return False
        if self._is_step is None:
            raise ValueTypeError(_NO_VALUES)
        return not (blocks_open[0] and paused())

    def _check_place(self) -> None:
        if self._is_step is not False and blocks_open[0] and paused():
            raise GraphError(
                "compile: a step computes gradients, so it cannot run inside no_grad(); call it outside, or pass "
                "gradients=False for a function that is no loss"
            )
        if self._running or (captures_open[0] and observer() is not None):
            raise GraphError(
                "compile: a compiled step was called by a function that is being compiled; "
                "call the loss function itself"
            )

    def verify(self, *arguments: Any, **named: Any) -> None:
        """Compare eager and the replay, from the same state; nothing is changed.

        This finds what no guard sees: globals and numbers of closures that changed, ``random``, plain NumPy on data.
        Both use the same noise. Numbers are equal if they differ by less than 4096 roundings of the largest element.

        Raises ``DifferentGradientsError``, which names the first leaf that differs, the first op whose replayed value
        differs (or the gradient that arrives at it), and where the function made it.

        >>> import tinygrad_lite as tg
        >>> w = tg.Value(3.0, name="w")
        >>> tg.compile(lambda x: w * x).verify(2.0)
        """
        with self._lock:
            self._check_place()
            origins = Origins()
            with watching_by(origins):
                capture, inputs = self._captured(arguments, named, ())
            touched = [leaf for leaf in capture.leaves if leaf.requires_grad]
            touched += [p for p in getattr(self.optimizer, "params", ()) if not any(p is leaf for leaf in touched)]
            state = State(touched, self.optimizer)
            try:
                eager = state.after(lambda: capture.as_eager(self.optimizer))
                captures = -1
                while captures != self.captures:  # until it is a replay that runs
                    captures = self.captures
                    replayed = state.after(lambda: self._found(arguments, named, list(capture.noises)))
                if different := first_difference(touched, eager, replayed):
                    _, data = keyed(arguments, named)
                    plan = Plan(capture, inputs, self._backend, self._optimistic)
                    anew = Program(plan, self.optimizer, capture.attributes)
                    assert self._last is not None
                    seen = state.run(lambda: self._rerun(self._last, data, capture, True))
                    now = state.after(lambda: self._rerun(anew, data, capture, False))
                    reason = why(capture, seen, origins, stale=not first_difference(touched, eager, now))
                    raise DifferentGradientsError(f"verify: {different}; {reason}")
            finally:
                state.restore()

    def _rerun(self, program: Any, data: list[Any], capture: Capture, observe: bool) -> Any:
        """A replay with the noise of a captured run."""
        return self._quiet.run(program.run_with, data, list(capture.noises), observe)

    # ---- finding a program, or making one

    def _found(self, arguments: tuple[Any, ...], named: Mapping[str, Any], drawn: Noise | None = None) -> Any:
        shapes, data = keyed(arguments, named)
        programs = self._shapes.setdefault(shapes, [])
        self._shapes.move_to_end(shapes)
        drawn = [] if drawn is None else drawn
        reason, refrozen = "", True
        for program in sorted(programs, key=lambda program: program is not self._last):
            try:
                found = self._quiet.run(program.run_with, data, drawn)
            except Missed as missed:
                reason = reason or str(missed)
                refrozen &= isinstance(missed, Refrozen)
                continue
            except OverflowedError:
                self._optimistic = False
                programs.remove(program)
                continue
            except _TRIED_AGAIN as error:
                found = self._captured(arguments, named, drawn)[0].as_eager(self.optimizer)
                self._warn_of_falling_back(error, program)
                return returned(found, arguments, named)
            self._remember(program, arguments, named)
            return returned(found, arguments, named)
        if len(programs) >= MOST_PROGRAMS and refrozen:  # a network that is thawed layer by layer
            del programs[0]
        if len(programs) >= MOST_PROGRAMS:
            raise GraphError(
                f"compile: the function was captured {MOST_PROGRAMS} times for arguments of the same shapes, because "
                f"what it reads is never the same: {reason}; read it outside the function, or compare Values "
                "(`if loss > 1`) and choose with where(…)"
            )
        if len(self._shapes) > MOST_SHAPES:
            warnings.warn(
                f"compile: the arguments had more than {MOST_SHAPES} different shapes or settings, the last "
                f"{shapes!r}; each costs a capture: pad the batches to one shape, or pass what changes as an array",
                RuntimeWarning,
                stacklevel=3,
            )
            self._shapes.popitem(last=False)
        return returned(self._made(programs, arguments, named, drawn), arguments, named)

    def _warn_of_falling_back(self, error: Exception, program: Program) -> None:
        """Say once for this step that a call was eager, and why."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"compile: a call ran without the replay, as eager does, because the replay raised "
                f"{type(error).__name__}: {error}{statement_of(error, program.source)}; the result is right, and each "
                "such call runs the function again; keep the operands inside the op's domain to have its speed",
                FallbackWarning,
                stacklevel=4,
            )

    def _remember(self, program: Program, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._last = program
        plain = (
            not named
            and not program.noise
            and all(type(x) is float or (type(x) is np.ndarray and x.ndim) for x in arguments)
        )
        self._expected = tuple(map(kind_of, arguments)) if plain else (None,)

    def _captured(
        self, arguments: tuple[Any, ...], named: Mapping[str, Any], drawn: Sequence[tuple[Any, Any]]
    ) -> tuple[Capture, list[Value]]:
        inputs: list[Value] = []
        given, options = as_values(arguments, inputs), as_values(dict(named), inputs)
        self.captures += 1
        capture = captured(lambda *args: self.function(*args, **options), given, inputs, self._is_step, drawn)
        if capture.is_step and has_values(arguments, named):
            raise ValueTypeError(_NO_VALUES)
        return capture, inputs

    def _made(self, programs: list[Program], arguments: tuple[Any, ...], named: Mapping[str, Any], drawn: Noise) -> Any:
        """Run the function itself, this once, and keep its program."""
        capture, inputs = self._captured(arguments, named, drawn)
        # A derivative in what turns out to be no loss was recorded for nothing: the next run is the one to keep.
        again = self._is_step is None and not capture.is_step and capture.recorded_one
        self._is_step = capture.is_step
        if again:
            return capture.as_eager(self.optimizer)
        attributes = capture.attributes
        plan = Plan(capture, inputs, self._backend, self._optimistic)
        found = capture.as_eager(self.optimizer)
        del capture, inputs
        programs.append(Program(plan, self.optimizer, attributes))
        self._remember(programs[-1], arguments, named)
        return found


def compile(
    function: Callable[..., Any],
    optimizer: Optimizer | None = None,
    *,
    gradients: bool | None = None,
    backend: str | None = None,
) -> CompiledStep:
    """A function at the speed of NumPy by hand: a training step of a loss, or any function of arrays.

    The result takes the function's arguments: arrays of any shape, numbers, constant Values, modules, and lists, tuples
    and dicts of them. The function gets arrays and numbers as constant Values.

    A function that returns one number which depends on a parameter is a loss, and its call a training *step*: it
    returns the loss as a float, gradients are added to the leaves as ``backward`` adds them, and with an ``optimizer``
    they are forgotten first and the parameters updated last. Any other function returns what it computes as floats and
    arrays, in its own containers; to compile its derivatives, compile the transform: ``compile(value_and_grad(f))``.
    The first call decides; ``gradients=True`` says that it is a loss, ``gradients=False`` that it is not.

    ``backend`` forces the way in which a graph of scalars runs: ``"python"``, ``"numpy"`` or ``"numba"`` (an extra).
    docs/compile.md says what makes the function run again, and what no guard can see.

    Raises ``ValueTypeError`` for arguments that are no function or no optimizer, ``ArgumentError`` for an unknown
    backend, or an optimizer of a function that is no loss. A call raises ``ValueTypeError`` for arguments of other
    types and for results that are no numbers, ``ShapeError`` for a loss of several elements, and ``GraphError`` if the
    loss depends on no parameter, inside ``no_grad``, or if the data that the function reads never repeats.

    >>> import tinygrad_lite as tg
    >>> w = tg.Value([1.0, 2.0], name="w")
    >>> step = tg.compile(lambda x: (w * x).square().sum())
    >>> step(np.array([1.0, 1.0])), w.grad
    (5.0, array([2., 4.]))
    >>> slope = tg.compile(tg.value_and_grad(lambda x: (x * x).sum()))
    >>> slope(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    """
    if not callable(function):
        raise ValueTypeError(f"compile: needs a function, got {type(function).__name__}; pass for example loss_fn")
    if isinstance(function, CompiledStep):
        raise ArgumentError("compile: this is compiled already; use it as it is")
    if optimizer is not None and not (hasattr(optimizer, "step") and hasattr(optimizer, "zero_grad")):
        raise ValueTypeError(
            f"compile: an optimizer has step() and zero_grad(), got {type(optimizer).__name__}; pass for example "
            "optim.SGD(model.parameters(), lr=0.1)"
        )
    if backend not in BACKENDS:
        raise ArgumentError(f"compile: backend is one of {', '.join(map(repr, BACKENDS))}, got {backend!r}")
    if is_transform(function) and gradients is None:
        gradients = False
    if optimizer is not None:
        if gradients is False:
            raise ArgumentError(
                "compile: an optimizer updates parameters by the gradients of a loss, and this function is none; "
                "pass the loss itself, or leave the optimizer out"
            )
        gradients = True
    return CompiledStep(function, optimizer, backend, gradients)
