"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tinygrad_lite.errors import ValueTypeError

__all__ = ["file_path", "write_atomically"]


def file_path(path: str | os.PathLike[str], who: str) -> Path:
    """A path that a user gave to ``who``. Raises ``ValueTypeError`` for what is none.

    >>> file_path("picture.svg", "save").suffix
    '.svg'
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueTypeError(f"{who}: needs the path of a file, such as 'picture.svg', got {type(path).__name__}")
    return Path(path)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write ``data`` beside ``path`` and rename it into place; missing folders are made.

    A reader, or a crash in between, meets the old file or the new one and never a part.

    Raises:
        OSError: the folder cannot be made or written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "new" / "a.txt", b"all of it").read_bytes()
    b'all of it'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    return path
