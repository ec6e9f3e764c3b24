"""Write the reference of the Python API from its docstrings; `make docs` runs this.

It needs no network. The pages are plain HTML, one per module, in the folder that is named, by
default `docs/api`.
"""

import sys
from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pdoc
from pdoc.doc import Variable

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "ablate",
    "ablate.workflow",
    "ablate.spec.models",
    "ablate.spec.space",
    "ablate.spec.direction",
    "ablate.spec.outcomes",
    "ablate.study.matrix",
    "ablate.study.verify",
    "ablate.store.records",
    "ablate.analysis",
    "ablate.errors",
)
"""The API, and the models, records, tables and errors that it names."""


def main(folder: Path) -> None:
    """Write the reference into `folder`."""
    pdoc.render.configure(
        docformat="markdown", show_source=False, template_directory=ROOT / "scripts" / "reference"
    )
    pdoc.render.env.filters["annotated"] = annotated
    pdoc.pdoc(*MODULES, output_directory=folder)


def annotated(variable: Variable) -> str:
    """Write the type of a variable without the checks that a model attaches to it."""
    if not variable.annotation_str:
        return ""
    bare = Variable(
        variable.modulename,
        variable.qualname,
        taken_from=variable.taken_from,
        docstring="",
        annotation=without_checks(variable.annotation),
    )
    return bare.annotation_str


def without_checks(annotation: Any) -> Any:
    """Return a type with every `Annotated[T, ...]` in it replaced by `T`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return without_checks(arguments[0])
    parts = tuple(map(without_checks, arguments))
    if parts == arguments:
        return annotation
    return reduce(or_, parts) if origin in {Union, UnionType} else origin[parts]


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else ROOT / "docs" / "api")
