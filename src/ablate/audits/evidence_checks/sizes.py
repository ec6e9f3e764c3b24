"""Arms that differ in their number of parameters or FLOPs."""

from collections.abc import Iterator, Mapping

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike, grouped

SIZE_SHARE = 0.01


def check_sizes(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:  # noqa: ARG001
    """Name the smallest and the largest of the trained arms, and what not all of them have."""
    trained = learned(arms)
    parameters = {arm: evidence.parameters for arm, evidence in trained.items()}
    flops = {arm: evidence.flops or 0 for arm, evidence in trained.items()}
    ranges = [*_range("parameters", parameters), *_range("FLOPs per example", flops)]
    if not ranges:
        return
    owners = grouped((part.path, arm) for arm, each in trained.items() for part in each.submodules)
    extra = [
        f"{path} only in {', '.join(names)}"
        for path, names in owners.items()
        if len(names) < len(trained)
    ]
    groups = alike(
        trained,
        lambda arm, other: any(_far(sizes[arm], sizes[other]) for sizes in (parameters, flops)),
    )
    yield advised_between("unequal-parameters", groups, "; ".join([*ranges, *extra]), "model")


def _range(unit: str, sizes: Mapping[str, int]) -> Iterator[str]:
    """Write the least and the most of a unit, if they are apart."""
    if len(sizes) < 2:
        return
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if _far(sizes[least], sizes[most]):
        yield f"{sizes[least]:,} {unit} in {least}, {sizes[most]:,} in {most}"


def _far(size: int, other: int) -> bool:
    """Say whether two sizes that are known are apart."""
    least, most = min(size, other), max(size, other)
    return least > 0 and most - least > SIZE_SHARE * most
