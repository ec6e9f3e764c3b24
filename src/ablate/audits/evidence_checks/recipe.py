"""Arms that are trained by different recipes, though nothing declares it."""

from collections.abc import Iterator, Mapping

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import by_arms, grouped
from ablate.audits.recipe_differences import data_is_declared, differences, length_is_declared
from ablate.run.recipe import Recipe


def check_recipes(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Compare how the arms are trained, and for how many optimizer steps."""
    recipes = {arm: evidence.recipe for arm, evidence in learned(arms).items()}
    for found in differences(recipes, declared.changes):
        what = f"{found.told()}, and no declared key names it"
        yield advised_between("unequal-recipe", found.groups, what, found.aspect)
    yield from _lengths(recipes, declared)


def _lengths(recipes: Mapping[str, Recipe], declared: Declared) -> Iterator[Finding]:
    """Compare the steps of the configured runs, where no arm declares a length or other data."""
    changes = declared.changes
    known = {
        arm: recipe
        for arm, recipe in recipes.items()
        if recipe.steps is not None
        and not length_is_declared(arm, changes)
        and not data_is_declared(arm, changes)
    }
    if len({recipe.steps for recipe in known.values()}) < 2:
        return
    told = by_arms((_length(recipe), arm) for arm, recipe in known.items())
    what = f"the configured runs have {told}"
    groups = grouped((recipe.steps, arm) for arm, recipe in known.items()).values()
    yield advised_between("unequal-recipe", groups, what, "optimizer steps")


def _length(recipe: Recipe) -> str:
    of_each = "" if recipe.examples is None else f" of {recipe.examples} examples"
    return f"{recipe.steps} optimizer steps{of_each}"
