"""The arms of the ARC ladder: sizes, defects kept and defects removed."""

import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.models.build import ARMS, Sizes, build_network
from ablate.systems.arc.models.embeddings import first_appearance_names, rename
from ablate.systems.arc.models.network import Network
from ablate.systems.arc.models.positions import Grid2D, Grid2DFixedStride, Rotary, Sinusoid1D
from ablate.systems.arc.sequences import (
    FROM_START,
    SHIFTED,
    START,
    UNSHIFTED,
    examples,
    join,
    merge,
)

TINY = Sizes(
    d_model=16,
    d_ff=32,
    heads=2,
    encoder_layers=1,
    decoder_layers=2,
    dropout=0.1,
    encoder_dropout=0.1,
    decoder_dropout=0.1,
    context_d_model=8,
    context_heads=2,
    context_dropout=0.0,
    context_ff=16,
)
LADDER = replace(
    TINY,
    d_model=168,
    d_ff=672,
    heads=4,
    decoder_layers=3,
    context_d_model=32,
    context_heads=8,
    context_ff=2048,
)
CHAMPION = replace(LADDER, d_model=160, d_ff=640)
SEED = replace(LADDER, d_model=128, d_ff=512, encoder_layers=2, decoder_layers=2)
MISTRANSCRIBED = replace(CHAMPION, decoder_layers=2, d_ff=192)
BASELINE = replace(LADDER, d_model=164, d_ff=656, decoder_layers=4)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build(arch, flavour="corrected", sizes=TINY, seed=0) -> Network:
    torch.manual_seed(seed)
    return build_network(arch, flavour, sizes).eval()


def random_batch(*shapes, seed=0, pairs=2) -> ArcBatch:
    """Make one example per ((source h, w), (target h, w)), with context grids 3 x 4."""
    generator = torch.Generator().manual_seed(seed)

    def grid(*shape):
        return torch.randint(0, 10, shape, generator=generator)

    singles = []
    for number, (source, target) in enumerate(shapes):
        singles.append(
            ArcBatch(
                source_BS=grid(1, math.prod(source)),
                source_size_B2=torch.tensor([source]),
                target_BT=grid(1, math.prod(target)),
                target_size_B2=torch.tensor([target]),
                context_inputs_BKHW=grid(1, pairs, 3, 4),
                context_outputs_BKHW=grid(1, pairs, 3, 4),
                task_B=torch.tensor([number]),
                index_B=torch.tensor([0]),
            )
        )
    return merge(singles)


def with_target(batch: ArcBatch, target_BT: Tensor) -> ArcBatch:
    return replace(batch, target_BT=target_BT)


@pytest.mark.parametrize(
    ("arch", "sizes", "published"),
    [
        ("seed_decoder_only", SEED, 530_560),
        ("seed_encoder_decoder", SEED, 928_523),
        ("seed_champion", MISTRANSCRIBED, 880_555),
        ("baseline", BASELINE, 1_735_612),
        ("encoder_decoder", LADDER, 1_708_907),
        ("grid2d", LADDER, 1_708_907),
        ("perminv", LADDER, 1_708_907),
        ("context_only", CHAMPION, 1_724_619),
        ("champion", CHAMPION, 1_724_619),
    ],
)
def test_faithful_arms_have_the_published_parameter_counts(arch, sizes, published):
    assert parameters(build(arch, "faithful", sizes)) == published


@pytest.mark.parametrize("flavour", ["faithful", "corrected"])
@pytest.mark.parametrize("arch", ARMS)
def test_every_arm_scores_every_label_and_trains_every_parameter(arch, flavour):
    network = build(arch, flavour).train()
    batch = random_batch(((2, 3), (3, 3)), ((4, 2), (2, 2)))
    scores, cells = network.objective(batch)
    assert scores.logits_BTV.shape[:2] == scores.labels_BT.shape
    assert cells.logits_BTV.shape[:2] == cells.labels_BT.shape
    scores.logits_BTV.logsumexp(-1).square().sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None]
    assert idle == []


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"d_model": 15}, "d_model"),
        ({"d_model": 18, "heads": 3}, "d_model"),
        ({"heads": 0}, "heads"),
        ({"decoder_layers": 0}, "decoder_layers"),
        ({"encoder_layers": 0}, "encoder_layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"context_d_model": 9}, "context_d_model"),
        ({"context_d_model": 6}, "context_d_model"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, argument):
    with pytest.raises(ValueError, match=f"^{argument} must be"):
        build("champion", sizes=replace(TINY, **change))


def test_rotary_arms_need_an_even_head_width():
    with pytest.raises(ValueError, match=r"^d_model must be a multiple of 4 \(2 \* heads\)"):
        build("baseline", sizes=replace(TINY, d_model=6))


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"arch must be one of .*champion.*; got 'champ'"):
        build_network("champ", "corrected", TINY)
    with pytest.raises(ValueError, match="flavour must be one of faithful, corrected"):
        build_network("champion", "correct", TINY)


def test_context_arms_refuse_a_batch_without_context():
    with pytest.raises(ValueError, match="context pairs"):
        build("champion")(random_batch(((2, 2), (2, 2)), pairs=0))


# Conventions


def test_conventions_decide_what_is_read_and_said():
    target = torch.tensor([[4, 5, 6, PAD]])
    assert FROM_START.inputs(target).tolist() == [[START, 4, 5, 6]]
    assert FROM_START.labels(target).tolist() == [[4, 5, 6, PAD]]
    assert SHIFTED.inputs(target).tolist() == [[4, 5, 6]]
    assert SHIFTED.labels(target).tolist() == [[5, 6, PAD]]
    assert UNSHIFTED.inputs(target).tolist() == UNSHIFTED.labels(target).tolist()


def test_joining_leaves_no_padding_between_the_grids():
    source = torch.tensor([[1, 2, 3], [4, PAD, PAD]])
    tokens = torch.tensor([[START, 7], [START, 8]])
    joined = join(source, torch.tensor([3, 1]), tokens)
    assert joined.tolist() == [[1, 2, 3, START, 7], [4, START, 8, PAD, PAD]]


def test_cutting_a_batch_up_and_merging_it_changes_nothing():
    batch = random_batch(((2, 3), (3, 3)), ((4, 2), (1, 2)), ((1, 1), (2, 2)))
    again = merge(examples(batch, [0, 1, 2]))
    for field in fields(ArcBatch):
        assert torch.equal(getattr(batch, field.name), getattr(again, field.name))


# Padding and neighbours


SHAPES = [((2, 3), (2, 2)), ((5, 4), (6, 5)), ((1, 7), (3, 1))]


@pytest.mark.parametrize("arch", ARMS)
def test_corrected_logits_do_not_depend_on_batch_neighbours(arch):
    network = build(arch)
    batch = random_batch(*SHAPES)
    together = network(batch).logits_BTV
    for row, single in enumerate(examples(batch, range(len(SHAPES)))):
        alone = network(single).logits_BTV
        torch.testing.assert_close(
            together[row : row + 1, : alone.shape[1]], alone, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("arch", ARMS)
def test_faithful_logits_depend_on_batch_neighbours(arch):
    network = build(arch, "faithful")
    batch = random_batch(*SHAPES)
    alone = network(examples(batch, [0])[0]).logits_BTV
    together = network(batch).logits_BTV[:1, : alone.shape[1]]
    assert (together - alone).abs().max() > 1e-3


# Causality


def logits_with_changed_cell(network: Network, cell: int) -> tuple[Tensor, Tensor]:
    batch = random_batch(((3, 3), (4, 4)))
    target = batch.target_BT.clone()
    target[0, cell] = (target[0, cell] + 1) % 10
    before = network(batch).logits_BTV[0]
    return before, network(with_target(batch, target)).logits_BTV[0]


@pytest.mark.parametrize("arch", ARMS)
def test_corrected_arms_cannot_see_the_cell_they_predict_or_later_ones(arch):
    before, after = logits_with_changed_cell(build(arch), cell=9)
    torch.testing.assert_close(before[:10], after[:10], atol=1e-6, rtol=0)
    assert (before[10:] - after[10:]).abs().max() > 1e-4


@pytest.mark.parametrize("arch", ["seed_decoder_only", "baseline"])
def test_faithful_decoder_only_sees_the_future(arch):
    before, after = logits_with_changed_cell(build(arch, "faithful"), cell=9)
    assert (before[3] - after[3]).abs().max() > 1e-4


@pytest.mark.parametrize("arch", ["seed_encoder_decoder", "seed_champion"])
def test_faithful_seed_arms_with_an_encoder_read_the_answer(arch):
    before, after = logits_with_changed_cell(build(arch, "faithful"), cell=9)
    torch.testing.assert_close(before[:9], after[:9], atol=1e-6, rtol=0)
    assert (before[9] - after[9]).abs().max() > 1e-3


def test_faithful_encoder_decoder_is_causal():
    before, after = logits_with_changed_cell(build("encoder_decoder", "faithful"), cell=9)
    torch.testing.assert_close(before[:9], after[:9], atol=1e-6, rtol=0)


# Positions


@given(height=st.integers(1, 30), width=st.integers(1, 30))
def test_grid2d_gives_a_cell_the_code_of_its_true_row_and_column(height, width):
    size = torch.tensor([[height, width]])
    code = Grid2D(8)(height * width, size)[0].view(height, width, 8)
    assert torch.equal(code[:, :, :4], code[:, :1, :4].expand(-1, width, -1))
    assert torch.equal(code[:, :, 4:], code[:1, :, 4:].expand(height, -1, -1))
    assert len(code.flatten(0, 1).unique(dim=0)) == height * width


@given(width=st.integers(2, 30))
def test_published_grid2d_is_right_only_at_width_30(width):
    size = torch.tensor([[30, width]])
    true = Grid2D(8)(30 * width, size)[0]
    published = Grid2DFixedStride(8)(30 * width, size)[0]
    assert torch.equal(published[:width], true[:width])
    assert torch.equal(published, true) == (width == 30)


def test_published_grid2d_refuses_more_than_900_cells():
    batch = random_batch(((29, 32), (2, 2)))
    with pytest.raises(ValueError, match="900 positions, but the sequence needs 928"):
        build("grid2d", "faithful")(batch)
    build("grid2d")(batch)


def test_sinusoid_follows_its_formula():
    code = Sinusoid1D(6)(11, torch.tensor([[1, 11]]))[0]
    for i in range(3):
        angle = 10 / 10000 ** (2 * i / 6)
        assert code[10, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert code[10, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_rotary_products_depend_on_the_distance_only():
    torch.manual_seed(0)
    query, key = torch.randn(2, 8)
    rotate = Rotary(8)
    queries = rotate(query.expand(1, 1, 12, 8))[0, 0]
    keys = rotate(key.expand(1, 1, 12, 8))[0, 0]
    products = queries @ keys.T
    torch.testing.assert_close(products[5, 2], products[11, 8])
    assert (products[5, 2] - products[5, 3]).abs() > 1e-3


def test_order_of_the_source_matters_to_the_corrected_decoder_only_arm():
    """One attention layer without positions would take the source for a bag of cells."""
    network = build("baseline", sizes=replace(TINY, decoder_layers=1))
    batch = random_batch(((2, 3), (1, 1)))
    moved = replace(batch, source_BS=batch.source_BS.flip(1))
    assert (network(batch).logits_BTV - network(moved).logits_BTV).abs().max() > 1e-4


# Colours


def permuted(batch: ArcBatch, colours: list[int]) -> ArcBatch:
    """Replace colour c by colours[c] in every grid."""
    table = torch.tensor([0, *colours, PAD])
    names = ("source_BS", "target_BT", "context_inputs_BKHW", "context_outputs_BKHW")
    return replace(batch, **{name: table[getattr(batch, name)] for name in names})


PERMUTATIONS = st.permutations(range(1, 10))


@pytest.mark.parametrize("arch", ["perminv", "champion"])
@settings(deadline=None, max_examples=15)
@given(colours=PERMUTATIONS)
def test_perminv_commutes_with_colour_permutations(arch, colours):
    network = build(arch)
    batch = random_batch(*SHAPES)
    logits = network(batch).logits_BTV
    expected = torch.empty_like(logits)
    expected[..., [0, *colours]] = logits
    got = network(permuted(batch, list(colours))).logits_BTV
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("arch", "flavour"), [("grid2d", "corrected"), ("perminv", "faithful")])
def test_a_lookup_table_does_not_commute_with_colour_permutations(arch, flavour):
    network = build(arch, flavour)
    batch = random_batch(*SHAPES)
    swapped = [2, 1, *range(3, 10)]
    logits = network(batch).logits_BTV[..., [0, *swapped]]
    assert (network(permuted(batch, swapped)).logits_BTV[..., :10] - logits).abs().max() > 1e-2


def test_colours_are_named_in_order_of_first_appearance():
    names = first_appearance_names(torch.tensor([[0, 7, 7, 3, 0, 9, PAD]]))
    assert names[0, [0, 7, 3, 9]].tolist() == [0, 1, 2, 3]
    assert names[0, [1, 2, 4, 5, 6, 8]].tolist() == [9] * 6
    assert names[0, [PAD, START]].tolist() == [PAD, START]


@given(cells=st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_names_never_confuse_two_colours_that_were_seen(cells):
    seen = torch.tensor([cells])
    renamed = rename(seen, first_appearance_names(seen))[0].tolist()
    pairs = set(zip(cells, renamed, strict=True))
    assert len(pairs) == len({c for c, _ in pairs}) == len({n for _, n in pairs})


# Initial values


def test_published_perminv_arm_is_the_same_function_as_the_plain_one():
    plain, perminv = build("encoder_decoder", "faithful"), build("perminv", "faithful", seed=1)
    perminv.load_state_dict(plain.state_dict())
    batch = random_batch(*SHAPES)
    assert torch.equal(plain(batch).logits_BTV, perminv(batch).logits_BTV)


@pytest.mark.parametrize(
    ("arch", "sizes", "scaled_std"),
    [
        ("encoder_decoder", LADDER, 1.37),
        ("grid2d", LADDER, 1.37),
        ("perminv", LADDER, 1.37),
        ("champion", CHAMPION, 0.57),
        ("context_only", CHAMPION, 12.4),
        ("baseline", BASELINE, 1.0),
    ],
)
def test_faithful_arms_start_from_the_published_embedding_scale(arch, sizes, scaled_std):
    embedding = build(arch, "faithful", sizes).embedding
    scaled = embedding.weight.std().item() * embedding.scale
    assert scaled == pytest.approx(scaled_std, rel=0.05)


@pytest.mark.parametrize("arch", ["context_only", "champion", "seed_champion"])
def test_the_published_context_encoder_keeps_the_initial_values_of_the_library(arch):
    """Xavier's rule would give both linear layers a standard deviation of 0.031."""
    network = build(arch, "faithful", CHAMPION)
    measured = {
        "layer.linear1.weight": 0.102,
        "layer.linear2.weight": 0.0128,
        "layer.self_attn.out_proj.weight": 0.102,
        "attention.out_proj.weight": 0.102,
        "score.weight": 0.100,
        "embedding.weight": 0.102,
        "slots.weight": 1.0,
    }
    for name, std in measured.items():
        found = network.context.get_parameter(name)
        tolerance = 0.2 if found.numel() < 100 else 0.08
        assert found.std().item() == pytest.approx(std, rel=tolerance), name
    assert network.bridge.project.weight.abs().max() > 0.1  # sqrt(6 / 352) = 0.131 of Xavier
    assert network.bridge.project.weight.abs().max() < 0.1306


@pytest.mark.parametrize("arch", ARMS)
def test_corrected_arms_start_from_unit_token_vectors_and_zero_biases(arch):
    network = build(arch, sizes=replace(TINY, d_model=256, heads=4))
    embedding = network.embedding
    assert embedding.weight.std().item() * embedding.scale == pytest.approx(1, rel=0.05)
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert all(bias.abs().max() == 0 for bias in biases)


def test_faithful_decoder_only_layers_start_as_copies_and_corrected_ones_do_not():
    first, second = build("baseline", "faithful").decoder.layers
    assert torch.equal(first.linear1.weight, second.linear1.weight)
    first, second = build("baseline").layers
    assert not torch.equal(first.project_in.weight, second.project_in.weight)


def test_published_context_only_arm_applies_dropout_twice():
    def rates(arch, flavour):
        return sum(isinstance(m, nn.Dropout) for m in build(arch, flavour).dropout.modules())

    assert rates("context_only", "faithful") == 2
    assert rates("champion", "faithful") == 1
    assert rates("context_only", "corrected") == 1


# The context path


@pytest.mark.parametrize("flavour", ["faithful", "corrected"])
@pytest.mark.parametrize("arch", ["context_only", "champion"])
def test_context_reaches_the_logits(arch, flavour):
    network = build(arch, flavour)
    batch = random_batch(((2, 3), (2, 2)))
    other = replace(batch, context_outputs_BKHW=batch.context_outputs_BKHW.flip(-1))
    assert (network(batch).logits_BTV - network(other).logits_BTV).abs().max() > 1e-4


def test_reading_shared_context_once_changes_nothing():
    network = build("context_only")
    batch = random_batch(((2, 3), (2, 2)), ((3, 3), (2, 2)), ((2, 2), (2, 2)))
    inputs = batch.context_inputs_BKHW[[0, 1, 0]]
    outputs = batch.context_outputs_BKHW[[0, 1, 0]]
    once = network.context(inputs, outputs)
    network.context.train()
    network.context.rate = 0.1  # forces the path that reads every example
    torch.testing.assert_close(network.context(inputs, outputs), once, atol=1e-5, rtol=0)


# Writing without a teacher


@pytest.mark.parametrize("arch", ["baseline", "encoder_decoder", "grid2d", "perminv", "champion"])
def test_greedy_writing_agrees_with_the_teacher_where_the_prefix_is_the_same(arch):
    network = build(arch)
    batch = random_batch(*SHAPES)
    written = network.generate(batch)
    predicted = network(with_target(batch, written)).logits_BTV.argmax(-1)
    real = batch.target_BT != PAD
    assert torch.equal(predicted[real], written[real])
    assert (written[~real] == PAD).all()
    assert (written[real] < 10).all()


def test_greedy_writing_encodes_the_source_once():
    network = build("encoder_decoder")
    calls = []
    network.encoder.register_forward_hook(lambda *_: calls.append(1))
    network.generate(random_batch(*SHAPES))
    assert len(calls) == 1


def test_faithful_writing_starts_from_the_given_first_cell():
    batch = random_batch(*SHAPES)
    written = build("encoder_decoder", "faithful").generate(batch)
    assert torch.equal(written[:, 0], batch.target_BT[:, 0])
    assert written.shape == batch.target_BT.shape


def test_greedy_writing_never_reads_the_answer():
    network = build("champion")
    batch = random_batch(*SHAPES)
    target = batch.target_BT.where(batch.target_BT == PAD, 9 - batch.target_BT)
    assert torch.equal(network.generate(batch), network.generate(with_target(batch, target)))
