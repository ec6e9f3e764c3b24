"""Where initial weights come from, which files were read for them, and what a seed moves."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ablate.audits.evidence import Evidence, Seeding, learned
from ablate.audits.evidence_checks.advice import advised, advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.findings import Finding
from ablate.audits.grouping import alike, by_arms, grouped
from ablate.spec import paths

OF_WEIGHTS = (
    *("backbone", "checkpoint", "ckpt", "encoder", "file", "finetun", "fine_tun", "freeze"),
    *("frozen", "from_", "init", "load", "path", "pretrain", "resume", "transfer", "warm"),
    "weights",
)
"""Parts of the names of arguments that may decide where weights come from."""

FIXED = 0.05
"""Share of initial numbers from which on it matters that no seed moves them."""

SHOWN = 3

SHORTEST = 3
"""Letters from which on a value in the name of a file is no accident."""

_DIGEST = re.compile(r"(?<![0-9a-z])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![0-9a-z])")
_WORD = re.compile(r"[a-z]{3,}")
_OF_ANY_KEY = frozenset({"model", "data", "init", "args", "class", "path", "dict", "kwargs"})


def check_initial_weights(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find arms of which some begin with weights that no seed moves, and those all of which do."""
    seen = _seeding(arms)
    apart: dict[str, None] = {}
    unlike: set[tuple[str, str]] = set()
    tensors: dict[str, None] = {}
    for left, right in combinations(seen, 2):
        odd = _odd_tensors(seen[left], seen[right])
        as_declared = read_as_declared(arms, left, right, declared)
        if odd and not as_declared and not _declares([left, right], declared, OF_WEIGHTS):
            apart |= {left: None, right: None}
            unlike |= {(left, right), (right, left)}
            tensors |= dict.fromkeys(odd)
    shares = {arm: each.share_fixed for arm, each in seen.items()}
    if apart:
        told = by_arms((f"{shares[arm]:.0%} of the initial numbers", arm) for arm in apart)
        what = f"another seed leaves as they are {told}: {_few(list(tensors))}"
        groups = alike(apart, lambda arm, other: (arm, other) in unlike)
        yield advised_between("unequal-initial-weights", groups, what, "model")
    elif fixed := [arm for arm, share in shares.items() if share > FIXED]:
        told = by_arms((f"{shares[arm]:.0%} of the initial numbers", arm) for arm in fixed)
        yield advised("fixed-initial-weights", fixed, f"no seed moves {told}", "model")


def check_files(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find files that the modules of some arms read and those of others do not; name the rest."""
    trained = learned(arms)
    by_model = {
        arm: tuple(read.path for read in each.files if read.reader == "model")
        for arm, each in trained.items()
    }
    groups = alike(
        trained, lambda arm, other: bool(_unexplained_files(trained, arm, other, declared))
    )
    if groups:
        told = by_arms((_few(files) or "nothing", arm) for arm, files in by_model.items())
        what = f"the modules read {told}"
        yield advised_between("unequal-files-read", groups, what, "model")
    rest = [
        (f"the {reader} reads {_few(files)}", arm)
        for arm, each in arms.items()
        for reader in ("model", "data")
        if (files := [read.path for read in each.files if read.reader == reader])
        and not (groups and reader == "model")
    ]
    if rest:
        names = dict.fromkeys(arm for _, arm in rest)
        yield advised("files-read", names, by_arms(rest), "files")


def read_as_declared(
    arms: Mapping[str, Evidence], arm: str, other: str, declared: Declared
) -> bool:
    """Say whether the modules of two arms read other files, all of them as the arms declare."""
    odd = _odd_files(arms, arm, other)
    return bool(odd) and not _unexplained_files(arms, arm, other, declared)


def _unexplained_files(
    arms: Mapping[str, Evidence], arm: str, other: str, declared: Declared
) -> list[str]:
    """Name the files that the module of one of two arms reads for no reason they declare.

    A declared key explains the files that have a word of it, or its value, in their name, and those
    of one name but for a digest: what such a file is made of is told by the digest alone.
    """
    odd = _odd_files(arms, arm, other)
    if not odd or _declares([arm, other], declared, (*OF_WEIGHTS, "cache", "dir", "root", "table")):
        return []
    changes = _unequal_changes(arm, other, declared)
    if any(path.startswith(("model.", "data.")) for path in changes):
        kinds = [{_kind_of(path) for path in _of_model(arms[name])} for name in (arm, other)]
        keyed = kinds[0] & kinds[1]
        odd = [path for path in odd if _kind_of(path) == path or _kind_of(path) not in keyed]
    odd = [path for path in odd if not any(_speaks_of(key, path) for key in changes)]
    values = {value for of_key in changes.values() for value in of_key if isinstance(value, str)}
    places = [place for value in values for path in odd for place in _places(value, path)]
    return [path for path in odd if not any(place.fullmatch(path) for place in places)]


def _odd_files(arms: Mapping[str, Evidence], arm: str, other: str) -> list[str]:
    """Name what the module of one of two arms reads, and the other neither reads nor makes."""
    one, two = arms[arm], arms[other]
    mine, theirs = _of_model(one), _of_model(two)
    return [path for path in mine if path not in (*theirs, *two.made)] + [
        path for path in theirs if path not in (*mine, *one.made)
    ]


def _of_model(evidence: Evidence) -> list[str]:
    return [read.path for read in evidence.files if read.reader == "model"]


def _unequal_changes(arm: str, other: str, declared: Declared) -> dict[str, tuple[Any, ...]]:
    """Map the keys that two arms do not declare alike to their values."""
    mine, theirs = (declared.changes.get(name, {}) for name in (arm, other))
    return {
        path: tuple(changes[path] for changes in (mine, theirs) if path in changes)
        for path in dict.fromkeys([*mine, *theirs])
        if (path in mine) != (path in theirs) or mine[path] != theirs[path]
    }


def _kind_of(path: str) -> str:
    """Name a file without the digests in its name."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{_DIGEST.sub('*', name)}" if _DIGEST.search(name) else path


def _speaks_of(key: str, path: str) -> bool:
    """Say whether a word of a key is in the name of a file."""
    words = {word for part in key.lower().split(".") for word in _WORD.findall(part)}
    name = path.rpartition("/")[2].partition(".")[0].lower()
    return bool((words - _OF_ANY_KEY) & {*_WORD.findall(name)})


def _places(value: str, path: str) -> Iterator[re.Pattern[str]]:
    """Yield the names that a file with a value in its name may have with another value."""
    told = value.rpartition("/")[2]
    if len(told) >= SHORTEST and told in path:
        yield re.compile("[^/]+".join(map(re.escape, path.split(told))))


def check_seeding(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Say once what a seed moves; warn where it moves other things in other arms."""
    seen = _seeding(arms)
    if seen:
        told = grouped((_moves(each), arm) for arm, each in seen.items())
        what = (
            next(iter(told)) if len(told) == 1 else by_arms((_moves(e), a) for a, e in seen.items())
        )
        yield advised("seed-moves", seen, f"another seed moves {what}", "seed_everything")
    for thing, values in (
        ("the order of the data", {arm: each.order for arm, each in seen.items()}),
        ("the validation examples", {arm: each.split for arm, each in seen.items()}),
    ):
        known = {arm: value for arm, value in values.items() if value is not None}
        moved = [arm for arm, value in known.items() if value]
        still = [arm for arm, value in known.items() if not value]
        if moved and still and not any(map(declared.all_change_data, ([*moved], [*still]))):
            what = f"another seed moves {thing} in {', '.join(moved)}, not in {', '.join(still)}"
            yield advised_between("unequal-seeding", [moved, still], what, "seed_everything")


def _seeding(arms: Mapping[str, Evidence]) -> dict[str, Seeding]:
    return {arm: each.seeding for arm, each in learned(arms).items() if each.seeding is not None}


def _moves(seeding: Seeding) -> str:
    """List what another seed moves, and what it does not."""
    share = seeding.share_fixed
    some = FIXED <= share < 1
    weights = f"{1 - share:.0%} of the initial weights" if some else "initial weights"
    things = {
        weights: share < 1 if seeding.tensors else False,
        "the order of the data": seeding.order,
        "dropout or other noise": seeding.noise,
        "the validation examples": seeding.split,
    }
    moved = [name for name, value in things.items() if value]
    still = [name for name, value in things.items() if value is False]
    text = ", ".join(moved) or "nothing"
    return f"{text} (not {', '.join(still)})" if still else text


def _odd_tensors(left: Seeding, right: Seeding) -> list[str]:
    """Name the tensors that are fixed in one of two arms alone, if they matter.

    Tensors of the same name and shape are compared; arms without any in common by their shares.
    """
    both = left.tensors.keys() & right.tensors.keys()
    odd = [name for name in left.tensors if name in both and _fixed_in_one(name, left, right)]
    share = sum(left.tensors[name] for name in odd) / max(1, sum(left.tensors[n] for n in both))
    owners = {name.partition(" ")[0].rpartition(".")[0] for name in odd}
    # One module alone may begin by a rule of its own: positions as sines, a fixed projection.
    if share > (FIXED if len(owners) > 1 else 1 / 2):
        return odd
    if not both and abs(left.share_fixed - right.share_fixed) > 1 / 2:
        return [*left.fixed, *right.fixed]
    return []


def _fixed_in_one(name: str, left: Seeding, right: Seeding) -> bool:
    return (name in left.fixed) != (name in right.fixed)


def _declares(arms: Collection[str], declared: Declared, words: Sequence[str]) -> bool:
    """Say whether one of the arms declares a change that may explain a difference."""
    leaves = [
        str(paths.parse(path)[-1]).lower() for arm in arms for path in declared.changes_of(arm)
    ]
    return any(word in leaf for leaf in leaves for word in words if leaf != "init_args")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
