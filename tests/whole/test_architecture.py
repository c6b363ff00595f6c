"""The tree shows the architecture: rooms on levels, and no import that runs up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

LEVELS = {
    "errors": 1,
    "_aliases": 1,
    "semirings": 2,
    "core": 3,
    "ops": 4,
    "graph": 4,
    "optim": 4,
    "transforms": 5,
    "formulas": 5,
    "nn": 5,
    "training": 5,
    "datasets": 6,
    "paths": 6,
    "programs": 6,
    "derivation": 7,
    "handwritten": 7,
    "checks": 7,
    "compiler": 8,
    "cli": 9,
    "tinygrad_lite": 10,
    "__main__": 10,
    "viz._aliases": 11,
    "viz.errors": 11,
    "viz.records": 12,
    "viz.dot": 13,
    "viz.output": 14,
    "viz.pictures": 15,
    "viz.plots": 15,
    "viz.explorer": 15,
    "viz": 16,
}
"""The level of each room: a module imports only rooms below its own, and modules of its own."""


def modules(root: Path) -> dict[str, tuple[Path, bool]]:
    """Each module's file by its dotted name, and whether it is a package."""
    found = {}
    for package in ("tinygrad_lite", "viz"):
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = (path, parts[-1] == "__init__")
    return found


def imports(root: Path) -> Iterator[tuple[str, str]]:
    """Every pair of a module and a module that it imports, wherever in the file the import stands."""
    known = modules(root)
    for name, (path, package) in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names if alias.name in known)
            elif isinstance(node, ast.ImportFrom):
                base = name.split(".") if package else name.split(".")[:-1]
                parts = base[: len(base) - node.level + 1] if node.level else []
                source = ".".join([*parts, *([node.module] if node.module else [])])
                for alias in node.names:
                    inner = f"{source}.{alias.name}"
                    target = inner if inner in known else source
                    if target in known and target != name:
                        yield name, target


def room(module: str) -> str:
    """The room a module belongs to."""
    parts = module.split(".")
    if parts[0] == "viz":
        return ".".join(parts[:2])
    return parts[1] if len(parts) > 1 else parts[0]


def running_up(root: Path) -> list[str]:
    """The imports of a room that is not below."""
    return [
        f"{name} imports {target}"
        for name, target in imports(root)
        if (here := room(name)) != (there := room(target)) and LEVELS[there] >= LEVELS[here]
    ]


def test_no_import_runs_up() -> None:
    assert not running_up(ROOT)


def test_every_room_has_a_level() -> None:
    assert {room(name) for name in modules(ROOT)} == set(LEVELS)


def test_an_import_that_runs_up_is_found(tmp_path: Path) -> None:
    (tmp_path / "tinygrad_lite" / "core").mkdir(parents=True)
    (tmp_path / "tinygrad_lite" / "ops").mkdir()
    (tmp_path / "tinygrad_lite" / "ops" / "products.py").write_text("")
    (tmp_path / "tinygrad_lite" / "core" / "graph.py").write_text("def f():\n    from ..ops.products import dot\n")
    assert running_up(tmp_path) == ["tinygrad_lite.core.graph imports tinygrad_lite.ops.products"]
