"""The configurations of a study, as the static checks read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ablate.spec import AblationStudy, Config, SearchStudy


@dataclass(frozen=True)
class AblationConfigs:
    """An ablation and the resolved configurations of its arms, by arm.

    `recorded` holds configurations that the study names as the origin of its values, by where
    they are recorded. `steps` are the optimizer steps of their runs by arm, as far as known.
    """

    study: AblationStudy
    resolved: Mapping[str, Config]
    recorded: Mapping[str, Config] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchConfigs:
    """A search and its resolved base configuration.

    `batches_matter` says that the batch size may change how the objective is measured.
    """

    study: SearchStudy
    base: Config
    batches_matter: bool = True

    @property
    def resolved(self) -> Mapping[str, Config]:
        """The configurations by arm: a search has one, without a name."""
        return {"": self.base}
