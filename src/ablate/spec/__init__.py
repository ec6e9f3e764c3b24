"""What to run: studies, configs, spaces and arms; pure, without torch or optuna."""

from ablate.spec.designs import Arm
from ablate.spec.files import dump_yaml, parse_yaml, read_yaml
from ablate.spec.hashing import canonical_json, content_hash, derived_seed, fresh_seeds
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
    "Change",
    "Choice",
    "Component",
    "FloatRange",
    "IntRange",
    "Objective",
    "Point",
    "SearchSpec",
    "Space",
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
