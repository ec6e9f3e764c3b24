"""Reports as one HTML file that needs nothing else."""

from base64 import b64encode
from collections.abc import Collection
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from ablate.reports.blocks import (
    Anchor,
    Badge,
    Cell,
    Code,
    Document,
    Figure,
    Inline,
    Link,
    Picture,
    Strong,
    Value,
    parts_of,
)

LONG = 16
"""A cell with more letters may be broken into lines."""
LONG_NAME = 24
"""A name or command with more letters gets a wider cell."""
FOLDED_FROM = 30
"""Tables with more rows than this start folded."""


def render(document: Document) -> str:
    """Write a report as HTML; every text is escaped, figures and pictures are inlined."""
    style, script = _file("report.css"), _file("report.js")
    page = _template().render(
        document=document,
        folded_from=FOLDED_FROM,
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        policy=policy(style, script),
        write=partial(inline, anchors=document.anchors),
    )
    return page + "\n"


def policy(style: str, script: str) -> str:
    """Return the content security policy of a page of one style and one script.

    Nothing is fetched; drawings and tables may carry style attributes.
    """
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def inline(cell: Cell, anchors: Collection[str] = ()) -> Markup:
    """Write the text of a cell as escaped HTML; links lead to `anchors` and nowhere else."""
    written = "".join([_inline(part, anchors) for part in parts_of(cell)])
    return Markup(written)  # noqa: S704 - every text in it is escaped


def _inline(part: Inline, anchors: Collection[str]) -> str:
    """Write a part as HTML: `Markup.format` would escape as well, in ten times the time."""
    match part:
        case Link():
            written = _inline(part.shown, anchors)
            if part.target in anchors:
                written = f'<a href="#{escape(part.target)}">{written}</a>'
        case Value():
            written = _inline(part.shown, anchors)
        case Anchor():
            written = f'<span id="{escape(part.name)}">{_inline(part.shown, anchors)}</span>'
        case Badge():
            written = (
                f'<span class="badge {escape(part.tone)}"><span aria-hidden="true">'
                f"{escape(part.symbol)}</span> {escape(str(part))}</span>"
            )
        case Code():
            written = f"<code>{escape(str(part))}</code>"
        case Strong():
            written = f"<strong>{escape(str(part))}</strong>"
        case _:
            written = str(escape(str(part)))
    return written


def _width(cell: Cell) -> str:
    """Return the class of a cell that needs some width: a name needs more than a sentence."""
    parts = parts_of(cell)
    if len(parts) == 1 and isinstance(parts[0], Code) and len(parts[0]) > LONG_NAME:
        return "name"
    return "long" if sum(map(len, parts)) > LONG else ""


def _sorted_as(cell: Cell) -> Markup:
    """Write the attribute that says by which number a cell is sorted, if it is by one."""
    first = next((part for part in parts_of(cell) if isinstance(part, Value)), None)
    return Markup("") if first is None else Markup(' data-n="{}"').format(repr(first.number))


def _kind(block: object) -> str:
    return type(block).__name__


def _drawing(figure: Figure) -> Markup:
    # The one text that is not escaped: it is drawn here, and the labels in it are escaped.
    return Markup(figure.drawing.svg)  # noqa: S704


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.mimetype};base64,{b64encode(picture.content).decode()}"


@cache
def _file(name: str) -> str:
    return files("ablate.reports").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ablate.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        kind=_kind,
        drawing=_drawing,
        data_uri=_data_uri,
        sorted_as=_sorted_as,
        width=_width,
    )
    return environment.get_template("report.html.j2")
