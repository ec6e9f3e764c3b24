"""Tests of what the parts of the system are named for: None if it holds, else what is wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ablate.systems.common.blocks import Cache
from ablate.systems.worldmodel.model import LanguageModel
from ablate.systems.worldmodel.problems import draw_problem
from ablate.systems.worldmodel.records import IGNORED, Record
from ablate.systems.worldmodel.scores import TAGS, Scorer, score
from ablate.systems.worldmodel.tokenizer import END, decode, encode

PROBLEMS = 20
"""Problems whose answers are scored."""

TOLERANCE = 1e-4
"""Largest difference of equal logits, relative to the largest or to 1."""


def perfect_answers_score_fully(scorer: Scorer) -> str | None:
    """Test that reference answers have all tags, in order, and are right."""
    problems = [draw_problem(0, index) for index in range(PROBLEMS)]
    scored = [score([*encode(p.answer), END], p.value, p.requires, scorer) for p in problems]
    least = min(min(one.structure, one.opening_tags) for one in scored)
    right = sum(one.strict and one.executable and one.correct and one.requires for one in scored)
    if least == len(TAGS) and right == PROBLEMS:
        return None
    return (
        f"a perfect answer scores {least} of {len(TAGS)} tags, and {right} of {PROBLEMS} perfect "
        "answers count as right and in order"
    )


def empty_answers_score_nothing(scorer: Scorer) -> str | None:
    """Test that an answer without a word scores 0."""
    total = sum(map(float, vars(score([END], 0.0, "", scorer)).values()))
    return None if total == 0 else f"an empty answer scores {total:g} in all"


def steps_predict_as_the_whole(model: LanguageModel) -> str | None:
    """Test that token by token, with cached keys and values, the logits are those of one pass."""
    ids_BT = torch.arange(1, 9, device=model.embedding.weight.device)[None]
    keep_BT = torch.ones_like(ids_BT, dtype=torch.bool)
    caches = [Cache() for _ in model.blocks]
    steps = [
        model(ids_BT[:, place : place + 1], keep_BT[:, : place + 1], caches)
        for place in range(ids_BT.shape[1])
    ]
    whole_BTV: Tensor = model(ids_BT)
    gap = float((torch.cat(steps, 1) - whole_BTV).abs().max())
    if gap <= TOLERANCE * max(1.0, float(whole_BTV.abs().max())):
        return None
    return f"written token by token the logits differ by up to {gap:.3g} from those of one pass"


def targets_close_all_tags(labels_BT: Tensor) -> str | None:
    """Test that the labels, (B, T), of each record hold the three closing tags and the end."""
    rows = [row[row != IGNORED].tolist() for row in labels_BT.unbind()]
    texts = [decode(row) for row in rows]
    lacking = {f"</{tag}>": sum(f"</{tag}>" not in text for text in texts) for tag in TAGS}
    lacking["the end"] = sum(END not in row for row in rows)
    told = ", ".join(f"{mark} in {count}" for mark, count in lacking.items() if count)
    return f"of {len(rows)} records, what is to be learned lacks {told}" if told else None


def prompts_have_no_loss(records: Sequence[Record], labels_BT: Tensor) -> str | None:
    """Test that the labels, (B, T), of these records leave out every token of the prompts."""
    prompts = [row[: len(record.prompt)] for row, record in zip(labels_BT, records, strict=True)]
    counted = sum(int((prompt != IGNORED).sum()) for prompt in prompts)
    if not counted:
        return None
    total = sum(map(len, prompts))
    return f"the loss counts {counted} of {total} prompt tokens: the question is learned, too"
