"""YAML files: safe, strict, and the same after writing and reading."""

import math
import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import NotFoundError, SpecError
from ablate.spec import dump_yaml, parse_yaml, read_yaml
from ablate.spec.files import beside, find, read_config_file, replacing

texts = st.text(st.characters(exclude_categories=["Cs"]))
numberlike = st.from_regex(r"[-+]?[0-9._]{0,3}[eE]?[-+]?[0-9]{0,3}", fullmatch=True)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | numberlike
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts | numberlike, inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2e3", -2e3),
        ("1.e-4", 1e-4),
        (".5e-3", 5e-4),
        ("1.0e-05", 1e-5),
    ],
)
def test_scientific_notation_is_a_float(text, number):
    value = parse_yaml(f"lr: {text}")["lr"]
    assert isinstance(value, float)
    assert value == number


@pytest.mark.parametrize(
    "text", ["e4", "1e", "1e4x", "0x1e4g", "v1e4", "1e-4-2", "2026-01-31", "."]
)
def test_text_that_only_resembles_a_number_stays_text(text):
    assert parse_yaml(f"name: {text}") == {"name": text}


def test_infinity_and_nan_are_floats():
    assert parse_yaml("[.inf, -.inf]") == [math.inf, -math.inf]
    assert math.isnan(parse_yaml(".nan"))


@given(plain)
def test_what_is_written_is_read_back_the_same(data):
    back = parse_yaml(dump_yaml(data))
    assert back == data
    assert repr(back) == repr(data)  # types and the sign of zero too


def test_a_value_that_occurs_twice_is_written_out_twice():
    betas = [0.9, 0.99]
    assert "&" not in dump_yaml({"first": betas, "second": betas})


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "NO", "true", "False"])
def test_a_key_that_resembles_a_boolean_is_the_text_that_is_written(word):
    assert parse_yaml(f"{word}: 1\n'b': {{{word}: 2}}\n") == {word: 1, "b": {word: 2}}
    assert parse_yaml(dump_yaml({word: {word: [word]}})) == {word: {word: [word]}}


def test_a_key_that_resembles_a_boolean_is_merged_and_found_twice_like_any_other():
    assert parse_yaml("a: &a {on: 1, off: 2}\nb: {<<: *a, off: 3}\n")["b"] == {"on": 1, "off": 3}
    with pytest.raises(yaml.YAMLError, match="'on' is written twice"):
        parse_yaml("on: 1\n'on': 2\n")


@pytest.mark.parametrize("word", ["on", "No", "yes", "true", "null", "~"])
def test_a_key_of_a_config_that_is_no_text_for_lightning_is_refused_with_its_line(word, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"model:\n  init_args:\n    flags: {{{word}: 1}}\n")
    with pytest.raises(SpecError) as refused:
        read_config_file(path)
    assert str(refused.value) == (
        f"{path} is not valid YAML: line 3: the key {word!r} is no text for LightningCLI: in YAML "
        f"it is a boolean or null; write it in quotes: '{word}'"
    )
    path.write_text(f"flags: {{'{word}': 1, 2: {word}}}\n")
    assert read_config_file(path) == {"flags": {word: 1, 2: yaml.safe_load(word)}}


def test_a_value_that_resembles_a_boolean_is_one_but_where_a_name_stands():
    text = "a: on\nb: {c: no, d: [yes, off]}\n"
    assert parse_yaml(text) == {"a": True, "b": {"c": False, "d": [True, False]}}
    assert parse_yaml(text, [("b", "*")]) == {"a": True, "b": {"c": "no", "d": [True, False]}}
    assert parse_yaml(text, [("a",), ("*", "d", "*")]) == {
        "a": "on", "b": {"c": False, "d": ["yes", "off"]}
    }  # fmt: skip


def test_keys_keep_their_order():
    assert list(parse_yaml(dump_yaml({"b": 1, "a": 2, "c": 3}))) == ["b", "a", "c"]


def test_anchors_and_merge_keys_work_and_may_be_overridden():
    text = "base: &base {lr: 0.1, width: 2}\nmine:\n  <<: *base\n  width: 3\n"
    assert parse_yaml(text)["mine"] == {"lr": 0.1, "width": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "line 5: the key 'c' is written twice"),
        ("a: {b: 1, b: 1}\n", "line 1: the key 'b' is written twice"),
        ("a: 1\n'a': 2\n", "line 2: the key 'a' is written twice"),
        ("a: 1\n? [b]\n: 2\n", "line 2: a key must be a single value"),
        ("a: 1\nb: 0x_\n", "line 2: '0x_' can't be read"),
        ("a: 1\nb: !!int x\n", "line 2: 'x' can't be read"),
        ("a: 1\nb: [1,\n", "line 3: "),
        ("a: 1\nb: c: 2\n", "line 2: "),
        ("a:\n\t- 1\n", "line 2: "),
        ("a: 1\n--- \nb: 2\n", "line 2: "),
        ("a: *missing\n", "line 1: found undefined alias"),
        ("a: &x [*x]\n", "line 1: "),
        ("a: '\x00'\n", "not valid YAML"),
        ("a: " + "[" * 20_000, "nested too deeply"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name_and_line(tmp_path, text, message):
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_yaml(file)
    assert str(caught.value).startswith(f"{file} is not valid YAML: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.mkdir [made]",
        "!!python/name:os.system",
        "!!python/tuple [1, 2]",
        "!!binary aGk=",
        "!!set {1, 2}",
        "!!timestamp 2026-01-31",
        "!mine 3",
    ],
)
def test_tags_are_refused_and_nothing_is_run(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tagged.yaml").write_text(f"a: 1\nb: {value}\n")
    with pytest.raises(SpecError, match=r"line 2: the tag .* is not allowed"):
        read_yaml(tmp_path / "tagged.yaml")
    assert os.listdir(tmp_path) == ["tagged.yaml"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("text", "kind"), [("", "nothing"), ("- 1\n", "a list"), ("just text", "'just text'")]
)
def test_a_file_must_hold_a_mapping(tmp_path, text, kind):
    file = tmp_path / "list.yaml"
    file.write_text(text)
    with pytest.raises(SpecError, match=f"must hold a mapping of keys, not {kind}"):
        read_yaml(file)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "bytes.yaml"
    file.write_bytes(b"a: \xff\xfe")
    with pytest.raises(SpecError, match="can't be read"):
        read_yaml(file)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SpecError, match="can't be read"):
        read_yaml(tmp_path)


def test_a_missing_file_names_its_neighbours(tmp_path):
    (tmp_path / "champion.yaml").write_text("a: 1")
    with pytest.raises(NotFoundError, match=r"did you mean 'champion\.yaml'\?"):
        read_yaml(tmp_path / "chapmion.yaml")
    with pytest.raises(NotFoundError, match="there are none"):
        read_yaml(tmp_path / "absent" / "x.yaml")


def test_parse_raises_only_yaml_errors():
    for text in ("a: 0x_", "? {}\n: 1", "[" * 20_000, "!!float x"):
        with pytest.raises(yaml.YAMLError):
            parse_yaml(text)


def test_a_study_is_found_by_name_or_by_path(project):
    file = project.write("studies/champion.yaml", {"a": 1})
    project.write("elsewhere/mine.yml", {"a": 1})
    assert find("champion", "studies") == file.relative_to(project.root)
    assert str(find("studies/champion.yaml", "studies")) == "studies/champion.yaml"
    assert str(find("elsewhere/mine.yml", "studies")) == "elsewhere/mine.yml"
    with pytest.raises(NotFoundError, match="did you mean 'champion'"):
        find("chmpion", "studies")


def test_a_neighbouring_file_is_named_without_detours(project):
    study = project.root / "studies" / "mine.yaml"
    assert beside(study.parent, "../configs/base.yaml") == project.root / "configs" / "base.yaml"
    assert (
        beside(study.parent, "../configs/absent.yaml") == project.root / "configs" / "absent.yaml"
    )


def test_a_detour_through_a_symbolic_link_is_kept(project):
    outside = project.write("shared/studies/mine.yaml", {}).parent
    project.write("shared/configs/other.yaml", {"a": 1})
    project.write("configs/other.yaml", {"a": 2})
    (project.root / "linked").symlink_to(outside)
    for name in ("../configs/other.yaml", str(project.root / "shared" / "configs" / "other.yaml")):
        assert read_yaml(beside(project.root / "linked", name)) == {"a": 1}


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "kept.txt"
    with replacing(path) as part:
        part.write_text("first")
        assert not path.exists()

    def write_half():
        with replacing(path) as part:
            part.write_text("sec")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "first"
    with replacing(path) as part:
        part.write_text("second")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("kept.txt", "second")
    ]
