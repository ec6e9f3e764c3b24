"""The Lightning data module of the motion system.

Dimensions: B or N clips, T frames, E numbers of text, P = 20 numbers of motion.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ablate.systems.common.order import EpochOrder
from ablate.systems.motion.embedding import EmbeddingName, embedding_faults, make_embedding
from ablate.systems.motion.generation import Clips, clips
from ablate.systems.motion.skeleton import Scale, to_motion

VALIDATION_OFFSET = 2**32
"""Number of the first validation clip; training clips count from 0."""


class MotionBatch(NamedTuple):
    """Hold clips of T frames, which are one more than a model takes steps.

    `text_BE` are embedded captions. `motion_BTP` is standardised by `scale`, and so is
    `partner_BTP`, the motion of a second actor, if any. `actions_BT` are int64 indices of
    `generation.ACTIONS`. `physics_BT6` is velocity (m/s), acceleration (m/s^2) and momentum
    (kg m/s), each x before y. `airborne_BT` marks free flight. `camera_BT3` is x and y in metres
    and zoom. `clip_B` is the number of the clip
    and `captions` holds the text that was embedded.
    """

    text_BE: Tensor
    motion_BTP: Tensor
    actions_BT: Tensor
    physics_BT6: Tensor
    airborne_BT: Tensor
    camera_BT3: Tensor
    partner_BTP: Tensor | None
    clip_B: Tensor
    scale: Scale
    captions: Sequence[str] = ()


class MotionDataModule(LightningDataModule):
    """Serve generated clips of a stick figure with captions.

    Clips are made of seed and number, training ones of the numbers from 0, validation ones from
    `VALIDATION_OFFSET`: neither changes with the count of the other, and no item is in both,
    though short captions recur.

    Args:
        train_clips: Training clips.
        val_clips: Validation clips.
        frames: Steps of a model in a clip, of which the clip has one frame more; 25 per second.
        batch_size: Clips per batch.
        seed: Seed of the generated clips. The order of training batches follows torch's initial
            seed, which Lightning's `seed_everything` sets, and outlives a resumption.
        embedding: "hashing": of words and their pieces. "minilm": a pretrained language model, of
            the extra `motion`.
        embedding_width: Numbers of an embedded caption.
        text_scale: Factor of embedded captions, which have length 1.
        text: Show captions; without, all are zero.
        partner: Generate a second actor, whose clip is independent of the first.
        num_workers: Worker processes of each data loader.
        pin_memory: Put batches into page-locked memory.
        drop_last: Drop the last training batch of an epoch if it is short.

    Raises:
        ValueError: Arguments are out of range; all of them are named.
    """

    def __init__(
        self,
        *,
        train_clips: int = 2000,
        val_clips: int = 400,
        frames: int = 50,
        batch_size: int = 32,
        seed: int = 0,
        embedding: EmbeddingName = "hashing",
        embedding_width: int = 1024,
        text_scale: float = 4.0,
        text: bool = True,
        partner: bool = False,
        num_workers: int = 0,
        pin_memory: bool = False,
        drop_last: bool = False,
    ) -> None:
        super().__init__()
        found = [
            *_too_small(
                1,
                train_clips=train_clips,
                val_clips=val_clips,
                frames=frames,
                batch_size=batch_size,
            ),
            *_too_small(0, seed=seed, num_workers=num_workers),
            *embedding_faults(embedding, embedding_width),
        ]
        if not 0.0 < text_scale < float("inf"):
            found.append(f"text_scale: must be positive and finite, got {text_scale}")
        if drop_last and train_clips < batch_size:
            found.append(
                f"drop_last: would drop all of {train_clips} train_clips at batch_size {batch_size}"
            )
        if found:
            raise ValueError("; ".join(found))
        self.train_clips = train_clips
        self.val_clips = val_clips
        self.frames = frames
        self.batch_size = batch_size
        self.seed = seed
        self.embedding: EmbeddingName = embedding
        self.embedding_width = embedding_width
        self.text_scale = text_scale
        self.text = text
        self.partner = partner
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self._order_seed: int | None = None
        self._train: MotionBatch | None = None
        self._val: MotionBatch | None = None
        self._fingerprint: dict[str, str] = {}
        self._keys: dict[str, list[str]] = {}

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Generate and embed the clips of both splits."""
        if self._train is not None:
            return
        if self._order_seed is None:
            self._order_seed = torch.initial_seed()
        numbers = {
            "train": range(self.train_clips),
            "val": range(VALIDATION_OFFSET, VALIDATION_OFFSET + self.val_clips),
        }
        made = {name: clips(self.seed, split, self.frames + 1) for name, split in numbers.items()}
        scale = _scale_of(made["train"])
        self._train, self._val = (
            self._tensors(made[name], numbers[name], scale) for name in ("train", "val")
        )
        self._fingerprint = {name: _hash(split) for name, split in made.items()}
        self._keys = {name: list(_clip_keys(split)) for name, split in made.items()}

    def train_dataloader(self) -> DataLoader[MotionBatch]:
        """Serve the training batches in an order that depends on order seed and epoch."""
        return self._loader(self.train_split, self._order_seed, self.drop_last)

    def val_dataloader(self) -> DataLoader[MotionBatch]:
        """Serve the validation batches, always in the same order."""
        return self._loader(self.val_split, None, drop_last=False)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on with the same order of batches."""
        return {"order_seed": self._order_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the order of a checkpoint."""
        self._order_seed = state_dict["order_seed"]

    # What was served

    @property
    def train_split(self) -> MotionBatch:
        """All training clips by number. Raises RuntimeError before `setup`."""
        return _ready(self._train)

    @property
    def val_split(self) -> MotionBatch:
        """All validation clips by number. Raises RuntimeError before `setup`."""
        return _ready(self._val)

    @property
    def scale(self) -> Scale:
        """Statistics of the training clips. Raises RuntimeError before `setup`."""
        return self.train_split.scale

    def fingerprint(self) -> dict[str, str]:
        """Hash the clips of each split, "train" and "val". Raises RuntimeError before `setup`.

        SHA-256 over captions, actions and joints to a tenth of a millimetre. How captions are
        embedded does not count: arms that differ in it have the same data.
        """
        _ready(self._train)
        return dict(self._fingerprint)

    def example_keys(self, split: Literal["train", "val"]) -> list[str]:
        """Return a hash of what the fingerprint counts of each clip of a split, by number.

        Raises RuntimeError before `setup`.
        """
        _ready(self._train)
        return list(self._keys[split])

    # Parts

    def _tensors(self, split: Clips, numbers: Sequence[int], scale: Scale) -> MotionBatch:
        text_NE = torch.zeros(len(numbers), self.embedding_width)
        if self.text:
            embedding = make_embedding(self.embedding, self.embedding_width)
            text_NE = torch.from_numpy(embedding.embed(split.captions)) * self.text_scale
        partner_NTP = None
        if self.partner:
            other = clips(self.seed, numbers, self.frames + 1, actor=1)
            partner_NTP = _standardised(other, scale)
        return MotionBatch(
            text_BE=text_NE,
            motion_BTP=_standardised(split, scale),
            actions_BT=torch.from_numpy(split.actions_NT),
            physics_BT6=torch.from_numpy(split.physics_NT6),
            airborne_BT=torch.from_numpy(split.airborne_NT),
            camera_BT3=torch.from_numpy(split.camera_NT3),
            partner_BTP=partner_NTP,
            clip_B=torch.tensor(numbers),
            scale=scale,
            captions=split.captions,
        )

    def _loader(
        self, split: MotionBatch, seed: int | None, drop_last: bool
    ) -> DataLoader[MotionBatch]:
        order = EpochOrder(len(split.clip_B), self.batch_size, seed, drop_last=drop_last)
        return DataLoader(
            ClipDataset(split),
            batch_size=None,
            sampler=order,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.pin_memory,
        )


class ClipDataset(Dataset[MotionBatch]):
    """Serve batches by lists of positions, as `EpochOrder` asks for them."""

    def __init__(self, split: MotionBatch) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.clip_B)

    def __getitem__(self, positions: Sequence[int]) -> MotionBatch:
        chosen = torch.tensor(positions)
        split = self.split
        return MotionBatch(
            text_BE=split.text_BE[chosen],
            motion_BTP=split.motion_BTP[chosen],
            actions_BT=split.actions_BT[chosen],
            physics_BT6=split.physics_BT6[chosen],
            airborne_BT=split.airborne_BT[chosen],
            camera_BT3=split.camera_BT3[chosen],
            partner_BTP=None if split.partner_BTP is None else split.partner_BTP[chosen],
            clip_B=split.clip_B[chosen],
            scale=split.scale,
            captions=[split.captions[position] for position in positions],
        )


def _too_small(bound: int, **arguments: int) -> Iterator[str]:
    for name, value in arguments.items():
        if value < bound:
            yield f"{name}: must be at least {bound}, got {value}"


def _ready(split: MotionBatch | None) -> MotionBatch:
    if split is None:
        raise RuntimeError("call setup() first")
    return split


def _motion(split: Clips) -> Tensor:
    return to_motion(torch.from_numpy(split.joints_NTJ2))


def _standardised(split: Clips, scale: Scale) -> Tensor:
    return (_motion(split) - scale.mean_P) / scale.std_P


def _scale_of(split: Clips) -> Scale:
    """Return the statistics of clips, taken in double precision."""
    motion_NTP = _motion(split).double()
    physics_NT6 = torch.from_numpy(split.physics_NT6).double()
    pairs = [physics_NT6[..., start : start + 2] for start in (0, 2, 4)]
    return Scale(
        mean_P=motion_NTP.mean((0, 1)).float(),
        std_P=motion_NTP.std((0, 1)).float(),
        physics_std_3=torch.stack([pair.std() for pair in pairs]).float(),
    )


def _hash(split: Clips) -> str:
    digest = hashlib.sha256()
    for caption in split.captions:
        digest.update(caption.encode() + b"\n")
    digest.update(_tenths(split.joints_NTJ2).tobytes() + split.actions_NT.astype("<i8").tobytes())
    return digest.hexdigest()


def _clip_keys(split: Clips) -> Iterator[str]:
    rows = zip(split.captions, _tenths(split.joints_NTJ2), split.actions_NT, strict=True)
    for caption, tenths_TJ2, actions_T in rows:
        content = f"{caption}\n".encode() + tenths_TJ2.tobytes() + actions_T.tobytes()
        yield hashlib.sha256(content).hexdigest()


def _tenths(joints_NTJ2: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Return joints in tenths of a millimetre, as bytes that are the same on every machine."""
    return np.rint(joints_NTJ2.astype(np.float64) * 1e4).astype("<i4")
