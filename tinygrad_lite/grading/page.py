"""The report of a pile of submissions as one page, which needs nothing else. Every text in it is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..core.display import clipped
from .exercises import Exercise
from .reports import in_short, summary
from .submissions import Row
from .verdicts import NOT_GIVEN, Verdict, WrongLine

__all__ = ["as_page"]

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --right: #1a7f37; --wrong: #cf222e }
@media (prefers-color-scheme: dark) { :root { --right: #4ac26b; --wrong: #ff8182 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line) }
th, td { overflow-wrap: anywhere }
th:first-child { width: 26% }
th.status { width: 6.5rem }
.number { text-align: right; white-space: nowrap; width: 4.5rem }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .5rem .8rem }
section { margin-top: 3rem }
h2, h3, p { overflow-wrap: anywhere }
.right { color: var(--right) }
.wrong, .failed { color: var(--wrong) }
.not-given { opacity: .7 }
.removed { color: var(--wrong) }
.added { color: var(--right) }
"""

_HEADS = '<th scope="col">gradient of</th><th class="status"></th><th scope="col" class="number">points</th><th></th>'

_MOST = 4_000
"""Characters of one text of a submission."""


def as_page(exercise: Exercise, rows: Sequence[Row]) -> str:
    """The page: a table of all submissions, then a section for each."""
    title = f"{exercise.title}: {len(rows)} submissions"
    lines = "".join(
        f'<tr><td><a href="#s{k}">{_text(row.file)}</a></td><td class="number">{row.report.score:g}</td>'
        f'<td class="{_class(row.status)}">{_text(in_short(row))}</td></tr>'
        for k, row in enumerate(rows)
    )
    remarks = "".join(f"<p>{_text(line)}</p>" for line in summary(rows))
    sections = "".join(_section(k, exercise, row) for k, row in enumerate(rows))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><h1>{_text(title)}</h1>{remarks}"
        f'<table><thead><tr><th scope="col">submission</th><th scope="col" class="number">of {exercise.total:g}</th>'
        f'<th scope="col"></th></tr></thead><tbody>{lines}</tbody></table>{sections}</body></html>\n'
    )


def _section(k: int, exercise: Exercise, row: Row) -> str:
    report = row.report
    parts = [f"<p>{report.score:g} of {exercise.total:g} points</p>", *map(_mistake, report.mistakes)]
    if report.reason:
        parts.append(f'<p class="failed">{_text(report.reason)}</p>')
    else:
        verdicts = "".join(
            f'<tr><td>{_text(verdict.name)}</td><td class="{_class(status)}">{mark} {status}</td>'
            f'<td class="number">{verdict.points:g}</td><td>{_text(verdict.reason if verdict.given else "")}</td></tr>'
            for verdict in report.verdicts
            for mark, status in [_verdict(verdict)]
        )
        parts.append(f"<table><thead><tr>{_HEADS}</tr></thead><tbody>{verdicts}</tbody></table>")
    parts += [f"<p>{_text(note)}</p>" for note in report.notes]
    if row.printed:
        parts.append(f"<details><summary>What it printed</summary><pre>{_text(row.printed)}</pre></details>")
    return f'<section id="s{k}"><h2>{_text(row.file)}</h2>{"".join(parts)}</section>'


def _verdict(verdict: Verdict) -> tuple[str, str]:
    return ("✓", "right") if verdict.right else ("✗", "wrong") if verdict.given else ("–", NOT_GIVEN)


def _class(status: str) -> str:
    return status.replace(" ", "-")


def _mistake(mistake: WrongLine) -> str:
    diff = clipped(mistake.diff, _MOST).split("\n")
    shown = "\n".join(map(_changed, diff)) if mistake.diff else _text(mistake.source)
    return f"<h3>Line {mistake.line}: {_text(mistake.said)}</h3><pre>{shown}</pre>"


def _changed(line: str) -> str:
    """A line of a diff in its colour."""
    return f'<span class="{"removed" if line.startswith("-") else "added"}">{_text(line)}</span>'


def _text(text: str) -> str:
    """A text escaped, and without characters that a page may not hold."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in clipped(text, _MOST))
    return escape(shown)
