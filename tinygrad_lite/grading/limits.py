"""What a submission may use: time, memory, files, and no network where the system can take it away.

This keeps accidents in bounds: endless loops, huge arrays, a crash. It is no sandbox, and does not stop malice.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass

__all__ = ["Limits", "limit_this_process", "without_network"]

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET. Source: linux/sched.h"""

_MEBI = 2**20


@dataclass(frozen=True)
class Limits:
    """``seconds`` of time, ``memory`` in MiB of addresses, ``output`` in bytes printed, of each submission."""

    seconds: float = 10.0
    memory: int = 2048
    output: int = 100_000


def limit_this_process(limits: Limits) -> None:
    """Limit the time, the memory and the files of this process, as far as the system has such limits."""
    try:
        import resource
    except ImportError:  # Windows: the grader stops what takes too long or prints too much
        return
    seconds = int(limits.seconds) + 2
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, limits.memory * _MEBI),
        (resource.RLIMIT_FSIZE, 64 * _MEBI),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, hard))


def without_network() -> bool:
    """Leave the network for good, and return whether that was possible: Linux with namespaces allows it.

    Source: unshare(2)
    """
    uid, gid = os.getuid() if hasattr(os, "getuid") else 0, os.getgid() if hasattr(os, "getgid") else 0
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (AttributeError, OSError, TypeError):
        return False
    if unshare(_NEW_USER | _NEW_NETWORK) == 0:
        with contextlib.suppress(OSError):  # the same user inside: without this map, files belong to nobody
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{uid} {uid} 1")
            _write("/proc/self/gid_map", f"{gid} {gid} 1")
        return True
    return bool(unshare(_NEW_NETWORK) == 0)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
