"""State that a run's objects keep outside of Lightning's checkpoint: found, kept, given back."""

from ablate.run.plain_state.generators import GENERATORS
from ablate.run.plain_state.graph import is_of_user
from ablate.run.plain_state.kept import PlainState
from ablate.run.plain_state.values import LEAVES

__all__ = ["GENERATORS", "LEAVES", "PlainState", "is_of_user"]
