"""What another program did to the trials of a study, in words that both writers share."""

from ablate.errors import StorageError


def no_such_study(study: str, shown: str) -> StorageError:
    """Word that there is no Optuna study of this name."""
    return StorageError(f"there is no Optuna study {study!r} in {shown}")


def leaves_a_gap(study: str, number: int, following: int, shown: str) -> StorageError:
    """Word that a new trial is not the next one; `following` is the number of those there."""
    return StorageError(
        f"trial {number} of {study!r} can't follow the {following} trials that are in {shown}: "
        "another program removed trials; name another study"
    )


def added_by_another(study: str, number: int, shown: str) -> StorageError:
    """Word that a new trial's number is taken."""
    return StorageError(
        f"trial {number} of {study!r} in {shown} was added by another program; stop what else "
        "adds trials to this study and run the same command again"
    )


def ended_by_another(study: str, number: int, state: str, shown: str) -> StorageError:
    """Word that a trial has ended in another way."""
    return StorageError(
        f"trial {number} of {study!r} in {shown} ended already, as {state}: "
        "another program ended it; stop it and run the same command again"
    )


def no_such_trial(study: str, number: int, shown: str) -> StorageError:
    """Word that a trial that is to be changed is not there."""
    return StorageError(
        f"trial {number} of {study!r} is not in {shown}; was it removed by another program?"
    )


def ended_and_kept(study: str, number: int, shown: str) -> StorageError:
    """Word that Optuna refuses to change a trial."""
    return StorageError(
        f"trial {number} of {study!r} in {shown} has ended, and Optuna's own interface, through "
        "which this storage is written, changes no trial that has ended; update ablate"
    )
