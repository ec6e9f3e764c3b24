"""The pictures that runs left, as a section of a report."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ablate.analysis import Frames, SearchFrames, best_trial
from ablate.reports import numbers
from ablate.reports.blocks import Block, Code, Inline, Picture, Pictures, Section, text
from ablate.reports.figures import file_part
from ablate.store import ArtifactRecord, Store
from ablate.store.artifacts import read_artifact

MAX_SHOWN = 12
"""Pictures that are shown of a trial."""
MAX_BYTES = 20_000_000
"""What the pictures of a whole report may weigh: the HTML page holds them."""
TYPES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
_NAME_LENGTH = 60

_Candidates: TypeAlias = tuple[tuple[Inline, ...], list[tuple[int, str]]]
"""A head, and the trials of which the first that has pictures is shown, with words on it."""


def sections(frames: Frames, store: Store, folder: Path) -> tuple[Section, ...]:
    """Return the section of pictures that `folder` keeps, or none if the study has no pictures.

    In an ablation each arm shows the pictures of its first seed that has some, a search those of
    its best trial.
    """
    candidates = _candidates(frames)
    trials = {trial for _, group in candidates for trial, _ in group}
    found: dict[int, list[ArtifactRecord]] = {}
    for record in store.artifacts(frames.name, sorted(trials)):
        if _suffix(record.name) in TYPES:
            found.setdefault(record.trial, []).append(record)
    album = _Album(folder, room=MAX_BYTES)
    blocks: list[Block] = []
    for head, group in candidates:
        first = next(((trial, said) for trial, said in group if trial in found), None)
        if first is not None:
            trial, said = first
            blocks += [text(*head, said), *album.show(found[trial])]
    return (Section("Pictures", tuple(blocks)),) if blocks else ()


@dataclass
class _Album:
    """Takes pictures as long as the report has room for them."""

    folder: Path
    room: int

    def show(self, records: Sequence[ArtifactRecord]) -> Iterator[Block]:
        """Yield the pictures, and a remark if some are not shown."""
        shown: list[Picture] = []
        missing = 0
        for record in records:
            content = self._read(record.id) if len(shown) < MAX_SHOWN else b""
            if content is None:
                missing += 1
            elif content:
                shown.append(_picture(record, content))
        if shown:
            yield Pictures(tuple(shown))
        if missing:
            yield text(f"{numbers.plural(missing, 'picture')} can't be read on this machine.")
        if more := len(records) - len(shown) - missing:
            yield text(f"The dashboard shows {numbers.plural(more, 'more picture')}.")

    def _read(self, artifact: str) -> bytes | None:
        """Read a picture; empty if there is no room for it, None if it is not there."""
        try:
            with read_artifact(self.folder, artifact) as file:
                size = os.fstat(file.fileno()).st_size
                if size > self.room:
                    return b""
                self.room -= size
                return file.read()
        except OSError:
            return None


def _candidates(frames: Frames) -> list[_Candidates]:
    """List of which trials one is shown, by arm of an ablation."""
    if isinstance(frames, SearchFrames):
        best = best_trial(frames)
        return [] if best is None else [((), [(best.number, f"Best trial, {best.number}:")])]
    runs = frames.current
    declared = [arm.name for arm in frames.definition.arms]
    seeds = {seed: place for place, seed in enumerate(frames.definition.seeds)}
    cells_of: dict[str, list[tuple[int, int]]] = {arm: [] for arm in declared}
    columns = (runs[name].tolist() for name in ("arm", "seed", "trial"))
    for arm, seed, trial in zip(*columns, strict=True):
        cells_of.setdefault(arm, []).append((seed, trial))
    listed: list[_Candidates] = []
    for arm, cells in cells_of.items():
        ranked = sorted(cells, key=lambda cell: (seeds.get(cell[0], len(seeds)), cell))
        group = [(trial, f", seed {seed} (trial {trial}):") for seed, trial in ranked]
        listed.append(((Code(arm),), group))
    return listed


def _picture(record: ArtifactRecord, content: bytes) -> Picture:
    suffix = _suffix(record.name)
    stem = file_part(record.name.removesuffix(PurePosixPath(record.name).suffix))[:_NAME_LENGTH]
    file = f"picture-{record.trial}-{stem}-{file_part(record.id)[:8]}{suffix}"
    return Picture(file, TYPES[suffix], content, record.name)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
