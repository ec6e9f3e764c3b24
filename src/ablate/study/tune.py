"""Give every arm of an ablation a search of its own, so that all have equal chances."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablate.errors import SpecError, nearest
from ablate.run import Launcher
from ablate.spec import AblationSpec, Arm, Study, paths
from ablate.spec.tuning import ABSENT, for_arm, tuned_name, tuning_study
from ablate.store import Store, best_trial, count_states
from ablate.study.preflight import resolve_all
from ablate.study.search import check, finished, run
from ablate.study.setup import Request, refuse_changed, stored_study


@dataclass(frozen=True)
class ArmSearch:
    """The search of one arm; none where nothing of the space is the arm's own to tune.

    `left_out` says by parameter why it is not tuned.
    """

    arm: Arm
    study: Study | None
    left_out: Mapping[str, str]

    def is_done(self, request: Request) -> bool:
        """Say whether nothing is left to search; raise RequestError if another search is stored."""
        if self.study is None:
            return True
        record = stored_study(request.storage, self.study.name)
        if record is None:
            return False
        refuse_changed(record, self.study)
        return finished(self.study, request) is not None


def arm_searches(study: Study, configs: Mapping[str, dict[str, Any]]) -> tuple[ArmSearch, ...]:
    """Lay out the search of every arm that is no floor; `configs` are resolved, by arm.

    Raises SpecError for a parameter written in the study that no arm has.
    """
    assert study.tuning is not None  # noqa: S101
    assert isinstance(study.spec, AblationSpec)  # noqa: S101
    assert study.spec.tune is not None  # noqa: S101
    spec, found = study.tuning, []
    for arm in study.arms:
        if arm.floor:
            continue
        space, left_out = for_arm(spec.space, arm.changes, configs[arm.name])
        own = Study(
            name=tuning_study(study.name, arm.name),
            spec=spec.model_copy(update={"space": space}),
            config=study.configured(arm.changes, spec.seeds[0]),
            profile=study.profile,
            source=f"{study.source}: arms.{arm.name}",
        )
        found.append(ArmSearch(arm, own if space else None, left_out))
    if study.spec.tune.study is None:
        _refuse_unknown(study.name, found, configs.values())
    return tuple(found)


def _refuse_unknown(
    study: str, searches: Sequence[ArmSearch], configs: Iterable[Mapping[str, Any]]
) -> None:
    for path, reason in searches[0].left_out.items():
        if reason == ABSENT and all(own.left_out.get(path) == ABSENT for own in searches):
            known = {key for config in configs for key in paths.flatten(config)}
            section = path.split(".")[0]
            near = [key for key in known if key.split(".")[0] == section]
            raise SpecError(
                f"{study}: tune.space.{path}: no arm has such a key: {nearest(path, near or known)}"
            )


def tune(
    study: Study, configs: Mapping[str, dict[str, Any]], launcher: Launcher, request: Request
) -> Study:
    """Search for every arm, as far as that has not been done; return the study with tuned arms.

    All searches are checked before the first one is run. Raises RequestError if one is wrong,
    and Interrupted when stopped by a signal.
    """
    searches = arm_searches(study, configs)
    _tell_left_out(searches, request.say)
    waiting = [
        (own.arm.name, own.study, check(own.study, launcher, request, own.study.source))
        for own in searches
        if own.study is not None and not own.is_done(request)
    ]
    for arm, search, probe in waiting:
        request.say(f"tuning {arm}: the search {search.name}")
        run(search, probe, launcher, request, search.source)
    with Store.open(request.storage, create=True) as store:
        tuned = with_tuned(study, searches, store)
    _tell_unequal(tuned, request.say)
    return tuned


def with_tuned(study: Study, searches: Iterable[ArmSearch], store: Store) -> Study:
    """Return the study with what these searches have found."""
    return replace(study, tuned={own.arm.name: _found(own, store) for own in searches})


def _found(own: ArmSearch, store: Store) -> dict[str, Any]:
    """Return as plain data what the search of an arm found, and from which trial."""
    if own.study is None:
        return {"values": {}, "left_out": dict(own.left_out)}
    trials = store.trials(own.study.name)
    best = best_trial(trials, own.study.objective.direction)
    values = own.study.space.settings(best.params) if best else {}
    return {
        "study": own.study.name,
        "counts": count_states(trials),
        "left_out": dict(own.left_out),
        "arm": tuned_name(own.arm.name) if values else None,
        "trial": best.number if best else None,
        "value": best.value if best else None,
        "values": values,
    }


def tuned_configs(study: Study, launcher: Launcher) -> dict[str, dict[str, Any]]:
    """Resolve the tuned arms of a study; raise SpecError if one does not hold."""
    names = {facts["arm"] for facts in study.tuned.values() if facts["values"]}
    arms = [arm for arm in study.arms if arm.name in names]
    seed = study.seeds[0]
    resolved = resolve_all(launcher, [study.configured(arm.changes, seed) for arm in arms])
    configs = {}
    for arm, outcome in zip(arms, resolved, strict=True):
        if isinstance(outcome, SpecError):
            raise SpecError(f"{study.name}: arms.{arm.name}: {outcome}")
        configs[arm.name] = outcome
    return configs


def _tell_left_out(searches: Iterable[ArmSearch], say: Callable[[str], None]) -> None:
    for own in searches:
        for path, reason in own.left_out.items():
            say(f"{own.arm.name}: {path} is not tuned: {reason}")
        if own.study is None:
            say(f"{own.arm.name}: nothing is left to tune, so it is compared as declared")


def _tell_unequal(study: Study, say: Callable[[str], None]) -> None:
    """Say which arms had fewer complete trials than another."""
    complete = {
        arm: facts["counts"].get("complete", 0)
        for arm, facts in study.tuned.items()
        if "counts" in facts
    }
    most = max(complete.values(), default=0)
    for arm, amount in complete.items():
        if amount < most:
            say(f"{arm}: {amount} complete trials in its search, another arm has {most}")
