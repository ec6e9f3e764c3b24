"""Bytes as tokens: the 256 byte values, of which two serve as padding and as the end."""

from collections.abc import Iterable

VOCABULARY = 256
"""Number of token ids."""

PAD = 0
"""Fills up batches: the NUL byte."""

END = 3
"""Ends an answer: the ETX byte."""


def encode(text: str) -> list[int]:
    """Return the UTF-8 bytes of a text. Raises ValueError if NUL or ETX is among them."""
    ids = list(text.encode())
    if PAD in ids or END in ids:
        raise ValueError(f"NUL and ETX are reserved for padding and the end, got {text!r}")
    return ids


def decode(ids: Iterable[int]) -> str:
    """Return the text before the first END, without padding; invalid UTF-8 becomes U+FFFD."""
    kept = bytearray()
    for token in ids:
        if token == END:
            break
        if token != PAD:
            kept.append(token)
    return kept.decode(errors="replace")
