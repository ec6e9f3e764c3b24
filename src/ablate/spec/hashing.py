"""Names by content."""

import hashlib
import json
from collections.abc import Collection
from itertools import count
from typing import Any


def canonical_json(data: Any) -> str:
    """Write plain data as JSON with sorted keys, so that equal data give equal text."""
    try:
        return _sorted_json(data)
    except TypeError:  # keys of several types have no order but that of their texts
        return _sorted_json(json.loads(json.dumps(data)))


def _sorted_json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(data: Any) -> str:
    """Return the SHA-256 of plain data as 64 hex digits."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def run_hash(config: Any, cli: str | None) -> str:
    """Name a run by its config, and by the entry of the project's own CLI if there is one."""
    return content_hash(config if cli is None else {"cli": cli, "config": config})


def derived_seed(*parts: object) -> int:
    """Derive a 32-bit seed from named parts, the same on every machine and Python."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def fresh_seeds(amount: int, taken: Collection[int], *parts: object) -> tuple[int, ...]:
    """Derive seeds from named parts that are not `taken`; more of them begin with the fewer."""
    numbers = count()
    seeds: dict[int, None] = {}
    while len(seeds) < amount:
        seed = derived_seed(*parts, next(numbers))
        if seed not in taken:
            seeds[seed] = None
    return tuple(seeds)
