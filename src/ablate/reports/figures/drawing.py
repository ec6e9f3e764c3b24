"""A finished drawing, as SVG inside a page, as an SVG file and as a PDF for a paper."""

import io
import re
import threading
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import matplotlib as mpl
from matplotlib.figure import Figure

from ablate.reports.figures.labels import FONT, clean
from ablate.reports.figures.palette import INK, PAPER, PAPERS

FAMILY = f"'{FONT}', Verdana, sans-serif"
_LOCK = threading.RLock()  # matplotlib's settings are those of the whole process


@dataclass(frozen=True)
class Drawing:
    """A drawing: the SVG element of it, and what a caption has to say beside its title.

    `svg` takes its ink from the text around it and its paper from the property `--paper`; it
    carries `title` and `description` for those who can't see it. `notes` are whole sentences on
    what is cut, thinned or greyed. Width and height are those of the view box, in points. Equal
    numbers make equal bytes.
    """

    title: str
    description: str
    notes: tuple[str, ...]
    width: float
    height: float
    svg: str
    figure: Figure = field(repr=False, compare=False)

    @property
    def file(self) -> str:
        """The drawing as an SVG file: with its own paper and ink, for a reader outside a page."""
        return '<?xml version="1.0" encoding="utf-8"?>\n' + self.svg.replace(
            "<svg ", '<svg style="background:#ffffff;color:#1c2024" ', 1
        )

    def pdf(self) -> bytes:
        """Write the drawing as a PDF with its fonts inside and without a date."""
        buffer = io.BytesIO()
        with settings():
            metadata = {"CreationDate": None, "Title": self.title}
            self.figure.savefig(buffer, format="pdf", metadata=metadata)
        return buffer.getvalue()


@contextmanager
def settings() -> Iterator[None]:
    """Draw with matplotlib's defaults, whatever the user's are; one thread at a time."""
    chosen = {
        **{k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith("backend")},
        "figure.dpi": 72.0,
        "font.family": [FONT],
        "font.size": 10.0,
        "path.simplify": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "ablate",
        "text.parse_math": False,
    }
    with _LOCK, mpl.rc_context(chosen), warnings.catch_warnings():
        # A browser has a glyph for what the font lacks; a PDF shows a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def finished(
    figure: Figure,
    kind: str,
    *,
    title: str,
    description: str,
    notes: tuple[str, ...],
    hover: Mapping[str, tuple[str, ...]],
) -> Drawing:
    """Make a drawing of a figure; `hover` maps ids of artists to the titles of their marks."""
    buffer = io.StringIO()
    with settings():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - drawn here
    _without_namespaces(root)
    for element in list(root.iter()):
        _shorten(element)
        if titles := hover.get(element.get("id", "")):
            _give_titles(element, titles)
    _drop(root, {"metadata", "style"})
    _unwrap(root)
    said = clean(" ".join((description, *notes)))
    _name(root, kind, clean(title), said)
    width, height = figure.get_size_inches() * 72
    svg = ET.tostring(root, encoding="unicode").replace(INK, "currentColor")
    svg = svg.replace(PAPER, f"var(--paper, {PAPERS[0]})")
    return Drawing(clean(title), said, notes, float(width), float(height), svg, figure)


def file_part(name: str) -> str:
    """Make a name fit for a file name and an XML id."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def _without_namespaces(root: ET.Element) -> None:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            if "}" in key:
                element.set(key.rpartition("}")[2], element.attrib.pop(key))
        element.tail = None
        if element.tag != "text":
            element.text = None


def _shorten(element: ET.Element) -> None:
    """Round coordinates to hundredths of a point, and leave to the root what all texts share."""
    for key in ("d", "x", "y", "transform", "width", "height"):
        if (value := element.get(key)) and element.tag != "svg":
            element.set(key, re.sub(r"\d+\.\d{3,}", _rounded, value))
    if element.tag == "path" and (path := element.get("d")):
        element.set("d", " ".join(path.split()).replace(" L ", "L").replace("M ", "M"))
    if (transform := element.get("transform")) and transform.startswith("rotate(-0 "):
        x, y = transform[10:-1].split()
        del element.attrib["transform"]
        element.set("x", x)
        element.set("y", y)
    # Attributes in place of styles: no policy of a page forbids them.
    for declared in filter(None, element.attrib.pop("style", "").split(";")):
        key, _, value = declared.partition(":")
        if element.tag != "text" or key.strip() not in {"font-family", "fill"}:
            element.set(key.strip(), value.strip())


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _give_titles(group: ET.Element, titles: tuple[str, ...]) -> None:
    """Give a group one title, or each of its marks its own."""
    marks = list(group.iter("use"))
    if len(titles) > 1 and len(marks) != len(titles):
        raise AssertionError(f"{len(marks)} marks were drawn for {len(titles)} titles")
    for element, title in zip(marks if len(titles) > 1 else [group], titles, strict=True):
        said = ET.Element("title")
        said.text = clean(title)
        element.insert(0, said)


def _drop(parent: ET.Element, tags: set[str]) -> None:
    for child in list(parent):
        if child.tag in tags:
            parent.remove(child)
        else:
            _drop(child, tags)


def _unwrap(parent: ET.Element) -> None:
    """Replace groups that say nothing by what is in them, and say once what marks share."""
    children: list[ET.Element] = []
    for child in list(parent):
        _unwrap(child)
        if child.tag == "g":
            child.attrib.pop("id", None)
            _say_once(child)
        plain = child.tag == "g" and not child.attrib and child.find("title") is None
        empty = child.tag in {"g", "defs"} and len(child) == 0
        children += [] if empty else list(child) if plain else [child]
    parent[:] = children


def _say_once(group: ET.Element) -> None:
    marks = list(group)
    if len(marks) < 2 or any(mark.tag != "use" for mark in marks):
        return
    for key, value in list(marks[0].attrib.items()):
        if key not in {"x", "y", "href"} and all(mark.get(key) == value for mark in marks):
            group.set(key, value)
            for mark in marks:
                del mark.attrib[key]


def _name(root: ET.Element, kind: str, title: str, description: str) -> None:
    """Name the drawing for readers of the screen, and make its ids its own on any page."""
    used = set()
    for element in root.iter():
        used.update(re.findall(r"url\(#([^)]+)\)", " ".join(element.attrib.values())))
        used.add(element.get("href", "").removeprefix("#"))
    text = title + description + ET.tostring(root, encoding="unicode")
    prefix = f"{kind}-{sha256(text.encode()).hexdigest()[:8]}"
    numbers = {name: f"{prefix}-{index}" for index, name in enumerate(sorted(used - {""}))}
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                if value in numbers:
                    element.set("id", numbers[value])
                else:
                    del element.attrib["id"]
            elif key == "href":
                element.set(key, f"#{numbers[value[1:]]}")
            elif "url(#" in value:
                element.set(
                    key, re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{numbers[m[1]]})", value)
                )
    for tag, words in (("desc", description), ("title", title)):
        element = ET.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = words
        root.insert(0, element)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc",
        "viewBox": root.get("viewBox", ""),
        "width": root.get("width", ""),
        "height": root.get("height", ""),
        "font-family": FAMILY,
        "fill": INK,
        "stroke-linejoin": "round",
    }
    root.attrib.clear()
    root.attrib.update(attributes)
