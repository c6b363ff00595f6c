"""Modules: what they find in themselves, how they are saved and loaded."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, IndexRangeError, UnknownNameError, ValueTypeError


class Net(nn.Module):
    """Parameters in every place where they may be."""

    def __init__(self) -> None:
        self.scale = Value(2.0)
        self.inner = nn.Linear(2, 3, rng=0)
        self.blocks = [nn.Linear(3, 3, rng=1), (nn.Linear(3, 1, rng=2), Value(1.0))]
        self.heads = {"left": nn.Linear(3, 1, bias=False, rng=3), "shift": Value(np.zeros(2))}
        self.shared = self.inner
        self.constant = Value(5.0, requires_grad=False)
        self.last = self.scale * 3.0  # computed: no parameter
        self.text = "w"


def test_parameters_are_found_wherever_they_are_and_once() -> None:
    net = Net()
    assert {name: p.shape for name, p in net.named_parameters().items()} == {
        "scale": (),
        "blocks.1.1": (),
        "heads.shift": (2,),
        "inner.w": (2, 3),
        "inner.b": (3,),
        "blocks.0.w": (3, 3),
        "blocks.0.b": (3,),
        "blocks.1.0.w": (3, 1),
        "blocks.1.0.b": (1,),
        "heads.left.w": (3, 1),
    }
    assert [id(p) for p in net.parameters()] == [id(p) for p in net.named_parameters().values()]
    assert len(net.parameters()) == len({id(p) for p in net.parameters()}) == 10


def test_named_modules_in_order_from_outside_in() -> None:
    assert list(Net().named_modules()) == ["", "inner", "blocks.0", "blocks.1.0", "heads.left"]


def test_cycles_end() -> None:
    net = Net()
    net.inner.parent = net  # type: ignore[attr-defined]
    net.blocks.append(net.blocks)
    assert len(net.parameters()) == 10
    assert "inner" in net.named_modules()


def test_a_chain_of_modules_may_be_long() -> None:
    outermost = module = nn.Module()
    for _ in range(5000):
        module.inner = nn.Module()  # type: ignore[attr-defined]
        module = module.inner  # type: ignore[attr-defined]
    module.w = Value(1.0)  # type: ignore[attr-defined]
    assert len(outermost.parameters()) == 1


def test_zero_grad() -> None:
    net = nn.Linear(2, 1, rng=0)
    net([1.0, 2.0]).sum().backward()
    assert net.w.has_grad
    net.zero_grad()
    assert not any(p.has_grad for p in net.parameters())


def test_zero_grad_uses_parameters_that_a_subclass_lists() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            self._w: Value = Value(1.0)

        def parameters(self) -> list[Value]:
            return [self._w]

    own = Own()
    (own._w * own._w).backward()
    own.zero_grad()
    assert own._w.grad == 0.0


def test_train_and_eval_reach_everything_inside() -> None:
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Sequential(nn.Dropout(0.5, rng=0)))
    assert net.training
    assert net.eval() is net
    assert [m.training for m in net.named_modules().values()] == [False] * 4
    assert net.train() is net
    assert [m.training for m in net.named_modules().values()] == [True] * 4


def test_name_parameters() -> None:
    net = Net().name_parameters("net.")
    assert net.inner.w.name == "net.inner.w"
    assert net.find_parameter("heads.shift")[0].name == "net.heads.shift"


def test_repr_shows_what_is_inside() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(2, 3, rng=0)
            self.rest = nn.Sequential(nn.Linear(3, 1, bias=False, rng=0), nn.Activation("tanh"))

    assert repr(Pair()) == (
        "Pair(\n"
        "  first: Linear(2, 3)\n"
        "  rest: Sequential(\n"
        "    0: Linear(3, 1, bias=False)\n"
        "    1: Activation('tanh')\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_modules_can_be_copied_and_pickled() -> None:
    for net in (nn.MLP(2, [3, 1], rng=0), nn.scalar.MLP(2, [3, 1], rng=0)):
        for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            assert repr(twin) == repr(net)
            assert twin.parameters()[0] is not net.parameters()[0]
            assert_array_equal(_flat(twin([0.5, 1.0])), _flat(net([0.5, 1.0])))


# ---- find_parameter --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["w201", "w2[0,1]", "w2_0_1"])
def test_find_parameter_takes_either_form(name: str) -> None:
    arrays, scalars = nn.MLP(2, [2, 2], rng=0), nn.scalar.MLP(2, [2, 2], rng=0)
    found, index = arrays.find_parameter(name)
    assert found is arrays.layers[1].w
    assert index == (0, 1)
    found, index = scalars.find_parameter(name)
    assert found is scalars.layers[1].neurons[1].w[0]
    assert index == ()


def test_find_parameter_of_all_of_an_array() -> None:
    mlp = nn.MLP(2, [2, 2], rng=0)
    found, index = mlp.find_parameter("w2")
    assert found is mlp.layers[1].w
    assert index == ()


def test_find_parameter_names_the_nearest() -> None:
    mlp = nn.scalar.MLP(2, [2, 2], rng=0)
    with pytest.raises(UnknownNameError, match=r"MLP has no parameter 'w209'; the nearest names are w2"):
        mlp.find_parameter("w209")
    with pytest.raises(UnknownNameError, match=r"its names are w100, .* and 4 more"):
        mlp.find_parameter("qq")
    with pytest.raises(UnknownNameError, match="its names are none at all"):
        nn.Module().find_parameter("w")


def test_find_parameter_outside_the_array() -> None:
    with pytest.raises(IndexRangeError, match=re.escape("'w2[0,7]' is outside 'w2', which has shape (2, 2)")):
        nn.MLP(2, [2, 2], rng=0).find_parameter("w2[0,7]")


# ---- state_dict ------------------------------------------------------------------------------------------------------


def test_state_dict_is_a_copy_and_loads_back() -> None:
    net = Net()
    state = net.state_dict()
    before = net.inner.w.data.copy()
    state["inner.w"][:] = 7.0
    assert_array_equal(net.inner.w.data, before)
    other = Net()
    other.load_state_dict(state)
    assert_array_equal(other.inner.w.data, np.full((2, 3), 7.0))
    state["inner.w"][:] = 8.0
    assert_array_equal(other.inner.w.data, np.full((2, 3), 7.0))
    assert type(other.scale.data) is float


def test_loading_keeps_the_dtype() -> None:
    net = nn.Linear(2, 1, rng=0, dtype=np.float32)
    net.load_state_dict({"w": [[1], [2]], "b": Value([3.0])})
    assert net.w.dtype == np.float32
    assert_array_equal(net.w.data, [[1.0], [2.0]])


@pytest.mark.parametrize("dims", [[2, 2], [2, 3, 1], [1, 1], [12, 3], [3, 12, 2]])
def test_arrays_and_scalars_load_each_others_state(dims: list[int]) -> None:
    arrays = nn.MLP(dims, activation="tanh", rng=0)
    scalars = nn.scalar.MLP(dims, activation="tanh", rng=1)
    given = scalars.state_dict()
    arrays.load_state_dict(given)
    assert arrays.layers[0].w.data[0, -1] == scalars.layers[0].neurons[-1].w[0].data
    back = nn.scalar.MLP(dims, rng=2)
    back.load_state_dict(arrays.state_dict())
    assert back.state_dict() == given


def test_either_form_of_each_name_loads() -> None:
    arrays, scalars = nn.MLP(1, [2], rng=0), nn.scalar.MLP(1, [2], rng=0)
    for state in (
        {"w100": 1.0, "w1[0,1]": 2.0, "b1": [3.0, 4.0]},
        {"w1_0_0": 1.0, "w101": 2.0, "b1[0]": 3.0, "b11": 4.0},
    ):
        for net in (arrays, scalars):
            net.load_state_dict(state)
            assert _flat(net([1.0])) == pytest.approx(_through(net))


def test_a_network_inside_another_module_loads_too() -> None:
    class Holder(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            self.encoder = net

    arrays, scalars = Holder(nn.MLP(2, [2], rng=0)), Holder(nn.scalar.MLP(2, [2], rng=1))
    assert next(iter(scalars.state_dict())) == "encoder.w100"
    arrays.load_state_dict(scalars.state_dict())
    again = Holder(nn.scalar.MLP(2, [2], rng=2))
    again.load_state_dict(arrays.state_dict())
    assert again.state_dict() == scalars.state_dict()


def test_every_problem_is_listed_at_once_and_nothing_is_loaded() -> None:
    mlp = nn.MLP(2, [3, 1], rng=0)
    before = mlp.state_dict()
    state: dict[str, Any] = {
        "w1": np.zeros((3, 2)),
        "w2": "heavy",
        "b1": [0.0, 0.0, 0.0],
        "w3": np.zeros((1, 1)),
        "b1[1]": 4.0,
        "ragged": [[1.0], [2.0, 3.0]],
    }
    with pytest.raises(
        ArgumentError, match=r"^load_state_dict: nothing was loaded into MLP, because of 6 problems:"
    ) as caught:
        mlp.load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict: nothing was loaded into MLP, because of 6 problems:\n"
        "  w1: has shape (3, 2), needs (2, 3)\n"
        "  w2: needs a number or an array of numbers, got str\n"
        "  w3: unknown (the nearest names: w2, w1)\n"
        "  b1[1]: sets b1[1], which another entry sets too\n"
        "  ragged: needs a number or an array of numbers, got list\n"
        "  b2: missing (shape (1,))"
    )
    after = mlp.state_dict()
    for name in before:
        assert_array_equal(after[name], before[name])


def test_elements_that_are_missing_are_named_one_by_one() -> None:
    with pytest.raises(ArgumentError, match=r"because of 1 problem:\n  w1\[1,0\]: missing$"):
        nn.MLP(2, [1], rng=0).load_state_dict({"w100": 1.0, "b10": 0.0})
    with pytest.raises(ArgumentError, match=r"w110: missing \(shape \(\)\)"):
        nn.scalar.MLP(2, [1], rng=0).load_state_dict({"w100": 1.0, "b10": 0.0})
    with pytest.raises(ArgumentError, match=r"because of 1 problem:\n  w1: has shape \(3, 1\), needs \(2, 1\)$"):
        nn.scalar.MLP(2, [1], rng=0).load_state_dict({"w1": np.zeros((3, 1)), "b1": [0.0]})


def test_a_state_is_a_dict() -> None:
    with pytest.raises(ValueTypeError, match="needs a dict of arrays by name, got list"):
        nn.MLP(2, [1], rng=0).load_state_dict([1.0])  # type: ignore[arg-type]


def _flat(out: Any) -> list[float]:
    outs = out if isinstance(out, list) else [out]
    return [float(x) for value in outs for x in np.ravel(value.data)]


def _through(net: nn.Module) -> list[float]:
    """The outputs of the network 1 → 2 with weights 1, 2 and biases 3, 4 at input 1."""
    z = np.array([4.0, 6.0])
    return list(1 / (1 + np.exp(-z))) if isinstance(net, nn.MLP) else list(z)
