"""Every import path that a user may have from before the rooms still works, without a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATHS = Path(__file__).with_name("import_paths.txt")
"""Each module before the rooms, and its public names."""

INTERNAL = {
    "tinygrad_lite.calls.modules_of",
    "tinygrad_lite.deriving.factoring.factors_of",
    "tinygrad_lite.emitting.emitted",
    "tinygrad_lite.handwriting.noted.Notebook",
    "tinygrad_lite.handwriting.noted.Noted",
    "tinygrad_lite.handwriting.noted.noted",
    "tinygrad_lite.handwriting.pulling.full",
    "tinygrad_lite.handwriting.pulling.pulled",
    "tinygrad_lite.lowering.MIRRORED",
    "tinygrad_lite.path.many",
    "tinygrad_lite.paths.AT_MOST",
    "tinygrad_lite.ranking.ranked",
    "tinygrad_lite.rehearsing.backward_gradients",
    "tinygrad_lite.routes.Restricted",
    "tinygrad_lite.sweeping.push",
    "tinygrad_lite.taping.check_installed",
    "tinygrad_lite.transforms.Call",
    "tinygrad_lite.transforms.blocks",
    "tinygrad_lite.transforms.called",
    "viz.collapsing.calls_merged",
    "viz.collapsing.chains_folded",
    "viz.collapsing.deepest",
    "viz.collapsing.fits",
    "viz.collapsing.hidden",
    "viz.collapsing.modules_collapsed",
    "viz.collapsing.start_folded",
    "viz.digraphs.check_size",
}
"""Names that other modules of the package imported and no user had reason to: renamed or merged since."""

CHECK = """
import importlib, sys, warnings
warnings.simplefilter("error")
for line in sys.stdin:
    module, _, names = line.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        print(module, error)
        continue
    for name in names.split():
        if not hasattr(found, name):
            print(f"{module}.{name}")
"""


def lost(paths: str, folder: Path | None = None) -> list[str]:
    """The modules and names of a list that a fresh interpreter does not find."""
    command = [sys.executable, "-c", CHECK]
    return subprocess.run(
        command, input=paths, capture_output=True, text=True, check=True, cwd=folder
    ).stdout.splitlines()


def test_every_import_path_still_works() -> None:
    assert set(lost(PATHS.read_text(encoding="utf-8"))) <= INTERNAL


def test_a_lost_path_is_found() -> None:
    paths = "tinygrad_lite.optim: SGD Sgd\ntinygrad_lite.checking: compare\ntinygrad_lite.chekcing: compare\n"
    assert lost(paths) == ["tinygrad_lite.optim.Sgd", "tinygrad_lite.chekcing No module named 'tinygrad_lite.chekcing'"]


def test_a_warning_is_found(tmp_path: Path) -> None:
    (tmp_path / "stale.py").write_text("import warnings; warnings.warn('moved', DeprecationWarning)")
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        lost("stale:", tmp_path)
