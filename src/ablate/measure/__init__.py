"""What a configuration is, found out by building it and making a few real steps in a worker."""

from ablate.measure.asking import Asked, look_at

__all__ = ["Asked", "look_at"]
