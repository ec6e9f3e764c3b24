"""What the evidence of several arms says when it is laid side by side."""

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, TypeVar

from ablate.audit.codes import finding
from ablate.audit.evidence import Evidence, Fault, Scale, Split
from ablate.audit.findings import Finding, Severity

SAME = 1e-5
"""Relative difference up to which the values of two arms are equal."""

SCALE_FACTOR = 3.0
SIZE_FACTOR = 2.0
"""How much sides of two tensors may differ for their spread to be comparable."""

SIZE_SHARE = 0.01
LENGTH_SHARE = 0.01
SATURATED = 0.9
REACHED = 0.95
SHOWN = 3

ADVICE = {
    "same-function": "compare them as replicates: their gap is noise, not an effect",
    "dead-key": "remove the key, or make the module read it",
    "sees-the-future": "mask later positions in every attention, and shift the targets",
    "padding-matters": "mask the padding in attention, pooling and normalisation",
    "neighbours-matter": "compute each example on its own: no statistics over the batch",
    "metric-depends-on-batch": "average over examples or cells of the whole set, not over batches",
    "train-val-overlap": "split by content, or drop the duplicates from one side",
    "query-in-own-context": "choose the context among the other examples",
    "context-from-validation": "choose the context among training examples",
    "no-gradient": "use these parameters, freeze them, or remove them",
    "initial-loss-far-from-chance": "start with outputs near zero: check initial values, scaling",
    "unequal-initial-scale": "initialise the arms by one rule",
    "unequal-dropout": "apply the same dropout in all arms, or make it the component",
    "unequal-parameters": "match the sizes, or report them beside the effect",
    "nondeterministic": "seed every random number and set trainer.deterministic",
    "seed-has-no-effect": "let seed_everything decide the initial values or the data order",
    "property-violated": "correct the component, or name it for what it does",
    "unequal-validation-examples": "score the same examples in all arms",
    "unequal-train-examples": "train all arms on the same examples, or declare the data in the arm",
    "unequal-lengths": "filter the data in all arms alike",
    "floor-saturates-metric": "report a metric that a trivial predictor cannot reach",
    "probe-not-run": "check by hand what the probe would have checked",
}

SLIGHT: dict[str, Severity] = {
    "metric-depends-on-batch": "note",
    "no-gradient": "note",
    "train-val-overlap": "warning",
}
"""How severe a fault is that the probes call slight."""

Direction = Literal["minimize", "maximize"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Declared:
    """What a study says of its arms.

    `changes` are the paths that each arm declares, `metrics` what is reported, and which way is
    better. `reached` holds the best values known for trained arms, published or recorded.
    """

    changes: Mapping[str, Collection[str]] = field(default_factory=dict)
    metrics: Mapping[str, Direction] = field(default_factory=dict)
    reached: Mapping[str, float] = field(default_factory=dict)


def compare(arms: Mapping[str, Evidence], declared: Declared) -> list[Finding]:
    """Return what the evidence of the arms of a study says against comparing them."""
    learned = {name: each for name, each in arms.items() if each.parameters}
    return [
        *_faults(arms),
        *_same_function(learned),
        *_dead_keys(learned, declared),
        *_scales(learned),
        *_dropout(learned, declared),
        *_sizes(learned),
        *_data(arms, learned, declared),
        *_floors({n: each for n, each in arms.items() if n not in learned}, declared),
        *_not_run(arms),
    ]


def _found(
    code: str, arms: Iterable[str], what: str, where: str, severity: Severity | None = None
) -> Finding:
    return finding(code, tuple(arms), what, where, ADVICE[code], severity=severity)


def _grouped(items: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    groups: dict[Key, list[str]] = {}
    for key, arm in items:
        groups.setdefault(key, []).append(arm)
    return groups


def _faults(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Put equal faults of several arms into one finding."""
    kinds: dict[tuple[str, str, bool], dict[str, Fault]] = {}
    for arm, evidence in arms.items():
        for fault in evidence.faults:
            kinds.setdefault((fault.code, fault.where, fault.slight), {})[arm] = fault
    for (code, where, slight), faults in kinds.items():
        told = _told(_grouped((fault.what, arm) for arm, fault in faults.items()))
        yield _found(code, faults, told, where, SLIGHT.get(code) if slight else None)


def _told(texts: Mapping[str, Sequence[str]]) -> str:
    """Tell once what is common to all arms, else by arms, a few of the texts."""
    if len(texts) == 1:
        return next(iter(texts))
    told = "; ".join(f"{', '.join(arms)}: {text}" for text, arms in list(texts.items())[:SHOWN])
    rest = [arm for arms in list(texts.values())[SHOWN:] for arm in arms]
    return told + (f"; and likewise {', '.join(rest)}" if rest else "")


def _not_run(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    groups = _grouped(
        ((probe, reason), arm)
        for arm, evidence in arms.items()
        for probe, reason in evidence.skipped.items()
    )
    for (probe, reason), names in groups.items():
        yield _found("probe-not-run", names, f"{probe}: {reason}", probe)


def _close(left: float, right: float) -> bool:
    if math.isfinite(left) and math.isfinite(right):
        return math.isclose(left, right, rel_tol=SAME, abs_tol=SAME)
    return False


def _agree(left: Sequence[Mapping[str, float]], right: Sequence[Mapping[str, float]]) -> bool:
    """Say whether values of the same names are close, and there are any."""
    if len(left) != len(right):
        return False
    pairs = [(a[n], b[n]) for a, b in zip(left, right, strict=True) for n in a if n in b]
    return bool(pairs) and all(_close(a, b) for a, b in pairs)


def _start_alike(left: Sequence[Scale], right: Sequence[Scale]) -> bool:
    """Say whether tensors in the same order have standard deviations that chance may tell apart."""
    return len(left) == len(right) and all(
        math.isclose(a.std, b.std, rel_tol=5 / math.sqrt(math.prod(a.shape)), abs_tol=SAME)
        for a, b in zip(left, right, strict=True)
    )


def same_function(left: Evidence, right: Evidence) -> bool:
    """Say whether two arms compute the same and are trained alike, given the same weights.

    They say the same of themselves. Their parameters have equal shapes in the same order and start
    at about equal scales. The losses and metrics with two sets of canonical weights agree, and
    those of the first steps of training, random numbers included.
    """
    return (
        bool(left.shapes)
        and left.shapes == right.shapes
        and left.elsewhere == right.elsewhere
        and left.config != right.config
        and left.settings == right.settings
        and _start_alike(left.scales, right.scales)
        and left.train.digest == right.train.digest
        and left.val.digest == right.val.digest
        and _agree(left.responses, right.responses)
        and _agree(left.trace, right.trace)
    )


def _same_function(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    seen: set[str] = set()
    for name, evidence in arms.items():
        if name in seen:
            continue
        same = [name, *(n for n, e in arms.items() if n != name and same_function(evidence, e))]
        seen |= set(same)
        if len(same) > 1:
            yield _found(
                "same-function",
                same,
                "given the same weights they compute the same losses and metrics, step by step: "
                "one is a replicate of the other and measures the noise floor",
                "model",
            )


def _dead_keys(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    mine = _grouped(
        (path, arm)
        for arm, evidence in arms.items()
        for path in declared.changes.get(arm, ())
        if evidence.keys.get(path) == "dead"
    )
    for path, names in mine.items():
        what = (
            f"with another value of {path} nothing is seen to change: neither modules nor outputs, "
            "steps of training or learning rates"
        )
        yield _found("dead-key", names, what, path)
    read = {path for each in arms.values() for path, seen in each.keys.items() if seen != "dead"}
    everywhere = sorted({path for each in arms.values() for path in each.keys} - read - set(mine))
    if everywhere:
        what = f"in no arm was anything seen to change with {', '.join(everywhere)}"
        yield _found("dead-key", arms, what, everywhere[0], "note")


def _comparable(left: Scale, right: Scale) -> bool:
    """Say whether two tensors of one name are of about one size."""
    if len(left.shape) != len(right.shape):
        return False
    sides = zip(left.shape, right.shape, strict=True)
    return all(max(a, b) <= SIZE_FACTOR * min(a, b) for a, b in sides)


def _scales(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    tensors: dict[str, dict[str, Scale]] = {}
    for arm, evidence in arms.items():
        for scale in evidence.scales:
            if scale.std > 0:
                tensors.setdefault(scale.name, {})[arm] = scale
    apart: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for name, scales in tensors.items():
        pairs = [
            pair for pair in combinations(scales, 2) if _comparable(*(scales[a] for a in pair))
        ]
        ratios = {pair: _ratio(*(scales[a].std for a in pair)) for pair in pairs}
        far = [pair for pair in pairs if ratios[pair] > SCALE_FACTOR]
        if far:
            names = tuple(arm for arm in scales if any(arm in pair for pair in far))
            stds = ", ".join(f"{arm} {scales[arm].std:.3g}" for arm in names)
            worst = max(ratios[pair] for pair in far)
            apart.setdefault(names, []).append((worst, f"{name} ({stds})"))
    for names, found in apart.items():
        worst, text = max(found)
        more = f", and {len(found) - 1} more tensors less so" if len(found) > 1 else ""
        what = f"initial values spread up to {worst:.1f} times apart: {text}{more}"
        yield _found("unequal-initial-scale", names, what, text.split(" ")[0])


def _ratio(left: float, right: float) -> float:
    return max(left, right) / min(left, right)


def _dropout(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Compare the dropout of parts of the same name; a layer more or less does not count."""
    counted = {
        arm: evidence
        for arm, evidence in arms.items()
        if not _all_about(declared.changes.get(arm, ()), "dropout")
    }
    parts: dict[str, dict[str, tuple[tuple[float, ...], int]]] = {}
    for arm, evidence in counted.items():
        for use in evidence.dropouts:
            parts.setdefault(use.component, {})[arm] = (use.rates, use.layers)
    for part, uses in parts.items():
        if any(_unlike(a, b) for a, b in combinations(uses.values(), 2)):
            groups = _grouped((_dose(rates), arm) for arm, (rates, _) in uses.items())
            what = "; ".join(f"{dose} in {', '.join(names)}" for dose, names in groups.items())
            yield _found("unequal-dropout", uses, f"{part}: {what}", part)


def _all_about(changes: Collection[str], word: str) -> bool:
    return bool(changes) and all(word in path.rsplit(".", 1)[-1] for path in changes)


def _unlike(left: tuple[tuple[float, ...], int], right: tuple[tuple[float, ...], int]) -> bool:
    (mine, layers), (others, other_layers) = left, right
    return set(mine) != set(others) or (layers == other_layers and len(mine) != len(others))


def _dose(rates: Sequence[float]) -> str:
    if not rates:
        return "none"
    return ", ".join(f"{rate:.6g} ({rates.count(rate)}x)" for rate in sorted(set(rates)))


def _sizes(arms: Mapping[str, Evidence]) -> Iterator[Finding]:
    if len(arms) < 2:
        return
    texts = []
    for unit, sizes in (
        ("parameters", {arm: each.parameters for arm, each in arms.items()}),
        ("FLOPs per example", {arm: each.flops or 0 for arm, each in arms.items()}),
    ):
        least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        if sizes[least] and sizes[most] - sizes[least] > SIZE_SHARE * sizes[most]:
            texts.append(f"{sizes[least]:,} {unit} in {least}, {sizes[most]:,} in {most}")
    if not texts:
        return
    owners = _grouped((part.path, arm) for arm, each in arms.items() for part in each.components)
    extra = [f"{path} only in {', '.join(o)}" for path, o in owners.items() if len(o) < len(arms)]
    what = "; ".join([*texts, *extra])
    yield _found("unequal-parameters", arms, what, "model")


def _data(
    arms: Mapping[str, Evidence], learned: Mapping[str, Evidence], declared: Declared
) -> Iterator[Finding]:
    val = {arm: each.val for arm, each in arms.items() if each.val.digest}
    train = {arm: each.train for arm, each in learned.items() if each.train.digest}
    if odd := _odd(val, "digest"):
        severity: Severity | None = "warning" if _meant(odd, declared) else None
        yield _found("unequal-validation-examples", val, _counts(val), "data", severity)
    if odd := _odd(train, "digest"):
        severity = "note" if _meant(odd, declared) else None
        yield _found("unequal-train-examples", train, _counts(train), "data", severity)
    elif _odd(train, "order"):
        what = "they see the same examples in another order, with the same seed"
        yield _found("unequal-train-examples", train, what, "data", "note")
    for name, splits in (("training", train), ("validation", val)):
        lengths = {arm: split for arm, split in splits.items() if split.mean_length}
        if odd := _odd_lengths(lengths):
            texts = {
                arm: f"mean {split.mean_length or 0:.4g}, longest {split.longest}"
                for arm, split in lengths.items()
            }
            groups = _grouped((text, arm) for arm, text in texts.items())
            told = "; ".join(f"{text} in {', '.join(names)}" for text, names in groups.items())
            severity = "note" if _meant(odd, declared) else None
            yield _found("unequal-lengths", lengths, f"{name}: {told}", "data", severity)


def _odd(splits: Mapping[str, Split], what: Literal["digest", "order"]) -> list[str]:
    """Name the arms that differ from the first in what they see."""
    values = {arm: getattr(split, what) for arm, split in splits.items()}
    first = next(iter(values.values()), None)
    return [arm for arm, value in values.items() if value != first]


def _odd_lengths(splits: Mapping[str, Split]) -> list[str]:
    first = next(iter(splits.values()), None)
    return [
        arm
        for arm, split in splits.items()
        if first is not None
        and _ratio(split.mean_length or 1.0, first.mean_length or 1.0) > 1 + LENGTH_SHARE
    ]


def _meant(odd: Sequence[str], declared: Declared) -> bool:
    """Say whether every arm that differs declares a change of the data."""
    return all(any(p.startswith("data") for p in declared.changes.get(arm, ())) for arm in odd)


def _counts(splits: Mapping[str, Split]) -> str:
    groups = _grouped(((s.digest, s.examples), arm) for arm, s in splits.items())
    return "; ".join(
        f"{'unknown many' if count is None else count} examples in {', '.join(names)}"
        for (_, count), names in groups.items()
    )


def _floors(floors: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find metrics at which a predictor without parameters leaves nothing to gain."""
    for metric, direction in declared.metrics.items():
        values = {a: e.metrics[metric] for a, e in floors.items() if metric in e.metrics}
        if not values:
            continue
        pick = max if direction == "maximize" else min
        best = pick(values, key=values.__getitem__)
        value = values[best]
        share = direction == "maximize" and all(0 <= each <= 1 for each in values.values())
        reached = declared.reached.get(metric)
        text = f"without a parameter, {best} has {metric} {value:.4g}"
        if reached is not None and _matches(value, reached, direction):
            what = f"{text}; the best known of a trained arm is {reached:.4g}"
            yield _found("floor-saturates-metric", [best], what, f"metric {metric}")
        elif share and value >= SATURATED:
            what = f"{text} of at most 1"
            yield _found("floor-saturates-metric", [best], what, f"metric {metric}")


def _matches(floor: float, reached: float, direction: Direction) -> bool:
    if direction == "maximize":
        return floor >= REACHED * reached
    return floor * REACHED <= reached
