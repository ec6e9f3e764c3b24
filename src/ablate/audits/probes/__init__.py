"""Probes: the real module and data of an arm, run for a few steps in a worker and watched."""

from ablate.audits.probes.examine import examine, examine_standing
from ablate.audits.probes.hashing import look_again

__all__ = ["examine", "examine_standing", "look_again"]
