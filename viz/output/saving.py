"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tinygrad_lite.errors import ValueTypeError

__all__ = ["file_path", "write_atomically"]


def file_path(path: str | os.PathLike[str], who: str) -> Path:
    """A user's path to a file; ``who`` is the function that got it. Raises ``ValueTypeError`` for other types.

    >>> file_path("picture.svg", "save").suffix
    '.svg'
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueTypeError(f"{who}: needs the path of a file, such as 'picture.svg', got {type(path).__name__}")
    return Path(path)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write ``data`` to a new file next to ``path`` and rename it; missing folders are made.

    Readers see the old file or the new one, never a part, even after a crash.

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
