"""Programs as data: equal calls are noted once, and the passes keep what is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.programs.calls import Call, Program, Slot, folded, mapped, needed, read_once, reads


def noted(program: Program, function: Any, *args: Any, kind: str = "ufunc", **options: Any) -> Slot:
    return program.call(kind, function, args, options, np.zeros(2))


def test_equal_calls_are_noted_once() -> None:
    program, x, y = Program(), Slot(np.ones(2)), Slot(np.ones(2))
    first = noted(program, np.add, x, y)
    assert noted(program, np.add, x, y) is first
    assert noted(program, np.add, y, x) is first, "a sum is the same either way round"
    assert noted(program, np.subtract, x, y) is not noted(program, np.subtract, y, x)
    assert noted(program, np.add, x, 1.0) is not noted(program, np.add, x, 1), "1 is no float"
    assert noted(program, np.add, x, 0.0) is not noted(program, np.add, x, -0.0)
    assert noted(program, np.sum, x, kind="reduce", axis=0) is not noted(program, np.sum, x, kind="reduce", axis=1)
    assert len(program.calls) == 9


def test_fresh_memory_and_effects_are_noted_each_time() -> None:
    program, x = Program(), Slot(np.ones(2))
    made = [program.call("ufunc", np.exp, (x,), {}, np.ones(2), fresh=True) for _ in range(2)]
    checked = [program.call("finite", None, (x,), {}, None) for _ in range(2)]
    assert len({*made, *checked}) == len(program.calls) == 4


def test_calls_are_forgotten_together_with_their_keys() -> None:
    program, x = Program(), Slot(np.ones(2))
    kept, gone = noted(program, np.exp, x), noted(program, np.log, x)
    program.back_to(1)
    assert noted(program, np.exp, x) is kept
    assert noted(program, np.log, x) is not gone


def test_a_slot_is_forgotten_under_every_key() -> None:
    program, x = Program(), Slot(np.ones(2))
    one, other = noted(program, np.exp, x), noted(program, np.log, x)
    program.enter(Call("ufunc", np.exp, (x,), {}, one), "again")
    program.enter(Call("ufunc", np.exp, (x,), {}, one), "another's")
    program.enter(Call("ufunc", np.log, (x,), {}, other), "another's")
    program.forget(one)
    assert program.known("again") is None
    assert program.known("another's") is other
    assert noted(program, np.exp, x) is not one
    assert noted(program, np.log, x) is other


def test_what_nobody_reads_is_dropped() -> None:
    program, x = Program(), Slot(np.ones(2))
    a = noted(program, np.exp, x)
    b = noted(program, np.concatenate, [a, (a, x)], kind="reduce")
    noted(program, np.log, x)
    check = program.call("finite", None, (a,), {}, None)
    assert [call.out for call in needed(program.calls, [b])] == [a, b]
    kept = needed(program.calls, [b], lambda call, read: call.kind == "finite")
    assert [call.out for call in kept] == [a, b, check]


def test_results_that_are_read_once() -> None:
    program, x = Program(), Slot(np.ones(2))
    once = noted(program, np.exp, x)
    twice = noted(program, np.log, once)
    both = noted(program, np.multiply, twice, twice)
    assert read_once(program.calls, [both]) == {once}
    assert read_once(program.calls, [both, once]) == set()


def test_source_reads_an_argument_as_often_as_it_names_it() -> None:
    x, y = Slot(1.0), Slot(2.0)
    assert list(reads(Call("text", "{0} * {1} * {0}", (x, y), {}, Slot(2.0)))) == [x, x, y]


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [x], lambda x: (1, [x]), lambda x: {"axis": x}])
def test_arguments_are_mapped_wherever_they_stand(form: Any) -> None:
    x, y = Slot(1.0), Slot(2.0)
    assert mapped(form(x), Slot, lambda slot: y) == form(y)


# ---- folding ---------------------------------------------------------------------------------------------------------


def noted_ufunc(program: Program, ufunc: Any, a: Any, b: Any) -> Slot:
    return program.call("ufunc", ufunc, (a, b), {}, 0.5)


def value(x: Any, given_: dict[Slot, float]) -> float:
    """What a slot is for these inputs, by its calls."""
    if not isinstance(x, Slot):
        return float(x)
    if x.call is None:
        return given_[x]
    with np.errstate(all="ignore"):
        return float(x.call.function(*(value(part, given_) for part in x.call.args)))


@pytest.mark.parametrize(
    ("ufunc", "a", "b", "kept"),
    [
        (np.multiply, "x", 1.0, "x"),
        (np.multiply, 1.0, "x", "x"),
        (np.subtract, "x", 0.0, "x"),
        (np.multiply, 3.0, 0.5, 1.5),
        (np.add, 3.0, 0.5, 3.5),
        (np.subtract, 3.0, 0.5, 2.5),
        (np.add, "x", 0.0, None),  # -0.0 + 0.0 is 0.0
        (np.subtract, "x", -0.0, None),
        (np.multiply, "x", 0.0, None),  # nan for an infinite x
    ],
)
def test_one_operation(ufunc: Any, a: Any, b: Any, kept: Any) -> None:
    program, x = Program(), Slot(0.5)
    names = {"x": x}
    out = noted_ufunc(program, ufunc, names.get(a, a), names.get(b, b))
    (end,), finite = folded(program.calls, [out], {}, optimistic=True)
    assert end is (out if kept is None else names.get(kept, end))
    assert not isinstance(kept, float) or end == kept
    assert not finite


def test_a_known_slot_is_its_number() -> None:
    program, x, one = Program(), Slot(0.5), Slot(1.0)
    (end,), _ = folded(program.calls, [noted_ufunc(program, np.multiply, x, one)], {one: 1.0}, optimistic=False)
    assert end is x


@pytest.mark.parametrize(("a", "b", "merges"), [(0.125, 3.0, True), (3.0, 0.5, True), (0.1, 0.3, False)])
def test_numbers_are_multiplied_beforehand_where_that_is_exact(a: float, b: float, merges: bool) -> None:
    program, x = Program(), Slot(0.5)
    out = noted_ufunc(program, np.multiply, a, noted_ufunc(program, np.multiply, b, x))
    (end,), _ = folded(program.calls, [out], {}, optimistic=False)
    assert len(needed(program.calls, [end])) == (1 if merges else 2)


def test_a_term_of_0_is_dropped_and_its_other_factor_is_to_be_finite() -> None:
    program, x, y = Program(), Slot(0.5), Slot(2.0)
    total = noted_ufunc(program, np.add, y, noted_ufunc(program, np.multiply, x, 0.0))
    (end,), finite = folded(program.calls, [total], {}, optimistic=True)
    assert end is y
    assert list(finite) == [x]
    (end,), finite = folded(program.calls, [total], {}, optimistic=False)
    assert end is total
    assert not finite


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.5, 2.0, -1.0, 3.0, 0.1])


@given(
    st.lists(
        st.tuples(st.sampled_from([np.add, np.subtract, np.multiply]), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    st.lists(NUMBERS, min_size=2, max_size=2),
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=2),
)
def test_the_bits_stay_the_same(drawn: list[Any], numbers: list[float], inputs: list[float]) -> None:
    program, x, y = Program(), Slot(0.5), Slot(0.5)
    items: list[Any] = [x, y, *numbers]
    for ufunc, a, b in drawn:
        items.append(noted_ufunc(program, ufunc, items[-1 - a % len(items)], items[-1 - b % len(items)]))
    at = dict(zip((x, y), inputs, strict=True))
    before = value(items[-1], at)
    (end,), _ = folded(program.calls, [items[-1]], {}, optimistic=False)
    np.testing.assert_array_equal(np.float64(value(end, at)).tobytes(), np.float64(before).tobytes())


def test_one_slot_is_forgotten_and_no_other_key_is_looked_at() -> None:
    class Counted(dict[Any, Any]):
        def items(self) -> Any:
            raise AssertionError("all keys were looked at")

    program, x = Program(), Slot(np.ones(2))
    program._known = Counted()
    kept, gone = noted(program, np.exp, x), noted(program, np.log, x)
    program.forget(gone)
    program.forget(gone)
    program.forget(Slot(1.0))
    assert noted(program, np.exp, x) is kept
    assert noted(program, np.log, x) is not gone
