"""Give every arm of an ablation a search of its own, so that all have equal chances."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import SpecError, nearest
from ablate.run import Launcher
from ablate.run.resolving import resolve_arms
from ablate.spec import AblationStudy, Arm, SearchStudy, Space, Status, Tuned, paths
from ablate.spec.tuning import ABSENT, for_arm, tuned_name, tuning_study
from ablate.store import Store, best_trial, count_states
from ablate.study.cells import ALL, Cells
from ablate.study.search import check, finished, run
from ablate.study.setup import Request, refuse_changed, study_to_run


@dataclass(frozen=True)
class ArmSearch:
    """The search of one arm; none where nothing of the space is the arm's own to tune.

    `left_out` says by parameter why it is not tuned.
    """

    arm: Arm
    study: SearchStudy | None
    left_out: Mapping[str, str]

    def is_asked_for(self, cells: Cells) -> bool:
        """Say whether the arm with its best values is among `cells`."""
        return cells.has_arm(tuned_name(self.arm.name))

    def is_done(self, request: Request) -> bool:
        """Say whether nothing is left to search; raise RequestError if another search is stored."""
        if self.study is None:
            return True
        record = study_to_run(request.storage, self.study.name)
        if record is None:
            return False
        refuse_changed(record, self.study)
        return finished(self.study, request) is not None


def arm_searches(
    study: AblationStudy, configs: Mapping[str, dict[str, Any]]
) -> tuple[ArmSearch, ...]:
    """Lay out the search of every arm that is no floor; `configs` are resolved, by arm.

    There is none in a study that tunes nothing. Raises SpecError for a parameter written in the
    study that no arm has.
    """
    tuning = study.definition.tune
    if tuning is None:
        return ()
    searches = []
    for arm in study.definition.trained:
        space, left_out = for_arm(tuning.space, arm.changes, configs[arm.name])
        name = tuning_study(study.name, arm.name)
        search = study.search_of(arm, tuning, Space(space), name) if space else None
        searches.append(ArmSearch(arm, search, left_out))
    if not study.tunes_elsewhere:
        _refuse_unknown(study.name, searches, configs.values())
    return tuple(searches)


def _refuse_unknown(
    study: str, searches: Sequence[ArmSearch], configs: Iterable[Mapping[str, Any]]
) -> None:
    for path, reason in searches[0].left_out.items():
        if reason == ABSENT and all(search.left_out.get(path) == ABSENT for search in searches):
            known = {key for config in configs for key in paths.flatten(config)}
            section = path.split(".")[0]
            near = [key for key in known if key.split(".")[0] == section]
            raise SpecError(
                f"{study}: tune.space.{path}: no arm has such a key: {nearest(path, near or known)}"
            )


def tune(
    study: AblationStudy,
    configs: Mapping[str, dict[str, Any]],
    launcher: Launcher,
    request: Request,
    cells: Cells = ALL,
) -> AblationStudy:
    """Search for every arm, as far as that has not been done; return the study with tuned arms.

    A study that tunes nothing is returned as it is. Of `cells` only the tuned arms are searched.
    All searches are checked before the first one is run. Raises RequestError if one is wrong,
    and Interrupted when stopped by a signal.
    """
    searches = [
        search
        for search in arm_searches(study, configs)
        if search.is_asked_for(cells) or search.is_done(request)
    ]
    if not searches:
        return study
    _tell_left_out(searches, request.say)
    waiting = [
        (search.arm.name, search.study, check(search.study, launcher, request, search.study.source))
        for search in searches
        if search.study is not None and not search.is_done(request)
    ]
    for arm, study_of_arm, probe in waiting:
        request.say(f"tuning {arm}: the search {study_of_arm.name}")
        run(study_of_arm, probe, launcher, request, study_of_arm.source)
    with Store.open(request.storage, create=True) as store:
        tuned = with_tuned(study, searches, store)
    _tell_unequal(tuned, request.say)
    return tuned


def with_tuned(study: AblationStudy, searches: Iterable[ArmSearch], store: Store) -> AblationStudy:
    """Return the study with what these searches have found."""
    return study.with_tuned({search.arm.name: _found(search, store) for search in searches})


def _found(search: ArmSearch, store: Store) -> Tuned:
    """Return what the search of an arm found, and from which trial."""
    if search.study is None:
        return Tuned(left_out=search.left_out)
    trials = store.trials(search.study.name)
    best = best_trial(trials, search.study.objective.direction)
    values = search.study.space.settings(best.params) if best else {}
    return Tuned(
        study=search.study.name,
        counts=count_states(trials),
        left_out=search.left_out,
        arm=tuned_name(search.arm.name) if values else None,
        trial=best.number if best else None,
        value=best.value if best else None,
        values=values,
    )


def tuned_configs(study: AblationStudy, launcher: Launcher) -> dict[str, dict[str, Any]]:
    """Resolve the tuned arms of a study; raise SpecError if one does not hold."""
    names = {found.arm for found in study.definition.tuned.values()}
    return resolve_arms(study, [arm for arm in study.arms if arm.name in names], launcher)


def _tell_left_out(searches: Iterable[ArmSearch], say: Callable[[str], None]) -> None:
    for search in searches:
        for path, reason in search.left_out.items():
            say(f"{search.arm.name}: {path} is not tuned: {reason}")
        if search.study is None:
            say(f"{search.arm.name}: nothing is left to tune, so it is compared as declared")


def _tell_unequal(study: AblationStudy, say: Callable[[str], None]) -> None:
    """Say which arms had fewer complete trials than another."""
    complete = {
        arm: found.counts.get(Status.COMPLETE, 0)
        for arm, found in study.definition.tuned.items()
        if found.study is not None
    }
    most = max(complete.values(), default=0)
    for arm, amount in complete.items():
        if amount < most:
            say(f"{arm}: {amount} complete trials in its search, another arm has {most}")
