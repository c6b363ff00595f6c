"""The fixture ``backend``: every way to carry out a compiled graph of scalars."""

from __future__ import annotations

import pytest

from tests.compiler.agreement import WAYS
from tinygrad_lite.compiler import backends


@pytest.fixture(params=WAYS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The backend to force, with the limit between its two ways where the test wants it."""
    way: str = request.param
    monkeypatch.setattr(backends, "SHORT", {"straight": 10**6}.get(way, 0))
    return {"straight": "numba", "tape": "numba"}.get(way, way)
