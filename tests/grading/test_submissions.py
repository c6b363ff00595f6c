"""Grading: what a submission does, however bad, is a row; and reports hold hostile text."""

from __future__ import annotations

import csv
import io
import json
import socket
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.grading.exercises import exercise
from tinygrad_lite.grading.limits import Limits
from tinygrad_lite.grading.page import as_page
from tinygrad_lite.grading.reports import as_csv, as_json, as_table, in_short
from tinygrad_lite.grading.starting import starter
from tinygrad_lite.grading.submissions import Row, grade, run
from tinygrad_lite.grading.verdicts import Report, Verdict, WrongLine
from tinygrad_lite.grading.worker import report_on_file

RIGHT = "def backward(x, t, n):\n    dz = (n - t) * n * (1 - n)\n    return {'z': dz, 'w': dz * x, 'b': dz}\n"
NEURON = exercise("one-neuron")

ROWS = {
    "right": (RIGHT, "right", ""),
    "wrong": (RIGHT.replace("dz * x", "dz + x"), "wrong", ""),
    "leaves late": (
        "import os\ncalls = []\n"
        + RIGHT.replace("dz * x", "dz + x").replace(
            "    dz =", "    calls.append(1) or calls[1:] and os._exit(3)\n    dz ="
        ),
        "wrong",
        "",
    ),
    "never": ("while True: pass\n", "failed", "it was stopped after 1 s"),
    "loud": ("print('x' * 1_000_000)\n" + RIGHT, "failed", "it printed more than 20,000 bytes"),
    "leaves": ("import os\nos._exit(3)\n", "failed", "it ended the process with status 3"),
    "crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "failed", "it crashed (SIGSEGV)"),
    "big": (
        "import numpy as np\ndef backward(x):\n    return np.ones((10**9, 8))\n",
        "failed",
        "it used more memory than allowed",
    ),
    "untouched": (starter(NEURON), "not given", ""),
    "half": ("def backward(x):\n    return {'z': None, 'w': x}\n", "wrong", ""),
    "look": (
        f"import os, socket\nassert os.listdir() == [] and 'SECRET' not in os.environ\n{RIGHT}"
        "try:\n    socket.create_connection(('127.0.0.1', {port}), timeout=1)\n    print('online')\n"
        "except OSError:\n    print('offline')\n",
        "right",
        "",
    ),
}
"""Submissions that need a process of their own: the text, the status, the reason."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    folder = tmp_path_factory.mktemp("submissions")
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "token")
        for name, (text, _, _) in ROWS.items():
            (folder / f"{name}.py").write_text(text.replace("{port}", str(server.getsockname()[1])), encoding="utf-8")
        files = {name: folder / f"{name}.py" for name in ROWS}
        never = files.pop("never")
        graded = grade(NEURON, list(files.values()), Limits(seconds=60, output=20_000))
        stopped = run(NEURON, never, Limits(seconds=1))
    assert [row.file for row in graded] == [str(path) for path in files.values()]
    found = dict(zip(files, graded, strict=True)) | {"never": stopped}
    return {name: found[name] for name in ROWS}


@pytest.mark.parametrize("name", ROWS)
def test_everything_is_a_row(name: str, rows: dict[str, Row]) -> None:
    _, status, reason = ROWS[name]
    assert (rows[name].status, rows[name].report.reason) == (status, reason)
    score = 0 if name == "half" else {"right": 3, "wrong": 2}.get(status, 0)
    assert rows[name].report.score == score


def test_a_search_for_wrong_lines_that_ends_badly_costs_no_verdict(rows: dict[str, Row]) -> None:
    assert [mistake.line for mistake in rows["wrong"].report.mistakes] == [3]
    late = rows["leaves late"].report
    assert late.mistakes == ()
    assert late.notes == ("The wrong lines were not found: it ended the process with status 3.",)


def test_a_submission_has_no_network_where_the_system_can_take_it_away(rows: dict[str, Row]) -> None:
    assert rows["look"].printed.strip() == ("offline" if rows["look"].offline else "online")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "it has no function backward"),
        ("backward = 3\n", "backward is no function but int"),
        ("def backward(x:\n    pass\n", "line 1: '(' was never closed: def backward(x:"),
        (
            "def backward(x):\n    y = 1\n    return y / 0\n",
            "line 3: ZeroDivisionError: division by zero: return y / 0",
        ),
        ("def backward(x):\n    exit()\n", "it called exit()"),
        ("def backward(x):\n    return backward(x)\n", "line 2: RecursionError: maximum recursion depth exceeded: "),
        (
            "def backward(x, q):\n    pass\n",
            "the function asks for 'q', which is not given; it may ask for x, t, w, b,",
        ),
        ("def backward(x):\n    pass\n", "the function returns a dict of gradients by name (z, w, b), got nothing"),
        ("import nowhere\n", "line 1: ModuleNotFoundError: No module named 'nowhere': import nowhere"),
        ("x = '\x00'\n", "source code string cannot contain null bytes"),
    ],
)
def test_what_goes_wrong_in_a_file_is_its_reason(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(text, encoding="utf-8")
    report = report_on_file(NEURON, path, 1.0)
    assert reason in report.reason
    assert not report
    assert (report.score, report.total) == (0, 3)


def test_a_folder_and_a_missing_file_are_rows_beside_a_submission(tmp_path: Path) -> None:
    (tmp_path / "right one.py").write_text(RIGHT, encoding="utf-8")
    files = [tmp_path / "gone.py", tmp_path / "right one.py", tmp_path]
    rows = grade(NEURON, files, Limits(seconds=60))
    assert [row.file for row in rows] == [str(file) for file in files]
    assert [row.status for row in rows] == ["failed", "right", "failed"]
    assert [row.report.reason for row in rows] == ["there is no such file", "", "it is a folder; name the files in it"]


def test_submissions_that_are_all_missing(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"gone\.py: there is no such file; .*: it is a folder; name the"):
        grade(NEURON, [tmp_path / "gone.py", tmp_path])
    with pytest.raises(ArgumentError, match="there is no submission"):
        grade(NEURON, [])


@pytest.mark.parametrize(
    ("gradients", "said"),
    [
        ("{'z': 'many', 'w': x}", "wrong: z (it is no number or array of numbers, but str), w; not given: b"),
        ("{'z': [1.0], 'b': None}", "wrong: z (it has shape (1,), not ()); not given: w, b"),
        ("{}", "nothing is filled in"),
    ],
)
def test_a_row_says_in_short_what_is_wrong_and_what_is_not_given(gradients: str, said: str) -> None:
    report = NEURON.judge(eval(f"lambda x: {gradients}"))
    assert in_short(Row("a.py", report, "", 0.1, True)) == said


# ---- reports ---------------------------------------------------------------------------------------------------------

HOSTILE = "=HYPERLINK(\"x\")<script>alert('&')</script>\x1b[31m\n.py"


def report(reason: str = "") -> Report:
    verdicts = (Verdict("z", 1, True), Verdict(HOSTILE, 2, False, f"off {HOSTILE}"))
    return Report(verdicts, (WrongLine(3, HOSTILE, f"said {HOSTILE}", f"- {HOSTILE}"),), reason, (HOSTILE,))


def test_reports_come_back_as_they_were() -> None:
    assert Report.from_dict(json.loads(json.dumps(report().as_dict()))) == report()
    text = str(report())
    assert text.startswith("✓ z")
    assert "line 3: said" in text
    assert text.endswith("1 of 3 points.")
    page = report()._repr_html_()
    assert "<script" not in page
    assert page.endswith(f"<pre>line 3: said {escape(HOSTILE)}\n- {escape(HOSTILE)}</pre>")
    assert repr(report()) == "<Report: 1 of 3 points>"


@pytest.mark.parametrize("reason", ["", HOSTILE])
def test_hostile_texts_do_nothing(reason: str) -> None:
    rows = [
        Row(HOSTILE, report(reason), HOSTILE, 0.5, True),
        Row("b.py", Report((Verdict("z", 1, True),)), "", 0.1, False),
    ]
    page = as_page(NEURON, rows)
    assert "<script" not in page
    assert "\x1b" not in page
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert len(tree.findall(".//section")) == 2
    assert tree.findtext(".//h2") == HOSTILE.replace("\x1b", "�")
    line = list(csv.reader(io.StringIO(as_csv(NEURON, rows))))[1]
    assert line[0].startswith("'=HYPERLINK")
    lines = as_table(NEURON, rows).split("\n")
    assert len(lines) == 7 + (not reason)
    assert all(map(str.isprintable, lines))
    assert json.loads(as_json(NEURON, rows))["submissions"][0]["file"] == HOSTILE


def test_the_table_says_what_is_wrong(rows: dict[str, Row]) -> None:
    table = as_table(NEURON, list(rows.values())).splitlines()
    assert table[0].split() == ["submission", "points"]
    assert table[2].split()[-5:] == ["3", "/", "3", "all", "right"]
    summed = "11 submissions: 2 all right, 3 with something wrong, 1 not filled in, 5 without gradients."
    assert summed in table
    assert "Wrong most often: w (3)." in table
    assert in_short(rows["untouched"]) == "nothing is filled in"
    assert in_short(rows["half"]).startswith("line 2: the gradient of 'w' is multiplied")
    assert "(of shape" not in "".join(table)
    reason = "line 1: ModuleNotFoundError: No module named 'somewhere_far_away': import somewhere_far_away"
    long = [Row("a.py", Report.of_none(NEURON.points, reason), "", 0.1, True)]
    assert as_table(NEURON, long).splitlines()[2].endswith("named 'somewhere_far…")
    assert as_table(NEURON, long, 200).splitlines()[2].endswith(reason)
    assert len(as_table(NEURON, long, 90).splitlines()[2]) == 90
    assert [line.split(maxsplit=1)[0] for line in str(rows["half"].report).splitlines()[:3]] == ["–", "✗", "–"]
    assert in_short(rows["never"]) == "it was stopped after 1 s"
    found = json.loads(as_json(NEURON, list(rows.values())))
    assert [one["score"] for one in found["submissions"]] == [3, 2, 2, 0, 0, 0, 0, 0, 0, 0, 3]
    header, *lines = csv.reader(io.StringIO(as_csv(NEURON, list(rows.values()))))
    assert header == ["submission", "score", "total", "status", "z", "w", "b", "remark"]
    assert lines[1][1:7] == ["2", "3", "wrong", "1", "0", "1"]
