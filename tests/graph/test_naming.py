"""The names of a network's numbers, read and written in both forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.graph import naming
from tinygrad_lite.graph.naming import Element, Places

small = st.integers(0, 30)
layers = st.integers(1, 30)


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("w201", Element("", "w", 2, (0, 1))),
        ("w2[0,1]", Element("", "w", 2, (0, 1))),
        ("w2[ 0, 1 ]", Element("", "w", 2, (0, 1))),
        ("w1_0_12", Element("", "w", 1, (0, 12))),
        ("w1[0,12]", Element("", "w", 1, (0, 12))),
        ("b21", Element("", "b", 2, (1,))),
        ("b12_1", Element("", "b", 12, (1,))),
        ("b2[11]", Element("", "b", 2, (11,))),
        ("w2", Element("", "w", 2, ())),
        ("w12", Element("", "w", 12, ())),
        ("b2", Element("", "b", 2, ())),
        ("n30@2", Element("", "n", 3, (0,), 2)),
        ("z3_10@12", Element("", "z", 3, (10,), 12)),
        ("n2[3,0]", Element("", "n", 2, (3, 0))),
        ("x0", Element("", "x", None, (0,))),
        ("x12@3", Element("", "x", None, (12,), 3)),
        ("x[1]", Element("", "x", None, (1,))),
        ("t", Element("", "t", None, ())),
        ("encoder.w201", Element("encoder.", "w", 2, (0, 1))),
        ("layers.0.w2[0,1]", Element("layers.0.", "w", 2, (0, 1))),
        ("a\nb.w201", Element("a\nb.", "w", 2, (0, 1))),
    ],
)
def test_parse(name: str, element: Element) -> None:
    assert naming.parse(name) == element


@pytest.mark.parametrize(
    "name",
    [
        "",
        "w",
        "carry",
        "q201",
        "w2_0",
        "w_2_0_1",
        "w2_0_1_1",
        "w201[0]",
        "w2[]",
        "w2[a]",
        "w2[-1,0]",
        "w2[0,1",
        "w2@",
        "b2_0_1",
    ],
)
def test_what_is_no_name(name: str) -> None:
    assert naming.parse(name) is None


@given(layers, small, small)
def test_what_is_written_is_read(layer: int, source: int, target: int) -> None:
    joint = "_" if max(layer, source, target) > 9 else ""
    assert naming.parse(naming.weight(layer, source, target, joint)) == Element("", "w", layer, (source, target))
    assert naming.parse(naming.bias(layer, target, joint)) == Element("", "b", layer, (target,))
    assert naming.parse(naming.neuron("z", layer, target, joint)) == Element("", "z", layer, (target,))


@pytest.mark.parametrize(
    ("dims", "joint"),
    [([2, 2], ""), ([10, 10], ""), ([11, 2], "_"), ([2, 11], "_"), ([2] * 10, ""), ([2] * 11, "_")],
)
def test_parts_are_joined_when_a_number_has_two_digits(dims: list[int], joint: str) -> None:
    assert naming.separator(dims) == joint
    highest = max(str(len(dims) - 1), str(max(dims) - 1), key=len)
    assert (len(highest) > 1) == bool(joint)


@pytest.mark.parametrize(
    ("name", "shapes", "found"),
    [
        ("w2", {"w2": (2, 2)}, ("w2", ())),
        ("w201", {"w2": (2, 2)}, ("w2", (0, 1))),
        ("w2_0_1", {"w2": (2, 2)}, ("w2", (0, 1))),
        ("w2[0,1]", {"w2": (2, 2)}, ("w2", (0, 1))),
        ("w2[0,1]", {"w201": ()}, ("w201", ())),
        ("w2[0,1]", {"w2_0_1": ()}, ("w2_0_1", ())),
        ("w201", {"w2_0_1": ()}, ("w2_0_1", ())),
        ("b21", {"b21": (4,)}, ("b21", ())),
        ("b21", {"b2": (4,)}, ("b2", (1,))),
        ("n20@3", {"n2": (4, 2)}, ("n2", (3, 0))),
        ("n2[3,0]", {"n20@3": ()}, ("n20@3", ())),
        ("x1@2", {"x": (4, 2)}, ("x", (2, 1))),
        ("W[3]", {"W": (5,)}, ("W", (3,))),
        ("net.w201", {"net.w2": (2, 2), "w2": (2, 2)}, ("net.w2", (0, 1))),
        ("w201", {"net.w2": (2, 2)}, None),
        ("w2[0]", {"w2": (2, 2)}, None),
        ("n20", {"n2": (4, 2)}, None),  # of which sample?
        ("w3", {"w301": ()}, None),
        ("W[3,1]", {"W": (5,)}, None),
    ],
)
def test_resolve(name: str, shapes: dict[str, tuple[int, ...]], found: object) -> None:
    assert naming.resolve(name, shapes) == found


@pytest.mark.parametrize(
    ("own", "name", "shape", "answer"),
    [
        ({"w1": (2, 1)}, "w1", (2, 1), [("w1", (), ())]),
        ({"w1": (2, 1)}, "w1", (1, 2), "w1: has shape (1, 2), needs (2, 1)"),
        ({"w1": (2, 1)}, "w1[1,0]", (), [("w1", (1, 0), ())]),
        ({"w1": (2, 1)}, "w120", (), "w120: outside w1, which has shape (2, 1)"),
        ({"b10": (), "b11": ()}, "b1", (2,), [("b10", (), (0,)), ("b11", (), (1,))]),
        ({"b10": (), "b11": ()}, "b1", (3,), "b1: has shape (3,), needs (2,)"),
        ({"w1_0_10": ()}, "w1[0,10]", (), [("w1_0_10", (), ())]),
        ({"w100": ()}, "w2", (1, 1), "w2: unknown"),
        ({"w100": ()}, "w101", (), "w101: unknown (the nearest names: w100)"),
        ({"w1": (2, 1)}, "w1", (), "w1: has shape (), needs (2, 1)"),
        ({"b21": (4,)}, "b21", (4,), [("b21", (), ())]),
        ({"A": (2, 3)}, "A[1, 2]", (), [("A", (1, 2), ())]),
        ({"A": (2, 3)}, "A[2,0]", (), "A[2,0]: outside A, which has shape (2, 3)"),
        ({"A": (2, 3)}, "A[0]", (), "A[0]: unknown"),
    ],
)
def test_places(own: dict[str, tuple[int, ...]], name: str, shape: tuple[int, ...], answer: object) -> None:
    assert Places(own).put(name, shape) == answer


def test_an_array_does_not_fit_a_network_with_weights_left_out() -> None:
    sparse = Places({"w100": (), "w111": ()})
    answer = sparse.put("w1", (2, 2))
    assert isinstance(answer, str)
    assert "not fully connected" in answer
