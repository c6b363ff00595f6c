"""Complex arrays as two real ones: what Fourier transforms make of Values, which are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Value, raw
from ..errors import ShapeError, ValueTypeError
from . import elementary
from .products import matmul
from .registry import NUMPY
from .selection import getitem

__all__ = ["ComplexPair", "made", "pair_of", "parts_of"]


class ComplexPair:
    """A complex array as its real and its imaginary part, each a Value or plain numbers.

    ``np.fft.rfft(v)`` makes one. It takes ``+ - * / @`` and whole powers with other pairs, Values and numbers, complex
    ones too, where it stands first (``pair * v``); ``abs``, ``conj``, indices, ``np.abs``, ``np.angle``, ``np.exp``,
    and what NumPy does to each part alone, such as ``np.sum`` and ``np.reshape``.

    Raises ``ShapeError`` for parts of different shapes.

    >>> v = Value([1.0, 2.0, 3.0, 2.0])
    >>> spectrum = np.fft.rfft(v)
    >>> power = np.abs(spectrum) ** 2
    >>> power.sum().backward()
    >>> power.data.round(9).tolist(), v.grad.round(9).tolist()
    ([64.0, 4.0, 0.0], [12.0, 16.0, 20.0, 16.0])
    >>> np.fft.irfft(spectrum * 1j).data.round(9).tolist()
    [0.0, 1.0, 0.0, -1.0]
    """

    __slots__ = ("imag", "real")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, real: Any, imag: Any) -> None:
        if shape_of(real) != shape_of(imag):
            raise ShapeError(
                f"ComplexPair: parts of the shapes {shape_of(real)} and {shape_of(imag)}; give them one shape"
            )
        self.real, self.imag = real, imag

    @property
    def shape(self) -> Shape:
        """The shape of each part."""
        return shape_of(self.real)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return ndim_of(self.real)

    @property
    def stands_for_data(self) -> bool:
        """Asked where an op takes it for numbers: Values do not know what to do with it."""
        raise ValueTypeError(
            "ComplexPair: a real function takes its .real and .imag, or abs(pair); where it meets a Value the pair "
            "stands first: pair * v"
        )

    def map(self, function: Callable[[Any], Any]) -> ComplexPair:
        """Both parts, each through a linear function of real arrays."""
        return ComplexPair(function(self.real), function(self.imag))

    def conj(self) -> ComplexPair:
        """The complex conjugate."""
        return ComplexPair(self.real, elementary.neg(self.imag))

    conjugate = conj

    def __getitem__(self, key: Any) -> ComplexPair:
        return self.map(lambda part: getitem(part, key))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[ComplexPair]:
        return (self[k] for k in range(len(self)))

    def __abs__(self) -> Any:
        return elementary.hypot(self.real, self.imag)

    def __neg__(self) -> ComplexPair:
        return self.map(elementary.neg)

    def __pos__(self) -> ComplexPair:
        return self

    def __add__(self, other: Any) -> ComplexPair:
        real, imag = parts_of(other)
        return _broadcast(
            elementary.add(self.real, real), self.imag if imag is None else elementary.add(self.imag, imag)
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> ComplexPair:
        real, imag = parts_of(other)
        return _broadcast(
            elementary.sub(self.real, real), self.imag if imag is None else elementary.sub(self.imag, imag)
        )

    def __rsub__(self, other: Any) -> ComplexPair:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> ComplexPair:
        return _product(elementary.mul, self, other)

    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> ComplexPair:
        return _product(matmul, self, other)

    def __rmatmul__(self, other: Any) -> ComplexPair:
        return _product(lambda a, b: matmul(b, a), self, other)

    def __truediv__(self, other: Any) -> ComplexPair:
        real, imag = parts_of(other)
        if imag is None:
            return self.map(lambda part: elementary.div(part, real))
        size = elementary.add(elementary.square(real), elementary.square(imag))
        return self * ComplexPair(elementary.div(real, size), elementary.div(elementary.neg(imag), size))

    def __rtruediv__(self, other: Any) -> ComplexPair:
        return pair_of(other).__truediv__(self)

    def __pow__(self, n: int) -> ComplexPair:
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueTypeError(f"ComplexPair: powers are whole and at least 1, got {n!r}; or take abs(pair) ** {n!r}")
        power = self
        for _ in range(int(n) - 1):
            power = power * self
        return power

    def __repr__(self) -> str:
        return f"ComplexPair(real={raw(self.real)!r}, imag={raw(self.imag)!r})"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        function = UFUNCS.get(ufunc)
        if function is None or method != "__call__" or options:
            raise _unknown(ufunc.__name__)
        return function(*inputs)

    def __array_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        if func in FUNCTIONS:
            return FUNCTIONS[func](*args, **options)
        if func in EACH_PART and args and isinstance(args[0], ComplexPair):
            return args[0].map(lambda part: func(part, *args[1:], **options))
        if getattr(func, "__module__", "") == "numpy.fft" and func in NUMPY:
            return NUMPY[func](*args, **options)
        raise _unknown(func.__name__)


def _unknown(name: str) -> ValueTypeError:
    return ValueTypeError(
        f"{name}: it does not take a ComplexPair; compute with its .real and .imag, or with abs(pair)"
    )


def parts_of(x: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of what meets a pair; ``None`` for the second of real numbers."""
    if isinstance(x, ComplexPair):
        return x.real, x.imag
    if isinstance(x, Value):
        return x, None
    x = x if isinstance(x, np.ndarray) else np.asarray(x)[()]
    return (np.real(x), np.imag(x)) if np.iscomplexobj(x) else (x, None)


def made(real: Any, imag: Any) -> Any:
    """Two parts as a pair if one is a Value, else as complex numbers."""
    if isinstance(real, Value) or isinstance(imag, Value):
        return ComplexPair(real, imag)
    return np.add(real, np.multiply(1j, imag))


def _broadcast(real: Any, imag: Any) -> ComplexPair:
    """Parts of which one may have been stretched by a sum."""
    if shape_of(real) != shape_of(imag):
        imag = elementary.add(imag, np.zeros(shape_of(real), getattr(real, "dtype", float)))
    return ComplexPair(real, imag)


def _product(times: Callable[[Any, Any], Any], a: Any, b: Any) -> ComplexPair:
    """The product of two complex arrays, of whichever bilinear kind; each may be real."""
    (ar, ai), (br, bi) = parts_of(a), parts_of(b)
    if bi is None:
        return ComplexPair(times(ar, br), times(ai, br))
    return ComplexPair(elementary.sub(times(ar, br), times(ai, bi)), elementary.add(times(ar, bi), times(ai, br)))


def pair_of(x: Any) -> ComplexPair:
    """Anything as a pair."""
    real, imag = parts_of(x)
    return ComplexPair(real, np.zeros_like(raw(real)) if imag is None else imag)


def _exp(z: ComplexPair) -> ComplexPair:
    size = elementary.exp(z.real)
    return ComplexPair(size * elementary.cos(z.imag), size * elementary.sin(z.imag))


def _norm(z: ComplexPair, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors, or Frobenius' of matrices: that of the sizes of the elements."""
    of_vectors = ndim_of(z) == 1 or isinstance(axis, int | np.integer) or (ord is None and axis is None)
    if not of_vectors and ord not in (None, "fro"):
        raise _unknown(f"norm with ord={ord!r}")
    return np.linalg.norm(abs(z), ord, axis, keepdims)


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: lambda a, b: a + b if isinstance(a, ComplexPair) else b + a,
    np.subtract: lambda a, b: a - b if isinstance(a, ComplexPair) else -b + a,
    np.multiply: lambda a, b: a * b if isinstance(a, ComplexPair) else b * a,
    np.true_divide: lambda a, b: pair_of(a) / b,
    np.matmul: lambda a, b: pair_of(a) @ b,
    np.negative: lambda z: -z,
    np.conjugate: lambda z: z.conj(),
    np.absolute: abs,
    np.square: lambda z: z * z,
    np.exp: _exp,
}
"""What each ufunc of NumPy's does to pairs."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.real: lambda z: z.real,
    np.imag: lambda z: z.imag,
    np.angle: lambda z: elementary.arctan2(z.imag, z.real),
    np.linalg.norm: _norm,
    np.shape: lambda z: z.shape,
    np.ndim: lambda z: z.ndim,
}
"""What NumPy's other functions do to pairs."""

EACH_PART = {
    np.sum, np.mean, np.cumsum, np.diff, np.trace, np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis,
    np.expand_dims, np.squeeze, np.broadcast_to, np.take, np.flip, np.roll, np.repeat, np.tile, np.pad, np.diag,
    np.fft.fftshift, np.fft.ifftshift,
}  # fmt: skip
"""NumPy's functions that are linear, and do the same to each part."""
