"""What to run: studies, configs, spaces and arms; pure, without torch or optuna."""

from ablate.spec.constraints import Constraint
from ablate.spec.definition import (
    AblationDefinition,
    Definition,
    ProfileChange,
    SearchDefinition,
    Tuned,
    Tuning,
    read_definition,
)
from ablate.spec.designs import Arm
from ablate.spec.direction import Direction
from ablate.spec.fields import Changes, Components, Config
from ablate.spec.files import dump_yaml, parse_yaml, read_yaml
from ablate.spec.goals import Action, Condition, Goals, Milestone, Notify, Occasion
from ablate.spec.hashing import canonical_json, content_hash, derived_seed, fresh_seeds
from ablate.spec.models import (
    Ablation,
    Budget,
    ClassConfig,
    Confirmed,
    Limits,
    Objective,
    Profile,
    Provenance,
    Published,
    Search,
    Tune,
)
from ablate.spec.outcomes import Cause, Outcome, Status
from ablate.spec.space import Choice, FloatRange, IntRange, Point, Space
from ablate.spec.study import AblationStudy, SearchStudy, Study
from ablate.spec.trust import Trust
from ablate.spec.written import WrittenStudy, read_study, study_files, written_in_python

__all__ = [
    "Ablation",
    "AblationDefinition",
    "AblationStudy",
    "Action",
    "Arm",
    "Budget",
    "Cause",
    "Changes",
    "Choice",
    "ClassConfig",
    "Components",
    "Condition",
    "Config",
    "Confirmed",
    "Constraint",
    "Definition",
    "Direction",
    "FloatRange",
    "Goals",
    "IntRange",
    "Limits",
    "Milestone",
    "Notify",
    "Objective",
    "Occasion",
    "Outcome",
    "Point",
    "Profile",
    "ProfileChange",
    "Provenance",
    "Published",
    "Search",
    "SearchDefinition",
    "SearchStudy",
    "Space",
    "Status",
    "Study",
    "Trust",
    "Tune",
    "Tuned",
    "Tuning",
    "WrittenStudy",
    "canonical_json",
    "content_hash",
    "derived_seed",
    "dump_yaml",
    "fresh_seeds",
    "parse_yaml",
    "read_definition",
    "read_study",
    "read_yaml",
    "study_files",
    "written_in_python",
]
