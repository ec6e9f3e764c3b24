"""What a search found and what stands against believing it, in computed sentences."""

from collections.abc import Iterator

from ablate.analysis import (
    AblationFrames,
    Change,
    Rivals,
    SearchConclusions,
    TrialCounts,
    confirmed_table,
)
from ablate.reports import confirmed, numbers
from ablate.reports.anchors import code_link, linked, trial_link
from ablate.reports.audit import Audit
from ablate.reports.blocks import Bullets, Code, Inline, Link, Section, Strong
from ablate.spec import Status
from ablate.spec.commands import write_command
from ablate.spec.constraints import counted_infeasible, none_feasible

Item = tuple[Inline, ...]
_NO_VALUE = "no trial is complete with a finite value yet."
NAMED = 5
"""Trials and parameters that a sentence names."""
STATES = (Status.COMPLETE, Status.PRUNED, Status.FAILED, Status.RUNNING, Status.WAITING)


def verdict_section(concluded: SearchConclusions, confirmation: AblationFrames | None) -> Section:
    """Say which trial is the best, how sure that is, what mattered, and where to search next."""
    objective = concluded.frames.definition.objective
    head: Item = (Strong(objective.metric), f" ({objective.direction}): ")
    if concluded.best is None:
        infeasible = concluded.counts.infeasible
        why = f"no feasible trial: {none_feasible(infeasible)}." if infeasible else _NO_VALUE
        none = (*head, why)
        return Section("Verdict", (Bullets((none,)),))
    best = concluded.best
    counts = concluded.counts
    done = counts.states.get(Status.COMPLETE, 0) - counts.valueless - counts.infeasible
    items: list[Item] = [
        (
            *head,
            "trial ",
            trial_link(best.number),
            f" has the {objective.direction.superlative} value, ",
            Strong(numbers.number(best.value)),
            f", of {numbers.plural(done, f'{concluded.frames.definition.counting} trial')}.",
        )
    ]
    if counts.infeasible:
        said = f": {counted_infeasible(counts.infeasible)} and can't be the best."
        items.append((Strong("Constraints"), said))
    if concluded.rivals is not None:
        items.append(_rivals(concluded.rivals, concluded.frames.definition.counting))
    items += [*_confirmed(concluded, confirmation), _importance(concluded)]
    items += [*_edges(concluded), _next(concluded)]
    return Section("Verdict", (Bullets(tuple(items)),))


def _rivals(rivals: Rivals, kind: str) -> Item:
    head = Strong("Runners-up"), ": "
    others = numbers.plural(rivals.compared, f"other {kind} trial")
    if not rivals.open:
        whom = f"all of {others}" if rivals.compared > 1 else f"the {others.removeprefix('1 ')}"
        return (*head, f"the best trial is told apart from {whom} by their seeds.")
    named: list[Inline] = []
    for number in rivals.open[:NAMED]:
        named += [", ", trial_link(number)]
    more = len(rivals.open) - NAMED
    why = f": {rivals.why}" if rivals.why else ", over the seeds that they share"
    whom = f"{numbers.count(len(rivals.open))} of {others}"
    if len(rivals.open) == rivals.compared:
        whom = f"any of {others}" if rivals.compared > 1 else f"the {others.removeprefix('1 ')}"
    return (
        *head,
        f"the best trial can't be told apart from {whom}",
        f"{why}. The next best of them: ",
        *named[1:],
        f" and {numbers.count(more)} more." if more > 0 else ".",
    )


def _confirmed(concluded: SearchConclusions, confirmation: AblationFrames | None) -> Iterator[Item]:
    head = Strong("Confirmation"), ": "
    found = confirmed_table(confirmation) if confirmation is not None else None
    if found is None or found.empty:
        command = Code(write_command("confirm", concluded.frames.name))
        yield (
            *head,
            "the best trial was not run again with fresh seeds, so its value is partly luck; ",
            command,
            " runs it again.",
        )
        return
    for said in confirmed.verdicts(found):
        yield (*head, *linked(said))


def _importance(concluded: SearchConclusions) -> Item:
    head = Strong("What mattered"), ": "
    found = concluded.importances
    if found.why_not:
        return (*head, f"not computed, as {found.why_not}.")
    first = found.rows[0]
    low, high = numbers.percent(first.low), numbers.percent(first.high)
    return (
        *head,
        Code(first.parameter),
        f" with {numbers.percent(first.share)} of the importance ({low} to {high} over resamples); "
        f"shuffled values give it as much in {numbers.percent(first.p)} of cases.",
    )


def _edges(concluded: SearchConclusions) -> Iterator[Item]:
    for known in concluded.tendencies:
        for end in known.edges:
            hits = known.at_low if end == "lower" else known.at_high
            yield (
                Strong("Edge"),
                ": ",
                f"{hits} of the {known.good} good trials lie at the {end} edge of ",
                Code(known.parameter),
                ", so the best may lie outside.",
            )


def _next(concluded: SearchConclusions) -> Item:
    head = Strong("Next space"), ": "
    proposed = concluded.next
    if proposed.why_not:
        return (*head, f"none is proposed, as {proposed.why_not}.")
    counts = {change: sum(one.change is change for one in proposed.proposals) for change in Change}
    said = [f"{amount} {change}" for change, amount in counts.items() if amount]
    total = numbers.plural(len(proposed.proposals), "parameter")
    return (*head, f"of {total} {numbers.listing(said)} (", Link("reasons", "next-space"), ").")


def trust_section(concluded: SearchConclusions, audited: Audit) -> Section:
    """Say what stands against the numbers, each remark leading to where it is told in full."""
    definition = concluded.frames.definition
    changed = len(definition.profile_changes)
    profile = (
        f" changes {numbers.plural(changed, 'value')} of the written configuration."
        if changed
        else " uses the configuration as it is written."
    )
    seeds = numbers.plural(len(definition.seeds), "seed")
    items: list[Item] = [
        *_findings(audited),
        (Strong("Seeds"), f": {seeds} of a trial ({', '.join(map(str, definition.seeds))})."),
        (Strong("Profile"), ": ", Link(Code(definition.profile), "profile"), profile),
    ]
    return Section("Trust", (Bullets(tuple(items)),))


def _findings(audited: Audit) -> Iterator[Item]:
    for severity, word in (("error", "Errors"), ("warning", "Warnings"), ("note", "Notes")):
        rows = [row for row in audited.findings if row.severity == severity]
        if rows:
            codes: list[Inline] = []
            for code in dict.fromkeys(row.code for row in rows):
                codes += [", ", code_link(code)]
            yield (Strong(f"{word} of the audit"), f": {len(rows)}: ", *codes[1:], ".")
    if not audited.findings:
        yield (Strong("Audit"), ": nothing was found in the trials.")


def counted(counts: TrialCounts) -> str:
    """Word how many trials there are, how they ended, and which are no trials of their own."""
    states = [f"{counts.states[state]} {state}" for state in STATES if state in counts.states]
    said = [f"{numbers.plural(counts.total, 'trial')}{': ' if states else ''}{', '.join(states)}"]
    if counts.diverged:
        said.append(f"{counts.diverged} of the failed ones diverged")
    if counts.valueless:
        said.append(f"{counts.valueless} of the complete ones without a finite value")
    if counts.reused:
        said.append(f"{counts.reused} took over the result of an equal run")
    if counts.repeated:
        said.append(f"{counts.repeated} of the failed ones tried again")
    if counts.replicates:
        said.append(f"{counts.replicates} at a point that was tried before")
    return "; ".join(said)
