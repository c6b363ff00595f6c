"""Random programs for some minutes, in several processes; a script of each that fails, status 1 if one did.

The processes import this module by its name, which they could not do with ``__main__``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tinygrad_lite.files import write_atomically

from .generator import draw
from .judging import Failure, IllConditioned, judged
from .programs import Program
from .scripts import script
from .shrinking import shrunk
from .ways import WAYS

FOLDER = Path("out/fuzz")


class Outcome(NamedTuple):
    """What became of a seed."""

    seed: int
    judged: bool
    failure: Failure | None = None
    program: Program | None = None


def outcome(seed: int, ways: list[str]) -> Outcome:
    """Draw the program of a seed, run it, and shrink it if it fails."""
    program = draw(seed)
    try:
        failure = judged(program, ways)
    except IllConditioned:
        return Outcome(seed, False)
    if failure is None:
        return Outcome(seed, True)
    program, failure = shrunk(program, failure)
    return Outcome(seed, True, failure, program)


def _outcome(work: tuple[int, list[str]]) -> Outcome:
    return outcome(*work)


def main(arguments: list[str] | None = None) -> int:
    """Run until the time is up; the status of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description="Random programs, run in every way there is, which have to agree."
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0 is this one")
    parser.add_argument("--seed", type=int, help="the first seed; the programs of a seed are always the same")
    parser.add_argument("--ways", nargs="*", default=None, choices=WAYS, help="a part of the ways")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where scripts are written")
    given = parser.parse_args(arguments)
    first = int(time.time()) * 1000 if given.seed is None else given.seed
    ways = given.ways or [name for name in WAYS if name != "compiled to machine code" or _numba()]
    print(f"fuzz: seed {first}, {given.minutes:g} minutes, {given.jobs} jobs, ways: {', '.join(ways)}", flush=True)
    start = said = time.monotonic()
    counts: Counter[str] = Counter(programs=0, failures=0)
    with _outcomes(((seed, ways) for seed in range(first, sys.maxsize)), given.jobs) as found_by_seed:
        for found in found_by_seed:
            counts["programs"] += 1
            counts["ill-conditioned"] += not found.judged
            if found.failure and found.program:
                counts["failures"] += 1
                path = given.folder / f"{found.failure.way.replace(' ', '_')}-{found.seed}.py"
                write_atomically(path, script(found.program, found.failure).encode())
                print(f"{path}: {found.failure.message[:300]}", flush=True)
            now = time.monotonic()
            over = now - start > 60 * given.minutes
            if over or now - said > 10.0:
                said = now
                rate = counts["programs"] / (now - start)
                print(f"fuzz: {now - start:.0f} s, {rate:.1f} programs/s, {dict(counts)}", flush=True)
            if over:
                break
    return 1 if counts["failures"] else 0


@contextmanager
def _outcomes(work: Iterator[tuple[int, list[str]]], jobs: int) -> Iterator[Iterator[Outcome]]:
    """The outcomes as they come: from so many processes, or from this one for 0 jobs."""
    if not jobs:
        yield map(_outcome, work)
        return

    def results() -> Iterator[Outcome]:
        waiting = [pool.apply_async(_outcome, (next(work),)) for _ in range(2 * jobs)]  # never many seeds ahead
        while True:
            waiting.append(pool.apply_async(_outcome, (next(work),)))
            yield waiting.pop(0).get()

    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield results()


def _numba() -> bool:
    from tinygrad_lite.compiler import tape

    return tape.available()
