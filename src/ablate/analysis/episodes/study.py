"""The episodes of a study: what its modules logged of them, as arms."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.analysis.conclusions import Conclusions
from ablate.analysis.episodes.log import EpisodeLog
from ablate.analysis.episodes.measures import AVERAGE
from ablate.analysis.episodes.metrics import EpisodeArm, EpisodeRun
from ablate.analysis.frames import AblationFrames
from ablate.errors import RequestError
from ablate.spec import AblationDefinition, Arm, Config, Status, configs, paths
from ablate.spec.episodes import EpisodeFacts, Episodes

_INERT = "dead-key"
_SHARE = "share: "
_EMPTY = pd.DataFrame({"episode": [0], "return": [float("nan")]})


def study_arms(conclusions: Conclusions) -> tuple[EpisodeArm, ...]:
    """Return the arms of a study that are no floors, with a log of episodes per current run.

    An episode is an epoch of training; of its metrics those are read that the study names. A run
    that is not complete, that logged no return or that lacks episodes does not count, and says
    why. An arm that the conclusions disqualify is barred, one that they doubt is doubted. Without
    `episodes` in the study there are no arms.
    """
    frames = conclusions.frames
    definition = frames.definition
    if definition.episodes is None:
        return ()
    inert: dict[str, list[str]] = {}
    for finding in conclusions.findings:
        for arm in finding.arms if finding.code == _INERT else ():
            inert.setdefault(arm, []).append(finding.where)
    logs = _tables(frames, definition.episodes)
    runs = frames.current
    return tuple(
        EpisodeArm(
            arm.name,
            tuple(_run(run, logs) for run in runs[runs["arm"] == arm.name].to_dict("records")),
            _facts(frames, definition.episodes, arm, inert.get(arm.name, ())),
            config=_config(definition, arm),
            barred=_codes(conclusions.disqualified.get(arm.name, ())),
            doubted=_codes(conclusions.doubted.get(arm.name, ())),
        )
        for arm in definition.trained
    )


def _codes(codes: Collection[str]) -> str:
    return f"the audit found {', '.join(codes)}" if codes else ""


def _tables(frames: AblationFrames, episodes: Episodes) -> dict[int, pd.DataFrame]:
    """Return the table of episodes of every run that logged a return in training."""
    columns = {metric: column for column, metric in episodes.names().items()}
    columns |= {metric: _SHARE + title for title, metric in episodes.shares.items()}
    rows = frames.metrics
    rows = rows[(rows["phase"] == "train") & rows["name"].isin(columns)]
    rows = rows.assign(name=rows["name"].astype(str))
    tables = {}
    for run_id, values in rows.groupby("run_id", sort=False):
        # A loss that was logged is a loss, even if it is no number.
        latest = values.drop_duplicates(["epoch", "name"], keep="last")
        wide = latest.pivot(index="epoch", columns="name", values="value")
        table = wide.rename(columns=columns).rename_axis(columns=None)
        if "return" not in table:
            continue
        if "loss" in table:
            logged = values.loc[values["name"] == episodes.loss, "epoch"]
            table["trained"] = table.index.isin(logged)
        tables[int(str(run_id))] = table.rename_axis("episode").reset_index()
    return tables


def _run(run: Mapping[object, object], logs: Mapping[int, pd.DataFrame]) -> EpisodeRun:
    run_id, seed = int(str(run["run_id"])), int(str(run["seed"]))
    seconds = float(str(run["seconds"])) if int(str(run["attempt"])) <= 1 else None
    if run["status"] != Status.COMPLETE:
        cause = run["cause"]
        why = f" ({cause})" if isinstance(cause, str) and cause else ""
        return EpisodeRun(seed, _no_log(), f"it is {run['status']}{why}")
    if run_id not in logs:
        return EpisodeRun(seed, _no_log(), "it logged no return in training")
    table = logs[run_id]
    shares = [column for column in map(str, table) if column.startswith(_SHARE)]
    means = {column.removeprefix(_SHARE): table[column].tail(AVERAGE).mean() for column in shares}
    try:
        log = EpisodeLog.of(table.drop(columns=shares))
        return EpisodeRun(seed, log, wall=seconds, shares=means)
    except RequestError as error:
        return EpisodeRun(seed, _no_log(), f"its log does not hold: {error}")


def _no_log() -> EpisodeLog:
    return EpisodeLog.of(_EMPTY.assign(**{"return": "nan"}))


def _config(definition: AblationDefinition, arm: Arm) -> Config:
    config: dict[str, Any] = paths.fresh(definition.config)
    configs.apply(config, arm.changes, definition.kind)
    return config


def _facts(
    frames: AblationFrames, episodes: Episodes, arm: Arm, inert: Sequence[str]
) -> EpisodeFacts:
    config = _config(frames.definition, arm)
    runs = frames.current[frames.current["arm"] == arm.name]
    parameters = runs["parameters"].dropna().unique()
    devices, versions = (sorted(runs[name].unique()) for name in ("device", "code_version"))
    begun = runs["created_at"].dropna()
    return EpisodeFacts(
        horizon=configs.value_at(config, episodes.horizon) if episodes.horizon else None,
        actions=configs.value_at(config, episodes.actions) if episodes.actions else None,
        parameters=int(parameters[0]) if len(parameters) == 1 and parameters[0] > 0 else None,
        floor=episodes.floor.get(arm.name),
        ceiling=episodes.ceiling.get(arm.name),
        held_out_success=_held_out(frames, episodes, runs),
        device=", ".join(devices) or None,
        code=", ".join(versions) or None,
        date=f"{min(begun):%Y-%m-%d}" if len(begun) else None,
        inert=tuple(inert),
    )


def _held_out(frames: AblationFrames, episodes: Episodes, runs: pd.DataFrame) -> float | None:
    """Return the mean over the complete runs of the last value; None without a share of each."""
    counted = runs.loc[runs["status"] == Status.COMPLETE, "run_id"]
    rows = frames.metrics
    rows = rows[(rows["phase"] == "val") & (rows["name"] == episodes.held_out)]
    last = rows[rows["run_id"].isin(counted)].drop_duplicates("run_id", keep="last")["value"]
    known = len(last) == len(counted) > 0 and last.between(0, 1).all()
    return float(last.mean()) if known else None
