"""Names by content."""

import hashlib
import json
from typing import Any


def canonical_json(data: Any) -> str:
    """Write plain data as JSON with sorted keys, so that equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(data: Any) -> str:
    """Return the SHA-256 of plain data as 64 hex digits."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def derived_seed(*parts: object) -> int:
    """Derive a 32-bit seed from named parts, the same on every machine and Python."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
