"""What the evidence of several arms says when it is laid side by side."""

from ablate.audit.evidence_checks.advice import ADVICE
from ablate.audit.evidence_checks.comparison import compare_evidence
from ablate.audit.evidence_checks.declared import Declared
from ablate.audit.evidence_checks.functions import same_function

__all__ = ["ADVICE", "Declared", "compare_evidence", "same_function"]
