"""From an exception of jsonargparse, or of a constructor, to one sentence about the config."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import ArgumentError

from ablate.errors import SpecError
from ablate.run.config_errors import constructors, parts, shape, text


@contextmanager
def explained(config: dict[str, Any]) -> Iterator[None]:
    """Raise SpecError for whatever is raised inside: the key of the config, and what to do."""
    if overlooked := shape.misplaced_section(config):
        raise SpecError(overlooked)
    try:
        yield
    except ArgumentError as error:
        raise SpecError(explanation(str(error), config)) from error
    except SpecError:
        raise
    except Exception as error:
        reason = constructors.explanation(error, config)
        raise SpecError(reason or text.explanation(str(error), config)) from error


def explanation(message: str, config: dict[str, Any]) -> str:
    """Say which key of a config jsonargparse refuses and why; `message` is its own account.

    First comes what the config's shape shows, then what jsonargparse says of each part alone,
    last what can be read from its message. Never empty.
    """
    return shape.misplaced_key(config) or parts.refused(config) or text.explanation(message, config)
