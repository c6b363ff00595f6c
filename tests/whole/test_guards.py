"""Whatever eager reads and a replay does not compute from: changed between two steps, both still do the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import bits
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler import codegen, step
from tinygrad_lite.compiler.attributes import AttributesRead
from tinygrad_lite.errors import DifferentGradientsError, GraphError

X, T = np.random.default_rng(0).normal(size=(4, 3)), np.ones((4, 2))


class Net(nn.Module):
    """A module whose call reads attributes of every kind."""

    def __init__(self) -> None:
        self.layers = [nn.Linear(3, 3, rng=0), nn.Linear(3, 2, rng=1)]
        self.extra = {"scale": 2.0, "on": True}
        self.dropout = nn.Dropout(0.5, rng=2)
        self.shift = Value([0.5, -0.5], name="shift")
        self.fixed = Value([1.0, 2.0], name="fixed", requires_grad=False)
        self.rate = 0.25
        self.activation: Any = tg.tanh
        self.unread = 0

    def __call__(self, x: Any) -> Any:
        h = self.activation(self.layers[0](x)) * self.rate
        if self.extra["on"]:
            h = h * self.extra["scale"]
        return self.layers[1](self.dropout(h)) * self.fixed + self.shift


def eager_step(loss: Callable[[], Value], optimizer: Any) -> float:
    """What a compiled step does, by hand."""
    optimizer.zero_grad()
    end = loss()
    end.backward()
    optimizer.step()
    return end.item()


class World:
    """A model, its optimizer, and the loss."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.net = Net()
        self.optimizer = make([*self.net.parameters(), self.net.shift][: len(self.net.parameters())])

    def loss(self, x: Any, t: Any) -> Value:
        return nn.losses.half_squared_error(self.net(x), t)

    def eager(self) -> float:
        return eager_step(lambda: self.loss(X, T), self.optimizer)

    def state(self) -> list[Any]:
        return [(bits(p.data), bits(p.grad)) for p in [*self.optimizer.params, self.net.fixed, self.net.shift]]


def sgd(params: Any) -> Any:
    return optim.SGD(params, lr=0.05)


def heavy(params: Any) -> Any:
    return optim.SGD(params, lr=0.05, momentum=0.9)


def adam(params: Any) -> Any:
    return optim.Adam(params, lr=0.05)


def sets(path: str, value: Callable[[], Any] | Any) -> Callable[[World], None]:
    """A change: assign to an attribute, ``net.layers.0.w`` for example."""

    def change(world: World) -> None:
        *places, last = path.split(".")
        owner: Any = world
        for place in places:
            owner = (
                owner[int(place)]
                if place.isdigit()
                else owner[place]
                if isinstance(owner, dict)
                else getattr(owner, place)
            )
        new = value() if callable(value) and path.partition(".")[0] == "net" else value
        if isinstance(owner, list | dict):
            owner.__setitem__(int(last) if last.isdigit() else last, new)
        else:
            setattr(owner, last, new)

    return change


CHANGES: dict[str, tuple[Any, Callable[[World], Any]]] = {
    "a parameter is frozen": (sgd, sets("net.shift.requires_grad", False)),
    "a weight is frozen": (adam, sets("net.layers.0.w.requires_grad", False)),
    "a constant is thawed": (sgd, sets("net.fixed.requires_grad", True)),
    "evaluation": (sgd, lambda world: world.net.eval()),
    "one layer in evaluation": (sgd, sets("net.dropout.training", False)),
    "dropout's p": (sgd, sets("net.dropout.p", 0.1)),
    "dropout's generator": (sgd, sets("net.dropout.rng", lambda: np.random.default_rng(7))),
    "a number": (sgd, sets("net.rate", 0.5)),
    "a function": (sgd, sets("net.activation", lambda: tg.sigmoid)),
    "a layer in a list": (sgd, sets("net.layers.1", lambda: nn.Linear(3, 2, rng=9))),
    "another list": (sgd, sets("net.layers", lambda: [nn.Linear(3, 3, rng=8), nn.Linear(3, 2, rng=9)])),
    "a number in a dict": (sgd, sets("net.extra.scale", 3.0)),
    "a switch in a dict": (sgd, sets("net.extra.on", False)),
    "another parameter": (sgd, sets("net.shift", lambda: Value([3.0, 4.0], name="shift"))),
    "no bias": (sgd, sets("net.layers.1.b", None)),
    "data": (sgd, sets("net.shift.data", lambda: np.array([3.0, 4.0]))),
    "data of a constant": (sgd, sets("net.fixed.data", lambda: np.array([3.0, 4.0]))),
    "the dtype of a constant": (sgd, sets("net.fixed.data", lambda: np.array([3, 4]))),
    "an element": (sgd, lambda world: world.net.shift.data.__setitem__(0, 9.0)),
    "lr": (sgd, sets("optimizer.lr", 0.5)),
    "lr of Adam": (adam, sets("optimizer.lr", 0.5)),
    "momentum": (sgd, sets("optimizer.momentum", 0.9)),
    "no momentum": (heavy, sets("optimizer.momentum", 0.0)),
    "nesterov": (heavy, sets("optimizer.nesterov", True)),
    "weight decay": (sgd, sets("optimizer.weight_decay", 0.1)),
    "weight decay of Adam": (adam, sets("optimizer.weight_decay", 0.1)),
    "betas": (adam, sets("optimizer.betas", (0.5, 0.5))),
    "eps": (adam, sets("optimizer.eps", 1.0)),
    "memory": (adam, lambda world: world.optimizer.load_state_dict(adam(world.optimizer.params).state_dict())),
}


def differences(name: str) -> list[int]:
    """The steps at which the compiled world is not the eager one: the change comes before the third."""
    make, change = CHANGES[name]
    ours, theirs = World(make), World(make)
    compiled = tg.compile(ours.loss, ours.optimizer)
    found = []
    for n in range(6):
        if n == 3:
            change(ours)
            change(theirs)
        same = compiled(X, T) == theirs.eager() and ours.state() == theirs.state()
        found += [] if same else [n]
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_step_follows_what_changes(name: str) -> None:
    assert differences(name) == []


def _nothing(*args: Any, **options: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("name", "owner", "attribute"),
    [
        ("a parameter is frozen", codegen.Emitter, "_check_flows"),
        ("a constant is thawed", codegen.Emitter, "_check_flows"),
        ("evaluation", AttributesRead, "changed"),
        ("a number", AttributesRead, "changed"),
        ("a function", AttributesRead, "changed"),
        ("another parameter", AttributesRead, "changed"),
        ("a layer in a list", AttributesRead, "_notice"),
        ("a number in a dict", AttributesRead, "_notice"),
    ],
)
def test_without_its_guard_a_change_is_not_followed(
    name: str, owner: Any, attribute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, attribute, _nothing)
    assert differences(name)


# ---- frozen leaves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["python", "numpy"])  # the tape is replayed as "numpy" is
def test_frozen_scalars_in_every_back_end(backend: str) -> None:
    def trained(compiled: bool) -> list[Any]:
        a, b, c = Value(2.0, name="a"), Value(3.0, name="b"), Value(0.5, name="c", requires_grad=False)
        optimizer = optim.SGD([a, b], lr=0.01)

        def loss() -> Any:
            return (a * b * c).square() + a

        run: Any = tg.compile(loss, optimizer, backend=backend) if compiled else lambda: eager_step(loss, optimizer)
        found: list[Any] = []
        for n in range(6):
            b.requires_grad, c.requires_grad = n in (0, 1, 4, 5), n == 3
            run()
            found += [x for v in (a, b) for x in (v.data, v._grad)]
            if n == 3:
                found.append(c.grad)
            c.zero_grad()
        return found

    np.testing.assert_allclose([x or 0.0 for x in trained(True)], [x or 0.0 for x in trained(False)], rtol=1e-12)


def test_a_network_thawed_layer_by_layer_is_no_function_that_never_repeats() -> None:
    leaves = [Value(float(k), name=f"w{k}") for k in range(step.MOST_PROGRAMS + 4)]
    for leaf in leaves[1:]:
        leaf.requires_grad = False
    compiled = tg.compile(lambda: tg.stack([leaf.square() for leaf in leaves]).sum())
    for leaf in leaves:
        leaf.requires_grad = True
        compiled()
    assert [leaf.grad / 2 for leaf in leaves] == [k * (len(leaves) - k) for k in range(len(leaves))]
    compiled()
    assert compiled.captures == len(leaves)


def test_all_frozen_is_eagers_error() -> None:
    w = Value([1.0, 2.0])
    compiled = tg.compile(lambda: (w * w).sum())
    compiled()
    w.requires_grad = False
    with pytest.raises(GraphError, match="depends on no parameter"):
        compiled()


# ---- attributes --------------------------------------------------------------------------------------------------


def test_what_the_function_does_not_read_or_sets_itself_is_no_guard() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            self.w = Value([1.0, 2.0])
            self.history: list[int] = []

        def __call__(self, x: Any) -> Any:
            self.hidden = x * self.w
            self.history.append(1)
            return self.hidden.square().sum()

    net: Any = Counting()
    compiled = tg.compile(net)
    x = np.ones(2)
    for epoch in range(5):
        net.epoch = epoch
        net(x)
        assert compiled(x) == 5.0
    assert compiled.captures == 1
    compiled.verify(x)


def test_an_attribute_that_never_repeats_is_named() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.w, self.calls = Value([1.0, 2.0]), 0

        def __call__(self, x: Any) -> Any:
            self.calls += 1
            return (x * self.w).sum() / self.calls

    net = Net()
    compiled = tg.compile(net)
    for _ in range(step.MOST_PROGRAMS):
        compiled(np.ones(2))
    with pytest.raises(GraphError, match=r"is never the same: Net\.calls, which was set to \d+; read it outside"):
        compiled(np.ones(2))


def test_a_lazily_made_attribute_costs_one_capture_more() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            self.w: Any = None

        def __call__(self, x: Any) -> Any:
            if self.w is None:
                self.w = Value(np.ones(x.shape), name="w")
            return (x * self.w).sum()

    net = Lazy()
    compiled = tg.compile(net)
    assert [compiled(np.array([1.0, 2.0])) for _ in range(4)] == [3.0] * 4
    np.testing.assert_array_equal(net.w.grad, [4.0, 8.0])
    assert compiled.captures == 2


def test_attributes_cost_nothing_outside_of_a_capture() -> None:
    net = Net()
    assert nn.Module.__getattribute__ is object.__getattribute__
    tg.compile(lambda x: net(x).sum())(X)
    assert nn.Module.__getattribute__ is object.__getattribute__
    with pytest.raises(ZeroDivisionError, match="division"):
        tg.compile(lambda x: net(x).sum() + 1 // 0)(X)
    assert nn.Module.__getattribute__ is object.__getattribute__


# ---- optimizers --------------------------------------------------------------------------------------------------


class Own:
    """No ``Optimizer``: it has the two methods alone."""

    def __init__(self, params: list[Value]) -> None:
        self.params, self.forgotten = params, 0

    def zero_grad(self) -> None:
        self.forgotten += 1
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        for parameter in self.params:
            parameter.data = parameter.data - 0.1 * parameter.grad


class Forgetful(optim.SGD):
    """Its gradients fade instead of being forgotten."""

    def zero_grad(self) -> None:
        for parameter in self.params:
            if parameter.has_grad:
                parameter.grad = parameter.grad * 0.5


@pytest.mark.parametrize("make", [Own, lambda p: Forgetful(p, lr=0.1)], ids=["two methods", "its own zero_grad"])
@pytest.mark.parametrize("backend", [None, "numpy"])
@pytest.mark.parametrize("start", [1.5, [1.0, 2.0]])
def test_the_optimizers_own_zero_grad_is_called(make: Any, backend: Any, start: Any) -> None:
    if backend and not isinstance(start, float):
        return

    def run(compiled: bool) -> tuple[Any, list[Any]]:
        w = Value(start)
        optimizer = make([w])
        f: Callable[[], Any] = lambda: w.square() * 0.5 if not w.shape else w.square().sum()  # noqa: E731
        made: Any = tg.compile(f, optimizer, backend=backend) if compiled else lambda: eager_step(f, optimizer)
        seen = []
        for _ in range(4):
            made()
            seen.append(np.array(w.data))
        return getattr(optimizer, "forgotten", None), seen

    forgotten, seen = run(False)
    assert run(True)[0] == forgotten
    np.testing.assert_allclose(run(True)[1], seen, rtol=1e-12)


def test_a_step_that_was_replaced_before_the_first_call_is_called() -> None:
    w = Value([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.1)
    whole, calls = optimizer.step, []

    def counted() -> None:
        calls.append(1)
        whole()

    optimizer.step = counted  # type: ignore[method-assign]
    compiled = tg.compile(lambda: (w * w).sum(), optimizer)
    for _ in range(3):
        compiled()
    assert len(calls) == 3


def test_function_and_optimizer_of_a_step_stay_the_same() -> None:
    w = Value([1.0, 2.0])
    compiled = tg.compile(lambda: (w * w).sum(), optim.SGD([w], lr=0.1))
    for attribute in ("function", "optimizer"):
        assert getattr(compiled, attribute) is not None
        with pytest.raises(AttributeError, match=attribute):
            setattr(compiled, attribute, None)


# ---- what no guard sees, verify finds ----------------------------------------------------------------------------


class Plain:
    """No module."""

    scale = 1.0


SWITCH = {"on": 1.0}


class Held(nn.Module):
    power = 2.0

    def __init__(self) -> None:
        self.w = Value([1.0, 2.0], name="w")
        self.table = np.array([1.0, 3.0])
        self.values = [Value([0.5, 0.5], name="v")]
        self.plain = Plain()

    def __call__(self) -> Any:
        return ((self.w * self.table * self.values[0] * self.plain.scale * SWITCH["on"]) ** self.power).sum()


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.table.__setitem__(0, 5.0),
        lambda net: setattr(net.plain, "scale", 2.0),
        lambda net: net.values.__setitem__(0, Value([2.0, 0.5], name="v")),
        lambda net: SWITCH.__setitem__("on", 2.0),
        lambda net: setattr(Held, "power", 3.0),
    ],
    ids=["an array written into", "an attribute of another object", "a Value in a list", "a global", "of the class"],
)
def test_verify_finds_what_no_guard_sees(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWITCH, "on", 1.0)
    monkeypatch.setattr(Held, "power", 2.0)
    net = Held()
    compiled = tg.compile(net)
    compiled()
    compiled.verify()
    change(net)
    with pytest.raises(DifferentGradientsError, match=r"^verify: "):
        compiled.verify()
