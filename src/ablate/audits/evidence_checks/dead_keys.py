"""Keys of the configuration that change nothing."""

from collections.abc import Collection, Iterator, Mapping

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import grouped


def check_keys(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find keys that an arm declares and nothing reads, and those that no arm reads."""
    trained = learned(arms)
    idle = grouped(
        (path, arm)
        for arm, evidence in trained.items()
        for path in declared.changes_of(arm)
        if evidence.keys.get(path) == "dead"
    )
    for path, names in idle.items():
        what = (
            f"with another value of {path} nothing is seen to change: neither modules nor "
            "gradients, weights, learning rates, data or what validation logs"
        )
        yield advised("dead-key", names, what, path)
    if unread := _unread(trained, idle):
        what = f"in no arm was anything seen to change with {', '.join(unread)}"
        yield advised("dead-key", trained, what, unread[0], "note")


def _unread(arms: Mapping[str, Evidence], named: Collection[str]) -> list[str]:
    """List the keys that are dead in every arm that has them, but those named already."""
    readings = [item for evidence in arms.values() for item in evidence.keys.items()]
    alive = {path for path, reading in readings if reading != "dead"}
    return sorted({path for path, _ in readings} - alive - set(named))
