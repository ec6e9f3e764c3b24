"""The base model: a function of its recipe, made once, and nobody's random numbers the worse."""

import random
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ablate.systems.common.caching import cache_root, locked, replacing
from ablate.systems.worldmodel import base
from ablate.systems.worldmodel.base import BaseRecipe, pretrained, train
from ablate.systems.worldmodel.model import LanguageModel, Sizes

NANO = BaseRecipe(Sizes(d_model=16, heads=2, layers=1), steps=3, batch_size=2, warmup=1)
CPU = torch.device("cpu")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.pt")
    return file


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[BaseRecipe]:
    """Return a list that grows with every training of a base model."""
    done: list[BaseRecipe] = []

    def counted(recipe: BaseRecipe, device: torch.device) -> dict[str, Tensor]:
        done.append(recipe)
        return train(recipe, device)

    monkeypatch.setattr(base, "train", counted)
    return done


# Training


def test_training_depends_on_the_recipe_alone():
    torch.manual_seed(1)
    first = train(NANO, CPU)
    torch.manual_seed(2)
    assert same(train(NANO, CPU), first)
    assert not same(train(replace(NANO, seed=1), CPU), first)


def test_no_document_is_seen_twice(monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    made = base.base_document
    monkeypatch.setattr(base, "base_document", lambda seed, i: seen.append(i) or made(seed, i))
    train(NANO, CPU)
    assert seen == list(range(6))


def test_training_lowers_the_loss_and_says_so(capsys: pytest.CaptureFixture[str]):
    train(replace(NANO, steps=40, batch_size=8, lr=1e-2), CPU)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [
        "base model: step 1 of 40",
        "base model: step 40 of 40",
    ]
    first, last = (float(line.rpartition(" ")[2]) for line in lines)
    assert first == pytest.approx(5.5, abs=0.2)
    assert last < 3.5


def test_the_rate_rises_over_the_warm_up_then_falls_along_a_cosine():
    recipe = BaseRecipe()
    assert recipe.rate(0) == pytest.approx(2e-5)
    assert recipe.rate(99) == recipe.rate(100) == pytest.approx(2e-3)
    assert recipe.rate(550) == pytest.approx(2e-3 * 0.55)
    assert recipe.rate(999) == pytest.approx(2e-4, rel=1e-3)
    assert max(map(recipe.rate, range(1000))) == pytest.approx(2e-3)


def test_a_recipe_that_cannot_be_followed_is_refused():
    with pytest.raises(ValueError, match=r"steps must be at least 1, got 0; .*seed"):
        BaseRecipe(steps=0, seed=-1)


# The key


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": Sizes(layers=2)},
        {"steps": 4},
        {"batch_size": 3},
        {"lr": 1e-3},
        {"warmup": 2},
        {"final": 0.2},
        {"weight_decay": 0.0},
        {"clip": 2.0},
        {"seed": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_everything_in_a_recipe_is_in_its_key(changes):
    assert replace(NANO, **changes).key() != NANO.key() == replace(NANO).key()


def test_the_documents_and_the_device_are_in_the_key(monkeypatch: pytest.MonkeyPatch):
    key = NANO.key()
    assert NANO.key("cuda") != key
    made = base.base_document
    monkeypatch.setattr(base, "base_document", lambda seed, index: [65, *made(seed, index)])
    assert NANO.key() != key


# The cache


def test_a_base_model_is_trained_once(tmp_path: Path, trainings: list):
    first = pretrained(NANO, tmp_path)
    assert same(pretrained(NANO, tmp_path), first)
    assert len(trainings) == 1
    pretrained(replace(NANO, seed=1), tmp_path)
    assert len(trainings) == 2
    LanguageModel(NANO.sizes).load_state_dict(first)


def test_a_hit_and_a_miss_leave_the_random_numbers_as_they_were(tmp_path: Path):
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    def after(do: Callable[[], object]) -> tuple[float, float, float]:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        do()
        return drawn()

    untouched = after(lambda: None)
    assert after(lambda: pretrained(NANO, tmp_path)) == untouched
    assert only_file(tmp_path).exists()
    assert after(lambda: pretrained(NANO, tmp_path)) == untouched


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGES = {
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_bytes(b"no weights at all"),
    "one bit": flip,
    "other content": lambda file: torch.save({"weights": {"a": torch.zeros(1)}}, file),
    "other shape": lambda file: torch.save([1, 2], file),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_made_again(
    damage: Callable[[Path], object],
    tmp_path: Path,
    trainings: list,
    capsys: pytest.CaptureFixture[str],
):
    first = pretrained(NANO, tmp_path)
    damage(only_file(tmp_path))
    assert same(pretrained(NANO, tmp_path), first)
    assert len(trainings) == 2
    assert f"{only_file(tmp_path)} is damaged" in capsys.readouterr().out
    assert same(pretrained(NANO, tmp_path), first)
    assert len(trainings) == 2


def test_nothing_in_a_cached_file_is_executed(tmp_path: Path, trainings: list):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    pretrained(NANO, tmp_path)
    torch.save({"digest": Trap(), "weights": Trap()}, only_file(tmp_path))
    pretrained(NANO, tmp_path)
    assert len(trainings) == 2
    assert not (tmp_path / "sprung").exists()


def test_two_that_ask_at_once_train_once(tmp_path: Path, trainings: list):
    results: list[dict[str, Tensor]] = []
    askers = [
        threading.Thread(target=lambda: results.append(pretrained(NANO, tmp_path)))
        for _ in range(4)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(trainings) == 1
    assert len(results) == 4
    assert all(same(result, results[0]) for result in results)


def test_a_training_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(recipe: BaseRecipe, device: torch.device) -> dict[str, Tensor]:
        raise RuntimeError("no power")

    monkeypatch.setattr(base, "train", fail)
    with pytest.raises(RuntimeError, match="no power"):
        pretrained(NANO, tmp_path)
    assert list(tmp_path.glob("*.pt")) == []
    monkeypatch.undo()
    pretrained(NANO, tmp_path)


def test_without_a_folder_of_its_own_the_common_cache_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path))
    pretrained(NANO)
    assert only_file(tmp_path / "worldmodel").exists()


# Shared files


def test_the_cache_is_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("ABLATE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "ablate"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_root() == Path("/x/ablate")
    monkeypatch.setenv("ABLATE_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"
    assert cache_root("~/given") == tmp_path / "given"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "new" / "file"
    with replacing(path) as file:
        file.write(b"first")
        assert not path.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"sec")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path):
    entered = threading.Event()

    def enter() -> None:
        with locked(tmp_path / "file"):
            entered.set()

    with locked(tmp_path / "file"):
        other = threading.Thread(target=enter)
        other.start()
        assert not entered.wait(0.2)
    other.join()
    assert entered.is_set()
