"""Keys of the data that arms change while their data stay the same: a cache may answer for them."""

from collections.abc import Collection, Iterator, Mapping

from ablate.audits.evidence import Evidence, learned
from ablate.audits.evidence_checks.advice import advised_between
from ablate.audits.evidence_checks.declared import Declared
from ablate.audits.evidence_checks.functions import agree
from ablate.audits.findings import Finding
from ablate.spec import paths

LATER = (
    *("augment", "batch", "cache", "cutmix", "download", "drop_last", "jitter", "mask", "mixup"),
    *("noise", "persistent", "pin_memory", "prefetch", "sampler", "shuffle", "timeout", "verbose"),
    "workers",
)
"""Parts of the names of arguments that change how data are served, not what they are."""


def check_data_keys(arms: Mapping[str, Evidence], declared: Declared) -> Iterator[Finding]:
    """Find arms that declare a change of the data and are given those of an arm that does not."""
    trained = learned(arms)
    for arm, evidence in trained.items():
        changed = _of_data(declared.changes_of(arm))
        for other, plain in trained.items():
            keys = [key for key in changed if key not in declared.changes_of(other)]
            if not keys or len(keys) < len(changed) or _of_data(declared.changes_of(other)):
                continue
            if _same_data(evidence, plain) and _shows(arm, other, trained, declared):
                cached = [read.path for read in evidence.files if read.reader == "data"]
                what = (
                    f"{arm} changes {', '.join(keys)}, and is given the same examples in the same "
                    f"order as {other}" + (f"; its data read {cached[0]}" if cached else "")
                )
                yield advised_between("data-key-without-effect", [[arm], [other]], what, keys[0])
                break


def _of_data(changes: Collection[str]) -> list[str]:
    """List the changes that say what the data are."""
    return [
        path
        for path in changes
        if path.startswith("data.")
        and not any(word in str(paths.parse(path)[-1]).lower() for word in LATER)
    ]


def _same_data(left: Evidence, right: Evidence) -> bool:
    return (
        left.train.digest is not None
        and left.val.digest is not None
        and left.train == right.train
        and left.val == right.val
    )


def _shows(arm: str, other: str, arms: Mapping[str, Evidence], declared: Declared) -> bool:
    """Say whether nothing else can hide an effect: equal training, or a file that is read."""
    elsewhere = [
        {path for path in declared.changes_of(name) if not path.startswith("data.")}
        for name in (arm, other)
    ]
    if elsewhere[0] == elsewhere[1]:
        return agree(arms[arm].trace, arms[other].trace)
    return any(read.reader == "data" for read in arms[arm].files)
