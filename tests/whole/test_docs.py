"""The documentation is about the code as it is: links lead somewhere, and no file is named that has moved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinygrad_lite import _aliases
from tools import architecture
from tools.architecture import ROOT
from viz import _aliases as of_viz

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
SOURCES = [path for folder in (*architecture.PACKAGES, "examples") for path in sorted((ROOT / folder).rglob("*.py"))]
NOTEBOOKS = sorted((ROOT / "examples").rglob("*.ipynb"))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """Relative links of a page to files or headings that are not there."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        there = target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))
        found += [] if there else [link]
    return found


def _moved() -> re.Pattern[str]:
    """The paths and the file names that moved, except those that name something else today."""
    old = {*_aliases.MOVED, *of_viz.MOVED}
    names = {name.rpartition(".")[2] for name in old} - {
        path.stem for folder in (*architecture.PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")
    }
    paths = [re.escape(name).replace(r"\.", "[./]") for name in sorted(old, key=len, reverse=True)]
    paths = [path for path in paths if not path.endswith(("]functions", "]formulas", "]path"))]
    return re.compile(rf"\b(?:{'|'.join(paths)})(?:\.py)?\b(?![\w/.])|\b(?:{'|'.join(sorted(names))})\.py\b")


MOVED = _moved()


def moved_names(text: str) -> list[str]:
    """The modules that a text names by where they were before the rooms."""
    return MOVED.findall(text)


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("path", [*PAGES, *SOURCES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_named_by_where_it_was(path: Path) -> None:
    if path.name not in ("_aliases.py", "test_import_paths.py"):
        assert moved_names(path.read_text(encoding="utf-8")) == []


def test_the_rooms_of_the_page_are_those_of_the_code() -> None:
    page = (ROOT / architecture.PAGE).read_text(encoding="utf-8")
    assert page == architecture.with_picture(page, ROOT), "run: python -m tools.architecture"


def test_faults_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One, two\n[a](gone.md) [b](#one-two) [c](#three) [d](https://x.org/y) [e](page.md#one-two)\n")
    assert dead_links(page) == ["gone.md", "#three"]
    assert moved_names("see sweeping.py, tinygrad_lite/maps.py, tinygrad_lite.checking and core/maps.py") == [
        "sweeping.py",
        "tinygrad_lite/maps.py",
        "tinygrad_lite.checking",
    ]
    stale = f"# Rooms\n{architecture.BEGIN}| 1 | gone |\n{architecture.END}rest\n"
    assert "core/" in architecture.with_picture(stale, ROOT)
    assert architecture.with_picture(stale, ROOT).endswith("rest\n")
