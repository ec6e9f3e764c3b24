"""Logs of episodes in CSV files are compared, or refused with file, place and what to do."""

import json

import pytest
from typer.testing import CliRunner

from ablate.cli.app import app
from ablate.errors import NotFoundError, RequestError, SpecError
from ablate.workflow import compare_episodes
from tests.analysis.episode_logs import FAST, STABLE, table

ROWS = "episode,return\n0,1\n1,2\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with the logs and the facts of a fast and a stable run."""
    table(FAST).assign(seed=42).to_csv(tmp_path / "fast.csv", index=False)
    table(STABLE).assign(seed=42).to_csv(tmp_path / "stable.csv", index=False)
    (tmp_path / "fast.facts.yaml").write_text("horizon: 30\nactions: 1000\nconfig: fast.yaml\n")
    (tmp_path / "fast.yaml").write_text("hidden: 256\nlr: 1e-6\n")
    (tmp_path / "stable.facts.yaml").write_text("horizon: 50\nconfig: {hidden: 512, lr: 1e-6}\n")
    return tmp_path


def test_two_files_are_compared_with_the_facts_beside_them(folder):
    result = compare_episodes([folder / "fast.csv", folder / "stable.csv"])
    frame = result.frame().set_index("metric")
    assert frame.loc["max_return", "change"] == pytest.approx(57.07, abs=0.005)
    assert frame.loc["last_100_per_step", "baseline"] == pytest.approx(0.031)
    assert [found.path for found in result.comparison.differences] == ["hidden"]
    assert result.summary().startswith("mean return, last 100, per step: stable 0.02080 and fast")
    assert "# Training Comparison Report" in result.report()
    assert result.files is None
    assert sorted(path.name for path in folder.iterdir()) == [
        "fast.csv", "fast.facts.yaml", "fast.yaml", "stable.csv", "stable.facts.yaml"
    ]  # fmt: skip


def test_a_report_is_written_the_same_every_time(folder):
    paths = [folder / "fast.csv", folder / "stable.csv"]
    written = [
        compare_episodes(paths, ["a", "b"], baseline="b", out=folder / name) for name in ("x", "y")
    ]
    for one, other in zip(
        sorted((folder / "x").iterdir()), sorted((folder / "y").iterdir()), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()
    files = written[0].files
    assert files.markdown.read_text().startswith("# Training Comparison Report")
    assert "<h1>Training Comparison Report</h1>" in files.html.read_text()
    assert (
        files.table.read_text().splitlines()[1].startswith("max_return,max return,a,b,2.05,3.22,")
    )


def test_files_of_one_name_are_runs_of_one_arm(tmp_path):
    for name in ("a1", "a2", "b1"):
        (tmp_path / f"{name}.csv").write_text(
            f"seed,episode,return\n{name[-1]},0,1\n{name[-1]},1,2\n"
        )
    paths = [tmp_path / f"{name}.csv" for name in ("a1", "a2", "b1")]
    arms = compare_episodes(paths, ["a", "a", "b"]).comparison.arms
    assert {arm.name: [run.seed for run in arm.runs] for arm in arms} == {"a": [1, 2], "b": [1]}


def test_facts_may_say_what_a_log_calls_its_columns(tmp_path):
    (tmp_path / "a.csv").write_text("ep,total,mood\n0,1,good\n1,4,bad\n")
    (tmp_path / "a.facts.yaml").write_text("columns: {episode: ep, return: total}\n")
    (tmp_path / "b.csv").write_text(ROWS)
    result = compare_episodes([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert result.comparison.values["final_return", "a"].mean == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: write a head"),
        ("episode,return\n", "there is no episode in it"),
        ("episode,return\n0\n", "row 1: 1 cells under a head of 2 columns"),
        ("episode,return,return\n0,1,1\n", "the column 'return' is there twice"),
        ("episode,return\n0,1\n5,2\n", "row 2: episode 5 follows 0"),
        ("episode,reward\n0,1\n", "no column 'reward'.*say in the facts"),
        ("episode,return,loss\n0,1,0.0\n1,1,0.5\n", "the loss is exactly 0: leave it empty"),
        ("seed,episode,return\n1,0,x\n", "seed 1: row 1: return: 'x' is no number"),
        ('episode,return\n0,"1\n', "is no CSV file"),
        (b"episode,return\n0,\xff\n", "is no CSV file"),
    ],
)
def test_a_log_that_does_not_hold_is_refused_with_its_file(tmp_path, text, message):
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_bytes(text if isinstance(text, bytes) else text.encode())
    good.write_text(ROWS)
    with pytest.raises(RequestError, match=message) as raised:
        compare_episodes([good, bad], out=tmp_path / "report")
    assert str(bad) in str(raised.value)
    assert not (tmp_path / "report").exists()


def test_a_file_that_is_not_there_is_refused_with_near_names(folder):
    with pytest.raises(NotFoundError, match=r"no file .*fats\.csv.*did you mean 'fast\.csv'"):
        compare_episodes([folder / "fats.csv", folder / "stable.csv"])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("horison: 3", "unknown key 'horison': did you mean 'horizon'"),
        ("horizon: 0", "horizon"),
        ("floor: 2\nceiling: 1", "the floor must lie below the ceiling"),
        ("usage: {cpu_percent: 40}", "usage.tool"),
        ("columns: {return: total}", "the facts name a column 'total'"),
        ("config: nowhere.yaml", "there is no file .*nowhere.yaml"),
    ],
)
def test_facts_that_do_not_hold_are_refused_with_their_file(tmp_path, facts, message):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(ROWS)
    (tmp_path / "b.facts.yaml").write_text(facts)
    with pytest.raises((SpecError, RequestError), match=message):
        compare_episodes([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_different_facts_of_one_arm_are_refused(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(ROWS)
        (tmp_path / f"{name}.facts.yaml").write_text(f"horizon: {ord(name)}")
    with pytest.raises(RequestError, match="tell different facts of the arm 'x'"):
        compare_episodes([tmp_path / f"{name}.csv" for name in "abc"], ["x", "x", "y"])


def test_a_name_too_few_and_an_arm_alone_are_refused(folder):
    paths = [folder / "fast.csv", folder / "stable.csv"]
    with pytest.raises(RequestError, match="2 logs of episodes and 1 names"):
        compare_episodes(paths, ["a"])
    with pytest.raises(RequestError, match="at least two arms"):
        compare_episodes(paths[:1])
    with pytest.raises(RequestError, match="the baseline 'c' is no arm: "):
        compare_episodes(paths, baseline="c")


def test_a_folder_that_can_t_be_written_is_refused(folder):
    (folder / "taken").write_text("")
    with pytest.raises(RequestError, match=r"can't be written to .*taken"):
        compare_episodes([folder / "fast.csv", folder / "stable.csv"], out=folder / "taken")


def test_the_command_compares_logs_with_logs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    runner = CliRunner()
    said = runner.invoke(app, ["compare", "fast.csv", "stable.csv", "--out", "report"])
    assert said.output.splitlines()[-1] == "report: report/report.html"
    rows = json.loads(runner.invoke(app, ["compare", "fast.csv", "stable.csv", "--json"]).stdout)
    assert [row["metric"] for row in rows["comparisons"]][:1] == ["max_return"]
    for words in (["fast.csv", "study"], ["a", "b", "--out", "x"]):
        refused = runner.invoke(app, ["compare", *words])
        assert isinstance(refused.exception, RequestError)
        assert not (folder / "x").exists()
