"""`ablate plan`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE
from ablate.workflow.words import expected

if TYPE_CHECKING:
    from ablate.plan import Plan
    from ablate.workflow.plans import PlanResult, StudyPlanResult


def plan(
    names: Annotated[
        list[str],
        typer.Argument(
            help="A study, or a config; of several files, later ones come over earlier ones.",
            metavar="CONFIG|STUDY ...",
            autocompletion=completion.plannable,
        ),
    ],
    *,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="The optimizer steps that are wanted.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time real steps and predict how long it takes.")
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="SIZE", help="The memory there is, such as 8GB."),
    ] = None,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Propose a batch that fits, as YAML to lay over the config."),
    ] = False,
    batch_key: Annotated[
        str | None,
        typer.Option("--batch-key", metavar="PATH", help="The key of the batch size, for --fit."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file for what --fit proposes.")
    ] = None,
    constraints: Annotated[
        list[Path] | None,
        typer.Option("--constraints", help="A file of further constraints; repeatable."),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option("--effect", help="A difference; say how many seeds of a study show it."),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option("--sd", help="How a run's value varies over seeds; else as recorded."),
    ] = None,
    storage: options.Storage = DEFAULT_STORAGE,
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say what a config or a study will do, what is wrong with it, what it takes; train nothing."""
    result = workflow.plan(
        *names,
        steps=steps,
        measure=measure,
        memory=memory,
        fit=fit,
        batch_key=batch_key,
        out=out,
        constraints=constraints or (),
        effect=effect,
        sd=sd,
        storage=storage,
        profile=profile,
        set=options.parse_overrides(overrides),
        workers=workers,
        quiet=quiet,
        verbose=verbose,
    )
    from ablate.workflow.plans import PlanResult  # noqa: PLC0415 - pandas is slow to import

    if isinstance(result, PlanResult):
        _show_config(result, as_json)
    else:
        _show_study(result, as_json)
    if not result.holds:
        raise typer.Exit(1)


def _show_config(result: "PlanResult", as_json: bool) -> None:
    if as_json:
        made: dict[str, Any] = {"config": result.config, "device": result.device}
        made |= result.plan.as_dict()
        if result.fit_asked:
            made["fit"] = None if result.overlay is None else asdict(result.overlay.fit)
        output.print_json(made)
        return
    if not result.fit_asked:
        for line in plan_lines(result.plan):
            typer.echo(line)
        typer.echo(result.summary().splitlines()[0])
        return
    for line in plan_lines(result.plan):
        output.say(line)
    if result.overlay is None:
        output.say("no batch size fits: not even single examples")
    elif result.overlay.file is not None:
        typer.echo(str(result.overlay.file))
    else:
        typer.echo(result.overlay.text, nl=False)


def plan_lines(plan: "Plan") -> list[str]:
    """Write a plan as lines of text: length, schedule, size, time, violations."""
    return [*_length(plan), *_schedule(plan), *_size(plan), *_time(plan), *_violations(plan)]


def _length(plan: "Plan") -> list[str]:
    rest = " (the last, smaller one is dropped)" if plan.drop_last else ""
    lines = [
        f"samples          {_count(plan.samples)}",
        f"batch            {_count(plan.batch)} x {plan.accumulate} accumulated x {plan.devices} "
        f"{'device' if plan.devices == 1 else 'devices'} = {_count(plan.effective_batch)}",
        f"batches per epoch {_count(plan.batches_per_epoch)}{rest}",
        f"steps per epoch  {_count(plan.steps_per_epoch)}",
        f"optimizer steps  {_count(plan.optimizer_steps)} in {_epochs(plan)} epochs",
        f"samples seen     {_count(plan.samples_seen)}",
        f"evaluations      {_count(plan.evaluations)}",
    ]
    lines += [
        f"checkpoints      {_count(kept.written)} written, {_count(kept.kept)} kept "
        f"({kept.callback})"
        for kept in plan.checkpoints
    ]
    lines += [
        f"if the batch counts {meaning.unit}: {meaning.prompts_per_step:g} prompts per step, "
        f"{_count(meaning.steps_per_epoch)} steps per epoch, "
        f"{_count(meaning.optimizer_steps)} in all"
        for meaning in plan.meanings
    ]
    return lines + [
        f"proposed         {proposal.epochs:,} epochs: {proposal.steps:,} steps"
        for proposal in plan.proposals
    ]


def _schedule(plan: "Plan") -> list[str]:
    from ablate.plan import plot  # noqa: PLC0415

    lines = []
    for rates in plan.rates:
        lines.append(f"schedule         {rates.scheduler}, stepped after every {rates.interval}")
        if rates.unread is not None:
            lines.append(f"                 not read: {rates.unread}")
            continue
        said = [f"{share:.0%} {rate:.4g}" for share, rate in rates.milestones.items()]
        lines.append(f"learning rate    {'   '.join(said)}")
        lines += [f"                 {line}" for line in plot(rates.values).splitlines()]
    if plan.warmup_steps:
        lines.append(f"warm-up          {plan.warmup_steps:,} steps, {plan.warmup_share or 0:.1%}")
    return lines


def _size(plan: "Plan") -> list[str]:
    from ablate.plan import show_size  # noqa: PLC0415

    lines = [f"parameters       {_count(plan.parameters)}"]
    if plan.frozen:
        lines[0] += f" and {plan.frozen:,} frozen"
    lines += [f"                 {count:>12,} {name}" for name, count in plan.components.items()]
    if plan.flops_per_step is not None:
        lines.append(f"FLOPs per step   {plan.flops_per_step:.3g}")
    if plan.memory is not None and plan.memory_bytes is not None:
        sizes = plan.memory
        lines.append(
            f"memory           {show_size(plan.memory_bytes)}: weights {show_size(sizes.weights)}, "
            f"gradients {show_size(sizes.gradients)}, optimizer {show_size(sizes.optimizer)}, "
            f"activations {show_size(sizes.activations)}"
        )
    if plan.memory_needed is not None and plan.memory_limit is not None:
        verdict = "fits" if plan.fits else "does not fit"
        lines.append(
            f"                 {show_size(plan.memory_needed)} with the process and its data; "
            f"{verdict} into {show_size(plan.memory_limit)}"
        )
    return lines


def _time(plan: "Plan") -> list[str]:
    if plan.seconds is None:
        return []
    evaluation = plan.seconds.evaluation
    of_it = "" if evaluation is None else f", an evaluation {expected(evaluation)}"
    return [
        f"time             {expected(plan.seconds.total)} in all, "
        f"an epoch {expected(plan.seconds.epoch)}{of_it}"
    ]


def _violations(plan: "Plan") -> list[str]:
    lines = [f"not known        {what}: {why}" for what, why in plan.problems.items()]
    for one in plan.violations:
        lines.append(f"{one.severity}: {one.code}: {one.what}")
        if one.keys:
            lines.append(f"    at {', '.join(one.keys)}")
        lines.append(f"    do: {one.advice}")
    return lines


def _show_study(result: "StudyPlanResult", as_json: bool) -> None:
    if as_json:
        output.print_json(_study_rows(result))
        return
    columns = ["arm", "runs", "steps", "epochs", "effective batch", "parameters", "memory", "time"]
    output.print_table(columns, [_arm_row(arm) for arm in result.arms])
    for line in _of_study(result):
        typer.echo(line)
    typer.echo(result.summary())


def _arm_row(arm: Any) -> list[str]:
    from ablate.plan import show_size  # noqa: PLC0415

    made = arm.plan
    return [
        arm.name,
        _count(arm.runs),
        _count(made.optimizer_steps),
        _epochs(made),
        _count(made.effective_batch),
        _count(made.parameters),
        "-" if made.memory_bytes is None else show_size(made.memory_bytes),
        "-" if arm.seconds is None else expected(arm.seconds),
    ]


def _of_study(result: "StudyPlanResult") -> list[str]:
    lines = list(result.notes)
    if result.seconds is not None:
        workers = f"{result.workers} worker{'' if result.workers == 1 else 's'}"
        lines.append(f"expected time with {workers}: {expected(result.seconds)}")
    if (power := result.power) is not None:
        source = "recorded" if power.recorded else "assumed"
        seeds = "more than 1,000 seeds" if power.seeds is None else f"{power.seeds} seeds per arm"
        lines.append(
            f"a difference of {power.effect:g} beside a spread of {power.spread:.3g} ({source}), "
            f"{power.comparisons} comparisons: {seeds}; the study has {len(result.seeds)}"
        )
    return lines


def _study_rows(result: "StudyPlanResult") -> dict[str, Any]:
    return {
        "study": result.study,
        "kind": result.kind,
        "profile": result.profile,
        "seeds": result.seeds,
        "workers": result.workers,
        "runs": result.runs,
        "optimizer_steps": result.optimizer_steps,
        "seconds": result.seconds,
        "power": None if result.power is None else asdict(result.power),
        "arms": [
            {"arm": arm.name, "runs": arm.runs, "seconds_of_all": arm.seconds, **arm.plan.as_dict()}
            for arm in result.arms
        ],
    }


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _epochs(plan: "Plan") -> str:
    return "-" if plan.epochs is None else f"{plan.epochs:,.4g}"
