"""How the figure moves: one function of time for each action that occurs.

A move turns the beat of a clip into a pose. Angles are in radians: 0 hangs down, positive is
forward, and knees never bend forward. Frequencies are in Hz, lengths in metres.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from ablate.systems.motion.skeleton import Floats

Value = Floats | float


class Beat(NamedTuple):
    """Hold the rhythm of clips: arrays (N, T) or (N, 1).

    `angle` is 2 pi frequency t + phase, `elapsed` the seconds since the action began.
    """

    angle: Floats
    amplitude: Floats
    frequency: Floats
    elapsed: Floats

    @property
    def sine(self) -> Floats:
        """Return the sine of the beat."""
        return np.sin(self.angle)

    @property
    def cosine(self) -> Floats:
        """Return the cosine of the beat."""
        return np.cos(self.angle)


class Pose(NamedTuple):
    """Hold nine angles, the forward speed (m/s), the lift above standing (m) and free flight."""

    trunk: Value = 0.0
    left_shoulder: Value = 0.0
    left_elbow: Value = 0.15
    right_shoulder: Value = 0.0
    right_elbow: Value = 0.15
    left_hip: Value = 0.05
    left_knee: Value = -0.05
    right_hip: Value = -0.05
    right_knee: Value = -0.05
    speed: Value = 0.0
    lift: Value = 0.0
    flight: Value = 0.0


class Move(NamedTuple):
    """Hold the frequency of a move in Hz at plain tempo, and its pose at a beat."""

    frequency: float
    pose: Callable[[Beat], Pose]


def _pulse(wave: Floats) -> Floats:
    return np.maximum(0.0, wave) ** 2


def _gait(
    beat: Beat,
    *,
    hip: float,
    knee: float,
    shoulder: float,
    elbow: float,
    lean: float,
    stride: float,
    bob: float,
) -> Pose:
    swing, lifting = beat.amplitude * beat.sine, beat.amplitude * beat.cosine
    return Pose(
        trunk=lean,
        left_shoulder=-shoulder * swing,
        left_elbow=elbow,
        right_shoulder=shoulder * swing,
        right_elbow=elbow,
        left_hip=hip * swing,
        left_knee=-knee * np.maximum(0.0, lifting) - 0.05,
        right_hip=-hip * swing,
        right_knee=-knee * np.maximum(0.0, -lifting) - 0.05,
        speed=stride * beat.frequency * beat.amplitude,
        lift=bob * np.abs(lifting),
    )


def _jump(beat: Beat) -> Pose:
    """Crouch for 45 % of the cycle, fly for 40 %, land for 15 %."""
    cycle = beat.angle / (2 * np.pi) % 1.0
    airborne = (cycle > 0.45) & (cycle < 0.85)
    flown = np.clip((cycle - 0.45) / 0.40, 0.0, 1.0)
    crouch = np.where(cycle < 0.45, np.sin(np.pi * cycle / 0.45) ** 2, 0.0)
    landing = np.where(cycle > 0.85, np.sin(np.pi * (cycle - 0.85) / 0.15) ** 2, 0.0)
    bend = beat.amplitude * (crouch + 0.4 * landing)
    arms = 2.4 * np.sin(np.pi * flown) - 0.6 * crouch
    return Pose(
        trunk=0.4 * bend,
        left_shoulder=arms,
        right_shoulder=arms,
        left_hip=0.9 * bend + 0.05,
        left_knee=-1.7 * bend - 0.05,
        right_hip=0.9 * bend - 0.05,
        right_knee=-1.7 * bend - 0.05,
        lift=4.0 * 0.35 * beat.amplitude * flown * (1.0 - flown),
        flight=airborne.astype(np.float64),
    )


def _idle(beat: Beat) -> Pose:
    breath = 0.03 * beat.amplitude * beat.sine
    return Pose(trunk=0.02 + breath, left_shoulder=breath, right_shoulder=breath)


def _wave(beat: Beat) -> Pose:
    swing = beat.amplitude * beat.sine
    return Pose(right_shoulder=2.5 + 0.1 * swing, right_elbow=0.5 + 0.6 * swing)


def _point(beat: Beat) -> Pose:
    sway = beat.amplitude * beat.sine
    return Pose(trunk=0.03 * sway, right_shoulder=1.5 + 0.08 * sway, right_elbow=0.05)


def _clap(beat: Beat) -> Pose:
    swing = beat.amplitude * beat.sine
    return Pose(
        left_shoulder=0.7 + 0.2 * swing,
        left_elbow=0.9 + 0.3 * swing,
        right_shoulder=0.7 - 0.2 * swing,
        right_elbow=0.9 - 0.3 * swing,
    )


def _punch(beat: Beat) -> Pose:
    left, right = _pulse(beat.sine), _pulse(-beat.sine)
    return Pose(
        trunk=0.1 + 0.08 * beat.amplitude * beat.sine,
        left_shoulder=0.5 + 0.9 * beat.amplitude * left,
        left_elbow=2.0 - 1.6 * beat.amplitude * left,
        right_shoulder=0.5 + 0.9 * beat.amplitude * right,
        right_elbow=2.0 - 1.6 * beat.amplitude * right,
        left_hip=0.25,
        left_knee=-0.2,
        right_hip=-0.2,
        right_knee=-0.15,
    )


def _kick(beat: Beat) -> Pose:
    kick, draw = beat.amplitude * _pulse(beat.sine), beat.amplitude * _pulse(beat.cosine)
    return Pose(
        trunk=-0.15 * kick,
        left_shoulder=0.6 * kick,
        left_elbow=0.5,
        right_shoulder=-0.5 * kick,
        right_elbow=0.5,
        right_hip=1.4 * kick - 0.05,
        right_knee=-0.9 * draw - 0.1,
    )


def _sit(beat: Beat) -> Pose:
    sway = 0.04 * beat.amplitude * beat.sine
    return Pose(
        trunk=0.05 + sway,
        left_shoulder=0.5,
        left_elbow=0.7 + sway,
        right_shoulder=0.5,
        right_elbow=0.7 + sway,
        left_hip=1.45,
        left_knee=-1.5,
        right_hip=1.45,
        right_knee=-1.5,
    )


def _kneel(beat: Beat) -> Pose:
    sway = 0.04 * beat.amplitude * beat.sine
    return Pose(
        trunk=0.08 + sway,
        left_shoulder=0.1,
        right_shoulder=0.6,
        right_elbow=0.6 + sway,
        left_hip=0.0,
        left_knee=-1.5,
        right_hip=1.5,
        right_knee=-1.5,
    )


def _climb(beat: Beat) -> Pose:
    """Rise by 0.35 m in each cycle."""
    swing = beat.amplitude * beat.sine
    return Pose(
        trunk=0.1,
        left_shoulder=2.1 + 0.6 * swing,
        left_elbow=0.5 - 0.4 * swing,
        right_shoulder=2.1 - 0.6 * swing,
        right_elbow=0.5 + 0.4 * swing,
        left_hip=0.7 - 0.5 * swing,
        left_knee=-0.9 + 0.5 * swing,
        right_hip=0.7 + 0.5 * swing,
        right_knee=-0.9 - 0.5 * swing,
        lift=0.35 * beat.frequency * beat.amplitude * beat.elapsed,
    )


def _crawl(beat: Beat) -> Pose:
    swing = beat.amplitude * beat.sine
    return Pose(
        trunk=1.35,
        left_shoulder=-0.35 * swing,
        left_elbow=0.4,
        right_shoulder=0.35 * swing,
        right_elbow=0.4,
        left_hip=0.35 * swing,
        left_knee=-1.6,
        right_hip=-0.35 * swing,
        right_knee=-1.6,
        speed=0.5 * beat.frequency * beat.amplitude,
    )


def _celebrate(beat: Beat) -> Pose:
    swing = beat.amplitude * beat.sine
    return Pose(
        left_shoulder=2.7 + 0.3 * swing,
        left_elbow=0.2 + 0.2 * swing,
        right_shoulder=2.7 - 0.3 * swing,
        right_elbow=0.2 - 0.2 * swing,
        lift=0.05 * np.abs(swing),
    )


def _dance(beat: Beat) -> Pose:
    swing, lag = beat.amplitude * beat.sine, beat.amplitude * beat.cosine
    return Pose(
        trunk=0.2 * lag,
        left_shoulder=0.9 + 0.7 * swing,
        left_elbow=0.9 + 0.4 * lag,
        right_shoulder=0.9 - 0.7 * swing,
        right_elbow=0.9 - 0.4 * lag,
        left_hip=0.25 + 0.3 * lag,
        left_knee=-0.5 - 0.35 * lag,
        right_hip=0.25 - 0.3 * lag,
        right_knee=-0.5 + 0.35 * lag,
    )


MOVES: Mapping[str, Move] = {
    "idle": Move(0.3, _idle),
    "walk": Move(
        0.9,
        partial(
            _gait, hip=0.45, knee=0.70, shoulder=0.40, elbow=0.2, lean=0.05, stride=1.25, bob=0.02
        ),
    ),
    "run": Move(
        1.4,
        partial(
            _gait, hip=0.75, knee=1.3, shoulder=0.80, elbow=1.3, lean=0.18, stride=1.75, bob=0.06
        ),
    ),
    "sprint": Move(
        1.9,
        partial(_gait, hip=1.0, knee=1.7, shoulder=1.1, elbow=1.5, lean=0.32, stride=2.2, bob=0.08),
    ),
    "jump": Move(0.8, _jump),
    "wave": Move(1.6, _wave),
    "point": Move(0.3, _point),
    "clap": Move(2.0, _clap),
    "punch": Move(1.2, _punch),
    "kick": Move(1.0, _kick),
    "sit": Move(0.3, _sit),
    "kneel": Move(0.3, _kneel),
    "climbing": Move(0.8, _climb),
    "crawling": Move(0.8, _crawl),
    "celebrate": Move(1.5, _celebrate),
    "dance": Move(1.0, _dance),
}
"""The moves by the name of their action."""
