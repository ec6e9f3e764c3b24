"""Whether a run can be repeated bit for bit."""

from ablate.run import WorkerFacts
from ablate.spec import Config


def irreproducible(config: Config, facts: WorkerFacts) -> str | None:
    """Say why a run of this config on this hardware can't be repeated bit for bit, if so."""
    trainer = config.get("trainer") or {}
    if facts.profile != "cpu" and trainer.get("deterministic") is not True:
        return f"trainer.deterministic is {trainer.get('deterministic')!r} on {facts.device}"
    if trainer.get("max_time") is not None:
        return "trainer.max_time ends the run by the clock"
    return None
