"""What looks like a secret is refused, and a reference to the environment is not."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import dump_yaml, read_study
from ablate.spec.secrets import (
    hidden,
    is_secret,
    mask,
    put_in,
    refuse_secrets,
    require_variables,
    taken_out,
    variables,
)

SECRETS = [
    ("data.init_args.dsn", "postgresql://ann:hunter2@host/db"),
    ("trainer.logger.init_args.api_key", "abcdef"),
    ("data.init_args.password", "hunter2"),
    ("data.init_args.token", "hunter2"),
    ("data.init_args.passwords[0].secret", "hunter2"),
    ("data.init_args.note", "ghp_" + "a" * 36),
    ("data.init_args.note", "use AKIA" + "A" * 16),
    ("model.init_args.hub", "hf_" + "b" * 34),
]


@pytest.mark.parametrize(("path", "value"), SECRETS)
def test_a_secret_is_refused_and_never_shown(path: str, value: str) -> None:
    assert is_secret(path, value)
    with pytest.raises(SpecError, match=r"a\.yaml: .* looks like a secret .* \$\{env:") as refusal:
        refuse_secrets({path: value}, "a.yaml")
    assert path in str(refusal.value)
    assert value not in str(refusal.value)
    assert value not in str(hidden("", {path: [value]}) | {"": ""})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.init_args.max_tokens", 512),
        ("model.init_args.pad_token", "<pad>"),
        ("model.init_args.bos_token", "BOS"),
        ("data.init_args.password", "${PASSWORD}"),
        ("data.init_args.password", "${env:PASSWORD}"),
        ("data.init_args.password", "${oc.env:PASSWORD}"),
        ("data.init_args.password", None),
        ("data.init_args.dsn", "postgresql://ann:$PASSWORD@host/db"),
        ("data.init_args.dsn", "postgresql://ann:${env:PASSWORD}@host/db"),
        ("data.init_args.dsn", "sqlite:///results/ablate.db"),
        ("model.init_args.secret_dim", "12"),
        ("model.class_path", "sk.learn.estimators.Thing"),
    ],
)
def test_what_only_looks_near_a_secret_is_none(path: str, value: object) -> None:
    assert not is_secret(path, value)


def test_tokens_of_known_shapes_are_masked_in_any_text() -> None:
    assert mask(f"with hf_{'b' * 34}, said") == "with ***, said"
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
    assert mask(f"a {key} b") == "a *** b"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": {"a": {"model.init_args.api_key": "hunter2"}}}, r"s\.yaml: arms\.a\.model"),
        ({"profiles": {"cpu": {"set": {"data.password": "hunter2"}}}}, r"s\.yaml: profiles\.cpu"),
    ],
)
def test_a_study_says_in_which_file_its_secret_is(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    (tmp_path / "c.yaml").write_text("model: {class_path: m.M}\n")
    study = {"kind": "ablation", "config": "c.yaml", "metrics": {"val_loss": "minimize"}}
    arms = {"a": {"model.init_args.x": 1}, "b": {"model.init_args.x": 2}}
    (tmp_path / "s.yaml").write_text(dump_yaml({**study, "seeds": [1], "arms": arms, **change}))
    with pytest.raises(SpecError, match=said) as refusal:
        read_study(tmp_path / "s.yaml").prepare("cpu")
    assert "hunter2" not in str(refusal.value)
    (tmp_path / "c.yaml").write_text("model: {class_path: m.M, init_args: {token: hunter2}}\n")
    (tmp_path / "s.yaml").write_text(dump_yaml({**study, "seeds": [1], "arms": arms}))
    with pytest.raises(SpecError, match=r"c\.yaml: model\.init_args\.token looks"):
        read_study(tmp_path / "s.yaml").prepare("cpu")
    (tmp_path / "c.yaml").write_text("model: {class_path: m.M}\n")
    with pytest.raises(SpecError, match=r"--set: data\.password looks") as refusal:
        read_study(tmp_path / "s.yaml").prepare("cpu", {"data.password": "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_the_choices_of_a_search_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model: {class_path: m.M}\n")
    study = {
        "kind": "search",
        "config": "c.yaml",
        "objective": {"metric": "val_loss"},
        "space": {"model.init_args.api_key": {"choice": ["hunter2", "hunter3"]}},
        "budget": {"trials": 1},
    }
    (tmp_path / "s.yaml").write_text(dump_yaml(study))
    with pytest.raises(SpecError, match=r"s\.yaml: space\.model\.init_args\.api_key looks"):
        read_study(tmp_path / "s.yaml").prepare("cpu")


def test_a_reference_stands_for_its_variable_where_objects_are_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABLATE_TEST_KEY", "hunter2")
    config = {"data": {"dsn": "db://ann:${env:ABLATE_TEST_KEY}@h", "list": [3, "${OTHER}"]}}
    assert list(variables(config)) == [("data.dsn", "ABLATE_TEST_KEY")]
    require_variables(config)
    assert put_in("db://ann:${env:ABLATE_TEST_KEY}@h") == "db://ann:hunter2@h"
    assert put_in(3) == 3
    monkeypatch.delenv("ABLATE_TEST_KEY")
    with pytest.raises(SpecError, match=r"data\.dsn: .* no variable ABLATE_TEST_KEY"):
        require_variables(config)


@given(st.text("xyz'\"\\\nä", min_size=4), st.text("0123"), st.text("0123"))
def test_what_a_reference_stands_for_is_taken_out_of_any_text(
    secret: str, before: str, after: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "ABLATE_TEST_KEY", secret)
        without = taken_out({"a": "${env:ABLATE_TEST_KEY}"})
        reference = "${env:ABLATE_TEST_KEY}"
        assert without(f"{before}{secret}{after}") == f"{before}{reference}{after}"
        assert without(repr(secret))[1:-1] == reference
