"""Names of what there is, without loading what runs it."""

from ablate.spec import AblationStudy, read_study
from ablate.store import Store
from ablate.workflow.defaults import storage_url


def stored_studies(storage: str | None = None) -> list[str]:
    """Return the names of the stored studies; raise StorageError if the storage can't be read."""
    with Store.open(storage_url(storage), create=False) as store:
        return store.study_names()


def declared_arms(study: str) -> tuple[str, ...]:
    """Return the arms of an ablation, none of a search; raise RequestError if it does not hold."""
    prepared = read_study(study).prepare("")
    return prepared.arm_names if isinstance(prepared, AblationStudy) else ()
