"""What is wrong with the config of a project's own CLI, whose parser may have any keys."""

import re
from collections.abc import Collection
from typing import Any

from ablate.run.config_errors import text
from ablate.run.config_errors.shape import unknown

_REFUSED = re.compile(
    r"does not accept (?:option|nested key) '([^']+)'|Option '([^']+)' is not acc"
)


def explanation(message: str, config: dict[str, Any], known: Collection[str]) -> str:
    """Say which key the parser refuses and why; `known` are the keys that it has."""
    if match := _REFUSED.search(message):
        path = str(match[1] or match[2]).removeprefix("fit.")
        above = path.rpartition(".")[0]
        beside = [key for key in known if key.rpartition(".")[0] == above]
        first = {key.split(".")[0] for key in known}
        names = beside if above else sorted(first)
        if not above or path.split(".")[0] not in first:
            return unknown(path.split(".")[0], sorted(first))
        if names:
            return unknown(path, [name.rpartition(".")[2] for name in names])
    return text.explanation(message, config)
