"""Files that nobody would write by hand are refused in a sentence, and read no further."""

import os
from pathlib import Path

import pytest
import yaml

from ablate.errors import NotFoundError, SpecError
from ablate.spec import parse_yaml, paths, read_study, read_yaml
from ablate.spec.files import explained, find
from ablate.spec.names import study_folder
from ablate.spec.native import read_config
from tests.spec.samples import ablation, config, search

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('a: !!int ""\n', "line 1: '' can't be read as a whole number"),
        ("a: !!float x\n", "line 1: 'x' can't be read as a number"),
        ("a: !!bool x\n", "line 1: 'x' can't be read as true or false"),
        ('\na: "\\U00110000"\n', "line 2: an escape there stands for no character"),
        ('a: "\\ud800"\n', "line 1: '\\ud800' has an escape of half a character"),
        ('"\\ud800": 1\n', "line 1: '\\ud800' has an escape of half a character"),
        ("a: 1\nb: \x01\n", "line 2: the character U+0001 is not allowed"),
        ("a: 1\nb: \U0001f600\x00\n", "line 2: the character U+0000 is not allowed"),
        ("a: &a {b: *a}\n", "line 1: an alias stands inside what it repeats"),
        ("a: " + "[" * 200, "nested too deeply: there are more than 100 levels"),
        (BOMB, "there are more than 100,000 values, with all that aliases repeat"),
        ("a: [" + "1, " * 100_000 + "]", "there are more than 100,000 values"),
    ],
)
def test_what_no_value_can_be_is_refused_at_its_line(text: str, reason: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        parse_yaml(text)
    assert reason in explained(caught.value)


@pytest.mark.parametrize("digits", ["9" * 5_000, "1" * 400, "0x" + "f" * 5_000])
def test_a_number_that_no_float_holds_is_refused(digits: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        parse_yaml(f"a: {digits}")
    assert len(explained(caught.value)) < 300
    assert parse_yaml("a: " + "1" * 300)["a"] > 10**299


def test_what_aliases_repeat_is_read_as_long_as_it_is_bounded() -> None:
    text = "a: &a {x: [1, 2]}\nb: [*a, *a]\nc: {<<: *a, y: 3}\n"
    assert parse_yaml(text)["b"] == [{"x": [1, 2]}] * 2


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "huge", "bytes", "utf-16", "absent"])
def test_what_is_no_text_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.yaml"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "huge":
            with path.open("wb") as file:
                file.truncate(10 * 2**30)
        case "bytes":
            path.write_bytes(b"a: 1\nb: \xff\n")
        case "utf-16":
            path.write_bytes("a: 1".encode("utf-16"))
    with pytest.raises((SpecError, NotFoundError)) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert str(path) in message
    if kind == "bytes":
        assert "line 2: the byte 0xff is no UTF-8; save the file as UTF-8" in message


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "a/" * 3_000 + "a.yaml", "\0.yaml"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises((SpecError, NotFoundError)) as caught:
        read_yaml(tmp_path / name)
    assert len(str(caught.value)) < 2_000
    with pytest.raises(NotFoundError) as caught:
        find(name, str(tmp_path))
    assert len(str(caught.value)) < 600


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n")
    assert read_yaml(path) == {"a": 1, "b": {"c": "x"}}


def test_a_config_that_names_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("class_path: a.B\ninit_args: {inner: m.yaml}\n")
    (tmp_path / "c.yaml").write_text("model: m.yaml\n")
    with pytest.raises(SpecError, match=r"m\.yaml: it names itself"):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "path", ["a." * 2_000 + "a", "a" + "[0]" * 2_000, "a[²]", "a[" + "9" * 5_000]
)
def test_a_path_without_end_is_none(path: str) -> None:
    with pytest.raises(SpecError) as caught:
        paths.parse(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("stem", ["..", "a\nb", "x" * 220, "\x1b[31m"])
def test_a_study_whose_name_is_no_folder_is_refused(project, stem: str) -> None:
    project.study(search())
    Path(f"studies/{stem}.yaml").write_bytes(Path("studies/mine.yaml").read_bytes())
    with pytest.raises(SpecError, match="can't name a study"):
        read_study(Path(f"studies/{stem}.yaml"))


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "", "/tmp", "a//b", "x" * 300])  # noqa: S108
def test_no_stored_name_leads_out_of_the_folder_of_results(name: str) -> None:
    with pytest.raises(SpecError.__mro__[1], match="can't be the name of a study's folder"):
        study_folder(Path("results"), name)
    assert study_folder(Path("results"), "a.b-c+1") == Path("results/a.b-c+1")


def test_an_arm_has_a_name_that_can_be_printed(project) -> None:
    for name in ("", "\x1b[31m", "x" * 300):
        with pytest.raises(SpecError, match="can't name an arm"):
            project.study(ablation(arms={name: {}}, reference=None))


def test_a_million_runs_are_refused_with_the_sum(project) -> None:
    arms = {f"arm{number}": {"model.init_args.width": number} for number in range(900)}
    many = ablation(arms=arms, reference=None, seeds=list(range(2_000)))
    with pytest.raises(SpecError, match=r"900 arms x 2,000 seeds are 1,800,000 runs; a study has"):
        project.prepared(many)
    arms |= {f"more{number}": {} for number in range(200)}
    with pytest.raises(SpecError, match=r"there are 1,100 arms and components; at most 1,000"):
        project.study(ablation(arms=arms, reference=None))


def test_what_an_arm_can_not_change_names_the_config_too(project) -> None:
    project.config("base", config(model=3))
    with pytest.raises(SpecError) as caught:
        project.prepared(ablation())
    assert "studies/mine.yaml: arms.wide: " in str(caught.value)
    assert "(in configs/base.yaml)" in str(caught.value)


def test_a_parameter_without_a_place_names_the_space_and_the_config(project) -> None:
    space = {"optimizer.init_args.betas[7]": {"choice": [0.8, 0.9]}}
    with pytest.raises(SpecError) as caught:
        project.prepared(search(space=space))
    assert str(caught.value) == (
        "studies/mine.yaml: space.optimizer.init_args.betas[7]: optimizer.init_args.betas[7]: "
        "there is a list of 2 at optimizer.init_args.betas, which has no 7 (in configs/base.yaml)"
    )


def test_a_missing_config_names_the_study_that_asks_for_it(project) -> None:
    with pytest.raises(
        SpecError.__mro__[1], match=r"^studies/mine\.yaml: config: there is no file"
    ):
        project.prepared(search(config="../configs/absent.yaml"))


@pytest.mark.parametrize("name", [".", "../studies", "\0", "x" * 300])
def test_a_config_that_is_no_file_names_the_study_too(project, name: str) -> None:
    with pytest.raises(SpecError.__mro__[1], match=r"^studies/mine\.yaml: config: "):
        project.prepared(search(config=name))


def test_sections_are_named_by_texts_and_choices_equal_themselves(project) -> None:
    project.config("base", config(model={}) | {3: {}})
    with pytest.raises(SpecError, match=r"^configs/base\.yaml: unknown key 3: the name of a sec"):
        project.prepared(search())
    with pytest.raises(
        SpecError, match=r"space\.lr\.choice: a choice is nan, which no value equals"
    ):
        project.study(search(space={"lr": {"choice": [1.0, float("nan")]}}))


def test_many_mistakes_are_told_in_a_few_lines(project) -> None:
    with pytest.raises(SpecError) as caught:
        project.study(search(seeds=["x"] * 500))
    assert len(str(caught.value).splitlines()) == 9
    assert str(caught.value).endswith("492 more mistakes like these")


def test_what_may_be_of_several_kinds_is_one_mistake(project) -> None:
    with pytest.raises(SpecError) as caught:
        project.study(search(config=[3]))
    assert str(caught.value) == "studies/mine.yaml: config[0]: write a text or a mapping (given: 3)"
