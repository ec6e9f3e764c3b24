"""Whether a model that is trained to predict the next token sees it, found without its help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ablate.audits.probes.causality import RELATIVE, altered
from ablate.audits.probes.loss_calls import LossCall, LossWatch

NEARLY_ALL = 0.98
"""Share of the supervised positions at which tokens and targets must agree."""

FEWEST = 6
"""Supervised positions from which on an agreement is no chance."""

MOST_IGNORED = 0.5
DOMINANT = 3.0
"""How much more its own token must move an output than other tokens do, to be copied."""

POSITIONS = 4

Again = Callable[[], None]
"""Does the step again."""


@dataclass(frozen=True, eq=False)
class Relation:
    """Targets that are the tokens embedded: that at `t` is the token at `t + offset`.

    `call` is the number of the loss call. The targets are `length` long; `counted_BT` tells which
    of them count.
    """

    tokens: Tensor
    call: int
    offset: int
    time_first: bool
    length: int
    counted_BT: Tensor

    @property
    def batch_first(self) -> Tensor:
        """The tokens, the batch first."""
        return self.tokens.T if self.time_first else self.tokens


def next_token_relation(watch: LossWatch) -> Relation | None:
    """Find embedded tokens of which the targets of a loss are a copy, shifted by one or not.

    Shifted ones are preferred: an autoencoder embeds its targets, and then what comes before them.
    """
    found = [
        relation
        for number, call in enumerate(watch.calls)
        if call.name in {"cross_entropy", "nll_loss"} and not call.target.is_floating_point()
        for tokens in watch.tokens
        if (relation := _related(tokens, number, call)) is not None
    ]
    return max(found, key=lambda relation: relation.offset, default=None)


def is_next_token(target: Tensor, tokens: Tensor) -> bool:
    """Say whether targets are tokens, shifted by one."""
    call = LossCall("cross_entropy", target, target, target, {"ignore_index": -100})
    relation = _related(tokens, 0, call)
    return relation is not None and relation.offset == 1


def _related(tokens: Tensor, number: int, call: LossCall) -> Relation | None:
    if tokens.ndim != 2 or tokens.is_floating_point():
        return None
    for time_first in (False, True):
        tokens_BT = tokens.T if time_first else tokens
        batch, length = tokens_BT.shape
        targets_BT = _laid_out(call.target, batch, length, time_first=time_first)
        if targets_BT is None or length < 3:
            continue
        counted_BT = targets_BT != (call.ignored if call.ignored is not None else -100)
        matches = {offset: _matches(tokens_BT, targets_BT, counted_BT, offset) for offset in (0, 1)}
        if matches[0] != matches[1]:
            offset = 0 if matches[0] else 1
            kept = targets_BT.shape[1]
            return Relation(tokens, number, offset, time_first, kept, counted_BT)
    return None


def _laid_out(target: Tensor, batch: int, length: int, *, time_first: bool) -> Tensor | None:
    """Return targets as (B, T), flat ones too; they may be one shorter than the tokens."""
    for kept in (length, length - 1):
        if target.numel() == batch * kept and kept > 1:
            if target.ndim == 2 and target.shape != (
                (kept, batch) if time_first else (batch, kept)
            ):
                return None
            return target.reshape(kept, batch).T if time_first else target.reshape(batch, kept)
    return None


def _matches(tokens_BT: Tensor, targets_BT: Tensor, counted_BT: Tensor, offset: int) -> bool:
    count = min(targets_BT.shape[1], tokens_BT.shape[1] - offset)
    counted = counted_BT[:, :count]
    targets = targets_BT[:, :count][counted]
    if len(targets) < FEWEST or len(torch.unique(targets)) < 2:
        return False
    if offset == 0 and len(targets) < MOST_IGNORED * counted.numel():
        return False
    same = targets == tokens_BT[:, offset : offset + count][counted]
    return float(same.float().mean()) >= NEARLY_ALL


@dataclass(frozen=True)
class Sight:
    """What the outputs that predict tokens see, of the positions tried.

    `future` counts the positions from which on tokens reach outputs that predict them or what is
    before them; `copied` says that the target of a position is the token given there.
    """

    tried: int = 0
    future: int = 0
    copied: bool = False


def look_ahead(relation: Relation, again: Again) -> Sight:
    """Alter tokens from a position on: outputs that predict them or earlier ones must stay."""
    before = _outputs(relation, again, relation.batch_first)
    other_BT = altered(relation.batch_first)
    length = relation.batch_first.shape[1]
    tried = sorted({1 + round(n * (length - 2) / (POSITIONS - 1)) for n in range(POSITIONS)})
    future = own = spread = 0
    for position in tried:
        tokens_BT = relation.batch_first.clone()
        tokens_BT[:, position:] = other_BT[:, position:]
        moved_T = _moved(relation, before, _outputs(relation, again, tokens_BT))
        # Those that predict the token at `position`, or an earlier one.
        future += bool(moved_T[: max(0, position - relation.offset + 1)].any())
        if relation.offset == 0:
            own += bool(moved_T[position : position + 1].any())
            spread += bool(moved_T[:position].any())
    if relation.offset:
        return Sight(len(tried), future)
    copied = own == len(tried) and (not spread or _dominant(relation, before, again, tried))
    return Sight(len(tried), 0, copied)


def _outputs(relation: Relation, again: Again, tokens_BT: Tensor) -> Tensor:
    """Return what the loss is given, (B, T, V), when other tokens are embedded."""
    tokens = tokens_BT.T if relation.time_first else tokens_BT

    def substitute(embedded: Tensor) -> Tensor | None:
        same = embedded.shape == relation.tokens.shape and torch.equal(embedded, relation.tokens)
        return tokens.clone() if same else None

    watch = LossWatch(substitute)
    with watch:
        again()
    given = watch.calls[relation.call].input
    batch = relation.batch_first.shape[0]
    if given.ndim == 3:
        given = given.movedim(1, -1)
        return given.transpose(0, 1) if relation.time_first else given
    if relation.time_first:
        return given.reshape(relation.length, batch, -1).transpose(0, 1)
    return given.reshape(batch, relation.length, -1)


def _gaps(relation: Relation, before: Tensor, after: Tensor) -> Tensor:
    """Return by how much the outputs of counted positions moved, (T,)."""
    gaps_BT = (after - before).abs().nan_to_num().amax(-1)
    return (gaps_BT * relation.counted_BT).amax(0)


def _moved(relation: Relation, before: Tensor, after: Tensor) -> Tensor:
    tolerance = RELATIVE * max(1.0, float(before.abs().nan_to_num().max()))
    return _gaps(relation, before, after) > tolerance


def _dominant(relation: Relation, before: Tensor, again: Again, tried: Sequence[int]) -> bool:
    """Say whether each token moves its own output most: what passes a bottleneck moves all."""
    other_BT = altered(relation.batch_first)
    for position in tried:
        tokens_BT = relation.batch_first.clone()
        tokens_BT[:, position] = other_BT[:, position]
        gaps_T = _gaps(relation, before, _outputs(relation, again, tokens_BT))
        rest = torch.cat([gaps_T[:position], gaps_T[position + 1 :]])
        if float(gaps_T[position]) <= DOMINANT * float(rest.mean()):
            return False
    return True
