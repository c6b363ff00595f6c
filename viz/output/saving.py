"""Paths of the files that pictures are saved in, and saving them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from tinygrad_lite.errors import ValueTypeError
from tinygrad_lite.files import write_atomically

__all__ = ["file_path", "write_atomically"]


def file_path(path: str | os.PathLike[str], who: str) -> Path:
    """A user's path to a file; ``who`` is the function that got it. Raises ``ValueTypeError`` for other types.

    >>> file_path("picture.svg", "save").suffix
    '.svg'
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueTypeError(f"{who}: needs the path of a file, such as 'picture.svg', got {type(path).__name__}")
    return Path(path)
