"""Clips of a stick figure, each made of a seed and a number alone.

Dimensions: N clips, T frames, J = 10 joints.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.systems.motion.captions import DIRECTIONS, SUBJECTS, TEMPOS, VERBS, describe
from ablate.systems.motion.moves import MOVES, Beat, Pose
from ablate.systems.motion.skeleton import FRAMES_PER_SECOND, JOINTS, Floats, place

Singles = npt.NDArray[np.float32]

ACTIONS = (
    "idle",
    "walk",
    "run",
    "sprint",
    "jump",
    "wave",
    "talk",
    "shout",
    "whisper",
    "sing",
    "point",
    "clap",
    "batting",
    "pitching",
    "catching",
    "running_bases",
    "fielding",
    "throwing",
    "kicking",
    "dribbling",
    "shooting",
    "fight",
    "punch",
    "kick",
    "dodge",
    "sit",
    "stand",
    "kneel",
    "lie_down",
    "eating",
    "drinking",
    "reading",
    "typing",
    "looking_around",
    "climbing",
    "crawling",
    "swimming",
    "flying",
    "celebrate",
    "dance",
    "cry",
    "laugh",
    "handshake",
    "hug",
    "high_five",
    "fight_stance",
)
"""Names of the action classes; those of `MOVES` occur in clips."""

TEMPO_FACTORS = (0.7, 1.0, 1.35)
"""Factors of a move's frequency at each of `TEMPOS`."""

TEMPO_JITTER = 0.08
AMPLITUDES = (0.85, 1.15)
SIZES = (0.9, 1.1)
SWITCHES = (0.35, 0.65)
BLEND_FRAMES = 10
NOISE_METRES = 0.003
MASS_KG = 70.0
"""Mass of a figure of size 1; it grows with the square of the size."""

CAMERA_X, CAMERA_Y = (-1.0, 1.0), (0.8, 1.2)
CAMERA_PAN = (-0.2, 0.2)
"""Metres per second."""

CAMERA_ZOOM = (0.8, 1.25)
MARGIN = 2
"""Frames made at either end of a clip, and cut off once differences are taken."""

DRAWS = 24
"""Uniform draws of a clip; the noise comes after them."""


class Clips(NamedTuple):
    """Hold clips of equal length: what was said, what moved, and how it was seen.

    `joints` are in metres; `physics` is velocity (m/s), acceleration (m/s^2) and momentum
    (kg m/s) of the mean of the joints before sensor noise, each x before y; `actions` are indices
    of `ACTIONS`; `camera` is x and y in metres and zoom.
    """

    captions: tuple[str, ...]
    joints_NTJ2: Singles
    actions_NT: npt.NDArray[np.int64]
    physics_NT6: Singles
    airborne_NT: npt.NDArray[np.bool_]
    camera_NT3: Singles


class _Act(NamedTuple):
    """Hold what is drawn for one action of a clip; it starts at second `start`."""

    name: str
    verb: str
    tempo: str
    frequency: float
    amplitude: float
    phase: float
    start: float


class _Plan(NamedTuple):
    """Hold what is drawn for one clip; with only one action both of its acts are the same."""

    caption: str
    acts: tuple[_Act, _Act]
    switch: int
    size: float
    facing: float
    camera: tuple[float, float, float, float]
    noise_TJ2: Floats


def clips(seed: int, numbers: Sequence[int], frames: int, *, actor: int = 0) -> Clips:
    """Return the clips of these numbers, each the same whatever the others are.

    The draws come from the counter-based generator Philox (Salmon et al., 2011), keyed by seed
    and number. Another `actor` gives other figures, whose clips are independent of the first.

    Raises:
        ValueError: Seed, actor or a number is negative, or there is no number or no frame.
    """
    if min(seed, actor, *numbers, 0) < 0 or not numbers or frames < 1:
        raise ValueError("clips need numbers, seed and actor of at least 0, and a frame or more")
    plans = [_plan(seed, number, frames, actor) for number in numbers]
    frame_T = np.arange(-MARGIN, frames + MARGIN)
    inner = slice(MARGIN, -MARGIN)
    switch_N1, size_N1, facing_N1 = (
        np.array([[getattr(plan, name)] for plan in plans]) for name in ("switch", "size", "facing")
    )
    late_NT = frame_T >= switch_N1
    weight_NT = _minimum_jerk((frame_T - switch_N1) / BLEND_FRAMES + 0.5)
    first, second = (_pose([plan.acts[part] for plan in plans], frame_T) for part in (0, 1))
    *angles, speed_NT, lift_NT, _ = first + weight_NT * (second - first)
    x_NT = np.cumsum(speed_NT, axis=1) / FRAMES_PER_SECOND
    joints_NTJ2 = place(np.stack(angles, axis=-1), x_NT, lift_NT, size_N1)
    joints_NTJ2[..., 0] *= facing_N1[..., None]
    noise_NTJ2 = np.stack([plan.noise_TJ2 for plan in plans])
    action_N2 = np.array([[ACTIONS.index(act.name) for act in plan.acts] for plan in plans])
    flight_NT = np.where(late_NT, second[-1], first[-1])
    return Clips(
        captions=tuple(plan.caption for plan in plans),
        joints_NTJ2=(joints_NTJ2[:, inner] + noise_NTJ2).astype(np.float32),
        actions_NT=np.where(late_NT, action_N2[:, 1:], action_N2[:, :1])[:, inner],
        physics_NT6=_physics(joints_NTJ2.mean(-2), size_N1).astype(np.float32),
        airborne_NT=flight_NT[:, inner] > 0.0,
        camera_NT3=_camera(plans, frame_T[inner]).astype(np.float32),
    )


def _plan(seed: int, number: int, frames: int, actor: int) -> _Plan:
    rng = np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, actor]))
    draws = iter(rng.random(DRAWS).tolist())
    first = _index(draws, len(MOVES))
    second = (first + 1 + _index(draws, len(MOVES) - 1)) % len(MOVES)
    switch = round(frames * _uniform(draws, *SWITCHES))
    start = (switch - BLEND_FRAMES / 2) / FRAMES_PER_SECOND
    acts = (_act(draws, first, 0.0), _act(draws, second, start))
    distinct = 1 + _index(draws, 2)
    facing = _index(draws, 2)
    caption = describe(
        SUBJECTS[_index(draws, len(SUBJECTS))],
        [act.verb for act in acts[:distinct]],
        [act.tempo for act in acts[:distinct]],
        DIRECTIONS[facing],
    )
    return _Plan(
        caption=caption,
        acts=(acts[0], acts[distinct - 1]),
        switch=switch,
        size=_uniform(draws, *SIZES),
        facing=1.0 - 2.0 * facing,
        camera=(
            _uniform(draws, *CAMERA_X),
            _uniform(draws, *CAMERA_PAN),
            _uniform(draws, *CAMERA_Y),
            _uniform(draws, *CAMERA_ZOOM),
        ),
        noise_TJ2=rng.normal(0.0, NOISE_METRES, (frames, len(JOINTS), 2)),
    )


def _act(draws: Iterator[float], move: int, start: float) -> _Act:
    name = tuple(MOVES)[move]
    tempo = _index(draws, len(TEMPOS))
    jitter = _uniform(draws, 1.0 - TEMPO_JITTER, 1.0 + TEMPO_JITTER)
    return _Act(
        name=name,
        verb=VERBS[name][_index(draws, len(VERBS[name]))],
        tempo=TEMPOS[tempo],
        frequency=MOVES[name].frequency * TEMPO_FACTORS[tempo] * jitter,
        amplitude=_uniform(draws, *AMPLITUDES),
        phase=_uniform(draws, 0.0, 2.0 * np.pi),
        start=start,
    )


def _uniform(draws: Iterator[float], low: float, high: float) -> float:
    return low + (high - low) * next(draws)


def _index(draws: Iterator[float], size: int) -> int:
    return int(size * next(draws))


def _pose(acts: Sequence[_Act], frame_T: npt.NDArray[np.int64]) -> Floats:
    """Return the numbers of a pose in each frame of acts, (12, N, T)."""
    poses = np.empty((len(Pose._fields), len(acts), len(frame_T)))
    names = np.array([act.name for act in acts])
    seconds_T = frame_T / FRAMES_PER_SECOND
    for name in set(names.tolist()):
        rows = np.flatnonzero(names == name).tolist()
        frequency_N1, amplitude_N1, phase_N1, start_N1 = (
            np.array([[getattr(acts[row], field)] for row in rows])
            for field in ("frequency", "amplitude", "phase", "start")
        )
        beat = Beat(
            angle=2.0 * np.pi * frequency_N1 * seconds_T + phase_N1,
            amplitude=amplitude_N1,
            frequency=frequency_N1,
            elapsed=np.maximum(0.0, seconds_T - start_N1),
        )
        for number, value in enumerate(MOVES[name].pose(beat)):
            poses[number, rows] = value
    return poses


def _minimum_jerk(share: Floats) -> Floats:
    """Return the minimum-jerk path from 0 to 1 (Flash and Hogan, 1985)."""
    share = np.clip(share, 0.0, 1.0)
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)


def _physics(centre_NT2: Floats, size_N1: Floats) -> Floats:
    """Return velocity, acceleration and momentum of all frames but the margins, (N, T, 6)."""
    velocity = _central_difference(centre_NT2)
    acceleration = _central_difference(velocity)
    momentum = MASS_KG * size_N1[..., None] ** 2 * velocity
    return np.concatenate([velocity[:, 1:-1], acceleration, momentum[:, 1:-1]], axis=-1)


def _central_difference(path_NT2: Floats) -> Floats:
    return (path_NT2[:, 2:] - path_NT2[:, :-2]) * FRAMES_PER_SECOND / 2.0


def _camera(plans: Sequence[_Plan], frame_T: npt.NDArray[np.int64]) -> Floats:
    """Return a camera that pans slowly, whatever the figure does, (N, T, 3)."""
    x_N1, pan_N1, y_N1, zoom_N1 = np.array([plan.camera for plan in plans]).T[..., None]
    path_NT = x_N1 + pan_N1 * frame_T / FRAMES_PER_SECOND
    return np.stack(np.broadcast_arrays(path_NT, y_N1, zoom_N1), axis=-1)
