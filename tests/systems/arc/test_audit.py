"""The audit of the ARC ladder: it finds what went wrong in the published one, and only there."""

import pytest
import torch

from ablate.audits.check import declared
from ablate.audits.checks import compare_evidence
from ablate.audits.probes.causality import future_positions
from ablate.run.lightning_cli import resolve
from ablate.spec import paths, read_study
from ablate.systems.arc import ArcDataModule, ArcModule
from ablate.systems.arc.batches import collate
from ablate.systems.arc.sequences import examples
from tests.audits.examined import examined

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TINY = {
    "d_model": 16,
    "d_ff": 32,
    "heads": 2,
    "decoder_layers": 2,
    "context_d_model": 8,
    "context_heads": 2,
    "context_ff": 16,
}
ARMS = ("baseline", "encoder_decoder", "grid2d", "perminv", "context_only", "champion")
FAULTY = {
    "baseline": set(),
    "encoder_decoder": {"every cell is predicted"},
    "grid2d": {"every cell is predicted", "coordinates"},
    "perminv": {"every cell is predicted", "colour equivariance"},
    "context_only": {"every cell is predicted"},
    "champion": {"every cell is predicted", "coordinates", "colour equivariance"},
    "seed_encoder_decoder": {"every cell is predicted"},
    "seed_champion": {"every cell is predicted", "coordinates", "colour equivariance"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small grids of two tasks."""
    module = ArcDataModule(
        tasks=["9172f3a0", "2281f1f4"],
        samples_per_task=8,
        validation="examples",
        max_side=10,
        context="first",
        cache_dir=str(tmp_path_factory.mktemp("arc")),
    )
    module.setup()
    return module


@pytest.fixture
def batch(data):
    return collate(data.val_queries)


def module(arch: str, flavour: str) -> ArcModule:
    torch.manual_seed(0)
    return ArcModule(arch=arch, flavour=flavour, **TINY).eval()


@torch.no_grad()
def violated(model: ArcModule) -> set[str]:
    return {name for name, test in model.properties().items() if test() is not None}


@pytest.mark.parametrize("arch", FAULTY)
def test_faithful_parts_are_not_what_they_are_named_for_and_corrected_ones_are(arch):
    assert violated(module(arch, "faithful")) == FAULTY[arch]
    assert violated(module(arch, "corrected")) == set()


@pytest.mark.parametrize("arch", ["baseline", "seed_encoder_decoder", "seed_champion", "champion"])
@torch.no_grad()
def test_the_published_decoder_only_and_seed_arms_see_the_future(arch, batch):
    for flavour in ("faithful", "corrected"):
        leaking, _ = future_positions(*module(arch, flavour).autoregression(batch))
        assert bool(leaking) == (flavour == "faithful" and arch != "champion")


@pytest.mark.parametrize("flavour", ["faithful", "corrected"])
@torch.no_grad()
def test_the_hook_of_causality_gives_every_scored_cell_and_its_logits(flavour, batch):
    model = module("champion", flavour)
    cells, logits = model.autoregression(batch)
    assert torch.equal(cells, model.network(batch).labels_BT)
    assert torch.equal(logits(cells), model(batch))


class Rolled(torch.nn.Module):
    """Gives every cell the position of the one before."""

    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def forward(self, length, size_B2):
        return self.positions(length, size_B2).roll(1, dims=1)


def test_positions_that_are_those_of_other_cells_are_wrong():
    model = module("grid2d", "corrected")
    model.network.positions = Rolled(model.network.positions)
    assert violated(model) == {"coordinates"}


@pytest.mark.parametrize("arch", ARMS)
@torch.no_grad()
def test_the_loss_of_an_example_is_its_own_in_corrected_arms_alone(arch, batch):
    for flavour in ("faithful", "corrected"):
        model = module(arch, flavour)
        singles = examples(batch, range(len(batch.task_B)))
        alone = torch.cat([model.example_losses(single) for single in singles])
        together = model.example_losses(batch)
        assert torch.allclose(alone, together, atol=1e-5) == (flavour == "corrected")


def test_a_uniform_guess_costs_the_logarithm_of_the_classes(batch):
    assert module("grid2d", "corrected").chance_loss(batch) == pytest.approx(2.302585)
    assert module("grid2d", "faithful").chance_loss(batch) == pytest.approx(2.397895)


def test_keys_are_of_content_and_contexts_name_the_same_examples(data):
    train = list(data.example_keys("train"))
    assert len(train) == len(data.train_queries)
    shown = dict(data.contexts("train"))
    assert set(shown) == set(train)
    assert all(len(keys) == 2 and set(keys) <= set(train) for keys in shown.values())
    assert sum(query in keys for query, keys in shown.items()) == 4


# The whole ladder, as the audit goes about it


def audited(
    name: str, left_out: tuple[str, ...] = (), tried: tuple[str, ...] = ()
) -> dict[tuple[str, str], list]:
    """Examine and compare the arms of a study; return the findings by code and place.

    The keys of the arms that are `tried` are tried one by one, of all arms if none is named.
    """
    study = read_study(name).prepare("cpu")
    base = resolve(study.configured({}, 307))
    arms = {arm.name: arm.changes for arm in study.arms if arm.name not in left_out}
    seen = {}
    for arm, changes in arms.items():
        keys = {path: [paths.get(base, path)] for path in changes if arm in (tried or arms)}
        config = resolve(study.configured(changes, 307))
        seen[arm] = examined(
            config, keys=keys, metrics=tuple(study.definition.metrics), seconds=120
        )
    found: dict[tuple[str, str], list] = {}
    for item in compare_evidence(seen, declared(study)):
        found.setdefault((item.code, item.where), []).append(item)
    return found


@pytest.mark.long
def test_the_published_ladder_is_seen_through():
    decoders = ("baseline", "seed_decoder_only")
    found = audited(
        "trial-69-faithful",
        left_out=("seed_encoder_decoder", "seed_champion"),
        tried=(*decoders, "encoder_decoder"),
    )
    arms = {key: set(items[0].arms) for key, items in found.items()}
    assert arms["same-function", "model"] == {"encoder_decoder", "perminv"}
    assert arms["sees-the-future", "autoregression"] == {*decoders}
    assert arms["padding-matters", "example_losses"] == {*ARMS, "seed_decoder_only"}
    assert arms["property-violated", "property coordinates"] == {"grid2d", "champion"}
    assert arms["property-violated", "property colour equivariance"] == {"perminv", "champion"}
    assert arms["property-violated", "property every cell is predicted"] == set(ARMS[1:])
    for key in ("dropout", "encoder_dropout"):
        path = f"model.init_args.{key}"
        assert arms["dead-key", path] == {*decoders}
    (twice,) = found["unequal-dropout", "network.dropout"]
    assert "0.167124 (2x) in context_only" in twice.what
    assert (
        "0.1 (4x) in context_only, champion" in found["unequal-dropout", "network.encoder"][0].what
    )
    (scale,) = found["unequal-initial-scale", "network.embedding.weight"]
    assert "context_only 1.01, champion 0.0454" in scale.what
    assert ("metric-depends-on-batch", "metric val_cell_accuracy_batch") in found
    assert ("query-in-own-context", "data, training") in found
    assert "baseline" in arms["initial-loss-far-from-chance", "training_step"]
    (saturated,) = found["floor-saturates-metric", "metric val_grid_accuracy"]
    assert "previous_token" in saturated.arms
    assert not any(code == "probe-not-run" for code, _ in found)


@pytest.mark.long
def test_the_corrected_ladder_is_sound():
    found = audited("trial-69")
    # Grids that are right throughout are beyond three steps, and examples are kept in files.
    seldom = {"files-read", "untested-metric"}
    assert {code for code, _ in found} - seldom == {"seed-moves", "unequal-parameters"}
