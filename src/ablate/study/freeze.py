"""Pin a recorded trial as a config file."""

from pathlib import Path

from ablate.errors import RequestError, quoted
from ablate.spec import dump_yaml
from ablate.spec.files import replacing
from ablate.spec.names import folder_mistake
from ablate.spec.secrets import referring
from ablate.store import Store
from ablate.study.recorded import recorded_trial


def freeze_trial(trial: str, path: Path, storage: str) -> Path:
    """Write a trial's resolved config, as it ran, to `path`, with its provenance as a comment.

    Raises RequestError if the trial is unknown or the file exists.
    """
    if (reason := folder_mistake(path.stem)) is not None:
        raise RequestError(f"--as {quoted(path.stem)}: {reason}")
    if path.exists():
        raise RequestError(f"{path} exists and is not overwritten; choose another name with --as")
    with Store.open(storage, create=False) as store:
        recorded = recorded_trial(store, trial)
    run = recorded.runs[0]
    lines = [
        f"# Frozen from trial {recorded.number} of the study {recorded.study.name}.",
        f"# config hash {run.config_hash}",
        f"# state {run.status}, code {run.code_version}, profile {run.profile}",
    ]
    if (cli := recorded.study.definition.cli) is not None:
        lines.append(f"# for a study with cli: {cli}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(
            "\n".join(lines) + "\n" + dump_yaml(referring("", recorded.config)), encoding="utf-8"
        )
    return path
