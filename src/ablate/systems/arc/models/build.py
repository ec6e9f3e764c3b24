"""Arms as compositions of parts.

An arm is a row of `ARMS`; a flavour decides how each part is built. `faithful` keeps every known
defect of the published ladder, `corrected` has none of them:

| part           | faithful                                | corrected                         |
|----------------|-----------------------------------------|-----------------------------------|
| output grid    | first cell given; seed era: answer read | START, every cell predicted       |
| padding        | visible to all attention                | hidden                            |
| decoder-only   | sees the future, no positions           | causal, rotary positions          |
| its loss       | both grids                              | output cells                      |
| Grid2D         | cell k at (k // 30, k mod 30)           | true row and column               |
| perminv        | a lookup table                          | colours named by first appearance |
| dropout        | twice in context_only                   | once                              |
| initial values | by arm, see `xavier_matrices`           | one rule, see `initialise`        |
| head           | eleven classes, PAD among them          | ten colours                       |
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ablate.systems.arc.models.context import Bridge, ContextEncoder
from ablate.systems.arc.models.embeddings import ColourNames, TableEmbedding, TokenEmbedding
from ablate.systems.arc.models.network import Network
from ablate.systems.arc.models.positions import Grid2D, Grid2DFixedStride, Rotary, Sinusoid1D
from ablate.systems.arc.models.transformer import (
    EncoderDecoder,
    LeakyDecoderOnly,
    RotaryDecoderOnly,
    RotaryLayer,
    decoder_stack,
    encoder_stack,
)
from ablate.systems.arc.predictors import PREDICTORS
from ablate.systems.arc.sequences import COLOURS, FROM_START, SHIFTED, UNSHIFTED

Arch = Literal[
    "seed_decoder_only",
    "seed_encoder_decoder",
    "seed_champion",
    "baseline",
    "encoder_decoder",
    "grid2d",
    "perminv",
    "context_only",
    "champion",
    "all_black",
    "copy_source",
    "previous_token",
    "token_above",
]
Flavour = Literal["faithful", "corrected"]


@dataclass(frozen=True)
class Parts:
    """Name the parts of an arm.

    The last two concern the faithful flavour only: `reads_answer` leaves the target unshifted, and
    `scores_empty` lets batches without a single scored cell through (their loss is NaN).
    """

    decoder_only: bool = False
    grid2d: bool = False
    perminv: bool = False
    context: bool = False
    reads_answer: bool = False
    scores_empty: bool = False


ARMS: dict[str, Parts] = {
    "seed_decoder_only": Parts(decoder_only=True),
    "seed_encoder_decoder": Parts(reads_answer=True),
    "seed_champion": Parts(grid2d=True, perminv=True, context=True, reads_answer=True),
    "baseline": Parts(decoder_only=True),
    "encoder_decoder": Parts(),
    "grid2d": Parts(grid2d=True, scores_empty=True),
    "perminv": Parts(perminv=True),
    "context_only": Parts(context=True),
    "champion": Parts(grid2d=True, perminv=True, context=True),
}


@dataclass(frozen=True)
class Sizes:
    """Hold widths, depths and rates; `dropout` follows the embedding and its positions."""

    d_model: int
    d_ff: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    dropout: float
    encoder_dropout: float
    decoder_dropout: float
    context_d_model: int
    context_heads: int
    context_dropout: float
    context_ff: int


def build_network(arch: Arch, flavour: Flavour, sizes: Sizes) -> Network:
    """Compose an arm.

    Raises:
        ValueError: An argument is unknown, out of range or does not fit the others; the message
            begins with its name and says what is allowed.
    """
    _check_choice("arch", arch, get_args(Arch))
    _check_choice("flavour", flavour, get_args(Flavour))
    if arch in PREDICTORS:
        return PREDICTORS[arch](FROM_START if flavour == "corrected" else SHIFTED)
    parts = ARMS[arch]
    _check_sizes(parts, flavour, sizes)
    if flavour == "faithful":
        return _faithful_decoder_only(sizes) if parts.decoder_only else _faithful(parts, sizes)
    network = _corrected_decoder_only(sizes) if parts.decoder_only else _corrected(parts, sizes)
    initialise(network)
    return network


def _faithful_decoder_only(sizes: Sizes) -> Network:
    embedding = TokenEmbedding(COLOURS + 1, sizes.d_model, scale=1.0)
    return LeakyDecoderOnly(embedding, _decoder(sizes))


def _faithful(parts: Parts, sizes: Sizes) -> Network:
    width = sizes.d_model
    table = TableEmbedding if parts.perminv else TokenEmbedding
    positions = Grid2DFixedStride if parts.grid2d else Sinusoid1D
    drop_twice = parts.context and not parts.grid2d
    network = EncoderDecoder(
        UNSHIFTED if parts.reads_answer else SHIFTED,
        embedding=table(COLOURS + 1, width, math.sqrt(width)),
        positions=positions(width),
        dropout=nn.Sequential(*[nn.Dropout(sizes.dropout) for _ in range(1 + drop_twice)]),
        encoder=_encoder(sizes),
        decoder=_decoder(sizes),
        head=nn.Linear(width, COLOURS + 1),
        masked=False,
        context=_context(sizes, COLOURS + 1, Grid2DFixedStride, masked=False)
        if parts.context
        else None,
        bridge=Bridge(width, sizes.context_d_model) if parts.context else None,
    )
    xavier_matrices(network)
    return network


def _corrected_decoder_only(sizes: Sizes) -> Network:
    width = sizes.d_model
    rotary = Rotary(width // sizes.heads)
    return RotaryDecoderOnly(
        TokenEmbedding(COLOURS + 2, width, math.sqrt(width)),
        nn.Dropout(sizes.dropout),
        [
            RotaryLayer(width, sizes.heads, sizes.d_ff, sizes.decoder_dropout, rotary)
            for _ in range(sizes.decoder_layers)
        ],
    )


def _corrected(parts: Parts, sizes: Sizes) -> Network:
    width = sizes.d_model
    return EncoderDecoder(
        FROM_START,
        embedding=TokenEmbedding(COLOURS + 2, width, math.sqrt(width)),
        positions=Grid2D(width) if parts.grid2d else Sinusoid1D(width),
        dropout=nn.Dropout(sizes.dropout),
        encoder=_encoder(sizes),
        decoder=_decoder(sizes),
        head=nn.Linear(width, COLOURS),
        masked=True,
        context=_context(sizes, COLOURS + 1, Grid2D, masked=True) if parts.context else None,
        bridge=Bridge(width, sizes.context_d_model) if parts.context else None,
        names=ColourNames(with_context=parts.context) if parts.perminv else None,
    )


def _encoder(sizes: Sizes) -> nn.Module:
    return encoder_stack(
        sizes.d_model, sizes.heads, sizes.d_ff, sizes.encoder_dropout, sizes.encoder_layers
    )


def _decoder(sizes: Sizes) -> nn.Module:
    return decoder_stack(
        sizes.d_model, sizes.heads, sizes.d_ff, sizes.decoder_dropout, sizes.decoder_layers
    )


def _context(
    sizes: Sizes, vocabulary: int, positions: type[nn.Module], *, masked: bool
) -> ContextEncoder:
    width = sizes.context_d_model
    return ContextEncoder(
        embedding=TableEmbedding(vocabulary, width, math.sqrt(width)),
        positions=positions(width),
        width=width,
        heads=sizes.context_heads,
        ff=sizes.context_ff,
        dropout=sizes.context_dropout,
        masked=masked,
    )


@torch.no_grad()
def xavier_matrices(network: EncoderDecoder) -> None:
    """Draw matrices Xavier-uniform as published, packed attention projections as one matrix each.

    In the arms with a context path the token table and all of the context encoder keep the values
    they were built with, so those arms start from token vectors of another size. Vectors keep the
    library's defaults.
    """
    kept: set[int] = set()
    if network.context is not None:
        kept = {id(parameter) for parameter in network.context.parameters()}
        kept.add(id(network.embedding.weight))
    for parameter in network.parameters():
        if parameter.ndim >= 2 and id(parameter) not in kept:
            nn.init.xavier_uniform_(parameter)


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Draw the initial values of a corrected arm by one rule.

    Matrices are Xavier-uniform, each of the three packed attention projections on its own.
    Embedding tables are normal with standard deviation 1 / sqrt(width), which the sqrt(width)
    scaling turns into unit variance. Biases are zero; layer norms are the identity.
    """
    tables = {id(parameter) for parameter in _embedding_tables(network)}
    norms = {id(module.weight) for module in network.modules() if isinstance(module, nn.LayerNorm)}
    for name, parameter in network.named_parameters():
        if id(parameter) in tables:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        elif id(parameter) in norms:
            nn.init.ones_(parameter)
        elif parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            packed = name.endswith(("in_proj_weight", "project_in.weight"))
            for matrix in parameter.chunk(3) if packed else [parameter]:
                nn.init.xavier_uniform_(matrix)


def _embedding_tables(network: nn.Module) -> list[Tensor]:
    modules = network.modules()
    return [m.weight for m in modules if isinstance(m, TokenEmbedding | nn.Embedding)]


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def _check_sizes(parts: Parts, flavour: Flavour, sizes: Sizes) -> None:
    counts = ["d_model", "d_ff", "heads", "decoder_layers"]
    counts += [] if parts.decoder_only else ["encoder_layers"]
    counts += ["context_d_model", "context_heads", "context_ff"] if parts.context else []
    for name in counts:
        if getattr(sizes, name) < 1:
            raise ValueError(f"{name} must be at least 1; got {getattr(sizes, name)}")
    for name in ("dropout", "encoder_dropout", "decoder_dropout", "context_dropout"):
        if not 0 <= getattr(sizes, name) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1; got {getattr(sizes, name)}")
    rotary = parts.decoder_only and flavour == "corrected"
    grain = 2 * sizes.heads if rotary else sizes.heads
    _check_multiple("d_model", sizes.d_model, grain, "2 * heads" if rotary else "heads")
    if not parts.decoder_only:
        what = "two axes of sine and cosine" if parts.grid2d else "sine and cosine"
        _check_multiple("d_model", sizes.d_model, 4 if parts.grid2d else 2, what)
    if parts.context:
        width, heads = sizes.context_d_model, sizes.context_heads
        _check_multiple("context_d_model", width, heads, "context_heads")
        _check_multiple("context_d_model", width, 4, "two axes of sine and cosine")


def _check_multiple(name: str, value: int, grain: int, why: str) -> None:
    if value % grain:
        raise ValueError(f"{name} must be a multiple of {grain} ({why}); got {value}")
