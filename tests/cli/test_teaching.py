"""``exercise`` and ``grade`` in the terminal: what they print and write, and their exit status."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite.cli import main
from tinygrad_lite.cli.terminal import _parser
from tinygrad_lite.grading.exercises import exercises
from tools.architecture import ROOT

RIGHT = "def backward(x, t, n):\n    dz = (n - t) * n * (1 - n)\n    return {'z': dz, 'w': dz * x, 'b': dz}\n"


def run(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_from_a_new_exercise_to_its_grades(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, text, _ = run(capsys, "exercise", "list")
    assert status == 0
    assert text.splitlines()[0].split()[:3] == ["one-neuron", "3", "points"]
    assert run(capsys, "exercise", "new", "mine.py")[0] == 0
    assert "my_mine.py: fill in backward" in run(capsys, "exercise", "start", "./mine.py")[1]
    assert run(capsys, "exercise", "start", "one-neuron")[0] == 0
    assert run(capsys, "exercise", "start", "one-neuron")[2].count("is there already") == 1
    Path("my_one_neuron.py").write_text(RIGHT.replace("n * (1", "3 * (1"), encoding="utf-8")
    status, text, _ = run(capsys, "exercise", "check", "one-neuron", "--seconds", "60")
    assert (status, text.splitlines()[-1]) == (1, "0 of 3 points.")
    Path("right.py").write_text(RIGHT, encoding="utf-8")
    assert run(capsys, "exercise", "check", "one-neuron", "right.py", "--watch")[0] == 0
    files = ["my_one_neuron.py", "right.py"]
    status, text, _ = run(capsys, "grade", "one-neuron", *files, "--json", "--html", "out/report.html")
    assert status == 1
    assert [one["score"] for one in json.loads(text)["submissions"]] == [0, 3]
    assert Path("out/report.html").read_text(encoding="utf-8").count("<section") == 2


def test_what_is_said_to_be_typed_can_be_typed(capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(capsys, "exercise", "new", "my own layer")[1]
    for status in (0, 1):  # a file to begin with; which is not filled in
        arguments = shlex.split(said.strip().rpartition("tinygrad-lite ")[2].removesuffix(" --watch"))
        found, said, errors = run(capsys, *arguments)
        assert (found, errors) == (status, "")
    text = Path("my_my own layer.py").read_text(encoding="utf-8")
    assert "tinygrad-lite exercise check 'my own layer.py' 'my_my own layer.py' --watch" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade", "one-neuron", "gone.py"], "gone.py: there is no such file"),
        (["grade", "one-neurn", "gone.py"], "there is no exercise 'one-neurn'; did you mean 'one-neuron'?"),
        (["grade", "nothing-like-it", "gone.py"], "no exercise 'nothing-like-it'; the exercises are attention, "),
        (["grade", "one-neuron", "gone.py", "--html", "."], "--html .: it is a folder; name the file to write"),
        (["grade", "one-neuron"], "required: submission"),
        (["grade", "one-neuron", "a.py", "--seconds", "0"], "'0' is not a whole number of at least 1"),
        (["exercise", "check", "xor"], "my_xor.py: there is no such file; tinygrad-lite exercise start xor writes one"),
        (["exercise", "check", "xor", "a.py"], "a.py: there is no such file; name the file with your backward"),
        (["exercise", "check", "xor", "."], ".: it is a folder; name the file with your backward"),
        (["exercise"], "required: action"),
    ],
)
def test_wrong_input_is_status_two(
    arguments: list[str], message: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, errors = run(capsys, *arguments)
    assert status == 2
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_the_page_names_commands_and_exercises_that_are_there() -> None:
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    commands = [line for line in page.splitlines() if line.startswith("tinygrad-lite ")]
    assert len(commands) == 10
    for command in commands:
        assert _parser().parse_args(shlex.split(command)[1:]).command in ("exercise", "grade")
    listed = re.findall(r"^\| \[([\w-]+)\]\(\S+\) \| (\d+) \|", page, re.MULTILINE)
    assert sorted(listed) == sorted((one.name, f"{one.total:g}") for one in exercises())
