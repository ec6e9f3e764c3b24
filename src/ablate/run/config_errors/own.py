"""What is wrong with the config of a project's own CLI, whose parser may have any keys."""

import re
from collections.abc import Collection
from typing import Any

from ablate.run.config_errors import parts, text
from ablate.run.config_errors.shape import TRAINER_OBJECTS, unknown

_REFUSED = re.compile(
    r"(?:Subcommand 'fit'|Group '(?P<group>[^']+)') does not accept option '(?P<option>[^']+)'"
    r"|Option '(?P<top>[^']+)' is not accepted"
)


def explanation(message: str, config: dict[str, Any], known: Collection[str]) -> str:
    """Say which key the parser refuses and why; `known` are the keys that it has."""
    if match := _REFUSED.match(message):
        parts_of_path = (match["group"], match["option"] or match["top"])
        return _unknown(".".join(filter(None, parts_of_path)), known)
    trainer = config.get("trainer")
    objects = trainer if isinstance(trainer, dict) else {}
    common = {key: objects[key] for key in TRAINER_OBJECTS if key in objects}
    return parts.refused({**config, "trainer": common}) or text.explanation(message, config)


def _unknown(path: str, known: Collection[str]) -> str:
    """Name the first key of a path that the parser does not have, and those beside it."""
    keys = path.split(".")
    for depth in range(len(keys)):
        above = "".join(f"{key}." for key in keys[:depth])
        beside = {key[len(above) :].split(".")[0] for key in known if key.startswith(above)}
        if keys[depth] not in beside:
            return unknown(f"{above}{keys[depth]}", sorted(beside - {"config"}))
    return unknown(path, ())
