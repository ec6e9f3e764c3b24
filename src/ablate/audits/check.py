"""Audit a prepared study: its configurations, and the behaviour of what they build."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate.audits.checks import check_ablation, check_search, compare_evidence
from ablate.audits.codes import finding
from ablate.audits.differences import declared_leaves, flat
from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.findings import Finding, ordered
from ablate.audits.memory import Memory
from ablate.audits.probe_request import ProbeRequest
from ablate.run import Answered, Call, Event, Finished, Job, Launcher, Lost
from ablate.run.jobs import do_all
from ablate.run.resolving import resolve_arms, resolve_base
from ablate.spec import AblationStudy, Choice, Config, Study

_EXAMINE = "ablate.audits.probes:examine_standing"
_LOOK = "ablate.audits.probes:look_again"

_HASH_SEEDS = (1, 2)
"""Two, for two texts in a set have the same order under half of all seeds."""


def _silent(_: str) -> None:
    """Show nothing."""


def audit(
    study: Study,
    launcher: Launcher,
    say: Callable[[str], None] = _silent,
    *,
    resolved: Mapping[str, Config] | None = None,
    recorded: Mapping[str, Config] | None = None,
    probes: bool = True,
    memory: Memory | None = None,
) -> list[Finding]:
    """Return all that stands against comparing the arms of a study, the worst first.

    `resolved` are the arms' configurations with every default, if they are known already;
    `recorded` those that the study names as the origin of its values. Without `probes` nothing
    is built; arms whose evidence `memory` has are not probed again. Raises SpecError if a
    configuration does not resolve.
    """
    configs = dict(resolved or _resolve(study, launcher))
    found: list[Finding] = []
    evidence: dict[str, Evidence] = {}
    if probes:
        evidence, found = _examine(study, configs, launcher, say, memory)
    if isinstance(study, AblationStudy):
        steps = {arm: seen.recipe.steps for arm, seen in evidence.items()}
        known = {arm: count for arm, count in steps.items() if count is not None}
        static = check_ablation(study, configs, recorded or {}, steps=known)
    else:
        static = check_search(study, configs[study.name], batches_matter=_batches_matter(evidence))
    return ordered([*static, *found])


def declared(study: Study) -> Declared:
    """Return what a study says of its arms, and the best published values of trained arms."""
    objective = study.objective
    metrics = {objective.metric: objective.direction}
    if not isinstance(study, AblationStudy):
        return Declared(changes={study.name: dict.fromkeys(study.space)}, metrics=metrics)
    definition = study.definition
    metrics = {**definition.metrics, **metrics}
    trained = [arm.name for arm in definition.trained]
    published = definition.published.values if definition.published else {}
    reached: dict[str, float] = {}
    for metric, direction in metrics.items():
        values = [v for arm in trained for v in published.get(arm, {}).get(metric, ())]
        if values:
            reached[metric] = direction.best(values)
    changes = {arm.name: declared_leaves(arm.changes) for arm in study.arms}
    return Declared(changes=changes, metrics=metrics, reached=reached)


def _resolve(study: Study, launcher: Launcher) -> dict[str, Config]:
    """Fill in every default of each arm's configuration; of the config itself for a search."""
    if isinstance(study, AblationStudy):
        return dict(resolve_arms(study, study.arms, launcher))
    return {study.name: resolve_base(study, launcher)}


def _examine(
    study: Study,
    configs: Mapping[str, Config],
    launcher: Launcher,
    say: Callable[[str], None],
    memory: Memory | None,
) -> tuple[dict[str, Evidence], list[Finding]]:
    """Build and try every arm on real batches, and say what that shows."""
    names = list(configs)
    declaration = declared(study)
    written = _written(study)
    values, metrics = _values(study, configs), tuple(declaration.metrics)
    requests = [ProbeRequest(values, written[name], metrics).as_dict() for name in names]
    jobs = [
        Call(number, dict(config), _EXAMINE, {"request": request}, study.cli, study.trust)
        for number, (config, request) in enumerate(zip(configs.values(), requests, strict=True))
    ]
    recalled = {job.id: memory.recalled(job) for job in jobs} if memory else {}
    waiting = [job for job in jobs if recalled.get(job.id) is None]
    say(_announced(len(waiting), len(jobs)))
    probed = iter(range(1, len(waiting) + 1))

    def tell(job: Job) -> None:
        say(f"probed {next(probed)} of {len(waiting)}: {names[job.id]}")

    found: list[Finding] = []
    known = {number: seen for number, seen in recalled.items() if seen is not None}
    for job, events in zip(waiting, do_all(launcher, waiting, tell), strict=True):
        answer = next((event for event in events if isinstance(event, Answered)), None)
        if answer is None:
            found.append(_not_examined(names[job.id], events[-1]))
            continue
        known[job.id] = Evidence.of(answer.result["evidence"])
        if memory is not None:
            memory.keep(job, answer.result)
    evidence = {names[number]: known[number] for number in sorted(known)}
    fresh = {names[job.id]: job for job in waiting if job.id in known}
    evidence |= _look_again(study, configs, evidence, launcher, fresh=fresh, say=say)
    if memory is not None:
        for job in (job for arm, job in fresh.items() if evidence[arm].moved):
            memory.forget(job)
    return evidence, [*compare_evidence(evidence, declaration), *found]


def _announced(probed: int, arms: int) -> str:
    """Say how many arms are probed, and how many are as they were."""
    kept = arms - probed
    if not kept:
        return f"probing the behaviour of {arms} {'arm' if arms == 1 else 'arms'}"
    unchanged = f"{kept} of {arms} arms are as they were when they were probed; --fresh probes them"
    return f"{unchanged}; probing {probed}" if probed else unchanged


def _written(study: Study) -> dict[str, tuple[str, ...]]:
    """Return the paths that each configuration has before its defaults are filled in."""
    if isinstance(study, AblationStudy):
        return {arm.name: tuple(flat(study.configured(arm.changes, 0))) for arm in study.arms}
    return {study.name: tuple(flat(study.definition.config))}


def _look_again(
    study: Study,
    configs: Mapping[str, Config],
    evidence: Mapping[str, Evidence],
    launcher: Launcher,
    *,
    fresh: Collection[str],
    say: Callable[[str], None],
) -> dict[str, Evidence]:
    """Look at arms in other processes, at those whose code may go by a hash with other hash seeds.

    Of the arms that build the same classes one is looked at, if it is `fresh` or goes by a hash.
    Return the evidence that this adds to.
    """
    plain = [arm for arm in fresh if evidence[arm].seen and evidence[arm].hashed is None]
    again = _one_of_each(configs, plain)
    hashed = _one_of_each(configs, [arm for arm in evidence if evidence[arm].hashed is not None])
    asked: list[tuple[str, int | None]] = [(arm, None) for arm in again]
    asked += [(arm, seed) for arm in hashed for seed in _HASH_SEEDS]
    if not asked:
        return {}
    say(f"setting up once more {', '.join(dict.fromkeys((*again, *hashed)))}")
    jobs = [
        Call(
            number,
            dict(configs[arm]),
            _LOOK,
            {"hash_seed": seed, "unstable": list(evidence[arm].unstable)},
            study.cli,
            study.trust,
            hash_seed=seed,
        )
        for number, (arm, seed) in enumerate(asked)
    ]
    looked = {arm: evidence[arm] for arm in (*again, *hashed)}
    for (arm, seed), events in zip(asked, do_all(launcher, jobs), strict=True):
        answers = [event.result for event in events if isinstance(event, Answered) and event.result]
        for answer in answers:
            seen = looked[arm]
            other = {"again": answer} if seed is None else {"looks": (*seen.looks, answer)}
            looked[arm] = replace(seen, **other)
    return looked


def _one_of_each(configs: Mapping[str, Config], arms: Sequence[str]) -> list[str]:
    """Choose the first of the arms that build the same classes."""
    chosen: dict[tuple[str, ...], str] = {}
    for arm in arms:
        chosen.setdefault(tuple(sorted(_classes(configs[arm]))), arm)
    return [*chosen.values()]


def _classes(node: Any) -> Iterator[str]:
    """Yield the classes that a configuration names."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "class_path":
                yield str(value)
            yield from _classes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _classes(value)


def _not_examined(arm: str, last: Event) -> Finding:
    return finding(
        "probe-not-run",
        [arm],
        f"the arm could not be examined: {_last_words(last)}",
        "every probe",
        "see that the arm trains on a few batches in a process of its own",
    )


def _values(study: Study, configs: Mapping[str, Config]) -> dict[str, list[Any]]:
    """Return the keys that a study changes or searches, with the values that they take."""
    if not isinstance(study, AblationStudy):
        return {
            path: [parameter.value(label) for label in parameter.labels]
            if isinstance(parameter, Choice)
            else list(parameter.ends)
            for path, parameter in study.space.items()
        }
    leaves = [flat(config) for config in configs.values()]
    values: dict[str, list[Any]] = {}
    for leaf in dict.fromkeys(leaf for arm_leaves in leaves for leaf in arm_leaves):
        taken: list[Any] = []
        for arm_leaves in leaves:
            if leaf in arm_leaves and arm_leaves[leaf] not in taken:
                taken.append(arm_leaves[leaf])
        if len(taken) > 1:
            values[leaf] = taken
    return values


def _batches_matter(evidence: Mapping[str, Evidence]) -> bool:
    """Say whether the batch size may change a metric: unless a probe has shown that it does not."""
    return not evidence or any(
        "batch invariance" in seen.skipped
        or any(fault.code == "metric-depends-on-batch" for fault in seen.faults)
        for seen in evidence.values()
    )


def _last_words(last: Event) -> str:
    match last:
        case Finished(outcome=end) if end.reason:
            return end.reason
        case Lost(reason=reason):
            return reason
    return "it gives no reason"
