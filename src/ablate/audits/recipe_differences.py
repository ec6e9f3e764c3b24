"""Where recipes differ, beside what the declared keys of their arms explain."""

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ablate.run.recipe import Recipe

_STRUCTURE = {"init_args", "class_path", "dict_kwargs"}
_SAME = 0.02
_ROUNDING = 0.1
_LONGER = 1.5
"""How far above another arm's clipping a gradient must be that nobody has clipped."""

_RATE = frozenset({"lr", "lrs", "learning"})
_SCHEDULE = frozenset(
    {"scheduler", "schedulers", "schedule", "sched", "warmup", "cosine", "anneal", "annealing"}
    | {"decay", "lr", "lrs", "learning", "restarts", "cycle", "plateau"}
)
_OPTIMIZER = frozenset({"optimizer", "optimizers", "optimiser", "optim", "opt"})
_WORDS: dict[str, frozenset[str]] = {
    "lr": _RATE,
    "weight_decay": frozenset({"wd", "decay", "l2", "regularization", "regularisation"}),
    "betas": frozenset({"beta", "betas", "beta1", "beta2", "momentum", "scheduler"}),
    "momentum": frozenset({"momentum", "beta", "scheduler"}),
    "eps": frozenset({"eps", "epsilon"}),
}
"""Words by which a key of a config names a setting of an optimizer, beside the setting's own.

A schedule may move momenta, too.
"""

_SCHEDULED = ("lr", "betas", "momentum")
"""What a schedule sets from the first step on."""

_ACCUMULATION = frozenset({"accumulate", "accumulation", "accum", "grad", "batch", "batches", "bs"})
_CLIPPING = frozenset({"clip", "clipping", "grad", "gradient", "norm"})
_PRECISION = frozenset(
    {"precision", "dtype", "amp", "autocast", "mixed", "half", "fp16", "bf16", "float16"}
    | {"bfloat16", "float64", "double", "quantize", "quantization", "quant"}
)
_REDUCTION = frozenset({"reduction", "reduce"})
_CHOOSES_LOSS = frozenset({"loss", "criterion", "objective"})
_REDUCTIONS = ("sum", "mean", "batchmean")
_LENGTH = frozenset(
    {"epochs", "steps", "time", "limit", "train", "overfit", "stopping", "patience", "iterations"}
)


@dataclass(frozen=True)
class Difference:
    """A thing that arms do differently: what it is, each value with its arms, and where."""

    aspect: str
    values: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are set apart."""
        return tuple(arm for _, arms in self.values for arm in arms)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The arms of each value."""
        return tuple(arms for _, arms in self.values)

    def told(self) -> str:
        """Write the values with their arms."""
        return f"{self.aspect}: " + ", ".join(
            f"{value} in {' and '.join(arms)}" for value, arms in self.values
        )


Changes = Mapping[str, Mapping[str, Any]]
"""The paths that arms declare, and the values that they give them, by arm."""

_COMMON = frozenset({0.0, 1.0})
"""Numbers that many keys have: one of them says nothing of another key."""


def differences(recipes: Mapping[str, Recipe], changes: Changes) -> Iterator[Difference]:
    """Find what arms do differently and no declared key of theirs explains.

    A key explains what its own name, or that of the object whose class it is, speaks of, and a
    number of a recipe that is its own value.
    """
    known = {arm: _said(changes.get(arm, {})) for arm in recipes}
    numbers = {arm: _numbers(changes.get(arm, {})) for arm in recipes}

    def apart(
        aspect: str, words: Collection[str], value: Callable[[Recipe], Hashable], write: Any = str
    ) -> Iterator[Difference]:
        left = {arm: r for arm, r in recipes.items() if not known[arm] & frozenset(words)}
        yield from _apart(aspect, {arm: value(recipe) for arm, recipe in left.items()}, write)

    schedules = [*apart("schedules of the learning rate", _SCHEDULE, _schedules)]
    yield from _of_optimizers(recipes, known, numbers, _SCHEDULED if schedules else ())
    yield from schedules
    yield from _rates(recipes, known, numbers)
    yield from apart("batches per optimizer step", _ACCUMULATION, lambda r: r.accumulation)
    yield from _batches(
        {a: r for a, r in recipes.items() if not known[a] & _ACCUMULATION and not _data(a, changes)}
    )
    yield from _clipping(
        {
            a: r
            for a, r in recipes.items()
            if not known[a] & _CLIPPING and not _is_among(r.clip, numbers[a])
        }
    )
    yield from apart("precision", _PRECISION, lambda r: " and ".join(r.dtypes) or None)
    # a key that chooses a loss speaks of its reduction only if its value does
    silent = {arm: r for arm, r in recipes.items() if not _says_reduction(changes.get(arm, {}))}
    reductions = {a: r.reduction for a, r in silent.items() if not known[a] & _REDUCTION}
    yield from _apart("reduction of the loss over the batch", reductions)


def length_is_declared(arm: str, changes: Changes) -> bool:
    """Say whether an arm declares how long it is trained."""
    return any(
        path.startswith("trainer.") and _said([path]) & _LENGTH for path in changes.get(arm, {})
    )


def data_is_declared(arm: str, changes: Changes) -> bool:
    """Say whether an arm declares other data, and not only how they are put into batches."""
    return any(
        path.startswith("data.") and "batch" not in _said([path]) for path in changes.get(arm, {})
    )


def _said(declared: Collection[str]) -> frozenset[str]:
    """Return the words by which declared keys speak of what they change."""
    words: set[str] = set()
    for path in declared:
        parts = [part.partition("[")[0] for part in path.split(".")]
        speaking = [part for part in parts if part not in _STRUCTURE]
        if not speaking:
            continue
        words |= _of_key(speaking[-1])
        if any(_split(part) & {"scheduler", "schedule", "sched"} for part in speaking):
            words |= {"scheduler", "lr"}
    return frozenset(words)


def _numbers(declared: Mapping[str, Any]) -> frozenset[float]:
    """Return the numbers that declared keys are given, but for those that say nothing."""
    held: list[Any] = [*declared.values()]
    found = set()
    while held:
        value = held.pop()
        if isinstance(value, Mapping):
            held += value.values()
        elif isinstance(value, list | tuple):
            held += value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(float(value))
    return frozenset(found) - _COMMON


def _says_reduction(declared: Mapping[str, Any]) -> bool:
    return any(
        _said([path]) & _CHOOSES_LOSS and _split(str(value)) & {*_REDUCTION, *_REDUCTIONS}
        for path, value in declared.items()
    )


def _is_among(value: Any, numbers: frozenset[float]) -> bool:
    return isinstance(value, int | float) and value in numbers


def _of_key(name: str) -> set[str]:
    """Split a key's name; what decays is a weight, an average, or else the learning rate."""
    words = _split(name)
    if "decay" in words and words & {"weight", "ema"}:
        return words if "weight" in words else words - {"decay"}
    return words | {"lr"} if "decay" in words else words


def _split(name: str) -> set[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return {word.lower() for word in re.split(r"[^A-Za-z0-9]+", apart) if word}


def _apart(
    aspect: str, values: Mapping[str, Hashable], write: Callable[[Any], str] = str
) -> Iterator[Difference]:
    """Tell arms apart by a value; those without one are left out."""
    groups: dict[Hashable, list[str]] = {}
    for arm, value in values.items():
        if value is not None:
            groups.setdefault(value, []).append(arm)
    if len(groups) > 1:
        yield Difference(aspect, tuple((write(value), tuple(a)) for value, a in groups.items()))


# --- optimizers --------------------------------------------------------------------------

_Settings = Mapping[str, Mapping[str, Any]]
"""The settings of every parameter by its name, the optimizer among them."""


def _by_name(recipe: Recipe) -> dict[str, dict[str, Any]]:
    return {
        name: {"optimizer": group.optimizer, **group.settings}
        for group in recipe.groups
        for name in group.names
    }


def _of_optimizers(
    recipes: Mapping[str, Recipe],
    known: Mapping[str, frozenset[str]],
    numbers: Mapping[str, frozenset[float]],
    without: Collection[str],
) -> Iterator[Difference]:
    """Compare the optimizers of parameters of one name, or of all where no name is shared."""
    settings = {arm: _by_name(recipe) for arm, recipe in recipes.items() if recipe.groups}
    kinds = {g.optimizer for recipe in recipes.values() for g in recipe.groups}
    of_kind = _OPTIMIZER | {word for kind in kinds for word in (kind.lower(), *_split(kind))}
    free = {arm: found for arm, found in settings.items() if not known[arm] & of_kind}
    apart = list(_unequal("optimizer", free, numbers))
    yield from apart
    if apart:
        return
    names = dict.fromkeys(n for found in free.values() for each in found.values() for n in each)
    for name in names:
        if name not in {"optimizer", *without}:
            left = {arm: each for arm, each in free.items() if not _speaks(known[arm], name)}
            found = list(_unequal(name, left, numbers))
            yield from found
            if name == "weight_decay" and not found:
                yield from _decayed_gains({arm: recipes[arm] for arm in left})


def _decayed_gains(recipes: Mapping[str, Recipe]) -> Iterator[Difference]:
    """Find arms that decay the gains of norms, whatever they are called, where others spare them.

    An optimizer that decays everything alike has no opinion on gains.
    """
    values: dict[str, str] = {}
    for arm, recipe in recipes.items():
        decays = {group.settings.get("weight_decay") for group in recipe.groups if group.names}
        gains = {group.settings.get("weight_decay") for group in recipe.groups if group.gains}
        if len(decays) > 1 and gains:
            values[arm] = " and ".join(sorted(_written(decay) for decay in gains))
    yield from _apart("weight_decay of gains of norms", values)


def _speaks(words: frozenset[str], setting: str) -> bool:
    return bool(words & _WORDS.get(setting, frozenset())) or words >= {*setting.split("_")}


def _unequal(
    setting: str, arms: Mapping[str, _Settings], numbers: Mapping[str, frozenset[float]]
) -> Iterator[Difference]:
    """Find arms that give a setting another value than the first for a parameter of both.

    `numbers` are those that the arms declare: a setting that is one of them is no news.
    """
    if len(arms) < 2:
        return
    first, *others = arms
    for name in arms[first]:
        values = {
            arm: _written(found[name][setting])
            for arm, found in arms.items()
            if name in found
            and setting in found[name]
            and not _is_among(found[name][setting], numbers[arm])
        }
        if found := list(_apart(f"{setting} of {name}", values)):
            yield from found
            return
    for other in others:
        if arms[first].keys() & arms[other].keys():
            continue
        left, right = (
            {_written(each[setting]) for each in arms[arm].values() if setting in each}
            for arm in (first, other)
        )
        if left and right and not left & right:
            pairs = ((" and ".join(sorted(v)), (a,)) for v, a in ((left, first), (right, other)))
            yield Difference(setting, tuple(pairs))
            return


def _written(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# --- schedules, clipping -----------------------------------------------------------------


def _schedules(recipe: Recipe) -> str | None:
    """Name the schedules and their pace; None for a recipe without optimizers."""
    if not recipe.groups:
        return None
    named = {f"{s.kind}{f' by {s.pace}' if s.pace else ''}" for s in recipe.schedules}
    return " and ".join(sorted(named)) or "none"


def _rates(
    recipes: Mapping[str, Recipe],
    known: Mapping[str, frozenset[str]],
    numbers: Mapping[str, frozenset[float]],
) -> Iterator[Difference]:
    """Compare the rates of schedules of one kind and length over the run, and their peaks."""
    free = {arm: r for arm, r in recipes.items() if not known[arm] & (_SCHEDULE | _OPTIMIZER)}
    if len({_schedules(recipe) for recipe in free.values()} - {None}) > 1:
        return
    shapes: dict[tuple[Any, ...], dict[str, tuple[float, ...]]] = {}
    for arm, recipe in free.items():
        for place, found in enumerate(recipe.schedules):
            if found.rates:
                key = place, found.kind, found.pace, found.steps
                shapes.setdefault(key, {})[arm] = found.rates
    for (_, kind, *_), arms in shapes.items():
        values = {arm: _near(rates, arms.values()) for arm, rates in arms.items()}
        yield from _apart(f"rates of {kind} at each quarter of the run", values, _shares)
    peaks = {
        arm: recipe.peak
        for arm, recipe in free.items()
        if recipe.peak is not None and not _is_among(recipe.peak, numbers[arm])
    }
    near = {arm: _near((peak,), [(p,) for p in peaks.values()]) for arm, peak in peaks.items()}
    yield from _apart("highest learning rate", near, lambda value: f"{value[0]:.4g}")


def _near(value: tuple[float, ...], known: Any, share: float = _SAME) -> tuple[float, ...]:
    """Return the first of some values that is about as another."""
    return next(
        one
        for one in known
        if len(one) == len(value)
        and all(abs(a - b) <= share * max(abs(a), abs(b)) for a, b in zip(one, value, strict=True))
    )


def _batches(recipes: Mapping[str, Recipe]) -> Iterator[Difference]:
    """Compare how many examples a step is made of, where batches per step are equally many."""
    if len({r.accumulation for r in recipes.values()} - {None}) > 1:
        return
    sizes = {arm: (float(r.examples),) for arm, r in recipes.items() if r.examples is not None}
    near = {arm: _near(size, sizes.values(), _ROUNDING) for arm, size in sizes.items()}
    yield from _apart("examples per optimizer step", near, lambda value: f"{value[0]:.4g}")


def _data(arm: str, changes: Changes) -> bool:
    return any(path.startswith("data") for path in changes.get(arm, {}))


def _shares(rates: tuple[float, ...]) -> str:
    return "/".join(f"{rate:.2g}" for rate in rates)


def _clipping(recipes: Mapping[str, Recipe]) -> Iterator[Difference]:
    """Compare the norms to which gradients are cut, and find those that nobody cuts."""
    clips = {arm: recipe.clip for arm, recipe in recipes.items() if recipe.clip is not None}
    if not clips:
        return
    least = max(clips.values())
    free = {
        arm: "none"
        for arm, recipe in recipes.items()
        if recipe.clip is None and recipe.norm is not None and recipe.norm > _LONGER * least
    }
    near = {arm: _near((clip,), [(c,) for c in clips.values()]) for arm, clip in clips.items()}
    cut = {arm: f"{value[0]:.3g}" for arm, value in near.items()}
    yield from _apart("norm at which gradients are clipped", cut | free)
