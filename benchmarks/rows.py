"""The rows of the table: one record for each measurement, and the place to add another.

A row has the work, the other side, the measurement and the limit, and a function that builds the two sides and checks
that they do the same. Peers that start threads come last, so that no other row shares the machine with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import peers, scalars, sweeps, training
from .compiled import COMPILED, COMPILED_PEERS
from .embedding import EMBEDDING, EMBEDDING_PEERS, SEQUENCES
from .functions import FUNCTION_PEERS, FUNCTIONS
from .imports import against_numpy
from .measure import Effort, Growing, Measurement, Pair, growth, kept_ratio, peak_ratio, time_ratio, told_ratio
from .paths import PATHS
from .plain import PLAIN
from .sweeps import FAMILIES, SWEPT
from .training import PROBLEMS, Problem, Trainer

__all__ = ["ROWS", "Row", "named"]


@dataclass(frozen=True)
class Row:
    """A line of the table.

    ``limit`` is the largest ratio that holds, or the largest exponent where ``measure`` is ``growth``; a row with
    ``None`` is only reported. ``build`` returns the argument of ``measure``.
    """

    name: str
    work: str
    against: str
    limit: float | None
    measure: Callable[[Any, Effort], Measurement]
    build: Callable[[], Pair | Growing]

    @property
    def is_exponent(self) -> bool:
        """Whether the row's number is an exponent instead of a ratio."""
        return self.measure is growth


def named(rows: Sequence[Row], parts: Sequence[str]) -> list[Row]:
    """The rows that ``parts`` choose: a whole name, or all rows whose name contains the text. No parts: all rows."""
    names = {row.name for row in rows}
    return [
        row
        for row in rows
        if not parts or any(part == row.name if part in names else part in row.name for part in parts)
    ]


# ---- building blocks of rows -----------------------------------------------------------------------------------------


def timed(*rows: tuple[str, str, str, float | None, Callable[[], Pair]]) -> list[Row]:
    """Rows whose number is a ratio of times, from their fields: name, work, against, limit and build."""
    return [Row(name, work, against, limit, time_ratio, build) for name, work, against, limit, build in rows]


def steps(side: Callable[[Problem], Trainer], size: str) -> Pair:
    """Our training step against another side's step, once the two agree on the gradients."""
    ours, theirs = training.ours(PROBLEMS[size]), side(PROBLEMS[size])
    training.agree(ours, theirs)
    return Pair(ours.step, theirs.step)


def written_out(size: str) -> Pair:
    """A step of the source that ``manual_backprop`` writes against a step of code by hand."""
    theirs, by_hand = training.written(PROBLEMS[size]), training.by_hand(PROBLEMS[size])
    training.agree(theirs, by_hand)
    return Pair(theirs.step, by_hand.step)


def the_same_twice() -> Pair:
    """A hand-written step against itself: the error of a ratio on this machine, in this run."""
    return Pair(training.by_hand(PROBLEMS["small"]).step, training.by_hand(PROBLEMS["small"]).step)


def _limits() -> dict[str, float]:
    """For each statistic, its limit in gradient sweeps: every semiring in ``semirings`` has a row."""
    from tinygrad_lite import semirings

    names = [name for name in semirings.__all__ if name not in ("Semiring", "GRADIENT")]
    return {name: 35.0 if name in EXTREMES else 6.0 for name in names}


EXTREMES = ("MAX", "MOST_POSITIVE", "MOST_NEGATIVE")  # BLAS has no product of matrices with a maximum for the sum
COUNTING = ("COUNT", "ACTIVE_COUNT", "SPECTRUM")  # exact: their numbers grow with depth, to thousands of digits
LIMITS = _limits()

MICROGRAD = "micrograd, same program"
BY_HAND = "hand-written NumPy"
NUMPY = "import numpy"
GRADIENT = "a sweep of GRADIENT"
NETWORK = "scalars: MLP(2,[16,16,1])×100"

# ---- the rows --------------------------------------------------------------------------------------------------------

ROWS: tuple[Row, ...] = (
    Row("noise", f"noise: {BY_HAND}", "itself", None, time_ratio, the_same_twice),
    # imports, each in a new process
    Row("import", "import tinygrad_lite", NUMPY, 2.0, told_ratio, partial(against_numpy, "import tinygrad_lite")),
    Row("import-viz", "import viz", NUMPY, 2.5, told_ratio, partial(against_numpy, "import viz")),
    Row(
        "import-all",
        "from tinygrad_lite import *; from viz import *",
        NUMPY,
        None,
        told_ratio,
        partial(against_numpy, "from tinygrad_lite import *; from viz import *"),
    ),
    # scalars
    Row("scalars", f"{NETWORK}, forward + backward", MICROGRAD, 1 / 8, time_ratio, scalars.eager),
    Row("scalars-per-op", f"{NETWORK}, a product an op", MICROGRAD, None, time_ratio, scalars.eager_per_op),
    Row("scalars-peak", f"{NETWORK}, peak memory", MICROGRAD, None, peak_ratio, scalars.eager),
    Row("memory-chain", "memory of a scalar op: products, sums", MICROGRAD, 1 / 5, kept_ratio, scalars.held_chain),
    Row("memory-mixed", "memory of a scalar op: ops of all kinds", MICROGRAD, 1 / 5, kept_ratio, scalars.held_mixed),
    Row("growth-backward", "scalar chain to 10^6 ops: backward", "its length", 1.1, growth, scalars.backward_of_chain),
    Row(
        "growth-chain",
        "scalar chain to 10^6 ops: built, backward, freed",
        "its length",
        None,
        growth,
        scalars.whole_chain,
    ),
    # arrays
    *(
        Row(
            f"step-{size}", f"step {PROBLEMS[size]}", BY_HAND, limit, time_ratio, partial(steps, training.by_hand, size)
        )
        for size, limit in (("tiny", 2.5), ("small", 1.3), ("large", 1.2))
    ),
    *(
        Row(f"peak-{size}", f"step {PROBLEMS[size]}, peak memory", BY_HAND, None, peak_ratio, build)
        for size, build in ((size, partial(steps, training.by_hand, size)) for size in PROBLEMS)
    ),
    *(
        Row(
            f"written-{size}",
            f"step {PROBLEMS[size]}: manual_backprop's source",
            BY_HAND,
            limit,
            time_ratio,
            partial(written_out, size),
        )
        for size, limit in (("tiny", None), ("small", 1.5), ("large", None))
    ),
    # statistics of paths
    *(
        Row(
            f"sweep-{name}-{size}{ending}",
            f"sweep {SWEPT[size]}: {name}{what}",
            GRADIENT,
            limit or time_limit,
            measure,
            partial(sweeps.against_gradient, name, size),
        )
        for name, time_limit in LIMITS.items()
        for size in SWEPT
        for ending, what, limit, measure in (("", "", None, time_ratio), ("-peak", ", peak memory", 4.0, peak_ratio))
    ),
    *(
        Row(
            f"growth-{name}-{family}",
            f"sweep, 10^5 to 10^7 edges by {family}: {name}",
            "edges",
            None if name in COUNTING and family == "depth" else 1.1,
            growth,
            partial(sweeps.growing, name, family),
        )
        for name in ("GRADIENT", *LIMITS)
        for family in FAMILIES
        if name in COUNTING or family != "thin"
    ),
    Row("count-chain", "COUNT of a chain of 100,000 scalar ops", GRADIENT, None, time_ratio, sweeps.chain_counted),
    Row("count-doublings", "COUNT of 2^1000 paths", GRADIENT, None, time_ratio, sweeps.doublings),
    Row("top", "top(100) of 10^30 paths", "top(1)", None, time_ratio, sweeps.top),
    # written with plain ops
    *timed(*PLAIN),
    *(Row(*row) for row in PATHS),
    # compiled
    *timed(*COMPILED, *FUNCTIONS, *EMBEDDING),
    *(Row(name, work, "its steps", limit, growth, build) for name, work, limit, build in SEQUENCES),
    # the same training steps elsewhere
    *(
        Row(f"{name}-{size}", f"step {PROBLEMS[size]}", against, None, time_ratio, partial(steps, side, size))
        for name, against, side in (
            ("autograd", "HIPS autograd", peers.hips_autograd),
            ("torch", "PyTorch eager, CPU", peers.torch_eager),
            ("jax", "JAX jit, CPU", peers.jax_jit),
        )
        for size in PROBLEMS
    ),
    *timed(*COMPILED_PEERS, *FUNCTION_PEERS, *EMBEDDING_PEERS),
)
