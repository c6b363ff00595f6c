"""Pictures read back from their SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from viz import Drawing

SVG = "{http://www.w3.org/2000/svg}"
LINK_TITLE = "{http://www.w3.org/1999/xlink}title"


class Picture:
    """The groups of an SVG by their id. Parsing it is a test that it is XML."""

    def __init__(self, drawing: Drawing) -> None:
        self.root = ET.fromstring(drawing.svg())
        self.groups = {group.get("id", ""): group for group in self.root.iter(f"{SVG}g")}

    def texts(self, id: str | None = None) -> list[str]:
        """The lines of text in a group, or in the whole picture."""
        where = self.root if id is None else self.groups[id]
        return ["".join(text.itertext()).replace("\xa0", " ").strip() for text in where.iter(f"{SVG}text")]

    def tooltip(self, id: str) -> str:
        links = [link.get(LINK_TITLE, "") for link in self.groups[id].iter(f"{SVG}a")]
        return links[0].replace("\xa0", " ") if links else ""

    def line(self, id: str) -> ET.Element:
        """The line of an edge."""
        path = self.groups[id].find(f".//{SVG}path")
        assert path is not None
        return path

    def width(self, id: str) -> float:
        return float(self.line(id).get("stroke-width", "1"))

    def classes(self, id: str) -> set[str]:
        return set(self.groups[id].get("class", "").split())

    def box(self, id: str) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a node's outline."""
        outline = self.groups[id].find(f".//{SVG}polygon")
        rounded = self.groups[id].find(f".//{SVG}path")
        drawn = (
            outline.get("points", "") if outline is not None else rounded.get("d", "") if rounded is not None else ""
        )
        if drawn:
            numbers = [float(x) for x in re.findall(r"-?[\d.]+", drawn)]
            xs, ys = numbers[::2], numbers[1::2]
            return min(xs), min(ys), max(xs), max(ys)
        ellipse = self.groups[id].find(f".//{SVG}ellipse")
        assert ellipse is not None
        cx, cy, rx, ry = (float(ellipse.get(name, "0")) for name in ("cx", "cy", "rx", "ry"))
        return cx - rx, cy - ry, cx + rx, cy + ry

    def size(self) -> tuple[float, float]:
        width, height = (re.sub("[a-z]", "", self.root.get(name, "0")) for name in ("width", "height"))
        return float(width), float(height)


def covers(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes overlap by more than a hair."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


def colours(source: str) -> list[str]:
    """Every colour in DOT source."""
    found = re.findall(r'\b(?:color|fillcolor|fontcolor|bgcolor)="?([^"\s\]]+)"?', source)
    return [colour.partition(";")[0] for one in found for colour in one.split(":")]


def five_largest(amounts: Iterable[float], whole: float) -> list[float]:
    """The five largest different amounts that are a part of the whole: those written in percent."""
    found: list[float] = []
    for amount in sorted(amounts, reverse=True):
        if 0 < amount < 0.995 * whole and not (found and amount > (1 - 1e-9) * found[-1]):
            found.append(amount)
    return found[:5]
