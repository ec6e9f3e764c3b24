"""Arms of reinforcement learning side by side: a report of their logs of episodes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.analysis import Conclusions
from ablate.analysis.episodes import (
    Contrast,
    EpisodeArm,
    EpisodeComparison,
    EpisodeRun,
    Extreme,
    Measures,
    Scale,
    Setting,
    Stability,
    Value,
    smoothed,
    study_arms,
    window_of,
)
from ablate.analysis.episodes.measures import (
    AVERAGE,
    BANDS,
    EARLY,
    FINAL,
    RISE,
    SPIKE,
    TOLERANCE,
    WINDOWS,
)
from ablate.analysis.episodes.metrics import window_key
from ablate.errors import RequestError
from ablate.reports import html, markdown, numbers
from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
    Column,
    Document,
    Figure,
    Inline,
    Paragraph,
    Section,
    Strong,
    Table,
    table,
    text,
)
from ablate.reports.cells import line
from ablate.reports.figures import Curve, draw_curves
from ablate.spec.episodes import Usage
from ablate.spec.files import replacing
from ablate.spec.secrets import hidden, mask

TITLE = "Training Comparison Report"
UNMEASURED = "not measured"
UNSTATED = "not stated"
MIB = 2**20
FEW_KEYS = 30
"""Up to so many equal keys of the configs are listed."""
Row = tuple[Inline, ...]


@dataclass(frozen=True)
class EpisodeFiles:
    """Where a report of logs of episodes was written."""

    folder: Path
    markdown: Path
    html: Path
    table: Path
    figures: tuple[Path, ...] = ()


def write(comparison: EpisodeComparison, out_dir: Path) -> EpisodeFiles:
    """Write the report into `out_dir`: report.md, report.html, metrics.csv and figures.

    Equal logs give equal files. Raises RequestError if they can't be written.
    """
    composed, frame = document(comparison), comparison.frame()
    rows = frame.astype(object).where(frame.notna(), "").itertuples(index=False, name=None)
    drawings = {
        block.file: block.drawing.file for block in composed.walk() if isinstance(block, Figure)
    }
    texts = {
        "report.md": markdown.render(composed),
        "report.html": html.render(composed),
        "metrics.csv": "".join(map(line, [list(frame.columns), *rows])),
        **drawings,
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            with replacing(out_dir / name) as part:
                part.write_text(mask(content), encoding="utf-8")
    except OSError as error:
        raise RequestError(
            f"the report can't be written to {out_dir}: {error.strerror}; name another folder"
        ) from None
    return EpisodeFiles(
        folder=out_dir,
        markdown=out_dir / "report.md",
        html=out_dir / "report.html",
        table=out_dir / "metrics.csv",
        figures=tuple(out_dir / name for name in drawings),
    )


def headlines(comparison: EpisodeComparison) -> list[str]:
    """Return the verdict on the metric that decides and the tally, as plain lines."""
    return ["".join(block.parts) for block in _lead(comparison) if isinstance(block, Paragraph)]


def document(comparison: EpisodeComparison) -> Document:
    """Compose the report of arms whose logs of episodes are given."""
    sections = (
        _configuration(comparison),
        *_results(comparison),
        _definitions(comparison),
        *_unknown(comparison),
    )
    return Document(TITLE, _lead(comparison), sections)


def sections(conclusions: Conclusions) -> tuple[Section, ...]:
    """Compare the arms of a study by their episodes, if the study says how they are logged."""
    arms = study_arms(conclusions)
    if not arms:
        return ()
    logged = tuple(arm for arm in arms if arm.measures)
    left_out = _left_out(arms)
    if len(logged) < 2:
        said = text(
            f"{numbers.plural(len(logged), 'arm')} with a log of episodes: none to compare."
        )
        return (Section("Episodes", (said, *left_out)),)
    names = [arm.name for arm in logged]
    reference = conclusions.frames.definition.reference
    comparison = EpisodeComparison(logged, reference if reference in names else names[0])
    found = (
        _configuration(comparison),
        *_results(comparison),
        _definitions(comparison),
        *_unknown(comparison),
    )
    return (
        Section("Episodes", (*_lead(comparison), *left_out)),
        *(Section(f"Episodes: {part.title}", part.blocks) for part in found),
    )


def _lead(comparison: EpisodeComparison) -> tuple[Block, ...]:
    """Say what decides, how the quantities stand, and what a reader must know of the arms."""
    said: list[Block] = []
    for arm in comparison.candidates:
        found = comparison.contrast(comparison.primary, arm.name)
        said += [text(*_verdict(comparison, found)), text(_tally(comparison, arm.name))]
    remarks = tuple((remark,) for remark in _remarks(comparison))
    return (*said, Bullets(remarks)) if remarks else tuple(said)


def _verdict(comparison: EpisodeComparison, found: Contrast) -> Row:
    key = found.metric.key
    pair = [
        f"{name} {_value(comparison.values[key, name])}" for name in (found.arm, found.baseline)
    ]
    interval = _interval(found)
    within = "" if interval == numbers.NOTHING else f" (95 % interval {interval})"
    return (
        Strong(found.metric.title),
        f": {numbers.listing(pair)}, a change of {_change(found)}{within}: ",
        *_winner(found),
        ".",
    )


def _tally(comparison: EpisodeComparison, arm: str) -> str:
    tally = comparison.tally(arm)
    counts = [
        f"{word} in {len(names)}{f' ({numbers.listing(names)})' if names else ''}"
        for word, names in (("better", tally.better), ("worse", tally.worse), ("open", tally.open))
    ]
    return (
        f"{arm} against {comparison.baseline}, each quantity counted once: "
        f"{numbers.listing(counts)}."
    )


def _remarks(comparison: EpisodeComparison) -> Iterator[str]:
    """Yield what limits the comparison, each from a computed fact."""
    names = [arm.name for arm in comparison.arms]
    for what, values in comparison.unequal.items():
        shown = [
            f"{name} {UNSTATED if value is None else numbers.count(value)}"
            for name, value in zip(names, values, strict=True)
        ]
        named = what if what == "horizon" else f"number of {what}"
        yield f"The {named} is not equal: {numbers.listing(shown)}."
    for arm in comparison.candidates:
        flip = comparison.flip(arm.name)
        if flip.depends:
            leaders = [
                f"{leader or 'neither'} over the last {size}" for size, leader in flip.leaders
            ]
            yield (
                f"Which mean return is higher, that of {arm.name} or of {flip.baseline}, "
                f"depends on the window: {numbers.listing(leaders)}."
            )
    differences = comparison.differences
    live = len(comparison.unequal)
    if differences is not None:
        inert = sum(difference.inert for difference in differences)
        live = max(live, len(differences) - inert)
        said = f"The configs differ in {numbers.plural(len(differences), 'key')}"
        yield f"{said}, {inert} of them inert." if inert else f"{said}."
    if live > 1:
        yield (
            "Several things differ at once: no difference in the results can be put down to one of "
            "them."
        )
    if all(found.success == 0 for arm in comparison.arms for found in arm.measures):
        yield "No episode of any arm was solved."
    for arm in comparison.arms:
        if arm.barred:
            yield f"{arm.name} is not comparable: {arm.barred}."
        if arm.doubted:
            yield f"Nothing can be told of {arm.name}: {arm.doubted}."
        for run in arm.runs:
            if run.why_not:
                yield f"{_run_name(arm, run)} does not count: {run.why_not}."


def _configuration(comparison: EpisodeComparison) -> Section:
    """Tell what is known of the arms, and every key in which their configs differ."""
    arms = comparison.arms
    ratios = (f"{arm.name} / {comparison.baseline}" for arm in comparison.candidates)
    columns = (*(arm.name for arm in arms), *ratios)
    rows: list[Row] = []
    for title, read in _FACTS.items():
        values = {arm.name: read(arm) for arm in arms}
        shown = tuple(
            UNSTATED if value is None else numbers.count(value) for value in values.values()
        )
        base = values[comparison.baseline]
        others = (values[arm.name] for arm in comparison.candidates)
        rows.append((title, *shown, *(_ratio(value, base) for value in others)))
    for title, tell in _WORDS.items():
        empty = (numbers.NOTHING,) * len(comparison.candidates)
        rows.append((title, *(tell(arm) or UNSTATED for arm in arms), *empty))
    blocks: list[Block] = [table(["fact", *columns], rows, set(columns))]
    return Section("Configuration", (*blocks, *_settings(comparison)))


def _settings(comparison: EpisodeComparison) -> tuple[Block, ...]:
    """List the keys in which the configs differ, and the equal ones if they are few."""
    names = [arm.name for arm in comparison.arms]
    if comparison.settings is None:
        missing = numbers.listing(arm.name for arm in comparison.arms if arm.config is None)
        return (text(f"The resolved config is not known: {missing}."),)
    rows: dict[bool, list[Row]] = {False: [], True: []}
    for setting in comparison.settings:
        remark = "inert: changes nothing" if setting.inert else ""
        values = (_setting(setting, name) for name in names)
        rows[setting.equal].append((Code(setting.path), *values, remark))
    differing, equal = rows[False], rows[True]
    said = text(
        f"{numbers.plural(len(differing), 'key')} of the resolved configs not equal, "
        f"{numbers.count(len(equal))} equal."
    )
    few = equal if len(equal) <= FEW_KEYS else []
    groups = (("Not equal", tuple(differing)), ("Equal", tuple(few)))
    columns = tuple(Column(title) for title in ("key", *names, "remark"))
    shown = Table(columns, tuple(group for group in groups if group[1]))
    return (said, shown) if shown.size else (said,)


def _setting(setting: Setting, arm: str) -> Inline:
    if arm not in setting.values:
        return "absent"
    return Code(numbers.plain(hidden(setting.path, setting.values[arm])))


def _results(comparison: EpisodeComparison) -> tuple[Section, ...]:
    return (
        _metrics(comparison),
        _returns(comparison),
        _runs(comparison),
        _final(comparison),
        _windows(comparison),
        _training(comparison),
        _progression(comparison),
        _cost(comparison),
    )


def _metrics(comparison: EpisodeComparison) -> Section:
    """Set the metrics side by side: value, change, interval and winner, each of one contrast."""
    names = [arm.name for arm in comparison.arms]
    single = len(comparison.candidates) == 1
    rows: list[Row] = []
    for metric in comparison.metrics:
        values = {name: _value(comparison.values[metric.key, name]) for name in names}
        if not single:
            rows.append((metric.title, *values.values()))
            continue
        found = comparison.contrast(metric.key, comparison.candidates[0].name)
        cells = (Strong(v) if found.winner == name else v for name, v in values.items())
        rows.append((metric.title, *cells, *_outcome(found)))
    said = text(
        f"Mean over the runs, ± sd (n - 1) and their number where there are several. Changes are "
        f"from {comparison.baseline}, the baseline of all rows."
    )
    if single:
        heads = ["metric", *names, "change", "95 % interval", "winner"]
        return Section("Overall metrics", (said, table(heads, rows, set(heads[1:-1]))))
    heads = ["metric", "change", "95 % interval", "winner"]
    groups = tuple(
        (
            f"{arm.name} against {comparison.baseline}",
            tuple(
                (found.metric.title, *_outcome(found))
                for found in comparison.contrasts
                if found.arm == arm.name
            ),
        )
        for arm in comparison.candidates
    )
    contrasts = Table(tuple(Column(head, head in heads[1:-1]) for head in heads), groups)
    return Section(
        "Overall metrics", (said, table(["metric", *names], rows, set(names)), contrasts)
    )


def _outcome(found: Contrast) -> Row:
    winner = _winner(found)
    return (_change(found), _interval(found), winner[0])


def _winner(found: Contrast) -> Row:
    """Name the winner, or say why there is none: the one place where an arm is called better."""
    if found.winner is not None:
        return (Strong(found.winner), " is better")
    if found.comparison is None:
        return (numbers.NOTHING,)
    return (f"{found.comparison.verdict} ({found.comparison.reason})",)


def _returns(comparison: EpisodeComparison) -> Section:
    """Draw the smoothed returns of the arms along their episodes."""
    window = window_of(comparison.arms)
    found = [smoothed(arm, window) for arm in comparison.arms]
    drawing = draw_curves(
        [
            Curve(
                one.arm,
                list(zip(one.episode.tolist(), one.mean.tolist(), strict=True)),
                band=[*zip(one.episode.tolist(), one.low.tolist(), one.high.tolist(), strict=True)],
            )
            for one in found
        ],
        [],
        ("episode", "return"),
        title="Returns along the episodes",
    )
    last = "the last episode" if window == 1 else f"the last {window} episodes"
    caption = (
        f"Mean return of {last} in all runs of an arm; the band holds the middle 80 % of these "
        "returns."
    )
    return Section("Returns", (Figure("returns.svg", drawing, caption),))


def _runs(comparison: EpisodeComparison) -> Section:
    """Tell of every run its extremes, with the episodes they are of."""
    rows: list[Row] = []
    for arm, run, found in _counted(comparison):
        loss = found.lowest_loss
        at_end = f", of the last {FINAL}" if found.lowest_loss_at_end else ""
        rows.append(
            (
                Code(_run_name(arm, run)),
                _span(found.first, found.last),
                _extreme(found.highest),
                _extreme(found.lowest),
                numbers.number(found.final),
                numbers.NOTHING if loss is None else f"{_extreme(loss)}{at_end}",
                numbers.count(found.trained),
                _measured(found.success),
                UNMEASURED if found.steps is None else numbers.count(found.steps),
                UNMEASURED if found.seconds is None else _seconds(found.seconds),
            )
        )
    heads = ["run", "episodes", "max return", "min return", "final return", "min loss"]
    heads += ["trained", "success", "steps", "time"]
    said = text("Extremes are over all episodes, each with the first episode that has it.")
    return Section("Runs", (said, table(heads, rows, set(heads[1:]))))


def _final(comparison: EpisodeComparison) -> Section:
    """Tell of the last episodes of every run."""
    rows: list[Row] = []
    for arm, run, found in _counted(comparison):
        window = found.windows.get(FINAL)
        if window is None:
            short = f"{numbers.plural(found.episodes, 'episode')}, fewer than {FINAL}"
            rows.append((Code(_run_name(arm, run)), short, *(numbers.NOTHING,) * 6))
            continue
        rows.append(
            (
                Code(_run_name(arm, run)),
                _span(window.first, window.last),
                numbers.number(window.mean),
                numbers.number(window.sd),
                _range(window.low, window.high),
                f"{window.positive} of {window.n}",
                window.consistency,
                _range(window.loss_low, window.loss_high),
            )
        )
    heads = ["run", "episodes", "mean", "sd", "returns", "positive", "consistency", "losses"]
    said = text(
        "Consistency is high if every return is above 0, medium if more than half are, else low."
    )
    return Section(f"Last {FINAL} episodes", (said, table(heads, rows, set(heads[1:]))))


def _windows(comparison: EpisodeComparison) -> Section:
    """Show whether the window decides which arm leads, and where each is heading."""
    blocks: list[Block] = []
    for arm in comparison.candidates:
        leaders = dict(comparison.flip(arm.name).leaders)
        per_step = comparison.per_step
        rows: list[Row] = [
            (
                f"last {size}",
                *(
                    _value(comparison.values[window_key(size, per_step=per_step), name])
                    for name in (comparison.baseline, arm.name)
                ),
                leaders[size] or "equal",
            )
            for size in WINDOWS
            if size in leaders
        ]
        unit = "mean return per step" if per_step else "mean return"
        heads = ["window", comparison.baseline, arm.name, f"higher {unit}"]
        if rows:
            blocks.append(table(heads, rows, set(heads[1:3])))
    trends: list[Row] = [
        (
            Code(_run_name(arm, run)),
            f"{_span(found.before.first, found.before.last)}: {numbers.number(found.before.mean)}",
            f"{_span(last.first, last.last)}: {numbers.number(last.mean)}",
            _signed(last.mean - found.before.mean),
        )
        for arm, run, found in _counted(comparison)
        if found.before is not None and (last := found.windows[FINAL])
    ]
    if trends:
        heads = ["run", f"the {AVERAGE - FINAL} before", f"last {FINAL}", "change"]
        blocks.append(table(heads, trends, set(heads[1:])))
    if not blocks:
        blocks.append(text(f"No run has {WINDOWS[0]} episodes."))
    return Section("Windows", tuple(blocks))


def _training(comparison: EpisodeComparison) -> Section:
    """Judge stability and convergence of every run."""
    rows: list[Row] = []
    for arm, run, found in _counted(comparison):
        judged, settled = found.stability, found.convergence
        explored = found.exploration
        rows.append(
            (
                Code(_run_name(arm, run)),
                _stable(found, judged),
                numbers.NOTHING if math.isnan(judged.rise) else _percent(100 * judged.rise),
                "not converged" if settled.episode is None else numbers.count(settled.episode),
                numbers.number(settled.epsilon),
                numbers.NOTHING
                if settled.after_floor is None
                else ("at its floor" if settled.after_floor else "before its floor"),
                UNMEASURED
                if explored is None
                else f"{numbers.number(explored.start)} to {numbers.number(explored.end)}",
                numbers.NOTHING if explored is None else numbers.count(explored.floor_from),
            )
        )
    heads = ["run", "stability", "rise of loss", "converged at", "epsilon there", "epsilon is"]
    heads += ["epsilon", "floor from episode"]
    items = (
        (
            "Stability passes if every loss and return is finite, no loss is above "
            f"{SPIKE:g} times the median of the first {EARLY}, and the line through the losses of "
            f"the last half rises by no more than {100 * RISE:g} % of their median.",
        ),
        (
            f"A run has converged at the first episode from which on the mean of {AVERAGE} "
            "returns differs from the last one by no more than "
            f"{100 * TOLERANCE:g} % of the range of these means or the sd of the last {AVERAGE} "
            "returns, whichever is larger. Before epsilon is at its floor, the schedule may set "
            "that episode, not learning.",
        ),
    )
    return Section(
        "Stability and convergence",
        (table(heads, rows, {"rise of loss", "converged at", "epsilon there"}), Bullets(items)),
    )


def _stable(found: Measures, judged: Stability) -> Inline:
    if judged.unfinite is not None:
        return f"fail: the loss of episode {judged.unfinite} is no finite number"
    if judged.spike is not None:
        above = f"above {numbers.number(judged.limit)}"
        return f"fail: loss {_extreme(judged.spike)}, {above}"
    if not judged.passed:
        return "fail: the loss rises"
    return "pass" if found.trained else "no loss was logged"


def _progression(comparison: EpisodeComparison) -> Section:
    """Cut every run into bands: the same for returns and losses, over every episode."""
    groups = tuple(
        (
            _run_name(arm, run),
            tuple(
                (
                    f"{numbers.count(band.first)} to {numbers.count(band.end - 1)}",
                    *map(numbers.number, (band.low, band.mean, band.high)),
                    *map(numbers.statistic, (band.loss_low, band.loss_mean, band.loss_high)),
                    numbers.count(band.trained),
                )
                for band in found.bands
            ),
        )
        for arm, run, found in _counted(comparison)
    )
    heads = ["episodes", "return: min", "mean", "max", "loss: min", "loss: mean", "loss: max"]
    heads.append("trained")
    columns = tuple(Column(head, numeric=True) for head in heads)
    said = text(
        f"Every run in {BANDS} bands of equal length without a shared episode, for both series."
    )
    return Section("Progression", (said, Table(columns, groups)))


def _cost(comparison: EpisodeComparison) -> Section:
    """Tell what was measured of speed-up, use of the machine and held-out success."""
    arms = comparison.arms
    rows: list[Row] = [
        (title, *(tell(arm) or UNMEASURED for arm in arms)) for title, tell in _COSTS.items()
    ]
    heads = ["fact", *(arm.name for arm in arms)]
    return Section("Cost and held-out success", (table(heads, rows, set(heads[1:])),))


def _definitions(comparison: EpisodeComparison) -> Section:
    rows: list[Row] = [
        (
            metric.title,
            metric.definition,
            numbers.NOTHING if metric.direction is None else metric.direction.superlative,
            ", ".join(metric.musts) or numbers.NOTHING,
        )
        for metric in comparison.metrics
    ]
    said = text(
        "R is the return of an episode, the undiscounted sum of its rewards; L the loss of an "
        "episode in which something was trained; N the number of episodes. A change is "
        "100 * (arm - baseline) / |baseline|, for times and rates arm / baseline, and the "
        "difference where the baseline is 0 or the signs differ."
    )
    heads = ["metric", "definition", "best is", "compared if equal"]
    return Section("Definitions", (said, table(heads, rows)))


def _unknown(comparison: EpisodeComparison) -> tuple[Section, ...]:
    """List what no log and no file of facts says, by arm."""
    items = tuple(
        (f"{arm.name}: {numbers.listing(missing)}.",)
        for arm in comparison.arms
        if (missing := list(_missing(arm)))
    )
    return (Section("Not known", (Bullets(items),)),) if items else ()


def _missing(arm: EpisodeArm) -> Iterator[str]:
    for column, title in _LOGGED.items():
        if not all(run.log.has(column) for run in arm.runs):
            yield title
    if any(run.seed is None for run in arm.runs):
        yield "seed"
    yield from (
        title
        for title, read in {**_FACTS, **_WORDS, **_COSTS}.items()
        if title not in _MEASURED and read(arm) is None
    )
    if arm.config is None:
        yield "resolved config"


def _left_out(arms: Sequence[EpisodeArm]) -> tuple[Block, ...]:
    """Say which arms have no run that counts."""
    items = tuple(
        (f"{_run_name(arm, run)} does not count: {run.why_not}.",)
        for arm in arms
        if not arm.measures
        for run in arm.runs
    )
    return (Bullets(items),) if items else ()


def _speed_up(arm: EpisodeArm) -> str | None:
    """Return how much faster the runs were than the same on a processor, both measured."""
    seconds = [found.seconds for found in arm.measures if found.seconds]
    if arm.facts.cpu_seconds is None or not seconds:
        return None
    return f"{numbers.number(arm.facts.cpu_seconds * len(seconds) / sum(seconds))} times"


def _usage(read: Callable[[Usage], float | None], unit: str, per: float = 1) -> "Tell":
    def tell(arm: EpisodeArm) -> str | None:
        usage = arm.facts.usage
        value = None if usage is None else read(usage)
        if usage is None or value is None:
            return None
        return f"{numbers.number(value / per)} {unit} ({usage.tool})"

    return tell


Tell = Callable[[EpisodeArm], str | None]
Count = Callable[[EpisodeArm], int | None]


def _episodes(arm: EpisodeArm) -> int | None:
    found = {measures.episodes for measures in arm.measures}
    return found.pop() if len(found) == 1 else None


def _seeds(arm: EpisodeArm) -> str | None:
    seeds = [run.seed for run in arm.runs if run.seed is not None]
    return ", ".join(map(str, seeds)) or None


_FACTS: dict[str, Count] = {
    "episodes": _episodes,
    "horizon": lambda arm: arm.facts.horizon,
    "actions": lambda arm: arm.facts.actions,
    "parameters": lambda arm: arm.facts.parameters,
    "checkpoint bytes": lambda arm: arm.facts.checkpoint_bytes,
}
_WORDS: dict[str, Tell] = {
    "device": lambda arm: arm.facts.device,
    "code": lambda arm: arm.facts.code,
    "date": lambda arm: arm.facts.date,
    "seeds": _seeds,
}
_COSTS: dict[str, Tell] = {
    "speed-up against a processor alone": _speed_up,
    "peak memory": _usage(lambda usage: usage.memory_bytes, "MiB", MIB),
    "processor": _usage(lambda usage: usage.cpu_percent, "%"),
    "accelerator": _usage(lambda usage: usage.gpu_percent, "%"),
    "held-out success": lambda arm: (
        None if arm.facts.held_out_success is None else numbers.number(arm.facts.held_out_success)
    ),
}
_LOGGED = {
    "loss": "loss",
    "success": "success",
    "length": "length of episodes",
    "epsilon": "epsilon",
    "seconds": "time",
}
_MEASURED = {"episodes", "seeds"}


def _counted(
    comparison: EpisodeComparison,
) -> Iterator[tuple[EpisodeArm, EpisodeRun, Measures]]:
    for arm in comparison.arms:
        for run in arm.runs:
            if run.measures is not None:
                yield arm, run, run.measures


def _run_name(arm: EpisodeArm, run: EpisodeRun) -> str:
    if run.seed is not None:
        return f"{arm.name}, seed {run.seed}"
    return arm.name if len(arm.runs) == 1 else f"{arm.name}, run {arm.runs.index(run) + 1}"


def _value(value: Value) -> str:
    if not value.n:
        return UNMEASURED
    if value.n == 1:
        return numbers.number(value.mean)
    return f"{numbers.number(value.mean)} ± {numbers.number(value.sd)} ({value.n})"


def _change(found: Contrast) -> str:
    change = found.change
    if math.isnan(change.value):
        return numbers.NOTHING
    if change.scale is Scale.PERCENT:
        return _percent(change.value)
    if change.scale is Scale.RATIO:
        return f"{numbers.number(change.value)} times"
    return _signed(change.value)


def _interval(found: Contrast) -> str:
    low, high = (
        (math.nan, math.nan)
        if found.comparison is None
        else (found.comparison.low, found.comparison.high)
    )
    return _range(low, high)


def _range(low: float, high: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return numbers.NOTHING
    return f"{numbers.number(low)} to {numbers.number(high)}"


def _span(first: int, last: int) -> str:
    return f"{numbers.count(first)} to {numbers.count(last)}"


def _extreme(extreme: Extreme) -> str:
    return f"{numbers.number(extreme.value)} (episode {numbers.count(extreme.episode)})"


def _signed(value: float) -> str:
    return f"+{numbers.number(value)}" if value > 0 else numbers.number(value)


def _percent(value: float) -> str:
    return f"{_signed(value)} %"


def _ratio(value: int | None, base: int | None) -> str:
    return numbers.NOTHING if value is None or not base else numbers.number(value / base)


def _measured(value: float | None) -> str:
    return UNMEASURED if value is None else numbers.number(value)


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"
