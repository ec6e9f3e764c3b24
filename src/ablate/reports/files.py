"""Write a study's report: Markdown, HTML, figures and tables of plain numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.analysis import (
    AblationFrames,
    Conclusions,
    Frames,
    SearchFrames,
    confirmed_table,
    curves,
    load,
    metric_names,
    published_table,
    run_list,
    trials_table,
    tuned_table,
)
from ablate.analysis.groups import load_groups
from ablate.errors import RequestError
from ablate.reports import (
    ablation,
    groups,
    html,
    markdown,
    pictures,
    search,
)
from ablate.reports.audit import Audit
from ablate.reports.blocks import Document, Figure, Pictures, Section
from ablate.reports.cells import line
from ablate.spec.files import replacing
from ablate.spec.secrets import mask
from ablate.store import Store


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    folder: Path
    markdown: Path
    html: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]


def write_report(
    store: Store,
    frames: Frames,
    audited: Audit,
    out_dir: Path,
    artifacts: Path,
    *,
    conclusions: Conclusions | None,
) -> ReportFiles:
    """Write the report of a study into `out_dir`: report.md, report.html, figures and CSV.

    `audited` is what was found before the runs and in them; `artifacts` is the folder that keeps
    the files of runs, of which pictures are shown; `conclusions` are those of an ablation, None of
    a search. Equal contents of it and of the store give equal files; each file is replaced as a
    whole. Raises RequestError if `out_dir` can't be written.
    """
    shown = pictures.sections(frames, store, artifacts)
    confirmation = _confirmation(store, frames)
    seconds = store.active_seconds(frames.name)
    told = load_groups(store, frames)
    composed = compose(
        frames,
        out_dir,
        seconds,
        audited,
        shown,
        conclusions=conclusions,
        confirmation=confirmation,
        told=told,
    )
    blocks = [*composed.walk()]
    drawings = [block for block in blocks if isinstance(block, Figure)]
    photos = [item for block in blocks if isinstance(block, Pictures) for item in block.items]
    texts = {
        "report.md": markdown.render(composed),
        "report.html": html.render(composed),
        **tables(frames, out_dir, conclusions),
        **({groups.FILE: _csv(list(told.columns), told.to_numpy().tolist())} if len(told) else {}),
        **{figure.file: _standalone(figure.svg) for figure in drawings},
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            _write(out_dir / name, mask(content).encode())
        for picture in photos:
            _write(out_dir / picture.file, picture.content)
    except OSError as error:
        raise RequestError(
            f"the report can't be written to {out_dir}: {error.strerror}; name another folder"
        ) from None
    return ReportFiles(
        folder=out_dir,
        markdown=out_dir / "report.md",
        html=out_dir / "report.html",
        tables=tuple(out_dir / name for name in texts if name.endswith(".csv")),
        figures=tuple(
            out_dir / name for name in (*(f.file for f in drawings), *(p.file for p in photos))
        ),
    )


def _confirmation(store: Store, frames: Frames) -> AblationFrames | None:
    """Read the study that confirms a search, if there is one."""
    name = f"{frames.name}-confirm"
    if isinstance(frames, AblationFrames) or store.study(name) is None:
        return None
    found = load(store, name)
    if not isinstance(found, AblationFrames) or found.definition.provenance.study != frames.name:
        return None
    return found


def compose(
    frames: Frames,
    out_dir: Path,
    seconds: float,
    audited: Audit,
    shown_pictures: tuple[Section, ...] = (),
    *,
    conclusions: Conclusions | None,
    confirmation: AblationFrames | None = None,
    told: pd.DataFrame | None = None,
) -> Document:
    """Compose the report of a study that will lie in `out_dir`.

    `confirmation` is the study that confirms a search, `told` are the means by group.
    """
    shown = _directories(frames, out_dir)
    if conclusions is not None:
        return ablation.document(conclusions, shown, audited, shown_pictures, told)
    if not isinstance(frames, SearchFrames):
        raise TypeError("the report of an ablation needs its conclusions")
    return search.document(
        frames, shown, seconds, audited, shown_pictures, confirmation=confirmation
    )


def tables(frames: Frames, out_dir: Path, conclusions: Conclusions | None) -> dict[str, str]:
    """Return the CSV tables of a study by file name, numbers at full precision."""
    runs = run_list(frames)
    shown = _directories(frames, out_dir)
    runs = runs.assign(directory=[shown[run] for run in runs["run_id"]])
    found = {
        "runs.csv": _csv(list(runs.columns), runs.itertuples(index=False, name=None)),
        "curves.csv": _curves_csv(frames),
    }
    if isinstance(frames, SearchFrames):
        return {"trials.csv": _trials_csv(frames), **found}
    if conclusions is None:
        return found
    more = {
        "comparisons": conclusions.frame(),
        "confirmed": _confirmed(conclusions.frames),
        "published": published_table(conclusions.frames),
        "tuned": tuned_table(conclusions),
    }
    for name, rows in more.items():
        if not rows.empty:
            found[f"{name}.csv"] = _csv(list(rows.columns), rows.itertuples(index=False, name=None))
    return {"arms.csv": _arms_csv(conclusions.table), **found}


def _arms_csv(compared: pd.DataFrame) -> str:
    seeds = sorted({cell.seed for cells in compared["cells"] for cell in cells})
    rows: list[dict[str, Any]] = []
    for row in compared.to_dict("records"):
        values = {f"seed_{c.seed}": c.value for c in row["cells"] if c.counted}
        missing = [f"seed {c.seed}: {c.why}" for c in row["cells"] if not c.counted]
        rows.append(
            {
                **{str(key): value for key, value in row.items()},
                **{name: " ".join(map(str, row[name])) for name in _LISTS},
                **values,
                "trials": " ".join(str(c.trial) for c in row["cells"] if c.counted),
                "not_counted": "; ".join(missing),
            }
        )
    columns = [name for name in compared.columns if name != "cells"]
    columns += [*(f"seed_{seed}" for seed in seeds), "trials", "not_counted"]
    return _csv(columns, ([row.get(name) for name in columns] for row in rows))


def _confirmed(frames: AblationFrames) -> pd.DataFrame:
    """Return the table of confirmed trials with the seeds of the search as text."""
    found = confirmed_table(frames)
    return found.assign(found_seeds=[" ".join(map(str, seeds)) for seeds in found["found_seeds"]])


_LISTS = ("parameters", "best_epochs", "last_epochs")


def _curves_csv(frames: Frames) -> str:
    keys = ["trial", "arm", "seed", "run_id", "epoch", "step", "value"]
    rows = (
        (metric, *row)
        for metric in metric_names(frames)
        for row in curves(frames, metric)[keys].itertuples(index=False, name=None)
    )
    return _csv(["metric", *keys], rows, keep_nan={"value"})


def _trials_csv(frames: SearchFrames) -> str:
    trials = trials_table(frames)
    names = list(dict.fromkeys(name for params in trials["params"] for name in params))
    columns = ["number", "state", "value", "seeds", "seconds", "reason"]
    rows = (
        [
            *(row[name] for name in columns[:3]),
            " ".join(map(str, row["seeds"])),
            *(row[name] for name in columns[4:]),
            *(row["params"].get(name) for name in names),
        ]
        for row in trials.to_dict("records")
    )
    return _csv([*columns, *names], rows)


def _csv(
    columns: list[str], rows: Iterable[Iterable[Any]], keep_nan: set[str] | None = None
) -> str:
    """Write rows as CSV; a missing value is empty, and so is NaN outside `keep_nan`.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    kept = [name in (keep_nan or set()) for name in columns]
    lines = [line(columns)]
    for row in rows:
        cells = zip(row, kept, strict=True)
        lines.append(line("" if pd.isna(value) and not keep else value for value, keep in cells))
    return "".join(lines)


def _directories(frames: Frames, out_dir: Path) -> Mapping[int, str]:
    """Map run ids to their directory: relative to the study's own folder, else its name."""
    home = out_dir.absolute().parent
    shown = {}
    for run, directory in zip(
        frames.runs["run_id"].tolist(), frames.runs["directory"].tolist(), strict=True
    ):
        path = Path(directory).absolute()
        shown[run] = str(path.relative_to(home)) if path.is_relative_to(home) else path.name
    return shown


def _standalone(svg: str) -> str:
    """Give a figure its own paper and ink, for a reader outside the HTML report."""
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg.replace(
        "<svg ", '<svg style="background:#ffffff;color:#1c2024" ', 1
    )


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(content)
