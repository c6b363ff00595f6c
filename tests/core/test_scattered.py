"""Cotangents of what is read in parts, against the same programs with a matrix of zeros and ones for each read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, semirings
from tinygrad_lite.core import scattered
from tinygrad_lite.core.scattered import Rows, Scattered, add_at, gathered, is_basic, row_numbers
from tinygrad_lite.errors import NonFiniteError

FEW = np.array([3, 1, 3, -1])
OF_ROWS: list[Any] = [
    2,
    np.int64(-1),
    slice(1, 4),
    slice(None, None, -2),
    [0, 0, 2],
    FEW,
    FEW.reshape(2, 2),
    np.array(3),
    np.array([True, False, True, False, False, True]),
    (FEW, slice(None)),
    (..., FEW, slice(None)),
    (FEW, ...),
    np.array([], int),
    ...,
]
OTHERWISE: list[Any] = [
    (),
    None,
    (FEW, 1),
    (slice(None), 1),
    (slice(None), FEW % 3),
    (FEW, FEW % 3),
    np.arange(18).reshape(6, 3) % 2 == 0,
    (None, FEW),
]
KEYS = OF_ROWS + OTHERWISE


def matrix_of(key: Any, shape: tuple[int, ...]) -> Any:
    """The matrix of zeros and ones that takes the flat elements of an array to those of ``array[key]``."""
    places = np.arange(np.prod(shape)).reshape(shape)[key]
    return np.eye(int(np.prod(shape)))[np.reshape(places, -1)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_adding_at_an_index(key: Any, rng: np.random.Generator) -> None:
    start = rng.normal(size=(6, 3))
    g = rng.normal(size=start[key].shape)
    whole = start.copy()
    add_at(whole, key, g)
    expected = start + (np.reshape(g, -1) @ matrix_of(key, start.shape)).reshape(start.shape)
    assert_allclose(whole, expected, rtol=1e-14)


@pytest.mark.parametrize("key", OF_ROWS, ids=str)
def test_row_numbers(key: Any) -> None:
    rows = row_numbers(key, (6, 3))
    x = np.arange(18.0).reshape(6, 3)
    assert_array_equal(x[rows], x[key].reshape(-1, 3))
    assert rows.min(initial=0) >= 0


@pytest.mark.parametrize("key", OTHERWISE, ids=str)
def test_what_reads_no_whole_rows(key: Any) -> None:
    assert row_numbers(key, (6, 3)) is None


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64, np.int64])
def test_row_numbers_of_every_kind_of_integer(dtype: Any) -> None:
    e = Value(np.ones((40_000, 2)))
    ids = np.array([1, 100, 1], dtype) if np.dtype(dtype).kind == "u" else np.array([1, -100, 1], dtype)
    (e[ids] * e[ids.astype(int)]).sum().backward()
    (e[ids] + e[[2, 3, 4]]).sum().backward()
    expected = np.zeros((40_000, 2))
    np.add.at(expected, ids.astype(int), 3.0)
    expected[2:5] += 1.0
    assert_array_equal(e.grad, expected)


def test_a_truth_value_is_no_number() -> None:
    assert not is_basic(True)
    assert not is_basic((slice(None), False))
    assert row_numbers(True, (2, 2)) is None
    assert is_basic((..., 1, None, slice(2)))


@pytest.mark.parametrize("most", [1, 3, 40])
def test_rows_that_are_named_often_are_added_up(most: int, rng: np.random.Generator) -> None:
    ids = np.repeat(np.arange(30), rng.integers(1, most + 1, size=30))
    rng.shuffle(ids)
    values = rng.normal(size=(ids.size, 2))
    rows = gathered((10_000, 2), np.dtype(float), [(ids, values)])
    assert rows is not None
    expected = np.zeros((10_000, 2))
    np.add.at(expected, ids, values)
    assert_allclose(rows.dense(), expected, rtol=1e-13, atol=1e-15)
    assert_array_equal(rows.ids, np.unique(ids))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_pieces_and_arrays_in_any_order(dtype: type, rng: np.random.Generator) -> None:
    shape = (6, 3)
    for _ in range(200):
        terms = []
        for _ in range(rng.integers(1, 8)):
            key = None if rng.random() < 0.3 else KEYS[rng.integers(len(KEYS))]
            g = rng.integers(-9, 9, size=shape if key is None else np.zeros(shape)[key].shape).astype(dtype)
            terms.append((key, g, np.copy(g)))
        terms.insert(0, (1, np.ones(3, dtype), np.ones(3, dtype)))
        rng.shuffle(terms)
        total: Any = None
        expected = np.zeros(shape)
        for key, g, _ in terms:
            term = g if key is None else Scattered(shape, np.dtype(dtype), key, g)
            total = term if total is None else total + term
            expected += g if key is None else (g.reshape(-1) @ matrix_of(key, shape)).reshape(shape)
        assert_array_equal(np.asarray(total), expected)
        found = total.dense()
        assert type(found) is np.ndarray
        assert found.dtype == dtype
        for _, g, before in terms:
            assert_array_equal(g, before)
            assert not np.shares_memory(g, found)


def test_pieces_wait_for_no_more_memory_than_the_whole_takes() -> None:
    total = Scattered((100, 10), np.dtype(float), 0, np.ones(10))
    for k in range(1, 1000):
        total = total + Scattered((100, 10), np.dtype(float), k % 100, np.ones(10))
        assert total._waiting <= 1000
    assert_array_equal(total.dense(), np.full((100, 10), 10.0))


def test_rows_add_up_with_rows_and_with_arrays(rng: np.random.Generator) -> None:
    shape = (20_000, 2)
    rows = [Rows(shape, ids, rng.normal(size=(len(ids), 2))) for ids in (np.arange(5), np.array([2, 7, 19_999]))]
    total = rows[0] + rows[1]
    assert type(total) is Rows
    assert_array_equal(total.dense(), rows[0].dense() + rows[1].dense())
    array = rng.normal(size=shape)
    for found in (array + rows[1], rows[1] + array):
        assert_array_equal(found, array + rows[1].dense())
        assert not np.shares_memory(found, array)
    half = Rows(shape, np.arange(1, 20_000, 4), np.ones((5_000, 2)))
    assert type(half + Rows(shape, np.arange(0, 20_000, 4), np.ones((5_000, 2)))) is np.ndarray
    assert np.asarray(half, np.float32).dtype == np.float32


# ---- whole programs --------------------------------------------------------------------------------------------------

N, D = 4_096, 4
IDS = np.array([5, 9, 5, -1, 17, 0, 5, 9])
OTHERS = np.array([[9, 3], [5, 5]])
MASK = np.arange(N) % 999 == 3


def picked(x: Any, key: Any) -> Any:
    return x[key]


def multiplied(x: Any, key: Any) -> Any:
    """``x[key]`` for whole rows without an index: by a matrix of zeros and ones."""
    rows = np.arange(N)[key]
    ones = np.zeros((np.size(rows), N), x.dtype)
    ones[np.arange(np.size(rows)), np.reshape(rows, -1)] = 1.0
    return (ones @ x).reshape((*np.shape(rows), *x.shape[1:]))


Program = Callable[[Any, Callable[[Any, Any], Any]], Any]

PROGRAMS: dict[str, Program] = {
    "once": lambda e, at: (at(e, IDS) ** 2).sum(),
    "twice": lambda e, at: (at(e, IDS) ** 2).sum() + (at(e, OTHERS) * at(e, 3)).sum(),
    "of one row": lambda e, at: np.tanh(at(e, 7)).sum(),
    "of a slice": lambda e, at: (at(e, slice(2, 5)) ** 3).sum(),
    "of a mask": lambda e, at: np.exp(at(e, MASK)).sum(),
    "tied": lambda e, at: np.logaddexp(0.0, at(e, IDS) @ e.T).mean(),
    "tied, first": lambda e, at: (np.tanh(e) * 2.0).sum() + (at(e, IDS) ** 2).sum(),
    "of an interior value": lambda e, at: (at(np.tanh(e) * 2.0, IDS) ** 2).sum(),
    "of a part": lambda e, at: (at(e, IDS)[1:3] ** 2).sum(),
    "in a loop": lambda e, at: sum(np.tanh(at(e, k) * at(e, k + 1)).sum() for k in range(9)),
    "taken": lambda e, at: (np.take(e, IDS, axis=0) if at is picked else at(e, IDS)).prod(axis=0).sum(),
    "nothing": lambda e, at: (at(e, np.array([], int)) ** 2).sum() + at(e, 0).sum(),
    "unread": lambda e, at: at(e, IDS).sum() * 0.0 + (at(e, IDS) ** 2).sum(),
}
of_programs = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


def table(rng: np.random.Generator, dtype: Any = np.float64) -> Value:
    return Value(rng.normal(size=(N, D)).astype(dtype), name="E")


def gradient(program: Program, e: Value, at: Callable[[Any, Any], Any], **options: Any) -> Any:
    e.zero_grad()
    program(e, at).backward(**options)
    return e.grad


def near(a: Any, b: Any) -> None:
    scale = np.abs(b).max()
    assert_allclose(a, b, rtol=1e-12, atol=(1e-12 if b.dtype == np.float64 else 1e-6) * scale)


@of_programs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep", [None, "leaves"])
def test_gradients(program: Program, dtype: type, keep: Any, rng: np.random.Generator) -> None:
    e = table(rng, dtype)
    expected = gradient(program, e, multiplied)
    found = gradient(program, e, picked, keep=keep)
    near(found, expected)
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (e.dtype, e.shape)
    assert found.flags.writeable
    assert found.flags.owndata
    assert e.grad is found


@of_programs
def test_gradients_add_up_over_passes(program: Program, rng: np.random.Generator) -> None:
    e = table(rng)
    expected = gradient(program, e, multiplied)
    for read in (False, True):
        for before in PROGRAMS.values():
            also = gradient(before, e, multiplied)
            e.zero_grad()
            before(e, picked).backward()
            if read:
                kept = e.grad
                as_it_was = kept.copy()
            program(e, picked).backward()
            near(e.grad, also + expected)
            if read:
                assert_array_equal(kept, as_it_was)


@of_programs
def test_functions_of_a_table(program: Program, rng: np.random.Generator) -> None:
    e, v = rng.normal(size=(N, D)), rng.normal(size=(N, D))

    def f(x: Any) -> Any:
        return program(x, picked)

    def g(x: Any) -> Any:
        return program(x, multiplied)

    near(tg.grad(f)(e), tg.grad(g)(e))
    near(np.asarray(tg.jvp(f, (e,), (v,))[1]), np.asarray(tg.jvp(g, (e,), (v,))[1]))
    near(tg.vjp(f, e)[1](2.0)[0], tg.vjp(g, e)[1](2.0)[0])
    near(tg.hvp(f, e, v), tg.hvp(g, e, v))
    x = Value(e)
    near(gradient(lambda x, at: tg.checkpoint(f)(x), x, picked), tg.grad(g)(e))


def test_second_derivatives_of_a_loop(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 2))

    def f(x: Any) -> Any:
        h = np.zeros(2)
        for k in range(4):
            h = np.tanh(x[k] * (1.0 + h) + x[[0, 0]].sum())
        return (h * x[1:3]).sum()

    tg.check_grads(f, (x,), order=2)


@pytest.mark.parametrize("statistic", ["COUNT", "MAGNITUDE", "MAX", "ENTROPY"])
def test_statistics_of_paths(statistic: str, rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=(4, 2)), name="x")
    loss = (x[[0, 0, 3]] * x[1]).sum() * x[2, 0] + (x * x)[1:, 1].sum()
    found = tg.sweep(loss, getattr(semirings, statistic), wrt=x)
    for at in np.ndindex(4, 2):
        listed = tg.gradient_paths(loss, x, at=at)
        sizes = [abs(path.contribution) for path in listed]
        if statistic == "COUNT":
            assert found[at] == len(sizes)
        elif statistic == "MAGNITUDE":
            assert found[at] == pytest.approx(sum(sizes))
        elif statistic == "MAX":
            assert found[at] == pytest.approx(max(sizes, default=0.0))
        else:
            shares = [size / sum(sizes) for size in sizes if size]
            assert found[at] == pytest.approx(-sum(p * np.log(p) for p in shares), abs=1e-12)
    loss.backward()
    near(x.grad, tg.sweep(loss, semirings.GRADIENT, wrt=x))


def test_a_second_pass_gives_twice_and_inner_gradients_are_nobodys(rng: np.random.Generator) -> None:
    e = table(rng)
    part = e[IDS]
    loss = (part**2).sum()
    loss.backward()
    part.grad[...] = 7.0
    loss.backward()
    near(e.grad, 2.0 * gradient(PROGRAMS["once"], e, multiplied))
    before = e.grad.copy()
    part.grad[...] = 7.0
    assert_array_equal(e.grad, before)


def test_a_gradient_may_be_changed_in_place(rng: np.random.Generator) -> None:
    e = table(rng)
    gradient(PROGRAMS["once"], e, picked)
    e.grad[...] = 1.0
    e.grad *= 2.0
    assert_array_equal(e.grad, np.full((N, D), 2.0))
    assert "|grad|=256" in repr(e)


def test_a_repr_of_a_gradient_in_rows(rng: np.random.Generator) -> None:
    e = table(rng)
    (e[:2] * 0.0 + e[:2]).sum().backward()
    assert e.has_grad
    assert f"|grad|={np.sqrt(2 * D):.4g}" in repr(e)
    assert "gradient" in e._repr_html_()


def test_two_leaves_share_no_gradient(rng: np.random.Generator) -> None:
    e, f = table(rng), table(rng)
    (e[IDS] + f[IDS]).sum().backward()
    e.grad[...] = 3.0
    near(f.grad, gradient(lambda e, at: at(e, IDS).sum(), f, multiplied))


def test_the_end_is_a_row(rng: np.random.Generator) -> None:
    e = table(rng)
    seed = rng.normal(size=(3, D))
    e[[1, 1, 2]].backward(seed)
    before = e.grad.copy()
    assert_array_equal(before[1], seed[0] + seed[1])
    seed[...] = 0.0
    assert_array_equal(e.grad, before)


def test_a_vector_read_number_by_number(rng: np.random.Generator) -> None:
    for dtype in (np.float32, np.float64):
        x = Value(rng.normal(size=300).astype(dtype))
        sum(x[k] * x[k] * float(k) for k in range(300)).backward()
        assert x.grad.dtype == dtype
        assert_allclose(x.grad, 2.0 * x.data * np.arange(300), rtol=1e-6)


def test_anomalies_in_a_part_are_named() -> None:
    e = Value(np.zeros((N, D)), name="E")
    with (
        pytest.raises(
            NonFiniteError, match=r"the gradient of 'E'.* is inf at element \[5, 0\], back through 'getitem'"
        ),
        tg.detect_anomaly(),
    ):
        ((e[5] + e[[1, 5]][1]) * 1.7e308).sum().backward()


def test_anomaly_detection_lets_parts_pass(rng: np.random.Generator) -> None:
    for program in PROGRAMS.values():
        e = table(rng)
        expected = gradient(program, e, multiplied)
        with tg.detect_anomaly():
            near(gradient(program, e, picked), expected)


# ---- what is not done ------------------------------------------------------------------------------------------------


def test_a_pass_takes_no_memory_of_the_size_of_a_table() -> None:
    e = Value(np.ones((100_000, 8)), name="E")
    loss = (e[IDS] ** 2).sum() + (e[OTHERS] * e[3]).sum()
    tracemalloc.start()
    loss.backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < e.data.nbytes / 20
    assert type(e._grad) is Rows
    assert e.grad.shape == e.shape


def test_the_parts_of_a_loop_are_added_into_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        scattered, "scattered_sum", lambda *args, summed=scattered.scattered_sum: made.append(1) or summed(*args)
    )
    x = Value(np.ones((50, 3)))
    sum((x[k] * x[k]).sum() for k in range(50)).backward()
    assert len(made) == 2  # 100 parts, and an array has as many elements as 50 of them
    assert_array_equal(x.grad, np.full((50, 3), 2.0))
