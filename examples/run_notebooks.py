"""Execute the notebooks beside this file, and write what they showed back into them: ``make notebooks``.

Each runs from its first cell to its last in a kernel of its own; one that raises is left as it was, and the error is
told. Only what a reader sees is kept: no times, no counters of executions, no metadata, so that running it again on the
same machine changes nothing. Needs the extra ``notebooks``.

    python examples/run_notebooks.py                       all of them
    python examples/run_notebooks.py half_adder.ipynb      one
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent / "notebooks"
ROOT = Path(__file__).parents[1]
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def main(names: list[str]) -> None:
    for path in [FOLDER / name for name in names] or sorted(FOLDER.glob("*.ipynb")):
        executed = run(nbformat.read(path, as_version=4))
        write(path, nbformat.writes(executed) + "\n")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} kB")


def run(notebook: Any) -> Any:
    """A notebook with what its cells show when they run now, and nothing that differs from run to run."""
    notebook = nbformat.from_dict(notebook)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([before] if before else [])])  # the kernel inherits it
    try:
        with tempfile.TemporaryDirectory() as folder:  # a notebook that writes files leaves none
            NotebookClient(
                notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
            ).execute()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [kept(output) for output in cell.outputs]
    return notebook


def kept(output: Any) -> Any:
    """What is shown, without the number of the execution."""
    if "execution_count" in output:
        output.execution_count = None
    if "metadata" in output:
        output.metadata = nbformat.from_dict({})
    return output


def write(path: Path, text: str) -> None:
    """Beside its place, then renamed: a notebook is whole or as it was."""
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main(sys.argv[1:])
