"""The laid-out graph as a part of the page: reachable by keyboard, named for screen readers, styled by the page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

__all__ = ["for_page"]


_SVG = "http://www.w3.org/2000/svg"
_STYLED = ("font-family", "{http://www.w3.org/XML/1998/namespace}space")
_COLOURS = ("fill", "stroke")

ET.register_namespace("", _SVG)


def for_page(svg: str, labels: Mapping[str, str], title: str) -> str:
    """The SVG of ``viz.graph`` as a part of the page.

    ``labels`` are the spoken names of nodes, by id: these nodes become buttons, the first of which the Tab key reaches;
    everything else is decoration. Titles, fonts and the background are removed, since the page has its own. A colour
    becomes a class, so that the page can have another at night. Outlines, and the text of a value's gradient, get
    classes too, since the script rewrites them.

    >>> import viz
    >>> from tinygrad_lite import Value
    >>> svg = for_page(viz.graph(Value(1.0, name="a") * 2.0).svg(), {"v0": "a: 1"}, "one product")
    >>> 'role="button" aria-label="a: 1" tabindex="0"' in svg, "xlink" in svg
    (True, False)
    """
    root = ET.fromstring(svg)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"id": "picture", "role": "group", "aria-label": title}
    first = True
    for group in list(root.iter(f"{{{_SVG}}}g")):
        classes = group.get("class", "").split()
        _unlink(group)
        if "graph" in classes:
            _without_background(group)
            continue
        if not classes:
            continue
        group.set("class", " ".join(dict.fromkeys(classes)))
        label = labels.get(group.get("id", ""))
        if label is None:
            group.set("aria-hidden", "true")
        else:
            group.attrib |= {"role": "button", "aria-label": label, "tabindex": "0" if first else "-1"}
            first = False
        if "node" in classes:
            _mark(group)
    for element in root.iter():
        element.tail = None
        colours = [f"{name}-{element.get(name, '')[1:]}" for name in _COLOURS if element.get(name, "").startswith("#")]
        if colours:
            element.set("class", " ".join([*element.get("class", "").split(), *colours]))
        for name in _STYLED:
            element.attrib.pop(name, None)
    return ET.tostring(root, encoding="unicode")


def _unlink(group: ET.Element) -> None:
    """Remove Graphviz's links and titles from a group."""
    for child in list(group):
        if child.tag == f"{{{_SVG}}}title":
            group.remove(child)
        elif child.tag == f"{{{_SVG}}}g" and child.get("id", "").startswith("a_"):
            place = list(group).index(child)
            group.remove(child)
            for link in child:
                for inner in list(link):
                    group.insert(place, inner)
                    place += 1


def _without_background(graph: ET.Element) -> None:
    for child in list(graph):
        if child.tag == f"{{{_SVG}}}polygon" and child.get("stroke") == "none":
            graph.remove(child)


def _mark(node: ET.Element) -> None:
    """Give classes to the outline of a node, and to the text of its gradient."""
    shapes = [shape for shape in node if shape.tag.removeprefix(f"{{{_SVG}}}") in ("polygon", "path", "ellipse")]
    around = [shape for shape in shapes if shape.get("fill") == "none"]  # of a striped box
    for outline in (around or shapes)[:1]:
        outline.set("class", "outline")
    lines = [text for text in node if text.tag == f"{{{_SVG}}}text" and (text.text or "").startswith("grad ")]
    if lines and "value" in node.get("class", "").split():
        lines[-1].set("class", "grad")  # the last: a name may begin with the same word
