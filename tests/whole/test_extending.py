"""The examples of docs/extending.md, tried on a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


class Example(NamedTuple):
    """Changes of files, the program that is run after them, and what it prints."""

    changes: list[tuple[str, str, str]]
    program: str
    printed: str


def examples(page: str) -> dict[str, Example]:
    """The examples of a page that change files, by the heading they stand under."""
    found = {}
    for section in page.split("\n## ")[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        changes = [(kind, *text.split("\n", 1)) for kind, text in blocks if text.startswith("# file: ")]
        programs = [text for _, text in blocks if text.startswith("# run\n")]
        if changes:
            (program,), (printed,) = programs, [text for kind, text in blocks if kind == "text"]
            found[section.split("\n", 1)[0]] = Example(
                [(kind, head.removeprefix("# file: "), text) for kind, head, text in changes], program, printed
            )
    return found


def changed(text: str, kind: str, change: str) -> str:
    """The text of a file after a change: of lines that a diff names, or of what is added at the end."""
    if kind == "python":
        return text + "\n\n" + change
    lines = change.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
    assert text.count(before) == 1, f"the lines of the diff are there {text.count(before)} times"
    return text.replace(before, after)


def run_on_a_copy(example: Example, folder: Path) -> str:
    """What the program of an example prints, run on a copy of the packages with its changes made."""
    for package in ("tinygrad_lite", "viz"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, name, change in example.changes:
        path = folder / name
        path.write_text(changed(path.read_text("utf-8") if path.exists() else "", kind, change), encoding="utf-8")
    command: Sequence[str] = [sys.executable, "-W", "error", "-c", example.program]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EXAMPLES = examples(PAGE)


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_does_what_the_page_says(heading: str, tmp_path: Path) -> None:
    assert run_on_a_copy(EXAMPLES[heading], tmp_path) == EXAMPLES[heading].printed


def test_each_takes_as_many_places_as_the_page_promises() -> None:
    promised = {name: int(places) for name, places in re.findall(r"^\| \[(.*?)\]\(.*\| (\d+) \|$", PAGE, re.MULTILINE)}
    headings = [name.lower() for name in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)]
    assert len(promised) == 8
    assert [name.removesuffix(" for programs") for name in promised] == headings
    for heading, example in EXAMPLES.items():
        assert promised[heading.lower()] == len({name for _, name, _ in example.changes}), heading
    assert len(EXAMPLES) == 3


def test_an_example_that_does_not_work_is_found(tmp_path: Path) -> None:
    wrong = Example(
        [("python", "tinygrad_lite/core/elementwise_derivatives.py", "line('tanh', 'x', 'x', '1')\n")], "import viz", ""
    )
    with pytest.raises(AssertionError, match="already has an op named 'tanh'"):
        run_on_a_copy(wrong._replace(program="import tinygrad_lite"), tmp_path)
    with pytest.raises(AssertionError, match="there 0 times"):
        changed("a\nb\n", "diff", " a\n+c\n d\n")
