"""Fixed seeds and repeatable examples for every test, and a report of the oracles that took part."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import hypothesis
import numpy as np
import pytest

pytest.register_assert_rewrite("tests.checkers", "tests.path_checks", "tests.compiler.agreement")

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, print_blob=True, max_examples=100
)
hypothesis.settings.load_profile("repeatable")

SEED = 20
ORACLES = {
    "scipy": "extra scipy",
    "jax": "extra oracles",
    "torch": "extra oracles",
    "dot": "the system's Graphviz",
    "pdflatex": "the system's TeX",
    "chromium": "the system's browser",
}
"""What the tests compare with where it is installed, and where it comes from."""


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator in the same state for each test, in whatever order they run."""
    return np.random.default_rng(SEED)


@pytest.fixture(autouse=True, scope="session")
def _machine_code_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests keep machine code in a folder of their own; numba reads its name when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        if "NUMBA_CACHE_DIR" not in os.environ:
            patch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("machine_code")))
        yield


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Python's own generator too, from which micrograd's networks draw their weights."""
    state = random.getstate()
    random.seed(SEED)
    yield
    random.setstate(state)


def _found(oracle: str) -> str | None:
    if ORACLES[oracle].startswith("the system's"):
        return shutil.which(oracle)
    try:
        return version(oracle)
    except PackageNotFoundError:
        return None


def oracle_lines() -> list[str]:
    """Which oracles are here, and which the tests do without."""
    found = {oracle: _found(oracle) for oracle in ORACLES}
    here = [f"{oracle} {where}" for oracle, where in found.items() if where]
    missing = [f"{oracle} ({ORACLES[oracle]})" for oracle, where in found.items() if not where]
    lines = [f"oracles: compared with {', '.join(here) or 'none'}"]
    if missing:
        lines.append(f"oracles: left out, for they are not installed: {', '.join(missing)}")
    return lines


def pytest_report_header() -> list[str]:
    return oracle_lines()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in oracle_lines():
        terminalreporter.write_line(line)
