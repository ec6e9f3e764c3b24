"""How every number of a report was computed, with its formula."""

from collections.abc import Iterable, Iterator

from ablate.analysis import Comparison, Conclusions, Method, Relation
from ablate.reports.anchors import code_link
from ablate.reports.blocks import Bullets, Code, Inline, Section

Item = tuple[Inline, ...]

TESTS: dict[Method, Item] = {
    Method.SIGN_FLIP: (
        "Exact sign-flip test of paired differences: p is the share of the ",
        Code("2^n"),
        " ways to choose their signs whose mean is at least as far from 0 as the one found "
        "(Fisher 1935). The smallest p of n pairs is ",
        Code("2 / 2^n"),
        ".",
    ),
    Method.PAIRED_T: (
        "Paired t test, where n pairs are too few for an exact test to reach 0.05 after Holm: ",
        Code("t = d / (s / sqrt(n))"),
        " with n - 1 degrees of freedom, d the mean and s the standard deviation of the "
        "differences by seed. s is no lower than the median s of all comparisons on the metric "
        "(one that is raised to it counts with twice its degrees of freedom), and no lower than "
        "what rounding to whole examples makes of it.",
    ),
    Method.PERMUTATION: (
        "Exact permutation test of unpaired values: p is the share of the ways to choose which "
        "values are the arm's whose Welch t is at least as far from 0 as the one found (Janssen "
        "1997).",
    ),
    Method.WELCH_T: (
        "Welch's t test of unpaired values: ",
        Code("t = d / sqrt(s1^2 / n1 + s2^2 / n2)"),
        ", with Satterthwaite's degrees of freedom (Welch 1947). The spread is no lower than the "
        "median spread of all comparisons on the metric (one that is raised to it counts with "
        "twice its degrees of freedom), and no lower than what rounding to whole examples makes of "
        "it.",
    ),
}
"""What is said of a test, if a comparison of the report is by it."""


def section(concluded: Conclusions) -> Section:
    """Say how the values were read, averaged and compared."""
    items = [*_reading(concluded), *_averaging(concluded), *_comparing(concluded)]
    return Section("How it was computed", (Bullets(tuple(items)),))


def _reading(concluded: Conclusions) -> Iterator[Item]:
    frames = concluded.frames
    definition = frames.definition
    name, best = Code(definition.objective.metric), definition.objective.at == "best"
    where = (
        " has its best value in the run (the earliest, if several)" if best else " is recorded last"
    )
    trained = set(frames.training_metrics)
    data = "validation" if not trained or set(definition.metrics) - trained else "training"
    yield f"All metrics of a run are read on the {data} data at the step where ", name, f"{where}."
    if trained:
        names = _joined(Code(metric) for metric in frames.training_metrics)
        yield *names, ": read on the training data, as nothing logs this in validation."
    yield (
        "A value counts if its run is complete, the value is finite and ",
        name,
        " was finite to the end of the run; n says how many seeds count.",
    )
    yield ("Epochs count from 0, as in the logs of Lightning.",)
    yield ("For each arm and seed the newest run under the current definition of the arm is read.",)


def _averaging(concluded: Conclusions) -> Iterator[Item]:
    words = {row.interval for row in concluded.estimates.values() if row.n}
    yield (
        "Mean, standard deviation (sd, with n - 1), median and interquartile mean (IQM, of the "
        "middle half) are taken over the seeds that count: a seed is the unit of replication, "
        "never an epoch or an example.",
    )
    if "t" in words:
        yield (
            "The 95 % interval of a mean is ",
            Code("mean ± t(0.975, n - 1) * sd / sqrt(n)"),
            " (Student 1908).",
        )
    if any(word.startswith("binomial") for word in words):
        yield (
            "Where all seeds give one value of a share of N examples, its interval is the binomial "
            "one over the examples: equal seeds are not certainty.",
        )
    if "deterministic" in words:
        yield (
            "A trivial predictor that gives one value with every seed has n = 1 and no interval: "
            "it is deterministic.",
        )


def _comparing(concluded: Conclusions) -> Iterator[Item]:
    designed = [row for row in concluded.comparisons if row.relation is not Relation.FLOOR]
    yield from _against_floors(concluded.comparisons)
    if not designed:
        return
    yield (
        "An arm is compared with the arm that its design sets beside it. A difference is the arm's "
        "value less that of its comparator, seed by seed, averaged over the seeds that count for "
        "both; its interval is ",
        Code("d ± t(0.975, n - 1) * s / sqrt(n)"),
        ", with s no lower than what rounding to whole examples makes of it.",
    )
    for code in dict.fromkeys(row.unpaired_because for row in designed if not row.paired):
        yield (
            "Arms that ",
            code_link(code),
            " names are not paired by seed: their means are compared, with Welch's interval.",
        )
    for method in dict.fromkeys(row.method for row in designed if row.method in TESTS):
        yield TESTS[method]
    yield (
        "p-values are corrected after Holm (1979) over all comparisons of the primary metric, and "
        "over all of the secondary metrics together: the i-th smallest of m is multiplied by ",
        Code("m - i + 1"),
        ", and none is lower than the one before it.",
    )
    margins = concluded.frames.definition.margin
    if margins:
        listed = _joined(Code(f"{metric} ± {margin:g}") for metric, margin in margins.items())
        yield (
            "Equivalent is an arm whose interval lies within the margin of the study: ",
            *listed,
            ".",
        )
    yield (
        "Better or worse is an arm whose corrected p is at most 0.05 and whose interval excludes "
        "0. Otherwise the report cannot tell; the seeds that would tell are as many as "
        "find a difference of the size seen in 80 of 100 studies.",
    )
    yield (
        "Nothing is claimed with fewer than three seeds, where another seed changes nothing, where "
        "the audit found an error in an arm or its comparator, or where a warning that the study "
        "does not allow touches their comparability.",
    )
    yield (
        "The arm with the best mean is told from another one where their verdict shows that it is "
        "better, or p times the number of all pairs of arms is at most 0.05 (Bonferroni): it was "
        "chosen by its values.",
    )


def _against_floors(rows: Iterable[Comparison]) -> Iterator[Item]:
    if any(row.relation is Relation.FLOOR for row in rows):
        yield (
            "An arm beats the trivial predictors if the 95 % interval of its difference to the "
            "best of them lies on the better side of 0; this takes three seeds, and is not "
            "corrected for the number of arms.",
        )


def _joined(names: Iterable[Inline]) -> Item:
    parts: list[Inline] = []
    for name in names:
        parts += [", ", name]
    return tuple(parts[1:])
