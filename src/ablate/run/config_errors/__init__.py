"""What is wrong with a config, in one sentence: the key, the mistake, what to do."""

from ablate.run.config_errors.explain import explained
from ablate.run.config_errors.parts import taken, unknown_key

__all__ = ["explained", "taken", "unknown_key"]
