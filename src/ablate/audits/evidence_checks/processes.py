"""What an arm shows that hangs on the process it is in, or on that of its hash seed."""

from collections.abc import Iterator, Mapping, Sequence

from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks.advice import advised
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import grouped


def check_repetition(
    arms: Mapping[str, Evidence],
    declared: Declared,  # noqa: ARG001
) -> Iterator[Finding]:
    """Compare what two processes have seen of the same arm, set up with the same seed."""
    odd = grouped(((each.moved, each.made), arm) for arm, each in arms.items())
    for (names, made), of_arms in odd.items():
        if names:
            files = f", such as {made[0]}, which it writes" if made else ""
            what = (
                f"set up again with the same configuration and seed, there is other "
                f"{' and '.join(names)}: something outlives a run or comes from outside it{files}"
            )
            yield advised("nondeterministic", of_arms, what, "setup")


def check_hash_order(
    arms: Mapping[str, Evidence],
    declared: Declared,  # noqa: ARG001
) -> Iterator[Finding]:
    """Compare what processes of several hash seeds have seen of the same arm."""
    odd = grouped(
        (_different(each.seen, each.looks), arm) for arm, each in arms.items() if each.looks
    )
    for names, of_arms in odd.items():
        if names:
            what = (
                f"another PYTHONHASHSEED gives other {' and '.join(names)}, with the same seed: "
                f"something goes by the order of a set or by hash(), as {arms[of_arms[0]].hashed} "
                "may"
            )
            yield advised("hash-order", of_arms, what, str(arms[of_arms[0]].hashed))


def _different(seen: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Name what was not the same in every process."""
    return tuple(
        name
        for name, value in seen.items()
        if any(other.get(name, value) != value for other in others)
    )
