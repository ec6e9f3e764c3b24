"""What a wrong config is told: one sentence with the key, the mistake and what to do."""

import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentError

from ablate.errors import SpecError
from ablate.run.config_errors import explained
from ablate.run.lightning_cli import build, resolve
from ablate.spec import paths
from ablate.testing.jobs import TOY, toy

CALLBACKS = "lightning.pytorch.callbacks"
MONITOR = {
    "class_path": f"{CALLBACKS}.LearningRateMonitor",
    "init_args": {"logging_interval": "epoch"},
}
STOPPING = {
    "class_path": f"{CALLBACKS}.EarlyStopping",
    "init_args": {"monitor": "val_loss", "mode": "min"},
}
COSINE = {"class_path": "ablate.run.schedules.Cosine", "init_args": {"warmup": 0.1}}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module of a user's and puts it where it is found."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> Path:
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        return file

    return write


def told(changes, act=resolve) -> str:
    """Return what is said about the toy config with some changes."""
    with pytest.raises(SpecError) as caught:
        act(toy(changes))
    message = str(caught.value)
    assert "\n" not in message
    assert message.rpartition(": ")[2]
    return message


def built(config):
    return build(config, None, [])


@pytest.mark.parametrize("value", [1, None, {}, {"class_path": "x"}], ids=repr)
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("modle", "model"),
        ("trainer.max_epoch", "max_epochs"),
        ("model.init_args.widht", "width"),
        ("model.init_arg", "init_args"),
        ("data.init_args.batchsize", "batch_size"),
        ("optimizer.init_args.weight_dekay", "weight_decay"),
        ("lr_scheduler.init_args.warm_up", "warmup"),
        ("trainer.callbacks[0].init_args.patiense", "patience"),
        ("trainer.callbacks[1].init_args.loging_interval", "logging_interval"),
        ("trainer.callbacks[1].clas_path", "class_path"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_its_nearest_name(path, hint, value):
    config = toy({"lr_scheduler": COSINE, "trainer.callbacks": [STOPPING, MONITOR], path: value})
    with pytest.raises(SpecError) as caught:
        resolve(config)
    key = path.rpartition(".")[2]
    assert str(caught.value).startswith(f"{path}: unknown key '{key}': did you mean '{hint}'")


@pytest.mark.parametrize(
    "path",
    ["data.init_args.width", "optimizer.init_args.width", "trainer.callbacks[1].init_args.monitor"],
)
def test_an_unknown_key_is_not_mistaken_for_the_same_key_elsewhere(path):
    config = toy({"trainer.callbacks": [STOPPING, MONITOR], path: 3})
    with pytest.raises(SpecError, match="unknown key") as caught:
        resolve(config)
    assert str(caught.value).startswith(f"{path}: ")


def test_arguments_beside_the_class_path_are_refused_with_what_may_stand_there():
    for model in ({"class_path": "ablate.testing.toy.Toy", "width": 8}, {"width": 8}):
        with pytest.raises(SpecError, match=r"^model.width: unknown key 'width': .*init_args"):
            resolve(toy({"model": model}))


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("trainer.max_epochs", "three", "Expected a int"),
        ("model.init_args.width", "wide", "Expected a int. Got value: wide"),
        ("optimizer.init_args.lr", "fast", "Expected a float"),
        ("optimizer.init_args.betas", [0.9], "tuple with 2 elements"),
        ("data.init_args.batch_size", 1.5, "Expected a int"),
        ("trainer.callbacks[0].init_args.mode", 3, "Expected a str. Got value: 3"),
        ("trainer.callbacks[1].init_args.mode", 3, "Expected a str. Got value: 3"),
        ("trainer.callbacks[2].init_args.logging_interval", "monthly", "'step', 'epoch'"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_path(path, value, complaint):
    checkpoint = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"monitor": "val_loss", "mode": "min"},
    }
    config = toy(
        {
            "trainer.callbacks": [STOPPING, checkpoint, MONITOR],
            "optimizer.class_path": "torch.optim.Adam",
            path: value,
        }
    )
    with pytest.raises(SpecError) as caught:
        resolve(config)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message
    assert "Subclass types" not in message


@pytest.mark.parametrize(
    ("path", "name", "complaint"),
    [
        ("model", "ablate.testing.toy.Toyy", "did you mean 'Toy'"),
        ("model", "no_such_package.Toy", "No module named 'no_such_package'"),
        ("optimizer", "torch.optim.Adamm", "did you mean 'Adam'"),
        ("trainer.callbacks[1]", "lightning.pytorch.callbacks.EarlyStoping", "'EarlyStopping'"),
    ],
)
def test_a_missing_class_is_named_with_its_path(path, name, complaint):
    config = toy({"trainer.callbacks": [STOPPING, MONITOR], path: {"class_path": name}})
    with pytest.raises(SpecError) as caught:
        resolve(config)
    assert str(caught.value).startswith(f"{path}.class_path: ")
    assert complaint in str(caught.value)


def test_a_class_of_the_wrong_kind_is_refused():
    with pytest.raises(SpecError, match=r"^optimizer: .*torch.nn.Linear.*Optimizer"):
        resolve(toy({"optimizer": {"class_path": "torch.nn.Linear"}}))


def test_a_config_without_a_model_is_refused():
    with pytest.raises(SpecError, match="model"):
        resolve({key: value for key, value in TOY.items() if key != "model"})


def test_a_constructor_that_refuses_its_arguments_is_a_wrong_config():
    resolve(toy({"model.init_args.heads": 3}))
    with pytest.raises(SpecError, match="width 4 is not divisible by heads 3"):
        build(toy({"model.init_args.heads": 3}), None, [])


def test_the_model_that_refuses_is_named_with_the_line_of_the_users_own_code(module, monkeypatch):
    file = module(
        "refusing",
        "from ablate.testing.toy import Toy\n\nclass Model(Toy):\n"
        "    def __init__(self, table: str):\n        self.load(table)\n\n"
        "    def load(self, table):\n"
        "        raise LookupError(f'no table {table}')\n",
    )
    change = {"model": {"class_path": "refusing.Model", "init_args": {"table": "words"}}}
    said = "model: refusing.Model: no table words (LookupError at {}, line 8)"
    assert told(change, built) == said.format(file)
    monkeypatch.chdir(file.parent)
    assert told(change, built) == said.format(file.name)


def test_a_callback_that_refuses_is_named_with_its_place_in_the_list(module):
    module(
        "watching",
        "from lightning.pytorch import Callback\n\nclass Watcher(Callback):\n"
        "    def __init__(self, every: int):\n        assert every, 'every must not be 0'\n",
    )
    change = {
        "trainer.callbacks": [
            MONITOR,
            {"class_path": "watching.Watcher", "init_args": {"every": 0}},
        ]
    }
    message = told(change, built)
    assert message.startswith("trainer.callbacks[1]: watching.Watcher: every must not be 0 (")
    assert message.endswith("watching.py, line 5)")
    message = told({"trainer.callbacks": change["trainer.callbacks"][1]}, built)
    assert message.startswith("trainer.callbacks: watching.Watcher: ")
    assert message.endswith("every must not be 0")


def test_an_optimizer_of_torch_that_refuses_is_named_without_a_place():
    message = told({"optimizer.init_args.lr": -1.0}, built)
    assert message == "optimizer: torch.optim.SGD: Invalid learning rate: -1.0 (ValueError)"


def test_a_trainer_that_refuses_is_named():
    message = told({"trainer.max_time": "soon"}, built)
    assert message.startswith("trainer: ")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (
            {"optimizer": {"class_path": "Adam", "init_args": {"lrr": 1}}},
            "optimizer.init_args.lrr: unknown key 'lrr': did you mean 'lr'",
        ),
        (
            {
                "trainer.callbacks": [
                    {
                        "class_path": "EarlyStopping",
                        "init_args": {"monitor": "x", "patiense": 1},
                    }
                ]
            },
            "trainer.callbacks[0].init_args.patiense: unknown key 'patiense': "
            "did you mean 'patience'",
        ),
        ({"optimizer": "Adamm"}, "optimizer: no Optimizer is called 'Adamm': did you mean 'Adam'"),
        (
            {"optimizer": {"class_path": "Adamm"}},
            "optimizer.class_path: no Optimizer is called 'Adamm': did you mean 'Adam'",
        ),
        (
            {"trainer.callbacks": "EarlyStoping"},
            "trainer.callbacks: no Callback is called 'EarlyStoping': did you mean 'EarlyStopping'",
        ),
        (
            {"model": "ablate.testing.toyy.Toy"},
            "model: No module named 'ablate.testing.toyy': did you mean 'toy'",
        ),
        (
            {"model": "ablate.testing.toy.Toy.Inner"},
            "model: class 'ablate.testing.toy.Toy' has no attribute 'Inner'",
        ),
        (
            {"trainer.callbacks": [{"class_path": "torch.nn.Linear"}]},
            "trainer.callbacks[0]: torch.nn.Linear is no Callback",
        ),
        (
            {"trainer.callbacks": [MONITOR, {"class_path": f"{CALLBACKS}.EarlyStopping"}]},
            "trainer.callbacks[1].init_args: the following arguments are required: monitor",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_class_is_known_by_its_short_name_and_in_full(changes, start):
    assert told(changes).startswith(start)


def test_of_two_objects_of_one_class_the_wrong_one_is_named():
    wrong = {**STOPPING, "init_args": {"monitor": "val_loss", "patience": "many"}}
    message = told({"trainer.callbacks": [STOPPING, MONITOR, wrong]})
    assert message == "trainer.callbacks[2].init_args.patience: Expected a int. Got value: many"


def test_an_argument_inside_an_argument_is_named_with_its_whole_path(module):
    module(
        "nesting",
        "from ablate.testing.toy import Toy\nfrom torch import nn\n\nclass Model(Toy):\n"
        "    def __init__(self, layers: list[nn.Module], sizes: dict[str, int] = {}):\n"
        "        super().__init__()\n",
    )
    layers = [
        {"class_path": "torch.nn.Identity"},
        {"class_path": "torch.nn.Dropout", "init_args": {"p": "half"}},
    ]
    message = told({"model": {"class_path": "nesting.Model", "init_args": {"layers": layers}}})
    assert message == "model.init_args.layers[1].init_args.p: Expected a float. Got value: half"
    layers[1]["init_args"] = {"pp": 0.5}
    message = told({"model": {"class_path": "nesting.Model", "init_args": {"layers": layers}}})
    assert message.startswith("model.init_args.layers[1].init_args.pp: unknown key 'pp'")
    message = told(
        {"model": {"class_path": "nesting.Model", "init_args": {"layers": [], "sizes": {"a": "b"}}}}
    )
    assert message.startswith("model.init_args.sizes: ")
    assert "Expected a int" in message


def test_an_item_of_a_list_that_is_refused_is_named(module):
    module(
        "listing",
        "from ablate.testing.toy import Toy\n\nclass Model(Toy):\n"
        "    def __init__(self, widths: list[int]):\n        super().__init__()\n",
    )
    change = {"model": {"class_path": "listing.Model", "init_args": {"widths": [1, "two", 3]}}}
    assert told(change).startswith("model.init_args.widths[1]: Expected a int. Got value: two")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("\nimport os\nos.nothing", "AttributeError: module 'os' has no attribute 'nothing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
    ids=["import", "attribute", "raises", "syntax"],
)
def test_a_module_that_does_not_import_is_shown_with_its_own_error(module, text, said):
    file = module("breaks", text)
    line = text.count("\n") + 1
    message = told({"model": {"class_path": "breaks.Model"}})
    start = f"model.class_path: importing 'breaks' failed: {said} ({file}, line {line})"
    assert message.startswith(start)
    assert ("looked in " in message) == ("not_there" in text)


def test_a_module_that_is_not_found_is_said_with_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    message = told({"model": {"class_path": "no_such_module.Model"}})
    assert message.startswith("model.class_path: No module named 'no_such_module': looked in ")
    assert f"{tmp_path}, " in message
    assert message.endswith("put its folder on PYTHONPATH")


def test_a_trainer_without_arguments_is_a_trainer_of_defaults():
    assert resolve(toy({"trainer": None})) == resolve(toy({"trainer": {}}))


@pytest.mark.parametrize("section", ["model", "data", "optimizer", "lr_scheduler", "trainer"])
@pytest.mark.parametrize(
    ("value", "found"), [([], "a list"), ([{"a": 1}], "a list"), (3, "3"), (True, "True")]
)
def test_a_section_that_is_no_mapping_is_refused(section, value, found):
    message = told({section: value})
    assert message.startswith(f"{section}: there is {found} where a mapping belongs: write ")


@pytest.mark.parametrize("path", ["model", "data", "optimizer", "trainer.callbacks[0]"])
@pytest.mark.parametrize(
    ("value", "found"), [(["width"], "a list"), ("width", "'width'"), (None, "null")]
)
def test_arguments_that_are_no_mapping_are_refused(path, value, found):
    message = told({"trainer.callbacks": [MONITOR], f"{path}.init_args": value})
    start = f"{path}.init_args: there is {found} where a mapping belongs: write the arguments"
    assert message.startswith(start)


def test_a_class_path_that_is_no_text_is_refused():
    message = told({"model": {"class_path": 3}})
    assert message == "model.class_path: 3 names no class: write module.Class"


@pytest.mark.parametrize("value", [3, 1.5, True])
def test_a_number_where_text_belongs_is_told_how_to_be_text(value):
    message = told({"trainer.callbacks": [STOPPING], "trainer.callbacks[0].init_args.mode": value})
    assert message.startswith("trainer.callbacks[0].init_args.mode: Expected a str. Got value: ")
    assert message.endswith(f"; in quotes it is text: '{value}'")


NOISE = [
    "Does not validate against any of the Union subtypes",
    "Subtypes: [<class 'int'>, <class 'NoneType'>]",
    "Errors:",
    "- Expected a <class 'NoneType'>",
    "Given value type: <class 'str'>",
    "Given value: x",
    "Problem with given class_path 'a.B':",
    "- Expected a path but x either not accessible or invalid",
    "Not a valid subclass of Callback. Got value: 3",
    "Subclass types expect one of:",
    "- a dict with class_path entry",
]
WORDS = st.lists(
    st.text("abcdefgh:;'.()[]-_ 0123456789", min_size=1).filter(str.strip), min_size=1, max_size=5
).map(" ".join)


def said_of(message: str) -> str:
    """Return what is made of a text that jsonargparse gives for a config that is right."""
    config = {key: value for key, value in TOY.items() if key != "trainer"}
    with pytest.raises(SpecError) as caught, explained(config):
        raise ArgumentError(None, message)
    return str(caught.value)


def squeezed(line: str) -> str:
    return " ".join(line.split()).removeprefix("- ")


@given(st.text())
def test_whatever_the_text_it_is_not_lost(message):
    explanation = said_of(message)
    assert explanation.strip()
    for line in message.splitlines():
        assert squeezed(line) in explanation


@given(st.lists(st.sampled_from(NOISE) | WORDS))
def test_no_line_is_lost_but_noise_and_noise_only_where_something_else_is_left(lines):
    explanation = said_of("\n".join(lines))
    telling = [line for line in lines if line not in NOISE]
    for line in telling:
        assert squeezed(line) in explanation
    for line in NOISE if telling else ():
        assert line not in explanation or any(line in other for other in telling)
    assert explanation.strip()
    if lines and not telling:
        assert all(squeezed(line).partition("<")[0] in explanation for line in lines), (
            "with nothing but noise, the whole text is the answer"
        )


@given(st.lists(st.sampled_from(["model", "width", "init", "p.q"]), min_size=1, max_size=3), WORDS)
def test_a_key_of_the_text_is_kept(keys, complaint):
    message = "\n".join([*(f'Parser key "{key}":' for key in keys), complaint])
    explanation = said_of(message)
    assert squeezed(complaint) in explanation
    assert keys[-1].rpartition(".")[2] in explanation


NESTED = (
    "from torch import nn\nfrom ablate.testing.toy import Toy\n\n"
    "class Net(nn.Module):\n    pass\n\n"
    "class Small(Net):\n    def __init__(self, depth: int = 1):\n        super().__init__()\n\n"
    "class Model(Toy):\n"
    "    def __init__(self, net: Net, others: list[Net] | None = None):\n"
    "        super().__init__()\n"
)


@pytest.mark.parametrize("value", [1, {}], ids=repr)
@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("optimizer", "known: amsgrad, betas, "),
        ("lr_scheduler", "known: gamma, last_epoch, "),
        ("trainer.callbacks[0]", "known: check_finite, "),
        ("model.init_args.net", "known: depth"),
        ("model.init_args.others[0]", "known: depth"),
    ],
)
def test_an_unknown_key_under_a_short_name_is_told_the_known_ones(module, path, known, value):
    module("nested", NESTED)
    importlib.import_module("nested")
    changes = {
        "model": {
            "class_path": "nested.Model",
            "init_args": {"net": {"class_path": "Small"}, "others": [{"class_path": "Small"}]},
        },
        "optimizer": {"class_path": "Adam"},
        "lr_scheduler": {"class_path": "StepLR", "init_args": {"step_size": 1}},
        "trainer.callbacks": [{"class_path": "EarlyStopping", "init_args": {"monitor": "x"}}],
    }
    config = toy(changes)
    paths.put(config, f"{path}.init_args.zzz", value)
    with pytest.raises(SpecError) as caught:
        resolve(config)
    assert str(caught.value).startswith(f"{path}.init_args.zzz: unknown key 'zzz': {known}")


def test_a_nested_short_name_that_is_unknown_is_told_the_nearest(module):
    module("nested", NESTED)
    importlib.import_module("nested")
    change = {"model": {"class_path": "nested.Model", "init_args": {"net": {"class_path": "Smal"}}}}
    assert "no Net is called 'Smal': did you mean 'Small'?" in told(change)


@pytest.mark.parametrize("raised", ["ValueError", "AssertionError('')", "ValueError('  ')"])
def test_a_constructor_that_says_nothing_is_told_by_its_type_and_place(module, raised):
    name = f"wordless_{len(raised)}"
    file = module(
        name,
        "from ablate.testing.toy import Toy\n\nclass Model(Toy):\n"
        f"    def __init__(self, width: int = 1):\n        raise {raised}\n",
    )
    message = told({"model": {"class_path": f"{name}.Model"}}, built)
    kind = raised.partition("(")[0]
    assert message == f"model: {name}.Model: {kind} ({file}, line 5)"


def test_a_module_whose_import_says_nothing_is_told_by_the_type_and_place(module):
    file = module("assertive", "assert False")
    message = told({"model": {"class_path": "assertive.Model"}})
    said = f"importing 'assertive' failed: AssertionError ({file}, line 1)"
    assert message == f"model.class_path: {said}"
