"""The command: which rows it takes, what it prints, what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.__main__ import main
from benchmarks.measure import Effort, Measurement, Pair, growth
from benchmarks.picture import PANELS
from benchmarks.rows import ROWS, Row, named
from benchmarks.table import line, quantity, ratio

EMPTY = Pair(int, int)


def row(name: str, value: float = 1.0, limit: float | None = None, build: Callable[[], Pair] = lambda: EMPTY) -> Row:
    """A row that finds ``value`` without measuring anything."""

    def found(pair: Pair, effort: Effort) -> Measurement:
        return Measurement(value, 0.9 * value, 1.1 * value, 2e-3 * value, 2e-3, "s", effort.pairs)

    return Row(name, f"work of {name}", "a peer", limit, found, build)


def broken() -> Pair:
    raise ArithmeticError("no such number")


def not_installed() -> Pair:
    peers.needs("a_module_that_nobody_has")
    return EMPTY


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    lines = [(row.work, row.against) for row in ROWS]
    assert len(set(lines)) == len(lines)


def test_rows_are_chosen_by_parts_of_their_names() -> None:
    rows = [row("one"), row("two"), row("twofold")]
    assert [r.name for r in named(rows, [])] == ["one", "two", "twofold"]
    assert [r.name for r in named(rows, ["tw"])] == ["two", "twofold"]
    assert [r.name for r in named(rows, ["fold", "one"])] == ["one", "twofold"]
    assert [r.name for r in named(rows, ["two"])] == ["two"]  # it is all of a name


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ((row("a", 1.0, 2.0), row("b", 2.0, 2.0)), 0),
        ((row("a", 1.0, 2.0), row("b", 2.001, 2.0)), 1),
        ((row("reported", 1e6),), 0),
        ((row("nan", float("nan"), 2.0),), 1),
        ((row("wrong", build=broken),), 1),
        ((row("missing", 1.0, 2.0, not_installed),), 0),
    ],
    ids=["holds", "over", "reported", "nan", "wrong", "missing"],
)
def test_what_it_returns(rows: tuple[Row, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], rows) == code


def test_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (
        row("small", 0.1, 1 / 8),
        row("over", 3.0, 2.5),
        row("reported", 1.5),
        row("missing", 1.0, 2.0, not_installed),
        row("wrong", 1.0, 2.0, broken),
    )
    main([], rows)
    out = capsys.readouterr().out.splitlines()
    start = next(k for k, text in enumerate(out) if text.startswith("work"))
    assert out[start].split() == ["work", "against", "ratio", "spread", "limit", "holds?", "ours", "theirs"]
    cells = [text.split("  ") for text in out[start + 2 : start + 7]]
    found = [[cell.strip() for cell in row if cell.strip()] for row in cells]
    assert found == [
        ["work of small", "a peer", "1/10.0", "1/11.1 … 1/9.09", "1/8", "yes", "200 µs", "2.00 ms"],
        ["work of over", "a peer", "3.00", "2.70 … 3.30", "2.5", "NO", "6.00 ms", "2.00 ms"],
        ["work of reported", "a peer", "1.50", "1.35 … 1.65", "reported", "3.00 ms", "2.00 ms"],
        [
            "work of missing",
            "a peer",
            "missing: a_module_that_nobody_has is not installed: pip install a_module_that_nobody_has",
        ],
        ["work of wrong", "a peer", "ERROR: ArithmeticError: no such number"],
    ]
    assert out[start + 7] == "1 of 4 limits hold; over the limit: over; went wrong: wrong; not measured: missing"


def test_an_exponent_is_written_as_one() -> None:
    grows = Row("g", "work", "its length", 1.1, growth, lambda: EMPTY)
    from benchmarks.table import Result

    text = line(Result(grows, Measurement(1.02, 1.0, 1.04, 0.5, None, "s", 7)), [grows])
    assert text.split() == ["work", "its", "length", "n^1.02", "n^1.00", "…", "n^1.04", "n^1.1", "yes", "500", "ms"]


def test_list_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"], (row("one", build=broken), row("two", build=broken))) == 0
    assert [text.split()[0] for text in capsys.readouterr().out.splitlines()] == ["one", "two"]


def test_json_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found.json"
    main(["--json", str(path), "--repeats", "3"], (row("one", 0.5, 1.0), row("two", build=not_installed)))
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [entry["status"] for entry in data["rows"]] == ["yes", "missing"]
    assert data["rows"][0]["value"] == 0.5
    assert data["rows"][0]["samples"] == data["effort"]["pairs"] == 3
    assert "is not installed: pip install" in data["rows"][1]["message"]
    assert data["machine"]["cpus"] >= 1


def test_json_alone_on_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json"], (row("one"),))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"][0]["name"] == "one"
    assert "work of one" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["three"], "no row has three in its name; the rows are one, two"),
        (["--repeats", "0"], "--repeats is at least 1"),
        (["--json", "/nowhere/found.json"], "--json: [Errno 2] No such file"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments, (row("one"), row("two")))
    assert message in capsys.readouterr().err


def test_a_peer_that_lacks_something_itself_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has") as found:
        peers.needs("half_installed")
    assert not isinstance(found.value, peers.Missing)


def test_no_peer_is_imported_before_its_row() -> None:
    import subprocess
    import sys

    code = "import sys, benchmarks.__main__ as b; print([p for p in b.PEERS if p in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("x", "text"), [(0.499, "1/2.00"), (0.5, "0.50"), (1.0, "1.00"), (12.34, "12.3"), (123.4, "123"), (0.001, "1/1000")]
)
def test_ratio(x: float, text: str) -> None:
    assert ratio(x) == text


@pytest.mark.parametrize(
    ("x", "unit", "text"), [(2.0, "s", "2.00 s"), (3e-10, "s", "0.30 ns"), (2048.0, "B", "2.05 kB"), (0.0, "B", "0 B")]
)
def test_quantity(x: float, unit: str, text: str) -> None:
    assert quantity(x, unit) == text


def test_the_picture_shows_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "ratios.svg"
    rows = (row("step-tiny", 2.0, 2.5), row("torch-tiny", 0.25), row("scalars", 0.125), row("broken", build=broken))
    assert main(["--plot", str(path)], rows) == 1
    drawn = path.read_text(encoding="utf-8")
    for text in ("[2,10,2]×4", "2.00", "1/4.00", "1/8.00", "PyTorch eager", "micrograd"):
        assert f"<!-- {text} -->" in drawn or text in drawn
    assert "JAX" not in drawn
    assert main(["--plot", str(tmp_path / "none.svg")], (row("other"),)) == 0
    assert not (tmp_path / "none.svg").exists()
    assert "none of these rows is in the picture" in capsys.readouterr().err


def test_every_row_of_the_picture_is_one_of_the_table() -> None:
    names = {row.name for row in ROWS}
    assert {name for _, lines in PANELS for _, rows in lines for name in rows.values()} <= names
