"""What the probes are asked about one arm, as plain data that travels between processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

SECONDS_FOR_KEYS = 20.0


@dataclass(frozen=True)
class ProbeRequest:
    """What to look for in an arm.

    `keys` are declared paths with the other values that they take in the study; None tries no key
    at all. `written` are the paths that the config has before defaults are filled in. `metrics` are
    the names that the study reports, `seconds` the time for trying keys.
    """

    keys: Mapping[str, list[Any]] | None = None
    written: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    seconds: float = SECONDS_FOR_KEYS

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be sent as JSON."""
        return asdict(self)

    @staticmethod
    def of(data: Mapping[str, Any]) -> "ProbeRequest":
        """Read what `as_dict` gave, also after a journey through JSON."""
        return _READER.validate_python(data)


_READER = TypeAdapter(ProbeRequest)
