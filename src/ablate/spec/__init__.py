"""What to run: studies, configs, spaces and arms; pure, without torch or optuna."""

from ablate.spec.designs import Arm
from ablate.spec.direction import Direction
from ablate.spec.files import dump_yaml, parse_yaml, read_yaml
from ablate.spec.hashing import canonical_json, content_hash, derived_seed, fresh_seeds
from ablate.spec.outcomes import Cause, Outcome, Status
from ablate.spec.space import Choice, FloatRange, IntRange, Point, Space
from ablate.spec.study import (
    AblationSpec,
    Budget,
    Change,
    Component,
    Objective,
    SearchSpec,
    Study,
    StudyFile,
    Tune,
    identity,
    read_study,
)

__all__ = [
    "AblationSpec",
    "Arm",
    "Budget",
    "Cause",
    "Change",
    "Choice",
    "Component",
    "Direction",
    "FloatRange",
    "IntRange",
    "Objective",
    "Outcome",
    "Point",
    "SearchSpec",
    "Space",
    "Status",
    "Study",
    "StudyFile",
    "Tune",
    "canonical_json",
    "content_hash",
    "derived_seed",
    "dump_yaml",
    "fresh_seeds",
    "identity",
    "parse_yaml",
    "read_study",
    "read_yaml",
]
