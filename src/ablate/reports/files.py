"""Write a study's report: Markdown, HTML, figures and tables of plain numbers."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.analysis import (
    AblationFrames,
    Conclusions,
    Frames,
    SearchConclusions,
    SearchFrames,
    arm_curves,
    confirmed_table,
    importances_table,
    load,
    load_goals,
    load_groups,
    published_table,
    run_list,
    tuned_table,
)
from ablate.errors import RequestError
from ablate.reports import (
    ablation,
    goals,
    groups,
    html,
    markdown,
    pictures,
    search,
    tex,
)
from ablate.reports.audit import Audit
from ablate.reports.blocks import Document, Figure, Pictures, Section
from ablate.reports.tables import csv, curves_csv
from ablate.spec.files import replacing
from ablate.spec.secrets import mask
from ablate.store import Store

CURVES = "curves.csv"


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    folder: Path
    markdown: Path
    html: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]


@dataclass(frozen=True)
class Reported:
    """All that the report of a study is composed of.

    `audited` is what was found before the runs and in them, `seconds` the time spent on the study,
    `pictures` those of its runs, `confirmation` the study that confirms a search, `searches` those
    that tuned the arms of an ablation, by arm, `groups` the means by group (`load_groups`), `goals`
    what the runs reached of what was expected (`load_goals`).
    """

    conclusions: Conclusions | SearchConclusions
    audited: Audit
    seconds: float = 0.0
    pictures: tuple[Section, ...] = ()
    confirmation: AblationFrames | None = None
    searches: Mapping[str, SearchFrames] = field(default_factory=dict)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    goals: pd.DataFrame = field(default_factory=pd.DataFrame)


def gathered(
    store: Store, conclusions: Conclusions | SearchConclusions, audited: Audit, artifacts: Path
) -> Reported:
    """Read what the store, and the folder that keeps the files of runs, have for a report."""
    frames = conclusions.frames
    return Reported(
        conclusions,
        audited,
        seconds=store.active_seconds(frames.name),
        pictures=pictures.sections(frames, store, artifacts),
        confirmation=_confirmation(store, frames),
        searches=_arm_searches(store, frames),
        groups=load_groups(store, frames),
        goals=load_goals(store, frames),
    )


class Format(StrEnum):
    """What a report is for: to be read as pages, or to be put into a paper too."""

    PAGE = "page"
    TEX = "tex"


def write_report(
    reported: Reported, out_dir: Path, written_as: Format = Format.PAGE
) -> ReportFiles:
    """Write the report of a study into `out_dir`: report.md, report.html, figures and CSV.

    With `Format.TEX` there are tables in LaTeX and the figures as PDF, too. Equal contents of the
    store give equal files; each file is replaced as a whole. Raises RequestError if `out_dir`
    can't be written.
    """
    composed = compose(reported, out_dir)
    blocks = [*composed.walk()]
    drawings = [block for block in blocks if isinstance(block, Figure)]
    photos = [item for block in blocks if isinstance(block, Pictures) for item in block.items]
    numbers = tables(reported, out_dir)
    printed: dict[str, bytes] = {}
    if written_as is Format.TEX:
        numbers |= tex.tables(reported.conclusions)
        printed = {f"{Path(block.file).stem}.pdf": block.drawing.pdf() for block in drawings}
    texts = {
        "report.md": markdown.render(composed),
        "report.html": html.render(composed),
        **numbers,
        **{figure.file: _standalone(figure.drawing.svg) for figure in drawings},
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            _write(out_dir / name, [mask(content).encode()])
        _write(
            out_dir / CURVES, (piece.encode() for piece in curves_csv(reported.conclusions.frames))
        )
        for name, data in {**printed, **{item.file: item.content for item in photos}}.items():
            _write(out_dir / name, [data])
    except OSError as error:
        raise RequestError(
            f"the report can't be written to {out_dir}: {error.strerror}; name another folder"
        ) from None
    return ReportFiles(
        folder=out_dir,
        markdown=out_dir / "report.md",
        html=out_dir / "report.html",
        tables=tuple(out_dir / name for name in (*numbers, CURVES)),
        figures=tuple(
            out_dir / name
            for name in (*(f.file for f in drawings), *printed, *(p.file for p in photos))
        ),
    )


def report_page(reported: Reported, out_dir: Path) -> str:
    """Return report.html as `write_report` would write it, and write nothing."""
    return mask(html.render(compose(reported, out_dir)))


def compose(reported: Reported, out_dir: Path) -> Document:
    """Compose the report of a study that will lie in `out_dir`."""
    conclusions = reported.conclusions
    shown = _directories(conclusions.frames, out_dir)
    if isinstance(conclusions, Conclusions):
        return ablation.document(
            conclusions,
            shown,
            reported.audited,
            reported.pictures,
            searches=reported.searches,
            told=reported.groups,
            goals_told=reported.goals,
        )
    return search.document(
        conclusions,
        shown,
        reported.seconds,
        reported.audited,
        reported.pictures,
        confirmation=reported.confirmation,
        goals_told=reported.goals,
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


def _arm_searches(store: Store, frames: Frames) -> dict[str, SearchFrames]:
    """Read the searches that tuned the arms of an ablation, by arm."""
    if not isinstance(frames, AblationFrames):
        return {}
    found = {
        arm: load(store, search.study)
        for arm, search in frames.definition.tuned.items()
        if search.study is not None and store.study(search.study) is not None
    }
    return {arm: made for arm, made in found.items() if isinstance(made, SearchFrames)}


def tables(reported: Reported, out_dir: Path) -> dict[str, str]:
    """Return the CSV tables of a study by file name, numbers at full precision; no curves."""
    conclusions = reported.conclusions
    frames = conclusions.frames
    runs = run_list(frames)
    shown = _directories(frames, out_dir)
    runs = runs.assign(directory=[shown[run] for run in runs["run_id"]])
    found = {"runs.csv": _table_csv(runs)}
    if not reported.goals.empty:
        found[goals.FILE] = _table_csv(reported.goals)
    if isinstance(conclusions, SearchConclusions):
        more = {
            "importances": importances_table(conclusions),
            "budget": conclusions.curve,
        }
        found |= {f"{name}.csv": _table_csv(rows) for name, rows in more.items()}
        proposed = {"next_space.yaml": conclusions.next.as_yaml()}
        return {"trials.csv": _trials_csv(conclusions.trials), **found, **proposed}
    more = {
        "comparisons": conclusions.frame(),
        "confirmed": _confirmed(conclusions.frames),
        "published": published_table(conclusions.frames),
        "tuned": tuned_table(conclusions),
        "budget": arm_curves(reported.searches),
    }
    found |= {f"{name}.csv": _table_csv(rows) for name, rows in more.items() if not rows.empty}
    if not reported.groups.empty:
        found[groups.FILE] = _table_csv(reported.groups)
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
    return csv(columns, ([row.get(name) for name in columns] for row in rows))


def _confirmed(frames: AblationFrames) -> pd.DataFrame:
    """Return the table of confirmed trials with the seeds of the search as text."""
    found = confirmed_table(frames)
    return found.assign(found_seeds=[" ".join(map(str, seeds)) for seeds in found["found_seeds"]])


_LISTS = ("parameters", "best_epochs", "last_epochs")


def _table_csv(table: pd.DataFrame) -> str:
    return csv(list(table.columns), table.itertuples(index=False, name=None))


def _trials_csv(trials: pd.DataFrame) -> str:
    names = list(dict.fromkeys(name for params in trials["params"] for name in params))
    columns = [name for name in trials.columns if name != "params"]
    rows = (
        [
            *(" ".join(map(str, row[name])) if name == "seeds" else row[name] for name in columns),
            *(row["params"].get(name) for name in names),
        ]
        for row in trials.to_dict("records")
    )
    return csv([*columns, *names], rows)


def _directories(frames: Frames, out_dir: Path) -> Mapping[int, str]:
    """Map run ids to their directory: relative to the study's own folder, else its name."""
    home = f"{out_dir.absolute().parent}{os.sep}"
    here = Path.cwd()
    shown = {}
    for run, directory in zip(
        frames.runs["run_id"].tolist(), frames.runs["directory"].tolist(), strict=True
    ):
        path = str(here / directory)
        shown[run] = (
            path.removeprefix(home) if path.startswith(home) else path.rpartition(os.sep)[2]
        )
    return shown


def _standalone(svg: str) -> str:
    """Give a figure its own paper and ink, for a reader outside the HTML report."""
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg.replace(
        "<svg ", '<svg style="background:#ffffff;color:#1c2024" ', 1
    )


def _write(path: Path, content: Iterable[bytes]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        file.writelines(content)
