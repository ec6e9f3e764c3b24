"""`ablate status`."""

from typing import Annotated, Any

import typer

from ablate.cli import options, output


def status(
    study: Annotated[str | None, typer.Argument(help="A study; by default all.")] = None,
    storage: options.Storage = options.DEFAULT_STORAGE,
    as_json: options.Json = False,
) -> None:
    """Show how studies stand: trials by state, the best, what runs now."""
    from ablate.store import Store  # noqa: PLC0415 - sqlalchemy is loaded only when used

    with Store.open(storage, create=False) as store:
        names = store.study_names() if study is None else [store.require_study(study).name]
        rows = [_row(store, name) for name in names]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ["study", "kind", "profile", "trials", "best", "active"],
        [
            [
                row["study"],
                row["kind"],
                row["profile"],
                output.counted(row["counts"]),
                "-"
                if row["best"] is None
                else f"{output.number(row['best']['value'])} (trial {row['best']['number']})",
                f"{row['active_seconds']:.0f} s",
            ]
            for row in rows
        ],
    )


def _row(store: Any, name: str) -> dict[str, Any]:
    from ablate.store import best_trial, count_states  # noqa: PLC0415

    record = store.study(name)
    trials = store.trials(name)
    best = best_trial(trials, record.definition["objective"]["direction"])
    return {
        "study": name,
        "kind": record.kind,
        "profile": record.profile,
        "counts": count_states(trials),
        "best": best and {"number": best.number, "value": best.value, **best.user_attrs},
        "active_seconds": store.active_seconds(name),
    }
