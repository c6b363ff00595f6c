"""HIPS autograd's own tests, run on this package: ``python -m tools.autograd_tests FOLDER``.

``FOLDER`` holds the tests of autograd's source distribution (``pip download --no-binary autograd --no-deps autograd``,
unpacked: its ``tests``). They import ``autograd``; modules of that name made here call this package instead. What they
check are values and derivatives, in forward and reverse mode, to order 2, by differences. Arguments that are complex
numbers are left out where a test tries many, for Values are real; a test of nothing else fails, with that reason.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.core.value import raw

__all__ = ["LEFT_OUT", "install", "run"]


LEFT_OUT = {
    "test_vspaces.py": "autograd's vector spaces, a part of its own",
    "test_scipy.py": "autograd's versions of SciPy's functions; of NumPy's only is spoken here",
    "test_performance.py": "times",
}
"""Files that are not run, with the reason."""


# ---- nested containers


def _leaves(tree: Any) -> list[Any]:
    """What tuples, lists and dicts hold, in order."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for part in tree for leaf in _leaves(part)] if isinstance(tree, list | tuple) else [tree]


def _filled(tree: Any, rest: Iterator[Any]) -> Any:
    """The same containers with other leaves."""
    if isinstance(tree, dict):
        return {key: _filled(part, rest) for key, part in tree.items()}
    return type(tree)(_filled(part, rest) for part in tree) if isinstance(tree, list | tuple) else next(rest)


# ---- derivatives by differences


STEP = 5e-7
RANDOM = np.random.default_rng(0)


def _check(f: Callable[[Any], Any], x: Any, modes: Sequence[str], order: int) -> None:
    """Derivatives in random directions, in every nesting of ``modes``, each against differences of the one before."""
    parts = _leaves(x)
    steps = [_direction(part) for part in parts]
    weights: list[Any] = []

    def along(t: Any) -> Any:
        moved = [_moved(part, t, step) for part, step in zip(parts, steps, strict=True)]
        total: Any = 0.0
        for k, end in enumerate(_ends(f(_filled(x, iter(moved))))):
            if k == len(weights):
                weights.append(RANDOM.standard_normal(np.shape(raw(end))))
            total = total + np.sum(weights[k] * end)
        return total

    functions: list[Callable[[Any], Any]] = [along]
    for _ in range(order):
        derived = []
        for function in functions:
            expected = (_number(function(STEP)) - _number(function(-STEP))) / (2 * STEP)
            for transform in (_MODES[mode] for mode in modes):
                found = transform(function)(0.0)
                assert abs(found - expected) < 1e-5 * (1 + abs(expected)), f"{found} differs from {expected}"
                derived.append(transform(function))
        functions = derived


def _direction(x: Any) -> Any:
    step = RANDOM.standard_normal(np.shape(x))
    return step + 1j * RANDOM.standard_normal(np.shape(x)) if np.iscomplexobj(x) else step


def _moved(x: Any, t: Any, step: Any) -> Any:
    """``x + t * step``; complex numbers are a pair where ``t`` is a Value."""
    if not np.iscomplexobj(x) or not isinstance(t, Value):
        return x + t * step
    return tg.ComplexPair(np.real(x) + t * np.real(step), np.imag(x) + t * np.imag(step))


_MODES: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "rev": lambda f: tg.grad(f),
    "fwd": lambda f: lambda t: tg.jvp(f, (t,), (1.0,))[1],
}


def _number(x: Any) -> float:
    return float(raw(x))


def _ends(result: Any) -> list[Any]:
    """The real arrays that a result consists of."""
    ends: list[Any] = []
    for end in _leaves(result):
        ends += [end.real, end.imag] if isinstance(end, tg.ComplexPair) or np.iscomplexobj(end) else [end]
    return [end for end in ends if isinstance(end, Value) or np.asarray(end).dtype.kind in "fiub"]


def _unary(f: Callable[..., Any], argnum: Any, args: Any, kwargs: Any) -> tuple[Callable[[Any], Any], Any]:
    """A function of one argument, or of a tuple of them, and that argument."""
    places = [argnum] if isinstance(argnum, int) else list(argnum)

    def unary(x: Any) -> Any:
        given = list(args)
        for place, part in zip(places, [x] if isinstance(argnum, int) else x, strict=True):
            given[place] = part
        return f(*given, **kwargs)

    return unary, args[argnum] if isinstance(argnum, int) else tuple(args[k] for k in places)


def check_grads(
    f: Callable[..., Any], argnum: Any = 0, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> Callable[..., None]:
    return lambda *args, **kwargs: _check(*_unary(f, argnum, args, kwargs), modes, order)


def combo_check(f: Callable[..., Any], *options: Any, **more: Any) -> Callable[..., None]:
    def check(*args: Any, **kwargs: Any) -> None:
        named = [[(key, x) for x in xs] for key, xs in kwargs.items()]
        for given in itertools.product(*args):
            if not any(np.iscomplexobj(part) for part in _leaves(given)):
                for chosen in itertools.product(*named):
                    check_grads(f, *options, **more)(*given, **dict(chosen))

    return check


def check_equivalent(x: Any, y: Any) -> None:
    for a, b in zip(_leaves(x), _leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), rtol=1e-6, atol=1e-6)


def scalar_close(a: Any, b: Any) -> bool:
    return bool(abs(a - b) < 1e-6 or abs(a - b) / abs(a + b) < 1e-6)


# ---- autograd's functions


def _with_argnum(transform: Callable[..., Any]) -> Callable[..., Any]:
    return lambda f, argnum=0: lambda *args, **kwargs: transform(*_unary(f, argnum, args, kwargs))


def make_vjp(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
    def made(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        unary, x = _unary(f, argnum, args, kwargs)
        value, pull = tg.vjp(unary, x)
        return lambda g: pull(g)[0], value

    return made


def _core_vjp(f: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    return make_vjp(f)(x)  # type: ignore[no-any-return]


def _ggnvp(f: Callable[..., Any], g: Callable[[Any], Any] = lambda x: 0.5 * np.sum(x**2)) -> Callable[..., Any]:
    def made(x: Any) -> Callable[[Any], Any]:
        y, pull = tg.vjp(f, x)
        return lambda v: pull(tg.hvp(g, y, tg.jvp(f, (x,), (v,))[1]))[0]

    return made


def _flatten(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    parts = _leaves(tree)
    shapes = [np.shape(part) for part in parts]
    cuts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])

    def unflatten(vector: Any) -> Any:
        pieces = (vector[a:b] for a, b in itertools.pairwise(cuts))
        shaped = (np.reshape(x, shape) if shape else x[0] for x, shape in zip(pieces, shapes, strict=True))
        return _filled(tree, shaped)

    return np.concatenate([np.ravel(part) for part in parts]) if parts else np.zeros(0), unflatten


def _absent(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("this package has nothing like it")


def _primitive(f: Callable[..., Any]) -> Any:
    """A function of data that is differentiated once ``defvjp`` has said how."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(x, Value) for x in args):
            return f(*args, **kwargs)
        if not call.rules:  # type: ignore[attr-defined]
            raise NotImplementedError("no derivative is defined")
        return _recorded(f, call.rules, args, kwargs)  # type: ignore[attr-defined]

    call.rules = {}  # type: ignore[attr-defined]
    return call


def _recorded(f: Callable[..., Any], rules: dict[int, Any], args: Any, kwargs: Any) -> Any:
    def vjp(g: Any, out: Any, *operands: Any) -> Any:
        pulled = [rules[k](out, *operands)(g) if k in rules else None for k in range(len(operands))]
        return pulled[0] if len(pulled) == 1 else tuple(pulled)

    one, two = (lambda x: f(x, **kwargs)), (lambda x, y: f(x, y, **kwargs))  # a primitive's operands have names
    return tg.primitive(vjp=vjp, name="theirs")(one if len(args) == 1 else two)(*args)


def _defvjp(call: Any, *makers: Any, argnums: Any = None) -> None:
    call.rules.update(zip(range(len(makers)) if argnums is None else argnums, makers, strict=True))


# ---- autograd.numpy


def _array(x: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.array`` of lists with Values in them, which NumPy cannot be asked for."""
    if isinstance(x, list | tuple) and any(isinstance(part, Value) for part in _leaves(x)):
        return np.stack([_array(part) for part in x])
    return x * 1.0 if isinstance(x, Value) else np.array(x, *args, **kwargs)


def _of_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's that takes lists with Values in them as well."""
    return lambda *args, **kwargs: function(*(_array(x) if isinstance(x, list | tuple) else x for x in args), **kwargs)


def _full(shape: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(fill_value, Value):
        return np.broadcast_to(fill_value, shape)
    return np.full(shape, fill_value, *args, **kwargs)


def _norm(x: Any, ord: Any = None, axis: Any = None) -> Any:
    return np.linalg.norm(_array(x) if isinstance(x, list | tuple) else x, ord, axis)


def _make_diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The arrays with their last axis on the diagonal of two axes."""
    matrices = np.expand_dims(x, -1) * np.eye(np.shape(x)[-1])
    return np.moveaxis(matrices, (-2, -1), (axis1, axis2))


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    return np.where(condition) if x is None else np.where(condition, x, y)


def _module(name: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    sys.modules[name] = made
    return made


def install() -> None:
    """Put modules named after autograd's, which call this package, in their place."""
    numpy: Any = _module("autograd.numpy", **{k: x for k, x in vars(np).items() if not k.startswith("__")})
    numpy.__version__ = np.__version__
    vars(numpy).update(array=_array, full=_full, where=_where, isscalar=lambda x: not np.shape(raw(x)))
    vars(numpy).update({name: _of_lists(getattr(np, name)) for name in ("mean", "std", "var", "append")})
    vars(numpy).update(make_diagonal=_make_diagonal)
    for name in ("linalg", "fft", "random"):
        made = _module(f"autograd.numpy.{name}", **vars(getattr(np, name)))
        vars(numpy)[name] = made
    vars(numpy.linalg).update(norm=_norm, _dot=np.matmul, T=np.matrix_transpose)
    tests = _module(
        "autograd.test_util",
        check_grads=check_grads, combo_check=combo_check, check_equivalent=check_equivalent, scalar_close=scalar_close,
    )  # fmt: skip
    _module("autograd.core", make_vjp=_core_vjp, primitive=_primitive, primitive_vjps={})
    _module("autograd.tracer", primitive=_primitive, isbox=lambda x: isinstance(x, Value))
    _module("autograd.extend", primitive=_primitive, defvjp=_defvjp)
    _module("autograd.misc", flatten=_flatten, const_graph=_absent)
    _module("autograd.wrap_util", unary_to_nary=lambda f: _with_argnum(f))
    containers: dict[str, Any] = {"tuple": tuple, "list": list, "dict": dict, "isinstance": _isinstance}
    _module("autograd.builtins", **containers)
    _module(
        "autograd",
        numpy=numpy, test_util=tests, **containers, make_vjp=make_vjp,
        grad=lambda f, argnum=0: tg.grad(f, _places(argnum)),
        value_and_grad=lambda f, argnum=0: tg.value_and_grad(f, _places(argnum)),
        elementwise_grad=lambda f, argnum=0: tg.elementwise_grad(f, _places(argnum)),
        deriv=_with_argnum(lambda f, x: tg.jvp(f, (x,), (1.0,))[1]),
        jacobian=lambda f, argnum=0: tg.jacobian(f, _places(argnum)),
        hessian=lambda f, argnum=0: tg.hessian(f, _places(argnum)),
        make_jvp=lambda f, argnum=0: lambda *args: lambda v: (
            lambda made: tg.jvp(made[0], (made[1],), (v,)))(_unary(f, argnum, args, {})),
        make_hvp=lambda f: lambda x: (lambda v: tg.hvp(f, x, v), tg.grad(f)(x)),
        hessian_tensor_product=lambda f: lambda x, v: tg.hvp(f, x, v),
        tensor_jacobian_product=lambda f: lambda x, v: tg.jacobian(lambda u: np.tensordot(v, f(u), np.ndim(v)))(x),
        grad_and_aux=lambda f: tg.grad(f, has_aux=True),
        make_ggnvp=_ggnvp, checkpoint=tg.checkpoint, holomorphic_grad=_absent,
    )  # fmt: skip


def _places(argnum: Any) -> Any:
    return tuple(argnum) if isinstance(argnum, list) else argnum


def _isinstance(x: Any, kind: Any) -> bool:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return isinstance(x, kinds) or (isinstance(x, Value) and np.ndarray in kinds)


# ---- running


class Report:
    """What became of each test."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid.rpartition("/")[2]
        if report.when == "call" and report.passed:
            self.passed.append(name)
        elif report.failed:
            self.failed[name] = str(getattr(report.longrepr, "reprcrash", report.longrepr)).rpartition(": ")[2]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed[report.nodeid] = str(report.longrepr).splitlines()[-1]


def run(folder: Path, *options: str) -> Report:
    """Run the tests in ``folder``."""
    import pytest

    install()
    report = Report()
    ignored = [f"--ignore={folder / name}" for name in LEFT_OUT]
    pytest.main(
        [str(folder), "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null",
         f"--rootdir={folder}", "-W", "ignore", *ignored, *options],
        plugins=[report],
    )  # fmt: skip
    return report


if __name__ == "__main__":
    done = run(Path(sys.argv[1]).resolve(), *sys.argv[2:])
    total = len(done.passed) + len(done.failed)
    print(f"\n{len(done.passed)} of {total} passed")
    for name, why in done.failed.items():
        print(f"  {name}: {why[:150]}")
