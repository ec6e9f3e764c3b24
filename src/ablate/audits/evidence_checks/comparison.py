"""The checks of the arms' evidence, in the order of their findings."""

from collections.abc import Callable, Iterable, Mapping

from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks.data import check_data
from ablate.audits.evidence_checks.dead_keys import check_keys
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.evidence_checks.dropout import check_dropout
from ablate.audits.evidence_checks.faults import check_faults, check_skipped
from ablate.audits.evidence_checks.floors import check_floors
from ablate.audits.evidence_checks.functions import check_functions
from ablate.audits.evidence_checks.scales import check_scales
from ablate.audits.evidence_checks.sizes import check_sizes
from ablate.audits.evidence_checks.submodules import check_submodules
from ablate.audits.findings import Finding

Check = Callable[[Mapping[str, Evidence], Declared], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    check_faults,
    check_functions,
    check_keys,
    check_scales,
    check_dropout,
    check_sizes,
    check_data,
    check_floors,
    check_skipped,
    check_submodules,
)


def compare_evidence(arms: Mapping[str, Evidence], declared: Declared) -> list[Finding]:
    """Return what the evidence of the arms of a study says against comparing them."""
    return [finding for check in CHECKS for finding in check(arms, declared)]
