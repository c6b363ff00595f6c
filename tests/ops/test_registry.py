"""One ``@function`` on a definition enters it everywhere, once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.ops import functions, registry
from tinygrad_lite.ops.methods import METHODS
from tinygrad_lite.ops.registry import NUMPY, STRUCTURED, for_numpy, function


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    for register in ("STRUCTURED", "NUMPY"):
        monkeypatch.setattr(registry, register, dict(getattr(registry, register)))


def test_what_is_entered_is_everywhere() -> None:
    for name, entry in STRUCTURED.items():
        assert getattr(functions, name) is entry.call
        assert entry.call.__name__ == name
        assert (METHODS.get(name) is entry.call) == entry.method


def test_a_definition_enters_itself() -> None:
    @function(numpy=(np.unique, np.histogram), method=False, returns="Any", note="an example")
    def twice(x: Any) -> Any:
        return x * 2.0

    assert registry.STRUCTURED["twice"] == (twice, False, "Any", False, "all", "an example")
    assert registry.NUMPY[np.unique] is registry.NUMPY[np.histogram] is twice
    assert twice(Value(1.5)).data == 3.0
    assert "twice" not in STRUCTURED


@pytest.mark.parametrize("name", ["sum", "exp"])
def test_a_name_that_is_taken(name: str) -> None:
    def other(x: Any) -> Any:
        return x

    other.__name__ = name
    with pytest.raises(ArgumentError, match=f"^function: there is a function named '{name}' already; choose another"):
        function()(other)


@pytest.mark.parametrize("taken", [np.sum, np.add.reduce, np.exp])
def test_a_function_of_numpy_s_that_is_taken(taken: Any) -> None:
    with pytest.raises(ArgumentError, match=rf"^for_numpy: {NUMPY[taken].__name__} is called for .* already"):
        for_numpy(taken)(lambda x: x)


def test_none_stands_for_what_numpy_lacks() -> None:
    for_numpy(None)(lambda x: x)
    assert registry.NUMPY == NUMPY
