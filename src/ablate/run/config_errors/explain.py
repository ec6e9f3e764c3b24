"""From an exception of jsonargparse, or of a constructor, to one sentence about the config."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import ArgumentError

from ablate.errors import SpecError
from ablate.run.config_errors import constructors, own, parts, shape, text

Known = Callable[[], Collection[str]]
"""Returns the keys of the parser of a project's own CLI."""


@contextmanager
def explained(config: dict[str, Any], known: Known | None = None) -> Iterator[None]:
    """Raise SpecError for whatever is raised inside: the key of the config, and what to do.

    `known` is given where a project's own CLI reads the config: it may have other sections.
    """
    if overlooked := shape.misplaced_section(config):
        raise SpecError(overlooked)
    try:
        yield
    except ArgumentError as error:
        said = str(error)
        reason = own.explanation(said, config, known()) if known else explanation(said, config)
        raise SpecError(reason) from error
    except SpecError:
        raise
    except Exception as error:
        raised = constructors.explanation(error, config)
        raise SpecError(raised or text.explanation(str(error), config)) from error


def explanation(message: str, config: dict[str, Any]) -> str:
    """Say which key of a config jsonargparse refuses and why; `message` is its own account.

    First comes what the config's shape shows, then what jsonargparse says of each part alone,
    last what can be read from its message. Never empty.
    """
    return shape.misplaced_key(config) or parts.refused(config) or text.explanation(message, config)
