"""What defines a study: the record that its runs stand on, typed, versioned and stored as JSON.

A definition is complete: the base config with profile and overrides applied, every arm expanded.
It is written by `as_plain` and read by `read_definition`, and nowhere else. A change of its
layout raises VERSION and adds a function that turns the layout before it into the new one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from ablate.errors import StorageError
from ablate.spec import designs
from ablate.spec.constraints import Constraints
from ablate.spec.designs import Arm
from ablate.spec.direction import Direction
from ablate.spec.episodes import Episodes
from ablate.spec.fields import Changes
from ablate.spec.goals import Goals
from ablate.spec.models import Budget, ClassConfig, Limits, Objective, Provenance, Published
from ablate.spec.outcomes import Status
from ablate.spec.space import Parameter
from ablate.spec.strict import Strict
from ablate.spec.tuning import tuned_name

VERSION = 2

Kind = Literal["search", "ablation"]


class ProfileChange(Strict):
    """A key that the profile or the command line changes: its value before and after."""

    path: str
    before: Any
    after: Any


class _Definition(Strict):
    config: dict[str, Any]
    cli: str | None = None
    profile: str
    profile_changes: tuple[ProfileChange, ...] = ()
    seeds: tuple[int, ...]
    objective: Objective
    limits: Limits = Limits()
    goals: Goals = Goals()

    def as_plain(self) -> dict[str, Any]:
        """Return the definition as plain data, to be stored."""
        return {"version": VERSION, **self.model_dump(mode="json", by_alias=True)}


class SearchDefinition(_Definition):
    """Everything that defines a search."""

    kind: Literal["search"] = "search"
    constraints: Constraints = ()
    space: Mapping[str, Parameter]
    seed: int = 0
    window: int
    sampler: ClassConfig
    pruner: ClassConfig
    budget: Budget
    enqueue: tuple[str | Mapping[str, Any], ...] = ()

    @property
    def counting(self) -> str:
        """The word for a trial that counts: feasible where there are constraints, else complete."""
        return "feasible" if self.constraints else "complete"

    def identity(self) -> dict[str, Any]:
        """Return as plain data the part that the trials depend on, whatever is added later."""
        later = {"budget", "enqueue", "limits", "profile_changes"}
        return self.model_dump(mode="json", by_alias=True, exclude=later)


class Tuning(Strict):
    """The search that every arm of an ablation gets, apart from the arm's own configuration."""

    objective: Objective
    constraints: Constraints = ()
    space: Mapping[str, Parameter]
    seeds: tuple[int, ...]
    seed: int = 0
    window: int
    sampler: ClassConfig
    pruner: ClassConfig
    budget: Budget


class Tuned(Strict):
    """What the search of one arm found: the best `values` by path, of which study and trial.

    `arm` is what the arm with these values is called; `counts` are the trials by state, `left_out`
    says by path why a parameter is not the arm's own to tune.
    """

    study: str | None = None
    counts: Mapping[Status, int] = {}
    left_out: Mapping[str, str] = {}
    arm: str | None = None
    trial: int | None = None
    value: float | None = None
    values: Mapping[str, Any] = {}


class AblationDefinition(_Definition):
    """Everything that defines an ablation.

    `arms` holds all of them: those that designs lay out, declared ones, tuned ones, floors.
    """

    kind: Literal["ablation"] = "ablation"
    designs: tuple[str, ...]
    arms: tuple[Arm, ...]
    components: Mapping[str, Changes] = {}
    reference: str | None = None
    provenance: Provenance = Provenance()
    metrics: Mapping[str, Direction]
    margin: Mapping[str, float] = {}
    published: Published | None = None
    episodes: Episodes | None = None
    tune: Tuning | None = None
    tuned: Mapping[str, Tuned] = {}

    @property
    def trained(self) -> tuple[Arm, ...]:
        """The arms that are no floors."""
        return tuple(arm for arm in self.arms if not arm.floor)

    @property
    def floors(self) -> tuple[Arm, ...]:
        """The arms that are floors."""
        return tuple(arm for arm in self.arms if arm.floor)

    def arm(self, name: str) -> Arm | None:
        """Return the arm of this name, None if there is none."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def with_tuned(self, tuned: Mapping[str, Tuned]) -> "AblationDefinition":
        """Return the definition with what searches found, and an arm for each that found values."""
        arms = [
            Arm(
                name=tuned_name(arm.name),
                changes=designs.joined(arm.changes, tuned[arm.name].values),
                design=designs.TUNED,
                components=arm.components,
            )
            for arm in self.trained
            if arm.name in tuned and tuned[arm.name].values
        ]
        return self.model_copy(
            update={"arms": (*self.trained, *arms, *self.floors), "tuned": dict(tuned)}
        )


Definition: TypeAlias = SearchDefinition | AblationDefinition

_READER: TypeAdapter[Definition] = TypeAdapter(
    Annotated[SearchDefinition | AblationDefinition, Field(discriminator="kind")]
)


def read_definition(body: Mapping[str, Any]) -> Definition:
    """Read a stored definition of any version so far; raise StorageError if it can't be read."""
    version: Any = "unknown"
    try:
        plain = dict(body)
        version = plain.pop("version", 1)
        if version not in range(1, VERSION + 1):
            raise _unreadable(version, "it was written by a newer ablate")
        for step in _STEPS[version - 1 :]:
            plain = step(plain)
        return _READER.validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _unreadable(version, f"{place}: {first['msg']}" if place else first["msg"]) from None
    except KeyError as error:
        raise _unreadable(version, f"it lacks {error}") from None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise _unreadable(version, str(error)) from None


def _unreadable(version: Any, reason: str) -> StorageError:
    return StorageError(
        f"a study's definition in this storage, of version {version}, can't be read: {reason}; "
        f"this ablate reads versions 1 to {VERSION}: update it, or restore the database from a copy"
    )


def _second(body: dict[str, Any]) -> dict[str, Any]:
    """Turn version 1 into version 2: typed profile changes, and every arm expanded."""
    changes = [
        {"path": change["path"], "before": change["from"], "after": change["to"]}
        for change in body.get("profile_changes") or ()
    ]
    if body.get("kind") == "search":
        return {**body, "profile_changes": changes}
    left_out = {"design", "floor", "layout"}
    kept = {key: value for key, value in body.items() if key not in left_out}
    return {
        **kept,
        "profile_changes": changes,
        "designs": _design_names(body["design"]),
        "arms": _expanded(body),
    }


def _design_names(design: Any) -> list[str]:
    return [design] if isinstance(design, str) else list(design)


def _expanded(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Expand the arms of version 1, which wrote ladders and floors by their own changes alone."""
    layout, design = body.get("layout") or {}, _design_names(body["design"])[0]
    declared = {name: changes or {} for name, changes in body["arms"].items()}
    tuned = {facts.get("arm") for facts in (body.get("tuned") or {}).values()}
    # With components or tuned arms, version 1 too wrote all changes of an arm.
    whole = bool(layout) or bool(tuned)
    arms = [
        {
            "name": arm.name,
            "changes": dict(arm.changes),
            "design": designs.TUNED if arm.name in tuned else arm.design,
        }
        for arm in designs.declared(declared, "arms" if whole else design)
    ]
    for arm in arms:
        if made := layout.get(arm["name"]):
            arm |= {"design": made["design"], "components": made["components"]}
        elif whole and not layout and arm["design"] != designs.TUNED:
            arm["design"] = designs.label(design)
    floors = (body.get("floor") or {}).items()
    return [*arms, *({"name": n, "changes": c or {}, "floor": True} for n, c in floors)]


_STEPS = (_second,)
"""What leads from each version to the next."""
