"""What the plan counts and refuses: steps under both meanings of a batch, whole groups."""

import pytest

from ablate.plan import BatchUnit, Generating, refused
from ablate.systems.wordle import WordleDataModule
from ablate.systems.wordle.data import no_whole_groups


def test_the_data_refuse_what_the_plan_refuses_and_name_the_same_sizes():
    for generations in (2, 4, 8):
        for batch in range(1, 30):
            why = refused(batch, generations)
            if why is None:
                assert WordleDataModule(batch_size=batch, generations=generations)
                continue
            said = no_whole_groups(batch, generations)
            assert f"set batch_size to {' or '.join(map(str, why.batch_sizes))}," in said
            with pytest.raises(ValueError, match="no whole groups"):
                WordleDataModule(batch_size=batch, generations=generations)


@pytest.mark.parametrize("unit", ["prompts", "completions"])
@pytest.mark.parametrize(("batch", "generations"), [(2, 2), (16, 8), (64, 8), (64, 16), (24, 4)])
def test_an_epoch_has_the_steps_that_the_plan_counts(unit, batch, generations):
    data = WordleDataModule(
        lexicon=50,
        states="fixed",
        epoch_steps=None,
        batch_unit=unit,
        batch_size=batch,
        generations=generations,
    )
    data.setup()
    planned = Generating(60, batch, generations).steps_per_epoch(BatchUnit(unit))
    assert len(data.train_dataloader()) == planned
