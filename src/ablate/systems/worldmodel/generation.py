"""Batched sampling of answers with cached keys and values.

Shapes: B prompts, T their padded length, N the longest answer, V token ids.
"""

import torch
from torch import Tensor

from ablate.systems.common.blocks import Cache
from ablate.systems.worldmodel.model import LanguageModel
from ablate.systems.worldmodel.tokenizer import END, PAD


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompt_BT: Tensor,
    keep_BT: Tensor,
    *,
    max_new_tokens: int,
    temperature: float,
    generator: torch.Generator,
) -> Tensor:
    """Continue prompts that are padded on the left; return the new tokens alone, (B, N).

    An answer ends with END and is filled up with PAD. A temperature of 0 takes the most probable
    token. Every prompt uses up N numbers of the generator, a CPU one, in the order of the prompts:
    what is sampled depends neither on how they are batched nor on the device.
    """
    chance_BN = torch.rand(len(prompt_BT), max_new_tokens, generator=generator)
    chance_BN = chance_BN.to(prompt_BT.device)
    caches = [Cache() for _ in model.blocks]
    ended_B = torch.zeros(len(prompt_BT), dtype=torch.bool, device=prompt_BT.device)
    written: list[Tensor] = []
    ids_BT = prompt_BT
    for number in range(max_new_tokens):
        logits_BV = model(ids_BT, keep_BT, caches)[:, -1]
        token_B = choose(logits_BV, temperature, chance_BN[:, number]).masked_fill(ended_B, PAD)
        written.append(token_B)
        ended_B = ended_B | (token_B == END)
        if ended_B.all():
            break
        ids_BT = token_B[:, None]
        keep_BT = torch.cat([keep_BT, torch.ones_like(ids_BT, dtype=torch.bool)], 1)
    new_BN = torch.stack(written, 1)
    return torch.nn.functional.pad(new_BN, (0, max_new_tokens - new_BN.shape[1]), value=PAD)


def choose(logits_BV: Tensor, temperature: float, chance_B: Tensor) -> Tensor:
    """Return the token at which the cumulative probability exceeds a number in [0, 1)."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    up_to_BV = (logits_BV.float() / temperature).softmax(-1).cumsum(-1)
    # The last sum is 1 but for rounding.
    below_BV = up_to_BV <= chance_B[:, None] * up_to_BV[:, -1:]
    return below_BV.sum(-1).clamp(max=logits_BV.shape[-1] - 1)
