"""Plain data (mappings, lists, texts, numbers) as JSON text."""

import hashlib
import json
from typing import Any


def to_json(data: Any) -> str:
    """Write plain data as JSON in its own key order; raise TypeError for anything else.

    Half characters (lone surrogates), which no database stores, are written as escapes.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":"))
    return text


def from_json(text: str) -> Any:
    """Read what `to_json` wrote."""
    return json.loads(text)


def ordered_hash(data: Any) -> str:
    """Return the SHA-256 of plain data, sensitive to the order of keys.

    The order of a study's arms is part of its meaning, so two orders are two definitions.
    """
    return hashlib.sha256(to_json(data).encode()).hexdigest()


def storable(text: str) -> str:
    """Replace what no database stores as text: half characters and zero bytes."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
