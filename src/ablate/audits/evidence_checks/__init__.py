"""What the evidence of several arms says when it is laid side by side."""

from ablate.audits.evidence_checks.advice import ADVICE
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.evidence_checks.functions import same_function

__all__ = ["ADVICE", "Declared", "same_function"]
