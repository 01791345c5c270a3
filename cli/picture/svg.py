"""Pictures as SVG inside a page: what is drawn, by class, so that the page's style colours it for
light, dark and paper. Text goes in as text, so that nothing in it can be markup."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

Place = tuple[float, float]


class Drawing:
    """A picture of this size, in its own units, with a title and a description for who does not see
    it."""

    def __init__(self, name: str, width: float, height: float, title: str, desc: str) -> None:
        self.width, self.height = width, height
        self._root = Element(
            "svg",
            {
                "viewBox": f"0 0 {width:g} {height:g}",
                "role": "img",
                "aria-labelledby": f"{name}-title {name}-desc",
            },
        )
        SubElement(self._root, "title", {"id": f"{name}-title"}).text = title
        SubElement(self._root, "desc", {"id": f"{name}-desc"}).text = desc

    def __str__(self) -> str:
        return tostring(self._root, encoding="unicode")

    def line(self, start: Place, end: Place, style: str) -> None:
        ends = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
        self._add("line", style, **{name: _short(value) for name, value in ends})

    def path(self, places: Sequence[Place], style: str) -> None:
        self._add("polyline", style, points=_points(places))

    def area(self, above: Sequence[Place], below: Sequence[Place], style: str) -> None:
        """What lies between two lines."""
        self._add("polygon", style, points=_points([*above, *reversed(below)]))

    def box(self, corner: Place, width: float, height: float, style: str) -> None:
        x, y = corner
        sizes = {"x": x, "y": y, "width": max(0.0, width), "height": max(0.0, height)}
        self._add("rect", style, **{name: _short(value) for name, value in sizes.items()})

    def dot(self, place: Place, style: str, radius: float = 3.5) -> None:
        self._add("circle", style, cx=_short(place[0]), cy=_short(place[1]), r=_short(radius))

    def text(self, place: Place, words: str, style: str = "", anchor: str = "start") -> None:
        x, y = map(_short, place)
        self._add("text", style, x=x, y=y, **{"text-anchor": anchor}).text = words

    def _add(self, tag: str, style: str, **attributes: str) -> Element:
        named = {"class": style} if style else {}
        return SubElement(self._root, tag, {**named, **attributes})


def apart(heights: Sequence[float], lowest: float, least: float = 14.0) -> list[float]:
    """The same heights, moved down where two labels would lie on one another, and back up where
    one would lie below the lowest place."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + least)
    for after in reversed(order):
        placed[after] = min(placed[after], lowest)
        lowest = placed[after] - least
    return placed


def _points(places: Iterable[Place]) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in places)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
