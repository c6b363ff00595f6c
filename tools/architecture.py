"""The architecture, read off the source: rooms on levels, what imports what, and how long things are.

Each check takes the folder that the packages are in and returns what is wrong, one line each; an empty list is good.
``python -m tools.architecture`` writes the picture of the rooms into docs/how_it_works.md.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tinygrad_lite.files import write_atomically

ROOT = Path(__file__).parents[1]
PACKAGES = ("tinygrad_lite", "viz", "tools", "benchmarks")

LEVELS = {
    "errors": 1,
    "_aliases": 1,
    "files": 1,
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
    "watching": 6,
    "programs": 6,
    "derivation": 7,
    "handwritten": 7,
    "checks": 7,
    "compiler": 8,
    "grading": 8,
    "cli": 9,
    "tinygrad_lite": 10,
    "__main__": 10,
    "exercises": 11,
    "viz._aliases": 11,
    "viz.errors": 11,
    "viz.records": 12,
    "viz.dot": 13,
    "viz.output": 14,
    "viz.pictures": 15,
    "viz.plots": 15,
    "viz.explorer": 15,
    "viz": 16,
    "tools": 17,
    "benchmarks": 17,
}
"""The level of each room: a module imports only rooms below its own, and modules of its own."""

KERNEL = (
    "core/shapes.py",
    "core/maps.py",
    "core/elementwise_derivatives.py",
    "core/op.py",
    "core/value.py",
    "core/graph.py",
    "core/sweeps.py",
    "semirings/__init__.py",
    "semirings/base.py",
    "semirings/scaled.py",
    "paths/queries.py",
    "paths/statistics.py",
    "paths/listing.py",
)
"""What a newcomer reads to understand ``backward`` and paths."""

LONGEST_CLASS = 250
LONGEST_FUNCTION = 60
"""Lines. A longer function says why in its docstring, after the word "because"."""

VAGUE = {"util", "utils", "helper", "helpers", "misc", "common", "tools", "stuff", "lib"}
"""Names that tell a reader nothing about what a file of the packages holds."""


# ---- imports ---------------------------------------------------------------------------------------------------------


def modules(root: Path) -> dict[str, tuple[Path, bool]]:
    """Each module's file by its dotted name, and whether it is a package."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = (path, parts[-1] == "__init__")
    return found


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(root: Path) -> Iterator[tuple[str, str]]:
    """Every pair of a module and a module that it imports, wherever in the file the import stands."""
    known = modules(root)
    for name, (path, package) in known.items():
        for node in ast.walk(_parsed(path)):
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
    """The room that a module belongs to."""
    parts = module.split(".")
    if parts[0] == "viz":
        return ".".join(parts[:2])
    return parts[1] if parts[0] == "tinygrad_lite" and len(parts) > 1 else parts[0]


def read_by(root: Path) -> dict[str, set[str]]:
    """The rooms that each room imports."""
    found: dict[str, set[str]] = {room(name): set() for name in modules(root)}
    for name, target in imports(root):
        if room(name) != room(target):
            found[room(name)].add(room(target))
    return found


def running_up(root: Path) -> list[str]:
    """Imports of a room that is not below."""
    return [
        f"{name} imports {target}"
        for name, target in imports(root)
        if room(name) != room(target) and LEVELS[room(target)] >= LEVELS[room(name)]
    ]


def circles(root: Path) -> list[str]:
    """A circle of modules, where there is one: an import inside a function or for a type counts."""
    graph: dict[str, set[str]] = {name: set() for name in modules(root)}
    for name, target in imports(root):
        graph[name].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


# ---- docstrings ------------------------------------------------------------------------------------------------------


def _docstring(path: Path) -> str:
    return ast.get_docstring(_parsed(path)) or ""


def stated_imports(docstring: str) -> set[str]:
    """The rooms that a docstring says a room may import: "The room imports ``core`` and ``errors``."""
    sentences = re.split(r"(?<=\.)\s+", docstring)
    return {name for sentence in sentences if "imports" in sentence for name in re.findall(r"``([\w.]+)``", sentence)}


def _is_stated(name: str, here: str, docstring: str) -> bool:
    """Whether a docstring allows a room the import of another. All may import ``errors``."""
    stated = stated_imports(docstring)
    of_viz = name.startswith("viz.")
    return (
        name == "errors"
        or name.removeprefix("viz.") in stated
        or name in stated
        or "imports every room below" in docstring
        or (here.startswith("viz.") and not of_viz and "tinygrad_lite" in stated)
    )


def undescribed_rooms(root: Path) -> list[str]:
    """Rooms whose docstring does not say in a few lines what they are for and what they may import."""
    reads, wrong = read_by(root), []
    for name, (path, package) in modules(root).items():
        if not package or name.count(".") != 1:
            continue
        docstring, here = _docstring(path), room(name)
        if len([line for line in docstring.splitlines() if line]) < 2 or "imports" not in docstring:
            wrong.append(f"{name}: its docstring says what the room is for and what it may import")
        wrong += [
            f"{name} imports {one}, and its docstring does not say so"
            for one in sorted(reads[here])
            if not _is_stated(one, here, docstring)
        ]
    return wrong


# ---- names and lengths -----------------------------------------------------------------------------------------------


def vague_names(root: Path) -> list[str]:
    """Files and folders whose name says nothing."""
    return [
        str(path.relative_to(root))
        for package in PACKAGES
        for path in sorted((root / package).rglob("*"))
        if path.stem.strip("_") in VAGUE
    ]


def clashes(root: Path, functions: Iterable[str]) -> list[str]:
    """Modules of the package that have the name of one of its public functions, and so would hide it."""
    taken = set(functions)
    return [name for name in modules(root) if name.startswith("tinygrad_lite.") and name.split(".")[-1] in taken]


def long_classes(root: Path) -> list[str]:
    """Classes too long for one sitting."""
    return [
        f"{name}.{node.name}: {length} lines"
        for name, (path, _) in modules(root).items()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.ClassDef) and (length := _length(node)) > LONGEST_CLASS
    ]


def long_functions(root: Path) -> list[str]:
    """Functions too long for one look, with no reason given."""
    return [
        f"{name}.{node.name}: {length} lines"
        for name, (path, _) in modules(root).items()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := _length(node)) > LONGEST_FUNCTION
        and "because" not in (ast.get_docstring(node) or "")
    ]


def _length(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    r"""How many lines hold code: no blank lines, comments or docstrings.

    >>> code_lines('def f(x):\n    "What it does."\n\n    # why\n    return x  # so\n')
    2
    """
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            used.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            used.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(used)


def kernel_lines(root: Path) -> int:
    """The lines of code of the kernel."""
    return sum(code_lines((root / "tinygrad_lite" / name).read_text(encoding="utf-8")) for name in KERNEL)


# ---- the picture -----------------------------------------------------------------------------------------------------

PAGE = Path("docs/how_it_works.md")
BEGIN, END = "<!-- rooms: written by python -m tools.architecture -->\n", "<!-- end of rooms -->\n"


def picture(root: Path) -> str:
    """The rooms from the ground up, as a Markdown table: level, room, what it is for, what it imports."""
    reads, files = read_by(root), modules(root)
    lines = ["| level | room | what it is for | imports |", "|---|---|---|---|"]
    for name in sorted(reads, key=lambda name: (LEVELS[name], list(LEVELS).index(name))):
        if name.split(".")[-1].startswith("_") or name in PACKAGES:
            continue
        path, package = files[name if name.startswith("viz") else f"tinygrad_lite.{name}"]
        place = (path.parent if package else path).relative_to(root).as_posix()
        shown = place.removeprefix("tinygrad_lite/") + ("/" if package else "")
        below = ", ".join(sorted((f"`{one}`" for one in reads[name] if "_" not in one), key=_by_level))
        purpose = _docstring(path).split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")
        lines.append(f"| {LEVELS[name]} | [{shown}](../{place}) | {purpose} | {below or '–'} |")
    return "\n".join(lines) + "\n"


def _by_level(shown: str) -> tuple[int, int]:
    name = shown.strip("`")
    return LEVELS[name], list(LEVELS).index(name)


def with_picture(page: str, root: Path) -> str:
    """The text of a page with the picture as it is now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + picture(root) + "\n" + END + rest.split(END)[1]


def write(root: Path) -> Path:
    """Write the picture into the page."""
    path = root / PAGE
    return write_atomically(path, with_picture(path.read_text(encoding="utf-8"), root).encode())


if __name__ == "__main__":
    print(write(ROOT))
