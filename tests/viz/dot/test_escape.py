"""Names are free text: they come out of the renderer as they went in, and break nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import graphviz
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viz.dot.escape import LABEL_LIMIT, escape_label, escape_tooltip, visible
from viz.output.render import available, render_dot

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"

HOSTILE = [
    "",
    " ",
    "w200",
    "-4.2",
    "node",
    'say "hi"',
    "it's",
    '"];',
    '"] n9 [label="x',
    "\\",
    "ends in \\",
    "\\\\",
    "\\N",
    "\\G \\L \\E \\T \\H",
    "\\n \\l \\r",
    '\\"',
    "\\\nx",
    "<b>bold</b>",
    "<>",
    "<",
    "a < b > c",
    "</text></svg><script>alert(1)</script>",
    "]]>",
    "<!-- -- -->",
    "<?xml?>",
    "&",
    "&amp;",
    "&lt;b&gt;",
    "&#65;",
    "&#x41;",
    "&nbsp;",
    "&amp;lt;",
    "{a|b}",
    "{",
    "}|{",
    "<port> text",
    "two  spaces",
    "   many   ",
    "two\nlines",
    "dos\r\nlines",
    "n0 -> n1",
    "a;b",
    "[x=1]",
    "# no comment",
    "// /* neither */",
    "%s {0} $HOME `ls`",
    "é ß λ ∂C/∂w ← σ′",
    "日本語",
    "😀 👩‍👩‍👧",
    "שלום",
    "\u200fright-to-left mark",
    "\u202eoverride",
    "\u2067isolate",
    "tab\there",
    "nul\0byte",
    "bell\a escape\x1b[31m",
    "delete\x7f next line\x85",
    "lone \ud800 surrogate",
    "not a character \uffff",
]


def drawn(name: str, **options: str) -> dict[str, ET.Element]:
    """A picture with the name in each place where a text can stand: its groups by their id."""
    digraph = graphviz.Digraph()
    label, tooltip = escape_label(name), escape_tooltip(name)
    digraph.node("n0", label=label, tooltip=tooltip, id="n0", shape="box")
    digraph.node("n1", label=f"{{{label}|{{{label}|{label}}}}}", id="n1", shape="record")
    digraph.edge("n0", "n1", label=label, tooltip=tooltip, id="e0")
    with digraph.subgraph(name="cluster_0") as cluster:
        cluster.attr(label=label, tooltip=tooltip, id="c0")
        cluster.node("n2", label="inside", id="n2")
    root = ET.fromstring(render_dot(digraph.source, **options))
    return {group.get("id", ""): group for group in root.iter(f"{SVG}g")}


def lines(group: ET.Element) -> list[str]:
    """The text of a group; its lines each are an element, spaces that would collapse non-breaking."""
    return ["".join(text.itertext()).replace("\xa0", " ") for text in group.iter(f"{SVG}text")]


def tooltips(group: ET.Element) -> set[str]:
    return {link.get(TITLE, "").replace("\xa0", " ") for link in group.iter(f"{SVG}a")}


def check(name: str, **options: str) -> None:
    expected = visible(name, LABEL_LIMIT)
    groups = drawn(name, **options)
    in_lines = [] if expected == "" else expected.replace("\xa0", " ").split("\n")
    assert lines(groups["n0"]) == in_lines
    assert lines(groups["e0"]) == in_lines
    assert lines(groups["c0"]) == in_lines
    assert lines(groups["n1"]) == (3 * in_lines or 3 * [" "])
    if expected:
        assert (
            tooltips(groups["n0"])
            == tooltips(groups["c0"])
            == tooltips(groups["e0"])
            == {visible(name).replace("\xa0", " ")}
        )
    assert set(groups) >= {"n0", "n1", "n2", "e0", "c0"}
    assert len([group for group in groups.values() if group.get("class") in ("node", "edge")]) == 4


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_comes_out_as_it_is(name: str) -> None:
    check(name)


@pytest.mark.parametrize("engine", ["dot", "pure"])
@pytest.mark.parametrize("name", ["\\N", "&lt;b&gt;", "<b>", '"];', "{a|b}", "two  spaces", "two\nlines"], ids=ascii)
def test_in_the_other_engines_too(name: str, engine: str) -> None:
    if not available(engine):  # type: ignore[arg-type]
        pytest.skip(f"engine {engine!r} is not installed")
    check(name, engine=engine)


# Lines that are empty or only spaces are drawn, but have no text element to find.
@given(
    st.text(st.characters(exclude_categories=[]), max_size=60).filter(
        lambda text: all(map(str.strip, text.split("\n")))
    )
)
@example("\\l&\\")
def test_any_text_comes_out_as_it_is(name: str) -> None:
    check(name)


def test_the_checks_find_a_name_that_is_not_escaped() -> None:
    digraph = graphviz.Digraph()
    digraph.node("n0", label="\\N &lt; 1", id="n0")
    root = ET.fromstring(render_dot(digraph.source))
    (group,) = (group for group in root.iter(f"{SVG}g") if group.get("id") == "n0")
    assert lines(group) == ["n0 < 1"]


def test_a_million_characters_are_cut_short() -> None:
    name = 'x"<\\' * 250_000
    (line,) = lines(drawn(name)["n0"])
    assert len(line) == LABEL_LIMIT
    assert line.endswith("…")
    assert name.startswith(line[:-1])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("\t", "    "),
        ("\0\x1f\x7f", "␀␟␡"),
        ("\x85\ud800\ufffe", "\ufffd\ufffd\ufffd"),
        ("\u202ea\nb", "\u202ea\u202c\nb"),
        ("\u202ea\u202c", "\u202ea\u202c"),
        ("\u202e\u2067x", "\u202e\u2067x\u202c\u2069"),
        ("\u200f", "\u200f"),
    ],
    ids=ascii,
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_limit_holds_for_the_text_and_not_for_what_escapes_it() -> None:
    assert escape_label("<" * 10, limit=10) == "&lt;" * 10
    assert escape_label("<" * 11, limit=10) == "&lt;" * 9 + "…"
    assert escape_label("x" * 500, limit=None) == "x" * 500


def test_lines_of_a_label_can_be_left_aligned() -> None:
    assert escape_label("a\nb", newline=r"\l") == r"a\lb"
