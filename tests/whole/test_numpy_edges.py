"""Shapes, axes and layouts that hypothesis thinks of, and numbers at the edge of what a float holds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.oracles.differences import slope
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.errors import ArgumentError, IndexRangeError, ShapeError, ValueTypeError
from tinygrad_lite.ops import decompositions
from tinygrad_lite.ops.numpy_dispatch import UFUNCS

# ---- any shape, any axes, any layout ---------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "transposed": lambda x: x.T.copy().T,
}
REDUCTIONS = [
    "sum", "prod", "mean", "max", "min", "ptp", "var", "std", "median", "nansum", "nanprod", "nanmean", "nanmax",
    "nanvar",
]  # fmt: skip
ALONG_ONE = ["cumsum", "cumprod", "sort", "flip", "diff", "nancumsum"]
OF_ALL_SHAPES = ["ravel", "transpose", "atleast_1d", "atleast_2d", "atleast_3d", "nan_to_num", "sinc", "square"]


@st.composite
def arrays(draw: Any, least: int = 0) -> Any:
    """An array of up to three axes of length ``least`` to 3, in any layout, all elements apart."""
    shape = tuple(draw(st.lists(st.integers(least, 3), max_size=3)))
    x = np.random.default_rng(draw(st.integers(0, 99))).permutation(np.linspace(-1.7, 1.9, int(np.prod(shape))))
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](x.reshape(shape))


def held(function: Callable[[Any], Any], x: Any) -> None:
    """Value as NumPy's, gradient and tangent as the differences of NumPy's in a random direction."""
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(x.shape)
    expected = function(x)
    out = function(Value(x))
    assert out.shape == np.shape(expected)
    assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)
    cotangent = rng.standard_normal(out.shape)
    before = x.copy()
    v = Value(x)
    function(v).backward(cotangent)
    along = slope(lambda t: np.sum(cotangent * function(x + t * direction)))
    grad = v.grad if v.has_grad else np.zeros(x.shape)
    assert_allclose(np.sum(grad * direction), along, rtol=1e-7, atol=1e-7)
    tangent = tg.jvp(function, (x if x.shape else float(x),), (direction if x.shape else float(direction),))[1]
    assert_allclose(np.sum(tangent * cotangent), along, rtol=1e-7, atol=1e-7)
    assert_array_equal(x, before)


@given(arrays(least=1), st.data())
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, x: Any, data: st.DataObject) -> None:
    axes = data.draw(st.none() | st.lists(st.sampled_from(range(-x.ndim, x.ndim)), unique_by=lambda k: k % x.ndim)
                     .map(tuple)) if x.ndim else None  # fmt: skip
    keepdims = data.draw(st.booleans())
    assume(name != "std" or not np.any(np.isclose(np.std(x, axis=axes), 0.0)))  # a root of 0 has no slope
    assume(name != "median" or axes != ())  # NumPy's median of nothing in particular fails
    held(lambda v: getattr(np, name)(v, axis=axes, keepdims=keepdims), x)


@given(arrays())
@pytest.mark.parametrize("name", ["sum", "prod", "nansum"])
def test_reductions_of_nothing(name: str, x: Any) -> None:
    held(getattr(np, name), x)


@given(arrays(least=1), st.data())
@pytest.mark.parametrize("name", ALONG_ONE)
def test_functions_along_one_axis(name: str, x: Any, data: st.DataObject) -> None:
    assume(x.ndim)
    axis = data.draw(st.sampled_from(range(-x.ndim, x.ndim)))
    held(lambda v: getattr(np, name)(v, axis=axis), x)


@given(arrays())
@pytest.mark.parametrize("name", OF_ALL_SHAPES)
def test_functions_of_all_shapes(name: str, x: Any) -> None:
    held(getattr(np, name), x)


@given(arrays(least=1), st.integers(1, 3))
def test_take_along_axis_and_gather(x: Any, n: int) -> None:
    assume(x.ndim)
    indices = np.random.default_rng(n).integers(0, x.shape[0], (n, *x.shape[1:]))
    held(lambda v: np.take_along_axis(v, indices, 0), x)


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["full", "same", "valid"]))
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_convolutions(name: str, n: int, m: int, mode: str) -> None:
    rng = np.random.default_rng(n)
    a, v = rng.standard_normal(n), rng.standard_normal(m)
    held(lambda x: getattr(np, name)(x, v, mode), a)
    held(lambda x: getattr(np, name)(a, x, mode), v)


# ---- numbers at the edge ---------------------------------------------------------------------------------------------

EDGES = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-310, 1.0, -1.0, 1e308, -1e308, np.inf, -np.inf, np.nan])
ELEMENTWISE = [ufunc for ufunc in UFUNCS if ufunc.signature is None]


@pytest.mark.parametrize("ufunc", ELEMENTWISE, ids=lambda f: f.__name__)
def test_edges_are_numpy_s(ufunc: np.ufunc) -> None:
    operands = [EDGES] if ufunc.nin == 1 else [np.repeat(EDGES, len(EDGES)), np.tile(EDGES, len(EDGES))]
    with np.errstate(all="ignore"):
        expected = ufunc(*operands)
        values = [Value(x) for x in operands]
        out = ufunc(*values)
        scalars = [ufunc(*map(Value, map(float, at))).data for at in zip(*operands, strict=True)]
    for found in (out.data, np.array(scalars)):
        assert_allclose(found, expected, rtol=1e-13, atol=1e-323, equal_nan=True)
        zero = expected == 0
        assert_array_equal(np.signbit(found)[zero], np.signbit(expected)[zero])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing to be heard of from a backward pass
        out.backward(np.ones(out.shape))
    for value in values:
        assert value.grad.shape == value.shape


@pytest.mark.parametrize("name", [*REDUCTIONS, "nanmin", "cumsum", "cumprod", "sort"])
@pytest.mark.parametrize("extreme", [np.inf, -np.inf, np.nan, 1e308, 5e-324, -0.0])
def test_reductions_pass_on_what_numpy_passes_on(name: str, extreme: float) -> None:
    if (name, extreme) == ("cumprod", 1e308):
        return  # in NumPy's order it overflows before it meets the 0
    for data in (np.array([1.0, extreme, 2.0]), np.array([extreme, extreme, 0.0]), np.array([[extreme], [1.0]])):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # NumPy's own, of a slice that is nothing but NaN
            expected = getattr(np, name)(data, axis=0)
            out = getattr(np, name)(Value(data), axis=0)
        assert_allclose(out.data, expected, rtol=1e-13)
        out.backward(np.ones(out.shape))


def test_all_nan_and_large_norms() -> None:
    x = Value([np.nan, np.nan])
    assert np.isnan(np.nanmax(x).data)
    assert np.isnan(np.nanmin(x).data)
    assert np.nansum(x).data == 0.0
    for ord in (1, 2, 3, 0.5, np.inf, -np.inf, "fro", "nuc"):
        zero = Value(np.zeros((2, 2)))
        axis = None if isinstance(ord, str) else 1
        np.linalg.norm(zero, ord, axis).sum().backward()
        assert np.all(np.isfinite(zero.grad)), ord
    huge = Value([3e200, 4e200])
    y = np.linalg.norm(huge, 3)
    y.backward()
    assert_allclose(y.data, (3**3 + 4**3) ** (1 / 3) * 1e200, rtol=1e-13)
    assert np.all(np.isfinite(huge.grad))


def test_sinc_near_zero_to_order_3() -> None:
    for x in (0.0, 1e-9, -1e-9, 1e-4):
        f: Any = np.sinc
        for order, expected in enumerate((1.0, -(np.pi**2) * x / 3, -(np.pi**2) / 3, np.pi**4 * x / 5)):
            assert_allclose(
                float(f(Value(x)).data if order == 0 else f(x)), expected, rtol=1e-6, atol=1e-5 if order > 2 else 1e-14
            )
            f = tg.grad(np.sinc if order == 0 else f)


def test_the_determinant_of_a_singular_matrix() -> None:
    for data, cofactors in (
        ([[1.0, 2.0], [2.0, 4.0]], [[4.0, -2.0], [-2.0, 1.0]]),
        (np.zeros((2, 2)), np.zeros((2, 2))),
        (np.diag([1.0, 2.0, 0.0]), np.diag([0.0, 0.0, 2.0])),
        ([[0.0]], [[1.0]]),
    ):
        x = Value(data)
        np.linalg.det(x).backward()
        assert_allclose(x.grad, cofactors, atol=1e-14)


def test_equal_eigenvalues_and_singular_values_keep_gradients_finite() -> None:
    for function in (
        lambda v: np.linalg.eigh(v)[0].sum(),
        lambda v: np.linalg.eigh(v)[1].sum(),
        lambda v: np.linalg.svd(v)[1].sum(),
        lambda v: np.linalg.svd(v)[0].sum(),
        lambda v: np.linalg.norm(v, "nuc"),
    ):
        x = Value(np.eye(3))
        function(x).backward()
        assert np.all(np.isfinite(x.grad))
    x = Value(2.0 * np.eye(3))
    np.linalg.eigh(x)[0].sum().backward()
    assert_allclose(x.grad, np.eye(3), atol=1e-14)


@pytest.mark.parametrize("n", [60])
def test_gradients_of_large_decompositions_need_no_jacobian(n: int, rng: np.random.Generator) -> None:
    """60 by 60 is 13 million entries, more than are made: gradients of order 1 and 2 do without, counts say so."""
    x = Value(rng.standard_normal((n, n)))
    y = np.log(np.diagonal(np.linalg.cholesky(x @ x.T + n * np.eye(n)))).sum()
    y.backward()
    assert_allclose(x.grad, np.linalg.solve(x.data @ x.data.T + n * np.eye(n), x.data), rtol=1e-9)

    def f(a: Any) -> Any:
        return np.log(np.diagonal(np.linalg.cholesky(a @ a.T + n * np.eye(n)))).sum()

    v = rng.standard_normal((n, n))
    expected = slope(lambda t: np.linalg.solve((x.data + t * v) @ (x.data + t * v).T + n * np.eye(n), x.data + t * v))
    assert_allclose(tg.hvp(f, x.data, v), expected, rtol=1e-6, atol=1e-10)
    with pytest.raises(
        ArgumentError, match=r"cholesky: path queries need the full Jacobian .* at most 10,000,000 .*gradients"
    ):
        tg.sweep(y, tg.semirings.COUNT, wrt=x)


@pytest.mark.parametrize(
    ("part", "function"),
    [
        ("gaps_of", lambda v: np.linalg.eigh(v @ v.T + np.diag([1.0, 5.0, 9.0]))[1]),
        ("gaps_of", lambda v: np.linalg.svd(v)[0]),
        ("on_diagonal", lambda v: np.linalg.svd(v)[1]),
        ("_half_diagonal", lambda v: np.linalg.cholesky(v @ v.T + np.diag([1.0, 5.0, 9.0]))),
        ("_folded", lambda v: np.linalg.eigh(v @ v.T + np.diag([1.0, 5.0, 9.0]))[0]),
        ("tril", lambda v: np.linalg.qr(v)[0]),
        ("inv", lambda v: np.linalg.qr(v)[1]),
    ],
)
def test_a_wrong_part_of_a_decomposition_is_caught(
    part: str, function: Any, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((3, 3))
    held(function, x)
    right = getattr(decompositions, part)
    monkeypatch.setattr(decompositions, part, lambda *rest: right(*rest) * 1.0005)
    with pytest.raises(AssertionError, match="Not equal"):
        held(function, x)


# ---- complex numbers and other refusals ------------------------------------------------------------------------------


def test_complex_numbers_are_refused() -> None:
    for call in (
        lambda: Value(np.ones(2) * 1j),
        lambda: Value(1j),
        lambda: Value([1.0]) * 1j,
        lambda: np.linalg.solve(Value(np.eye(2)), np.ones(2) * 1j),
        lambda: np.concatenate([Value([1.0]), np.array([1j])]),
    ):
        with pytest.raises(ValueTypeError, match=r"complex|needs a number"):
            call()
    with pytest.raises(ValueTypeError, match=r"^astype: .*complex128 has no derivative"):
        Value([1.0]).astype(complex)


X = Value(np.ones((2, 3)), name="x")
S = Value(np.array([[1.0, 2.0], [2.0, 4.0]]), name="s")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.linalg.inv(S), ArgumentError, r"inv: the matrix of shape \(2, 2\) has none \(Singular matrix\)"),
        (lambda: np.linalg.solve(S, np.ones(2)), ArgumentError, r"solve: the matrix .* has none"),
        (lambda: np.linalg.cholesky(-S), ArgumentError, r"cholesky: .*not positive definite"),
        (lambda: np.linalg.inv(X), ShapeError, r"inv: needs square matrices, .* got 'x' \(of shape \(2, 3\)\)"),
        (lambda: np.linalg.det(X[0]), ShapeError, r"det: needs square matrices"),
        (lambda: np.linalg.svd(X), ArgumentError, r"svd: 'x' .* is not square.*pass full_matrices=False"),
        (lambda: np.linalg.qr(X.T, "complete"), ArgumentError, r"qr: the columns that mode 'complete' adds"),
        (lambda: np.linalg.qr(X, "raw"), ArgumentError, r"qr: mode is 'reduced', 'complete' or 'r', got 'raw'"),
        (lambda: np.linalg.eigh(S, "X"), ArgumentError, r"eigh: UPLO is 'L' or 'U'"),
        (lambda: np.linalg.norm(X, "max"), ArgumentError, r"norm: ord='max' is no order of a matrix's norm"),
        (lambda: np.linalg.norm(X[0], "fro"), ArgumentError, r"norm: ord='fro' is no order of a vector's norm"),
        (lambda: np.linalg.norm(X, axis=(0, 0), ord=1), ArgumentError, r"norm: a matrix has two different axes"),
        (lambda: np.linalg.matrix_power(S, 0.5), ArgumentError, r"matrix_power: n is an integer, got 0\.5"),
        (lambda: np.linalg.multi_dot([X]), ArgumentError, r"multi_dot: needs two matrices at least, got 1"),
        (lambda: np.linalg.solve(S, X.T), ShapeError, r"solve: 's' .* different numbers of rows"),
        (lambda: np.max(X, where=X.data > 0), ArgumentError, r"max: where= may leave nothing .*pass initial="),
        (lambda: np.sum(X, where=np.ones(2, bool)), ShapeError, r"sum: where of shape \(2,\) does not fit 'x'"),
        (lambda: np.quantile(X, 1.5), ArgumentError, r"quantile: a share is from 0 to 1"),
        (lambda: np.quantile(X, Value(0.5)), ValueTypeError, r"quantile: q is a constant, got .*pass its \.data"),
        (lambda: np.quantile(X, 0.5, method="weibull"), ArgumentError, r"quantile: method='weibull' is not supported"),
        (lambda: np.median(Value(np.ones(0))), ShapeError, r"median: .* has no elements"),
        (lambda: np.partition(X, 3), ArgumentError, r"partition: kth=3 is not among the 3 places"),
        (lambda: np.diff(X, n=-1), ArgumentError, r"diff: n is how often"),
        (lambda: np.diff(Value(1.0)), ShapeError, r"diff: needs an axis"),
        (lambda: np.gradient(X, 1.0, 2.0, axis=0), ArgumentError, r"gradient: needs one distance"),
        (lambda: np.gradient(X, axis=0, edge_order=2), ShapeError, r"gradient: needs 3 elements along each axis"),
        (lambda: np.gradient(X, np.ones(5), axis=1), ShapeError, r"gradient: coordinates of shape \(5,\)"),
        (lambda: np.interp(X, np.ones(2), np.ones(3)), ShapeError, r"interp: needs as many points in xp as in fp"),
        (lambda: np.convolve(X, np.ones(2)), ShapeError, r"convolve: needs vectors"),
        (lambda: np.convolve(X[0], np.ones(2), "half"), ArgumentError, r"convolve: mode is 'full', 'same' or"),
        (lambda: np.cross(X[:, :2], X[:, :2]), ShapeError, r"cross: needs vectors of three components"),
        (lambda: np.rot90(X, axes=(0, 0)), ArgumentError, r"rot90: needs two different axes"),
        (lambda: np.diagonal(X[0]), ShapeError, r"diagonal: needs a matrix"),
        (lambda: np.diagonal(X, 0, 1, 1), ArgumentError, r"diagonal: needs two different axes"),
        (lambda: np.dsplit(X, 2), ShapeError, r"dsplit: needs 3 axes at least"),
        (lambda: np.array_split(X, 0), ArgumentError, r"array_split: needs at least one part"),
        (lambda: np.take_along_axis(X, np.zeros(2, int), 1), ShapeError, r"take_along_axis: needs as many axes"),
        (lambda: np.take_along_axis(X, np.zeros((2, 1)), 1), ArgumentError, r"take_along_axis: needs integer"),
        (lambda: np.take(X, [0], mode="hop"), ArgumentError, r"take: mode is 'raise', 'wrap' or 'clip'"),
        (lambda: np.reshape(X, 6, order="A"), ArgumentError, r"reshape: order is 'C' or 'F'"),
        (lambda: np.einsum(X, [0, 99]), ArgumentError, r"einsum: takes subscripts as text .* or a list of numbers"),
        (lambda: np.einsum(X, 1), ArgumentError, r"einsum: takes subscripts as text .*; got the number 1"),
        (lambda: np.average(X, 0, np.ones(3)), ShapeError, r"average: weights of shape \(3,\) for 'x'"),
        (lambda: np.average(X, 1, [1.0, -1.0, 0.0]), ArgumentError, r"average: the weights of 'x' .* add up to 0"),
        (lambda: np.cov(X[None]), ShapeError, r"cov: needs a vector or a matrix"),
        (lambda: np.cov(X, aweights=np.ones(2)), ShapeError, r"cov: weights of 'x' .* for each of 3 observations"),
        (lambda: np.cov(X, ddof=3), ArgumentError, r"cov: ddof=3 leaves no degree of freedom for 3 observations"),
        (lambda: np.cov(X[:, :0]), ShapeError, r"cov: needs one variable and one observation"),
        (lambda: np.polyval(X, 2.0), ShapeError, r"polyval: needs a list or a vector of coefficients"),
        (lambda: np.vander(X), ShapeError, r"vander: needs a vector, got 'x'"),
        (lambda: np.vander(X[0], -1), ArgumentError, r"vander: N is a number of columns"),
        (lambda: np.meshgrid(X, X), ShapeError, r"meshgrid: needs vectors"),
        (lambda: np.meshgrid(X[0], indexing="yx"), ArgumentError, r"meshgrid: indexing is 'xy' or 'ij'"),
        (lambda: np.geomspace(X, -1.0), ArgumentError, r"geomspace: numbers at equal ratios have one sign"),
        (lambda: np.block([[X], X]), ArgumentError, r"block: needs lists that are not empty"),
        (lambda: np.delete(X, 9), IndexRangeError, r"delete: the index 9 does not fit"),
        (lambda: np.insert(X, 9, 1.0), IndexRangeError, r"insert: the index 9 does not fit"),
        (lambda: np.insert(X, [0, 1], np.ones(3)), ShapeError, r"broadcast_to: "),
        (lambda: np.resize(X[:0], 2), ShapeError, r"resize: .* has no elements to fill the shape \(2,\) with"),
        (lambda: np.choose([0.0], [X]), ArgumentError, r"choose: needs integer indices"),
        (lambda: np.choose([-1], [X]), IndexRangeError, r"choose: numbers from 0 to 0 choose among 1 arrays"),
        (lambda: np.choose([1], [X]), IndexRangeError, r"choose: numbers from 0 to 0 choose among 1 arrays"),
        (lambda: np.choose([1], [X], mode="hop"), ArgumentError, r"choose: mode is 'raise', 'wrap' or 'clip'"),
        (lambda: np.piecewise(X, [X.data > 0], [1.0, 2.0, 3.0]), ArgumentError, r"piecewise: 1 conditions take"),
        (lambda: np.apply_along_axis(np.sum, 0, X[:, :0]), ArgumentError, r"apply_along_axis: .* has no slices"),
        (lambda: np.linalg.lstsq(X, np.ones(3)), ShapeError, r"lstsq: needs a matrix and as many rows beside it"),
        (lambda: np.linalg.cond(X, 3), ShapeError, r"inv: needs square matrices"),
        (lambda: np.linalg.cond(X[:, :2] + np.eye(2), 3), ArgumentError, r"norm: ord=3 is no order of a matrix's norm"),
        (lambda: np.linalg.eigvals(Value([[0.0, 1.0], [-1.0, 0.0]])), ArgumentError,
         r"eig: the matrix of shape \(2, 2\) has complex eigenvalues, and Values are real"),
        (lambda: np.fft.rfft(X, 0), ArgumentError, r"rfft: needs one point at least"),
        (lambda: np.fft.fft(X, norm="half"), ArgumentError, r"fft: norm is 'backward', 'ortho' or 'forward'"),
        (lambda: np.fft.fftn(X, (2,), axes=(0, 1)), ArgumentError, r"fftn: s=\(2,\) has another length than axes"),
        (lambda: tg.ComplexPair(X, X[0]), ShapeError, r"ComplexPair: parts of the shapes"),
        (lambda: X * np.fft.fft(X), ValueTypeError, r"ComplexPair: a real function takes its .real .* pair \* v"),
        (lambda: np.sort(np.fft.fft(X)), ValueTypeError, r"sort: it does not take a ComplexPair"),
        (lambda: np.sin(np.fft.fft(X)), ValueTypeError, r"sin: it does not take a ComplexPair"),
        (lambda: np.fft.fft(X) ** 0.5, ValueTypeError, r"ComplexPair: powers are whole"),
        (lambda: np.linspace(X, 1.0, -1), ArgumentError, r"linspace: num is how many"),
        (lambda: np.pad(X, (1, 2, 3)), ShapeError, r"pad: pad_width=\(1, 2, 3\) does not fit 'x'"),
        (lambda: np.pad(X, 1, constant_values=Value(1.0)), ValueTypeError, r"pad: constant_values are constants"),
        (lambda: np.rollaxis(X, 0, 9), ArgumentError, r"rollaxis: start=9 does not fit 'x'"),
        (lambda: X.astype(int), ValueTypeError, r"astype: 'x' .* is of floats"),
        (lambda: tg.sliding_window_view(X, (2, 2, 2)), ArgumentError, r"sliding_window_view: window_shape \(2, 2, 2\)"),
        (lambda: tg.sliding_window_view(X, 9, 0), ShapeError, r"sliding_window_view: a window of 9 does not fit"),
        (lambda: tg.select([], []), ArgumentError, r"select: needs a choice for each condition"),
    ],
)  # fmt: skip
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_every_line_of_the_table_that_numpy_has_is_asked_at_the_edges() -> None:
    assert {rule.ufunc for rule in TABLE.values() if rule.ufunc} <= {ufunc.__name__ for ufunc in ELEMENTWISE}


# ---- compiled, replayed, compared ------------------------------------------------------------------------------------

COMPILED: dict[str, Callable[[Any, Any], Any]] = {
    "sort": lambda w, x: (np.sort(w @ x, axis=0) * np.arange(9.0).reshape(3, 3)).sum(),
    "median": lambda w, x: np.median(w @ x, axis=0).sum(),
    "floor": lambda w, x: (w * np.floor(3.0 * (w @ x))).sum(),
    "mod": lambda w, x: ((w @ x) % 0.7).sum(),
    "inv": lambda w, x: np.linalg.inv(w @ x + 9.0 * np.eye(3)).sum(),
    "det": lambda w, x: np.linalg.det(w @ x),
    "svd": lambda w, x: np.linalg.svd(w @ x)[1].sum(),
    "cholesky": lambda w, x: np.linalg.cholesky(w @ w.T + x @ x.T + np.eye(3)).sum(),
    "interp": lambda w, x: np.interp(w @ x, [-2.0, 0.0, 2.0], [0.0, 1.0, 5.0]).sum(),
    "convolve": lambda w, x: np.convolve((w @ x)[0], w[1]).sum(),
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_and_replayed_with_other_numbers(name: str, rng: np.random.Generator) -> None:
    """What is chosen by the numbers is chosen anew."""
    w = Value(rng.standard_normal((3, 3)), name="w")
    step = tg.compile(lambda x: COMPILED[name](w, x))
    first = Value(rng.standard_normal((3, 3)), requires_grad=False)
    recorded = COMPILED[name](w, first)
    for _ in range(3):
        x = rng.standard_normal((3, 3))
        w.zero_grad()
        loss, found = step(x), w.grad.copy()
        w.zero_grad()
        eager = COMPILED[name](w, Value(x, requires_grad=False))
        eager.backward()
        assert_allclose(loss, eager.item(), rtol=1e-12)
        assert_allclose(found, w.grad, rtol=1e-10)
        if name not in ("floor", "interp"):  # a constant, and a place in the grid, are recorded with their numbers
            assert_allclose(tg.replay(recorded, {first: x}), eager.item(), rtol=1e-12)


def test_compare_knows_what_has_no_complex_step() -> None:
    x = Value(np.array([[2.0, 0.5], [0.25, 3.0]]), name="x")
    assert tg.compare(np.linalg.inv(x).sum(), wrt=[x])
    compared = tg.compare(np.linalg.cholesky(x).sum(), wrt=[x])
    assert compared
    assert "'cholesky' does not take complex numbers" in str(compared)
