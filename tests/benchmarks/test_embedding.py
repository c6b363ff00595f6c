"""Steps of an embedding in the benchmarks: both sides take the same ones, and those by hand are right by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import embedding
from benchmarks.embedding import EMBEDDING, EMBEDDING_PEERS, SEQUENCES
from benchmarks.training import Disagreement


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "SIZES", {"50k": 2_000, "500k": 3_000})


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("compiled", [False, True])
def test_both_sides_agree(kind: str, compiled: bool) -> None:
    pair = embedding.steps("50k", kind, compiled)
    pair.ours()
    pair.theirs()
    embedding.both_sizes(kind, compiled).theirs()


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_planted_difference_is_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = embedding.gradients
    monkeypatch.setattr(embedding, "gradients", lambda *args: [g + 1e-3 for g in right(*args)])
    with pytest.raises(Disagreement, match="parameters differ after four steps"):
        embedding.steps("50k", kind, False)


@pytest.mark.filterwarnings("default")  # theirs are not ours to mend
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_peer_takes_the_same_steps(kind: str) -> None:
    pytest.importorskip("torch")
    embedding.against_torch("50k", kind, False).theirs()


def test_gradients_by_hand_against_differences(rng: np.random.Generator) -> None:
    x, w, labels = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), np.array([0, 1, 1])

    def cost() -> float:
        logits = x @ w
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(3), labels]))

    for array, g in zip((w, x), embedding.gradients(x, w, labels), strict=True):
        for index in np.ndindex(array.shape):
            start = array[index]
            array[index] = start + 1e-6
            above = cost()
            array[index] = start - 1e-6
            below = cost()
            array[index] = start
            assert g[index] == pytest.approx((above - below) / 2e-6, abs=1e-8)


def test_a_step_reads_some_rows_twice_and_batches_differ() -> None:
    found = embedding.batches(2_000)
    assert all(len(np.unique(words)) < embedding.READ for words, _ in found)
    assert len({words.tobytes() for words, _ in found}) == embedding.AHEAD


def test_the_rows_of_the_table() -> None:
    assert {limit for _, _, _, limit, _ in EMBEDDING} == {2.0, 1.25}
    assert {limit for _, _, limit, _ in SEQUENCES} == {1.1}
    assert len(EMBEDDING) == 12
    assert len(EMBEDDING_PEERS) == 4


@pytest.mark.parametrize("growing", [build for *_, build in SEQUENCES])
def test_loops_run(growing: object) -> None:
    program = growing().make(5)  # type: ignore[operator]
    program()
