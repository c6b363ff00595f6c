"""Random programs: every way of running them agrees, and the fuzzer finds planted faults and shrinks them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import release_early
from tinygrad_lite.compiler import codegen, tape
from tinygrad_lite.core.elementwise import Elementwise
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.maps import Scale
from tinygrad_lite.handwritten import manual
from tinygrad_lite.ops.registry import STRUCTURED
from tools.fuzz import running as command
from tools.fuzz.calls import LOSSES
from tools.fuzz.generator import draw
from tools.fuzz.judging import Failure, IllConditioned, judged
from tools.fuzz.layers import ON_ARRAYS, ON_NUMBERS
from tools.fuzz.programs import Program, ops_of
from tools.fuzz.scripts import script
from tools.fuzz.shrinking import shrunk
from tools.fuzz.ways import WAYS

GROUPS, EACH = 24, 8
"""The programs of make test: so many groups of so many seeds. ``make fuzz`` draws others."""

OFTEN = ["compiled", "compiled by level"]
"""The ways that every program is run in; each of the others runs one program in so many."""
SELDOM = {
    "in double precision": 2, "keep": 4, "sweep": 4, "checkpoint": 4, "forward mode": 4, "differences": 4, "hvp": 6,
    "compiled function": 6, "manual_backprop": 12,
}  # fmt: skip

NOT_DRAWN: dict[str, str] = {}
"""Functions that no program calls, and why."""

drawn = cache(draw)


def ways_of(seed: int) -> list[str]:
    return OFTEN + [way for way, every in SELDOM.items() if seed % every == every // 2]


def test_every_way_is_run() -> None:
    assert {*OFTEN, *SELDOM} == {*WAYS} - {"compiled to machine code"}


@pytest.mark.parametrize("group", range(GROUPS))
def test_all_ways_agree(group: int) -> None:
    skipped = 0
    for seed in range(group * EACH, (group + 1) * EACH):
        try:
            failure = judged(drawn(seed), ways_of(seed))
        except IllConditioned:
            skipped += 1
            continue
        assert failure is None, f"seed {seed}: python -m tools.fuzz --seed {seed} shrinks it: {failure}"
    assert skipped <= EACH // 4, "too few programs are well conditioned"


@pytest.mark.skipif(not tape.available(), reason="numba is not installed")
def test_machine_code_agrees() -> None:
    seed = next(seed for seed in range(1000) if drawn(seed).of_numbers)
    assert judged(drawn(seed), ["compiled to machine code"]) is None


def test_every_op_is_drawn() -> None:
    wanted = {f"tg.{name}" for name in TABLE}
    wanted |= STRUCTURED.keys() | {f"nn.losses.{name}" for name in LOSSES} | {*ON_ARRAYS, *ON_NUMBERS}
    wanted -= NOT_DRAWN.keys()
    for seed in range(GROUPS * EACH):
        wanted -= ops_of([drawn(seed)], sorted(wanted))
        if not wanted:
            break
    assert not wanted, "no seed draws these: draw them (tools/fuzz/calls.py), or list them in NOT_DRAWN with the reason"
    assert NOT_DRAWN.keys() <= TABLE.keys() | STRUCTURED.keys()


# ---- planted faults --------------------------------------------------------------------------------------------------


def wrong_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivative of tanh of an array is 0.1 % off."""
    pull, chain = Elementwise.pull, Elementwise.chain

    def pulled(self: Elementwise, *rest: Any) -> Any:
        found = pull(self, *rest)
        return found * 1.001 if self.name == "tanh" and found is not None else found

    def chained(self: Elementwise, *rest: Any) -> Any:
        found = chain(self, *rest)
        return (Scale(1.001, np.ndim(rest[-1])), *found) if self.name == "tanh" and np.ndim(rest[-1]) else found

    monkeypatch.setattr(Elementwise, "pull", pulled)
    monkeypatch.setattr(Elementwise, "chain", chained)


def released_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler gives an array's memory away one call before it is read last, and does not check lifetimes."""
    release_early(monkeypatch)
    monkeypatch.setattr(codegen, "check_lifetimes", lambda *rest: None)


def wrong_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """One derivative in the source of manual_backprop has the wrong sign."""
    written = manual.written

    def wrong(*rest: Any) -> Any:
        source, *others = written(*rest)
        forward, mark, backward = source.partition("# backward")
        return (forward + mark + backward.replace("np.cos(", "-np.cos("), *others)

    monkeypatch.setattr(manual, "written", wrong)


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "differences": wrong_derivative,
    "compiled": released_early,
    "manual_backprop": wrong_line,
}


def first_failure(way: str) -> tuple[Program, Failure]:
    for seed in range(GROUPS * EACH):
        try:
            failure = judged(drawn(seed), [way])
        except IllConditioned:
            continue
        if failure is not None:
            return drawn(seed), failure
    raise AssertionError(f"no seed finds the fault that is planted for {way}")


@pytest.mark.parametrize("way", FAULTS)
def test_a_planted_fault_is_found_and_shrunk(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[way](monkeypatch)
    program, failure = first_failure(way)
    small, failure = shrunk(program, failure, seconds=6.0)
    assert failure.way == way
    assert len(small.statements) <= 10 < len(program.statements)
    text = script(small, failure)
    imports = re.findall(r"^(?:import|from) (\w+)", text, re.M)
    assert {*imports} == {"__future__", "collections", "numpy", "sys", "tinygrad_lite", "typing"}
    with pytest.raises(SystemExit, match="True"):
        exec(compile(text, "<script>", "exec"), {})
    monkeypatch.undo()
    with pytest.raises(SystemExit, match="False"):  # without the fault the script is content
        exec(compile(text, "<script>", "exec"), {})


def test_the_command_writes_a_script_for_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure("keep", "numbers", "loss: 1.0, not 2.0", {"loss, step 0": 1e-15})
    monkeypatch.setattr(command, "outcome", lambda seed, ways: command.Outcome(seed, True, failure, drawn(0)))
    assert command.main(["--minutes", "0", "--seed", "0", "--jobs", "0", "--folder", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["keep-0.py"]
    assert "loss: 1.0, not 2.0" in capsys.readouterr().out
    monkeypatch.setattr(command, "outcome", lambda seed, ways: command.Outcome(seed, True))
    assert command.main(["--minutes", "0", "--seed", "0", "--jobs", "0", "--folder", str(tmp_path)]) == 0


def test_an_error_of_eager_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    program = drawn(0)

    def wrong(self: Any, *rest: Any, **options: Any) -> None:
        raise AttributeError("planted")

    monkeypatch.setattr(tg.Value, "backward", wrong)
    failure = judged(program, ["compiled"])
    assert failure is not None
    assert (failure.way, failure.kind) == ("eager", "AttributeError")


def test_processes_of_their_own() -> None:
    arguments = ["--minutes", "0", "--jobs", "1", "--seed", "0", "--ways", next(iter(WAYS))]
    done = subprocess.run(
        [sys.executable, "-m", "tools.fuzz", *arguments], capture_output=True, text=True, check=True, timeout=300
    )
    assert "1, 'failures': 0" in done.stdout
