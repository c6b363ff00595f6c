"""The terminal: what each command prints, what it refuses in one line, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import ManualBackprop, nn
from tinygrad_lite.cli import main

ROWS = "height,width,tall,wide\n1.0,2.0,0,1\n3.0,1.0,1,0\n2.5,2.0,1,0\n"


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    return str(path)


def run(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_derive_in_every_form(capsys: Any) -> None:
    status, text, _ = run(capsys, "derive", "half-adder", "--wrt", "w200")
    assert status == 0
    assert "· n20(1 - n20) · n10" in text
    assert run(capsys, "derive", "half-adder", "--wrt", "w200", "--latex")[1].startswith(r"\begin{aligned}")
    assert "w300" in run(capsys, "derive", "half-adder", "--wrt", "w200", "--python")[1]
    assert "s=3:" in run(capsys, "derive", "half-adder", "--wrt", "w200", "--numbers")[1]
    found = json.loads(run(capsys, "derive", "half-adder", "--wrt", "w200", "--json")[1])
    assert found["value"] == pytest.approx(0.00716760, rel=1e-5)
    assert "δ1     = ∂C/∂z1 = (δ2 w2ᵀ) ⊙ n1(1 - n1)" in run(capsys, "derive", "xor", "--wrt", "w1")[1]


def test_compare(capsys: Any, table: str) -> None:
    status, text, _ = run(capsys, "compare", "half-adder")
    assert (status, text.splitlines()[-1]) == (0, "All agree.")
    found = json.loads(run(capsys, "compare", "--data", table, "--targets", "2", "--json")[1])
    assert found["agree"]
    assert found["worst"]["manual"] < 1e-12
    assert [row["name"] for row in found["rows"]] == ["w1", "b1", "w2", "b2"]


def test_json_is_strict(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("1,2,300\n1e200,2,-500\n")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for command in (["compare"], ["paths", "--wrt", "w1[0,0]"], ["derive", "--wrt", "w1"], ["train", "--steps", "1"]):
        _, text, errors = run(capsys, *command, "--data", str(path), "--json", "--activation", "sigmoid")
        json.loads(text, parse_constant=refuse)
        assert errors == ""
    status, text, _ = run(capsys, "compare", "xor", "--activation", "relu", "--json")
    found = json.loads(text, parse_constant=refuse)
    assert (status, found["agree"]) == (0, True)
    assert None in found["rows"][1]["difference"]
    assert any("kink" in note for note in found["notes"])


def test_a_difference_is_status_one(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(gradients: dict[str, float]) -> Any:
        source = f"def backprop():\n    return 0.0, {gradients!r}\n"
        return lambda loss, wrt: ManualBackprop(source, {})

    monkeypatch.setattr("tinygrad_lite.cli.commands.manual_backprop", fake({}))
    status, text, _ = run(capsys, "compare", "half-adder")
    assert (status, text.count("missing ✗")) == (1, 18)
    net = nn.scalar.MLP(2, [2, 2, 2])
    monkeypatch.setattr("tinygrad_lite.cli.commands.manual_backprop", fake(dict.fromkeys(net.named_parameters(), 1.0)))
    assert run(capsys, "compare", "half-adder")[0] == 1


def test_paths(capsys: Any, table: str) -> None:
    status, text, _ = run(capsys, "paths", "xor", "--wrt", "w1[0,3]", "--top", "5")
    assert status == 0
    lines = text.splitlines()
    assert lines[0] == "8 paths from C to w1[0,3], 4 of them active"
    assert sum(line.startswith("  C ← ") for line in lines) == 5
    assert lines[-1] == "  3 more are not listed; --top says how many are"
    found = json.loads(run(capsys, "paths", "--data", table, "--targets", "2", "--wrt", "b1[0]", "--json")[1])
    assert sum(path["contribution"] for path in found["paths"]) == pytest.approx(found["total"], rel=1e-9)
    one = run(capsys, "paths", "half-adder", "--wrt", "w300", "--sample", "3")[1]
    assert one.startswith("1 path from C to w300, 1 of them active")


def test_train(capsys: Any, table: str) -> None:
    status, text, errors = run(capsys, "train", "xor", "--dims", "2,10,2", "--steps", "2000", "--lr", "0.5")
    assert (status, errors) == (0, "")
    assert text.startswith("2,000 steps: cost 0.1")
    assert len(text.splitlines()) == 6
    found = json.loads(
        run(capsys, "train", "--data", table, "--targets", "2", "--dims", "2,4,2", "--steps", "50", "--json")[1]
    )
    assert found["steps"] == 50
    assert np.shape(found["outputs"]) == (3, 2)
    assert np.shape(found["weights"]["w1"]) == (2, 4)
    scalar = run(capsys, "train", "--data", table, "--scalar", "--dims", "3,2,1", "--steps", "5")
    assert scalar[0] == 0


def test_training_that_diverges_is_status_one(capsys: Any) -> None:
    status, _, errors = run(capsys, "train", "xor", "--activation", "linear", "--lr", "1e6", "--steps", "100")
    assert status == 1
    assert "the cost became" in errors


def test_training_that_saturates_is_status_one(capsys: Any) -> None:
    status, _, errors = run(capsys, "train", "xor", "--lr", "1e300", "--steps", "20")
    assert status == 1
    assert "training diverged: the cost rose from 0.25" in errors


@pytest.mark.filterwarnings("error")
def test_data_that_overflow_leak_no_warning(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_text("1,2,300\n1e200,2,-500\n")
    assert run(capsys, "derive", "--data", str(path), "--wrt", "w1[0,0]")[::2] == (0, "")


def test_a_goal_that_is_missed_is_status_one(capsys: Any) -> None:
    missed = run(capsys, "train", "xor", "--steps", "3", "--goal", "1e-3")
    assert missed[0] == 1
    assert "limit of 3 steps reached" in missed[1]
    assert not json.loads(run(capsys, "train", "xor", "--steps", "3", "--goal", "1e-3", "--json")[1])["reached"]
    reached = run(capsys, "train", "half-adder", "--goal", "0.3", "--json")
    assert reached[0] == 0
    assert json.loads(reached[1])["reached"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["derive", "half-adder", "--wrt", "w2000"], "the nearest names are 'w200'"),
        (["derive", "half-adder"], "the following arguments are required: --wrt"),
        (["derive", "half-adder", "--wrt", "w200", "--latex", "--python"], "not allowed with"),
        (["paths", "half-adder", "--wrt", "w200", "--top", "0"], "--top: '0' is not a whole number of at least 1"),
        (
            ["paths", "half-adder", "--wrt", "w200", "--top", "many"],
            "--top: 'many' is not a whole number of at least 1",
        ),
        (["train", "halfadder"], "'halfadder'; the known ones are half-adder, xor, did you mean half-adder?"),
        (["train", "."], "there is no problem '.'; the known ones are half-adder, xor; to read a file: --data ."),
        (["train", "--data", "."], ".: cannot be read (is a directory)"),
        (["paths", "xor", "--wrt", "w1"], "--wrt w1: it has shape (2, 10); name one element, as --wrt 'w1[0,0]'"),
        (["train"], "name a problem (half-adder, xor) or a file with --data"),
        (["train", "xor", "--data", "x.csv"], "one of them"),
        (["train", "xor", "--dims", "2,x"], "widths are whole numbers with commas between"),
        (["train", "xor", "--dims", "3,4,2"], "the data have 2 inputs and 2 targets"),
        (["train", "xor", "--dims", "2"], "at least two widths"),
        (["train", "xor", "--activation", "sigmoyd"], "sigmoid"),
        (["train", "xor", "--steps", "0"], "--steps: '0' is not a whole number of at least 1"),
        (["train", "xor", "--lr", "nan"], "--lr: 'nan' is not a number above 0"),
        (["train", "xor", "--lr", "0"], "--lr: '0' is not a number above 0"),
        (["train", "xor", "--goal=-1"], "--goal: '-1' is not a number above 0"),
        (["train", "xor", "--seed=-1"], "--seed: '-1' is not a whole number of at least 0"),
        (["train", "xor", "--targets", "0"], "--targets: '0' is not a whole number of at least 1"),
        (["compare", "xor", "--sample", "4"], "there are samples 0 to 3"),
        (["train", "--data", "missing.csv"], "missing.csv: there is no such file"),
        (
            ["derive", "xor", "--wrt", "w2[-1,0]"],
            "--wrt w2[-1,0]: w2 has shape (10, 2); give each axis a number",
        ),
        (["paths", "xor", "--wrt", "w2[0]"], "--wrt w2[0]: w2 has shape (10, 2); give each axis a number"),
        (["derive", "xor", "--wrt", "x"], "--wrt x: it is data and has no gradient; name a weight"),
        (["paths", "half-adder", "--sample", "1", "--wrt", "x0"], "--wrt x0: it is data"),
        (["compare", "half-adder", "--targets", "2"], "--targets 2: goes with --data"),
        (["explore"], "invalid choice: 'explore'"),
        ([], "the following arguments are required: command"),
    ],
)
def test_wrong_input_is_one_line_and_status_two(capsys: Any, arguments: list[str], message: str) -> None:
    status, out, errors = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no row of numbers"),
        (b"a,b\n", "no row of numbers"),
        (b"1,2\n3,four\n", "line 2, column 2: 'four' is not a finite number"),
        (b"1,2\n3,nan\n", "line 2, column 2: 'nan' is not a finite number"),
        (b"1,2\n\n3\n", "line 3: 1 columns, the lines before have 2"),
        (b"1;2\n3;4\n", "line 1: '1;2' has semicolons or tabs; columns are separated by commas"),
        (b"1\t2\n3\t4\n", "line 1: '1\\t2' has semicolons or tabs"),
        (b"a;b;c\n1,5;2,5;0\n", "line 2: '1,5;2,5;0' has semicolons or tabs; columns are separated by commas, and dec"),
        (b"1,2\n1_0,2\n", "line 2, column 1: '1_0' is not a finite number"),
        ("1,2\n٣,2\n".encode(), "line 2, column 1: '٣' is not a finite number"),
        (b"1\n2\n", "1 columns, of which --targets 1 leaves none for the inputs"),
        (b"\xff\xfe\x00", "not a CSV file of text"),
    ],
)
def test_a_bad_file_is_named_with_line_and_column(capsys: Any, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    status, _, errors = run(capsys, "train", "--data", str(path), "--steps", "1")
    assert status == 2
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_help_shows_examples(capsys: Any) -> None:
    for arguments in (["--help"], ["derive", "--help"], ["train", "--help"]):
        status, text, _ = run(capsys, *arguments)
        assert status == 0
        assert "tinygrad-lite derive half-adder --wrt w200" in text


def test_a_terminal_without_the_signs() -> None:
    command = [sys.executable, "-m", "tinygrad_lite", "derive", "half-adder", "--wrt", "w300", "--sample", "0"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("?C/?w300 = ")


def test_an_interrupt_is_one_line(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lite.training.train", interrupted)
    assert run(capsys, "train", "xor") == (130, "", "tinygrad-lite: interrupted\n")


def test_as_a_program_with_a_closed_pipe() -> None:
    command = [sys.executable, "-m", "tinygrad_lite", "derive", "xor", "--wrt", "w1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr.read() == ""
