"""Plain data (mappings, lists, texts, numbers) as JSON text."""

import hashlib
import json
from typing import Any


def to_json(data: Any) -> str:
    """Write plain data as JSON in its own key order; raise TypeError for anything else."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Any:
    """Read what `to_json` wrote."""
    return json.loads(text)


def ordered_hash(data: Any) -> str:
    """Return the SHA-256 of plain data, sensitive to the order of keys.

    The order of a study's arms is part of its meaning, so two orders are two definitions.
    """
    return hashlib.sha256(to_json(data).encode()).hexdigest()
