"""A residual network and a plain one of the same depth: paths of many lengths against paths of one length.

In a plain network every path from the loss to the first layer passes every block. A residual block computes x + f(x),
so a path either takes the branch f or skips it: C(n, j) combinations of n blocks take j branches. One sweep, whose sums
are polynomials in the length, measures the part of the gradient that arrives by each number of branches. It shows what
Veit et al. found: most paths are of middle length, but each branch makes a path smaller, so the short paths carry most
of the gradient.

    python examples/residual.py

Both networks learn to separate two spirals. The script writes its pictures under ``out/``, which need matplotlib, the
extra ``plots``. It stops with a message if a sum is wrong.

Source: A. Veit, M. Wilber and S. Belongie, *Residual networks behave like ensembles of relatively shallow networks*,
2016 (figures 4 and 6).
"""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, datasets, nn, optim, training
from tinygrad_lite.errors import MissingExtraError
from viz.dot.colours import INK, POSITIVE_LINE

OUT = Path("out")
SEED = 0
BLOCKS = 12
WIDTH = 12
FEW = 4  # a path through at most so many blocks is called short
TOLERANCE = 1e-9
Array = npt.NDArray[np.float64]


class Net(nn.Module):
    """A layer into ``width`` neurons, ``blocks`` blocks f(x) = relu(x @ w + b), a layer into two logits.

    With ``skip`` a block computes x + f(x), and its weights start smaller by √blocks, so that the sum over the blocks
    does not explode (Zhang et al., *Fixup initialization*, 2019). All other weights start the same.
    """

    def __init__(self, blocks: int, width: int, skip: bool, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.skip = skip
        self.stem = nn.Linear(2, width, rng=rng)
        self.blocks = [nn.Sequential(nn.Linear(width, width, rng=rng, init="he"), tg.relu) for _ in range(blocks)]
        self.head = nn.Linear(width, 2, rng=rng)
        if skip:
            for block in self.blocks:
                weights = block.layers[0].w
                weights.data = weights.data / np.sqrt(blocks)
        self.name_parameters()

    def __call__(self, x: Value | Array) -> Value:
        h: Value = self.stem(x)
        for block in self.blocks:
            h = h + block(h) if self.skip else block(h)
        return self.head(h)


def main() -> None:
    points, labels = datasets.spirals(200, rng=SEED)
    nets = {name: Net(BLOCKS, WIDTH, name == "residual", SEED) for name in ("plain", "residual")}

    heading(f"Two spirals, {BLOCKS} blocks of {WIDTH} neurons, until the cross-entropy is below 0.01 nats")
    curves, losses = {}, {}
    for name, net in nets.items():

        def loss(net: Net = net) -> Value:
            return nn.losses.cross_entropy(net(points), labels)

        optimizer = optim.Adam(net.parameters(), lr=3e-3)
        history = training.train(loss, optimizer, steps=400, goal=0.01, description=name)
        right = int((net(points).data.argmax(axis=1) == labels).sum())
        print(f"{name:9} {history}; {right} of {len(points)} points right")
        curves[name], losses[name] = history, loss()

    heading("The paths from the loss to the first layer's 24 weights, by how many blocks they take")
    lengths = {name: by_length(loss, nets[name]) for name, loss in losses.items()}
    ((only, (count, _, _)),) = lengths["plain"].items()
    print(
        f"plain: {total_count(count):.3g} paths through neurons, all of length {only} ops, through all {BLOCKS} blocks"
    )
    share, size = shares(lengths["residual"])
    shortest = min(lengths["residual"])
    print(f"residual: of lengths from {shortest} to {max(lengths['residual'])} ops")
    print("blocks   ways through blocks   paths through neurons    of the gradient   one way's size")
    for taken, (length, (count, _, _)) in enumerate(lengths["residual"].items()):
        wires = total_count(count)
        ways = wires // (total_count(lengths["residual"][shortest][0]) * WIDTH**taken)
        require(ways, comb(BLOCKS, taken), f"{length} ops long there are not C({BLOCKS}, {taken}) ways")
        print(f"{taken:6} {ways:10,} {ways / 2**BLOCKS:8.2%} {wires:23.2e} {share[taken]:18.2%} {size[taken]:16.2e}")
    few = sum(comb(BLOCKS, taken) for taken in range(FEW + 1)) / 2**BLOCKS
    print(f"at most {FEW} of {BLOCKS} blocks: {few:.1%} of the ways, {share[: FEW + 1].sum():.1%} of the gradient")
    factor = float(np.exp(np.polyfit(np.arange(BLOCKS + 1), np.log(size), 1)[0]))
    print(f"each block that a way takes multiplies its size by {factor:.2f}, in the mean")

    small = Net(3, 4, True, SEED)
    end = nn.losses.cross_entropy(small(points), labels)
    paths = tg.gradient_paths(end, "stem.w[0,0]")
    ways = paths.by("module", depth=1)
    heading("Three blocks of four neurons, untrained: every way of the gradient of stem.w[0,0]")
    for way, part in sorted(ways.items(), key=lambda item: (len(item[0]), item[0])):
        print(f"{' ← '.join(way):55} {part:+.6f}")
    print(f"{'their sum':55} {sum(ways.values()):+.6f}, the sum over all {paths.count:,} paths {paths.total:+.6f}")
    require(sum(ways.values()), paths.total, "the ways do not add up to the gradient")

    try:
        pictures = plot(nets, curves, losses, share, size, ways, points, labels)
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None
    print("\npictures:", *pictures)


def by_length(loss: Value, net: Net) -> dict[int, tuple[Array, Array, Array]]:
    """{length: (counts, totals, magnitudes)} for every weight of the first layer; the totals add up to its gradient."""
    found: dict[int, tuple[Array, Array, Array]] = tg.sweep(loss, tg.semirings.SPECTRUM, wrt=net.stem.w)
    net.zero_grad()
    loss.backward()
    gradient = net.stem.w.grad
    apart = np.abs(sum(totals for _, totals, _ in found.values()) - gradient).max() / np.abs(gradient).max()
    require(1 + apart, 1.0, "the totals of all lengths do not add up to the gradient")
    return dict(sorted(found.items()))


def shares(lengths: dict[int, tuple[Array, Array, Array]]) -> tuple[Array, Array]:
    """For each length its part of the gradient, and the size of its total divided by the number of paths.

    The part is the component of the total along the gradient: the parts add up to 1, and a total that points the other
    way counts as negative.
    """
    totals = np.array([totals for _, totals, _ in lengths.values()])
    gradient = totals.sum(axis=0)
    share = (totals * gradient).sum(axis=(1, 2)) / (gradient * gradient).sum()
    ways = np.array([comb(BLOCKS, taken) for taken in range(BLOCKS + 1)])
    return share, np.linalg.norm(totals, axis=(1, 2)) / ways


def total_count(counts: npt.NDArray[np.int64]) -> int:
    return sum(map(int, counts.flat))  # Python's integers have no limit


def plot(
    nets: dict[str, Net],
    curves: dict[str, training.History],
    losses: dict[str, Value],
    share: Array,
    size: Array,
    ways: dict[tuple[str, ...], float],
    points: Array,
    labels: npt.NDArray[np.int64],
) -> list[Path]:
    page = viz.plots.figure(11.5, 4.4)
    left, right = page.subplots(1, 2)
    blocks = np.arange(BLOCKS + 1)
    binomial = np.array([comb(BLOCKS, taken) / 2**BLOCKS for taken in blocks])
    left.bar(blocks - 0.2, binomial, 0.4, color="#c9d6e2", label="of the ways through blocks (binomial)")
    left.bar(blocks + 0.2, share, 0.4, color=POSITIVE_LINE, label="of the gradient")
    left.axhline(0, color=INK, linewidth=0.8)
    left.yaxis.set_major_formatter(lambda part, _: f"{100 * part:.3g} %")
    left.set(
        xlabel="blocks that a path takes",
        ylabel="share",
        title="Most paths are of middle length,\nthe short ones carry the gradient",
    )
    left.legend(frameon=False, fontsize=9)
    right.semilogy(blocks, size, "o-", color=POSITIVE_LINE)
    right.set(
        xlabel="blocks that a path takes",
        ylabel="size of one way's gradient (Euclidean norm)",
        title="Each block that it takes makes it smaller",
    )
    for axes in (left, right):
        axes.set_xticks(blocks)
        axes.spines[["top", "right"]].set_visible(False)

    wires = viz.plots.figure(13, 4.6)
    for axes, (name, loss) in zip(wires.subplots(1, 2), losses.items(), strict=True):
        viz.plots.spectrum(tg.gradient_paths(loss, "stem.w[0,0]"), title=f"{name}, to stem.w[0,0]", ax=axes)

    spirals = viz.plots.figure(13, 4.4)
    first, second, third = spirals.subplots(1, 3)
    viz.plots.training_curve(curves, goal=0.01, unit="nats", ax=first)
    for axes, (name, net) in zip((second, third), nets.items(), strict=True):
        viz.plots.decision_boundary(net, points, labels, title=name.capitalize(), ax=axes)

    steps = viz.plots.waterfall(ways, title="Three residual blocks: the gradient of stem.w[0,0], way by way")
    named = {"spectrum": page, "wires": wires, "training": spirals, "modules": steps}
    return [picture.save(OUT / f"residual_{name}.svg") for name, picture in named.items()]


def require(found: float, wanted: float, complaint: str) -> None:
    if not abs(found - wanted) <= TOLERANCE * max(abs(wanted), 1.0):  # not: > TOLERANCE, which a nan would pass
        raise SystemExit(f"residual: {complaint}: {found:.12g} is not {wanted:.12g}")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
