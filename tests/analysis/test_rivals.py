from statistics import fmean

from ablate.analysis import rivals
from ablate.spec import Direction, Objective, Status
from tests.analysis.frames_of import metrics, run, search_frames
from tests.analysis.searches import trial


def searched(values, *, direction=Direction.MINIMIZE, more=()):
    """Imagine a search: by trial its values with seeds 0, 1, ..."""
    trials = [trial(n, fmean(found)) for n, found in enumerate(values)]
    runs, curves = [], {}
    for number, found in enumerate(values):
        for seed, value in enumerate(found):
            run_id = 100 * number + seed
            runs.append(run(run_id, arm=None, trial=number, seed=seed))
            curves[run_id, "loss"] = [value]
    objective = Objective(metric="loss", direction=direction, at="last")
    frames = search_frames(runs, (*trials, *more), objective=objective)
    return type(frames)("s", frames.definition, frames.runs, metrics(curves), trials=frames.trials)


def test_one_seed_per_trial_tells_nothing_apart():
    found = rivals(searched([[3.0], [1.0], [2.0]]))
    assert found.open == (2, 0)
    assert (found.compared, found.seeds) == (2, 1)
    assert found.why == "that takes at least three seeds of each trial"


def test_clear_differences_over_the_seeds_are_told():
    found = rivals(searched([[1.0, 1.1, 1.2], [5.0, 5.2, 5.1], [1.1, 1.0, 1.4]]))
    assert found.open == (2,)
    assert found.why == ""


def test_a_pair_with_little_spread_by_luck_is_not_told_apart():
    noisy = [[1.0, 3.0, 2.0], [4.0, 2.0, 3.5], [1.2, 3.2, 2.2]]
    assert 2 in rivals(searched(noisy)).open


def test_seeds_that_change_nothing_tell_nothing_apart():
    found = rivals(searched([[1.0] * 3, [2.0] * 3]))
    assert found.open == (1,)
    assert found.why == "the seeds change nothing"


def test_where_higher_is_better_the_highest_is_compared():
    values = [[9.0, 9.1, 9.2, 9.1], [5.0, 5.2, 5.1, 5.0]]
    assert rivals(searched(values, direction=Direction.MAXIMIZE)).open == ()


def test_a_reused_trial_has_the_values_of_the_run_it_took():
    again = trial(2, fmean([5.0, 5.2, 5.1]), reused_from=1)
    found = rivals(searched([[1.0, 1.1, 1.2], [5.0, 5.2, 5.1]], more=(again,)))
    assert found.compared == 2
    assert found.open == ()


def test_without_another_trial_there_is_no_rival():
    assert rivals(searched([[1.0]])) is None
    assert rivals(searched([], more=(trial(0, None, state=Status.FAILED),))) is None
