"""What the hooks of a module and its data must do: inherit from ModuleSuite and name a config.

    from ablate.testing import ModuleSuite

    class TestMine(ModuleSuite):
        config = "configs/mine.yaml"

`docs/audit.md` and `docs/studies.md` describe the hooks. The test of one that is not offered is
skipped.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor

from ablate.audits.evidence import Evidence
from ablate.audits.probes import structure
from ablate.audits.probes.beginning import Beginning
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.content import size
from ablate.audits.probes.examples import describe, look_at_examples
from ablate.audits.probes.hooks import hook
from ablate.run import Answered, Call, GroupMeans, InProcessLauncher, Job, Resolve, Resolved
from ablate.run.group_metrics import ask
from ablate.run.isolation import pristine
from ablate.run.jobs import do_all
from ablate.run.randomness import seeded
from ablate.spec import Config, read_yaml

OF_MODULES = (
    *("example_losses", "autoregression", "chance_loss", "properties", "untrained"),
    "group_metrics",
)
OF_DATA = ("fingerprint", "example_keys", "contexts", "properties")
PROBES = {
    "every probe": "the config",
    "data": "example_keys",
    "contexts": "contexts",
    "causality": "autoregression",
    "example_losses": "example_losses",
    "chance_loss": "chance_loss",
    "properties": "properties",
    "untrained": "untrained",
}
"""The probes that call a hook -> the hook that raised if such a probe could not run."""

Question = Callable[[LightningModule, Any], Any]


class Asked(Callback):
    """Asks a module about every batch that it is given, and keeps the answers."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.answers: list[Any] = []

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Ask about a batch of validation."""
        self.answers.append(self._question(pl_module, batch))


class AskedInTraining(Asked):
    """Asks about the batches of training alone."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Ask about a batch of training, as the audit does: without gradients."""
        with seeded(0), torch.no_grad():
            self.answers.append(self._question(pl_module, batch))

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Ask nothing."""


class AskedAfterwards(Callback):
    """Counts the examples of a validation, and asks a module twice for its means by group."""

    def __init__(self) -> None:
        self.examples = 0
        self.answers: list[tuple[GroupMeans, ...]] = []

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Count the examples of a batch."""
        self.examples += size(batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask twice, as a run asks once."""
        self.answers += [ask(pl_module, 0, 0) for _ in range(2)]


class ModuleSuite:
    """Every hook that is offered has the right shape and says the truth.

    `config` is a LightningCLI config, or the path of one, that names the module and its data.
    """

    config: ClassVar[Config | str | Path]

    # --- what is examined ----------------------------------------------------------------

    @pytest.fixture(scope="class")
    def resolved(self) -> dict[str, Any]:
        """Fill in every default of the config."""
        given = self.config
        body = read_yaml(Path(given)) if isinstance(given, str | Path) else dict(given)
        config: dict[str, Any] = answer(Resolve(0, body), Resolved).config
        return config

    @pytest.fixture(scope="class")
    def evidence(self, resolved: dict[str, Any]) -> Evidence:
        """Examine module and data as the audit does."""
        job = Call(0, resolved, "ablate.audits.probes:examine", {"request": {}})
        return Evidence.of(answer(job, Answered).result)

    @pytest.fixture(scope="class")
    def bench(self, resolved: dict[str, Any]) -> Iterator[Bench]:
        """Build module and data, and set the data up."""
        with tempfile.TemporaryDirectory() as folder:
            yield ready(resolved, folder)

    @pytest.fixture(scope="class")
    def again(self, resolved: dict[str, Any]) -> Iterator[Bench]:
        """Build the same a second time."""
        with tempfile.TemporaryDirectory() as folder:
            yield ready(resolved, folder)

    @pytest.fixture(scope="class")
    def reseeded(self, resolved: dict[str, Any]) -> Iterator[Bench]:
        """Build it with another seed."""
        with tempfile.TemporaryDirectory() as folder:
            yield ready(resolved, folder, offset=1)

    # --- all hooks -----------------------------------------------------------------------

    def test_every_hook_is_a_method(self, bench: Bench) -> None:
        for owner, names in ((bench.model, OF_MODULES), (bench.data.module, OF_DATA)):
            for name in names:
                value = getattr(owner, name, None)
                assert value is None or callable(value), f"{name} is no method and never asked"

    def test_no_hook_raises(self, evidence: Evidence) -> None:
        raised = {
            PROBES.get(probe, probe): why
            for probe, why in evidence.skipped.items()
            if probe in PROBES or probe.startswith("property ")
        }
        assert raised == {}

    # --- of the module -------------------------------------------------------------------

    def test_example_losses_are_one_number_per_example(self, bench: Bench) -> None:
        require(bench.model, "example_losses")
        for losses, examples in asked(
            bench, lambda model, batch: (offered(model, "example_losses")(batch), size(batch))
        ):
            assert isinstance(losses, Tensor)
            assert losses.shape == (examples,)
            assert losses.isfinite().all()

    def test_example_losses_do_not_depend_on_other_examples(
        self, bench: Bench, evidence: Evidence
    ) -> None:
        require(bench.model, "example_losses")
        assert faults(evidence, "padding-matters", "neighbours-matter") == []

    def test_autoregression_is_targets_and_a_function_of_them(self, bench: Bench) -> None:
        require(bench.model, "autoregression")

        def outputs_of(model: LightningModule, batch: Any) -> tuple[Tensor, Tensor, list[Tensor]]:
            targets, outputs = offered(model, "autoregression")(batch)
            before = targets.clone()
            return before, targets, [outputs(targets).clone() for _ in range(2)]

        for before, targets, (first, second) in asked(bench, outputs_of):
            assert targets.ndim >= 2
            assert first.shape[:2] == targets.shape[:2]
            assert torch.equal(before, targets), "its targets are changed by the function"
            assert torch.equal(first, second), "equal targets have different outputs"

    def test_outputs_do_not_depend_on_later_targets(self, bench: Bench, evidence: Evidence) -> None:
        require(bench.model, "autoregression")
        assert faults(evidence, "sees-the-future") == []

    def test_chance_loss_is_a_number(self, bench: Bench) -> None:
        require(bench.model, "chance_loss")
        watch = AskedInTraining(lambda model, batch: float(offered(model, "chance_loss")(batch)))
        with pristine():
            bench.fit(watch, steps=1)
        assert all(map(math.isfinite, watch.answers)), watch.answers

    def test_the_first_loss_is_near_that_of_a_guess(self, bench: Bench, evidence: Evidence) -> None:
        require(bench.model, "chance_loss")
        assert faults(evidence, "initial-loss-far-from-chance") == []

    def test_untrained_names_parts_of_the_module(self, bench: Bench) -> None:
        require(bench.model, "untrained")
        parts = {name for name, _ in bench.model.named_modules()}
        parts |= {name for name, _ in bench.model.named_parameters()}
        named = offered(bench.model, "untrained")()
        assert isinstance(named, list | tuple), "a text would be read letter by letter"
        assert {*named} <= parts - {""}

    def test_what_is_untrained_gets_no_gradient(self, bench: Bench) -> None:
        require(bench.model, "untrained")
        beginning = Beginning()
        with pristine():
            bench.fit(beginning)
        owners = tuple(f"{owner}." for owner in beginning.untrained)
        given = {n for n, gradient in beginning.gradients.items() if gradient == "some"}
        assert {name for name in given if f"{name}.".startswith(owners)} == set()

    def test_group_metrics_are_means_with_numbers_of_examples(self, bench: Bench) -> None:
        require(bench.model, "group_metrics")
        watch = AskedAfterwards()
        with pristine():
            bench.validate(watch)
        first, again = watch.answers
        assert first, "nothing is told after a validation"
        assert repr(first) == repr(again), "asked twice, it tells two things"

    def test_group_metrics_agree_with_what_is_logged(self, bench: Bench) -> None:
        require(bench.model, "group_metrics")
        watch = AskedAfterwards()
        with pristine():
            logged = bench.validate(watch)
        for told in watch.answers[0]:
            total = sum(examples for _, examples in told.means.values())
            if told.name in logged and total == watch.examples:
                mean = sum(mean * examples for mean, examples in told.means.values()) / total
                assert mean == pytest.approx(logged[told.name], rel=1e-3, abs=1e-6), (
                    f"over all groups of {told.grouping!r}, {told.name} is another mean"
                )

    # --- of the module and of the data ---------------------------------------------------

    @pytest.mark.parametrize("owner", ["module", "data"])
    def test_properties_are_tests_by_name(self, bench: Bench, owner: str) -> None:
        require(bench.model if owner == "module" else bench.data.module, "properties")

        def outcomes_of(holder: Any) -> tuple[Any, list[Any]]:
            properties = offered(holder, "properties")()
            assert isinstance(properties, Mapping)
            return list(properties), [test() for test in properties.values()]

        if owner == "module":
            found = asked(bench, lambda model, _: outcomes_of(model))
        else:
            with pristine():
                found = [outcomes_of(bench.data.module)]
        for names, outcomes in found:
            assert all(isinstance(name, str) for name in names)
            wrong = [said for said in outcomes if not isinstance(said, str | None)]
            assert wrong == [], "a property says None if it holds, else what is wrong"

    def test_properties_hold(self, bench: Bench, evidence: Evidence) -> None:
        if not any(hook(owner, "properties") for owner in (bench.model, bench.data.module)):
            pytest.skip("neither the module nor the data offer properties")
        assert faults(evidence, "property-violated") == []

    # --- of the data ---------------------------------------------------------------------

    def test_a_fingerprint_is_texts_by_name(self, bench: Bench) -> None:
        prints = fingerprint(bench)
        assert isinstance(prints, Mapping)
        assert prints
        assert all(isinstance(text, str) for pair in prints.items() for text in pair)

    def test_equal_data_have_equal_fingerprints(self, bench: Bench, again: Bench) -> None:
        assert fingerprint(bench) == fingerprint(bench)
        assert fingerprint(bench) == fingerprint(again)

    def test_different_examples_have_different_fingerprints(
        self, bench: Bench, reseeded: Bench
    ) -> None:
        prints = fingerprint(bench), fingerprint(reseeded)
        contents = content(bench), content(reseeded)
        if None in contents or contents[0] == contents[1]:
            pytest.skip("another seed brings no other examples that could be told apart")
        assert prints[0] != prints[1]

    @pytest.mark.parametrize("split", ["train", "val"])
    def test_example_keys_are_texts_that_stay(self, bench: Bench, again: Bench, split: str) -> None:
        data = require(bench.data.module, "example_keys")
        with pristine():
            keys = list(offered(data, "example_keys")(split))
            repeated = [
                list(offered(source.data.module, "example_keys")(split))
                for source in (bench, again)
            ]
        assert keys
        assert all(isinstance(key, str) for key in keys)
        assert repeated == [keys, keys]

    @pytest.mark.parametrize("split", ["train", "val"])
    def test_contexts_are_queries_with_the_keys_shown(self, bench: Bench, split: str) -> None:
        data = require(bench.data.module, "contexts")
        with pristine():
            pairs = [(query, shown) for query, shown in offered(data, "contexts")(split)]
        assert pairs
        for query, shown in pairs:
            assert isinstance(query, str)
            assert not isinstance(shown, str), "a text would be read letter by letter"
            assert all(isinstance(key, str) for key in shown)

    @pytest.mark.parametrize("split", ["train", "val"])
    def test_the_queries_of_contexts_are_examples(self, bench: Bench, split: str) -> None:
        data = require(bench.data.module, "contexts")
        require(data, "example_keys")
        with pristine():
            queries = {query for query, _ in offered(data, "contexts")(split)}
            keys = {*offered(data, "example_keys")(split)}
        assert queries <= keys


def answer(job: Job, kind: type[Any]) -> Any:
    """Do a job in this process and return its answer; fail with the reason if it has none."""
    (events,) = do_all(InProcessLauncher(), [job])
    found = next((event for event in events if isinstance(event, kind)), None)
    if found is None:
        pytest.fail(f"the config cannot be examined: {events[-1]}")
    return found


def ready(resolved: dict[str, Any], folder: str, *, offset: int = 0) -> Bench:
    """Put a config on the workbench, with data that are set up."""
    seed = resolved.get("seed_everything")
    number = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
    with pristine():
        bench = Bench({**resolved, "seed_everything": number + offset}, Path(folder))
        if structure.trainable(bench.model):
            bench.fit(steps=1)
        bench.validate()
    return bench


def asked(bench: Bench, question: Question) -> list[Any]:
    """Ask a module about validation batches, in evaluation mode and with the audit's weights."""
    watch = Asked(question)
    with pristine():
        bench.validate(Canonical(), watch)
    return watch.answers


def require(owner: LightningModule | LightningDataModule | None, name: str) -> Any:
    """Return an owner that offers a hook; skip the test otherwise."""
    if hook(owner, name) is None:
        pytest.skip(f"there is no {name}")
    return owner


def offered(owner: object, name: str) -> Callable[..., Any]:
    """Return a hook that is known to be there."""
    found = hook(owner, name)
    assert found is not None
    return found


def faults(evidence: Evidence, *codes: str) -> list[str]:
    """Say what the audit holds against the module, of some codes."""
    return [fault.what for fault in evidence.faults if fault.code in codes]


def fingerprint(bench: Bench) -> Any:
    """Ask the data for their fingerprint; skip the test if they have none."""
    with pristine():
        return offered(require(bench.data.module, "fingerprint"), "fingerprint")()


def content(bench: Bench) -> list[str | None] | None:
    """Return digests of the examples of both splits; None unless every example is within reach."""
    with pristine():
        looked_at = look_at_examples(bench.data)
    sources = [[bench.data.train] if bench.data.train else [], bench.data.val]
    total = [[source.examples or 0 for source in split] for split in sources]
    if any(
        examples is None or len(examples.keys) < sum(counts)
        for examples, counts in zip(looked_at, total, strict=True)
    ):
        return None
    digests = map(partial(describe, batches=(), order=None), looked_at, sources)
    return [split.digest for split in digests]
