"""What runs recorded of their training: recipes, lengths, and gradients that are always cut."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from ablate.audits.codes import between, finding
from ablate.audits.differences import flat, stem
from ablate.audits.fairness import stopping_rules
from ablate.audits.findings import Finding, Severity
from ablate.audits.grouping import alike
from ablate.audits.recipe_differences import data_is_declared, differences
from ablate.audits.recorded import RecordedRuns, arms_of, grouped, named
from ablate.run.recipe import Recipe
from ablate.spec import Status, canonical_json
from ablate.store import RunRecord

FEWEST = 10
OVERSHOOT = 2.0
"""From how many measured gradients on, and how far above the clipping, all of them count."""

_ROUNDING = 0.1


def check_recipes(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms whose runs trained by other recipes, though their configurations do not say so."""
    of_arm: dict[str, Recipe] = {}
    configs: dict[str, Mapping[str, Any]] = {}
    for run in recorded.compared:
        if run.arm is not None and run.arm not in of_arm and (seen := _recipe(recorded, run)):
            of_arm[run.arm], configs[run.arm] = seen, run.config or {}
    for found in differences(of_arm, _changes(configs)):
        yield between(
            "recipe-differs",
            found.groups,
            f"as recorded, {found.told()}, and no key of their configurations says so",
            found.aspect,
            "see what else sets it, and train all arms by one recipe or declare the difference",
        )


def check_clipping(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms of which every gradient that was measured is far longer than the clipping."""
    seen: dict[str, list[Recipe]] = {}
    for run in recorded.compared:
        recipe = _recipe(recorded, run)
        if run.arm is not None and recipe is not None and recipe.norm is not None:
            seen.setdefault(run.arm, []).append(recipe)
    cut = {arm: recipes for arm, recipes in seen.items() if all(map(_always_cut, recipes))}
    if cut:
        text = "; ".join(
            f"{arm}: {sum(r.measured for r in recipes)} gradients, the shortest of a norm of "
            f"{min(r.norm or 0.0 for r in recipes):.3g}, cut to {median(_clips(recipes)):.3g}"
            for arm, recipes in cut.items()
        )
        yield finding(
            "clipped-throughout",
            cut,
            f"every gradient that was measured is clipped: {text}",
            "trainer.gradient_clip_val",
            "raise the clipping norm, or scale the loss: the learning rate alone sets the steps",
        )


def check_lengths(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find compared runs of different lengths: in optimizer steps, or in epochs without them."""
    done = [run for run in recorded.compared if run.status is Status.COMPLETE]
    lengths = {run.id: _length(recorded, run) for run in done}
    done = [run for run in done if lengths[run.id].known]
    by_seed: dict[str, dict[int, _Length]] = {}
    for run in done:
        if run.arm is not None:
            by_seed.setdefault(run.arm, {})[run.seed] = lengths[run.id]

    def apart(arm: str, other: str) -> bool:
        one, two = by_seed[arm], by_seed[other]
        return not all(_alike([one[seed], two[seed]]) for seed in one.keys() & two.keys())

    alike_arms = alike(by_seed, apart)
    if not alike_arms:
        return
    rules = {canonical_json(_stopping(run)) for run in done}
    same_rule = len(rules) == 1 and rules != {"[]"} and len({_budget(run) for run in done}) == 1
    groups = grouped(sorted(done, key=lambda run: lengths[run.id].key), lambda r: lengths[r.id])
    text = ", ".join(f"{length.told()} in {named(runs)}" for length, runs in groups.items())
    same_epochs = len({run.epochs for run in done}) == 1
    other_data = same_epochs and _data_say_so(done, list(lengths.values()))
    why = (
        ", by the same stopping rule"
        if same_rule
        else ", as their data differ"
        if other_data
        else ": equal epochs of other batches"
        if same_epochs
        else ""
    )
    severity: Severity | None = "note" if same_rule or other_data else None
    yield between(
        "unequal-run-lengths",
        alike_arms,
        text + why,
        "optimizer steps" if all(lengths[run.id].steps for run in done) else "epochs",
        "compare at equal budget: the best of more steps is better by luck alone",
        severity=severity,
    )


class _Length(NamedTuple):
    """How long a run has trained; what is not known is None.

    Without a recorded recipe the steps of all optimizers are counted together.
    """

    steps: int | None
    epochs: int | None
    seen: int | None
    recorded: bool

    @property
    def known(self) -> bool:
        return self.steps is not None or self.epochs is not None

    @property
    def key(self) -> tuple[int, int]:
        return self.steps or 0, self.epochs or 0

    def told(self) -> str:
        epochs = "" if self.epochs is None else f"{self.epochs} epochs"
        if self.steps is None:
            return epochs
        seen = "" if self.seen is None else f" on {self.seen} examples"
        return f"{self.steps} steps{seen}" + (f" ({epochs})" if epochs else "")


def _length(recorded: RecordedRuns, run: RunRecord) -> _Length:
    recipe = _recipe(recorded, run)
    if recipe is None or recipe.steps is None:
        return _Length(run.steps, run.epochs, None, recorded=False)
    return _Length(recipe.steps, run.epochs, recipe.seen, recorded=True)


def _alike(lengths: Sequence[_Length]) -> bool:
    """Say whether lengths are equal, but for what the last of other batches are rounded to."""
    steps, epochs = ([getattr(length, name) for length in lengths] for name in ("steps", "epochs"))
    if len(set(steps)) < 2 and None not in steps:
        return True
    if not all(length.recorded for length in lengths):
        return len(set(epochs)) < 2
    batches = [(length.seen or 0) / (length.steps or 1) for length in lengths]
    if len(set(epochs)) < 2 or max(batches) - min(batches) <= _ROUNDING * max(batches):
        return False
    return bool(max(steps) - min(steps) <= min(max(epochs), _ROUNDING * max(steps)))


def _data_say_so(runs: Sequence[RunRecord], lengths: Sequence[_Length]) -> bool:
    """Say whether runs of equal epochs have other numbers of examples, as their arms declare."""
    seen = {length.seen for length in lengths}
    if None not in seen and len(seen) < 2:
        return False
    changes = _changes({str(run.arm): run.config or {} for run in runs})
    return any(data_is_declared(arm, changes) for arm in arms_of(runs))


def _changes(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the configuration of each arm has where it differs from the first's."""
    leaves = {arm: flat(dict(config)) for arm, config in configs.items()}
    first = next(iter(leaves.values()), {})
    return {
        arm: {
            stem(path): own.get(path)
            for path in dict.fromkeys([*first, *own])
            if own.get(path, _NOTHING) != first.get(path, _NOTHING)
        }
        for arm, own in leaves.items()
    }


_NOTHING = object()


def _recipe(recorded: RecordedRuns, run: RunRecord) -> Recipe | None:
    return Recipe.recorded(recorded.facts.get(run.id, {}))


def _always_cut(recipe: Recipe) -> bool:
    clip, norm = recipe.clip, recipe.norm
    return (
        clip is not None
        and norm is not None
        and recipe.measured >= FEWEST
        and norm >= OVERSHOOT * clip
    )


def _clips(recipes: Sequence[Recipe]) -> list[float]:
    return [recipe.clip for recipe in recipes if recipe.clip is not None]


def _stopping(run: RunRecord) -> list[str]:
    return stopping_rules(((run.config or {}).get("trainer") or {}).get("callbacks"))


def _budget(run: RunRecord) -> str:
    trainer = (run.config or {}).get("trainer") or {}
    return canonical_json([trainer.get("max_epochs"), trainer.get("max_steps")])
