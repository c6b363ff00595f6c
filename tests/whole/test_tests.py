"""The tests themselves: none passes without a look, and each stands where its code stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parents[1].rglob("*.py"))
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FILES[0].parent)))


def without_match(tree: ast.AST) -> list[int]:
    """The lines of every ``raises`` and ``warns`` that would take any message."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("raises", "warns")
        and "match" not in {keyword.arg for keyword in node.keywords}
    ]


def statements(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The statements of a function, without those of the functions and classes inside it."""
    pending: list[ast.stmt] = list(function.body)
    while pending:
        statement = pending.pop()
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for _, block in ast.iter_fields(statement):
                inner = block if isinstance(block, list) else []
                pending += [part for part in inner if isinstance(part, ast.stmt)]
                pending += [part for one in inner if isinstance(one, ast.ExceptHandler) for part in one.body]


def early_returns(tree: ast.AST) -> list[int]:
    """The lines on which an example of hypothesis is passed without a look: ``assume`` and ``reject`` count it."""
    return [
        statement.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any("given" in ast.unparse(decorator) for decorator in function.decorator_list)
        for statement in statements(function)
        if isinstance(statement, ast.Return)
    ]


@EACH_FILE
def test_every_raises_names_the_message(path: Path) -> None:
    assert not without_match(ast.parse(path.read_text(encoding="utf-8")))


@EACH_FILE
def test_no_example_of_hypothesis_is_passed_without_a_look(path: Path) -> None:
    assert not early_returns(ast.parse(path.read_text(encoding="utf-8")))


def test_a_raises_without_match_is_found() -> None:
    source = "with pytest.raises(ValueError):\n    f()\nwith pytest.warns(UserWarning, match='old'):\n    f()\n"
    assert without_match(ast.parse(source)) == [1]


def test_an_early_return_is_found() -> None:
    source = """
@given(numbers())
def test_roots(x):
    def root(x):
        return x**0.5
    try:
        root(x)
    except ValueError:
        return
    if x:
        return
@pytest.mark.parametrize("x", [1])
def test_other(x):
    if x:
        return
"""
    assert sorted(early_returns(ast.parse(source))) == [9, 11]


# ---- tests stand where the code stands -------------------------------------------------------------------------------

WHOLE = ("whole", "benchmarks")
"""Folders of tests that are about more than one room."""


def out_of_place(root: Path) -> list[str]:
    """Files of tests that are neither named for a module of their room nor for the room itself."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        inside = path.relative_to(root / "tests")
        room, name = inside.parent.parts, path.stem.removeprefix("test_")
        if (room and room[0] in WHOLE) or room == ("viz",):
            continue
        folder = root.joinpath(*(() if room and room[0] in ("viz", "tools") else ("tinygrad_lite",)), *room)
        if name != folder.name and not (folder / f"{name}.py").exists():
            found.append(str(inside))
    return found


def rooms_without_tests(root: Path) -> list[str]:
    """Rooms that no folder of tests is for."""
    rooms = [path.parent.relative_to(root) for path in root.glob("tinygrad_lite/*/__init__.py")]
    return [str(room) for room in sorted(rooms) if not list((root / "tests" / room.name).glob("test_*.py"))]


def test_tests_mirror_the_rooms() -> None:
    root = FILES[0].parents[1]
    assert out_of_place(root) == []
    assert rooms_without_tests(root) == []


def test_a_test_that_is_out_of_place_is_found(tmp_path: Path) -> None:
    for name in ("core/__init__.py", "core/maps.py", "optim.py"):
        (tmp_path / "tinygrad_lite" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tinygrad_lite" / name).touch()
    for name in ("whole/test_all.py", "core/test_core.py", "core/test_maps.py", "core/test_mpas.py", "test_optim.py"):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).touch()
    assert out_of_place(tmp_path) == ["core/test_mpas.py"]
    assert rooms_without_tests(tmp_path) == []
    (tmp_path / "tinygrad_lite" / "ops").mkdir()
    (tmp_path / "tinygrad_lite" / "ops" / "__init__.py").touch()
    assert rooms_without_tests(tmp_path) == ["tinygrad_lite/ops"]
