"""What a study says of its arms, as far as their evidence is judged by it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.spec import Direction


@dataclass(frozen=True)
class Declared:
    """What a study says of its arms.

    `changes` are the paths that each arm declares, with its values, `metrics` what is reported, and
    which way is better. `reached` holds the best values known for trained arms, published or
    recorded.
    """

    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Direction] = field(default_factory=dict)
    reached: Mapping[str, float] = field(default_factory=dict)

    def changes_of(self, arm: str) -> Collection[str]:
        """Return the paths that an arm declares to change."""
        return self.changes.get(arm, {})

    def all_change_data(self, arms: Sequence[str]) -> bool:
        """Say whether every one of the arms declares a change of the data."""
        return all(any(p.startswith("data") for p in self.changes_of(arm)) for arm in arms)
