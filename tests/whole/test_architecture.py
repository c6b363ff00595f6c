"""The tree shows the architecture: rooms on levels, no import that runs up, no circle, nothing too long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tinygrad_lite as tg
from tools import architecture
from tools.architecture import LEVELS, ROOT, modules, room

KERNEL_LINES = 1_850
"""Lines of code that a newcomer reads to understand ``backward`` and paths: at most so many, of 2,000 allowed."""

FUNCTIONS = [name for name in tg.__all__ if callable(getattr(tg, name)) and not isinstance(getattr(tg, name), type)]


def names_that_clash(root: Path) -> list[str]:
    return architecture.clashes(root, FUNCTIONS)


def test_every_room_has_a_level() -> None:
    assert {room(name) for name in modules(ROOT)} == set(LEVELS)


@pytest.mark.parametrize(
    "check",
    [
        architecture.running_up,
        architecture.circles,
        architecture.undescribed_rooms,
        architecture.vague_names,
        names_that_clash,
    ],
)
def test_the_house_is_in_order(check: Callable[[Path], list[str]]) -> None:
    assert check(ROOT) == []


@pytest.mark.parametrize("check", [architecture.long_classes, architecture.long_functions])
def test_nothing_is_too_long_for_one_sitting(check: Callable[[Path], list[str]]) -> None:
    assert check(ROOT) == []


def test_the_kernel_reads_in_one_sitting() -> None:
    assert architecture.kernel_lines(ROOT) <= KERNEL_LINES


# ---- the checks see planted faults -----------------------------------------------------------------------------------

DESCRIBED = '"""What it is.\n\nThe room imports ``core``.\n"""\n'
CORE = DESCRIBED.replace("core", "semirings")
FAULTS: dict[str, tuple[Callable[[Path], list[str]], dict[str, str], list[str]]] = {
    "up": (
        architecture.running_up,
        {"core/graph.py": "def f():\n    from ..ops.products import dot\n", "ops/products.py": ""},
        ["tinygrad_lite.core.graph imports tinygrad_lite.ops.products"],
    ),
    "up for a type": (
        architecture.running_up,
        {"core/graph.py": "if TYPE_CHECKING:\n    from tinygrad_lite import optim\n", "optim.py": ""},
        ["tinygrad_lite.core.graph imports tinygrad_lite.optim"],
    ),
    "to the side": (
        architecture.running_up,
        {"ops/products.py": "from ..graph import lookup\n", "graph/lookup.py": ""},
        ["tinygrad_lite.ops.products imports tinygrad_lite.graph.lookup"],
    ),
    "a circle": (
        architecture.circles,
        {
            "core/a.py": "from . import b\n",
            "core/b.py": "from .c import x\n",
            "core/c.py": "def f():\n    from .a import y\n",
        },
        ["tinygrad_lite.core.a imports tinygrad_lite.core.b imports tinygrad_lite.core.c imports tinygrad_lite.core.a"],
    ),
    "no word on the room": (
        architecture.undescribed_rooms,
        {"ops/__init__.py": '"""Ops."""\n', "core/__init__.py": CORE},
        ["tinygrad_lite.ops: its docstring says what the room is for and what it may import"],
    ),
    "an import that the room does not mention": (
        architecture.undescribed_rooms,
        {"ops/__init__.py": DESCRIBED, "ops/dense.py": "from ..semirings import base\n", "semirings/base.py": ""},
        ["tinygrad_lite.ops imports semirings, and its docstring does not say so"],
    ),
    "utils": (architecture.vague_names, {"core/_utils.py": ""}, ["tinygrad_lite/core/_utils.py"]),
    "helpers": (architecture.vague_names, {"helpers/a.py": ""}, ["tinygrad_lite/helpers"]),
    "a function's name": (names_that_clash, {"core/replay.py": ""}, ["tinygrad_lite.core.replay"]),
    "a long class": (
        architecture.long_classes,
        {"core/a.py": "class A:\n" + "    x = 1\n" * 250},
        ["tinygrad_lite.core.a.A: 251 lines"],
    ),
    "a long function": (
        architecture.long_functions,
        {"core/a.py": "class A:\n    def f(self):\n" + "        x = 1\n" * 60},
        ["tinygrad_lite.core.a.f: 61 lines"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    check, files, found = FAULTS[fault]
    for name, text in files.items():
        path = tmp_path / "tinygrad_lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert sorted(check(tmp_path)) == found


def test_a_long_function_with_a_reason_passes(tmp_path: Path) -> None:
    (tmp_path / "viz").mkdir()
    text = '    """Everything in one place, because a reader goes through it once."""\n' + "    x = 1\n" * 60
    (tmp_path / "viz" / "a.py").write_text("def f():\n" + text)
    assert architecture.long_functions(tmp_path) == []


def test_lines_of_code_are_counted(tmp_path: Path) -> None:
    text = '"""What.\n\nMore.\n"""\n\nX = (  # why\n    1,\n\n)\n"""What X is."""\n\n\ndef f():\n    """Doc."""\n'
    text += '    return """a\nb"""\n'
    assert architecture.code_lines(text) == 6
    for name in architecture.KERNEL:
        path = tmp_path / "tinygrad_lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert architecture.kernel_lines(tmp_path) == 6 * len(architecture.KERNEL)
