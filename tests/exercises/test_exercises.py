"""The exercises that come with the package: each solution is right, and each starter file runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite.checks.by_hand import called
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.grading.exercises import exercises
from tinygrad_lite.grading.starting import start

EXERCISES = {one.name: one for one in exercises()}
EACH = pytest.mark.parametrize("name", EXERCISES)


def test_all_are_there() -> None:
    wanted = "one-neuron half-adder xor softmax-cross-entropy batch-norm layer-norm embedding convolution attention rnn"
    assert set(wanted.split()) < set(EXERCISES)
    totals = [one.total for one in EXERCISES.values()]
    assert totals == sorted(totals)


@EACH
def test_the_solution_is_right(name: str) -> None:
    one = EXERCISES[name]
    assert one.solution is not None
    report = one.check(one.solution)
    assert report, str(report)
    assert (report.score, report.wrong) == (one.total, [])
    assert one.title
    assert len(one.text) > 80


@pytest.mark.parametrize("name", ["one-neuron", "batch-norm", "embedding"])
def test_each_gradient_counts(name: str) -> None:
    one = EXERCISES[name]
    right = called(one.solution, one.given, "exercise")
    for asked, worth in one.points.items():
        off = {**right, asked: np.asarray(right[asked]) * 1.00001}
        report = one.check(lambda off=off: off)
        assert [verdict.name for verdict in report.wrong] == [asked]
        assert report.score == one.total - worth


@EACH
def test_the_starter_file_runs_and_is_not_right_yet(name: str, tmp_path: Path) -> None:
    one = EXERCISES[name]
    path = start(one, tmp_path / "start.py")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    report = one.check(names["backward"])
    assert {verdict.reason for verdict in report.wrong} == {"not given"}
    assert len(report.wrong) == len(one.points)
    assert "solution" not in path.read_text(encoding="utf-8")
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120
    with pytest.raises(ArgumentError, match="is there already"):
        start(one, path)
