"""A pile of submissions, each run in a process and a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..core.display import clipped
from ..errors import ArgumentError
from .exercises import Exercise
from .limits import Limits
from .verdicts import NOT_GIVEN, Report

__all__ = ["Row", "grade", "run"]

_PACKAGE = Path(__file__).parents[2]

_SHOWN = 2_000
"""Characters of what a submission printed that are kept."""

Running = set["subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Row:
    """One submission: its file, the report on it, what it printed, how long it took, and whether it had no network."""

    file: str
    report: Report
    printed: str
    seconds: float
    offline: bool

    @property
    def status(self) -> str:
        """``right``, ``wrong``, ``not given`` if none was filled in, or ``failed`` if there was nothing to check."""
        if self.report.untouched:
            return NOT_GIVEN
        return "failed" if self.report.reason else "right" if self.report else "wrong"


def grade(
    exercise: Exercise, files: Sequence[str | Path], limits: Limits | None = None, jobs: int = 2, progress: bool = False
) -> list[Row]:
    """The rows of all submissions, in the order of ``files``, ``jobs`` of them at a time.

    A folder among them, or a name that no file has, is a row with its reason. ``progress`` shows a bar on stderr after
    a second. Raises ``ArgumentError`` if none of them is a file.
    """
    from tqdm import tqdm

    if not any(Path(file).is_file() for file in files):
        raise ArgumentError("; ".join(f"{file}: {_no_file(file)}" for file in files) or "there is no submission")
    running: Running = set()
    rows: dict[int, Row] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {
            pool.submit(run, exercise, file, limits or Limits(), running): number for number, file in enumerate(files)
        }
        bar = tqdm(total=len(files), desc="grading", unit=" submissions", delay=1, disable=not progress)
        try:
            for future in as_completed(futures):
                rows[futures[future]] = future.result()
                bar.update()
        except BaseException:  # also Ctrl-C: the processes are in groups of their own, and would go on
            pool.shutdown(wait=False, cancel_futures=True)
            for process in [*running]:
                _kill(process)
            raise
        finally:
            bar.close()
    return [rows[number] for number in sorted(rows)]


def run(exercise: Exercise, file: str | Path, limits: Limits, running: Running | None = None) -> Row:
    """Run one submission in a process of its own, in an empty temporary folder.

    The process is one of ``running`` while it lasts. What is no file is not run.
    """
    if not Path(file).is_file():
        return Row(str(file), Report.of_none(exercise.points, _no_file(file)), "", 0.0, True)
    running = set() if running is None else running
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tinygrad-", ignore_cleanup_errors=True) as outer:
        folder, result = Path(outer) / "empty", Path(outer) / "result.json"
        folder.mkdir()
        arguments = [str(exercise.path.resolve()), str(Path(file).resolve()), str(result), json.dumps(asdict(limits))]
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
            env=_environment(folder), start_new_session=True,
        )  # fmt: skip
        running.add(process)
        try:
            stopped, printed = _watched(process, limits)
        finally:
            running.discard(process)
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else None
    if found is None:
        report = Report.of_none(exercise.points, stopped or _ended(process.returncode))
    else:
        report = Report.from_dict(found["report"])
        if not found["finished"]:
            why = stopped or _ended(process.returncode)
            report = replace(report, notes=(*report.notes, f"The wrong lines were not found: {why}."))
    offline = found is not None and found["offline"]
    return Row(str(file), report, clipped(printed, _SHOWN), time.monotonic() - began, offline)


def _no_file(file: str | Path) -> str:
    """Why there is nothing to run."""
    return "it is a folder; name the files in it" if Path(file).is_dir() else "there is no such file"


def _environment(folder: Path) -> dict[str, str]:
    """What a submission sees of the environment: nothing private, one thread, and a home that is its own folder."""
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    own = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), str(folder))
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    python = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")])),
        "PYTHONIOENCODING": "utf-8:replace",
        "PYTHONHASHSEED": "0",
    }
    return {name: os.environ[name] for name in kept if name in os.environ} | own | threads | python


def _watched(process: subprocess.Popen[bytes], limits: Limits) -> tuple[str, str]:
    """Why a process was stopped, if it was, and what it printed."""
    assert process.stdout is not None
    stdout, printed, too_much = process.stdout, bytearray(), threading.Event()

    def read() -> None:
        while chunk := os.read(stdout.fileno(), 65_536):
            printed.extend(chunk[: limits.output - len(printed)])
            if len(printed) >= limits.output and not too_much.is_set():
                too_much.set()
                _kill(process)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    stopped = ""
    try:
        process.wait(limits.seconds)
    except subprocess.TimeoutExpired:
        stopped = f"it was stopped after {limits.seconds:g} s"
    finally:
        _kill(process)  # and what it started itself
        process.wait()
    reader.join(5)
    if not reader.is_alive():
        stdout.close()
    if too_much.is_set():
        stopped = f"it printed more than {limits.output:,} bytes"
    return stopped, printed.decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _ended(status: int) -> str:
    """How a process ended that left no result."""
    if status >= 0:
        return f"it ended the process with status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    return "it was stopped for the time it used" if name == "SIGXCPU" else f"it crashed ({name})"
