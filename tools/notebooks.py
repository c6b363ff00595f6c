"""The tutorial notebooks, executed: ``python -m tools.notebooks`` runs all of them and keeps their outputs.

It keeps only what a reader sees, without times, execution counts and changing ids: a second run changes a notebook only
where the project changed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinygrad_lite.files import write_atomically

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

TIMEOUT = 120
"""Seconds for a cell."""


def read(path: Path) -> Any:
    """A notebook as it is on the disk."""
    import nbformat

    return nbformat.read(path, as_version=4)


def executed(path: Path) -> Any:
    """A notebook run from scratch, in a new kernel that imports this checkout. A cell that fails raises."""
    import nbformat
    from nbclient import NotebookClient

    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        coalesce_streams=True,  # what is printed arrives in as many pieces as a busy machine makes of it
        resources={"metadata": {"path": str(path.parent)}},
    )
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    client.execute(env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook


def shown(notebook: Any) -> list[tuple[str, Any]]:
    """The source of each code cell, and its outputs by their kind."""
    return [
        (cell.source, [output.get("text") or dict(output.get("data", {})) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def main() -> None:
    """Execute every notebook and keep the outputs."""
    import nbformat

    for path in NOTEBOOKS:
        write_atomically(path, (nbformat.writes(executed(path)) + "\n").encode())
        print(path.relative_to(ROOT), f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
