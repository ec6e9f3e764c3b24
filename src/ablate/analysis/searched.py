"""All that is concluded from a search, computed once for whoever shows it."""

from dataclasses import dataclass

import pandas as pd

from ablate.analysis.frames import SearchFrames
from ablate.analysis.good_trials import Tendency, tendencies
from ablate.analysis.importance import Importances, importances
from ablate.analysis.next_space import NextSpace, next_space
from ablate.analysis.rivals import Rivals, rivals
from ablate.analysis.search import TrialCounts, best_trial, count_trials, trials_table
from ablate.analysis.tuning_curve import tuning_curve
from ablate.store import TrialRecord


@dataclass(frozen=True)
class SearchConclusions:
    """What a search shows: its trials, the best one and its rivals, and where to search next."""

    frames: SearchFrames
    trials: pd.DataFrame
    counts: TrialCounts
    best: TrialRecord | None
    rivals: Rivals | None
    importances: Importances
    tendencies: tuple[Tendency, ...]
    next: NextSpace
    curve: pd.DataFrame


def conclude_search(frames: SearchFrames) -> SearchConclusions:
    """Conclude from a search what its trials support."""
    trials = trials_table(frames)
    found, seen = importances(frames), tendencies(frames)
    return SearchConclusions(
        frames=frames,
        trials=trials,
        counts=count_trials(trials),
        best=best_trial(frames),
        rivals=rivals(frames),
        importances=found,
        tendencies=seen,
        next=next_space(frames, found, seen),
        curve=tuning_curve(frames, trials),
    )


def importances_table(concluded: SearchConclusions) -> pd.DataFrame:
    """Return a row per parameter of the space, the most important first.

    Columns: parameter, importance (its share), low, high, p_shuffled, trials (complete ones that
    have it), good (of the best quarter), at_low, at_high (of these, at either edge), rho, rho_low,
    rho_high (rank correlation with how good the value is), next (what the proposal makes of it).
    NaN where something is not told.
    """
    order = {row.parameter: place for place, row in enumerate(concluded.importances.rows)}
    proposed = {one.parameter: str(one.change) for one in concluded.next.proposals}
    rows = []
    for known in sorted(concluded.tendencies, key=lambda one: order.get(one.parameter, len(order))):
        found = concluded.importances.of(known.parameter)
        rows.append(
            {
                "parameter": known.parameter,
                "importance": found.share if found else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "p_shuffled": found.p if found else None,
                "trials": known.n,
                "good": known.good,
                "at_low": known.at_low,
                "at_high": known.at_high,
                "rho": known.rho,
                "rho_low": known.low,
                "rho_high": known.high,
                "next": proposed.get(known.parameter),
            }
        )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.astype(dict.fromkeys(("importance", "low", "high", "p_shuffled"), float))


_COLUMNS = [
    *("parameter", "importance", "low", "high", "p_shuffled", "trials", "good"),
    *("at_low", "at_high", "rho", "rho_low", "rho_high", "next"),
]
