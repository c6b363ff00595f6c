"""The contributions of groups of paths, by module and by sample, against all paths one by one."""

from __future__ import annotations

import itertools
import math
import re
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.oracles.brute_force import Trail, reads, trails
from tinygrad_lite import Value, datasets, nn, semirings
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.errors import ArgumentError, GraphError
from tinygrad_lite.paths import routes


def to(end: Value, value: Value, element: int) -> list[Trail]:
    return [trail for trail in trails(end) if trail.nodes[-1] is value and trail.elements[-1] == element]


def elements_of(value: Value) -> list[tuple[int, tuple[int, ...]]]:
    return [(k, index if value.shape else ()) for k, index in enumerate(np.ndindex(value.shape))]


def check_groups(gp: tg.GradientPaths, found: dict[Any, float], expected: dict[Any, float]) -> None:
    """The same groups with the same contributions, which add up. Groups that carry nothing may be left out."""
    scale = 1e-10 * gp.magnitude + 1e-300
    assert sum(found.values()) == pytest.approx(gp.total, rel=1e-10, abs=scale)
    for key in {*found, *expected}:
        assert found.get(key, 0.0) == pytest.approx(expected.get(key, 0.0), rel=1e-7, abs=1e-7 * (1 + gp.magnitude)), (
            key
        )
    assert set(found) <= set(expected)


# ---- by module -------------------------------------------------------------------------------------------------------

Stacks = dict[Value, list[tuple[nn.Module, int]]]
"""For each Value the modules that it was made in, from the innermost to the outermost, with the number of the call."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], Stacks]:
    """Notes for each Value that is made in a call of a module in which."""

    def watch(net: nn.Module) -> Stacks:
        inside: Stacks = defaultdict(list)
        numbers = itertools.count()
        for kind in {type(module) for module in net.named_modules().values()}:

            def called(self: nn.Module, *inputs: Any, call: Any = kind.__call__) -> Any:
                result = call(self, *inputs)
                before = {node for x in inputs if isinstance(x, Value) for node in ancestors(x)}
                number = next(numbers)
                for node in ancestors(result):
                    if not node.is_leaf and node not in before:
                        inside[node].append((self, number))
                return result

            monkeypatch.setattr(kind, "__call__", called)
        return inside

    return watch


def by_module(some: Iterable[Trail], inside: Stacks, net: nn.Module, depth: int | None = None) -> dict[Any, float]:
    """Contributions by the modules that paths go through, each once for each call of it."""
    names = {id(module): path for path, module in net.named_modules().items()}
    found: dict[Any, float] = defaultdict(float)
    for trail in some:
        key: list[tuple[str, int]] = []
        for node in trail.nodes[:-1]:
            calls = [(names[id(module)], number) for module, number in reversed(inside.get(node, []))]
            stack = [call for call in calls if call[0]]
            if stack and key[-1:] != [stack[:depth][-1]]:
                key.append(stack[:depth][-1])
        found[tuple(name for name, _ in key)] += trail.product
    return dict(found)


class Branch(nn.Module):
    def __init__(self, width: int, seed: int) -> None:
        self.w = Value(np.random.default_rng(seed).normal(size=(width, width)))

    def __call__(self, x: Any) -> Any:
        return tg.tanh(x @ self.w)


class Block(nn.Module):
    def __init__(self, width: int, seed: int) -> None:
        self.branch = Branch(width, seed)

    def __call__(self, x: Any) -> Any:
        return x + self.branch(x)


class Residual(nn.Module):
    """Blocks with a skip each, between two linear layers."""

    def __init__(self, depth: int = 3, width: int = 2) -> None:
        self.first = nn.Linear(2, width, rng=0)
        self.blocks = [Block(width, seed) for seed in range(depth)]
        self.last = nn.Linear(width, 1, rng=1)

    def __call__(self, x: Any) -> Any:
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.last(tg.relu(h))


X, T = np.array([[1.0, -2.0], [0.5, 1.0]]), np.array([[1.0], [0.0]])


@pytest.mark.parametrize("depth", [None, 1, 2, 9])
def test_skip_and_branch_of_a_residual_network(watched: Any, depth: int | None) -> None:
    net = Residual().name_parameters()
    inside = watched(net)
    loss = nn.losses.half_squared_error(net(X), T)
    for parameter in net.parameters():
        for k, index in elements_of(parameter):
            gp = tg.gradient_paths(loss, parameter, at=index)
            check_groups(gp, gp.by("module", depth=depth), by_module(to(loss, parameter, k), inside, net, depth))
    gp = tg.gradient_paths(loss, "first.w", at=(0, 0))
    keys = set(gp.by("module"))
    skips = ("last", "blocks.2", "blocks.1", "blocks.0", "first")
    assert len(keys) == 8
    assert skips in keys
    assert ("last", "blocks.2", "blocks.1", "blocks.1.branch", "blocks.0", "first") in keys
    assert set(gp.by("module", depth=1)) == {skips}


def test_only_the_skip_is_left_where_the_branch_is_left_out() -> None:
    net = Residual(depth=1).name_parameters()
    loss = nn.losses.half_squared_error(net(X), T)
    (branch,) = (node for node in ancestors(loss) if node.op is not None and node.op.name == "tanh")
    gp = tg.gradient_paths(loss, "first.w", at=(1, 1))
    groups = gp.by("module")
    skip = tg.gradient_paths(loss, "first.w", at=(1, 1), without=[branch]).by("module")
    assert skip == {("last", "blocks.0", "first"): pytest.approx(groups["last", "blocks.0", "first"], rel=1e-14)}
    by_way = tg.gradient_paths(loss, "first.w", at=(1, 1), via=[branch]).by("module")
    assert sum(skip.values()) + sum(by_way.values()) == pytest.approx(gp.total, rel=1e-14)


class Shared(nn.Module):
    """One module called twice, with a function between its calls, and a module that is given nothing."""

    def __init__(self) -> None:
        self.twice = Branch(2, 0)
        self.scale = Given()
        self.other = Branch(2, 1)

    def __call__(self, x: Any) -> Any:
        h = self.twice(x)
        return (self.twice(tg.sigmoid(h)) * self.scale() + self.other(h)).sum() + self.other.w.sum()


class Given(nn.Module):
    def __init__(self) -> None:
        self.s = Value([2.0, -1.0])

    def __call__(self) -> Any:
        return self.s * self.s


def test_a_module_called_twice_and_one_without_arguments(watched: Any) -> None:
    net = Shared().name_parameters()
    inside = watched(net)
    loss = net(X).square()
    for parameter in net.parameters():
        for k, index in elements_of(parameter):
            gp = tg.gradient_paths(loss, parameter, at=index)
            check_groups(gp, gp.by("module"), by_module(to(loss, parameter, k), inside, net))
    assert set(tg.gradient_paths(loss, "scale.s[0]").by("module")) == {("scale",)}
    through = {("twice",), ("twice", "twice"), ("other", "twice")}
    assert set(tg.gradient_paths(loss, "twice.w[0,0]").by("module")) == through
    assert set(tg.gradient_paths(loss, "other.w[0,0]").by("module")) == {("other",), ()}


@pytest.mark.parametrize("times", [1, 2, 3])
def test_calls_of_one_module_one_after_the_other_are_told_apart(times: int) -> None:
    layer, x = nn.Linear(1, 1, bias=False), Value([[1.0]], name="x")
    layer.w.data[...] = 0.5
    h = x
    for _ in range(times):
        h = h + layer(h)
    gp = tg.gradient_paths(h.sum(), x, at=(0, 0))
    expected = {("Linear",) * n: math.comb(times, n) * 0.5**n for n in range(times + 1)}
    assert gp.by("module") == expected
    assert sum(expected.values()) == gp.total == 1.5**times


def test_layers_and_functions_between_them(watched: Any) -> None:
    inner = nn.Sequential(nn.Linear(3, 2, rng=1), tg.sigmoid, nn.Linear(2, 1, rng=2))
    net = nn.Sequential(nn.Linear(2, 3, rng=0), tg.tanh, inner).name_parameters()
    inside = watched(net)
    loss = nn.losses.half_squared_error(net(X).sigmoid(), T)
    for parameter in net.parameters():
        gp = tg.gradient_paths(loss, parameter, at=(0,) * parameter.ndim)
        check_groups(gp, gp.by("module"), by_module(to(loss, parameter, 0), inside, net))
        check_groups(gp, gp.by("module", depth=1), by_module(to(loss, parameter, 0), inside, net, 1))


def test_the_layers_of_a_network_and_the_activations_between_them() -> None:
    loss = nn.Sequential(nn.Linear(2, 3, rng=0), nn.MLP([3, 2, 1], rng=1)).name_parameters()(X).sum()
    gp = tg.gradient_paths(loss, "layers.0.w[0,0]")
    mlp = "layers.1"
    assert list(gp.by("module")) == [(mlp, f"{mlp}.layers.1", mlp, f"{mlp}.layers.0", "layers.0")]
    assert list(gp.by("module", depth=1)) == [(mlp, "layers.0")]


def test_to_a_value_inside_a_module() -> None:
    net = Residual(depth=2)
    loss = net(X).sum()
    tanh = next(node for node in ancestors(loss) if node.op is not None and node.op.name == "tanh")
    gp = tg.gradient_paths(loss, tanh, at=(0, 0))
    assert sum(gp.by("module").values()) == pytest.approx(gp.total, rel=1e-12)
    assert {key[-1] for key in gp.by("module")} == {"blocks.0"}  # of branch 0 itself nothing is on the way


def test_without_modules_all_is_one_group() -> None:
    x = Value(3.0)
    assert tg.gradient_paths(x * x + x, x).by("module") == {(): 7.0}


def test_modules_that_stand_side_by_side_go_by_their_type() -> None:
    a, b = Branch(2, 0), Branch(2, 1)
    loss = b(a(X)).sum()
    assert set(tg.gradient_paths(loss, a.w, at=(0, 0)).by("module")) in (
        {("Branch 2", "Branch")},
        {("Branch", "Branch 2")},
    )
    a.name_parameters("a."), b.name_parameters("b.")
    assert set(tg.gradient_paths(b(a(X)).sum(), a.w, at=(0, 0)).by("module")) == {("b", "a")}


def test_more_groups_than_can_be_told_apart_are_refused() -> None:
    x = h = Value(np.ones(2), name="x")
    for block in [Block(2, seed) for seed in range(18)]:
        h = block(h)
    gp = tg.gradient_paths(h.sum(), x, at=0)
    with pytest.raises(ArgumentError, match="by: more than 100000 groups of paths; give depth=1, or fewer paths"):
        gp.by("module")
    assert sum(gp.by("module", depth=1).values()) == pytest.approx(gp.total, rel=1e-10)


def scaled(net: Residual) -> list[Value]:
    """The sum of the outputs, and the same by way of cotangents and tangents that no float holds."""
    ends = []
    for small in (1.0, 1e-200):
        end = (net(X) * small * small).sum()
        ends.append(end / small / small)
    return ends


@pytest.mark.parametrize("upwards", [True, False, None], ids=["forward", "reverse", "by turns"])
def test_wherever_the_two_sweeps_meet_the_groups_are_the_same(
    watched: Any, monkeypatch: pytest.MonkeyPatch, upwards: bool | None
) -> None:
    net = Residual(depth=2).name_parameters()
    inside = watched(net)
    loss = nn.losses.half_squared_error(net(X), T)
    turns = itertools.cycle([True, False, False])
    monkeypatch.setattr(routes._Meeting, "_goes_up", lambda self: next(turns) if upwards is None else upwards)
    for parameter in net.parameters():
        for k, index in elements_of(parameter):
            gp = tg.gradient_paths(loss, parameter, at=index)
            check_groups(gp, gp.by("module"), by_module(to(loss, parameter, k), inside, net))
    plain, tiny = (tg.gradient_paths(end, "first.w[0,1]").by("module") for end in scaled(net))
    assert tiny == pytest.approx(plain, rel=1e-10)
    loss = net(X)
    tanh = next(node for node in ancestors(loss) if node.op is not None and node.op.name == "tanh")
    gp = tg.gradient_paths(loss, "first.w", at=(0, 1), end_at=(1, 0), via=[tanh])
    assert sum(gp.by("module").values()) == pytest.approx(gp.total, rel=1e-12)
    assert all("blocks.0.branch" in key for key in gp.by("module"))


def test_sequences_of_many_blocks_take_no_more_memory_than_two_halves() -> None:
    """4096 sequences of 12 blocks, on arrays of 32 KB: one sweep would hold 134 MB at the last block alone."""
    x = h = Value(np.full((64, 64), 0.5), name="x")
    for block in [Block(64, seed) for seed in range(12)]:
        h = block(h)
    gp = tg.gradient_paths(h.sum(), x, at=(1, 2))
    tracemalloc.start()
    groups = gp.by("module")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(groups) == 2**12
    assert sum(groups.values()) == pytest.approx(gp.total, rel=1e-10)
    assert peak < 40e6


def test_sums_that_take_too_much_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x = h = Value(np.ones((50, 2)), name="x")
    for block in [Block(2, seed) for seed in range(8)]:
        h = block(h)
    gp = tg.gradient_paths(h.sum(), x, at=(0, 0))
    assert len(gp.by("module")) == 2**8
    monkeypatch.setattr(routes, "_MOST_BYTES", 20_000)
    message = r"by: the sums for each sequence of modules take 0\.0 GB at .*at most 0\.0 GB are used; give depth=1, or"
    with pytest.raises(ArgumentError, match=message):
        gp.by("module")


def test_words_and_depths_that_are_wrong() -> None:
    x = Value([3.0, 1.0])
    gp = tg.gradient_paths((x * x).sum(), x, at=0)
    for what in ("modules", "", None, 3):
        with pytest.raises(
            ArgumentError, match=re.escape(f"by: groups paths by 'module' or by 'sample', got {what!r}")
        ):
            gp.by(what)  # type: ignore[arg-type]
    for depth in (0, -1, 1.5, True, "1"):
        with pytest.raises(ArgumentError, match=f"by: depth is a whole number of at least 1, got {depth!r}"):
            gp.by("module", depth=depth)  # type: ignore[arg-type]


# ---- by sample -------------------------------------------------------------------------------------------------------


def samples_read(end: Value, data: dict[Value, list[int]]) -> dict[Value, list[set[int]]]:
    """Which samples each element was made from, found by putting a nan at one element after the other."""
    found: dict[Value, list[set[int]]] = {}
    for node in ancestors(end):
        found[node] = [{sample} for sample in data[node]] if node in data else [set() for _ in range(node.size)]
        if node.op is None:
            continue
        operands = [np.asarray(getattr(x, "data", x)) if not isinstance(x, float) else x for x in node.operands]
        for k, operand in enumerate(node.operands):
            if isinstance(operand, Value) and np.asarray(operand.data).dtype.kind == "f":
                for made, read in np.argwhere(reads(node.op, operands, k)):
                    found[node][made] |= found[operand][read]
    return found


def by_sample(some: Iterable[Trail], read: dict[Value, list[set[int]]]) -> dict[Any, float]:
    """Contributions by the one sample that some element on the path was made from."""
    found: dict[Any, float] = defaultdict(float)
    for trail in some:
        met = {frozenset(read[node][i]) for node, i in zip(trail.nodes, trail.elements, strict=True)}
        alone = {sample for samples in met if len(samples) == 1 for sample in samples}
        assert len(alone) <= 1
        found[alone.pop() if alone else None] += trail.product
    return dict(found)


def rows(value: Value) -> list[int]:
    return [int(i) for i in np.repeat(np.arange(value.shape[0]), value.size // value.shape[0])]


def check_samples(end: Value, parameters: Iterable[Value], known: list[Value], **given: Any) -> None:
    read = samples_read(end, {value: rows(value) for value in known})
    for parameter in parameters:
        for k, index in elements_of(parameter):
            gp = tg.gradient_paths(end, parameter, at=index)
            check_groups(gp, gp.by("sample", **given), by_sample(to(end, parameter, k), read))


def batch(samples: int = 3) -> tuple[Value, Value]:
    rng = np.random.default_rng(samples)
    x = Value(rng.normal(size=(samples, 2)), name="x", requires_grad=False)
    return x, Value(rng.normal(size=(samples, 1)), name="t", requires_grad=False)


@given(
    st.integers(1, 4), st.lists(st.integers(1, 3), max_size=2), st.sampled_from(["relu", "tanh"]), st.integers(0, 99)
)
def test_networks_of_tensors(samples: int, hidden: list[int], activation: Any, seed: int) -> None:
    x, t = batch(samples)
    net = nn.MLP([2, *hidden, 1], activation=activation, rng=seed)
    loss = nn.losses.half_squared_error(net(x), t)
    parameter = net.parameters()[seed % len(net.parameters())]
    check_samples(loss, [parameter], [x, t])


def test_weight_decay_belongs_to_no_sample() -> None:
    x, t = batch()
    net = nn.MLP([2, 2, 1], activation="tanh", rng=0)
    loss = nn.losses.half_squared_error(net(x), t) + 0.1 * sum(p.square().sum() for p in net.parameters())
    check_samples(loss, net.parameters(), [x, t])
    groups = tg.gradient_paths(loss, "w1[0,0]").by("sample")
    assert list(groups) == [0, 1, 2, None]
    assert groups[None] == pytest.approx(0.2 * tg.find(loss, "w1")[0].data[0, 0])


def test_a_batch_that_is_normalised_mixes_its_samples() -> None:
    x, t = batch()
    net = nn.Linear(2, 1, rng=0)
    h = net(x)
    normal = (h - h.mean(axis=0)) / (h.var(axis=0) + 1e-5).sqrt()
    check_samples(nn.losses.half_squared_error(normal.tanh(), t), net.parameters(), [x, t])


def test_scalar_networks_know_the_samples_by_name() -> None:
    inputs, targets = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(inputs), targets) + 0.5 * net.parameters()[0] ** 2
    data = {
        node: [int(node.name.split("@")[1])] for node in ancestors(loss) if node.is_leaf and "@" in (node.name or "")
    }
    assert {sample for (sample,) in data.values()} == {0, 1, 2, 3}
    read = samples_read(loss, data)
    for parameter in net.parameters():
        gp = tg.gradient_paths(loss, parameter)
        check_groups(gp, gp.by("sample"), by_sample(to(loss, parameter, 0), read))
    groups: dict[Any, float] = dict(tg.gradient_paths(loss, "w100").by("sample"))
    assert list(groups) == [0, 1, 2, 3, None]
    assert groups[0] == groups[1] == 0.0  # there the input is 0


def test_labels_that_are_integers() -> None:
    x, _ = batch(4)
    net = nn.MLP([2, 3, 3], activation="tanh", rng=0)
    loss = nn.losses.cross_entropy(net(x), np.array([0, 2, 2, 1]))
    check_samples(loss, net.parameters(), [x])
    named = Value(np.array([0, 2, 2, 1]), name="t", requires_grad=False)
    again = nn.losses.cross_entropy(net(x), named)
    assert tg.gradient_paths(again, "w1[0,0]").by("sample") == tg.gradient_paths(loss, "w1[0,0]").by("sample")


def test_data_that_is_given() -> None:
    x = Value(np.arange(6.0).reshape(3, 2), name="x")  # a gradient flows to it: nothing says that it is data
    w = Value([1.0, -2.0], name="w")
    loss = (x @ w).square().sum() + (w * np.array([1.0, 2.0])).sum()
    check_samples(loss, [w, x], [x], data=[x])
    check_samples(loss, [w], [x], data=(x,))
    assert list(tg.gradient_paths(loss, x, at=(2, 0)).by("sample", data=[x])) == [2]


def test_samples_that_no_path_goes_by_have_no_group() -> None:
    x, _ = batch()
    net = nn.MLP([2, 2, 1], activation="tanh", rng=0)
    out = net(x)
    assert list(tg.gradient_paths(out, "w1[0,0]", end_at=(1, 0)).by("sample")) == [1]
    n1, _ = tg.find(out, "n1")
    gp = tg.gradient_paths(out.sum(), "w1[0,0]", via=[(n1, (2, 0))])
    assert gp.by("sample") == {2: pytest.approx(gp.total)}


def alone(loss: Callable[[Any, Any], Value], w: Value, x: Any, t: Any, element: Any) -> dict[Any, float]:
    """The gradient of each sample by itself, divided by their number."""
    found = {}
    for k in range(len(x)):
        w.zero_grad()
        loss(x[k : k + 1], t[k : k + 1]).backward()
        found[k] = w.grad[element] / len(x)
    w.zero_grad()
    return found


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_a_fixed_matrix_is_no_data(samples: int) -> None:
    rng = np.random.default_rng(0)
    f, shift = Value(rng.normal(size=(3, 4)), "f", requires_grad=False), rng.normal(size=3)
    mask, w = rng.normal(size=(4, 2)), Value(rng.normal(size=(4, 2)), name="w")
    x, t = rng.normal(size=(samples, 3)), rng.normal(size=(samples, 2))

    def loss(x: Any, t: Any) -> Value:
        return nn.losses.half_squared_error(np.tanh((Value(x, "x", requires_grad=False) + shift) @ f) @ (w * mask), t)

    found = tg.gradient_paths(loss(x, t), w, at=(1, 0)).by("sample")
    assert found == pytest.approx(alone(loss, w, x, t, (1, 0)))
    assert {value.name: axis for value, axis in found.batches} == {"x": 0, "t": 0}  # type: ignore[attr-defined]


def test_one_sample_alone_is_one_sample() -> None:
    net = nn.MLP([3, 4, 2], activation="tanh", rng=0)
    x, t = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0])
    gp = tg.gradient_paths(nn.losses.half_squared_error(net(x), t), "w1[0,0]")
    assert gp.by("sample") == {0: pytest.approx(gp.total)}
    assert [axis for _, axis in gp.by("sample").batches] == [None, None]  # type: ignore[union-attr]
    gp = tg.gradient_paths(nn.losses.half_squared_error(net(x[:, None].T), t[None]), "w1[0,0]")
    assert gp.by("sample") == {0: pytest.approx(gp.total)}
    square = nn.MLP([3, 3], activation="tanh", rng=0)  # as many outputs as inputs
    gp = tg.gradient_paths(nn.losses.half_squared_error(square(x), x), "w1[0,0]")
    assert gp.by("sample") == {0: pytest.approx(gp.total)}
    fixed = np.arange(9.0).reshape(3, 3) / 9
    gp = tg.gradient_paths(nn.losses.half_squared_error(square(Value(x, requires_grad=False) @ fixed), x), "w1[0,0]")
    assert gp.by("sample") == {0: pytest.approx(gp.total)}


def test_numbers_one_by_one_are_samples() -> None:
    w, x, t = Value(2.0, name="w"), np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 5.0])
    assert tg.gradient_paths(((w * x - t) ** 2).sum(), w).by("sample") == pytest.approx(
        {k: 2 * x[k] * (2 * x[k] - t[k]) for k in range(3)}
    )


def test_samples_along_another_axis() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2, 4)), rng.normal(size=(3, 4))  # features first
    w = Value(rng.normal(size=(3, 2)), name="w")
    loss = ((w @ x - t) ** 2).sum()
    gp = tg.gradient_paths(loss, w, at=(0, 1))
    slope = 2 * (w.data @ x - t)
    expected = {k: slope[0, k] * x[1, k] for k in range(4)}
    assert gp.by("sample", axis=1) == pytest.approx(expected)
    assert gp.by("sample", axis=-1) == pytest.approx(expected)
    data = [value for value in ancestors(loss) if value.shape == (2, 4) and value.is_leaf]
    assert gp.by("sample", data=data, axis=1) == pytest.approx(expected)
    with pytest.raises(ArgumentError, match=r"the graph has arrays of 2, 3 rows; pass data=\[x\].* and axis= if it is"):
        gp.by("sample")
    t = t[:2]  # as many rows as features: the product sums over them
    gp = tg.gradient_paths(((w[:2] @ x - t) ** 2).sum(), w, at=(0, 1))
    with pytest.raises(ArgumentError, match=r"a product sums over axis 0 of .*\(of shape \(2, 4\)\); pass data="):
        gp.by("sample")
    assert gp.by("sample", axis=1) == pytest.approx(expected)
    with pytest.raises(ArgumentError, match="axis is the number of the axis that holds the samples, got True"):
        gp.by("sample", axis=True)
    with pytest.raises(ArgumentError, match=r"data= holds Values whose axis 2 is the samples, got Value"):
        gp.by("sample", data=data, axis=2)
    with pytest.raises(ArgumentError, match="the graph has no constant array; pass data"):
        gp.by("sample", axis=2)


def test_samples_that_meet_others_are_asked_for() -> None:
    rng = np.random.default_rng(0)
    x, z, w = rng.normal(size=(3, 2)), Value(rng.normal(size=(3, 2)), "z", requires_grad=False), Value(1.0, name="w")
    points = Value(x, "x", requires_grad=False)
    gp = tg.gradient_paths((w * (points @ z.T)).square().sum(), w)  # each point with each of z
    with pytest.raises(ArgumentError, match=r"'x' .* and 'z' .* meet in elements of different samples; pass data"):
        gp.by("sample")
    by_row = gp.by("sample", data=[points])
    assert by_row == pytest.approx({k: 2 * ((x @ z.data.T) ** 2)[k].sum() for k in range(3)})


def test_data_that_cannot_be_told() -> None:
    w = Value([1.0, -2.0], name="w")
    short, long = np.ones((3, 2)), np.ones((4, 2))
    loss = (w @ short.T).sum() + (long @ w).sum()
    with pytest.raises(ArgumentError, match=re.escape("the graph has arrays of 2, 4 rows; pass data=[x]")):
        tg.gradient_paths(loss, w, at=0).by("sample")
    with pytest.raises(
        ArgumentError, match="cannot tell which data holds the samples, the graph has no constant array"
    ):
        tg.gradient_paths((w * w).sum(), w, at=0).by("sample")
    gp = tg.gradient_paths((w * w).sum(), w, at=0)
    for data in ([1.0], [Value(1.0)], [np.ones(2)], ["w"]):
        with pytest.raises(ArgumentError, match="by: data= holds Values whose first axis is the samples, got"):
            gp.by("sample", data=data)  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="by: nothing here belongs to one sample"):
        gp.by("sample", data=[])
    with pytest.raises(GraphError, match=r"was not computed from 'x' .*; data= holds Values that are in the graph"):
        gp.by("sample", data=[Value(np.ones(3), name="x")])


# ---- by length -------------------------------------------------------------------------------------------------------


def test_the_spectrum_of_every_parameter_in_one_sweep() -> None:
    net = Residual(depth=2).name_parameters()
    loss = nn.losses.half_squared_error(net(X), T)
    swept = tg.sweep(loss, semirings.SPECTRUM, wrt=net)
    assert list(swept) == list(net.named_parameters())
    for name, parameter in net.named_parameters().items():
        for _, index in elements_of(parameter):
            expected = tg.gradient_paths(loss, parameter, at=index).spectrum
            found = {n: tuple(part[index] for part in parts) for n, parts in swept[name].items() if parts[0][index]}
            assert list(found) == list(expected)
            for length, parts in found.items():
                assert parts == pytest.approx(expected[length], rel=1e-12)
    assert isinstance(tg.sweep(loss, semirings.SPECTRUM, wrt=[net.first.w]), list)
    scalar = Value(3.0)
    assert tg.sweep(scalar * scalar, semirings.SPECTRUM, wrt=scalar) == {1: (2, 6.0, 6.0)}
    assert [type(part) for part in tg.sweep(scalar * scalar, semirings.SPECTRUM, wrt=scalar)[1]] == [int, float, float]
