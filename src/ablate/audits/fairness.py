"""Were the arms treated alike? What differs beside what the study declares and ablates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ablate.audits.codes import between
from ablate.audits.configs import AblationConfigs
from ablate.audits.differences import (
    ABSENT,
    CALLBACKS,
    Comparison,
    Kind,
    comparisons,
    flat,
    listed,
    stem,
)
from ablate.audits.findings import Finding, Severity
from ablate.audits.grouping import grouped
from ablate.audits.values import shown
from ablate.spec import Config

_LENGTH = ("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time")
_TRAINING = (*_LENGTH, "limit_train_batches", "overfit_batches", "fast_dev_run")
_SHARES = {f"trainer.{name}" for name in ("max_epochs", "max_steps", "limit_train_batches")}
_OTHER_LENGTHS = {
    f"trainer.{name}"
    for name in ("min_epochs", "min_steps", "max_time", "overfit_batches", "fast_dev_run")
}
_BATCH_SIZES = ("batch_size", "train_batch_size")
_CHECKS = ("val_check_interval", "check_val_every_n_epoch")
_LOADING = {"num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "batch_size"}
"""Arguments of a datamodule that say how its data are loaded, not which."""
_STOPPING = ("EarlyStopping", "Timer")
_SHOWN = 4
_ROUNDING = 0.1


@dataclass(frozen=True)
class _Rule:
    """A part of the treatment that is to be the same for every arm, perhaps for floors too."""

    code: str
    covers: Callable[[str], bool]
    floors: bool
    advice: str


def _is_data(leaf: str) -> bool:
    name = leaf.rpartition(".")[2]
    return leaf.startswith("data.") and name not in _LOADING and not name.endswith("_batch_size")


def _trainer(*names: str) -> Callable[[str], bool]:
    known = {f"trainer.{name}" for name in names}
    return lambda leaf: leaf in known


_RULES = (
    _Rule(
        "unequal-epochs",
        _trainer(*_TRAINING),
        floors=False,
        advice="train every arm for the same budget, or compare them at equal budget only",
    ),
    _Rule(
        "unequal-stopping",
        _trainer("callbacks"),
        floors=False,
        advice="give every arm the same stopping rule, or none",
    ),
    _Rule(
        "unequal-precision",
        _trainer("precision"),
        floors=False,
        advice="compute every arm in the same precision",
    ),
    _Rule(
        "unequal-validation",
        _trainer("limit_val_batches"),
        floors=True,
        advice="validate every arm on the same share of the same data",
    ),
    _Rule(
        "unequal-validation",
        _trainer(*_CHECKS),
        floors=False,
        advice="validate every arm as often: the best of more looks is better by luck",
    ),
    _Rule(
        "unequal-data",
        _is_data,
        floors=True,
        advice="give every arm the same data: a metric of other examples is another metric",
    ),
)

_UNDECLARED: tuple[tuple[Kind, str, Severity, str, str], ...] = (
    (
        "stray",
        "undeclared-difference",
        "error",
        "and no change declares it",
        "declare the difference in the arm, or give the arms the same value",
    ),
    (
        "lost",
        "undeclared-difference",
        "warning",
        "because one arm's section does not repeat what the other's config says",
        "write the value in that arm's section too",
    ),
    (
        "linked",
        "comes-along",
        "note",
        "as the project's own CLI links it",
        "see that these are what you mean",
    ),
    ("along", "comes-along", "note", "with another class", "see that these are what you mean"),
)

_Value = tuple[str, str]
"""A leaf and its two values, as text."""


@dataclass(frozen=True)
class _Observation:
    """What is found in one comparison, to be joined with the same of others."""

    code: str
    severity: Severity
    leaves: tuple[str, ...]
    pair: Comparison
    says: str
    advice: str


def check_fairness(configs: AblationConfigs) -> list[Finding]:
    """Find where arms differ in more than what they are there to show.

    A difference in treatment is a note if some comparison shows it alone, as then it is what is
    ablated; a warning if it is declared beside others; an error if nothing declares it.
    """
    compared = [
        replace(pair, equal_steps=_same_steps(pair, configs.steps))
        for pair in comparisons(configs.study, configs.resolved)
    ]
    alone = _shown_alone(compared)
    observations = [
        observation
        for pair in compared
        for observation in (*_unequal(pair, alone), *_undeclared(pair), *_confounded(pair, alone))
    ]
    return _joined(observations)


def stopping_rules(callbacks: Any) -> list[str]:
    """Return the callbacks that may end a run early, as text in a fixed order."""
    listing = callbacks if isinstance(callbacks, list) else [callbacks]
    return sorted(
        f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})"
        for item in listing
        if isinstance(item, dict)
        and (name := str(item.get("class_path", "")).rpartition(".")[2]).endswith(_STOPPING)
        and isinstance(arguments := item.get("init_args") or {}, dict)
    )


def _rule(pair: Comparison, leaf: str) -> _Rule | None:
    """Return the rule that a difference breaks, if any."""
    if leaf in _SHARES and pair.equal_steps:
        return None
    if leaf == CALLBACKS:
        before, after = map(stopping_rules, pair.values[leaf])
        if before == after:
            return None
    return next((rule for rule in _RULES if rule.covers(leaf)), None)


def _same_steps(pair: Comparison, known: Mapping[str, int]) -> bool:
    """Say whether two configurations make equally many optimizer steps, whatever the data hold.

    More epochs of larger batches, or of more batches to a step, come to the same. The steps that
    are `known` by arm may be rounded by the last of other batches in every epoch.
    """
    steps = [known[name] for name in pair.names if name in known]
    if len(steps) == len(pair.names):
        batches = any(stem(leaf).endswith(("batch_size", "grad_batches")) for leaf in pair.values)
        return max(steps) - min(steps) <= (_ROUNDING * max(steps) if batches else 0)
    if any(_is_data(leaf) or leaf in _OTHER_LENGTHS for leaf in pair.values):
        return False
    before, after = (_steps(flat(side.resolved)) for side in (pair.other, pair.side))
    return before is not None and before == after


def _steps(leaves: Config) -> tuple[bool, Fraction, Any] | None:
    """Return how many steps a configuration makes, up to a factor, and the most that it may.

    The factor is the number of examples, or nothing where batches are counted. None if epochs,
    batches or the size of a batch are not said.
    """
    epochs, share = leaves.get("trainer.max_epochs"), leaves.get("trainer.limit_train_batches")
    most = leaves.get("trainer.max_steps")
    most = None if most == -1 else most
    if epochs in {None, -1}:
        return None if most is None else (True, Fraction(0), most)
    counted = isinstance(share, int) and not isinstance(share, bool)
    sizes = [
        value
        for leaf, value in leaves.items()
        if leaf.startswith("data.") and leaf.rpartition(".")[2] in _BATCH_SIZES
    ]
    if not counted and (len(sizes) != 1 or not isinstance(sizes[0], int) or sizes[0] < 1):
        return None
    steps = Fraction(epochs) * Fraction(1.0 if share is None else share)
    steps /= leaves.get("trainer.accumulate_grad_batches") or 1
    return counted, steps if counted else steps / sizes[0], most


def _unequal(pair: Comparison, alone: set[_Value]) -> Iterator[_Observation]:
    broken: dict[_Rule, list[str]] = {}
    for leaf in pair.values:
        rule = _rule(pair, leaf)
        if rule is not None and (rule.floors or not pair.floor):
            broken.setdefault(rule, []).append(leaf)
    for rule, leaves in broken.items():
        stray = [leaf for leaf in leaves if pair.kind(leaf) == "stray"]
        if stray:
            severity: Severity = "error"
            says = "and no change declares it"
        elif all(_value(pair, leaf) in alone for leaf in leaves):
            severity, says = "note", "which is what is ablated"
        else:
            severity, says = "warning", "beside other changes"
        yield _Observation(rule.code, severity, tuple(stray or leaves), pair, says, rule.advice)


def _undeclared(pair: Comparison) -> Iterator[_Observation]:
    if pair.floor:
        return
    free = {leaf: pair.kind(leaf) for leaf in pair.values if _rule(pair, leaf) is None}
    for kind, code, severity, says, advice in _UNDECLARED:
        leaves = tuple(leaf for leaf, is_kind in free.items() if is_kind == kind)
        if leaves:
            yield _Observation(code, severity, leaves, pair, says, advice)


def _confounded(pair: Comparison, alone: set[_Value]) -> Iterator[_Observation]:
    """Find tuned numbers that change together with a part of the model."""
    if pair.floor:
        return
    named = [
        leaf for leaf in pair.values if pair.kind(leaf) == "named" and _rule(pair, leaf) is None
    ]
    tuned = [leaf for leaf in named if _is_tuned(pair, leaf)]
    parts = [leaf for leaf in named if leaf not in tuned]
    strange = tuple(leaf for leaf in tuned if _value(pair, leaf) not in alone)
    if parts and strange:
        yield _Observation(
            "confounded",
            "warning",
            strange,
            pair,
            f"together with {listed(parts)}",
            "change one thing per arm, or add an arm with this change alone: "
            "else an effect can't be put down to either",
        )


def _is_tuned(pair: Comparison, leaf: str) -> bool:
    """Say whether a leaf is a number such as a rate, not an argument of another class."""
    values = pair.values[leaf]
    numbers = all(isinstance(value, (int, float)) for value in values)
    return numbers and any(isinstance(v, float) for v in values) and pair.section(leaf) is None


def _shown_alone(compared: Sequence[Comparison]) -> set[_Value]:
    """Return the differences that a comparison shows without any other.

    What one rule covers counts as one thing, and so do a class with its arguments, and keys of one
    name with the same values: a length that model and data both have to know.
    """
    alone: set[_Value] = set()
    for pair in compared:
        topics: dict[_Value, str] = {}
        for leaf in pair.values:
            topics.setdefault(
                (leaf.rpartition(".")[2], repr(pair.values[leaf])), _topic(pair, leaf)
            )
        if not pair.floor and len(set(topics.values())) == 1:
            alone |= {_value(pair, leaf) for leaf in pair.values}
    return alone


def _topic(pair: Comparison, leaf: str) -> str:
    rule = _rule(pair, leaf)
    section = pair.section(leaf) or leaf.removesuffix(".class_path")
    return rule.code if rule else stem(section)


def _value(pair: Comparison, leaf: str) -> _Value:
    return leaf, repr(pair.values[leaf])


def _joined(observations: Sequence[_Observation]) -> list[Finding]:
    """Say once what is seen of several arms about the same keys."""
    groups: dict[tuple[str, ...], list[_Observation]] = {}
    for observation in observations:
        key = (observation.code, observation.severity, observation.says, *observation.leaves)
        groups.setdefault(key, []).append(observation)
    return [_finding(group) for group in groups.values()]


def _finding(group: Sequence[_Observation]) -> Finding:
    first = group[0]
    values = [_values(leaf, group) for leaf in first.leaves[:_SHOWN]]
    if more := len(first.leaves) - len(values):
        values.append(f"and {more} more")
    values_of = {
        name: tuple(_treatment(first.code, leaf, pair.values[leaf][side]) for leaf in first.leaves)
        for side in (1, 0)
        for pair in (observation.pair for observation in group)
        for name in (pair.names[side],)
    }
    return between(
        first.code,
        grouped((treated, name) for name, treated in values_of.items()).values(),
        f"{'; '.join(values)}, {first.says}",
        listed(first.leaves),
        first.advice,
        severity=first.severity,
    )


def _treatment(code: str, leaf: str, value: Any) -> str:
    """Write what counts of a value: arms with the same are treated alike."""
    stops = code == "unequal-stopping" and leaf == CALLBACKS
    return repr(stopping_rules(value) if stops else value)


def _values(leaf: str, group: Sequence[_Observation]) -> str:
    """Write a leaf's values with the arms that have them."""
    by_value: dict[str, dict[str, None]] = {}
    for observation in group:
        for name, value in zip(observation.pair.names, observation.pair.values[leaf], strict=True):
            by_value.setdefault(_shown(leaf, value), {})[name] = None
    text = ", ".join(f"{value} in {' and '.join(names)}" for value, names in by_value.items())
    return f"{leaf.rpartition('.')[2]} is {text}"


def _shown(leaf: str, value: Any) -> str:
    if leaf == CALLBACKS:
        return " + ".join(stopping_rules(value)) or "no early stopping"
    return repr(value) if value is ABSENT else shown(leaf, value)
