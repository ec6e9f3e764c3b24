"""Transformer arms: encoder-decoder, and two kinds of decoder-only."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.models.context import Bridge, ContextEncoder
from ablate.systems.arc.models.embeddings import ColourNames, TokenEmbedding, colour_logits, rename
from ablate.systems.arc.models.network import Encoded, Network, Scores
from ablate.systems.arc.models.positions import Rotary
from ablate.systems.arc.sequences import (
    COLOURS,
    FROM_PAD,
    FROM_START,
    Convention,
    cell_counts,
    join,
    joined_positions,
)


def encoder_stack(width: int, heads: int, ff: int, dropout: float, layers: int) -> nn.Module:
    """Build stock pre-norm GELU encoder layers without a final norm."""
    layer = nn.TransformerEncoderLayer(
        width, heads, ff, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def decoder_stack(width: int, heads: int, ff: int, dropout: float, layers: int) -> nn.Module:
    """Build stock pre-norm GELU decoder layers without a final norm."""
    layer = nn.TransformerDecoderLayer(
        width, heads, ff, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerDecoder(layer, layers)


def causal_mask(length: int, device: torch.device) -> Tensor:
    """Return True where a position may not look, shape (length, length)."""
    return torch.ones(length, length, dtype=torch.bool, device=device).triu(1)


class EncoderDecoder(Network):
    """Encode the source grid and decode the output grid, one token embedding for both.

    `masked` hides source PAD from attention. `context` with `bridge` adds what demonstrations
    say, once, behind the last decoder layer. `names` replaces colours by equivariant names.
    """

    def __init__(
        self,
        convention: Convention,
        *,
        embedding: TokenEmbedding,
        positions: nn.Module,
        dropout: nn.Module,
        encoder: nn.Module,
        decoder: nn.Module,
        head: nn.Linear,
        masked: bool,
        context: ContextEncoder | None = None,
        bridge: Bridge | None = None,
        names: ColourNames | None = None,
    ) -> None:
        super().__init__(convention)
        self.embedding = embedding
        self.positions = positions
        self.dropout = dropout
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.masked = masked
        self.context = context
        self.bridge = bridge
        self.names = names

    def encode(self, batch: ArcBatch) -> Encoded:
        """Encode the source grid and, where the arm has a context path, the demonstrations."""
        names_BV = None if self.names is None else self.names(batch)
        source_BS = _named(batch.source_BS, names_BV)
        padding_BS = (source_BS == PAD) if self.masked else None
        hidden_BSD = self._embed(source_BS, batch.source_size_B2)
        memory_BSD = self.encoder(hidden_BSD, src_key_padding_mask=padding_BS)
        context_BC = None
        if self.context is not None:
            context_BC = self.context(
                _named(batch.context_inputs_BKHW, names_BV),
                _named(batch.context_outputs_BKHW, names_BV),
            )
        return Encoded(
            memory=memory_BSD,
            source_size_B2=batch.source_size_B2,
            target_size_B2=batch.target_size_B2,
            memory_padding_BS=padding_BS,
            context_BC=context_BC,
            names_BV=names_BV,
        )

    def decode(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return logits (B, T, V) over colours (and PAD, in the published head)."""
        read_BT = _named(tokens_BT, encoded.names_BV)
        hidden_BTD = self._embed(read_BT, encoded.target_size_B2)
        hidden_BTD = self.decoder(
            hidden_BTD,
            encoded.memory,
            tgt_mask=causal_mask(tokens_BT.shape[1], tokens_BT.device),
            tgt_is_causal=True,
            memory_key_padding_mask=encoded.memory_padding_BS,
        )
        if self.bridge is not None and encoded.context_BC is not None:
            hidden_BTD = self.bridge(hidden_BTD, encoded.context_BC)
        logits_BTV: Tensor = self.head(hidden_BTD)
        if encoded.names_BV is not None:
            return colour_logits(logits_BTV, encoded.names_BV)
        return logits_BTV

    def _embed(self, tokens_BL: Tensor, size_B2: Tensor) -> Tensor:
        positions = self.positions(tokens_BL.shape[1], size_B2)
        embedded_BLD: Tensor = self.dropout(self.embedding(tokens_BL) + positions)
        return embedded_BLD


def _named(tokens: Tensor, names_BV: Tensor | None) -> Tensor:
    return tokens if names_BV is None else rename(tokens, names_BV)


class LeakyDecoderOnly(Network):
    """Read both grids as one sequence the published way, future tokens included.

    Stock decoder layers, copies of one another, take the unscaled, unpositioned embeddings as
    input and as memory: self-attention is causal, cross-attention sees the whole sequence.
    The head is the embedding table. The loss covers the input grid too.
    """

    def __init__(self, embedding: TokenEmbedding, decoder: nn.Module) -> None:
        super().__init__(FROM_PAD)
        self.embedding = embedding
        self.decoder = decoder

    def encode(self, batch: ArcBatch) -> Encoded:
        """Keep the source tokens: the sequence is joined when tokens arrive."""
        return Encoded(batch.source_BS, batch.source_size_B2, batch.target_size_B2)

    def decode(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return logits (B, T, 11) at the positions of the tokens."""
        source_cells_B = cell_counts(encoded.source_size_B2)
        logits_BLV = self.score_sequence(join(encoded.memory, source_cells_B, tokens_BT))
        return _gather(logits_BLV, joined_positions(source_cells_B, tokens_BT.shape[1]))

    def objective(self, batch: ArcBatch) -> tuple[Scores, Scores]:
        """Score the whole sequence for the loss, and pick out the output cells."""
        source_cells_B = cell_counts(batch.source_size_B2)
        longest = int((source_cells_B + cell_counts(batch.target_size_B2)).max()) + 1
        tokens_BT = functional.pad(batch.target_BT, (1, 0), value=PAD)
        sequence_BL = join(batch.source_BS, source_cells_B, tokens_BT)[:, :longest]
        logits_BLV = self.score_sequence(sequence_BL[:, :-1])
        positions_BT = joined_positions(source_cells_B, batch.target_BT.shape[1])
        cell_logits_BTV = _gather(logits_BLV, positions_BT.clamp(max=longest - 2))
        return Scores(logits_BLV, sequence_BL[:, 1:]), Scores(cell_logits_BTV, batch.target_BT)

    def forward(self, batch: ArcBatch) -> Scores:
        """Score the output cells under teacher forcing."""
        return self.objective(batch)[1]

    def score_sequence(self, sequence_BL: Tensor) -> Tensor:
        """Return logits (B, L, 11) for a joined sequence."""
        embedded_BLD = self.embedding(sequence_BL)
        hidden_BLD = self.decoder(
            embedded_BLD,
            embedded_BLD,
            tgt_mask=causal_mask(sequence_BL.shape[1], sequence_BL.device),
            tgt_is_causal=True,
        )
        return functional.linear(hidden_BLD, self.embedding.weight)


class RotaryDecoderOnly(Network):
    """Read both grids as one causal sequence with rotary positions; score output cells only.

    The head is the colour part of the embedding table, without bias.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        dropout: nn.Module,
        layers: list["RotaryLayer"],
    ) -> None:
        super().__init__(FROM_START)
        self.embedding = embedding
        self.dropout = dropout
        self.layers = nn.ModuleList(layers)

    def encode(self, batch: ArcBatch) -> Encoded:
        """Keep the source tokens: the sequence is joined when tokens arrive."""
        return Encoded(batch.source_BS, batch.source_size_B2, batch.target_size_B2)

    def decode(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return logits (B, T, 10) at the positions of the tokens."""
        source_cells_B = cell_counts(encoded.source_size_B2)
        hidden_BLD = self.dropout(self.embedding(join(encoded.memory, source_cells_B, tokens_BT)))
        for layer in self.layers:
            hidden_BLD = layer(hidden_BLD)
        hidden_BTD = _gather(hidden_BLD, joined_positions(source_cells_B, tokens_BT.shape[1]))
        return functional.linear(hidden_BTD, self.embedding.weight[:COLOURS])


class RotaryLayer(nn.Module):
    """Apply causal rotary self-attention, then a GELU feed-forward, both pre-norm."""

    def __init__(self, width: int, heads: int, ff: int, dropout: float, rotary: Rotary) -> None:
        super().__init__()
        self.heads = heads
        self.rotary = rotary
        self.rate = dropout
        self.norm_attention = nn.LayerNorm(width)
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)
        self.norm_ff = nn.LayerNorm(width)
        self.ff = nn.Sequential(
            nn.Linear(width, ff), nn.GELU(), nn.Dropout(dropout), nn.Linear(ff, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_BLD: Tensor) -> Tensor:
        """Return hidden states of the same shape."""
        hidden_BLD = hidden_BLD + self.dropout(self._attend(self.norm_attention(hidden_BLD)))
        mixed_BLD: Tensor = self.dropout(self.ff(self.norm_ff(hidden_BLD)))
        return hidden_BLD + mixed_BLD

    def _attend(self, hidden_BLD: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.project_in(hidden_BLD).chunk(3, dim=-1)
        )
        rate = self.rate if self.training else 0.0
        mixed_BNLH = functional.scaled_dot_product_attention(
            self.rotary(query), self.rotary(key), value, dropout_p=rate, is_causal=True
        )
        attended_BLD: Tensor = self.project_out(mixed_BNLH.transpose(1, 2).flatten(2))
        return attended_BLD


def _gather(values_BLD: Tensor, positions_BT: Tensor) -> Tensor:
    index = positions_BT[..., None].expand(-1, -1, values_BLD.shape[-1])
    return values_BLD.gather(1, index)
