"""The page that explores a graph: its contents, its safety, and how it works in a real browser."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.hostile import HOSTILE
from tests.viz.equations import worked_out
from tests.viz.explorer.browser import Opened, launched
from tests.viz.svg import five_largest
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.errors import GraphError, NonFiniteError, ShapeError, UnknownNameError, ValueTypeError
from viz.explorer import contents, statistics
from viz.explorer.contents import Contents
from viz.records.numbers import number


def half_adder() -> Value:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    return nn.losses.half_squared_error(net(x), t)


def xor() -> Value:
    x, t = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])
    net = nn.MLP([2, 3, 1], activation="sigmoid", output="sigmoid", rng=0)
    return nn.losses.half_squared_error(net(x), t)


def digits(images: int = 1) -> Value:
    """A network of three layers for images of 8×8 pixels."""
    rng = np.random.default_rng(1)
    net = nn.MLP([64, 12, 8, 10], activation="relu", rng=1)
    return nn.losses.cross_entropy(net(rng.random((images, 64))), rng.integers(0, 10, images))


def residual() -> Value:
    rng = np.random.default_rng(2)
    h = Value(rng.random((2, 3)), name="x", requires_grad=False)
    h = h @ Value(rng.normal(size=(3, 3)), name="stem")
    for k in range(3):
        h = h + (h @ Value(rng.normal(size=(3, 3)) / 2, name=f"block{k}")).tanh()
    loss = h.square().mean()
    loss.name = "C"
    return loss


def freed() -> Value:
    loss = xor()
    loss.backward(keep="leaves")
    return loss


GRAPHS = {"half adder": half_adder, "xor": xor, "digits": digits, "residual": residual}


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found
    records: dict[str, Any] = json.loads(found[1])
    return records


def leaves(loss: Value) -> dict[str, Value]:
    return {v.name: v for v in tg.core.graph.ancestors(loss) if v.is_leaf and v.requires_grad and v.name}


def every_path(records: dict[str, Any], value: int, at: int) -> Iterator[float]:
    """The contributions of all paths, one by one, along the elementary edges of the page."""
    onwards = defaultdict(list)
    for edges in records["edges"]:
        for head, tail, local in zip(edges["heads"], edges["tails"], edges["locals"], strict=True):
            onwards[edges["operand"], tail].append((edges["node"], head, local))
    waiting = [((value, at), 1.0)]
    while waiting:
        place, product = waiting.pop()
        if place[0] == records["end"]:
            yield product
        waiting += [((node, head), product * local) for node, head, local in onwards[place]]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Value, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    losses = {name: make() for name, make in GRAPHS.items()}
    for loss in losses.values():
        loss.backward()
    return {name: (loss, viz.explore(loss, folder / f"{name}.html")) for name, loss in losses.items()}


Pages = dict[str, tuple[Value, Path]]


# ---- what the page is given


@pytest.mark.parametrize("name", ["half adder", "xor", "residual"])
def test_the_statistics_are_those_of_all_paths_one_by_one(name: str) -> None:
    loss = GRAPHS[name]()
    loss.backward()
    records = Contents(loss, None).records()
    checked = 0
    known = leaves(loss)
    for k, value in enumerate(records["values"]):
        if value["kind"] != "leaf":
            continue
        grad = np.ravel(known[value["name"]].grad)
        for at in range(grad.size):
            paths = list(every_path(records, k, at))
            sizes = [abs(path) for path in paths if path]
            magnitude = math.fsum(sizes)
            assert value["count"][at] == str(len(paths))
            assert value["active"][at] == str(len(sizes))
            assert value["total"][at] == pytest.approx(math.fsum(paths), rel=1e-9, abs=1e-12)
            assert value["total"][at] == pytest.approx(grad[at], rel=1e-9, abs=1e-12)
            assert value["magnitude"][at] == pytest.approx(magnitude, rel=1e-9)
            entropy = -math.fsum(size / magnitude * math.log(size / magnitude) for size in sizes)
            assert value["entropy"][at] == pytest.approx(entropy, abs=1e-9)
            assert value["cancellation"][at] == pytest.approx(1 - abs(math.fsum(paths)) / magnitude, abs=1e-9)
            assert sum(int(counts[at]) for _, counts, _, _ in value["spectrum"]) == len(paths)
            assert sum(totals[at] for _, _, totals, _ in value["spectrum"]) == pytest.approx(grad[at], abs=1e-12)
            checked += 1
    assert checked == sum(leaf.size for leaf in known.values())


def test_what_arrives_adds_up_to_the_gradient_of_every_value() -> None:
    records = Contents(half_adder(), None).records()
    assert records["backward"][0]["value"] == records["end"]
    assert len(records["backward"]) == sum(value["kind"] != "constant" for value in records["values"])
    done = set()
    for step in records["backward"]:
        value = records["values"][step["value"]]
        for arrow, _, _ in step["arrivals"]:
            assert records["arrows"][arrow]["made"] in done  # its reader came before
        done.add(value["id"])
        if step["arrivals"]:
            assert step["arrivals"][-1][2] == value["gradient"]
            parts = math.fsum(float(part) for _, part, _ in step["arrivals"])
            assert parts == pytest.approx(value["total"][0], rel=1e-2, abs=1e-5)


def test_the_page_does_not_need_a_backward_pass_and_does_not_change_gradients(tmp_path: Path) -> None:
    before, after = xor(), xor()
    after.backward()
    after.backward()  # accumulated: twice the gradient of the loss
    pages = [viz.explore(loss, tmp_path / f"{k}.html").read_bytes() for k, loss in enumerate((before, after))]
    assert pages[0] == pages[1]
    assert all(not leaf.has_grad for leaf in leaves(before).values())


@pytest.mark.parametrize("name", ["half adder", "residual"])
def test_the_same_graph_gives_the_same_bytes(pages: Pages, tmp_path: Path, name: str) -> None:
    again = viz.explore(GRAPHS[name](), tmp_path / "page.htm").read_bytes()
    assert again == pages[name][1].read_bytes()
    assert len(again) < 600_000


def test_a_page_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, x = tmp_path / "new" / "page.html", Value(3.0, name="x")
    viz.explore(x * x, path)
    old = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk"):
        viz.explore(x * 2.0, path)
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_derivations_are_the_ones_that_derive_writes() -> None:
    loss = half_adder()
    value = next(v for v in Contents(loss, "w200").records()["values"] if v["name"] == "w200")
    assert value["derivation"] == {"0": tg.derive(loss, "w200").text}
    tensors = xor()
    found = {v["name"]: v.get("derivation") for v in Contents(tensors, None).records()["values"]}
    assert found["w1"]["all"] == tg.derive(tensors, "w1").text
    assert found["w1"]["1"] == tg.derive(tensors, "w1[0,1]").text


def test_what_is_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "ELEMENTS", 30)
    monkeypatch.setattr(contents, "EDGES", 50)
    loss = digits()
    known = leaves(loss)
    records = Contents(loss, ["w3[0,1]", known["b3"]]).records()
    values = records["values"]
    names = [[values[k]["name"], at] for k, at in records["listed"]]
    assert names[0] == ["w3", 1]
    assert {name for name, _ in names[1:]} == {"b3"}
    sizes = [abs(known["b3"].data.size and records["values"][k]["total"][at]) for k, at in records["listed"][1:]]
    assert sizes == sorted(sizes, reverse=True)  # the largest gradients first
    assert all("total" not in value for value in values if value["name"] == "w1")
    notes = " ".join(records["notes"])
    assert "more than 50 elementary edges" in notes
    assert "30 elements" in notes
    for k, at in records["listed"]:  # the edges of the largest paths are there, and they are the largest paths
        index = tuple(map(int, np.unravel_index(at, values[k]["shape"])))
        want = [path.contribution for path in tg.gradient_paths(loss, known[values[k]["name"]], index).top(10)]
        got = sorted(every_path(records, k, at), key=abs, reverse=True)[: len(want)]
        assert got == pytest.approx(want, rel=1e-9)


def test_what_is_asked_for_may_be_a_module_a_name_a_value_or_a_pair() -> None:
    x = Value([1.0, 2.0], name="x")
    net = nn.MLP([2, 2, 1], rng=0)
    loss = net(x.reshape(1, 2)).sum()
    w1 = net.named_parameters()["w1"]

    def asked(wrt: Any) -> list[str | None]:
        return [value.name for value in dict.fromkeys(value for value, _ in Contents(loss, wrt).asked)]

    assert asked(net) == ["w1", "b1", "w2", "b2"]
    assert asked("w2[0,0]") == asked("w200") == ["w2"]
    assert asked(w1) == asked((w1, (0, 1))) == asked({"first": w1}) == ["w1"]
    assert asked([x, "b1"]) == ["x", "b1"]
    assert asked(None) == ["x", "w1", "b1", "w2", "b2"]


def test_a_graph_too_large_is_collapsed_and_says_so(tmp_path: Path) -> None:
    loss = half_adder()
    path = viz.explore(loss, tmp_path / "page.html", limit=80)
    records = data_of(path)
    assert records["notes"][0].startswith("too large for 80 nodes")
    assert "too large for 80 nodes" in path.read_text("utf-8").partition('id="data"')[0]  # in the picture too
    boxes = {box["id"] for box in records["boxes"]}
    inside = [value for value in records["values"] if not value["drawn"]]
    assert boxes
    assert inside
    assert {value["id"] for value in inside} <= boxes
    assert {"w100", "w300"} <= {value["name"] for value in records["values"]}
    for k, value in enumerate(records["values"]):
        if value["name"] == "w100":
            assert len(list(every_path(records, k, 0))) == int(value["count"][0]) == 16


def test_more_can_be_asked_for_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "ASKED", 5)
    records = Contents(half_adder(), None, limit=80).records()
    assert len(records["asked"]) == 5
    assert "5 of the 18 elements asked for are on the page for certain" in records["notes"]


def test_a_leaf_by_itself_and_a_scalar_in_brackets(tmp_path: Path) -> None:
    for k, end in enumerate((Value(2.0, name="x"), Value([[3.0]], name="y") * 1.0)):
        records = data_of(viz.explore(end, tmp_path / f"{k}.html"))
        assert records["values"][records["end"]]["total"] == [1.0]


def test_too_many_lengths_have_no_spectra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "GROUPS", 1)
    records = Contents(residual(), None).records()
    assert all("spectrum" not in value for value in records["values"])
    assert any("too many lengths" in note for note in records["notes"])


def test_numbers_that_json_does_not_have_are_texts(tmp_path: Path) -> None:
    x = Value(2.0, name="x")
    huge = Value(math.inf, name="huge", requires_grad=False)
    path = viz.explore(x + huge, tmp_path / "page.html")
    assert next(v["data"] for v in data_of(path)["values"] if v["name"] == "huge") == ["inf"]


def test_a_count_of_any_size() -> None:
    y = x = Value(1.0, name="x")
    for _ in range(200):
        y = y + y
    records = Contents(y, None, fold=False).records()
    assert next(v["count"] for v in records["values"] if v["name"] == "x") == ["1.61e60"]
    assert x.name == "x"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda path: viz.explore(xor(), path.with_suffix(".svg")),
            viz.FormatError,
            r"suffix is \.html, got 'page\.svg'",
        ),
        (lambda path: viz.explore(xor(), path, direction="up"), viz.FormatError, "direction"),  # type: ignore[arg-type]
        (lambda path: viz.explore(3.0, path), ValueTypeError, "graph of a Value, got float"),  # type: ignore[arg-type]
        (
            lambda path: viz.explore(Value([1.0, 2.0], name="v") * 2.0, path),
            ShapeError,
            r"one element, got shape \(2,\)",
        ),
        (lambda path: viz.explore(Value(1.0, name="c", requires_grad=False), path), GraphError, "requires a gradient"),
        (lambda path: viz.explore(xor(), path, "nothing"), UnknownNameError, "explore: .*'nothing'"),
        (lambda path: viz.explore(xor(), path, Value(1.0, name="other")), GraphError, "was not computed from"),
        (lambda path: viz.explore(Value(0.0, name="x").sqrt(), path), NonFiniteError, "explore: a local derivative"),
        (lambda path: viz.explore(freed(), path), GraphError, "freed"),
        (lambda path: viz.explore(xor(), 5), ValueTypeError, "explore: needs the path of a file, .* got int"),  # type: ignore[arg-type]
    ],
)
def test_errors_say_what_is_wrong(tmp_path: Path, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


# ---- safety


ATTACKS = [
    *HOSTILE,
    "</script><script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "{{data}} {{script}} ${alert(1)}",
    "-->]]><!--",
    "\u2028\u2029\x00\x1b",
    "\ud800 alone",
    "javascript:alert(1)",
    "x" * 1_000_000,
]


def hostile() -> Value:
    total = Value(0.0, requires_grad=False)
    for k, name in enumerate(ATTACKS):
        total = total + Value(float(k + 1), name=name) * Value([1.0, 2.0], name=name).sum()
    total.name = ATTACKS[-8]
    return total


class Elements(html.parser.HTMLParser):
    """The elements of a page and their attributes, as a browser that is strict about scripts finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    path = viz.explore(hostile(), tmp_path / "page.html")
    text = path.read_text("utf-8")
    found = Elements(text).found
    assert sum(tag == "script" for tag, _ in found) == 2
    allowed = (
        "html head meta title style body header h1 bdi div input ul button main section svg g path polygon polyline"
    )
    allowed += " ellipse text aside footer output p script"
    assert {tag for tag, _ in found} <= set(allowed.split())
    for _, attributes in found:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "href")]
    assert len(text) < 500_000  # a name of a million characters is cut
    names = {value["name"] for value in data_of(path)["values"]}
    assert "</script><script>document.title = 'taken'</script>" in names


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    text = viz.explore(xor(), tmp_path / "page.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    directives = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    hashes = {}
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inline
        hashes[tag] = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
    assert directives == {
        "default-src": "'none'",
        "script-src": f"'sha256-{hashes['script']}'",
        "style-src": f"'sha256-{hashes['style']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)


def test_every_file_of_the_script_is_in_the_page(pages: Pages) -> None:
    files = list(Path(viz.explorer.__file__).parent.joinpath("script").glob("*.js"))
    text = pages["xor"][1].read_text("utf-8")
    assert len(files) == 12
    assert all(file.read_text("utf-8") in text for file in files)


def test_every_colour_of_the_picture_has_one_by_night(pages: Pages) -> None:
    used: set[str] = set()
    for _, path in pages.values():
        text = path.read_text("utf-8")
        used |= set(re.findall(r"\b(?:fill|stroke)-[0-9a-f]{6}\b", text.partition("<svg")[2].partition("</svg>")[0]))
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert len(used) > 10
    assert {colour for colour in used if f".{colour}" not in style} == set()


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


def close(x: float) -> Any:
    """To the six digits that are shown."""
    return pytest.approx(x, rel=6e-6, abs=1e-300)


def differences(opened: Opened, loss: Value, value: Value, index: tuple[int, ...]) -> list[str]:
    """Where what the page says of the selected element is not what the engine says."""
    gp = tg.gradient_paths(loss, value, index)
    facts = dict(zip(*(opened.page.locator(f"#details {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True))
    shown = {
        "value": (opened.number("#value"), float(np.asarray(value.data)[index])),
        "gradient": (opened.number("#total"), float(np.asarray(value.grad)[index])),
        "paths": (int(facts["paths"].split(",")[0]), gp.count),
        "active paths": (
            int(re.findall(r"\d+", facts["paths"])[-1]),
            gp.active_count if "of" in facts["paths"] else gp.count,
        ),
        "magnitude": (opened.number("#magnitude"), gp.magnitude),
        "entropy": (float(facts["entropy"].split()[0]), gp.entropy),
    }
    amounts = opened.numbers("ol.paths .amount")
    top = gp.top(10)
    tops = [path.contribution for path in top]
    shown |= {f"path {k}": pair for k, pair in enumerate(zip(amounts, tops, strict=True))}
    shown |= {
        f"bar {k}": (part, path.contribution / abs(tops[0]) if tops[0] else 0.0)
        for k, (part, path) in enumerate(zip(bars(opened), top, strict=True))
    }
    wrong = [
        name
        for name, (said, true) in shown.items()
        if said != pytest.approx(true, rel=6e-6, abs=1e-4 if "bar" in name else 1e-300)
    ]
    shares = [written_share(abs(c) / gp.magnitude) if gp.magnitude else "" for c in tops]
    texts = {
        "cancellation": (facts["cancellation"], written_share(gp.cancellation)),
        "title": (opened.page.inner_text("#details h3:has(+ ol.paths)"), title_of(len(top), gp.count)),
        "shares": (opened.page.locator("ol.paths .share").all_inner_texts(), shares),
    }
    return wrong + [name for name, (said, true) in texts.items() if said != true]


def bars(opened: Opened) -> list[float]:
    """How far each bar of the paths reaches from the middle of its track, negative to the left."""
    script = """bars => bars.map(bar => {
        const style = bar.firstChild.style, left = parseFloat(style.marginLeft), width = parseFloat(style.width);
        return left < 50 && width ? (left - 50) / 50 : width / 50;
    })"""
    found: list[float] = opened.page.eval_on_selector_all("ol.paths .bar", script)
    return found


def written_share(share: float) -> str:
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def title_of(shown: int, count: int) -> str:
    if shown == count:
        return "The path" if shown == 1 else f"All {shown} paths"
    return f"The {shown} largest of {count:,} paths"


def wrong_arrows(opened: Opened, records: dict[str, Any], loss: Value, name: str) -> list[str]:
    """Where the lit arrows differ from what the paths, listed one by one, give: width, dashes, percent."""
    k = next(k for k, value in enumerate(records["values"]) if value["name"] == name)
    sizes: defaultdict[int, float] = defaultdict(float)
    sums: defaultdict[int, float] = defaultdict(float)
    onwards = defaultdict(list)
    for edges in records["edges"]:
        for local in edges["locals"]:  # of scalars
            onwards[edges["operand"]].append((edges["node"], edges["arrow"], local))
    waiting: list[tuple[int, float, list[int]]] = [(k, 1.0, [])]
    while waiting:
        place, product, taken = waiting.pop()
        for arrow in taken if place == records["end"] else ():
            sizes[arrow] += abs(product)
            sums[arrow] += product
        waiting += [(node, product * local, [*taken, arrow]) for node, arrow, local in onwards[place]]
    magnitude = tg.gradient_paths(loss, name).magnitude
    drawn = opened.page.eval_on_selector_all(
        "g.edge.lit.local",
        """groups => groups.map(group => [group.id, parseFloat(group.style.getPropertyValue("--width")),
            group.classList.contains("subtracts"),
            [...group.querySelectorAll("text.share")].map(text => text.textContent)])""",
    )
    numbers = {arrow["id"]: k for k, arrow in enumerate(records["arrows"])}
    wrong = [] if {numbers[id] for id, *_ in drawn} == set(sizes) else ["other arrows"]
    largest = max(sizes.values())
    partial = five_largest(sizes.values(), magnitude)
    for id, width, dashed, share in drawn:
        size = sizes[numbers[id]]
        if width != pytest.approx(0.6 + 5.4 * math.sqrt(size / largest), rel=1e-4):
            wrong.append(f"{id}: width")
        if dashed != (sums[numbers[id]] < -1e-12 * size):
            wrong.append(f"{id}: dashes")
        if share and (share != [written_share(size / magnitude)] or not any(size == pytest.approx(s) for s in partial)):
            wrong.append(f"{id}: share")
    if sum(bool(share) for *_, share in drawn) != len(partial):
        wrong.append("five shares are written")
    return wrong


def test_clicking_a_weight_shows_its_gradient_and_its_largest_paths(browser: Any, pages: Pages) -> None:
    loss, path = pages["half adder"]
    with Opened(browser, path) as opened:
        page = opened.page
        ids = {value["name"]: value["id"] for value in data_of(path)["values"]}
        for name, weight in leaves(loss).items():
            page.locator(f"#{ids[name]}").click()
            assert page.inner_text("#details h2") == name
            assert differences(opened, loss, weight, ()) == []
            assert page.locator(f"#{ids[name]}.chosen").count() == 1
        opened.search("w200")
        page.wait_for_selector("#picture.choosing")
        lit = set(page.eval_on_selector_all("g.node.lit", "nodes => nodes.map(node => node.id)"))
        assert {ids[name] for name in ("w200", "z20@0", "n20@3", "C")} <= lit
        assert not {ids[name] for name in ("w201", "w300", "z21@0", "n10@0")} & lit
        assert opened.complaints == []


def test_the_product_runs_along_a_path(browser: Any, pages: Pages) -> None:
    loss, path = pages["half adder"]
    with Opened(browser, path) as opened:
        opened.search("w100")
        opened.page.locator("ol.paths button").nth(1).click()
        gp = tg.gradient_paths(loss, "w100").top(2)[1]
        assert opened.numbers("table.running td:nth-child(2):not(:empty)") == [close(local) for local in gp.locals]
        running = [math.prod(gp.locals[:k]) for k in range(gp.length + 1)]
        assert opened.numbers("table.running td:nth-child(3)") == [close(product) for product in running]
        assert opened.page.locator("g.edge.local.best").count() == gp.length
        shown = opened.page.locator("table.running bdi").all_inner_texts()
        assert [name for name in shown if "(" not in name] == [node.name for node in gp.nodes if node.name]
        assert opened.page.inner_text("#derivation") == tg.derive(loss, "w100").text
        assert opened.complaints == []


def test_the_checker_finds_a_page_with_a_wrong_number(browser: Any, pages: Pages, tmp_path: Path) -> None:
    loss, path = pages["half adder"]
    data = data_of(path)
    edges = next(e for e in data["edges"] if data["values"][e["operand"]]["name"] == "w200" and e["locals"][0])
    edges["locals"][0] *= 1.01
    wrong = tmp_path / "wrong.html"
    wrong.write_text(with_data(path, data))
    with Opened(browser, wrong) as opened:
        opened.search("w200")
        assert differences(opened, loss, leaves(loss)["w200"], ()) != []
        assert wrong_arrows(opened, data_of(path), loss, "w200") != []


def test_arrows_are_as_wide_as_the_share_of_the_selected_weight(browser: Any, pages: Pages) -> None:
    loss, path = pages["half adder"]
    records = data_of(path)
    with Opened(browser, path) as opened:
        for name in ("w200", "w110", "b21"):
            opened.search(name)
            assert wrong_arrows(opened, records, loss, name) == []
            arrow = opened.page.locator("g.edge.lit.local").first
            assert arrow.locator("path").evaluate("path => getComputedStyle(path).strokeWidth").endswith("px")
        opened.page.keyboard.press("Escape")
        zeros = "bars => bars.map(bar => { const box = bar.getBoundingClientRect(); return box.left + box.width / 2; })"
        opened.search("w110")
        assert len({round(x, 1) for x in opened.page.eval_on_selector_all("ol.paths .bar", zeros)}) == 1
        opened.page.keyboard.press("Escape")
        assert opened.page.locator("text.share").count() == 0
        assert opened.page.locator(".subtracts").count() == 0
        assert opened.complaints == []


def test_listed_elements_of_an_array_too_large_have_all_their_numbers(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "ELEMENTS", 60)
    monkeypatch.setattr(contents, "EDGES", 50)
    loss = digits(2)
    loss.backward()
    path = viz.explore(loss, tmp_path / "page.html")
    records, known = data_of(path), leaves(loss)
    assert "total" not in next(value for value in records["values"] if value["name"] == "w1")
    elements = [(records["values"][k], at) for k, at in records["listed"]]
    assert {value["name"] for value, _ in elements} > {"w1", "w2"}
    with Opened(browser, path) as opened:
        for value, at in elements[:12]:
            index = tuple(map(int, np.unravel_index(at, value["shape"])))
            opened.search(f"{value['name']}[{','.join(map(str, index))}]")
            assert differences(opened, loss, known[value["name"]], index) == []
        opened.search("w1[0,0]")
        assert "The numbers of this element are not on the page" in opened.page.inner_text("#details")
        opened.search("w1")
        opened.page.locator(".indices button", has_text="w1[").first.click()
        assert re.match(r"w1\[\d+,\d+\]", opened.page.inner_text("#details h2"))
        assert opened.complaints == []
    value, at = elements[0]
    index = tuple(map(int, np.unravel_index(at, value["shape"])))
    for name, fault in (("count", "10"), ("total", 0.1), ("magnitude", 0.2), ("data", 0.3)):
        planted = data_of(path)
        column = planted["values"][records["listed"][0][0]]
        (column[name] if name in column else column["elements"][str(at)])[at if name in column else name] = fault
        wrong = tmp_path / "wrong.html"
        wrong.write_text(with_data(path, planted))
        with Opened(browser, wrong) as opened:
            opened.search(f"{value['name']}[{','.join(map(str, index))}]")
            assert differences(opened, loss, known[value["name"]], index) != []


def with_data(path: Path, data: dict[str, Any]) -> str:
    """The page with other records."""
    written = json.dumps(data)
    return re.sub(r'(id="data">).*?(</script>)', lambda m: m[1] + written + m[2], path.read_text("utf-8"), flags=re.S)


def test_elements_of_arrays_are_reached(browser: Any, pages: Pages) -> None:
    loss, path = pages["digits"]
    known = leaves(loss)
    with Opened(browser, path) as opened:
        page = opened.page
        opened.search("w1")
        assert page.inner_text("#details h2") == "w1 64×12"
        page.locator(".indices input").nth(0).fill("40")
        page.locator(".indices input").nth(0).press("Tab")
        page.locator(".indices input").nth(1).fill("11")
        page.locator(".indices input").nth(1).press("Tab")
        assert page.inner_text("#details h2") == "w1[40,11]"
        assert differences(opened, loss, known["w1"], (40, 11)) == []
        page.locator('.cells button[aria-label^="w1[38,4]:"]').click()
        assert differences(opened, loss, known["w1"], (38, 4)) == []
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#details h2") == "w1[39,5]"
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("w1[39,5]: gradient")
        assert differences(opened, loss, known["w1"], (39, 5)) == []
        opened.search("b3[7]")
        assert differences(opened, loss, known["b3"], (7,)) == []
        assert opened.complaints == []


def test_a_residual_network_has_paths_of_several_lengths(browser: Any, pages: Pages) -> None:
    loss, path = pages["residual"]
    with Opened(browser, path) as opened:
        opened.search("stem[1,2]")
        stem = leaves(loss)["stem"]
        assert differences(opened, loss, stem, (1, 2)) == []
        spectrum = tg.gradient_paths(loss, stem, (1, 2)).spectrum
        rows = [row.split("\t")[:3] for row in opened.page.locator("table.spectrum tbody tr").all_inner_texts()]
        assert len(rows) == 4
        for row, (length, (count, total, _)) in zip(rows, spectrum.items(), strict=True):
            assert [int(row[0]), int(row[1]), float(row[2])] == [length, count, close(total)]
        assert opened.complaints == []


def test_stepping_backward_and_forward(browser: Any, pages: Pages) -> None:
    loss, path = pages["xor"]
    records = data_of(path)
    with Opened(browser, path) as opened:
        page = opened.page
        gradients = page.eval_on_selector_all("text.grad", "texts => texts.map(text => text.textContent)")
        page.click("#backward")
        waiting = page.eval_on_selector_all("text.grad", "texts => texts.map(text => text.textContent)")
        assert waiting.count("grad –") == len(gradients) - 1  # the end has its own from the start
        met = []
        for k in range(1, len(records["backward"]) + 1):
            assert page.inner_text("#count") == f"{k} of {len(records['backward'])}"
            met.append(page.inner_text("#step h2 bdi").removeprefix("∂C/∂"))
            value = records["values"][records["backward"][k - 1]["value"]]
            assert page.locator(f"#{value['id']}.now").count() == 1
            assert f"{k} of" in page.inner_text("#status")
            if k > 1:
                assert page.locator("#step tbody tr:last-child td:last-child").inner_text() == value["gradient"]
            if k < len(records["backward"]):
                page.click("#next")
        assert page.is_disabled("#next")
        assert page.eval_on_selector_all("text.grad", "texts => texts.map(text => text.textContent)") == gradients
        named = [name for name in met if "(" not in name]
        assert named[0] == "C"
        assert set(named) == {"C", "n2", "z2", "w2", "b2", "n1", "z1", "w1", "b1"}
        page.click("#previous")
        assert page.locator(".waiting").count() == 1
        page.click("#forward")
        assert page.locator("text.grad").first.evaluate("text => getComputedStyle(text).visibility") == "hidden"
        assert page.locator(".node.value.result.waiting").count() == len(records["forward"]) - 1
        page.locator("#position").fill(str(len(records["forward"])))
        assert page.inner_text("#step h2") == f"Forward: C = {records['values'][records['end']]['value']}"
        assert page.locator(".waiting").count() == 0
        page.click("#stop")
        assert page.is_hidden("#step")
        page.click("#backward")
        page.click("#play")
        page.locator("#count", has_text=re.compile("^3 of")).wait_for()
        page.click("#play")
        assert opened.complaints == []
    assert loss.name == "C"


def wrong_equations(opened: Opened, records: dict[str, Any], loss: Value) -> list[str]:
    """Where an equation of the current step says something else than the engine has."""
    known = {value.name: value for value in tg.core.graph.ancestors(loss) if value.name}
    script = "all => all.map(one => [...one.querySelectorAll('bdi')].map(part => part.textContent))"
    wrong = []
    for left, *right in opened.page.eval_on_selector_all("#step .equation", script):
        values = [text.strip().removeprefix("=").strip() for text in right]
        backward = left.startswith("∂C/∂")
        name = left.removeprefix("∂C/∂")
        if name in known:
            true = known[name].grad if backward else known[name].data
            if values[-1] != number(float(true)):
                wrong.append(f"{left} = {values[-1]}, which is {true}")
        for text in values[:-1]:
            if re.search(r"[a-zA-Z∂@]", text.replace("e-", "").replace("e+", "").replace("sum(", "")) is None:
                if worked_out(text) != pytest.approx(
                    float(values[-1]), rel=4e-3, abs=3e-4 * (1 if not backward else 1e-2)
                ):
                    wrong.append(f"{left}: {text} is not {values[-1]}")
            elif backward:
                factors = re.findall(r"∂(\S+?)/∂([^\s·+]+)", text)
                if any(end != "C" for end, _ in factors[::2]) or any(wrt != name for _, wrt in factors[1::2]):
                    wrong.append(f"{left} = {text}")
    return wrong


@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_every_step_is_a_true_equation(browser: Any, pages: Pages, mode: str) -> None:
    loss, path = pages["half adder"]
    records = data_of(path)
    with Opened(browser, path) as opened:
        page = opened.page
        page.click(f"#{mode}")
        layers = len({entry["layer"] for entry in records[mode]})
        many = len(records[mode]) > 60
        assert page.get_attribute("#pace", "aria-pressed") == str(many or len(records["backward"]) > 60).lower()
        assert page.inner_text("#count") == f"1 of {layers}"
        seen = []
        for _ in range(layers):
            assert wrong_equations(opened, records, loss) == []
            seen += page.locator("#step .equation .left").all_inner_texts()
            assert page.locator(".now.value").count() == page.locator("#step .equation").count()
            if page.is_enabled("#next"):
                page.click("#next")
        assert len(seen) == len(records[mode])
        assert page.locator(".waiting").count() == 0
        named = {
            f"∂C/∂{v.name}" if mode == "backward" else v.name
            for v in tg.core.graph.ancestors(loss)
            if v.name and v.requires_grad
        }
        assert set(seen) >= {name for name in named if mode == "backward" or name[0] in "znC"}
        page.click("#pace")
        assert page.inner_text("#count") == f"{len(seen)} of {len(seen)}"
        for k in (1, len(seen) // 2, len(seen) - 3):
            page.locator("#position").fill(str(k))
            assert page.inner_text("#step h2").endswith(seen[k - 1] + page.inner_text("#step h2 .soft"))
            assert wrong_equations(opened, records, loss) == []
            if mode == "backward" and k > 1:
                total = page.locator("#step tbody tr:last-child td:last-child").inner_text()
                assert page.inner_text("#step h2 .soft") == f" = {total}".strip() or total in page.inner_text(
                    "#step h2"
                )
        assert opened.complaints == []


def test_the_check_of_equations_finds_planted_faults(browser: Any, pages: Pages, tmp_path: Path) -> None:
    loss, path = pages["half adder"]
    for mode in ("forward", "backward"):
        data = data_of(path)
        value = next(value for value in data["values"] if value["name"] == "z20@0")
        value["value" if mode == "forward" else "gradient"] = "0.123"
        wrong = tmp_path / "wrong.html"
        wrong.write_text(with_data(path, data))
        with Opened(browser, wrong) as opened:
            opened.page.click(f"#{mode}")
            found = wrong_equations(opened, data, loss)
            while opened.page.is_enabled("#next"):
                opened.page.click("#next")
                found += wrong_equations(opened, data, loss)
        assert any("z20@0 = 0.123" in text for text in found)


def test_search_finds_names_and_elements(browser: Any, pages: Pages) -> None:
    _, path = pages["xor"]
    with Opened(browser, path) as opened:
        page = opened.page
        page.fill("#search", "w1")
        assert page.locator("#found .name").all_inner_texts() == ["w1"]
        page.fill("#search", "w112")
        assert page.locator("#found .name").all_inner_texts() == ["w1[1,2]"]
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.inner_text("#details h2") == "w1[1,2]"
        page.fill("#search", "nobody")
        assert "Nothing has this name" in page.inner_text("#found")
        page.keyboard.press("Escape")
        assert page.is_hidden("#found")
        assert opened.complaints == []


def test_everything_works_by_keyboard(browser: Any, pages: Pages) -> None:
    _, path = pages["half adder"]
    with Opened(browser, path) as opened:
        page = opened.page
        assert page.locator("#picture [tabindex='0']").count() == 1
        page.locator("#theme").focus()
        page.keyboard.press("Tab")
        focused = "document.activeElement.getAttribute('aria-label')"
        first = page.evaluate(focused)
        assert re.match(r"\w+, value -?[\d.]+, gradient -?[\d.e-]+", first)
        page.keyboard.press("ArrowRight")
        second = page.evaluate(focused)
        assert second != first
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        chosen = page.inner_text("#details h2")
        assert page.evaluate(focused).startswith(f"{chosen},")
        assert "paths" in page.inner_text("#status")
        scale = page.evaluate("document.getElementById('picture').style.transform")
        page.keyboard.press("+")
        assert page.evaluate("document.getElementById('picture').style.transform") != scale
        page.click("#backward")
        page.locator("#picture [tabindex='0']").focus()
        page.keyboard.press(".")
        assert page.inner_text("#count").startswith("2 of")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert page.locator(".chosen").count() == 0
        assert page.locator("button:not([aria-label])").evaluate_all("all => all.every(b => b.textContent.trim())")
        assert page.locator("input:not([aria-label])").count() == 0
        assert opened.complaints == []


def test_an_arrow_shows_its_local_derivative_and_a_box_what_is_in_it(
    browser: Any, pages: Pages, tmp_path: Path
) -> None:
    _, path = pages["xor"]
    with Opened(browser, path) as opened:
        arrow = next(arrow for arrow in data_of(path)["arrows"] if arrow["text"] == "n1(1 - n1)")
        opened.page.locator(f"#{arrow['id']} text").click()
        assert opened.page.inner_text("#details h2") == "∂n1 / ∂z1"
        assert "n1(1 - n1)" in opened.page.inner_text("#details dl")
        assert opened.complaints == []
    loss = half_adder()
    loss.backward()
    collapsed = viz.explore(loss, tmp_path / "page.html", limit=80)
    with Opened(browser, collapsed) as opened:
        box = data_of(collapsed)["boxes"][0]
        opened.page.locator(f"#{box['id']}").click()
        assert opened.page.inner_text("#details h2") == box["label"]
        opened.search("w100")
        assert "inside a box" in opened.page.inner_text("#details")
        assert differences(opened, loss, leaves(loss)["w100"], ()) == []
        assert "Too large for 80 nodes" not in opened.page.inner_text("#details")
        opened.page.keyboard.press("Escape")
        assert "Too large for 80 nodes" in opened.page.inner_text("#details")
        opened.page.click("#backward")
        for _ in range(8):
            opened.page.click("#next")
        assert opened.complaints == []


def test_light_and_dark(browser: Any, pages: Pages) -> None:
    _, path = pages["xor"]
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('#picture .value.leaf text')).fill"
    with Opened(browser, path, color_scheme="light") as opened:
        assert opened.page.evaluate(background) == "rgb(255, 255, 255)"
        day = opened.page.evaluate(ink)
        opened.page.click("#theme")
        assert opened.page.evaluate(background) == "rgb(21, 24, 29)"
        assert opened.page.evaluate(ink) != day
        assert opened.page.get_attribute("#theme", "aria-pressed") == "true"
    with Opened(browser, path, color_scheme="dark") as opened:
        assert opened.page.evaluate(background) == "rgb(21, 24, 29)"
        assert opened.complaints == []


def test_a_small_screen(browser: Any, pages: Pages) -> None:
    loss, path = pages["half adder"]
    with Opened(browser, path, 400, 760, has_touch=True, is_mobile=True) as opened:
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        graph, panel = page.locator("#graph").bounding_box(), page.locator("#panel").bounding_box()
        assert panel["y"] >= graph["y"] + graph["height"] - 1
        assert graph["height"] > 150
        opened.search("w200")
        assert differences(opened, loss, leaves(loss)["w200"], ()) == []
        page.tap("#backward")
        page.tap("#next")
        footer = page.locator("footer").bounding_box()
        assert footer["y"] + footer["height"] <= 760.5
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert opened.complaints == []


def test_pan_and_zoom(browser: Any, pages: Pages) -> None:
    _, path = pages["half adder"]
    with Opened(browser, path) as opened:
        page = opened.page

        def box() -> dict[str, float]:
            found: dict[str, float] = page.locator("#picture").bounding_box()
            return found

        fitted = box()
        page.mouse.move(300, 400)
        page.mouse.wheel(0, -400)
        page.wait_for_function(f"document.getElementById('picture').getBoundingClientRect().width > {fitted['width']}")
        zoomed = box()
        assert (300 - zoomed["x"]) / zoomed["width"] == pytest.approx((300 - fitted["x"]) / fitted["width"], abs=1e-3)
        page.mouse.down()
        page.mouse.move(340, 420)
        page.mouse.move(360, 430)
        page.mouse.up()
        dragged = box()
        assert (dragged["x"] - zoomed["x"], dragged["y"] - zoomed["y"]) == (pytest.approx(60), pytest.approx(30))
        assert page.locator(".chosen").count() == 0  # a drag is no click
        page.click("#fit")
        assert box() == pytest.approx(fitted)
        page.click("#in")
        assert box()["width"] == pytest.approx(1.4 * fitted["width"], rel=1e-3)
        assert opened.complaints == []


def test_two_fingers_zoom_and_one_taps(browser: Any, pages: Pages) -> None:
    _, path = pages["half adder"]
    with Opened(browser, path, 400, 760, has_touch=True, is_mobile=True) as opened:
        page = opened.page
        session = opened.context.new_cdp_session(page)

        def touch(kind: str, *fingers: tuple[int, int]) -> None:
            points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(fingers)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        width = page.locator("#picture").bounding_box()["width"]
        touch("touchStart", (150, 200))
        touch("touchStart", (150, 200), (200, 200))
        for apart in (10, 30, 50):
            touch("touchMove", (150 - apart // 2, 200), (200 + apart // 2, 200))
        touch("touchEnd")
        assert page.locator("#picture").bounding_box()["width"] == pytest.approx(2 * width, rel=0.05)
        assert page.locator(".chosen").count() == 0
        page.tap("#fit")
        weight = next(value for value in data_of(path)["values"] if value["name"] == "w300")
        page.locator(f"#{weight['id']}").tap()
        assert page.inner_text("#details h2") == "w300"
        assert opened.complaints == []


def test_hostile_names_are_shown_and_run_nothing(browser: Any, tmp_path: Path) -> None:
    path = viz.explore(hostile(), tmp_path / "page.html")
    with Opened(browser, path) as opened:
        page = opened.page
        assert page.title().startswith("Every path of </script><script>")
        for name in ("<b>bold</b>", "</script><script>", "<img", "日本語", "xxxx"):
            page.fill("#search", name)
            assert name in page.locator("#found .name").first.inner_text()
            page.keyboard.press("Enter")
            assert name in page.inner_text("#details h2")
            page.wait_for_selector(".chosen")
        page.click("#backward")
        page.click("#next")
        assert page.locator("b, img").count() == 0
        assert page.locator("script").count() == 2
        assert page.title() != "taken"
        assert opened.complaints == []


def test_the_browser_complains_of_a_script_that_is_not_the_pages_own(
    browser: Any, pages: Pages, tmp_path: Path
) -> None:
    """The planted fault: were a name to get through, the policy would stop it, and the tests here would see it."""
    text = pages["xor"][1].read_text("utf-8")
    planted = tmp_path / "planted.html"
    planted.write_text(
        text.replace("<main>", "<script>document.title = 'taken'</script><img src='http://x.invalid/'><main>")
    )
    with Opened(browser, planted) as opened:
        assert opened.page.title() == "Every path of C"
        assert any("Content Security Policy" in complaint for complaint in opened.complaints)
