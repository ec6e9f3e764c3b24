"""Reports as one HTML file that needs nothing else."""

from base64 import b64encode
from collections.abc import Collection
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

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

FOLDED_FROM = 30
"""Tables with more rows than this start folded."""


def render(document: Document) -> str:
    """Write a report as HTML; every text is escaped, figures and pictures are inlined."""
    script = _script()
    page = _template().render(
        document=document,
        folded_from=FOLDED_FROM,
        script=Markup(script),  # noqa: S704 - a file of this package
        policy=policy(script),
        write=partial(inline, anchors=document.anchors),
    )
    return page + "\n"


def policy(script: str) -> str:
    """Return the content security policy of a page that holds `script` and fetches nothing."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def inline(cell: Cell, anchors: Collection[str] = ()) -> Markup:
    """Write the text of a cell as escaped HTML; links lead to `anchors` and nowhere else."""
    return Markup("").join(_inline(part, anchors) for part in parts_of(cell))


def _inline(part: Inline, anchors: Collection[str]) -> Markup:
    match part:
        case Code():
            return Markup("<code>{}</code>").format(str(part))
        case Strong():
            return Markup("<strong>{}</strong>").format(str(part))
        case Link():
            shown = _inline(part.shown, anchors)
            known = part.target in anchors
            return Markup('<a href="#{}">{}</a>').format(part.target, shown) if known else shown
        case Anchor():
            shown = _inline(part.shown, anchors)
            return Markup('<span id="{}">{}</span>').format(part.name, shown)
        case Badge():
            return Markup(
                '<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>'
            ).format(part.tone, part.symbol, str(part))
        case Value():
            return _inline(part.shown, anchors)
    return Markup("{}").format(str(part))


def _sorted_as(cell: Cell) -> Markup:
    """Write the attribute that says by which number a cell is sorted, if it is by one."""
    first = next((part for part in parts_of(cell) if isinstance(part, Value)), None)
    return Markup("") if first is None else Markup(' data-n="{}"').format(repr(first.number))


def _kind(block: object) -> str:
    return type(block).__name__


def _drawing(figure: Figure) -> Markup:
    """Write a figure as an image with its caption for a name, unless the drawing has one."""
    # The one text that is not escaped: it is drawn here, and the labels in it are escaped.
    svg = Markup(figure.svg)  # noqa: S704
    if 'role="img"' in figure.svg:
        return svg
    named = Markup('<svg role="img" aria-label="{}" ').format(figure.caption)
    return svg.replace("<svg ", named, 1)


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.mimetype};base64,{b64encode(picture.content).decode()}"


@cache
def _script() -> str:
    return files("ablate.reports").joinpath("report.js").read_text(encoding="utf-8")


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
        kind=_kind, drawing=_drawing, data_uri=_data_uri, sorted_as=_sorted_as
    )
    return environment.get_template("report.html.j2")
